// Processes are killed while 32 clients emit. Afterwards every event whose transaction was committed has arrived, and none of those
// that were rolled back; only a crash of the server may double some.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { numbered, processes, queued, queueing, startQueue, untilIdle, untilWorker } from '../../harness/queue.js';
import { elapse, until } from '../../harness/wait.js';

const CLIENTS = 32;
const LOAD = 1_500; // ms before the blow
// Longer than this test takes to listen again: what is sent before reaches nobody.
const RESTART_DELAY = 4_000;

describe('while 32 clients emit', () => {
  let postgres, admin, next, arrived, attempted;

  before(async () => {
    ({ postgres, admin } = await startQueue({
      name: 'worker-crash',
      // Each event is flushed before it may be sent, as on a server: a crash must not take back what has arrived.
      conf: { 'socketio_emitter.restart_delay': RESTART_DELAY, max_connections: 60, fsync: 'on' },
    }));
    await admin.query('CREATE TABLE log (n int); GRANT INSERT ON log TO app');
    next = 0;
    arrived = [];
    attempted = [];
  });

  after(() => postgres?.stop());

  // What was sent in the second before a crash is sent again: of another test, that would be a stranger here.
  beforeEach(gone);

  async function gone() {
    await until('the queue is empty', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
    await admin.query('TRUNCATE log'); // this commit brings to disk that it is empty
    arrived = [];
  }

  /** Notes the numbers that arrive at a connection, until that is cut. */
  async function hear() {
    const client = await postgres.connect();
    client.on('error', () => {});
    client.on('notification', ({ payload }) => {
      const message = JSON.parse(payload);
      if (message.data) arrived.push(message.data.packet.data[1]);
    });
    await client.query('LISTEN "socket.io#/"');
    return client;
  }

  /** Clients that emit, one event in a transaction, every tenth rolled back, until `stop()` or their connection is cut. */
  async function load() {
    let going = true;
    const sessions = await Promise.all(Array.from({ length: CLIENTS }, () => queueing(postgres)));
    const done = Promise.all(sessions.map(async (session) => {
      session.on('error', () => {});
      while (going) {
        const n = next++;
        attempted.push(n);
        try {
          await session.query(n % 10 === 9
            ? `BEGIN; ${numbered(n)}; ROLLBACK`
            : `BEGIN; INSERT INTO public.log VALUES (${n}); ${numbered(n)}; COMMIT`);
        } catch {
          return; // cut: whether its transaction was committed, the table tells
        }
      }
      await session.end();
    }));
    await elapse(LOAD, 'the clients emit');
    return async () => {
      going = false;
      await done;
    };
  }

  /** Asserts that exactly what was committed has arrived; → how many events came more than once. */
  async function account() {
    const { rows } = await admin.query('SELECT array_agg(n ORDER BY n) AS committed FROM log');
    const { committed } = rows[0];
    await until('all that was committed has arrived', () => new Set(arrived).size >= committed.length).catch(() => {});
    const numbers = new Set(arrived);
    const lost = committed.filter((n) => !numbers.has(n));
    assert.deepEqual(lost, [], `${lost.length} of ${committed.length} are lost`);
    const known = new Set(committed);
    assert.deepEqual([...numbers].filter((n) => !known.has(n)), [], 'nothing arrived that was rolled back');
    assert.ok(committed.length > 100, `only ${committed.length} events`);
    const doubled = arrived.length - numbers.size;
    return { doubled, of: committed.length };
  }

  const settle = async () => {
    await until('nothing waits', async () => (await queued(admin)) === 0);
  };

  it('SIGTERM of the worker loses nothing and doubles nothing', async (t) => {
    const listener = await hear();
    const stop = await load();
    for (let i = 0; i < 3; i++) {
      const pid = await untilWorker(admin);
      process.kill(pid, 'SIGTERM');
      await untilWorker(admin, { before: pid });
      await elapse(300, 'the new worker delivers');
    }
    await stop();
    await settle();
    const { doubled, of } = await account();
    t.diagnostic(`${of} events`);
    assert.equal(doubled, 0);
    await listener.end();
  });

  // A blow, and how the server comes back from it.
  const byItself = (signal, type) => async () => {
    const { rows } = await admin.query(`SELECT pid FROM pg_stat_activity WHERE backend_type = $1 AND pid <> pg_backend_pid()
      AND (backend_type <> 'client backend' OR usename = 'app') LIMIT 1`, [type]);
    await postgres.crashes(() => process.kill(rows[0].pid, signal));
  };
  const BLOWS = {
    'SIGKILL of the worker': byItself('SIGKILL', 'socketio_emitter worker'),
    'SIGKILL of a backend': byItself('SIGKILL', 'client backend'),
    'an immediate shutdown of the server': () => postgres.restart({ mode: 'immediate' }),
    'SIGKILL of all of its processes': async () => {
      await postgres.kill();
      await postgres.start();
    },
    'a restart of the server': () => postgres.restart(),
  };
  for (const [name, blow] of Object.entries(BLOWS)) {
    it(`${name} loses nothing`, async (t) => {
      admin.on('error', () => {});
      await untilWorker(admin);
      await untilIdle(admin);
      await hear();
      const stop = await load();
      assert.ok(arrived.length > 0, 'the worker was sending');
      await blow();
      await stop();
      admin = await postgres.connect();
      const listener = await hear();
      await untilWorker(admin);
      await settle();
      const { doubled, of } = await account();
      t.diagnostic(`${of} events, ${doubled} of them doubled`);
      await listener.end();
    });
  }

  it('a crash loses nothing that no listener has read yet, although its delivery is on disk', async () => {
    for (let attempt = 1; attempt <= 5; attempt++) {
      await untilWorker(admin);
      await untilIdle(admin);
      const deaf = await hear();
      const session = await queueing(postgres);
      const n = next++;
      const { rows } = await deaf.query('SELECT pg_backend_pid() AS pid');
      const worker = await untilWorker(admin);
      process.kill(rows[0].pid, 'SIGSTOP');
      const begin = Date.now();
      await session.query(numbered(n));
      await session.query('SELECT sio_wait_delivered()');
      await elapse(100, 'a worker that does not keep it deletes it');
      process.kill(worker, 'SIGSTOP'); // from here on, it is kept however long the rest takes
      const took = Date.now() - begin;
      await session.query('INSERT INTO public.log VALUES (0)'); // and this commit brings to disk what the worker did
      for (const client of [admin, session]) client.on('error', () => {});
      await postgres.kill();
      await postgres.start();
      admin = await postgres.connect();
      const listener = await hear();
      if (took < 800) { // it is kept for 0.9 seconds
        await until('it has arrived', () => arrived.length > 0);
        assert.deepEqual(arrived, [n]);
        await listener.end();
        return;
      }
      await gone();
      await listener.end();
    }
    assert.fail('this machine takes too long to crash within the 0.9 seconds for which messages are kept');
  });

  it('a restart at rest doubles nothing', async () => {
    await untilIdle(admin);
    await hear();
    const session = await queueing(postgres);
    await session.query(Array.from({ length: 5 }, (_, i) => numbered(i)).join(';'));
    await until('all have arrived', () => arrived.length === 5);
    await elapse(200, 'longer than what a shutdown leaves to be sent again, and shorter than what a crash does');
    await postgres.restart();
    admin = await postgres.connect();
    await hear();
    await untilWorker(admin);
    await settle();
    const second = await queueing(postgres);
    await second.query(numbered(5));
    await until('the next has arrived', () => arrived.includes(5));
    assert.deepEqual(arrived, [0, 1, 2, 3, 4, 5]);
    assert.equal((await processes(admin)).length, 2);
  });
});
