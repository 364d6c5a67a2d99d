// Sessions, workers and the launcher are cancelled and terminated at random, while clients do all that a session can do: no
// server goes down by that, nothing that was committed is lost, and nothing stays behind.
//
// FAULT_SECONDS: for how long. FAULT_SEED: to make the same choices again; what they meet is another matter.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { alarms } from '../../harness/alarms.js';
import { NOISE, resident } from '../../harness/memory.js';
import { filesOf } from '../../harness/processes.js';
import { delivered, events, numbered, processes, queueing, startQueue, status, untilIdle, untilWorker } from '../../harness/queue.js';
import { randomBy } from '../../harness/random.js';
import { EMITTER_ROLE } from '../../harness/roles.js';
import { SLOWNESS, until, within } from '../../harness/wait.js';
import { Arrivals } from './faults/arrivals.js';
import { BLOWS, block, resolve, strike } from './faults/blows.js';
import { newClient } from './faults/clients.js';
import { Counts } from './faults/counts.js';
import { WATCHES } from './faults/transactions.js';

const SECONDS = Number(process.env.FAULT_SECONDS ?? 15);
const SEED = Number(process.env.FAULT_SEED ?? randomInt(2 ** 31));
const CLIENTS = 10;
const MINUTE = 60_000 * SLOWNESS;
const MEASURED_PARTS = 4;

describe(`while sessions, worker and launcher are cancelled and terminated (FAULT_SEED=${SEED})`, () => {
  let postgres, admin, listener, started;
  const arrivals = new Arrivals();
  /** 'event n' of transactions whose COMMIT was answered. */
  const acknowledged = new Set();
  const counts = new Counts();
  const measured = []; // what the session and the worker hold, before and after each part

  before(async () => {
    let app;
    ({ postgres, admin, app, listener } = await startQueue({
      name: 'faults',
      conf: {
        max_connections: 60, max_prepared_transactions: 30, deadlock_timeout: '50ms', log_line_prefix: '%m [%p] %b %e ',
        'socketio_emitter.cleanup_interval': '1s',
      },
    }));
    await app.end(); // or it would be struck, too
    await admin.query(`
      GRANT pg_read_all_stats TO ${EMITTER_ROLE};
      GRANT SELECT ON sio_status TO ${EMITTER_ROLE};
      GRANT CREATE ON SCHEMA public TO ${EMITTER_ROLE};
      CREATE TABLE log (event text, n int, queued boolean);
      GRANT INSERT ON log TO ${EMITTER_ROLE}`);
    const owner = await postgres.connect({ user: EMITTER_ROLE });
    await owner.query(`
      CREATE TABLE orders (n int PRIMARY KEY, customer int, status text);
      CREATE TABLE stock (n int PRIMARY KEY, customer int, status text);
      ${WATCHES}`);
    await owner.end();
    started = await startTime();
    await load();
  });

  after(() => postgres?.stop());

  const startTime = async () => (await admin.query('SELECT pg_postmaster_start_time() AS at')).rows[0].at.getTime();

  // ---- the course of events ----

  async function load() {
    const random = randomBy(SEED);
    const [ears, fetcher, resolver] = await Promise.all([postgres.connect(), postgres.connect(), postgres.connect()]);
    for (const client of [admin, listener.client, ears, fetcher, resolver]) client.on('error', () => {}); // of a crash, the log tells
    ears.on('notification', ({ payload }) => arrivals.hear(payload));
    await ears.query('LISTEN "socket.io#/"');
    const clients = Array.from({ length: CLIENTS + 1 }, (_, i) =>
      newClient(postgres, { seed: SEED + i, counts, acknowledged, lasting: i === 0 }));

    const phase = async (share, { sparing }) => {
      const end = Date.now() + share * SECONDS * 1_000;
      const going = () => Date.now() < end;
      let working = true;
      const work = Promise.allSettled([
        ...clients.map((client) => client.work(going)), strike(postgres, { random, going, counts, sparing }), block(postgres, { random, going, counts }),
      ]).finally(() => (working = false));
      const beside = Promise.allSettled([arrivals.keepFetching(fetcher, () => working), resolve(resolver, counts, () => working)]);
      const outcome = await within('all clients had an answer', Promise.all([work, beside]), share * SECONDS * 1_000 + MINUTE);
      await refuseToGoOnIf(await postgres.log());
      for (const { reason } of outcome.flat()) if (reason) throw reason;
      await until('no transaction is prepared', async () => {
        await resolve(resolver, counts);
        return (await admin.query('SELECT FROM pg_prepared_xacts')).rows.length === 0;
      });
      await calm();
      await arrivals.fetchAttachments(fetcher);
    };

    await phase(0.4, { sparing: false });
    await phase(0.2, { sparing: true }); // the worker that is measured has done all before
    const worker = await untilWorker(admin);
    const measure = async () => measured.push({ session: await clients[0].holds(), worker: await workerHolds(worker) });
    await measure();
    for (let part = 0; part < MEASURED_PARTS; part++) {
      await phase(0.4 / MEASURED_PARTS, { sparing: true });
      assert.equal(await untilWorker(admin), worker, 'the worker that nobody terminated is still there');
      await measure();
    }
    await Promise.all([ears, fetcher, resolver].map((session) => session.end()));
  }

  async function refuseToGoOnIf(log) {
    const found = alarms(log);
    if (found.length === 0) return;
    const lines = log.split('\n');
    const at = lines.indexOf(found[0]);
    throw new Error(`the server's log has\n${lines.slice(Math.max(0, at - 15), at + 10).map((line) => line.slice(0, 400)).join('\n')}`);
  }

  /** Waits until all is delivered: what was set aside is tried again. */
  async function calm() {
    await until('all is delivered', async () => {
      const { rows: [{ retried }] } = await admin.query('SELECT sio_retry() AS retried');
      counts.add('set aside', Number(retried));
      const { queued, failed } = await status(admin);
      return Number(queued) === 0 && Number(failed) === 0;
    }, { timeout: 3 * MINUTE, every: 100 });
    await untilIdle(admin);
    const before = arrivals.marks;
    await listener.texts();
    await until('the other listener has read, too', () => arrivals.marks > before);
  }

  /** Its memory contexts are told in the log. */
  async function workerHolds(pid) {
    const pattern = new RegExp(`\\[${pid}\\] .*Grand total: (\\d+) bytes`, 'g');
    const totals = async () => [...(await postgres.log()).matchAll(pattern)];
    const before = (await totals()).length;
    await admin.query('SELECT pg_log_backend_memory_contexts($1)', [pid]);
    const contexts = await until('the worker tells what memory it has', async () => (await totals())[before]?.[1]);
    return { contexts: Number(contexts), resident: resident(pid), files: filesOf(pid) };
  }

  // ---- what has to be true ----

  it('a server goes on that has never gone down', async (t) => {
    for (const [what, times] of counts.all()) t.diagnostic(`${what}: ${times}`);
    assert.deepEqual(alarms(await postgres.log()), []);
    assert.equal((await postgres.log()).split('database system is ready to accept connections').length, 2, 'it started once');
    assert.equal(await startTime(), started);
    for (const [blow, backend] of BLOWS) assert.ok(counts.of(`${blow}: ${backend}`) > 0, `no ${backend} has met a ${blow}`);
  });

  it('nothing that was committed is lost, and nothing arrives that was rolled back', async (t) => {
    const { rows } = await admin.query(`SELECT event || ' ' || n AS key, queued FROM log`);
    const committed = new Map(rows.map(({ key, queued }) => [key, queued]));
    const isCounted = (key) => /^(e|long|binary|both|row:insert|bulk:insert) /.test(key);
    const doubled = [...arrivals.times].filter(([key, times]) => times > 1 && committed.has(key));
    const queuedKeys = rows.filter(({ queued }) => queued).length;
    t.diagnostic(`${committed.size} events, ${queuedKeys} of them queued; ${doubled.length} came more than once`);
    assert.ok(committed.size > 100, `only ${committed.size} events`);
    assert.deepEqual([...acknowledged].filter((key) => !committed.has(key)).slice(0, 20), [], 'a COMMIT that was answered holds');
    assert.deepEqual(arrivals.missing.slice(0, 20), [], 'attachments are there when their notification comes');
    const absent = [...committed.keys()].filter((key) => !arrivals.times.has(key));
    assert.deepEqual(absent.slice(0, 20), [], `${absent.length} of ${committed.size} are lost`);
    const strange = [...arrivals.times.keys()].filter((key) => isCounted(key) && !committed.has(key));
    assert.deepEqual(strange.slice(0, 20), [], `${strange.length} arrived that weren't committed`);
    assert.deepEqual(doubled.filter(([key]) => !committed.get(key)).slice(0, 20), [], 'what notifies comes once');
  });

  it('no error was an internal one', () => {
    assert.deepEqual(counts.all().filter(([what]) => what.startsWith('internal error')), []);
  });

  for (const who of ['session', 'worker']) {
    it(`a ${who} that lives through it keeps neither memory nor files`, (t) => {
      for (const [kind, noise] of [['contexts', NOISE], ['resident', NOISE], ['files', 2]]) {
        const held = measured.map((each) => each[who][kind]);
        t.diagnostic(`${kind}: ${held.join(' → ')}`);
        // The largest batch so far makes each grow, sometimes. What leaks makes it grow in every part.
        const growths = held.slice(1).map((each, i) => each - held[i]);
        assert.ok(Math.min(...growths) <= noise, `${kind} grew in every part: ${held.join(' → ')}`);
      }
    });
  }

  it('everything works as before', async () => {
    // The launcher may have been struck last, or look into other databases.
    await until('the launcher and the worker are there', async () => (await processes(admin)).map(({ type }) => type).join() === 'launcher,worker');
    await listener.texts();
    const session = await queueing(postgres);
    await session.query(`${numbered(1, 'after')}; SET socketio_emitter.delivery = 'notify'; ${numbered(2, 'after')}`);
    await delivered(session);
    assert.deepEqual((await events(listener)).sort(), [['after', 1], ['after', 2]]);
  });
});
