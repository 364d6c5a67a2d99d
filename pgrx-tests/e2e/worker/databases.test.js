// The worker and its database: it is there where the extension is, and in nobody's way.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { delivered, names, numbered, numbers, PRELOAD, processes, queueing, untilIdle, untilNoWorker, untilWorker, upTo } from '../../harness/queue.js';
import { prepareDatabase } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

// Longer than any of these commands may take beside a busy worker, on machines that have other things to do.
const PROMPT = 5_000;

describe('the worker of a database', () => {
  let postgres, admin;

  before(async () => {
    // Without cleanups, a worker at rest looks at nothing for a minute unless it is woken.
    const conf = { ...PRELOAD, max_worker_processes: 16, 'socketio_emitter.cleanup_interval': 0 };
    postgres = await startPostgres({ name: 'worker-databases', conf });
    admin = await prepareDatabase(postgres);
  });

  after(() => postgres?.stop());

  /** A database with the extension: the superuser's session there. */
  async function database(name, { roles = false } = {}) {
    await postgres.createDatabase(name);
    return prepareDatabase(postgres, { database: name, roles });
  }

  /** Enough for the worker to be busy for a while. */
  const backlog = (session, count = 100_000) =>
    session.query(`SELECT count(public.sio_emit('/', '{}', 'e', to_jsonb(i))) FROM generate_series(1, ${count}) i`);

  async function timed(t, what, work) {
    const start = performance.now();
    await work();
    const spent = performance.now() - start;
    t.diagnostic(`${what}: ${Math.round(spent)} ms`);
    assert.ok(spent < PROMPT, `${what} took ${spent} ms`);
  }

  it('comes with CREATE EXTENSION, also of one that is created late in a transaction', async () => {
    await postgres.createDatabase('late');
    const session = await postgres.connect({ database: 'late' });
    await session.query(`BEGIN; CREATE EXTENSION socketio_emitter; SET LOCAL socketio_emitter.delivery = 'queue'; ${numbered(1)}`);
    await untilNoWorker(admin, 'late'); // the launcher's probe of a new database comes and goes
    const listener = await listen(postgres, { database: 'late' });
    await session.query('COMMIT');
    await delivered(session);
    assert.deepEqual(await numbers(listener), [1]);
    await listener.close();
    await session.end();
    await postgres.dropDatabase('late');
  });

  it('is there in each database that has the extension, after a restart too, and in no other', async () => {
    await postgres.createDatabase('without');
    for (const name of ['first', 'second']) await (await database(name)).end();
    await postgres.restart();
    admin = await postgres.connect();
    for (const name of ['postgres', 'first', 'second']) await untilWorker(admin, { database: name });
    // Probes of the others come and go.
    const there = async () => (await processes(admin)).map(({ type, database: of }) => `${type} ${of}`).join(', ');
    await until('the workers are there, and no probe', async () => await there() === 'launcher null, worker first, worker postgres, worker second');
    for (const name of ['without', 'first', 'second']) await postgres.dropDatabase(name);
  });

  it('doesn\'t keep DROP EXTENSION waiting while it is busy, and delivers for the next one', async (t) => {
    const session = await queueing(postgres, { user: 'postgres' });
    await backlog(session);
    await timed(t, 'DROP EXTENSION', () => admin.query('DROP EXTENSION socketio_emitter'));
    await untilNoWorker(admin);
    await admin.query('CREATE EXTENSION socketio_emitter');
    const listener = await listen(postgres);
    await session.query(numbered(7));
    await delivered(session);
    assert.deepEqual(await numbers(listener), [7]);
    assert.doesNotMatch(await postgres.log(), /ERROR.*_sio|PANIC|terminated by signal/);
    await listener.close();
    await session.end();
  });

  it('goes with DROP EXTENSION when it is at rest', async () => {
    const session = await database('rest');
    await untilWorker(admin, { database: 'rest' });
    await untilIdle(session);
    await session.query('DROP EXTENSION socketio_emitter');
    await untilNoWorker(admin, 'rest');
    await session.end();
    await postgres.dropDatabase('rest');
  });

  it('leaves a database that is dropped, and ends no other\'s', async (t) => {
    const other = await database('dropped');
    const pid = await untilWorker(admin);
    await untilWorker(admin, { database: 'dropped' });
    await other.query(`SET socketio_emitter.delivery = 'queue'`);
    await backlog(other);
    await other.end();
    await timed(t, 'DROP DATABASE', () => admin.query('DROP DATABASE dropped'));
    assert.equal(await untilWorker(admin), pid);
    assert.doesNotMatch(await postgres.log(), /FATAL: .*dropped|database \d+ does not exist/);
  });

  it('comes back to a database that wasn\'t dropped, because the command failed', async () => {
    const held = await database('held');
    await untilWorker(admin, { database: 'held' });
    await held.query(`SET socketio_emitter.delivery = 'queue'`);
    await assert.rejects(admin.query('DROP DATABASE held'), { code: '55006' });
    const listener = await listen(postgres, { database: 'held' });
    await held.query(numbered(1));
    await delivered(held);
    assert.deepEqual(await numbers(listener), [1]);
    await listener.close();
    await held.end();
    await admin.query('DROP DATABASE held');
  });

  it('isn\'t sent away by who doesn\'t own the database', async () => {
    const pid = await untilWorker(admin);
    const app = await postgres.connect({ database: 'template1', user: 'app' });
    await assert.rejects(app.query('DROP DATABASE postgres'), { code: '42501' });
    await assert.rejects(app.query('ALTER DATABASE postgres RENAME TO mine'), { code: '42501' });
    await app.end();
    assert.equal(await untilWorker(admin), pid);
  });

  it('of another database, which has got a session\'s place in shared memory, still hears of its own commits', async () => {
    await (await database('earlier')).end();
    const session = await queueing(postgres, { database: 'earlier', user: 'postgres' });
    await untilWorker(admin, { database: 'earlier' });
    await session.query(`SELECT sio_emit('/', '{}', 'e', '1')`);
    await session.query('DROP EXTENSION socketio_emitter');
    await until('its worker has left', async () => !(await processes(admin)).some(({ database: of }) => of === 'earlier'));
    await (await database('later')).end();
    const heir = await queueing(postgres, { database: 'later', user: 'postgres' });
    await heir.query(`SELECT sio_emit('/', '{}', 'e', '1')`);
    await untilWorker(admin, { database: 'later' });
    await heir.query(`SELECT sio_wait_delivered('60 seconds'), pg_sleep(3)`);
    await session.query('CREATE EXTENSION socketio_emitter');
    await heir.query(`SELECT pg_sleep(3)`);
    await heir.query(`SELECT sio_emit('/', '{}', 'e', '2')`);
    // Of itself it looks after a minute.
    assert.equal((await heir.query(`SELECT sio_wait_delivered('15 seconds') AS done`)).rows[0].done, true);
    await session.end();
    await heir.end();
    for (const name of ['earlier', 'later']) await postgres.dropDatabase(name);
  });

  it('is in nobody\'s way who renames a database or copies it; the copy gets one when it emits', async (t) => {
    const session = await database('original');
    await untilWorker(admin, { database: 'original' });
    await session.end();
    await timed(t, 'CREATE DATABASE … TEMPLATE', () => admin.query('CREATE DATABASE copy TEMPLATE original'));
    await timed(t, 'ALTER DATABASE … RENAME', () => admin.query('ALTER DATABASE original RENAME TO renamed'));
    for (const name of ['copy', 'renamed']) {
      const emitting = await queueing(postgres, { database: name, user: 'postgres' });
      const listener = await listen(postgres, { database: name });
      await emitting.query(numbered(3));
      await delivered(emitting);
      assert.deepEqual(await numbers(listener), [3]);
      await listener.close();
      await emitting.end();
      await admin.query(`DROP DATABASE ${name}`);
    }
  });

  it('is started again after SIGTERM, as is the launcher', async () => {
    const session = await queueing(postgres, { user: 'postgres' });
    const listener = await listen(postgres);
    const pid = await untilWorker(admin);
    process.kill(pid, 'SIGTERM');
    await untilWorker(admin, { before: pid });
    const launcher = (await processes(admin)).find(({ type }) => type === 'launcher').pid;
    process.kill(launcher, 'SIGTERM');
    await until('there is another launcher', async () =>
      (await processes(admin)).some((each) => each.type === 'launcher' && each.pid !== launcher));
    const again = await untilWorker(admin);
    process.kill(again, 'SIGTERM');
    await untilWorker(admin, { before: again });
    await session.query(upTo(3).map((n) => numbered(n)).join(';'));
    await delivered(session);
    assert.deepEqual(await numbers(listener), [0, 1, 2]);
    await listener.close();
    await session.end();
  });

  it('survives being cancelled', async () => {
    const session = await queueing(postgres, { user: 'postgres' });
    const listener = await listen(postgres);
    const pid = await untilWorker(admin);
    await admin.query('SELECT pg_cancel_backend($1)', [pid]);
    await session.query(`SELECT sio_emit('/', '{}', 'after the cancel')`);
    await delivered(session);
    assert.deepEqual(await names(listener), ['after the cancel']);
    assert.equal(await untilWorker(admin), pid);
    await listener.close();
    await session.end();
  });
});

describe('a server with too few processes', () => {
  let postgres;
  after(() => postgres?.stop());

  it('says so once in the log, in sio_status and to who queues; goes on without', async () => {
    // One for Postgres's own launcher of logical replication, one for ours.
    postgres = await startPostgres({ name: 'worker-few', conf: { ...PRELOAD, max_worker_processes: 2 } });
    const admin = await prepareDatabase(postgres);
    const shortages = async () => (await postgres.log()).match(/could not start a background worker/g)?.length ?? 0;
    await until('the log says it', async () => (await shortages()) > 0);
    const session = await queueing(postgres);
    await session.query(numbered(1));
    const [warning, ...more] = session.warnings();
    assert.match(warning.hint, /max_worker_processes/);
    assert.deepEqual(more, []);
    const { rows: [{ worker_pid: pid, worker_state: state, last_error: error }] } = await admin.query('SELECT * FROM sio_status');
    assert.deepEqual([pid, state], [null, 'not running']);
    assert.match(error, /could not start a background worker/);
    assert.equal((await admin.query('SELECT sio_deliver() AS n')).rows[0].n, '1');
    assert.equal(await shortages(), 1);
  });
});
