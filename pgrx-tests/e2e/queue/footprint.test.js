// What the queue and the worker look like to everything else in Postgres: dumps, logical replication, statistics, locks, vacuum.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { delivered, events, numbered, numberedBinary, numbers, queueing, startQueue, status, untilIdle, untilWorker, upTo, whileWorkerStands } from '../../harness/queue.js';
import { listen } from '../../harness/listener.js';
import { elapse, until } from '../../harness/wait.js';

const withoutStatements = lacks('pg_stat_statements');

describe('beside queued delivery', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({
      name: 'queue-elsewhere',
      conf: {
        shared_preload_libraries: withoutStatements ? 'socketio_emitter' : 'pg_stat_statements, socketio_emitter', wal_level: 'logical',
        autovacuum_naptime: '1s', 'pg_stat_statements.track': 'all', max_connections: 50,
      },
    }));
  });

  after(() => postgres?.stop());

  it('a dump carries no queued message, and can be restored', async () => {
    const dump = await whileWorkerStands(admin, async () => {
      await app.query(`${numbered(4711)}; ${numberedBinary(4712)}`);
      const { code, stdout, stderr } = await postgres.run('pg_dump');
      assert.equal(code, 0, stderr);
      return stdout;
    });
    assert.doesNotMatch(dump, /4711|COPY _sio\.|CREATE TABLE _sio\.|SCHEMA _sio/);
    assert.match(dump, /CREATE EXTENSION IF NOT EXISTS socketio_emitter/);
    await postgres.createDatabase('restored');
    const { code, stderr } = await postgres.psql(dump, { database: 'restored' });
    assert.equal(code, 0, stderr);
    const session = await queueing(postgres, { database: 'restored', user: 'postgres' });
    const heard = await listen(postgres, { database: 'restored' });
    await session.query(numbered(1));
    await delivered(session);
    assert.deepEqual(await numbers(heard), [1]);
    await heard.close();
    await session.end();
    await postgres.dropDatabase('restored');
    await delivered(admin);
    assert.deepEqual(await numbers(listener), [4711, 4712]);
  });

  it('logical decoding sees the caller\'s rows and no message; a publication of all tables stops nothing', { skip: lacks('test_decoding') }, async () => {
    await admin.query(`CREATE TABLE orders (id int PRIMARY KEY); GRANT INSERT ON orders TO app;
      CREATE PUBLICATION everything FOR ALL TABLES`);
    await admin.query(`SELECT pg_create_logical_replication_slot('test', 'test_decoding'), pg_create_logical_replication_slot('pub', 'pgoutput')`);
    await app.query(`BEGIN; INSERT INTO public.orders VALUES (1); ${numbered(1)}; ${numberedBinary(2)}; COMMIT`);
    await delivered(admin);
    await until('the worker has deleted what it sent', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
    await untilIdle(admin);
    // A message that fails, is retried and discarded writes to the other tables.
    await app.query(`BEGIN; ${numberedBinary(3)}`);
    await admin.query('ALTER TABLE socket_io_attachments ADD CONSTRAINT no CHECK (false) NOT VALID');
    await app.query('COMMIT');
    await delivered(admin);
    assert.equal((await status(admin)).failed, '1');
    await admin.query('SELECT sio_retry()');
    await delivered(admin);
    await admin.query('SELECT sio_discard(); ALTER TABLE socket_io_attachments DROP CONSTRAINT no');
    const { rows } = await admin.query(`SELECT data FROM pg_logical_slot_get_changes('test', NULL, NULL)`);
    const changes = rows.map(({ data }) => data).filter((data) => !/^(BEGIN|COMMIT)/.test(data));
    const tables = (pattern) => new Set(changes.filter((data) => pattern.test(data)).map((data) => /^table (\S+):/.exec(data)[1]));
    assert.deepEqual([...tables(/: (INSERT|UPDATE|TRUNCATE)/)].sort(), ['public.orders', 'public.socket_io_attachments']);
    // Deletions are seen, but not of what: a publication sends none of them.
    for (const data of changes.filter((each) => each.startsWith('table _sio.'))) assert.match(data, /DELETE: \(no-tuple-data\)/);
    const { rows: sent } = await admin.query(`SELECT data
      FROM pg_logical_slot_get_binary_changes('pub', NULL, NULL, 'proto_version', '1', 'publication_names', 'everything')`);
    assert.ok(sent.some(({ data }) => data.includes('orders')));
    // pgoutput has the schema and the name as texts of their own.
    assert.ok(!sent.some(({ data }) => data.includes('_sio')));
    await admin.query(`SELECT pg_drop_replication_slot('test'), pg_drop_replication_slot('pub'); DROP PUBLICATION everything`);
    await listener.texts();
  });

  it('pg_stat_statements shows the emits, and nothing of the worker', { skip: withoutStatements }, async () => {
    await untilIdle(admin);
    await admin.query('CREATE EXTENSION pg_stat_statements; SELECT pg_stat_statements_reset()');
    await app.query(upTo(20).map((n) => (n % 2 ? numbered(n) : numberedBinary(n))).join(';'));
    await delivered(admin);
    const { rows } = await admin.query(`SELECT query FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'`);
    const strangers = rows.map(({ query }) => query).filter((query) => !/sio_emit|sio_wait_delivered|sio_status/.test(query));
    assert.deepEqual(strangers, []);
    assert.ok(rows.some(({ query }) => query.includes('sio_emit_binary')));
    assert.equal((await events(listener)).length, 20);
  });

  it('the worker at rest has no transaction, no snapshot and no lock, and says that it is idle', async () => {
    await app.query(numbered(1));
    await delivered(admin);
    const pid = await untilWorker(admin);
    await until('the queue is empty', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
    await untilIdle(admin);
    // It reports that it is idle, and then waits.
    const activity = await until('it waits', async () => (
      await admin.query(`SELECT * FROM pg_stat_activity WHERE pid = $1 AND state = 'idle' AND wait_event_type = 'Extension'`, [pid])).rows[0]);
    assert.deepEqual([activity.xact_start, activity.backend_xid, activity.backend_xmin], [null, null, null]);
    assert.deepEqual((await admin.query('SELECT * FROM pg_locks WHERE pid = $1', [pid])).rows, []);
    await listener.texts();
  });

  it('Postgres counts what the worker deletes, and autovacuum comes', async () => {
    await admin.query(`SELECT pg_stat_reset_single_table_counters('_sio.queue'::regclass)`);
    await app.query(`SELECT count(public.sio_emit('/', '{}', 'e', to_jsonb(i))) FROM generate_series(1, 12000) i`);
    await delivered(admin);
    await until('the deletions are counted', async () => {
      const { rows } = await admin.query(`SELECT n_tup_del::int AS deleted FROM pg_stat_user_tables WHERE relid = '_sio.queue'::regclass`);
      return rows[0].deleted >= 12_000;
    });
    await until('autovacuum was there', async () => {
      const { rows } = await admin.query(`SELECT autovacuum_count::int AS count FROM pg_stat_user_tables WHERE relid = '_sio.queue'::regclass`);
      return rows[0].count > 0;
    }, { timeout: 60_000 });
    await listener.texts();
  });

  it('a snapshot that is held keeps no message waiting; the table shrinks afterwards', async (t) => {
    const reader = await postgres.connect();
    const size = async () => Number((await admin.query(`SELECT pg_relation_size('_sio.queue') AS bytes`)).rows[0].bytes);
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');
    let sent = 0;
    for (let round = 0; round < 10; round++) {
      await app.query(`SELECT count(public.sio_emit('/', '{}', 'e', to_jsonb(i))) FROM generate_series(1, 4000) i`);
      sent += 4000;
      await delivered(admin);
      await elapse(300, 'the worker tries to delete what it has sent');
    }
    assert.deepEqual((await numbers(listener)).length, sent);
    await until('the worker has deleted all', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
    const held = await size();
    // When vacuum comes by, messages lie at the table's end; the next time nearly all of its pages are as it left
    // them, and it takes no time for what few dead rows it finds, unless told to.
    await whileWorkerStands(admin, async () => {
      await app.query(upTo(5).map((n) => numbered(n)).join(';'));
      await reader.query('COMMIT');
      await reader.end();
      await admin.query('VACUUM _sio.queue');
      assert.ok(await size() >= held);
    });
    const after = await until('the table has shrunk', async () => {
      await admin.query('VACUUM _sio.queue'); // as autovacuum would, if more were going on
      const now = await size();
      return now < held / 10 && now + 1;
    }, { every: 500 });
    t.diagnostic(`${Math.round(held / 1024)} kB while it was held, ${Math.round(after / 1024)} kB then`);
    await listener.texts();
  });

  it('VACUUM FULL, REINDEX and TRUNCATE of the queue leave it in order', async () => {
    await whileWorkerStands(admin, async () => {
      await app.query(upTo(50).map((n) => numbered(n)).join(';'));
      await admin.query('VACUUM FULL _sio.queue');
      await admin.query('REINDEX TABLE _sio.queue');
      // An index that a REINDEX CONCURRENTLY has left behind is entered, too.
      await admin.query('CREATE INDEX queue_xid_ccnew ON _sio.queue (xid)');
      await app.query(upTo(50).map((n) => numbered(50 + n)).join(';'));
    });
    await delivered(admin);
    assert.deepEqual(await numbers(listener), upTo(100));
    await Promise.all([admin.query('REINDEX INDEX CONCURRENTLY _sio.queue_xid'), (async () => {
      for (const n of upTo(100)) await app.query(numbered(n));
    })()]);
    await delivered(admin);
    assert.deepEqual(await numbers(listener), upTo(100));
    await admin.query('DROP INDEX _sio.queue_xid_ccnew');
    await admin.query('TRUNCATE _sio.queue, _sio.sent');
    await app.query(numbered(1));
    await delivered(admin);
    assert.deepEqual(await numbers(listener), [1]);
  });

  it('VACUUM FULL while the worker keeps what it has sent, and while messages wait, moves none out of its sight', async () => {
    await app.query(upTo(20).map((n) => numbered(n)).join(';'));
    await delivered(admin);
    await admin.query('VACUUM FULL _sio.queue'); // within the second for which they are kept
    await until('they are deleted all the same', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
    assert.deepEqual(await numbers(listener), upTo(20));
    const load = (async () => {
      for (const n of upTo(300)) await app.query(numbered(n));
    })();
    for (const _ of upTo(5)) await admin.query('VACUUM FULL _sio.queue');
    await load;
    await delivered(admin);
    assert.deepEqual(await numbers(listener), upTo(300));
    const before = await untilWorker(admin);
    process.kill(before, 'SIGTERM');
    await untilWorker(admin, { before });
    await delivered(admin);
    assert.deepEqual(await numbers(listener), []);
  });

  it('an index on columns that somebody adds is served, whatever its kind, also by sio_retry', async () => {
    await app.query(`BEGIN; ${numberedBinary(1)}`);
    await admin.query('ALTER TABLE socket_io_attachments ADD CONSTRAINT no CHECK (false) NOT VALID');
    await app.query('COMMIT');
    await delivered(admin);
    await admin.query(`ALTER TABLE socket_io_attachments DROP CONSTRAINT no;
      CREATE UNIQUE INDEX by_id ON _sio.queue (id) INCLUDE (channel); CREATE INDEX by_hash ON _sio.queue USING hash (channel);
      CREATE INDEX by_two ON _sio.queue (queued_at DESC, id)`);
    await until('the worker has deleted what it sent', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
    await whileWorkerStands(admin, async () => {
      await app.query(`${numbered(2)}; ${numberedBinary(3)}`);
      await admin.query('SELECT sio_retry()');
      await admin.query('SET enable_seqscan = off');
      for (const [index, where] of [
        ['by_id', 'id > 0'], ['by_hash', `channel = 'socket.io#/'`], ['by_two', `queued_at > now() - interval '1 hour'`],
      ]) {
        const query = `SELECT count(*)::int AS n FROM _sio.queue WHERE ${where}`;
        const { rows: plan } = await admin.query(`EXPLAIN ${query}`);
        assert.ok(plan.some((row) => row['QUERY PLAN'].includes(index)), JSON.stringify(plan));
        assert.deepEqual((await admin.query(query)).rows, [{ n: 3 }], index);
      }
      await admin.query('RESET enable_seqscan');
    });
    await delivered(admin);
    assert.deepEqual((await numbers(listener)).sort(), [1, 2, 3]);
    await admin.query('DROP INDEX _sio.by_id, _sio.by_hash, _sio.by_two');
  });

  for (const [what, index] of Object.entries({
    'an expression': 'INDEX theirs ON _sio.queue ((id + 1))',
    'part of the rows': 'INDEX theirs ON _sio.queue (id) WHERE id > 0',
  })) {
    it(`an index on ${what} is refused at the next emit, and nothing is written`, async () => {
      await admin.query(`CREATE ${index}`);
      for (const emit of [numbered(1), numberedBinary(1)]) await assert.rejects(app.query(emit), { code: '55000', message: /"_sio.queue" has been altered/ });
      await admin.query('DROP INDEX _sio.theirs');
      await app.query(numbered(2));
      await delivered(admin);
      assert.deepEqual(await numbers(listener), [2]);
    });
  }

  it('a constraint that is checked at the commit, or excludes, is refused at the next emit', async () => {
    for (const constraint of ['UNIQUE (id) DEFERRABLE', 'EXCLUDE USING btree (id WITH =)']) {
      await admin.query(`ALTER TABLE _sio.queue ADD CONSTRAINT theirs ${constraint}`);
      await assert.rejects(app.query(numbered(1)), { code: '55000', message: /"_sio.queue" has been altered/ });
      await admin.query('ALTER TABLE _sio.queue DROP CONSTRAINT theirs');
      await app.query(numbered(2));
      await delivered(admin);
      assert.deepEqual(await numbers(listener), [2]);
    }
  });
});
