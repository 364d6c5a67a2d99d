// How late events come, from a few emits per second to thousands: queued delivery beside notify, in turns. And what the worker
// costs while nothing is emitted.
//
// What is measured is the way from the commit to the listener. So the sessions don't wait for the disk (`synchronous_commit`):
// both ways begin after that, and it can take any time.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NOTIFY, QUEUE, pgbench } from '../harness/pgbench.js';
import { untilIdle, untilWorker } from '../harness/queue.js';
import { median, table, verdict } from './measure.js';

// Emits per second, and for how many seconds of each round: a 99th percentile takes some hundred events.
const RATES = { 10: 12, 100: 6, 500: 4, 2000: 4, 4000: 4 };
const ROUNDS = 3;
const CLIENTS = 8;
const NO_FLUSH = { synchronous_commit: 'off' };
const MODES = { notify: { ...NOTIFY, ...NO_FLUSH }, queue: { ...QUEUE, ...NO_FLUSH } };
const WARM = { rate: 500, seconds: 2 };
const IDLE_SECONDS = 30;

export async function benchLatency({ cluster, client, count }) {
  await client.query('CREATE TABLE written (id bigserial PRIMARY KEY, note text)');
  const idle = await rest(client);
  const measure = await ready({ cluster, client, count });
  for (const settings of Object.values(MODES)) await measure({ settings, ...WARM });
  const results = [];
  for (const [rate, seconds] of Object.entries(RATES)) {
    const played = { notify: [], queue: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const [mode, settings] of Object.entries(MODES)) played[mode].push(await measure({ settings, rate: Number(rate), seconds }));
    }
    const result = { rate: Number(rate), notify: summary(played.notify), queue: summary(played.queue) };
    console.log(`${rate} emits per second: ${Object.keys(MODES).map((mode) => `${mode} ${told(result[mode]).join(' ')}`).join('; ')}`);
    // NOTIFY may not come so far. Without so many, nothing is said about the queue.
    if (result.queue.rate < 0.9 * rate) throw new Error(`only ${Math.round(result.queue.rate)} emits per second`);
    results.push(result);
  }
  measure.end();
  table('From the emit to the listener, in ms; the commit waits for no disk', [
    'emits/s', ...Object.keys(MODES).flatMap((mode) => [`${mode}: reached`, 'p50', 'p99']),
  ], results.map(({ rate, ...modes }) => [rate.toLocaleString('en'), ...Object.keys(MODES).flatMap((mode) => told(modes[mode]))]));
  return [...idle, ...results.flatMap(verdicts)];
}

/**
 * The 99th percentile of a few hundred events shows the machine's worst moments, which notify meets as well: where it takes
 * longer than wanted by itself, the queue may take as long.
 */
function verdicts({ rate, notify, queue }) {
  const most = Math.max(10, notify.p99);
  return [
    verdict(`${rate} emits per second, queue: p50, ms, at most 3`, queue.p50, queue.p50 <= 3),
    verdict(`${rate} emits per second, queue: p99, ms, at most 10, or what notify takes (${notify.p99.toFixed(1)})`, queue.p99, queue.p99 <= most),
  ];
}

/** → a function that emits at a rate, and → { times: of each event in ms, rate: that was reached }. */
async function ready({ cluster, client, count }) {
  let now;
  let times;
  const counter = await count({ onText: (text) => times.push(now() - Number(/"sent":([\d.]+)/.exec(text)[1])) });
  const measure = async ({ settings, rate, seconds }) => {
    now = clock();
    times = [];
    const before = counter.count;
    const { transactions } = await pgbench(cluster, { script: writeAndEmit, clients: CLIENTS, seconds, settings, rate });
    await counter.until(before + transactions);
    await client.query('SELECT sio_wait_delivered()');
    return { times, rate: transactions / seconds };
  };
  measure.end = () => counter.close();
  return measure;
}

/** The time in ms since 1970, with its fractions, as the server's clock has it for the next seconds. */
function clock() {
  // One that is late, for it was kept from running, is too low.
  const offset = Math.max(...Array.from({ length: 20 }, offsetNow));
  return () => performance.now() + offset;
}

function offsetNow() {
  const start = Date.now();
  let time;
  do time = Date.now(); while (time === start);
  return time - performance.now();
}

/** What the worker does in a server where nothing happens, after it has sent something. */
async function rest(client) {
  await client.query(`SET socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'e', '{"a": 1}'); SELECT sio_wait_delivered()`);
  const pid = await untilWorker(client);
  await sleep(2_000); // until it has deleted what it has sent
  await untilIdle(client);
  const [switches, wal] = [switchesOf(pid), await walOf(client)];
  await sleep(IDLE_SECONDS * 1000);
  const wakeups = switchesOf(pid) - switches;
  const bytes = (await walOf(client)) - wal;
  console.log(`idle for ${IDLE_SECONDS} s: the worker was woken ${wakeups} times; WAL ${bytes} bytes`);
  return [
    verdict(`idle for ${IDLE_SECONDS} s: wake-ups of the worker, at most 2 (it cleans up every 30 s)`, wakeups, wakeups <= 2),
  ];
}

/** How often a process has waited for something (Linux). */
function switchesOf(pid) {
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

async function walOf(client) {
  const { rows } = await client.query(`SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS bytes`);
  return rows[0].bytes;
}

const SENT = `'sent', round(extract(epoch FROM clock_timestamp()) * 1000, 3)`;

/** An emit that carries its time. */
export const emitOfNow = `SELECT sio_emit('/', '{}', 'e', jsonb_build_object(${SENT}));\n`;

/** The same beside a row of the caller's: a transaction that only notifies has no commit to be written. */
const writeAndEmit = `WITH row AS (INSERT INTO written (note) VALUES ('some text of a usual length') RETURNING id)
  SELECT sio_emit('/', '{}', 'e', jsonb_build_object('id', id, ${SENT})) FROM row;\n`.replaceAll('\n  ', ' ');

export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))];
}

/** Of each round's percentiles the median: a moment in which the machine stood still is of one round. */
function summary(rounds) {
  const of = (percent) => median(rounds.map(({ times }) => percentile(times, percent)));
  return { rate: median(rounds.map(({ rate }) => rate)), p50: of(50), p99: of(99) };
}

function told({ rate, p50, p99 }) {
  return [Math.round(rate).toLocaleString('en'), p50.toFixed(1), p99.toFixed(1)];
}
