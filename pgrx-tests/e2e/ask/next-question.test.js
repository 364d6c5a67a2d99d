// The process of a question stays for a moment, for the session's next one: that is asked as if it had a process of its own, and
// nobody else notices the one that stays.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { askedAgain, listeners, pretendServers, rowsOf, uidOf, untilNothingIsLeft } from '../../harness/asking.js';
import { alarms } from '../../harness/alarms.js';
import { NOISE, resident } from '../../harness/memory.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE, grantExecute, OFFICIAL_TABLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { never, until, within } from '../../harness/wait.js';

const ONLINE = `SELECT sio_is_online('/', '{a}', '5 s') AS online`;
const QUICK = `SELECT FROM sio_servers('/', '0')`;
const WAITING = `SELECT sio_fetch_sockets('/', servers => 9, timeout => '1 hour')`;

describe('the next question of a session', () => {
  let postgres, admin, app, servers;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-next', conf: { max_worker_processes: 4, 'socketio_emitter.max_questions': 8 } });
    admin = await prepareDatabase(postgres);
    app = await asker();
    servers = await startServers(postgres, { count: 2, namespaces: ['/', '/custom'] });
    for (const { io } of servers) io.on('echo', (value, done) => done(value));
  });

  afterEach(async () => {
    await app.query('ROLLBACK; RESET ALL; RESET ROLE');
    await untilNothingIsLeft(admin);
  });

  after(async () => {
    await closeAll(servers ?? []);
    assert.deepEqual(alarms(await postgres.log()), []);
    await postgres.stop();
  });

  const asker = (options) => postgres.connect({ user: EMITTER_ROLE, ...options });
  const ask = (sql = QUICK, client = app) => rowsOf(client, sql);
  const uids = async (ns = '/') => (await ask(`SELECT uid FROM sio_servers('${ns}')`)).map(({ uid }) => uid).sort();
  const uidsOf = (ns = '/') => servers.map((server) => uidOf(server, ns)).sort();

  /** The pid of the only process, which is idle. */
  async function idle() {
    const pids = await until('the only process is idle, or it has left', async () => {
      const { rows } = await admin.query(`SELECT pid, state FROM pg_stat_activity WHERE backend_type = 'socketio_emitter question'`);
      return (rows.length === 0 || (rows.length === 1 && rows[0].state === 'idle')) && rows;
    });
    assert.equal(pids.length, 1, 'the process has left');
    return pids[0].pid;
  }

  /** A test in which a process must be met before it leaves, after a second: again, as a busy machine may stand still for longer. */
  const meeting = (test) => () => askedAgain(async () => {
    await app.query('ROLLBACK; RESET ALL; RESET ROLE');
    return test();
  }, { times: 4 });

  it('is asked by the process of the last one, which then leaves by itself', meeting(async () => {
    await ask();
    const pid = await idle();
    for (let round = 0; round < 3; round++) assert.deepEqual(await ask(ONLINE), [{ online: false }]);
    assert.equal(await idle(), pid);
    await untilNothingIsLeft(admin);
    assert.deepEqual(await uids(), uidsOf());
    assert.notEqual(await idle(), pid);
  }));

  it('is asked by that process after a transaction, and a subtransaction, that were rolled back', meeting(async () => {
    await app.query('BEGIN; SAVEPOINT s');
    await ask();
    await app.query('ROLLBACK TO s');
    const pid = await idle();
    await ask();
    await app.query('ROLLBACK');
    assert.deepEqual(await uids(), uidsOf());
    assert.equal(await idle(), pid);
  }));

  it('is asked by that process after an answer that was not complete, and after DISCARD ALL', meeting(async () => {
    await refused(app, `SELECT sio_fetch_sockets('/', servers => 9, timeout => '1 s')`, '58000', { says: 'of 9' });
    const pid = await idle();
    await app.query('DISCARD ALL');
    assert.deepEqual(await uids(), uidsOf());
    assert.equal(await idle(), pid);
  }));

  it('is asked in its own namespace, with its own prefix', meeting(async () => {
    await ask();
    const pid = await idle();
    assert.deepEqual(await uids('/custom'), uidsOf('/custom'));
    await app.query(`SET socketio_emitter.channel_prefix = 'another'`);
    assert.deepEqual(await uids(), []);
    await app.query('RESET socketio_emitter.channel_prefix');
    assert.deepEqual(await uids(), uidsOf());
    assert.equal(await idle(), pid);
  }));

  it('is asked for whoever asks then, through their attachments table', async () => {
    await createRoles(admin, 'poor');
    await grantExecute(admin, 'poor');
    const long = `SELECT answer FROM sio_server_side_emit_with_ack('/', 'echo', ARRAY[to_jsonb(repeat('x', 9000))], servers => 2)`;
    await admin.query(`GRANT poor TO ${EMITTER_ROLE}; GRANT SET ON PARAMETER socketio_emitter.table_name TO ${EMITTER_ROLE}; ${OFFICIAL_TABLE.replace('socket_io_attachments', 'others')};
      CREATE FUNCTION definer() RETURNS SETOF jsonb LANGUAGE sql SECURITY DEFINER AS $$ ${long} $$; GRANT EXECUTE ON FUNCTION definer TO poor`);
    await meeting(async () => {
      await admin.query('DELETE FROM others');
      const [{ answer }] = await ask(long);
      assert.equal(answer.length, 9000);
      const pid = await idle();
      await app.query(`SET socketio_emitter.table_name = 'others'`);
      await ask(`SELECT sio_server_side_emit_with_ack('/', 'echo', ARRAY[to_jsonb(repeat('x', 9000))], partial => true, timeout => '1 s')`);
      assert.equal((await admin.query('SELECT FROM others')).rowCount, 1);
      await app.query('RESET ALL; SET ROLE poor');
      assert.equal((await ask('SELECT * FROM definer()')).length, 2);
      assert.deepEqual(await uids(), uidsOf());
      assert.equal(await idle(), pid);
    })();
  });

  it('is asked anew after a cancelled one, whose process is gone', meeting(async () => {
    await ask();
    const pid = await idle();
    const { rows: [{ pid: session }] } = await app.query('SELECT pg_backend_pid() AS pid');
    const failed = app.query(WAITING).then(() => undefined, (error) => error);
    await until('it is asked', async () => {
      const { rows } = await admin.query(`SELECT FROM pg_stat_activity WHERE backend_type = 'socketio_emitter question' AND state = 'active'`);
      return rows.length > 0;
    });
    await admin.query('SELECT pg_cancel_backend($1)', [session]);
    assert.equal((await failed).code, '57014');
    assert.deepEqual(await uids(), uidsOf());
    assert.notEqual(await idle(), pid);
  }));

  it('is asked anew after an error within it that is caught', meeting(async () => {
    await ask();
    const pid = await idle();
    await app.query(`SET statement_timeout = '300 ms'; BEGIN; SAVEPOINT s`);
    await refused(app, WAITING, '57014');
    await app.query('ROLLBACK TO s; RESET statement_timeout');
    assert.deepEqual(await uids(), uidsOf());
    assert.notEqual(await idle(), pid);
  }));

  it('is asked anew when the process was terminated meanwhile; cancelling that changes nothing', meeting(async () => {
    await ask();
    const pid = await idle();
    await admin.query('SELECT pg_cancel_backend($1)', [pid]);
    assert.deepEqual(await uids(), uidsOf());
    assert.equal(await idle(), pid);
    await admin.query('SELECT pg_terminate_backend($1, 10000)', [pid]);
    assert.deepEqual(await uids(), uidsOf());
    assert.notEqual(await idle(), pid);
  }));

  it('is asked though the process of the last one still waits for a lock on the attachments table', async () => {
    const locker = await postgres.connect();
    const fake = await pretendServers(postgres, '/fake', (requestId, say) => say(
      { uid: 'fake', type: 8, data: { requestId, sockets: [{ id: 's', rooms: [] }] } },
      { uid: 'fake', type: 8, attachmentId: '1' },
    ));
    await locker.query('BEGIN; LOCK socket_io_attachments');
    for (let round = 0; round < 3; round++) {
      await askedAgain(async () => assert.deepEqual(await ask(`SELECT sio_is_online('/fake', '{a}', '5 s') AS online`), [{ online: true }]));
    }
    await untilNothingIsLeft(admin);
    await locker.query('ROLLBACK');
    await Promise.all([fake.end(), locker.end()]);
  });

  it('is asked when the extension was dropped and created meanwhile', async () => {
    await postgres.createDatabase('renewed');
    const session = await postgres.connect({ database: 'renewed' });
    await session.query('CREATE EXTENSION socketio_emitter');
    await ask(QUICK, session);
    const other = await postgres.connect({ database: 'renewed' });
    await other.query('DROP EXTENSION socketio_emitter; CREATE EXTENSION socketio_emitter');
    await ask(QUICK, session);
    await Promise.all([session.end(), other.end()]);
  });

  it('finds a process that has grown no larger by a thousand others', async () => {
    const many = (n) => ask(`SELECT count(*) FROM generate_series(1, ${n}) i, sio_server_side_emit_with_ack('/', 'echo', ARRAY[to_jsonb(i)], servers => 2)`);
    const growth = await meeting(async () => {
      await many(300);
      const pid = await idle();
      const before = resident(pid);
      await many(1000);
      assert.equal(await idle(), pid);
      return resident(pid) - before;
    })();
    assert.ok(growth < NOISE, `it grew by ${growth} bytes`);
  });

  it('keeps no process that another session needs', async () => {
    // There are three: all but that of Postgres's own launcher of logical replication.
    const others = await Promise.all([asker(), asker(), asker()]);
    await Promise.all(others.map((session) => ask(QUICK, session)));
    // A question that waits for a process has this long, which is shorter than an idle one stays.
    assert.deepEqual(await ask(`SELECT sio_is_online('/', '{a}', '900 ms') AS online`), [{ online: false }]);
    await Promise.all(others.map((session) => session.end()));
  });

  it('keeps no place that another session needs', async () => {
    await postgres.configure({ 'socketio_emitter.max_questions': 1 });
    await admin.query('SELECT pg_reload_conf()');
    await until('it is known', async () => (await rowsOf(app, 'SHOW socketio_emitter.max_questions'))[0]['socketio_emitter.max_questions'] === '1');
    const other = await asker();
    await ask(QUICK, other);
    const pid = await idle();
    assert.deepEqual(await ask(`SELECT sio_is_online('/', '{a}', '900 ms') AS online`), [{ online: false }]);
    await until('the one in whose place it was asked has left', async () => !(await listeners(admin)).includes(pid));
    await other.end();
    await postgres.configure({ 'socketio_emitter.max_questions': 8 });
    await admin.query('SELECT pg_reload_conf()');
  });

  it('has a process that listens to nothing until then', async () => {
    await ask();
    const pid = await idle();
    process.kill(pid, 'SIGSTOP');
    try {
      await admin.query(`SELECT pg_notify('other', repeat('x', 7000) || i) FROM generate_series(1, 10) i`);
      // Notifications stay in the queue until all listeners have read them.
      await until('the queue is empty', async () => (await rowsOf(admin, 'SELECT pg_notification_queue_usage() AS usage'))[0].usage === 0);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  for (const sql of ['CREATE DATABASE copied TEMPLATE original', 'ALTER DATABASE original RENAME TO renamed', 'DROP DATABASE original']) {
    it(`does not hold up ${sql}, once the session has ended`, async () => {
      await postgres.createDatabase('original');
      const session = await postgres.connect({ database: 'original' });
      await session.query('CREATE EXTENSION socketio_emitter');
      await ask(QUICK, session);
      await session.end();
      await admin.query(sql);
      for (const name of ['original', 'copied', 'renamed']) await admin.query(`DROP DATABASE IF EXISTS ${name}`);
    });
  }

  it('does not let the process of a session stay that has ended', async () => {
    const session = await asker();
    await ask(QUICK, session);
    await session.end();
    await within('the process is gone', untilNothingIsLeft(admin));
    await never('it comes back', async () => (await listeners(admin)).length > 0, { during: 300 });
  });
});
