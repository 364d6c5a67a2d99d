// docs/operation.md does what it says, in the order of the page: what a role that monitors sees, what the log tells, what a restored
// and a promoted server send, what a lost connection costs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { Server } from 'socket.io';
import { follow } from '../../../client/follow.js';
import { loadAdapter } from '../../harness/adapters.js';
import { askedAgain } from '../../harness/asking.js';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { evaluate, openPage } from '../../harness/page.js';
import { startPgBouncer } from '../../harness/pgbouncer.js';
import { emptyFolder, startStandby, takeBackup } from '../../harness/postgres.js';
import { delivered, numbered, numbers, startQueue, status, untilIdle, untilWorker, whileWorkerStands } from '../../harness/queue.js';
import { capture } from '../../harness/processes.js';
import { refused } from '../../harness/refusals.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';
import { never, until } from '../../harness/wait.js';

const page = openPage('docs/operation.md');
const ARCHIVE = 'operation-archive';

describe('docs/operation.md', () => {
  const running = [];
  let postgres, admin, app, listener, archive, server;

  before(async () => {
    archive = emptyFolder(ARCHIVE);
    ({ postgres, admin, app, listener } = await startQueue({ name: 'operation', conf: {
      archive_mode: 'on', archive_command: `cp %p ${archive}/%f`, max_prepared_transactions: 2,
    } }));
    running.push(postgres);
    await admin.query(`CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id bigint);
      GRANT INSERT ON orders TO app; GRANT USAGE ON SEQUENCE orders_id_seq TO app;
      SELECT sio_watch('orders', rooms => '{customer:$customer_id}', event => 'order:$op')`);
  });

  after(async () => {
    await server?.close();
    for (const cluster of running.reverse()) await cluster.stop();
    emptyFolder(ARCHIVE);
  });

  /** Runs a block as psql does for a reader. → what it prints, with | between columns */
  async function run(sql, { cluster = postgres, ...options } = {}) {
    const { code, stdout, stderr } = await cluster.psql(sql, { args: ['--no-align', '--tuples-only', '--quiet'], ...options });
    assert.equal(code, 0, `${sql}\n${stderr}`);
    return stdout.trim().split('\n');
  }

  it('gives the role that monitors what it needs to look, and no more', async (t) => {
    await run(page.next('sql', 'CREATE ROLE monitor'));
    const servers = await startServers(postgres, { count: 2 });
    t.after(() => closeAll(servers));
    const look = page.next('sql', 'FROM sio_status');
    // No check of sio_doctor fails and no message has failed: the next line is sio_check's. Servers may answer late once.
    const shown = await until('nothing is wrong', async () => {
      const lines = await run(look, { user: 'monitor' });
      return lines[0] === 'idle|0||0|' && lines[1] === '1' && lines;
    });
    const ours = shown.filter((line) => line.includes('|socketio_emitter '));
    assert.match(ours.join('\n'), /^\d+\|socketio_emitter launcher\|\|$/m);
    assert.match(ours.join('\n'), /^\d+\|socketio_emitter worker\|postgres\|/m);
    assert.equal(shown.filter((line) => line.endsWith('|LISTEN "socket.io#/"')).length, 2);
    const monitor = await postgres.connect({ user: 'monitor' });
    await monitor.query('SELECT max(created_at) FROM socket_io_attachments; SELECT * FROM sio_watches');
    for (const sql of [
      'SELECT payload FROM socket_io_attachments', 'SELECT * FROM _sio.queue', 'SELECT * FROM _sio.failed', `SELECT sio_emit('/', '{}', 'e')`,
      'SELECT * FROM sio_fetch_sockets(\'/\')', 'SELECT sio_deliver()', 'SELECT sio_retry()', 'SELECT * FROM orders',
    ]) await refused(monitor, sql, '42501');
    await admin.query('ALTER EVENT TRIGGER sio_dropped DISABLE'); // it would refuse the next
    await admin.query('ALTER TABLE orders DROP COLUMN customer_id; ALTER EVENT TRIGGER sio_dropped ENABLE ALWAYS');
    const { code, stderr } = await postgres.psql(look, { user: 'monitor' });
    assert.deepEqual([code, /customer_id/.test(stderr)], [3, true], stderr);
    await admin.query(`SELECT sio_unwatch('orders')`);
    await monitor.end();
  });

  it('shows how to run an exporter and Prometheus: monitoring.test.js does', () => {
    page.next('sh', 'prometheus-sql-exporter');
    page.next('yaml', 'scrape_configs');
    page.next('promql', 'delivered_total');
  });

  it('sizes: finds who holds a snapshot, and needs nothing of its own for processes', async () => {
    await run(page.next('sql', 'max_worker_processes'));
    assert.deepEqual(await run(page.next('sql', 'pg_notification_queue_usage')), ['0']);
    const holder = await postgres.connect({ user: 'app' });
    await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    await admin.query('SELECT txid_current()'); // later snapshots are of a later moment
    const other = await postgres.connect();
    await other.query(`BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'forgotten'`);
    await admin.query(`SELECT pg_create_physical_replication_slot('standby', true)`);
    const [size, ...found] = await run(page.next('sql', 'backend_xmin'), { user: 'monitor' });
    assert.match(size, /^\d+ kB$/);
    assert.match(found[0], /\|idle in transaction\|BEGIN ISOLATION/, 'the oldest first');
    assert.match(found.at(-1), /^forgotten\|/);
    await Promise.all([holder, other].map((session) => session.end()));
    await admin.query(`ROLLBACK PREPARED 'forgotten'`);
    await admin.query(`SELECT pg_drop_replication_slot('standby')`);
    await postgres.restart();
    [admin, app] = [await postgres.connect(), await postgres.connect({ user: 'app' })];
    await app.query(`SET socketio_emitter.delivery = 'queue'`);
    assert.deepEqual((await admin.query('SHOW max_worker_processes')).rows, [{ max_worker_processes: '16' }]);
    await untilWorker(admin);
  });

  it('restores to a point in time: what waited then is sent again, unless the queue is emptied before', async () => {
    const empty = page.next('sql', 'TRUNCATE _sio.queue');
    const backups = [await takeBackup(postgres, { name: 'operation-again' }), await takeBackup(postgres, { name: 'operation-silent' })];
    listener = await listen(postgres);
    await whileWorkerStands(admin, async () => {
      await app.query(`${numbered(1)}; ${numbered(2)}`);
      await admin.query(`SELECT pg_create_restore_point('then')`);
    });
    await delivered(admin);
    assert.deepEqual(await numbers(listener), [1, 2]);
    await app.query(numbered(3));
    await delivered(admin);
    const { rows } = await admin.query('SELECT pg_walfile_name(pg_switch_wal()) AS name');
    await until('it is archived', async () => (await admin.query(
      'SELECT FROM pg_stat_archiver WHERE last_archived_wal >= $1', [rows[0].name])).rows.length > 0);

    const restored = async (cluster, conf) => {
      writeFileSync(path.join(cluster.dataDir, 'recovery.signal'), '');
      await cluster.configure({
        restore_command: `cp ${archive}/%f %p`, recovery_target_name: 'then', recovery_target_action: 'promote', archive_mode: 'off', ...conf,
      });
      await cluster.start();
      running.push(cluster);
      const boss = await cluster.connect();
      await until('it is restored', async () => (await boss.query('SELECT NOT pg_is_in_recovery() AS done')).rows[0].done);
      return boss;
    };
    const again = await restored(backups[0], { 'socketio_emitter.restart_delay': '3s' });
    const heard = await listen(backups[0]);
    await untilWorker(again);
    await delivered(again);
    assert.deepEqual(await numbers(heard), [1, 2], 'and not the third, which came later');

    let silent = await restored(backups[1], { shared_preload_libraries: '' });
    const [waiting] = await run(empty, { cluster: backups[1] });
    assert.match(waiting, /^2\|00:/);
    await backups[1].configure({ shared_preload_libraries: 'socketio_emitter', 'socketio_emitter.restart_delay': '3s' });
    await backups[1].restart();
    silent = await backups[1].connect();
    const unheard = await listen(backups[1]);
    await untilWorker(silent);
    await untilIdle(silent);
    await silent.query(`SET socketio_emitter.delivery = 'queue'; ${numbered(4)}`);
    await delivered(silent);
    assert.deepEqual(await numbers(unheard), [4]);
  });

  it('reaches every client with the event on which they fetch', async (t) => {
    const servers = await startServers(postgres, { count: 2 });
    t.after(() => closeAll(servers));
    const clients = await Promise.all(servers.map((server) => connectClient(server)));
    await run(page.next('sql', 'refetch'));
    assert.deepEqual(await received(app, clients), [[['refetch']], [['refetch']]]);
    await closeAll(clients);
  });

  it('shows what a standby is; its promotion sends what was queued', async () => {
    const look = page.next('sql', 'pg_is_in_recovery');
    let standby;
    // What was sent in the last second would be sent again.
    await until('nothing is kept', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
    await whileWorkerStands(admin, async () => {
      standby = await startStandby(postgres, { name: 'operation-standby', conf: { 'socketio_emitter.restart_delay': '3s', archive_mode: 'off' } });
      running.push(standby);
      await app.query(numbered(5));
      const boss = await standby.connect();
      await until('it has come there', async () => (await status(boss)).queued === '1');
      assert.deepEqual(await run(look, { cluster: standby, user: 'monitor' }), ['t|standby']);
      await refused(boss, 'LISTEN "socket.io#/"', '25006');
      await boss.query('SELECT pg_promote()');
      const heard = await listen(standby);
      await untilWorker(boss);
      await delivered(boss);
      assert.deepEqual(await numbers(heard), [5]);
    });
    await delivered(admin);
  });

  it('says when an event leaves with synchronous replication: after the standby has confirmed', async () => {
    const standby = await startStandby(postgres, { name: 'operation-sync', conf: { archive_mode: 'off' } });
    running.push(standby);
    await admin.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
    await admin.query('SELECT pg_reload_conf()');
    await until('it is synchronous', async () => (await admin.query(`SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`)).rows.length > 0);
    await run('CHECKPOINT'); // commits wait once the checkpointer has read the setting, which it does before
    listener = await listen(postgres);
    await listener.texts();
    const { rows } = await (await standby.connect()).query('SELECT pid FROM pg_stat_wal_receiver');
    for (const delivery of ['notify', 'queue']) {
      const session = await postgres.connect({ user: 'app' });
      const heard = [];
      listener.client.on('notification', ({ payload }) => payload.includes(`"${delivery}"`) && heard.push(payload));
      await session.query(`SET socketio_emitter.delivery = '${delivery}'`);
      process.kill(rows[0].pid, 'SIGSTOP');
      try {
        var done = session.query(`INSERT INTO orders DEFAULT VALUES; SELECT sio_emit('/', '{}', '${delivery}')`);
        await until('its commit waits', async () => (await admin.query(`SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)).rows.length > 0);
        await never('the event arrives', () => heard.length > 0, { during: 300 });
      } finally {
        process.kill(rows[0].pid, 'SIGCONT');
      }
      await done;
      await until('the event arrives', () => heard.length === 1);
      await session.end();
    }
    await admin.query('ALTER SYSTEM RESET synchronous_standby_names');
    await admin.query('SELECT pg_reload_conf()');
  });

  it('is right about which adapters end the process when the connection that listens is lost', async () => {
    const ends = async (version) => {
      const server = capture(process.execPath, ['--input-type=module', '--eval', `
        const { default: pg } = await import('pg');
        const { Server } = await import('socket.io');
        const { createAdapter } = await import('adapter-${version}');
        const pool = new pg.Pool({ connectionString: '${postgres.url({ user: 'socketio_servers' })}', application_name: '${version}' });
        pool.on('error', () => {});
        pool.on('connect', (client) => client.once('end', () => process.exit(0)));
        new Server().adapter(createAdapter(pool));`], { cwd: fromRoot('pgrx-tests') });
      await until(`adapter ${version} hears`, async () => (await admin.query('SELECT FROM sio_servers()')).rows.length === 1);
      await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${version}' AND query LIKE 'LISTEN%'`);
      const { code, stderr } = await server;
      assert.equal(/Unhandled 'error' event/.test(stderr), code !== 0, stderr);
      return code !== 0;
    };
    assert.deepEqual([await ends('0.4.0'), await ends('0.5.0')], [false, true]);
  });

  it('keeps a server up whose connection is lost again and again, which then loses only what is sent meanwhile', async () => {
    staying = page.next('js', 'client.release');
    const { url, told } = await stay(staying);
    const client = await connectClient({ url });
    // It may be heard all the same, if the connections took long to end: the adapter connects again after a second.
    const heard = async () => {
      for (;;) {
        const [event] = await client.take(1);
        if (event[0] !== 'lost') return event;
      }
    };
    const hears = async () => (await admin.query('SELECT FROM sio_servers()')).rows.length === 1;
    await until('the server hears', hears);
    for (let loss = 1; loss <= 3; loss++) {
      await admin.query(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'socketio_servers'`);
      await admin.query(`SELECT sio_emit('/', '{}', 'lost')`);
      await until('the server hears again', hears);
      await admin.query(`SELECT sio_emit_binary('/', '{}', 'heard', convert_to('${loss}', 'UTF8'))`);
      assert.deepEqual(await heard(), ['heard', Buffer.from(String(loss))]);
    }
    assert.ok(told.includes('terminating connection due to administrator command'));
    await client.close();
    await server.close();
  });

  it('has clients fetch what they missed meanwhile', async (t) => {
    const { url, io, pool } = await stay(staying + page.next('js', 'refetch'));
    await admin.query(`CREATE TABLE parcels (id int PRIMARY KEY); SELECT sio_watch('parcels', everyone => true, event => 'parcel:$op');
      GRANT SELECT ON parcels TO socketio_servers; GRANT EXECUTE ON FUNCTION sio_row, sio_snapshot, sio_server_side_emit TO socketio_servers`);
    io.on('connection', (socket) => socket.on('parcels', async (answer) => answer((await pool.query(
      `SELECT sio_snapshot() AS snapshot, coalesce(jsonb_agg(sio_row(p)), '[]') AS rows FROM parcels p`)).rows[0])));
    const { socket } = await connectClient({ url });
    const orders = follow(socket, { events: 'parcel', fetch: () => socket.timeout(10_000).emitWithAck('parcels') });
    t.after(() => orders.close());
    await evaluate(/`(socket\.on\('refetch'.*?\))`/.exec(page.text)[1], { socket, orders });
    const ids = () => orders.rows.map(({ id }) => id);
    const fetched = [];
    orders.on('change', ({ reset }) => reset && fetched.push(ids()));
    await until('the server hears', async () => (await admin.query('SELECT FROM sio_servers()')).rows.length === 1);
    await until('the list is live', () => orders.state === 'live');
    for (const loss of [1, 2]) {
      await admin.query(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'socketio_servers' AND query LIKE 'LISTEN%'`);
      await admin.query('INSERT INTO parcels VALUES ($1)', [loss]);
      await until('it is in the list', () => ids().includes(loss));
      assert.deepEqual(fetched.at(-1), ids(), 'by a fetch');
    }
    assert.ok(socket.connected);
    socket.disconnect();
  });

  let staying;
  /** A server with that code of the page, in a pool so small that the adapter occupies all of it after one loss, unless it is given back. */
  async function stay(code) {
    const { createAdapter } = await loadAdapter('0.5.0');
    const http = createServer().listen(0, '127.0.0.1');
    await once(http, 'listening');
    const io = new Server(http);
    const told = [];
    const Pool = class extends pg.Pool { constructor(options) { super({ ...options, max: 2 }); } };
    const { pool } = await evaluate(code, {
      pg: { Pool }, connectionString: postgres.url({ user: 'socketio_servers' }), io, createAdapter, console: { error: (text) => told.push(text) },
    }, ['pool']);
    server = { close: async () => { await io.close(); await pool.end(); } };
    return { url: `http://127.0.0.1:${http.address().port}`, io, pool, told };
  }

  it('sets the delivery for a role, which PgBouncer\'s clients then have, and one worker for each database', async () => {
    await postgres.createDatabase('second');
    await (await postgres.connect({ database: 'second' })).query('CREATE EXTENSION socketio_emitter');
    await untilWorker(admin, { database: 'second' });
    const workers = await run(page.next('sql', 'ALTER ROLE app SET'));
    assert.deepEqual(workers.map((line) => line.split('|')[0]).sort(), ['postgres', 'second']);
    const bouncer = await startPgBouncer(postgres, { users: ['app'], name: 'operation-pgbouncer' });
    const client = await bouncer.connect({ user: 'app' });
    await askedAgain(async () => (
      assert.deepEqual((await client.query('SELECT count(*)::int AS servers FROM sio_servers()')).rows, [{ servers: 1 }])));
    await whileWorkerStands(admin, async () => {
      await client.query(numbered(6));
      assert.equal((await status(admin)).queued, '1');
    });
    await delivered(admin);
    const heard = [];
    client.on('notification', ({ payload }) => heard.push(payload));
    await client.query('LISTEN "socket.io#/"');
    await admin.query(`SELECT sio_emit('/', '{}', 'unheard')`);
    await never('the client of PgBouncer hears it', () => heard.length > 0, { during: 300 });
    await client.end();
    await bouncer.close();
  });

  it('ends with a look after an upgrade', async () => {
    const { rows } = await admin.query(`SELECT extversion FROM pg_extension WHERE extname = 'socketio_emitter'`);
    const version = rows[0].extversion;
    const look = page.next('sql', 'library_version');
    let shown;
    // After a delivery, the worker wakes once more.
    await until('it shows that all is well', async () => {
      shown = (await run(look)).join('\n');
      return shown === `${version}|${version}|idle|0\nt`;
    }).catch((error) => assert.fail(`${error.message}: ${shown}`));
    page.assertAllTaken();
  });
});

describe('the log', () => {
  let postgres, admin, app;

  before(async () => {
    ({ postgres, admin, app } = await startQueue({ name: 'operation-log', conf: {
      max_worker_processes: 1, max_logical_replication_workers: 0, 'socketio_emitter.cleanup_interval': '100ms',
    } }));
  });

  after(() => postgres?.stop());

  it('has the lines that docs/operation.md names, at the levels that it names', async () => {
    const lines = [...page.text.matchAll(/^\| `([^`]+)` \| (LOG|WARNING) \|/gm)].map(([, text, level]) => ({
      level, text: text.replaceAll('"app"', '"postgres"').split('…')[0],
    }));
    assert.equal(lines.length, 5);
    const [delivery, deletion, shortage, versions] = lines; // the last is Postgres's own
    const told = async ({ level, text }) => (await postgres.log()).includes(`${level}:  ${text}`);
    await until('there are too few processes', () => told(shortage));
    await admin.query('ALTER SYSTEM SET max_worker_processes = 8');
    await admin.query(`UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'socketio_emitter'`);
    await postgres.restart();
    [admin, app] = [await postgres.connect(), await postgres.connect({ user: 'app' })];
    await until('the versions differ', () => told(versions));
    await app.query(`SET socketio_emitter.delivery = 'queue'; BEGIN; SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`);
    await admin.query('ALTER TABLE socket_io_attachments ADD CONSTRAINT no CHECK (false) NOT VALID');
    await app.query('COMMIT');
    await until('a message failed', () => told(delivery));
    await admin.query(`ALTER SYSTEM SET socketio_emitter.table_name = 'gone'`);
    await admin.query('SELECT pg_reload_conf()');
    await until('attachments are not deleted', () => told(deletion));
  });
});
