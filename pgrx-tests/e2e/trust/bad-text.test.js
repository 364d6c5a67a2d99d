// Text that isn't of its database's encoding, which a client can bring in by a setting of its startup packet: a clean error
// wherever it would be sent, and nobody else's trouble.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { bytesInSetting } from '../../harness/bytes.js';
import { call, CALLS, having } from '../../harness/functions.js';
import { OWNER_ROLE, rowTrigger, startLive, statementTriggers, watched } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, SERVERS_ROLE } from '../../harness/roles.js';
import { survives } from '../../harness/survival.js';

const BYTES = `current_setting('app.bytes')`;

describe('bytes that are no text', () => {
  let live, session;

  before(async () => {
    live = await startLive({ name: 'bad-text', clients: { staff: ['staff'] } });
    session = await live.postgres.connect({ user: OWNER_ROLE, ...bytesInSetting() });
    await createRoles(live.admin, 'reader');
    await live.admin.query(`GRANT SELECT ON sio_watches TO ${OWNER_ROLE}, reader`);
  });

  after(() => live?.close());

  beforeEach(async () => {
    await session.query('ROLLBACK; RESET socketio_emitter.payload_threshold');
    await live.reset();
  });

  const survive = (work) => survives(live.postgres, session, work);

  it('are in the database indeed', async () => {
    const { rows } = await session.query(`SELECT encode(${BYTES}::bytea, 'hex') AS hex`);
    assert.deepEqual(rows, [{ hex: '6161616161f0' }]);
  });

  describe('are refused by a clean error', () => {
    const TEXTS = ['ns', 'event'];
    const LISTS = ['rooms', 'except_rooms', 'join_rooms', 'leave_rooms'];

    for (const [parameter, value] of [
      ...TEXTS.map((each) => [each, BYTES]), ...LISTS.map((each) => [each, `ARRAY['x', ${BYTES}]`]),
      ['payload', `to_jsonb(${BYTES})`], ['payload', `jsonb_build_object(${BYTES}, 1)`], ['args', `ARRAY['1', to_jsonb(${BYTES})]::jsonb[]`],
    ]) {
      const names = having(parameter).map(([name]) => name).filter((name) => parameter !== 'payload' || name !== 'sio_emit_binary');
      it(`as ${parameter} of ${names.join(', ')}: ${value}`, async () => {
        await survive(async () => {
          for (const name of names) {
            for (const threshold of ['8000', '1']) {
              await session.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
              const more = 'binaries' in CALLS[name] && ['payload', 'args'].includes(parameter) ? { binaries: undefined } : {};
              await refused(session, call(name, { [parameter]: value, ...more }), '22021', { says: [parameter, 'UTF8'] });
            }
          }
        });
        assert.deepEqual(await live.sent(), []);
      });
    }

    for (const [parameter, value] of Object.entries({
      rooms: `ARRAY['a', ${BYTES}]`, event: BYTES, ns: BYTES, payload: BYTES, columns: `ARRAY['id', ${BYTES}]`, except_columns: `ARRAY[${BYTES}]`,
      left_event: BYTES, level: BYTES, ops: `ARRAY[${BYTES}]`, name: BYTES, old: BYTES, filter: BYTES, changed: `ARRAY[${BYTES}]`, keys: BYTES, bigints: BYTES,
    })) {
      it(`as ${parameter} of sio_watch`, async () => {
        await session.query('CREATE TABLE t (id int PRIMARY KEY)');
        await survive(() => refused(session, `SELECT sio_watch('t'${watched(`${parameter} => ${value}`)})`, '22021', { says: parameter }));
        assert.equal(await live.count('sio_watches'), 0);
      });
    }

    it('as name of sio_unwatch', async () => {
      await session.query(`CREATE TABLE t (id int PRIMARY KEY); SELECT sio_watch('t', everyone => true)`);
      await survive(() => refused(session, `SELECT sio_unwatch('t', ${BYTES})`, '22021', { says: 'name' }));
      assert.equal(await live.count('sio_watches'), 1);
    });

    for (const [level, trigger] of [['row', rowTrigger], ['statement', statementTriggers]]) {
      for (const [part, args] of [['the room', ['room=$v']], ['the event', ['room=staff', 'event=$v']], ['the payload', ['room=staff']]]) {
        it(`in a row that a trigger at ${level} level makes ${part} of`, async () => {
          await session.query(`CREATE TABLE t (id serial, v text); ${trigger('t', 'INSERT', args)}`);
          await survive(async () => {
            for (let i = 0; i < 3; i++) await refused(session, `INSERT INTO t (v) VALUES ('good'), (${BYTES})`, '22021');
          });
          assert.deepEqual(await live.sent(), []);
        });
      }
    }

    it('as the name of a watched table\'s column', async () => {
      await session.query(`DO $$ BEGIN EXECUTE format('CREATE TABLE t (id int PRIMARY KEY, %I int)', ${BYTES}); END $$`);
      await survive(() => refused(session, `SELECT sio_watch('t', '{staff}')`, '22021'));
      await session.query(rowTrigger('t', 'INSERT', ['room=staff']));
      await survive(() => refused(session, 'INSERT INTO t VALUES (1, 2)', '22021'));
    });
  });

  describe('in a trigger that was made by hand', () => {
    /** With these arguments, as expressions in SQL. */
    const byHand = (args, { name = `'by_hand'`, table = 't' } = {}) => session.query(`DO $$ BEGIN
      EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION public.sio_emit_changes(${args.map(() => '%L').join(', ')})',
        ${[name, ...args].join(', ')}); END $$`);

    for (const [what, args, options] of [
      ['as a room', [`'watch=by_hand'`, `'room=' || ${BYTES}`]],
      ['as an event', [`'watch=by_hand'`, `'room=staff'`, `'event=' || ${BYTES}`]],
      ['as a column', [`'watch=by_hand'`, `'room=staff'`, `'columns=' || ${BYTES}`]],
      ['as the name of a watch', [`'watch=' || ${BYTES}`, `'room=staff'`]],
      ['as a key', [`'watch=by_hand'`, BYTES]],
      ['as all of it', [BYTES]],
      ['as the trigger\'s name, too', [`'watch=' || ${BYTES}`, `'room=' || ${BYTES}`], { name: BYTES }],
    ]) {
      it(`${what}: it can't fire, everybody else's watches are shown and work, and it can be dropped`, async () => {
        await session.query(`CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY); SELECT sio_watch('other', '{staff}')`);
        await byHand(args, options);
        await survive(async () => {
          await refused(session, 'INSERT INTO t VALUES (1)', '22021');
          for (const role of ['reader', 'postgres']) {
            await live.as(role, async (client) => {
              const { rows } = await client.query(`SELECT table_name::text, name, rooms FROM public.sio_watches`);
              assert.ok(rows.some(({ name, rooms }) => name === 'sio_watch' && rooms[0] === 'staff'), JSON.stringify(rows));
            });
          }
          await session.query('INSERT INTO other VALUES (1)');
          assert.equal((await live.got()).staff.length, 1);
          // Beside a watch of the same table, which can be made, altered and dropped.
          await session.query(`SELECT sio_watch('t', '{staff}', name => 'good'); SELECT sio_watch('t', '{a}', name => 'good')`);
          assert.deepEqual((await session.query(`SELECT sio_unwatch('t', 'good') AS n`)).rows, [{ n: 1 }]);
          const { rows: [{ n }] } = await session.query(`SELECT sio_unwatch('t') AS n`);
          // What names no watch isn't one.
          if (args[0].startsWith(`'watch=`)) {
            assert.equal(n, 1);
            await session.query('INSERT INTO t VALUES (1)');
          }
        });
      });
    }
  });

  it('reach no server', async () => {
    assert.deepEqual(live.server.errors, []);
    assert.equal((await live.as(SERVERS_ROLE, (client) => client.query('SELECT 1'))).rowCount, 1);
  });
});

describe('a trigger with more arguments than Postgres can count', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'many-arguments', clients: { staff: ['staff'] } });
  });

  after(() => live?.close());

  const withArguments = (count) => live.app.query(`DO $$ BEGIN EXECUTE 'CREATE TRIGGER many AFTER INSERT ON t FOR EACH ROW
    EXECUTE FUNCTION public.sio_emit_changes(''room=staff''' || repeat(', ''room=b''', ${count - 1}) || ')'; END $$`);

  for (const count of [32_768, 40_000, 65_535]) {
    it(`${count}: it is refused, by Postgres or when it fires, and hinders nothing else`, async () => {
      await live.reset();
      await live.app.query('CREATE TABLE t (id int PRIMARY KEY)');
      await survives(live.postgres, live.app, async () => {
        const created = await withArguments(count).then(() => true, ({ code }) => {
          assert.equal(code, '54023');
          return false;
        });
        if (created) await refused(live.app, 'INSERT INTO t VALUES (1)', '54023', { says: 'arguments' });
        await live.admin.query('SELECT * FROM sio_watches');
        await live.app.query(`SELECT sio_watch('t', everyone => true); SELECT sio_unwatch('t')`);
      });
    });
  }

  it('32767: it is one that Postgres can count, with more rooms than it can have', async () => {
    await live.reset();
    await live.app.query('CREATE TABLE t (id int PRIMARY KEY)');
    await survives(live.postgres, live.app, async () => {
      await withArguments(32_767);
      await refused(live.app, 'INSERT INTO t VALUES (1)', '22023', { says: 'room' });
    });
  });
});
