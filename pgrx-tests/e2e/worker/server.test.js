// What may happen to the server as a whole: a standby, its promotion, pg_upgrade, new settings, listeners that don't listen.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { startPostgres, startStandby, upgradePostgres } from '../../harness/postgres.js';
import { delivered, numbered, numberedBinary, numbers, PRELOAD, processes, queueing, startQueue, status, untilWorker, whileWorkerStands } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { elapse, never, until } from '../../harness/wait.js';

const running = [];
after(async () => {
  for (const cluster of running.reverse()) await cluster.stop();
});

/** Stops it when all tests have run. */
function kept(cluster) {
  running.push(cluster);
  return cluster;
}

describe('the worker of a standby', () => {
  it('waits, and delivers what the primary had queued once it is promoted', async () => {
    const { postgres: primary, admin, app } = await startQueue({ name: 'worker-primary' });
    kept(primary);
    await whileWorkerStands(admin, async () => {
      await app.query(`${numbered(1)}; ${numberedBinary(2)}`);
      const standby = kept(await startStandby(primary, { name: 'worker-standby' }));
      const boss = await standby.connect();
      assert.deepEqual(await processes(boss), []);
      const now = await status(boss);
      assert.deepEqual([now.worker_state, now.worker_pid, now.queued], ['standby', null, '2']);
      await refused(boss, 'SELECT sio_deliver()', '25006', { says: ['sio_deliver', 'recovery'] });
      await refused(boss, 'SELECT sio_wait_delivered()', '25006', { says: ['sio_wait_delivered', 'recovery'] });
      await refused(boss, 'SELECT sio_retry()', '25006');
      // The worker waits for the servers as after a restart: long enough to listen.
      await standby.configure({ 'socketio_emitter.restart_delay': '10s' });
      await standby.restart();
      const again = await standby.connect();
      await again.query('SELECT pg_promote()');
      const heard = await listen(standby);
      await untilWorker(again);
      await delivered(again);
      assert.deepEqual(await numbers(heard), [1, 2]);
    });
    await delivered(admin);
  });
});

describe('pg_upgrade', () => {
  it('carries queued messages over, and runs no worker on its way', async () => {
    const old = kept(await startPostgres({ name: 'worker-old' }));
    await prepareDatabase(old);
    const app = await queueing(old);
    await app.query(`${numbered(1)}; ${numberedBinary(2)}; ${numbered(3)}`);
    await old.stop();
    const upgraded = kept(await upgradePostgres(old, { name: 'worker-upgraded', conf: { ...PRELOAD, 'socketio_emitter.restart_delay': '10s' } }));
    const listener = await listen(upgraded);
    const boss = await upgraded.connect();
    await untilWorker(boss);
    await delivered(boss);
    assert.deepEqual(await numbers(listener), [1, 2, 3]);
    const session = await queueing(upgraded);
    await session.query(numbered(4));
    await delivered(boss);
    assert.deepEqual(await numbers(listener), [4]);
  });

  it('starts servers in a mode in which no worker runs', async () => {
    const { postgres } = await startQueue({ name: 'worker-binary' });
    kept(postgres);
    await postgres.restart({ args: ['-b'] });
    const admin = await postgres.connect();
    await never('the launcher or a worker starts', async () => (await processes(admin)).length > 0, { during: 500 });
    assert.equal((await status(admin)).worker_state, 'not preloaded');
    await postgres.restart();
    await untilWorker(await postgres.connect());
  });
});

describe('the worker\'s new settings', () => {
  it('are taken over with SIGHUP: the cleanup begins, and ends', async () => {
    const { postgres, admin } = await startQueue({ name: 'worker-reload', conf: { 'socketio_emitter.cleanup_interval': 0 } });
    kept(postgres);
    const add = () => admin.query(`INSERT INTO socket_io_attachments (created_at, payload)
      SELECT clock_timestamp() - interval '31 seconds', '\\x00' FROM generate_series(1, 2500)`);
    const left = async () => (await admin.query('SELECT count(*)::int AS n FROM socket_io_attachments')).rows[0].n;
    const set = async (value) => {
      await admin.query(`ALTER SYSTEM SET socketio_emitter.cleanup_interval = '${value}'`);
      await admin.query('SELECT pg_reload_conf()');
    };
    await untilWorker(admin);
    await add();
    await never('an old row is deleted', async () => (await left()) !== 2500, { during: 500 });
    await set('100ms');
    await until('the old rows are deleted', async () => (await left()) === 0);
    // A young one isn't.
    await admin.query(`INSERT INTO socket_io_attachments (created_at, payload) VALUES (clock_timestamp(), '\\x00')`);
    await never('it is deleted', async () => (await left()) !== 1, { during: 500 });
    await set('0');
    await until('the worker has taken over the setting', async () => {
      await admin.query('TRUNCATE socket_io_attachments');
      await add();
      await elapse(300, 'it would delete them');
      return (await left()) === 2500;
    });
    await never('an old row is deleted', async () => (await left()) !== 2500, { during: 500 });
  });

  it('include a table that isn\'t there: messages go on, the log says it once', async () => {
    const { postgres, admin, app, listener } = await startQueue({ name: 'worker-gone', conf: {
      'socketio_emitter.cleanup_interval': '100ms', 'socketio_emitter.table_name': 'gone',
    } });
    kept(postgres);
    const told = async () => (await postgres.log()).match(/attachments table \S+ does not exist/g)?.length ?? 0;
    await until('the log says it', async () => (await told()) > 0);
    await never('the log says it again', async () => (await told()) > 1, { during: 1_000 });
    assert.match((await status(admin)).last_error, /does not exist/);
    const pid = await untilWorker(admin);
    await app.query(numbered(1));
    await delivered(admin);
    assert.deepEqual(await numbers(listener), [1]);
    assert.equal(await untilWorker(admin), pid, 'the same worker goes on');
    assert.deepEqual([(await status(admin)).attachments, (await status(admin)).attachment_bytes], [null, null]);
  });
});

describe('sessions with settings of their own', () => {
  it('don\'t keep the worker of their database from working', async () => {
    const { postgres, admin } = await startQueue({ name: 'worker-settings' });
    kept(postgres);
    for (const [name, value] of Object.entries({
      default_transaction_read_only: 'on', default_transaction_isolation: 'serializable', statement_timeout: '1ms', lock_timeout: '1ms',
      search_path: 'nowhere', row_security: 'off', idle_in_transaction_session_timeout: '1ms', 'socketio_emitter.delivery': 'queue',
    })) {
      await admin.query(`ALTER DATABASE postgres SET ${name} = '${value}'`);
    }
    const before = await untilWorker(admin);
    process.kill(before, 'SIGTERM');
    await untilWorker(admin, { before });
    const listener = await listen(postgres, { database: 'postgres' });
    const app = await postgres.connect({
      user: EMITTER_ROLE, options: '-c default_transaction_read_only=off -c statement_timeout=0 -c socketio_emitter.delivery=queue',
    });
    await app.query(`${numbered(1)}; ${numberedBinary(2)}`);
    await listener.take(2);
  });
});
