// What a question costs who asks, beside the same question of a Node server; and that it costs nobody who doesn't ask.
import { startPostgres } from '../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../harness/roles.js';
import { connectClient } from '../harness/clients.js';
import { closeAll, startServers } from '../harness/servers.js';
import { median, play, table, time, verdict } from './measure.js';
import { percentile } from './queue-latency.js';

const ROUNDS = 5;
const QUESTIONS = 40;
const SETTLE = 100; // ms

/** Three idle servers, each with a client. */
export async function benchQuestions() {
  const cluster = await startPostgres({ name: 'bench-questions', conf: { fsync: 'on', full_page_writes: 'on' } });
  let servers = [];
  let clients = [];
  try {
    await prepareDatabase(cluster);
    const app = await cluster.connect({ user: EMITTER_ROLE });
    servers = await startServers(cluster);
    clients = await Promise.all(servers.map((server, i) => connectClient(server, { rooms: [`room${i}`] })));
    // The adapter that asks is one of three, and counts on the answers of two.
    const [{ io }] = servers;
    const repeat = (ask) => async () => {
      const times = [];
      for (let i = 0; i < QUESTIONS; i++) times.push(await time(ask));
      return times;
    };
    const rounds = await play(ROUNDS, {
      node: repeat(() => io.in('room1').fetchSockets()),
      isOnline: repeat(() => app.query(`SELECT sio_is_online('/', '{room1}')`)),
      fetch: repeat(() => app.query(`SELECT FROM sio_fetch_sockets('/', '{room1}', servers => 3)`)),
      servers: repeat(() => app.query(`SELECT FROM sio_servers('/', '${SETTLE} ms')`)),
    });
    const all = (name) => rounds.flatMap((round) => round[name]);
    const beyond = all('servers').map((ms) => ms - SETTLE);
    const ratio = median(rounds.map(({ node, isOnline }) => median(isOnline) / median(node)));
    const cells = (times) => [median(times).toFixed(1), percentile(times, 99).toFixed(1)];
    table('A question to three idle servers, in ms', ['', 'p50', 'p99'], [
      ['fetchSockets() of a Node server, one room', ...cells(all('node'))],
      ['sio_is_online, the same room', ...cells(all('isOnline'))],
      ['sio_fetch_sockets, the same room, servers => 3', ...cells(all('fetch'))],
      ['sio_servers, beyond its settle time', ...cells(beyond)],
    ]);
    return [
      verdict('sio_is_online, p50, ms, at most 20', median(all('isOnline')), median(all('isOnline')) <= 20),
      verdict('sio_is_online ÷ fetchSockets() of a Node server, p50, at most 2', ratio, ratio <= 2),
      verdict('sio_servers beyond its settle time, p50, ms, at most 20', median(beyond), median(beyond) <= 20),
    ];
  } finally {
    await closeAll(clients, servers);
    await cluster.stop();
  }
}
