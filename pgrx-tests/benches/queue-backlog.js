// How fast the worker sends what has piled up.
import { setTimeout as sleep } from 'node:timers/promises';
import { whileWorkerStands } from '../harness/queue.js';
import { median, play, table, verdict } from './measure.js';

// The larger one is more than the worker remembers at a time (REMEMBERED in src/delivery/queue/drain.rs); both take longer
// than the second for which it keeps what it has sent, so that both pay for deleting it.
const SMALL = 1_000_000;
const LARGE = 2_500_000;
const ROUNDS = 2;
const AT_A_TIME = 100_000;

export async function benchBacklog({ client, count }) {
  const counter = await count();
  const drain = (messages) => () => drainRate({ client, counter, messages });
  const rounds = await play(ROUNDS, { small: drain(SMALL), large: drain(LARGE) });
  counter.close();
  const of = (name) => median(rounds.map((round) => round[name]));
  const ratio = median(rounds.map(({ small, large }) => large / small));
  table('A backlog, counted at the listener', ['messages', 'per second'], [
    [SMALL.toLocaleString('en'), Math.round(of('small')).toLocaleString('en')],
    [LARGE.toLocaleString('en'), Math.round(of('large')).toLocaleString('en')],
  ]);
  return [
    verdict(`a backlog of ${SMALL.toLocaleString('en')}, messages per second, at least 50,000`, of('small'), of('small') >= 50_000),
    verdict('rate of the large backlog / of the small one, at least 0.9', ratio, ratio >= 0.9),
  ];
}

/** Messages per second, from the moment in which the worker may begin. */
export async function drainRate({ client, counter, messages }) {
  await client.query(`SET socketio_emitter.delivery = 'queue'`);
  await whileWorkerStands(client, async () => {
    for (let queued = 0; queued < messages; queued += AT_A_TIME) {
      await client.query(`SELECT count(sio_emit('/', '{room1}', 'event', jsonb_build_object('id', i, 'note', 'some text of a usual length')))
        FROM generate_series(1, ${AT_A_TIME}) i`);
    }
    await client.query('CHECKPOINT');
  });
  const before = counter.count;
  const start = performance.now();
  await counter.until(before + messages);
  const spent = performance.now() - start;
  await client.query('SELECT sio_wait_delivered()');
  if (counter.count !== before + messages) throw new Error(`${messages} messages, ${counter.count - before} events`);
  await sleep(2_000); // until the worker has deleted them
  return (messages * 1000) / spent;
}
