// What a question costs who asks, beside the same question of a Node server; and that it costs nobody who doesn't ask.
import { setTimeout as sleep } from 'node:timers/promises';
import { listeners, untilNothingIsLeft } from '../harness/asking.js';
import { startPostgres } from '../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../harness/roles.js';
import { connectClient } from '../harness/clients.js';
import { closeAll, startServers } from '../harness/servers.js';
import { median, play, table, takeTurns, time, verdict } from './measure.js';
import { percentile } from './queue-latency.js';

const ROUNDS = 5;
const QUESTIONS = 40;
const FIRST = 10;
const SETTLE = 100; // ms
const PAUSE = 15; // ms
const REST = 300; // ms, the same for both contenders
const EMIT_ROUNDS = 25;
const EMITS = 1_000;

/** Three idle servers, each with a client. */
export async function benchQuestions() {
  const cluster = await startPostgres({ name: 'bench-questions', conf: { fsync: 'on', full_page_writes: 'on' } });
  let servers = [];
  let clients = [];
  try {
    const admin = await prepareDatabase(cluster);
    servers = await startServers(cluster);
    clients = await Promise.all(servers.map((server, i) => connectClient(server, { rooms: [`room${i}`] })));
    const answers = await benchAnswers(cluster, servers);
    // What they hear keeps this process busy, for longer than the emits take.
    await closeAll(clients, servers);
    [clients, servers] = [[], []];
    return [...answers, ...(await benchEmits(cluster, admin))];
  } finally {
    await closeAll(clients, servers);
    await cluster.stop();
  }
}

async function benchAnswers(cluster, [{ io }]) {
  const app = await cluster.connect({ user: EMITTER_ROLE });
  const online = (session) => session.query(`SELECT sio_is_online('/', '{room1}', '10 s')`);
  const repeat = (ask, n = QUESTIONS) => async () => {
    const times = [];
    for (let i = 0; i < n; i++) {
      // The first answer of three may end a question: let the servers be idle again.
      await sleep(PAUSE);
      times.push(await ask());
    }
    return times;
  };
  /** Of a session that has the library loaded, but no process. */
  const first = async () => {
    const session = await cluster.connect({ user: EMITTER_ROLE });
    await session.query('SELECT sio_buffer(0)');
    const ms = await time(() => online(session));
    await session.end();
    return ms;
  };
  const rounds = await play(ROUNDS, {
    // The adapter that asks is one of three, and counts on the answers of two.
    node: repeat(() => time(() => io.in('room1').fetchSockets())),
    isOnline: repeat(() => time(() => online(app))),
    first: repeat(first, FIRST),
    fetch: repeat(() => time(() => app.query(`SELECT FROM sio_fetch_sockets('/', '{room1}', servers => 3)`))),
    servers: repeat(() => time(() => app.query(`SELECT FROM sio_servers('/', '${SETTLE} ms')`))),
  });
  await app.end();
  const all = (name) => rounds.flatMap((round) => round[name]);
  const beyond = all('servers').map((ms) => ms - SETTLE);
  const ratioOf = (name) => median(rounds.map((round) => median(round[name]) / median(round.node)));
  const ratio = ratioOf('isOnline');
  const cells = (times) => [median(times).toFixed(1), percentile(times, 99).toFixed(1)];
  table('A question to three idle servers, in ms', ['', 'p50', 'p99'], [
    ['fetchSockets() of a Node server, one room', ...cells(all('node'))],
    ['sio_is_online, the same room', ...cells(all('isOnline'))],
    [`sio_is_online, as a session's first question (ratio ${ratioOf('first').toFixed(1)})`, ...cells(all('first'))],
    ['sio_fetch_sockets, the same room, servers => 3', ...cells(all('fetch'))],
    ['sio_servers, beyond its settle time', ...cells(beyond)],
  ]);
  return [
    verdict('sio_is_online, p50, ms, at most 20', median(all('isOnline')), median(all('isOnline')) <= 20),
    verdict('sio_is_online as a first question, p50, ms, at most 20', median(all('first')), median(all('first')) <= 20),
    verdict('sio_is_online ÷ fetchSockets() of a Node server, p50, at most 2', ratio, ratio <= 2),
    verdict('sio_servers beyond its settle time, p50, ms, at most 20', median(beyond), median(beyond) <= 20),
  ];
}

/** Emits beside processes that are there from questions which have just been answered, and beside none. */
async function benchEmits(cluster, admin) {
  const app = await cluster.connect({ user: EMITTER_ROLE });
  const askers = await Promise.all([1, 2, 3, 4].map(() => cluster.connect({ user: EMITTER_ROLE })));
  const emit = (n) => app.query(`DO $$ BEGIN FOR i IN 1..${n} LOOP PERFORM sio_emit('/', '{}', 'e'); COMMIT; END LOOP; END $$`);
  const emits = async (expected) => {
    // For one contender the session, and the processor, have been idle for longer than for the other.
    await emit(EMITS / 4);
    const before = (await listeners(admin)).length;
    const ms = await time(() => emit(EMITS));
    if (before !== expected) throw new Error(`${before} processes of questions, not ${expected}`);
    return { ms };
  };
  const each = async (sql) => {
    await untilNothingIsLeft(admin);
    await sleep(REST);
    await Promise.all(askers.map((asker) => asker.query(sql)));
  };
  const { beside } = await takeTurns(EMIT_ROUNDS, {
    alone: async () => {
      await each(`SELECT pg_sleep(${SETTLE} / 1000.0)`);
      return emits(0);
    },
    beside: async () => {
      await each(`SELECT FROM sio_servers('/', '${SETTLE} ms')`);
      return emits(askers.length);
    },
  });
  await Promise.all([app, ...askers].map((session) => session.end()));
  return [
    verdict(`${EMITS} emits just after questions ÷ without any, at most 1.1`, beside.ms.ratio, beside.ms.ratio <= 1.1),
  ];
}
