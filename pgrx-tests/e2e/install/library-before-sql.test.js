// The library is newer than the SQL between `make install` and ALTER EXTENSION … UPDATE, in every database that isn't
// updated yet; and older while it waits for a restart of the server.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { withoutMeta } from '../../harness/live.js';
import { startPostgres } from '../../harness/postgres.js';
import { delivered, events, numbered, numberedBinary, PRELOAD, untilWorker } from '../../harness/queue.js';
import { fromRoot } from '../../harness/setup.js';
import { until } from '../../harness/wait.js';

const VERSIONS = readdirSync(fromRoot('sql'))
  .map((file) => /^socketio_emitter--([\d.]+)\.sql$/.exec(file)?.[1]).filter(Boolean)
  .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
const NEWEST = VERSIONS.at(-1);
const since = (version, first) => VERSIONS.indexOf(version) >= VERSIONS.indexOf(first);

const LONG = 'x'.repeat(9_000);
const EMITS = `SELECT sio_emit('/', '{}', 'short', '1'), sio_emit('/', '{}', 'long', to_jsonb('${LONG}'::text)), sio_emit_binary('/', '{}', 'binary', '\\x41')`;
const EMITTED = [['short', 1], ['long', LONG], ['binary', 'A']];

for (const preload of [true, false]) {
  describe(`the newest library, ${preload ? 'with' : 'without'} its worker,`, () => {
    let postgres;

    before(async () => {
      postgres = await startPostgres({ name: `library-before-sql-${preload}`, conf: preload ? PRELOAD : {} });
    });

    after(() => postgres?.stop());

    for (const version of VERSIONS) {
      describe(`over the SQL of ${version}`, () => {
        const database = 'older';
        const hasWatches = since(version, '0.2.0');
        const hasQueue = since(version, '0.3.0');
        const showsVersions = since(version, '0.4.0');
        let session, listener, warnings, open;

        beforeEach(async () => {
          open = [];
          await postgres.createDatabase(database);
          session = await connect();
          await session.query(`CREATE EXTENSION socketio_emitter VERSION '${version}'`);
          listener = await listen(postgres, { database });
        });

        afterEach(async () => {
          await listener.close();
          for (const each of open) await each.end();
          await postgres.dropDatabase(database);
        });

        async function connect() {
          const client = await postgres.connect({ database });
          warnings = [];
          client.on('notice', (notice) => notice.severity === 'WARNING' && warnings.push(notice));
          open.push(client);
          return client;
        }

        /** What has arrived, once all that is queued was delivered. */
        async function arrived() {
          if (hasQueue || (await isUpdated())) {
            if (preload) await delivered(session);
            else await session.query('SELECT sio_deliver()');
          }
          return (await events(listener)).map(withoutMeta);
        }

        const isUpdated = async () =>
          (await session.query(`SELECT extversion = '${NEWEST}' AS is FROM pg_extension WHERE extname = 'socketio_emitter'`)).rows[0].is;

        const views = async () => (await session.query(`
          SELECT c.relname AS name FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'e' WHERE c.relkind = 'v' ORDER BY 1`)).rows
          .map(({ name }) => name);

        const noWorker = () => warnings.filter(({ message }) => !message.startsWith('no background worker'));

        it('emits within the transaction', async () => {
          await session.query(`BEGIN; ${EMITS}; ROLLBACK; ${EMITS}`);
          assert.deepEqual(await arrived(), EMITTED);
          assert.deepEqual(warnings, []);
        });

        it(hasQueue ? 'queues' : 'notifies where it is to queue, and warns of it once in a session', async () => {
          await session.query(`SET socketio_emitter.delivery = 'queue'`);
          for (let round = 0; round < 2; round++) {
            await session.query(EMITS);
            assert.deepEqual(await arrived(), EMITTED);
          }
          if (hasQueue) {
            assert.deepEqual(noWorker(), []);
            if (preload) await untilWorker(session, { database });
          } else {
            assert.equal(warnings.length, 1);
            assert.match(warnings[0].message, /no queue/);
            assert.match(warnings[0].hint, /ALTER EXTENSION socketio_emitter UPDATE/);
          }
        });

        it('shows its views', async () => {
          const names = await views();
          assert.deepEqual(names, [...(hasQueue ? ['sio_failed', 'sio_status'] : []), ...(hasWatches ? ['sio_watches'] : [])]);
          await session.query(EMITS);
          if (hasWatches) await session.query(`CREATE TABLE t (id int); SELECT sio_watch('t', '{staff}')`);
          for (const name of names) {
            const { rowCount } = await session.query(`SELECT * FROM ${name}`);
            assert.equal(rowCount, name === 'sio_failed' ? 0 : 1, name);
          }
          if (showsVersions) {
            assert.deepEqual((await session.query('SELECT library_version, extension_version FROM sio_status')).rows,
              [{ library_version: NEWEST, extension_version: version }]);
          }
        });

        if (hasWatches) {
          it('watches tables', async () => {
            await session.query(`
              CREATE TABLE t (id int PRIMARY KEY, note text); SELECT sio_watch('t', '{staff}', level => 'statement', columns => '{id}');
              INSERT INTO t VALUES (1, 'a'), (2, 'b'); UPDATE t SET id = id + 10; DELETE FROM t; SELECT sio_unwatch('t'); INSERT INTO t VALUES (3)`);
            assert.deepEqual(await arrived(), [
              ['t:insert', [{ id: 1 }, { id: 2 }]], ['t:update', [{ id: 11 }, { id: 12 }]], ['t:delete', [{ id: 11 }, { id: 12 }]],
            ]);
          });
        }

        if (preload) {
          it(version === NEWEST ? 'has nothing to say in the log' : 'tells in the log that an update waits', async () => {
            const waits = async () => (await postgres.log()).split('\n').filter((line) => line.includes(`"${database}", but the library has`));
            const before = (await waits()).length;
            // The launcher looks into databases when it is woken by a session there, or when the server starts.
            await postgres.restart();
            session = await connect();
            listener = await listen(postgres, { database });
            if (version === NEWEST) {
              await untilWorker(session, { database });
              assert.equal((await waits()).length, before);
            } else {
              await until('it is told', async () => (await waits()).length > before);
              assert.match((await waits()).at(-1), new RegExp(`WARNING:  extension "socketio_emitter" has version ${version} .* library has version ${NEWEST}`));
              assert.match(await postgres.log(), /HINT:  Run ALTER EXTENSION socketio_emitter UPDATE in that database\./);
            }
          });
        }

        it('cleans up, and shows what would be sent', async () => {
          await session.query(`INSERT INTO socket_io_attachments (created_at) SELECT now() - interval '1 hour' FROM generate_series(1, 3)`);
          assert.deepEqual((await session.query('SELECT sio_cleanup()::int AS n')).rows, [{ n: 3 }]);
          const { rows } = await session.query(`SELECT channel, attachment FROM sio_encode('/', '{}', 'e', '1')`);
          assert.deepEqual(rows, [{ channel: 'socket.io#/', attachment: false }]);
        });

        if (hasQueue && version !== NEWEST) {
          it('delivers after an update what was queued before it, and what is queued while it goes on', async () => {
            const busy = await connect();
            await busy.query(`SET socketio_emitter.delivery = 'queue'; BEGIN; ${numbered(1)}`);
            await session.query(`SET socketio_emitter.delivery = 'queue'; ${preload ? numbered(0) : `${numbered(0)}; ${numberedBinary(0)}`}`);
            if (preload) await delivered(session);
            const other = await connect();
            // From some versions it takes the tables' locks, and so waits for the transaction that has queued.
            let isDone = false;
            const updated = other.query('ALTER EXTENSION socketio_emitter UPDATE').then(() => { isDone = true; });
            await until('the update waits, or is done', async () => isDone || (await session.query(`SELECT FROM pg_locks WHERE NOT granted`)).rowCount > 0);
            await busy.query(`${numberedBinary(2)}; COMMIT`);
            await updated;
            await busy.query(numbered(3));
            assert.deepEqual((await arrived()).map(([, number]) => Number(number)), preload ? [0, 1, 2, 3] : [1, 0, 0, 2, 3]);
          });
        }

        it('goes on when the SQL is updated, in the same session as in new ones', async () => {
          for (const delivery of ['notify', 'queue']) await session.query(`SET socketio_emitter.delivery = '${delivery}'; ${EMITS}`);
          if (hasWatches) await session.query(`CREATE TABLE before (id int); SELECT sio_watch('before', '{staff}'); INSERT INTO before VALUES (1)`);
          assert.equal((await arrived()).length, hasWatches ? 7 : 6);
          const other = session;
          session = await connect();
          await session.query(`ALTER EXTENSION socketio_emitter UPDATE`);
          assert.equal(await isUpdated(), true);
          for (const client of [other, session, await connect()]) {
            session = client;
            for (const delivery of ['notify', 'queue']) {
              await session.query(`SET socketio_emitter.delivery = '${delivery}'; ${EMITS}`);
              assert.deepEqual(await arrived(), EMITTED, delivery);
            }
            assert.deepEqual(noWorker().filter(({ message }) => !message.includes('no queue')), []);
            await session.query('CREATE TABLE IF NOT EXISTS late (id int)');
            await session.query(`SELECT sio_watch('late', '{staff}'); INSERT INTO late VALUES (2)`);
            assert.deepEqual(await arrived(), [['late:insert', { id: 2 }]]);
            assert.deepEqual(await views(), ['sio_failed', 'sio_status', 'sio_watches']);
            for (const name of await views()) await session.query(`SELECT * FROM ${name}`);
            assert.deepEqual((await session.query('SELECT library_version, extension_version FROM sio_status')).rows,
              [{ library_version: NEWEST, extension_version: NEWEST }]);
          }
          if (hasWatches) {
            await session.query('INSERT INTO before VALUES (3)');
            assert.deepEqual(await arrived(), [['before:insert', { id: 3 }]]);
          }
          if (preload) await untilWorker(session, { database });
        });
      });
    }

    it('goes on over later SQL, whose tables have more columns', async () => {
      const session = await postgres.connect();
      await session.query('CREATE EXTENSION socketio_emitter');
      const listener = await listen(postgres);
      const settle = () => (preload ? delivered(session) : session.query('SELECT sio_deliver()'));
      await session.query(`SET socketio_emitter.delivery = 'queue'; ${EMITS}`);
      await settle();
      for (const table of ['_sio.queue', '_sio.sent', '_sio.failed', '_sio.totals']) await session.query(`ALTER TABLE ${table} ADD COLUMN later text`);
      await session.query(EMITS);
      await settle();
      const again = await postgres.connect();
      await again.query(`SET socketio_emitter.delivery = 'queue'; ${EMITS}`);
      await settle();
      assert.deepEqual(await events(listener), [...EMITTED, ...EMITTED, ...EMITTED]);
      // What can't be sent is set aside there, too.
      await session.query(`CREATE TABLE extra (id bigserial, created_at timestamptz, payload bytea)`);
      await session.query(`BEGIN; SET LOCAL socketio_emitter.table_name = 'extra'; ${EMITS}; DROP TABLE extra; COMMIT`);
      await settle();
      const { rows } = await session.query('SELECT sqlstate FROM sio_failed');
      assert.deepEqual(rows, [{ sqlstate: '42P01' }, { sqlstate: '42P01' }]);
      assert.equal((await session.query('SELECT sio_discard()::int AS n')).rows[0].n, 2);
    });
  });
}
