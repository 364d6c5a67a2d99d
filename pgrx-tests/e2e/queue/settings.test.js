// Which messages are queued: socketio_emitter.delivery at every level where a setting can be made, and for whatever emits.
// Without a worker, so that what was queued stays to be seen.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { call, SENDERS } from '../../harness/functions.js';
import { rowTrigger, statementTriggers } from '../../harness/live.js';
import { numbered, numberedBinary, queued, startQueue } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const QUEUE = `SET socketio_emitter.delivery = 'queue'`;
const NOTIFY = `SET socketio_emitter.delivery = 'notify'`;

describe('delivery', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-settings', preload: false }));
    await admin.query(`CREATE SCHEMA app AUTHORIZATION ${EMITTER_ROLE}`);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await app.query('ROLLBACK; RESET ALL');
    await deliver();
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  async function deliver() {
    const { rows } = await admin.query('SELECT sio_deliver(1000000) AS n');
    return Number(rows[0].n);
  }

  /** { notified, queued } of what the work in a session of its own, or in that one, sent. */
  async function sent(work, options) {
    const session = typeof work === 'string' ? await postgres.connect({ user: EMITTER_ROLE, ...options }) : undefined;
    if (session) await session.query(work);
    else await work();
    await session?.end();
    const notified = (await listener.texts()).length;
    const waiting = await queued(admin);
    assert.equal(await deliver(), waiting);
    assert.equal((await listener.texts()).length, waiting);
    return { notified, queued: waiting };
  }

  const BOTH = `${numbered(1)}; ${numberedBinary(2)}`;
  const AT_ONCE = { notified: 2, queued: 0 };
  const LATER = { notified: 0, queued: 2 };

  describe('is queued', () => {
    it('for nobody who didn\'t ask for it', async () => {
      assert.deepEqual(await sent(BOTH), AT_ONCE);
      await app.query(call('sio_encode')); // loads the library
      const { rows } = await app.query('SHOW socketio_emitter.delivery');
      assert.deepEqual(rows, [{ 'socketio_emitter.delivery': 'notify' }]);
    });

    it('for a session, from SET to RESET', async () => {
      assert.deepEqual(await sent(`${QUEUE}; ${BOTH}`), LATER);
      assert.deepEqual(await sent(`${QUEUE}; ${BOTH}; RESET socketio_emitter.delivery; ${numbered(3)}`), { notified: 1, queued: 2 });
    });

    it('for a session that asks for it when it connects', async () => {
      assert.deepEqual(await sent(BOTH, { options: '-c socketio_emitter.delivery=queue' }), LATER);
    });

    it('for a transaction', async () => {
      const sql = `BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; ${BOTH}; COMMIT; ${numbered(3)}`;
      assert.deepEqual(await sent(sql), { notified: 1, queued: 2 });
    });

    it('for part of a transaction, beside what is notified', async () => {
      assert.deepEqual(await sent(`BEGIN; ${numbered(0)}; ${QUEUE}; ${BOTH}; ${NOTIFY}; ${numberedBinary(3)}; COMMIT`), { notified: 2, queued: 2 });
    });

    it('for a savepoint that sets it, until that is rolled back', async () => {
      const sql = `BEGIN; SAVEPOINT a; ${QUEUE}; ${BOTH}; ROLLBACK TO a; ${BOTH}; COMMIT`;
      assert.deepEqual(await sent(sql), AT_ONCE);
    });

    for (const [what, set, reset] of [
      ['a role', `ALTER ROLE ${EMITTER_ROLE} SET`, `ALTER ROLE ${EMITTER_ROLE} RESET`],
      ['a database', 'ALTER DATABASE postgres SET', 'ALTER DATABASE postgres RESET'],
      ['a role in a database', `ALTER ROLE ${EMITTER_ROLE} IN DATABASE postgres SET`, `ALTER ROLE ${EMITTER_ROLE} IN DATABASE postgres RESET`],
      ['the whole server', 'ALTER SYSTEM SET', 'ALTER SYSTEM RESET'],
    ]) {
      it(`for ${what}`, async () => {
        const reloaded = async (isQueue) => {
          if (!set.startsWith('ALTER SYSTEM')) return;
          await admin.query('SELECT pg_reload_conf()');
          await until('new sessions have taken it over', async () => {
            const session = await postgres.connect();
            const { rows } = await session.query(`SELECT current_setting('socketio_emitter.delivery', true) AS delivery`);
            await session.end();
            return (rows[0].delivery === 'queue') === isQueue;
          });
        };
        await admin.query(`${set} socketio_emitter.delivery = 'queue'`);
        await reloaded(true);
        try {
          assert.deepEqual(await sent(BOTH), LATER);
          assert.deepEqual(await sent(`${NOTIFY}; ${BOTH}`), AT_ONCE);
        } finally {
          await admin.query(`${reset} socketio_emitter.delivery`);
          await reloaded(false);
        }
        assert.deepEqual(await sent(BOTH), AT_ONCE);
      });
    }

    it('for a function', async () => {
      await app.query(`${call('sio_encode')}; -- loads the library: before, only superusers may give a function its settings
        CREATE FUNCTION app.later() RETURNS void LANGUAGE plpgsql SET socketio_emitter.delivery = 'queue'
            AS $$ BEGIN PERFORM public.sio_emit('/', '{}', 'e'); PERFORM public.sio_emit_binary('/', '{}', 'e', '\\x41'); END $$;
        CREATE FUNCTION app.now() RETURNS void LANGUAGE plpgsql SET socketio_emitter.delivery = 'notify'
            AS $$ BEGIN PERFORM public.sio_emit('/', '{}', 'e'); END $$`);
      assert.deepEqual(await sent(`SELECT app.later(); ${numbered(1)}`), { notified: 1, queued: 2 });
      assert.deepEqual(await sent(`${QUEUE}; SELECT app.now(); ${numbered(1)}`), { notified: 1, queued: 1 });
    });
  });

  it('has two values', async () => {
    await app.query(call('sio_emit'));
    for (const value of ['queued', '', 'on']) {
      await refused(app, `SET socketio_emitter.delivery = '${value}'`, '22023', { says: 'socketio_emitter.delivery', hint: /notify, queue/ });
    }
    await app.query(`SET socketio_emitter.delivery = 'QUEUE'`);
    assert.deepEqual((await app.query('SHOW socketio_emitter.delivery')).rows, [{ 'socketio_emitter.delivery': 'queue' }]);
  });

  it('of the cleanup is a superuser\'s setting, in milliseconds, 30 s unless set', async () => {
    await app.query(call('sio_emit'));
    const show = async () => (await admin.query('SHOW socketio_emitter.cleanup_interval')).rows[0]['socketio_emitter.cleanup_interval'];
    await admin.query(call('sio_emit'));
    assert.equal(await show(), '30s');
    for (const [value, shown] of [['0', '0'], ['2min', '2min'], ['1500', '1500ms']]) {
      await admin.query(`SET socketio_emitter.cleanup_interval = '${value}'`);
      assert.equal(await show(), shown);
    }
    await refused(admin, 'SET socketio_emitter.cleanup_interval = -1', '22023', { says: 'socketio_emitter.cleanup_interval' });
    await refused(app, 'SET socketio_emitter.cleanup_interval = 0', '42501', { says: 'socketio_emitter.cleanup_interval' });
    await admin.query('RESET ALL');
  });

  describe('is the same message, but for when it comes', () => {
    const NUMBER = /,"n":\d+}$/;
    /** What servers would get, and nothing else: the channel is the listener's. */
    const whole = async () => {
      const messages = await listener.fullMessages();
      for (const message of messages) delete message.n;
      return messages;
    };

    for (const name of SENDERS) {
      it(`by ${name}, short and through the table`, async () => {
        for (const threshold of [8000, 1]) {
          await app.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
          await app.query(`${NOTIFY}; ${call(name)}`);
          const wanted = await whole();
          assert.equal(wanted.length, 1);
          await app.query(`${QUEUE}; ${call(name)}`);
          assert.deepEqual(await whole(), []);
          assert.equal(await deliver(), 1);
          assert.deepEqual(await whole(), wanted);
        }
      });
    }

    for (const [what, payload] of [
      ['just short enough for a notification', 7_000], ['too long for one', 9_000], ['of some megabytes', 5_000_000],
    ]) {
      it(`${what}`, async () => {
        const emit = `SELECT sio_emit('/', '{a,b}', 'long', to_jsonb(repeat('é', ${payload / 2})), except_rooms => '{c}', volatile => true)`;
        await app.query(`${NOTIFY}; ${emit}`);
        const wanted = await whole();
        await app.query(`${QUEUE}; ${emit}`);
        assert.equal(await deliver(), 1);
        assert.deepEqual(await whole(), wanted);
      });
    }

    it('at every length around the limit', async () => {
      await app.query(QUEUE);
      const lengths = `generate_series(7650, 8050)`;
      await app.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb(repeat('x', n))) FROM ${lengths} n`);
      assert.equal(await deliver(), 401);
      const texts = await listener.texts();
      for (const text of texts) assert.ok(Buffer.byteLength(text) < 8_000, `${text.length}`);
      const short = texts.filter((text) => NUMBER.test(text));
      assert.ok(short.length > 50 && short.length < 401, `${short.length} are short`);
      const { rows } = await admin.query('SELECT count(*)::int AS n FROM socket_io_attachments');
      assert.equal(rows[0].n, 401 - short.length);
    });

    it('in a namespace whose channel is cut', async () => {
      const long = `/${'é'.repeat(60)}`;
      for (const set of [NOTIFY, QUEUE]) await app.query(`${set}; SELECT sio_emit('${long}', '{}', 'e')`);
      await app.query(`LISTEN "socket.io#${long}"`);
      const heard = [];
      app.on('notification', ({ payload }) => heard.push(payload));
      await app.query(`${NOTIFY}; SELECT sio_emit('${long}', '{}', 'e')`);
      assert.equal(await deliver(), 1);
      await app.query('SELECT 1');
      assert.equal(heard.length, 2);
      await app.query('UNLISTEN *');
    });

    it('of a live table, at row and at statement level', async () => {
      const OPS = ['INSERT', 'UPDATE', 'DELETE'];
      await app.query(`CREATE TABLE app.by_row (id int PRIMARY KEY, room text, t text); CREATE TABLE app.by_statement (LIKE app.by_row INCLUDING ALL);
        ${rowTrigger('app.by_row', OPS.join(' OR '), ['room=$room'])};
        ${statementTriggers('app.by_statement', OPS, ['room=$room'])}`);
      for (const table of ['app.by_row', 'app.by_statement']) {
        const changes = `INSERT INTO ${table} SELECT i, 'r' || i % 2, repeat('x', i * 3000) FROM generate_series(1, 4) i;
          UPDATE ${table} SET room = 'moved'; DELETE FROM ${table}`;
        await app.query(`${NOTIFY}; BEGIN; ${changes}; COMMIT`);
        const wanted = await whole();
        assert.ok(wanted.length >= 4, table);
        await app.query(`${QUEUE}; BEGIN; ${changes}; COMMIT`);
        assert.deepEqual(await whole(), []);
        assert.equal(await deliver(), wanted.length);
        assert.deepEqual(await whole(), wanted, table);
      }
    });

    it('which sio_encode shows; it queues nothing', async () => {
      const encode = async (set) => (await app.query(`${set}; ${call('sio_encode')}`))[1].rows[0];
      const [atOnce, later] = [await encode(NOTIFY), await encode(QUEUE)];
      delete atOnce.message.n;
      delete later.message.n;
      assert.deepEqual(later, atOnce);
      assert.equal(await queued(admin), 0);
    });
  });

  it('refuses under queue what it refuses under notify', async () => {
    await app.query(QUEUE);
    for (const name of SENDERS.filter((each) => !each.startsWith('sio_server'))) await refused(app, call(name, { rooms: 'NULL' }), '22004');
    await refused(app, call('sio_emit', { event: `'connect'` }), '22023');
    for (const name of SENDERS) {
      await app.query('BEGIN READ ONLY');
      await refused(app, call(name), '25006', { says: [name, 'read-only'] });
      await app.query('ROLLBACK');
    }
    assert.equal(await queued(admin), 0);
  });
});
