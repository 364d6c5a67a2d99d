// Whatever ends a question before its time, nothing of it stays: no process, no listener, no place. And how many there may be.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { askedAgain, listeners, rowsOf, untilAsked, untilNothingIsLeft } from '../../harness/asking.js';
import { alarms } from '../../harness/alarms.js';
import { startPostgres } from '../../harness/postgres.js';
import { PRELOAD, untilWorker } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until, within } from '../../harness/wait.js';

// Nobody is there, and the caller says that somebody is: it waits.
const WAITING = (timeout = '1 hour') => `SELECT sio_fetch_sockets('/', servers => 1, timeout => '${timeout}')`;

describe('of a question', () => {
  let postgres, admin;

  before(async () => {
    // With three places for processes of which the extension needs none (it isn't preloaded), and one of Postgres's own.
    postgres = await startPostgres({ name: 'ask-lifetimes', conf: { max_worker_processes: 4, 'socketio_emitter.max_questions': 2 } });
    admin = await prepareDatabase(postgres);
  });

  afterEach(() => untilNothingIsLeft(admin));

  after(async () => {
    assert.deepEqual(alarms(await postgres.log()), []);
    await postgres.stop();
  });

  const asker = (options) => postgres.connect({ user: EMITTER_ROLE, ...options });

  async function pidOf(client) {
    return (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
  }

  /** Starts a question that waits, and hands over its session's pid and its process's. */
  async function waiting(session, sql = WAITING()) {
    const pid = await pidOf(session);
    const failed = session.query(sql).then(() => undefined, (error) => error);
    return { pid, failed, worker: await untilAsked(admin) };
  }

  it('nothing stays after its end', async () => {
    const session = await asker();
    for (let round = 0; round < 20; round++) await rowsOf(session, `SELECT FROM sio_servers('/', '0')`);
    await untilNothingIsLeft(admin);
    const { rows } = await admin.query(`SELECT pg_listening_channels() AS channel`);
    assert.deepEqual(rows, []);
    await session.end();
  });

  it('nothing stays when it is cancelled, and the session goes on', async () => {
    const session = await asker();
    const { pid, failed } = await waiting(session);
    await admin.query('SELECT pg_cancel_backend($1)', [pid]);
    assert.equal((await within('the statement ended', failed)).code, '57014');
    await untilNothingIsLeft(admin);
    assert.deepEqual(await rowsOf(session, 'SELECT * FROM sio_servers()'), []);
    await session.end();
  });

  it('nothing stays when statement_timeout ends it in a savepoint, and the transaction goes on', async () => {
    const session = await asker();
    await session.query(`BEGIN; SET LOCAL statement_timeout = '300ms'; SAVEPOINT s`);
    await refused(session, WAITING(), '57014');
    await session.query('ROLLBACK TO s; SET LOCAL statement_timeout = 0');
    await untilNothingIsLeft(admin);
    assert.equal((await session.query(`SELECT sio_is_online('/', '{a}', '5 s') AS online`)).rows[0].online, false);
    await session.query('COMMIT');
    await session.end();
  });

  it('nothing stays when its session is terminated', async () => {
    const session = await asker();
    session.on('error', () => {});
    const { pid, failed } = await waiting(session);
    await admin.query('SELECT pg_terminate_backend($1)', [pid]);
    assert.equal((await within('the session ended', failed)).code, '57P01');
  });

  it('nothing stays when its client has gone', async () => {
    const session = await asker();
    session.on('error', () => {});
    await session.query(`SET client_connection_check_interval = '100ms'`);
    const { failed } = await waiting(session);
    session.connection.stream.destroy();
    await failed;
    await untilNothingIsLeft(admin);
  });

  it('nothing stays when its process is terminated, and the caller is told', async () => {
    const session = await asker();
    const { failed, worker } = await waiting(session);
    await admin.query('SELECT pg_terminate_backend($1)', [worker]);
    const error = await within('the statement ended', failed);
    assert.equal(error.code, '58000');
    assert.match(error.message, /background worker .* has ended/);
    await session.end();
  });

  it('cancelling its process, which waits for nothing that could be cancelled, changes nothing', async () => {
    const session = await asker();
    const { failed, worker } = await waiting(session, WAITING('1500 ms'));
    await admin.query('SELECT pg_cancel_backend($1)', [worker]);
    assert.match((await failed).message, /0 of 1 servers answered/);
    await session.end();
  });

  it('nothing stays when its database is dropped', async () => {
    await postgres.createDatabase('doomed');
    const owner = await postgres.connect({ database: 'doomed' });
    await owner.query('CREATE EXTENSION socketio_emitter');
    owner.on('error', () => {});
    const { failed } = await waiting(owner);
    await postgres.dropDatabase('doomed');
    assert.ok(await within('the session ended', failed));
  });

  it('DROP DATABASE of an idle one isn\'t held up by a question that has just ended', async () => {
    await postgres.createDatabase('idle');
    const owner = await postgres.connect({ database: 'idle' });
    await owner.query('CREATE EXTENSION socketio_emitter');
    await rowsOf(owner, `SELECT FROM sio_servers('/', '0')`);
    await owner.end();
    await admin.query('DROP DATABASE idle');
  });

  it('nothing stays when the server shuts down, which takes no longer', async () => {
    const session = await asker();
    session.on('error', () => {});
    const { failed } = await waiting(session);
    await postgres.restart();
    await failed;
    admin = await postgres.connect();
    assert.deepEqual(await listeners(admin), []);
  });

  it('nothing stays in a server that preloads the library, beside whose own worker it is asked', async () => {
    const preloaded = await startPostgres({ name: 'ask-preloaded', conf: PRELOAD });
    const boss = await prepareDatabase(preloaded);
    const pid = await untilWorker(boss);
    const servers = await startServers(preloaded, { count: 1 });
    const session = await preloaded.connect({ user: EMITTER_ROLE });
    await askedAgain(async () => assert.equal((await rowsOf(session, 'SELECT FROM sio_servers()')).length, 1));
    await untilNothingIsLeft(boss);
    assert.equal(await untilWorker(boss), pid);
    await closeAll(servers);
    assert.deepEqual(alarms(await preloaded.log()), []);
    await preloaded.stop();
  });

  it('so many may be under way, and others wait within their timeout', async () => {
    const first = await Promise.all([asker(), asker()]);
    const under = first.map((session) => session.query(WAITING('2 s')).then(() => undefined, (error) => error));
    await until('two are under way', async () => (await listeners(admin)).length === 2);
    const third = await asker();
    await refused(third, WAITING('100 ms'), '53400', { says: ['2'], hint: /socketio_emitter\.max_questions/ });
    // It waits until one of them has ended.
    await refused(third, WAITING('4 s'), '58000', { says: ['0 of 1 servers answered'] });
    for (const error of await Promise.all(under)) assert.equal(error.code, '58000');
    await Promise.all([...first, third].map((session) => session.end()));
  });

  it('a missing process is told, with the setting to raise', async () => {
    await postgres.configure({ max_worker_processes: 1 });
    await postgres.restart();
    admin = await postgres.connect();
    const session = await asker();
    // Its only place is that of Postgres's own launcher of logical replication.
    await refused(session, `SELECT sio_is_online('/', '{a}', '200 ms')`, '53400', { hint: /max_worker_processes/ });
    await session.end();
    await postgres.configure({ max_worker_processes: 8, 'socketio_emitter.max_questions': 4 });
    await postgres.restart();
    admin = await postgres.connect();
  });

  it('fourteen at once are answered, one after the other', async () => {
    const servers = await startServers(postgres, { count: 3 });
    const sessions = await Promise.all(Array.from({ length: 14 }, () => asker()));
    const answers = await Promise.all(sessions.map((session) => rowsOf(session, `SELECT FROM sio_fetch_sockets('/', timeout => '30 s', servers => 3)`)));
    assert.ok(answers.every((rows) => rows.length === 0));
    await Promise.all(sessions.map((session) => session.end()));
    await closeAll(servers);
  });
});
