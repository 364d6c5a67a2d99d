// An ERROR in the middle of our work, wherever it comes from, ends the statement and nothing else: what is on the stack then
// is cleaned up by Postgres, and a second ERROR of our own on the way would abort the server.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { OWNER_ROLE, rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { PRELOAD } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { ourContexts, survives } from '../../harness/survival.js';

const ROOM = ['room=staff'];
const LEVELS = {
  row: (table, ops, args) => rowTrigger(table, [ops].flat().join(' OR '), args),
  statement: (table, ops, args) => statementTriggers(table, ops, args),
};
const OPS = ['INSERT', 'UPDATE', 'DELETE'];

describe('an ERROR leaves the server and the session unharmed:', () => {
  let live, other;

  before(async () => {
    live = await startLive({ name: 'unwinding', conf: PRELOAD, clients: { staff: ['staff'] } });
    other = await live.postgres.connect({ user: OWNER_ROLE });
    await live.admin.query(`GRANT pg_read_all_stats TO ${OWNER_ROLE}`);
  });

  after(() => live?.close());

  beforeEach(async () => {
    await other.query('ROLLBACK');
    await live.admin.query('ROLLBACK');
    await live.reset();
  });

  const survive = (work) => survives(live.postgres, live.app, work);

  for (const [level, trigger] of Object.entries(LEVELS)) {
    describe(`in a trigger at ${level} level,`, () => {
      it('a statement_timeout while the queue\'s sequence is locked', async () => {
        await live.app.query(`CREATE TABLE t (id int, body text); ${trigger('t', OPS, ROOM)};
          INSERT INTO t VALUES (0); SET socketio_emitter.delivery = 'queue'; SET statement_timeout = '500ms'`);
        await live.admin.query('BEGIN; ALTER SEQUENCE _sio.queue_id CACHE 100');
        await survive(async () => {
          for (const statement of ['INSERT INTO t VALUES (1), (2)', 'UPDATE t SET body = \'x\'', 'DELETE FROM t']) {
            await refused(live.app, statement, '57014');
          }
          await live.admin.query('ROLLBACK');
        });
        await live.app.query('INSERT INTO t VALUES (3)');
      });

      it('a statement_timeout while the sequence of the attachments is locked, and a row is long', async () => {
        await live.app.query(`CREATE TABLE t (id int, body text); ${trigger('t', 'INSERT', ROOM)}; SET statement_timeout = '500ms'`);
        await live.admin.query('BEGIN; ALTER SEQUENCE socket_io_attachments_id_seq CACHE 100');
        await survive(async () => {
          await refused(live.app, `INSERT INTO t VALUES (1, 'short'), (2, repeat('x', 9000)), (3, 'short')`, '57014');
          await live.admin.query('ROLLBACK');
        });
        await live.app.query(`INSERT INTO t VALUES (2, repeat('x', 9000))`);
        assert.equal((await live.got()).staff.length, 1);
      });

      it('a lock_timeout while the attachments table is locked, and a row is long', async () => {
        await live.app.query(`CREATE TABLE t (id int, body text); ${trigger('t', 'INSERT', ROOM)}; SET lock_timeout = '100ms'`);
        await live.admin.query('BEGIN; LOCK TABLE socket_io_attachments');
        await survive(async () => {
          await refused(live.app, `INSERT INTO t VALUES (1, 'short'), (2, repeat('x', 9000))`, '55P03');
          await live.admin.query('ROLLBACK');
        });
      });

      it('a lock_timeout in a cast of the table\'s owner, who needs nobody\'s help for it', async () => {
        await live.app.query(`
          CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE SEQUENCE mine;
          CREATE FUNCTION as_text(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('shop.mine'); RETURN enum_out($1); END $$;
          CREATE CAST (mood AS text) WITH FUNCTION as_text(mood);
          CREATE TABLE by_room (m mood); ${trigger('by_room', OPS, ['room=$m'])};
          CREATE TABLE by_event (m mood); ${trigger('by_event', OPS, [...ROOM, 'event=$m'])};
          INSERT INTO by_room VALUES ('sad'); INSERT INTO by_event VALUES ('sad')`);
        await other.query('BEGIN; ALTER SEQUENCE shop.mine CACHE 10');
        await live.app.query(`SET lock_timeout = '50ms'`);
        await survive(async () => {
          for (const table of ['by_room', 'by_event']) {
            for (const statement of [`INSERT INTO ${table} VALUES ('sad'), ('glad')`, `UPDATE ${table} SET m = 'glad'`, `DELETE FROM ${table}`]) {
              await refused(live.app, statement, '55P03');
            }
          }
          await other.query('ROLLBACK');
        });
        await live.got();
        await live.app.query(`INSERT INTO by_event VALUES ('sad'), ('glad')`);
        assert.deepEqual((await live.got()).staff.map(([event]) => event), ['sad', 'glad']);
      });

      it('an ERROR of such a cast that has large objects and temporary files open', async () => {
        await live.app.query(`
          CREATE TYPE mood AS ENUM ('sad', 'glad');
          CREATE FUNCTION as_text(mood) RETURNS text LANGUAGE plpgsql AS $$
          DECLARE fd int; c refcursor; r record;
          BEGIN
            fd := lo_open(lo_create(0), x'60000'::int);
            PERFORM lowrite(fd, decode(repeat('41', 100000), 'hex'));
            OPEN c FOR SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g ORDER BY md5(g::text);
            FETCH c INTO r;
            CREATE TEMP TABLE scratch AS SELECT g FROM generate_series(1, 1000) g;
            IF $1 = 'sad' THEN RAISE EXCEPTION 'sad'; END IF;
            DROP TABLE scratch; CLOSE c; PERFORM lo_close(fd);
            RETURN enum_out($1);
          END $$;
          CREATE CAST (mood AS text) WITH FUNCTION as_text(mood);
          CREATE TABLE t (m mood); ${trigger('t', 'INSERT', ['room=$m'])}; SET work_mem = '64kB'`);
        await survive(async () => {
          for (const round of [1, 2, 3]) {
            await refused(live.app, `INSERT INTO t VALUES ('glad'), ('sad'), ('glad')`, 'P0001', { says: 'sad' });
            await live.app.query(`DO $$ BEGIN INSERT INTO t VALUES ('glad'), ('sad'); EXCEPTION WHEN raise_exception THEN END $$`);
            assert.equal(await live.count('t'), 0, `round ${round}`);
          }
        });
        assert.deepEqual((await live.admin.query('SELECT count(*)::int AS n FROM pg_largeobject_metadata')).rows, [{ n: 0 }]);
        await live.app.query(`INSERT INTO t VALUES ('glad')`);
        assert.equal((await live.admin.query('SELECT lo_unlink(oid) FROM pg_largeobject_metadata')).rowCount > 0, true);
      });

      // The rows' texts; what is 'bad' raises. Batches are of two.
      const PHASES = {
        'the first row': ['bad', 'a'],
        'a row between': ['a', 'bad', 'b'],
        'the last row': ['a', 'b', 'c', 'bad'],
        'the row that sends the first batch': ['a', 'a', 'bad'],
        'a row after several batches': ['a', 'a', 'a', 'a', 'a', 'bad', 'a'],
        'a row of another room': ['a', 'b', 'a', 'bad', 'b'],
      };

      for (const [part, args, code] of [
        ['the room', ['room=$m'], 'ZZ001'], ['the event', [...ROOM, 'event=$m'], 'ZZ001'], ['the payload', ROOM, 'ZZ002'],
        ['the room of a long message', ['room=$m', 'columns=body'], 'ZZ001'],
      ]) {
        it(`an ERROR of a cast in ${part}, at any row, a hundred times, with savepoints and handlers around`, async () => {
          await live.app.query(`
            CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'bad');
            CREATE FUNCTION as_text(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
              IF $1 = 'bad' THEN RAISE EXCEPTION 'bad text' USING ERRCODE = 'ZZ001'; END IF; RETURN enum_out($1); END $$;
            CREATE FUNCTION as_json(mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN
              IF $1 = 'bad' THEN RAISE EXCEPTION 'bad json' USING ERRCODE = 'ZZ002'; END IF; RETURN to_json(enum_out($1)::text); END $$;
            CREATE CAST (mood AS text) WITH FUNCTION as_text(mood);
            CREATE CAST (mood AS json) WITH FUNCTION as_json(mood);
            CREATE TABLE t (id serial, m mood, body text); ${trigger('t', 'INSERT', [...args, 'batch=2'])}`);
          const long = part.includes('long');
          const inserts = Object.values(PHASES).map((moods) =>
            `INSERT INTO t (m, body) VALUES ${moods.map((mood) => `('${mood}', ${long ? `repeat('x', 9000)` : 'NULL'})`).join(', ')}`);
          const good = `INSERT INTO t (m) VALUES ('a'), ('b'), ('a'), ('c')`;
          const round = async () => {
            for (const insert of inserts) {
              await refused(live.app, insert, code);
              await live.app.query('BEGIN; SAVEPOINT s');
              await refused(live.app, insert, code);
              await live.app.query(`ROLLBACK TO s; ${good}; SAVEPOINT u`);
              await refused(live.app, insert, code);
              await live.app.query('ROLLBACK TO u; COMMIT');
              await live.app.query(`DO $$ BEGIN
                FOR i IN 1..3 LOOP BEGIN ${insert}; EXCEPTION WHEN SQLSTATE '${code}' THEN END; END LOOP; ${good}; END $$`);
            }
          };
          await survive(async () => {
            await round();
            const start = await ourContexts(live.app);
            for (let i = 0; i < 100; i++) await live.app.query(`DO $$ BEGIN BEGIN ${inserts[i % inserts.length]};
              EXCEPTION WHEN SQLSTATE '${code}' THEN END; END $$`);
            await round();
            assert.deepEqual(await ourContexts(live.app), start);
          });
          assert.equal(await live.count(`t WHERE m = 'bad'`), 0);
          assert.equal(await live.count('t'), 2 * inserts.length * 2 * 4);
          await live.admin.query('DELETE FROM socket_io_attachments');
        });
      }

      it('an ERROR that a handler of the cast itself deals with', async () => {
        await live.app.query(`
          CREATE TYPE mood AS ENUM ('sad', 'glad');
          CREATE FUNCTION as_text(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
            BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN END;
            BEGIN INSERT INTO shop.t VALUES (NULL); EXCEPTION WHEN not_null_violation THEN END;
            RETURN enum_out($1); END $$;
          CREATE CAST (mood AS text) WITH FUNCTION as_text(mood);
          CREATE TABLE t (m mood NOT NULL); ${trigger('t', 'INSERT', [...ROOM, 'event=$m'])}`);
        await survive(async () => {
          for (let i = 0; i < 20; i++) await live.app.query(`INSERT INTO t VALUES ('sad'), ('glad')`);
        });
        assert.equal((await live.got()).staff.length, 40);
      });
    });
  }

  for (const delivery of ['notify', 'queue']) {
    it(`a timeout while each thing that an emit by ${delivery} takes is locked`, async () => {
      await live.app.query(`SET socketio_emitter.delivery = '${delivery}'; SET lock_timeout = '50ms'`);
      const locks = ['LOCK TABLE socket_io_attachments', 'ALTER SEQUENCE socket_io_attachments_id_seq CACHE 2'];
      if (delivery === 'queue') locks.splice(0, 2, 'LOCK TABLE _sio.queue', 'ALTER SEQUENCE _sio.queue_id CACHE 2');
      for (const lock of locks) {
        await live.admin.query(`BEGIN; ${lock}`);
        await survive(async () => {
          for (let i = 0; i < 5; i++) {
            await refused(live.app, `SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`, '55P03');
            await live.app.query(`DO $$ BEGIN PERFORM public.sio_emit_binary('/', '{}', 'e', '\\x41'); EXCEPTION WHEN lock_not_available THEN END $$`);
          }
          await live.admin.query('ROLLBACK');
        });
      }
    });
  }

  it('a timeout in sio_deliver, sio_retry, sio_cleanup, sio_watch and sio_unwatch', async () => {
    await live.app.query(`CREATE TABLE t (id int); SELECT sio_watch('t', everyone => true); SET lock_timeout = '50ms'`);
    for (const [lock, call] of [
      ['_sio.queue', 'SELECT sio_deliver()'], ['_sio.failed', 'SELECT sio_retry()'], ['_sio.failed', 'SELECT sio_discard()'],
      ['socket_io_attachments', `SELECT sio_cleanup('0')`], ['shop.t', `SELECT sio_watch('t', everyone => true)`], ['shop.t', `SELECT sio_unwatch('t')`],
    ]) {
      await live.admin.query(`BEGIN; LOCK TABLE ${lock}`);
      await survive(async () => {
        await refused(live.app, call, '55P03');
        await live.app.query(`DO $$ BEGIN ${call.replace('SELECT', 'PERFORM').replace('sio_', 'public.sio_')}; EXCEPTION WHEN lock_not_available THEN END $$`);
        await live.admin.query('ROLLBACK');
      });
    }
  });

  it('an event trigger that raises when sio_watch and sio_unwatch make and drop triggers', async () => {
    await live.app.query('CREATE TABLE t (id int); CREATE TABLE watched (id int); SELECT sio_watch(\'watched\', everyone => true)');
    await live.admin.query(`CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no DDL' USING ERRCODE = 'ZZ003'; END $$;
      CREATE EVENT TRIGGER no ON ddl_command_end EXECUTE FUNCTION no()`);
    try {
      await survive(async () => {
        for (let i = 0; i < 3; i++) {
          for (const call of [`sio_watch('t', everyone => true, level => 'statement')`, `sio_watch('watched', '{a}')`, `sio_unwatch('watched')`]) {
            await refused(live.app, `SELECT ${call}`, 'ZZ003', { says: 'no DDL' });
            await live.app.query(`DO $$ BEGIN PERFORM public.${call}; EXCEPTION WHEN SQLSTATE 'ZZ003' THEN END $$`);
          }
        }
      });
    } finally {
      await live.admin.query('DROP EVENT TRIGGER no; DROP FUNCTION no()');
    }
    assert.equal((await live.admin.query('SELECT FROM sio_watches')).rowCount, 1);
  });

  for (const level of Object.keys(LEVELS).concat('emit')) {
    it(`a stack that is used up almost, and then a payload of 500 levels: ${level === 'emit' ? 'an emit' : `a trigger at ${level} level`}`, async () => {
      // As deep as the server accepts, which leaves least to those who don't look.
      const detail = await live.admin.query(`SET max_stack_depth = '2000000kB'`).then(() => 'must not exceed 7680kB', (error) => error.detail);
      const limit = /(\d+kB)/.exec(detail)[1];
      await live.admin.query(`RESET max_stack_depth; ALTER ROLE ${OWNER_ROLE} SET max_stack_depth = '${limit}'`);
      await live.as(OWNER_ROLE, async (app) => {
        const leaf = level === 'emit' ? `PERFORM public.sio_emit('/', '{staff}', 'e', doc)` : 'INSERT INTO shop.t VALUES (doc)';
        await app.query(`CREATE TABLE t (doc jsonb); ${level === 'emit' ? '' : LEVELS[level]('t', 'INSERT', ROOM)};
          CREATE FUNCTION dive(n int, doc jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            IF n > 0 THEN PERFORM shop.dive(n - 1, doc); ELSIF doc IS NOT NULL THEN ${leaf}; END IF; END $$`);
        const dive = (n, doc) => app.query('BEGIN; SAVEPOINT s').then(() => app.query('SELECT dive($1, $2)', [n, doc]))
          .then(() => 'done', (error) => error.code ?? error.message).then(async (code) => { await app.query('ROLLBACK'); return code; });
        await survives(live.postgres, app, async () => {
          let [fits, exceeds] = [0, 1];
          while ((await dive(exceeds, null)) === 'done') [fits, exceeds] = [exceeds, 2 * exceeds];
          while (exceeds - fits > 1) {
            const middle = Math.floor((fits + exceeds) / 2);
            if ((await dive(middle, null)) === 'done') fits = middle;
            else exceeds = middle;
          }
          for (const doc of ['['.repeat(500) + ']'.repeat(500), '{"a":'.repeat(500) + '1' + '}'.repeat(500), `${'[{"a":'.repeat(250)}"é"${'}]'.repeat(250)}`]) {
            const seen = new Set();
            // Half of the stack: 500 levels take much of it.
            const first = Math.floor(fits * 0.5);
            for (let i = 0; i <= 30; i++) seen.add(await dive(Math.round(first + (fits + 1 - first) * i / 30), doc));
            assert.deepEqual([...seen].toSorted(), ['54001', 'done']);
          }
        });
      });
      await live.admin.query(`ALTER ROLE ${OWNER_ROLE} RESET max_stack_depth`);
    });
  }
});
