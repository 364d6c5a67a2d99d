// Sessions, workers and the launcher are cancelled and terminated at random, while clients do all that a session can do: no
// server goes down by that, nothing that was committed is lost, and nothing stays behind.
//
// FAULT_SECONDS: for how long. FAULT_SEED: to make the same choices again; what they meet is another matter.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { decode } from '@msgpack/msgpack';
import { alarms } from '../../harness/alarms.js';
import { NOISE, resident, used } from '../../harness/memory.js';
import { delivered, events, numbered, processes, queueing, startQueue, status, untilIdle, untilWorker } from '../../harness/queue.js';
import { randomBy } from '../../harness/random.js';
import { EMITTER_ROLE } from '../../harness/roles.js';
import { SLOWNESS, until, within } from '../../harness/wait.js';

const SECONDS = Number(process.env.FAULT_SECONDS ?? 15);
const SEED = Number(process.env.FAULT_SEED ?? randomInt(2 ** 31));
const CLIENTS = 10;
const MINUTE = 60_000 * SLOWNESS;
const MEASURED_PARTS = 4;

describe(`while sessions, worker and launcher are cancelled and terminated (FAULT_SEED=${SEED})`, () => {
  let postgres, admin, listener, started;
  let next = 1;
  /** 'event n' → how often it arrived. */
  const arrived = new Map();
  /** 'event n' of transactions whose COMMIT was answered. */
  const acknowledged = new Set();
  const missing = [];
  const counts = {};
  const count = (what, by = 1) => (counts[what] = (counts[what] ?? 0) + by);
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

  // ---- what clients do ----

  // Of two tables: where each row is emitted, too, an error hits that, and never what gathers a statement's rows.
  const WATCHES = `
    SELECT sio_watch('orders', event => 'row:$op');
    SELECT sio_watch('stock', event => 'bulk:$op', level => 'statement', rooms => '{customer:$customer}', batch => 50)`;

  /** `count` numbers that nobody has used, as SQL, with the note that they are emitted as `event`. */
  function take(transaction, count, ...events) {
    const from = next;
    next += count;
    const series = `generate_series(${from}, ${from + count - 1}) n`;
    const noted = events.map((event) => {
      for (let n = from; n < from + count; n++) transaction.noted.push(`${event} ${n}`);
      return `INSERT INTO log SELECT '${event}', n, ${transaction.queued} FROM ${series};`;
    });
    return { series, noted: noted.join(' ') };
  }

  const short = (n) => `sio_emit('/', '{}', 'e', to_jsonb(${n}))`;
  const long = (n) => `sio_emit('/', '{}', 'long', jsonb_build_object('n', ${n}, 'text', repeat('x', 9000)))`;
  const binary = (n) => `sio_emit_binary('/', '{}', 'binary', convert_to((${n})::text, 'UTF8'))`;
  const both = (n) => `sio_emit('/', '{}', 'both', jsonb_build_object('n', ${n}, 'b', sio_buffer(0)), binaries => ARRAY['\\x00'::bytea])`;

  function emits(transaction, event, emit, count) {
    const { series, noted } = take(transaction, count, event);
    return `${noted} SELECT ${emit('n')} FROM ${series}`;
  }

  function inserts(transaction, count) {
    const rows = take(transaction, count, 'row:insert');
    const bulk = take(transaction, count, 'bulk:insert');
    return `
      ${bulk.noted} INSERT INTO stock SELECT n, n % 5, 'new' FROM ${bulk.series};
      ${rows.noted} INSERT INTO orders SELECT n, n % 5, 'new' FROM ${rows.series}`;
  }

  /** Numbers that are emitted, but not for long. */
  const lost = () => short(`${-next++}`);

  // By name: how likely, and what. Each is SQL within a transaction.
  const PIECES = {
    short: [10, (t, r) => emits(t, 'e', short, r.between(1, 5))],
    long: [4, (t, r) => emits(t, 'long', long, r.between(1, 3))],
    binary: [4, (t, r) => emits(t, 'binary', binary, r.between(1, 3))],
    both: [2, (t) => emits(t, 'both', both, 1)],
    bulk: [2, (t, r) => emits(t, 'e', short, r.between(100, 1_000))],
    rows: [8, (t, r) => inserts(t, r.between(1, 20))],
    'many rows': [1, (t, r) => inserts(t, r.between(500, 2_000))],
    changes: [4, (t, r) => ['orders', 'stock'].map((table) => `
      UPDATE ${table} SET status = '${r.below(1000)}', customer = (customer + 1) % 5
        WHERE n IN (SELECT n FROM ${table} ORDER BY n DESC OFFSET ${r.below(50)} LIMIT 20);
      DELETE FROM ${table} WHERE n IN (SELECT n FROM ${table} ORDER BY n LIMIT ${r.between(1, 200)})`).join(';')],
    truncate: [0.2, () => 'TRUNCATE orders, stock'],
    watches: [0.3, () => WATCHES],
    savepoints: [4, (t, r) => `
      SAVEPOINT a; SELECT ${lost()}, ${lost()}; ROLLBACK TO a; ${emits(t, 'e', short, 1)};
      SAVEPOINT b; ${emits(t, 'e', short, 2)}; RELEASE b; RELEASE a`],
    'caught errors': [3, (t, r) => `
      DO $$ BEGIN
        PERFORM ${lost()}; INSERT INTO ${r.pick(['orders', 'stock'])} VALUES (${-next++}, 1, 'lost'); PERFORM ${r.pick(REFUSED)};
      EXCEPTION WHEN invalid_parameter_value OR null_value_not_allowed OR program_limit_exceeded THEN NULL; END $$;
      ${emits(t, 'e', short, 1)}`],
    refused: [1, (t, r) => `SELECT ${lost()}; SELECT ${r.pick(REFUSED)}`],
    'lock timeout': [6, (t, r) => `SET LOCAL lock_timeout = '${r.between(1, 10)}ms'; ${r.pick([
      () => inserts(t, 20), () => inserts(t, 1), () => emits(t, 'e', short, 3), () => emits(t, 'binary', binary, 2),
      () => `SELECT sio_deliver(100)`, () => 'SELECT sio_cleanup()',
    ])()}`],
    'caught lock timeout': [3, (t, r) => `SET LOCAL lock_timeout = '${r.between(1, 10)}ms';
      DO $$ BEGIN
        INSERT INTO ${r.pick(['orders', 'stock'])} SELECT -n, n % 2, 'lost' FROM generate_series(${next}, ${(next += 200)}) n;
        PERFORM ${lost()}; RAISE lock_not_available;
      EXCEPTION WHEN lock_not_available THEN NULL; END $$;
      SET LOCAL lock_timeout = 0; ${emits(t, 'e', short, 1)}`],
    'statement timeout': [2, (t, r) => `SET LOCAL statement_timeout = '${r.between(1, 20)}ms'; ${r.pick([
      () => emits(t, 'e', short, 2_000), () => inserts(t, 2_000), () => emits(t, 'long', long, 50),
    ])()}`],
    deliver: [2, (t, r) => `SELECT sio_deliver(${r.pick([1, 100, 10_000])})`],
    retry: [1, () => 'SELECT sio_retry()'],
    'clean up': [1, () => 'SELECT sio_cleanup()'],
    status: [1, () => 'SELECT * FROM sio_status'],
  };
  const WEIGHTS = Object.fromEntries(Object.entries(PIECES).map(([name, [weight]]) => [name, weight]));
  const REFUSED = [
    `sio_emit('/', NULL, 'e')`, `sio_emit('/', '{}', 'connect')`, `sio_emit('/', '{}', 'e', '[1, 2]', binaries => ARRAY['\\x00'::bytea])`,
    `sio_emit('/', '{}', 'e', (repeat('[', 600) || repeat(']', 600))::jsonb)`,
  ];
  const ENDS = { COMMIT: 20, ROLLBACK: 3, 'PREPARE TRANSACTION': 2, disconnect: 1 };

  /** A client that is never satisfied. One that is `lasting` stays connected, and nobody terminates it. */
  function newClient(index, { lasting = false } = {}) {
    const random = randomBy(SEED + index);
    const application_name = lasting ? 'lasting' : 'client';
    let session;

    async function connect() {
      session = await postgres.connect({ user: EMITTER_ROLE, application_name });
      session.isGone = false;
      const { connection } = session;
      connection.once('end', () => { if (session?.connection === connection) session.isGone = true; });
      session.on('error', () => {});
    }

    async function transaction() {
      const t = { queued: random.chance(0.6), noted: [] };
      await session.query(`BEGIN; SET LOCAL socketio_emitter.delivery = '${t.queued ? 'queue' : 'notify'}'`);
      for (let piece = random.between(1, 3); piece > 0; piece--) {
        const name = random.weighted(WEIGHTS);
        count(`piece: ${name}`);
        await session.query(PIECES[name][1](t, random));
      }
      const end = random.weighted(ENDS);
      if (end === 'disconnect' && !lasting) {
        session.connection.stream.destroy();
        return;
      } else if (end === 'PREPARE TRANSACTION') {
        const name = `t${next++}`;
        const { command } = await session.query(`PREPARE TRANSACTION '${name}'`);
        if (command === 'ROLLBACK') return;
        await session.query(`${random.chance(0.8) ? 'COMMIT' : 'ROLLBACK'} PREPARED '${name}'`);
        count('two-phase transactions');
      } else {
        // Of a failed transaction's COMMIT, this is ROLLBACK.
        const { command } = await session.query(end === 'disconnect' ? 'COMMIT' : end);
        count(`answered: ${command}`);
        if (command === 'COMMIT') for (const key of t.noted) acknowledged.add(key);
      }
    }

    async function tryTransaction() {
      try {
        if (!session || session.isGone) await connect();
        await transaction();
      } catch (error) {
        count(`error: ${error.code ?? error.message}`);
        if (error.code === 'XX000') count(`internal error: ${error.message}`);
        if (lasting) assert.ok(!session.isGone, 'nobody terminates this session');
        // An error may come after the commit, too, and by now is about nothing: then this is a WARNING.
        await session?.query('ROLLBACK').catch(() => {
          if (session.isGone || !lasting) session = undefined;
        });
        if (!session) await sleep(random.between(1, 20)); // a server that is down isn't asked all the time
      }
    }

    return {
      async work(going) {
        while (going()) await tryTransaction();
      },
      /** What of it remains, when it does nothing. */
      async holds() {
        const { contexts, resident } = await used(session);
        const { rows } = await session.query('SELECT pg_backend_pid() AS pid');
        return { contexts, resident, files: filesOf(rows[0].pid) };
      },
    };
  }

  // ---- what befalls them ----

  // Each comes in every run, if it's short.
  const BLOWS = ['client backend', 'socketio_emitter worker', 'socketio_emitter launcher']
    .flatMap((backend) => ['cancel', 'terminate'].map((blow) => [blow, backend]));

  /** Cancels and terminates whom it meets. A `sparing` one leaves the worker its life. */
  async function strike(random, going, { sparing }) {
    const session = await postgres.connect();
    session.on('error', () => {});
    const never = () => BLOWS.find(([blow, backend]) => !counts[`${blow}: ${backend}`] && !(sparing && blow === 'terminate'));
    while (going()) {
      await sleep(random.between(2, 30));
      const backend = never()?.[1] ?? random.weighted({ 'client backend': 14, 'socketio_emitter worker': 6, 'socketio_emitter launcher': 0.6 });
      const { rows } = await session.query(`
        SELECT pid, application_name = 'lasting' AS lasting FROM pg_stat_activity
         WHERE backend_type = $1 AND (usename = '${EMITTER_ROLE}' OR backend_type <> 'client backend') ORDER BY backend_start`, [backend]);
      if (rows.length === 0) continue;
      const { pid, lasting } = random.pick(rows);
      const spared = lasting || (sparing && backend === 'socketio_emitter worker');
      const blow = spared ? 'cancel' : never()?.[0] ?? (random.chance(0.6) ? 'cancel' : 'terminate');
      await session.query(`SELECT pg_${blow}_backend($1)`, [pid]);
      count(`${blow}: ${backend}`);
    }
    await session.end();
  }

  /** Ends prepared transactions whose clients couldn't: they hold locks that others wait for. */
  async function resolve(session, going = () => false) {
    do {
      await sleep(100);
      const { rows } = await session.query(`SELECT gid FROM pg_prepared_xacts WHERE prepared < clock_timestamp() - interval '200 ms'`);
      for (const { gid } of rows) {
        const ended = await session.query(`COMMIT PREPARED '${gid}'`).then(() => 1, () => 0); // it was just being ended
        count('prepared transactions left behind', ended);
      }
    } while (going());
  }

  /** Holds locks that emits and the worker need, now and then, for moments. */
  async function block(random, going) {
    const session = await postgres.connect();
    session.on('error', () => {});
    await session.query(`SET lock_timeout = '100ms'`);
    while (going()) {
      await sleep(random.between(20, 100));
      const lock = random.pick([
        ...Array(4).fill('ALTER SEQUENCE _sio_queue_id CACHE 1'), // ids are taken where nothing else can fail
        'LOCK TABLE _sio_queue', 'LOCK TABLE _sio_sent', 'LOCK TABLE _sio_totals', 'LOCK TABLE socket_io_attachments', 'LOCK TABLE orders, stock',
      ]);
      try {
        await session.query(`BEGIN; ${lock}`);
        await sleep(random.between(5, 40));
        count('locks held');
      } catch (error) {
        if (!error.code) break; // the server has gone; others tell
      }
      await session.query('ROLLBACK').catch(() => {});
    }
    await session.end().catch(() => {});
  }

  // ---- what arrives ----

  const waiting = []; // ids of attachments
  let marks = 0; // of the other listener, which sends one when it wants to know what has arrived

  function hear(text) {
    const message = JSON.parse(text);
    if (message.mark) marks++;
    else if (message.attachmentId) waiting.push(message.attachmentId);
    else heard(message);
  }

  function heard({ data }) {
    const [event, arg] = data?.packet?.data ?? [];
    if (event === undefined) return;
    const numberOf = (value) => (ArrayBuffer.isView(value) ? Buffer.from(value).toString() : value?.n ?? value);
    for (const each of Array.isArray(arg) ? arg : [arg]) {
      const key = `${event} ${numberOf(each)}`;
      arrived.set(key, (arrived.get(key) ?? 0) + 1);
    }
  }

  /** Reads attachments before they are deleted, as servers do. */
  async function fetchAttachments(session) {
    while (waiting.length > 0) {
      const ids = waiting.splice(0, 500);
      const { rows } = await session.query('SELECT id, payload FROM socket_io_attachments WHERE id = ANY ($1)', [ids]);
      for (const { payload } of rows) heard(decode(payload));
      const found = new Set(rows.map(({ id }) => id));
      missing.push(...ids.filter((id) => !found.has(String(id))));
    }
  }

  async function fetchAll(session, going) {
    while (going()) {
      await sleep(100);
      await fetchAttachments(session);
    }
  }

  // ---- the course of events ----

  async function load() {
    const random = randomBy(SEED);
    const [ears, fetcher, resolver] = await Promise.all([postgres.connect(), postgres.connect(), postgres.connect()]);
    for (const client of [admin, listener.client, ears, fetcher, resolver]) client.on('error', () => {}); // of a crash, the log tells
    ears.on('notification', ({ payload }) => hear(payload));
    await ears.query('LISTEN "socket.io#/"');
    const clients = [newClient(0, { lasting: true }), ...Array.from({ length: CLIENTS }, (_, i) => newClient(i + 1))];

    const phase = async (share, { sparing }) => {
      const end = Date.now() + share * SECONDS * 1_000;
      const going = () => Date.now() < end;
      let working = true;
      const work = Promise.allSettled([
        ...clients.map((client) => client.work(going)), strike(random, going, { sparing }), block(random, going),
      ]).finally(() => (working = false));
      const beside = Promise.allSettled([fetchAll(fetcher, () => working), resolve(resolver, () => working)]);
      const outcome = await within('all clients had an answer', Promise.all([work, beside]), share * SECONDS * 1_000 + MINUTE);
      await refuseToGoOnIf(await postgres.log());
      for (const { reason } of outcome.flat()) if (reason) throw reason;
      await until('no transaction is prepared', async () => {
        await resolve(resolver);
        return (await admin.query('SELECT FROM pg_prepared_xacts')).rows.length === 0;
      });
      await calm();
      await fetchAttachments(fetcher);
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
      count('set aside', Number(retried));
      const { queued, failed } = await status(admin);
      return Number(queued) === 0 && Number(failed) === 0;
    }, { timeout: 3 * MINUTE, every: 100 });
    await untilIdle(admin);
    const before = marks;
    await listener.texts();
    await until('the other listener has read, too', () => marks > before);
  }

  const filesOf = (pid) => readdirSync(`/proc/${pid}/fd`).length;

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
    for (const [what, times] of Object.entries(counts).sort()) t.diagnostic(`${what}: ${times}`);
    assert.deepEqual(alarms(await postgres.log()), []);
    assert.equal((await postgres.log()).split('database system is ready to accept connections').length, 2, 'it started once');
    assert.equal(await startTime(), started);
    for (const [blow, backend] of BLOWS) assert.ok(counts[`${blow}: ${backend}`] > 0, `no ${backend} has met a ${blow}`);
  });

  it('nothing that was committed is lost, and nothing arrives that was rolled back', async (t) => {
    const { rows } = await admin.query(`SELECT event || ' ' || n AS key, queued FROM log`);
    const committed = new Map(rows.map(({ key, queued }) => [key, queued]));
    const isCounted = (key) => /^(e|long|binary|both|row:insert|bulk:insert) /.test(key);
    const doubled = [...arrived].filter(([key, times]) => times > 1 && committed.has(key));
    const queuedKeys = rows.filter(({ queued }) => queued).length;
    t.diagnostic(`${committed.size} events, ${queuedKeys} of them queued; ${doubled.length} came more than once`);
    assert.ok(committed.size > 100, `only ${committed.size} events`);
    assert.deepEqual([...acknowledged].filter((key) => !committed.has(key)).slice(0, 20), [], 'a COMMIT that was answered holds');
    assert.deepEqual(missing.slice(0, 20), [], 'attachments are there when their notification comes');
    const absent = [...committed.keys()].filter((key) => !arrived.has(key));
    assert.deepEqual(absent.slice(0, 20), [], `${absent.length} of ${committed.size} are lost`);
    const strange = [...arrived.keys()].filter((key) => isCounted(key) && !committed.has(key));
    assert.deepEqual(strange.slice(0, 20), [], `${strange.length} arrived that weren't committed`);
    assert.deepEqual(doubled.filter(([key]) => !committed.get(key)).slice(0, 20), [], 'what notifies comes once');
  });

  it('no error was an internal one', () => {
    assert.deepEqual(Object.keys(counts).filter((what) => what.startsWith('internal error')), []);
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
    assert.deepEqual((await processes(admin)).map(({ type }) => type), ['launcher', 'worker']);
    await listener.texts();
    const session = await queueing(postgres);
    await session.query(`${numbered(1, 'after')}; SET socketio_emitter.delivery = 'notify'; ${numbered(2, 'after')}`);
    await delivered(session);
    assert.deepEqual((await events(listener)).sort(), [['after', 1], ['after', 2]]);
  });
});
