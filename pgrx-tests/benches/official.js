// Beside the official emitter: events per second that reach a client, and how long one takes. On adapter 0.3.1, the
// last that the official emitter reaches at all.
import { once } from 'node:events';
import pg from 'pg';
import { Emitter } from '@socket.io/postgres-emitter';
import { connectClient } from '../harness/clients.js';
import { closeAll, startServers } from '../harness/servers.js';
import { within } from '../harness/wait.js';
import { median, table, takeTurns, time } from './measure.js';

const EVENTS = 5_000;
const LATENCIES = 200;
const ROUNDS = 5;
const CONNECTIONS = 4;
const PAYLOAD = { id: 1, customer_id: 7, status: 'paid', total: 12.5, note: 'some text of a usual length' };

export async function benchOfficial(cluster) {
  const [server] = await startServers(cluster, { count: 1, adapter: '0.3.1', user: 'postgres' });
  const client = await connectClient(server, { rooms: ['room1'] });
  const pool = new pg.Pool({ connectionString: cluster.url(), max: CONNECTIONS });
  try {
    const emitter = new Emitter(pool);
    const emitOfficial = () => emitter.to('room1').emit('event', PAYLOAD);
    const emitOurs = () => pool.query(`SELECT sio_emit('/', '{room1}', 'event', $1)`, [PAYLOAD]);
    const burst = (send) => async () => {
      const arrived = countEvents(client.socket, EVENTS);
      const spent = await time(async () => {
        send();
        await within(`${EVENTS} events arrived`, arrived, 120_000);
      });
      return { rate: (EVENTS * 1000) / spent };
    };
    const repeat = (emit) => () => { for (let i = 0; i < EVENTS; i++) emit(); };
    const rates = await takeTurns(ROUNDS, {
      'official emitter': burst(repeat(emitOfficial)),
      'sio_emit, a query each': burst(repeat(emitOurs)),
      'sio_emit, from rows in one statement': burst(() => pool.query(
        `SELECT count(*) FROM (SELECT sio_emit('/', '{room1}', 'event', $1::jsonb)
           FROM generate_series(1, ${EVENTS}) OFFSET 0) calls`, [PAYLOAD],
      )),
    });
    const latency = (emit) => async () => {
      const each = [];
      for (let i = 0; i < LATENCIES; i++) {
        each.push(await time(async () => {
          const arrived = once(client.socket, 'event');
          emit();
          await within('the event arrived', arrived);
        }));
      }
      return { latency: median(each) };
    };
    const latencies = await takeTurns(ROUNDS, {
      'official emitter': latency(emitOfficial),
      'sio_emit, a query each': latency(emitOurs),
    });
    table(
      `To a Socket.IO client, ${CONNECTIONS} connections, adapter 0.3.1`,
      ['', 'events/s', '× official', 'latency, ms', '× official'],
      Object.entries(rates).map(([name, { rate }]) => [
        name, Math.round(rate.median), rate.ratio.toFixed(2),
        latencies[name]?.latency.median.toFixed(2) ?? '', latencies[name]?.latency.ratio.toFixed(2) ?? '',
      ]),
    );
  } finally {
    await closeAll(client, server);
    await pool.end();
  }
}

/** Resolves when so many more events have arrived. */
function countEvents(socket, count) {
  return new Promise((resolve) => {
    let left = count;
    const arrived = () => {
      left -= 1;
      if (left > 0) return;
      socket.off('event', arrived);
      resolve();
    };
    socket.on('event', arrived);
  });
}
