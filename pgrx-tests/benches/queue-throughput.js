// How many transactions per second insert a row into a table whose trigger emits it, over the number of clients: with a
// disk's own flush, and with one of 2 ms (`commit_delay` makes the one who flushes wait, others with it).
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { NOTIFY, QUEUE, pgbench } from '../harness/pgbench.js';
import { fromRoot } from '../harness/setup.js';
import { median, play, table, verdict } from './measure.js';
import { plotThroughput } from './plot.js';

const CLIENTS = [1, 2, 4, 8, 16, 32, 64];
const JUDGED = 32;
const FLUSHES = { own: { commit_delay: 0, commit_siblings: 5 }, '2 ms': { commit_delay: 2000, commit_siblings: 0 } };
const { BENCH_SECONDS, BENCH_ROUNDS } = process.env;
const SECONDS = Number(BENCH_SECONDS ?? 2);
const ROUNDS = Number(BENCH_ROUNDS ?? 3);
const PLOT = fromRoot('docs/queue-throughput.svg');

const CONTENDERS = {
  'a trigger that does nothing': { table: 'quiet' },
  'sio_emit_changes, delivery = queue': { table: 'emitting', settings: QUEUE },
  'sio_emit_changes, delivery = notify': { table: 'emitting', settings: NOTIFY },
};

export async function benchThroughput({ cluster, client, count }) {
  await client.query(`
    CREATE TABLE quiet (id bigserial PRIMARY KEY, room int, note text);
    CREATE TABLE emitting (LIKE quiet INCLUDING ALL);
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE TRIGGER nothing AFTER INSERT ON quiet FOR EACH ROW EXECUTE FUNCTION nothing();
    CREATE TRIGGER live AFTER INSERT ON emitting FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=room:$room')`);
  const counter = await count();
  const points = [];
  const ratios = {};
  for (const [flush, settings] of Object.entries(FLUSHES)) {
    for (const [name, value] of Object.entries(settings)) await client.query(`ALTER SYSTEM SET ${name} = ${value}`);
    await client.query('SELECT pg_reload_conf()');
    for (const clients of CLIENTS) {
      const rounds = await play(clients === JUDGED ? 2 * ROUNDS - 1 : ROUNDS, Object.fromEntries(Object.entries(CONTENDERS).map(
        ([name, contender]) => [name, () => run({ cluster, client, counter, clients, ...contender })],
      )));
      for (const name of Object.keys(CONTENDERS)) {
        points.push({ flush, clients, name, rate: median(rounds.map((round) => round[name].rate)), late: median(rounds.map((round) => round[name].late)) });
      }
      const [nothing, queue, notify] = Object.keys(CONTENDERS);
      ratios[`${flush} ${clients}`] = {
        ofNothing: median(rounds.map((round) => round[queue].rate / round[nothing].rate)),
        ofNotify: median(rounds.map((round) => round[queue].rate / round[notify].rate)),
        delivered: median(rounds.map((round) => round[queue].delivered / round[queue].rate)),
      };
    }
  }
  counter.close();
  for (const flush of Object.keys(FLUSHES)) {
    table(
      `Transactions per second, ${flush === 'own' ? 'the disk’s own flush' : `a flush of ${flush}`}; every event arrived`,
      ['clients', ...Object.keys(CONTENDERS), 'queue × nothing', 'queue × notify', 'last event after, ms'],
      CLIENTS.map((clients) => [
        clients, ...points.filter((point) => point.flush === flush && point.clients === clients).map(({ rate }) => Math.round(rate)),
        ratios[`${flush} ${clients}`].ofNothing.toFixed(2), ratios[`${flush} ${clients}`].ofNotify.toFixed(1),
        Math.round(points.find((point) => point.flush === flush && point.clients === clients && point.name.endsWith('queue')).late),
      ]),
    );
  }
  const { rows } = await client.query('SHOW server_version');
  const caption = [
    `Postgres ${rows[0].server_version.split(' ')[0]}, ${cpus().length} cores, pgbench and the listener on the same machine.`,
    'One INSERT per transaction; every event was counted at the listener.',
  ];
  const svg = await plotThroughput(points, caption);
  // What the README shows is never a shortened run.
  if (!BENCH_SECONDS && !BENCH_ROUNDS) await writeFile(PLOT, svg);
  const { ofNothing, ofNotify, delivered } = ratios[`2 ms ${JUDGED}`];
  return [
    verdict(`${JUDGED} clients, flush of 2 ms: queue / a trigger that does nothing, at least 0.8`, ofNothing, ofNothing >= 0.8),
    verdict(`${JUDGED} clients, flush of 2 ms: queue / notify, at least 15`, ofNotify, ofNotify >= 15),
    // What is committed faster than it can be sent would be no throughput.
    verdict(`${JUDGED} clients, flush of 2 ms: events delivered / transactions, per second, at least 0.95`, delivered, delivered >= 0.95),
  ];
}

/**
 * → { rate: transactions per second, late: ms from the end of the load to the last event, delivered: events per second up to
 * that one }. Fails if any event is missing.
 */
async function run({ cluster, client, counter, clients, table: name, settings }) {
  await client.query('TRUNCATE quiet, emitting');
  await client.query('CHECKPOINT');
  const before = counter.count;
  const { transactions, rate } = await pgbench(cluster, {
    script: `\\set room random(1, 100)\nINSERT INTO ${name} (room, note) VALUES (:room, 'some text of a usual length');\n`,
    clients, seconds: SECONDS, settings,
  });
  const ended = performance.now();
  const expected = name === 'emitting' ? transactions : 0;
  await counter.until(before + expected);
  const late = performance.now() - ended;
  await client.query('SELECT sio_wait_delivered()');
  if (counter.count !== before + expected) throw new Error(`${expected} transactions, ${counter.count - before} events`);
  return { rate, late, delivered: transactions / (transactions / rate + late / 1000) };
}
