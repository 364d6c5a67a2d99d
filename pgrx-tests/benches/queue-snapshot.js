// A session that holds a snapshot for long: dead rows can't be removed from the queue, and delivery must not mind.
import { setTimeout as sleep } from 'node:timers/promises';
import { QUEUE, pgbench } from '../harness/pgbench.js';
import { firstValue } from '../harness/wait.js';
import { median, play, table, verdict } from './measure.js';
import { drainRate } from './queue-backlog.js';
import { emitOfNow, percentile } from './queue-latency.js';

const SECONDS = Number(process.env.SNAPSHOT_SECONDS ?? 600);
const RATE = 2_000;
const WINDOW = Math.min(60, Math.floor(SECONDS / 4));
// The rate above is what pgbench asks for. What the worker could send shows in how fast it sends a backlog.
const BACKLOG = 200_000;
const BACKLOGS = 3;

export async function benchSnapshot({ cluster, client, count }) {
  const reader = await cluster.connect();
  const sizes = { before: await size(client) };
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');
  const atFirst = await capacity({ client, count });
  const events = []; // of each second: latencies
  const start = performance.now();
  const counter = await count({
    onText: (text) => {
      const second = Math.floor((performance.now() - start) / 1000);
      (events[second] ??= []).push(Date.now() - Number(/"sent":([\d.]+)/.exec(text)[1]));
    },
  });
  const { transactions } = await pgbench(cluster, { script: emitOfNow, clients: 8, seconds: SECONDS, settings: QUEUE, rate: RATE });
  await counter.until(transactions);
  counter.close();
  const atLast = await capacity({ client, count });
  sizes.held = await size(client);
  await reader.query('COMMIT');
  // Autovacuum comes by every 10 s here. Emits go on, as they would.
  const load = pgbench(cluster, { script: emitOfNow, clients: 2, seconds: 60, settings: QUEUE, rate: 200 });
  sizes.after = await firstValue(async () => {
    await sleep(1000);
    const now = await size(client);
    return now < sizes.held / 10 && now;
  }, 60_000) || await size(client);
  await load;

  const window = (from) => {
    const seconds = events.slice(from, from + WINDOW);
    const times = seconds.flatMap((second) => second ?? []);
    return { rate: times.length / WINDOW, p50: percentile(times, 50), p99: percentile(times, 99) };
  };
  const [first, last] = [window(2), window(SECONDS - WINDOW - 1)];
  const row = (name, { rate, p50, p99 }) => [name, Math.round(rate), p50.toFixed(1), p99.toFixed(1)];
  table(`A snapshot held for ${SECONDS} s, ${RATE} emits per second`, ['', 'events/s', 'p50, ms', 'p99, ms'], [
    row(`the first ${WINDOW} s`, first), row(`the last ${WINDOW} s`, last),
  ]);
  table('Size of the queue', ['', 'MB'], Object.entries(sizes).map(([name, bytes]) => [name, (bytes / 1e6).toFixed(1)]));
  table('A backlog while the snapshot is held', ['', 'events/s'], [
    ['at its start', Math.round(atFirst).toLocaleString('en')], [`after ${SECONDS} s`, Math.round(atLast).toLocaleString('en')],
  ]);
  if (first.rate < 0.9 * RATE) throw new Error(`this machine emits ${Math.round(first.rate)} per second: nothing is said about ${RATE}`);
  const ratio = last.rate / first.rate;
  return [
    verdict('rate of delivery at the end / at the start, at least 0.8', ratio, ratio >= 0.8),
    verdict('rate of a backlog at the end / at the start, at least 0.8', atLast / atFirst, atLast >= 0.8 * atFirst),
    verdict('size of the queue a minute after / while it was held, at most 0.1', sizes.after / sizes.held, sizes.after <= sizes.held / 10),
  ];
}

/** Messages per second that the worker sends when it has enough of them. */
async function capacity({ client, count }) {
  const counter = await count();
  const rounds = await play(BACKLOGS, { rate: () => drainRate({ client, counter, messages: BACKLOG }) });
  counter.close();
  return median(rounds.map(({ rate }) => rate));
}

async function size(client) {
  const { rows } = await client.query(`SELECT pg_total_relation_size('_sio.queue')::float8 AS bytes`);
  return rows[0].bytes;
}
