// What the worker works, and Postgres writes, for each emit, at several rates: for sizing. No targets: it depends on the machine.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NOTIFY, QUEUE, pgbench } from '../harness/pgbench.js';
import { untilWorker } from '../harness/queue.js';
import { table } from './measure.js';

const RATES = [100, 1_000, 2_000];
const SECONDS = 20;
/** Of the times in /proc, per second (sysconf(_SC_CLK_TCK), which is 100 on every Linux). */
const TICKS = 100;

export async function benchWork({ cluster, client, count }) {
  await client.query(`
    CREATE TABLE quiet (id bigserial PRIMARY KEY, room int, note text);
    CREATE TABLE emitting (LIKE quiet INCLUDING ALL);
    CREATE TRIGGER live AFTER INSERT ON emitting FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=room:$room')`);
  const counter = await count();
  const rows = [];
  try {
    for (const rate of RATES) {
      const quiet = await run({ cluster, client, rate, name: 'quiet', settings: QUEUE });
      const notify = await run({ cluster, client, rate, name: 'emitting', settings: NOTIFY });
      const queue = await run({ cluster, client, rate, name: 'emitting', settings: QUEUE });
      rows.push([
        Math.round(queue.rate), (1_000 * queue.worked).toFixed(1), Math.round(notify.wal - quiet.wal), Math.round(queue.wal - quiet.wal),
        (queue.size / 1e6).toFixed(1),
      ]);
    }
  } finally {
    counter.close();
  }
  table('The work of queued delivery', [
    'emits per second', 'processor of the worker, ms per 1,000', 'bytes of WAL per emit, notify', 'the same, queue', `MB of the queue after ${SECONDS} s`,
  ], rows);
  return [];
}

/** → { rate: transactions per second, worked: ms of the worker for each, wal: bytes for each, size: bytes of the queue } */
async function run({ cluster, client, rate, name, settings }) {
  await client.query('CHECKPOINT');
  const pid = await untilWorker(client);
  const before = { ticks: ticksOf(pid), wal: await walOf(client) };
  const load = await pgbench(cluster, {
    script: `\\set room random(1, 100)\nINSERT INTO ${name} (room, note) VALUES (:room, 'some text of a usual length');\n`,
    clients: 4, seconds: SECONDS, settings, rate,
  });
  await client.query('SELECT sio_wait_delivered()');
  const { rows } = await client.query(`SELECT pg_total_relation_size('_sio.queue')::float8 AS size`);
  await sleep(2_000); // until the worker has deleted them
  return {
    rate: load.rate,
    worked: ((ticksOf(pid) - before.ticks) * 1_000) / TICKS / load.transactions,
    wal: ((await walOf(client)) - before.wal) / load.transactions,
    size: rows[0].size,
  };
}

/** User and system time of a process, in ticks: the 14th and 15th field of its stat (proc(5)), behind a name in parentheses. */
function ticksOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

async function walOf(client) {
  const { rows } = await client.query(`SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes`);
  return rows[0].bytes;
}
