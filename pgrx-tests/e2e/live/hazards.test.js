// Live tables while other things go on: a cancel, types whose functions run SQL, rows too large for a batch.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { OWNER_ROLE, rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';
import { SERVERS_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const LEVELS = {
  row: (table, op, args, options) => rowTrigger(table, op, args, options),
  statement: (table, op, args, options) => statementTriggers(table, op, args, options),
};

for (const [level, trigger] of Object.entries(LEVELS)) {
  describe(`a trigger at ${level} level`, () => {
    let live;

    before(async () => {
      live = await startLive({ name: `live-hazards-${level}`, clients: { staff: ['staff'] } });
    });

    after(async () => live?.close());
    beforeEach(async () => live.reset());

    const rows = async () => (await live.got()).staff?.map(([event, arg]) => [event, ...[arg].flat()]);

    it('can be cancelled', async () => {
      // So many triggers that they are at work when the cancel comes; it is sent once the first of all has let them begin.
      await live.app.query(`CREATE TABLE big (id int, room text); INSERT INTO big SELECT i FROM generate_series(1, 100000) i;
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM pg_advisory_lock(1), pg_advisory_unlock(1); RETURN NULL; END $$;
        CREATE TRIGGER a AFTER UPDATE ON big FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION wait();
        ${Array.from({ length: 20 }, (_, i) => trigger('big', 'UPDATE', ['room=$room'], { name: `live_${i}` })).join(';')}`);
      const { rows: [{ pid }] } = await live.app.query('SELECT pg_backend_pid() AS pid');
      const waits = async () => {
        const { rows: [state] } = await live.admin.query('SELECT wait_event_type FROM pg_stat_activity WHERE pid = $1', [pid]);
        return state.wait_event_type;
      };
      await live.admin.query('SELECT pg_advisory_lock(1)');
      const update = live.app.query('UPDATE big SET id = id').then(() => 'it went on to its end', ({ code }) => code);
      await until('the first trigger waits', async () => (await waits()) === 'Lock');
      await live.admin.query('SELECT pg_advisory_unlock(1)');
      await until('it goes on', async () => (await waits()) !== 'Lock');
      await live.admin.query('SELECT pg_cancel_backend($1)', [pid]);
      assert.equal(await update, '57014');
      await live.app.query('SELECT 1'); // nor is the next statement cancelled in its place
    });

    describe('with a type whose cast to json', () => {
      /** A table of that type; `body`: of the cast's function, in PL/pgSQL. */
      const things = (body, args = ['room=staff']) => live.app.query(`
        CREATE TYPE thing AS ENUM ('a');
        CREATE FUNCTION as_json(thing) RETURNS json LANGUAGE plpgsql AS $$ BEGIN ${body}; END $$;
        CREATE CAST (thing AS json) WITH FUNCTION as_json(thing);
        CREATE TABLE log (id int); CREATE TABLE things (id int, t thing); ${trigger('things', 'INSERT', args)}`);
      const insert = `INSERT INTO things VALUES (1, 'a'), (2, 'a'), (3, 'a')`;

      it('tells who runs it: he who changes the table, also when the message goes through the table of another', async () => {
        await things(`RETURN json_build_array(current_user, session_user, current_setting('search_path'))`);
        for (const threshold of [8_000, 1]) {
          await live.app.query(`SET socketio_emitter.payload_threshold = ${threshold}; INSERT INTO things VALUES (1, 'a'); RESET ALL`);
          assert.deepEqual(await rows(), [['things:insert', { id: 1, t: ['app', 'app', 'shop, public'] }]]);
        }
      });

      it('fires other triggers, and its own', async () => {
        await things(`INSERT INTO log VALUES (1); IF random() < 2 AND (SELECT count(*) FROM things) < 5 THEN
                        INSERT INTO things VALUES (9, NULL); END IF; RETURN '1'`, ['room=staff', 'batch=2']);
        await live.app.query(`${trigger('log', 'INSERT', ['room=staff'], { name: 'other' })}; ${insert}`);
        const all = (await rows()).flatMap(([event, ...list]) => list.map(({ id }) => `${event} ${id}`));
        // Once for each of the two ways that a message may take.
        const count = (text) => all.filter((each) => each === text).length;
        assert.deepEqual(['things:insert 1', 'things:insert 2', 'things:insert 3', 'things:insert 9'].map(count), [1, 1, 1, 2]);
        assert.ok(count('log:insert 1') >= 3);
      });

      it('alters the tables and triggers that are firing', async () => {
        await things(`COMMENT ON TABLE things IS 'x'; ALTER TABLE log ADD c int; ALTER TABLE log DROP c;
                      CREATE OR REPLACE TRIGGER more AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION public.sio_emit_changes('room=staff');
                      INSERT INTO log VALUES (1); RETURN '"é"'`);
        await live.app.query(`${insert}; ${insert}`);
        const all = (await rows()).filter(([event]) => event === 'things:insert').flatMap(([, ...list]) => list);
        assert.deepEqual(all, [1, 2, 3, 1, 2, 3].map((id) => ({ id, t: 'é' })));
      });

      it('fails: so does the statement, and the next one works', async () => {
        await things(`IF current_setting('my.mood', true) = 'bad' THEN RAISE 'no mood' USING ERRCODE = 'check_violation'; END IF; RETURN '1'`);
        for (const threshold of [8_000, 1]) {
          await live.app.query(`SET my.mood = 'bad'; SET socketio_emitter.payload_threshold = ${threshold}`);
          await refused(live.app, insert, '23514', { says: 'no mood' });
          await live.app.query(`SET my.mood = 'good'; ${insert}; RESET ALL`);
          assert.deepEqual((await rows()).flatMap(([, ...list]) => list.map(({ t }) => t)), [1, 1, 1]);
        }
        assert.equal(await live.count('things'), 6);
      });
    });

    describe('with a type whose cast to text', () => {
      /** A table with an enum `e` whose cast to text that function is. */
      const things = (definition, argument = 'mood') => live.app.query(`
        CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE things (id int PRIMARY KEY, e mood);
        CREATE FUNCTION as_text(${argument}) RETURNS text ${definition};
        CREATE CAST (mood AS text) WITH FUNCTION as_text(${argument});
        ${trigger('things', 'INSERT', ['room=$e', 'columns=id'])}`);
      const roomsOf = async () => (await live.sent()).map((message) => [message.rooms, [message.args[0]].flat().map(({ id }) => id)]);

      it('is an SQL function that fires the trigger again', async () => {
        await things(`LANGUAGE sql AS
          $$ INSERT INTO things SELECT max(id) + 1, 'b' FROM things HAVING max(id) < 5; SELECT 'staff' $$`);
        await live.app.query(`INSERT INTO things VALUES (1, 'a')`);
        const all = (await rows()).flatMap(([, ...list]) => list.map(({ id }) => id)).sort();
        assert.deepEqual(all, [1, 2, 3, 4, 5]);
      });

      it('answers NULL: the room is left out', async () => {
        await things(`LANGUAGE sql AS $$ SELECT CASE $1 WHEN 'a' THEN 'staff' END $$`);
        await live.app.query(`INSERT INTO things VALUES (1, 'b'), (2, 'a')`);
        assert.deepEqual(await roomsOf(), [[['staff'], [2]]]);
      });

      it('takes any enum', async () => {
        await things(`LANGUAGE plpgsql AS $$ BEGIN RETURN 'room of ' || cardinality(enum_range($1)); END $$`, 'anyenum');
        await live.app.query(`INSERT INTO things VALUES (1, 'b')`);
        assert.deepEqual(await roomsOf(), [[['room of 2'], [1]]]);
      });

      it('is altered in another session: its owner, its rights and its language are those of now', async () => {
        await things(`LANGUAGE sql SECURITY DEFINER AS $$ SELECT 'sql ' || current_user $$`);
        await live.admin.query(`ALTER FUNCTION shop.as_text OWNER TO ${SERVERS_ROLE}`);
        const insert = async (id) => {
          await live.app.query(`INSERT INTO things VALUES (${id}, 'a')`);
          return (await roomsOf())[0][0][0];
        };
        assert.equal(await insert(1), `sql ${SERVERS_ROLE}`);
        await live.admin.query(`ALTER FUNCTION shop.as_text OWNER TO ${OWNER_ROLE}`);
        assert.equal(await insert(2), `sql ${OWNER_ROLE}`);
        await live.admin.query(`ALTER FUNCTION shop.as_text OWNER TO ${SERVERS_ROLE}; ALTER FUNCTION shop.as_text SECURITY INVOKER`);
        assert.equal(await insert(3), `sql ${OWNER_ROLE}`);
        await live.admin.query(`CREATE OR REPLACE FUNCTION shop.as_text(shop.mood) RETURNS text LANGUAGE plpgsql AS
                                $$ BEGIN RETURN 'plpgsql'; END $$`);
        assert.equal(await insert(4), 'plpgsql');
      });
    });

    it('fires in parallel sessions while the table is altered', async () => {
      await live.app.query(`CREATE TABLE t (id int, a text); ${trigger('t', 'INSERT', ['room=staff', 'columns=id,a'])}`);
      const sessions = await Promise.all(Array.from({ length: 4 }, () => live.postgres.connect({ user: 'app' })));
      const inserts = sessions.map(async (session, i) => {
        for (let n = 0; n < 50; n++) await session.query(`INSERT INTO t (id, a) VALUES (${i * 100 + n}, 'x')`);
        await session.end();
      });
      for (let n = 0; n < 20; n++) await live.app.query(`ALTER TABLE t ADD c${n} int DEFAULT 1; ALTER TABLE t DROP c${n}`);
      await Promise.all(inserts);
      const all = (await rows()).flatMap(([, ...list]) => list);
      assert.deepEqual(all.map(({ a }) => a), Array(200).fill('x'));
      assert.equal(new Set(all.map(({ id }) => id)).size, 200);
    });

    it('leaves nothing that Postgres warns of', async () => {
      const log = await live.postgres.log();
      assert.deepEqual(log.match(/.*(WARNING|PANIC|terminated by signal).*/g)?.filter((line) => !line.includes('no transaction in progress')) ?? [], []);
    });
  });
}

describe('a statement trigger', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-hazards-large', clients: { seven: ['room 7'] } });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  it('sends each row once when more bytes wait than it keeps waiting', async () => {
    await live.app.query(`CREATE TABLE fat (id int, room text, big text); ${statementTriggers('fat', 'INSERT', ['room=$room', 'columns=id'])};
      INSERT INTO fat SELECT i, 'room ' || i % 300, repeat('x', 60000) FROM generate_series(1, 2400) i`);
    const { seven } = await live.got();
    assert.deepEqual(seven.flatMap(([, rows]) => rows.map(({ id }) => id)), [7, 307, 607, 907, 1207, 1507, 1807, 2107]);
    const sent = await live.sent();
    assert.ok(sent.length < 2_400 / 2, `${sent.length} messages`);
    assert.equal(sent.reduce((sum, { args: [rows] }) => sum + rows.length, 0), 2_400);
  });

  it('cuts batches by the size of rows, too, which may be stored elsewhere', async () => {
    await live.app.query(`CREATE TABLE fat (id int, big text); ALTER TABLE fat ALTER big SET STORAGE EXTERNAL;
      INSERT INTO fat SELECT i, repeat('x', 5000000) FROM generate_series(1, 20) i; ${statementTriggers('fat', 'UPDATE', ['room=nobody'])};
      UPDATE fat SET id = -id`);
    const { rows } = await live.admin.query('SELECT octet_length(payload) AS bytes FROM socket_io_attachments');
    const sizes = rows.map(({ bytes }) => bytes);
    assert.ok(sizes.reduce((a, b) => a + b) > 100_000_000, 'all is there');
    assert.ok(Math.max(...sizes) < 90_000_000, `sizes: ${sizes}`);
  });
});
