// How late events come: at rest, beside notify; and while many are emitted.
import { setTimeout as sleep } from 'node:timers/promises';
import { NOTIFY, QUEUE, pgbench } from '../harness/pgbench.js';
import { within } from '../harness/wait.js';
import { median, play, table, verdict } from './measure.js';

const EMITS = 200;
const ROUNDS = 3;
const RATE = 2_000;
const SECONDS = 20;

export async function benchLatency({ cluster, client, count }) {
  const atRest = await rest({ cluster, client, count });
  const loaded = await load({ cluster, client, count, settings: QUEUE });
  const notified = await load({ cluster, client, count, settings: NOTIFY });
  table('From the emit to the listener, in ms, commit included', ['', 'p50', 'p99'], [
    ['at rest, notify', ...cells(atRest.notify)],
    ['at rest, queue', ...cells(atRest.queue)],
    [`${notified.rate.toLocaleString('en')} emits per second, notify`, ...cells(notified.times)],
    [`${loaded.rate.toLocaleString('en')} emits per second, queue`, ...cells(loaded.times)],
  ]);
  const difference = percentile(atRest.queue, 50) - percentile(atRest.notify, 50);
  const p99 = percentile(loaded.times, 99);
  return [
    verdict('at rest, p50: queue − notify, ms, at most 2', difference, difference <= 2),
    verdict(`${RATE} emits per second, p99, ms, below 50`, p99, p99 < 50),
  ];
}

/**
 * One emit at a time, each after the server has come to rest, beside a row of the caller's: without one, Postgres doesn't
 * flush the commit of a transaction that only notifies.
 */
async function rest({ cluster, client, count }) {
  await client.query('CREATE TABLE resting (id bigserial PRIMARY KEY)');
  let arrived = () => {};
  const counter = await count({ onText: () => arrived() });
  const one = (settings) => async () => {
    const session = await cluster.connect({ options: Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`).join(' ') });
    const times = [];
    for (let i = 0; i < EMITS; i++) {
      await sleep(30);
      const arrival = new Promise((resolve) => { arrived = resolve; });
      const start = performance.now();
      const query = session.query(`INSERT INTO resting DEFAULT VALUES; SELECT sio_emit('/', '{}', 'e', '{"a": 1}')`);
      await within('the event arrived', arrival);
      times.push(performance.now() - start);
      await query;
    }
    await session.end();
    return times;
  };
  const rounds = await play(ROUNDS, { notify: one(NOTIFY), queue: one(QUEUE) });
  counter.close();
  return { notify: rounds.flatMap(({ notify }) => notify), queue: rounds.flatMap(({ queue }) => queue) };
}

/** Each emit carries its time. */
async function load({ cluster, client, count, settings }) {
  const times = [];
  const counter = await count({ onText: (text) => times.push(Date.now() - Number(/"sent":([\d.]+)/.exec(text)[1])) });
  const { transactions } = await pgbench(cluster, { script: emitOfNow, clients: 8, seconds: SECONDS, settings, rate: RATE });
  await counter.until(transactions);
  await client.query('SELECT sio_wait_delivered()');
  counter.close();
  const rate = Math.round(transactions / SECONDS);
  // NOTIFY may not come so far. Without so many, nothing is said about the queue.
  if (settings === QUEUE && rate < 0.9 * RATE) throw new Error(`only ${rate} emits per second`);
  return { times, rate };
}

export const emitOfNow = `SELECT sio_emit('/', '{}', 'e', jsonb_build_object('sent', round(extract(epoch FROM clock_timestamp()) * 1000, 3)));\n`;

export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))];
}

function cells(times) {
  return [median(times).toFixed(1), percentile(times, 99).toFixed(1)];
}
