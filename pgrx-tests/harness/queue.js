// Queued delivery: a server with the worker, sessions that queue, and what can be seen of both.
import assert from 'node:assert/strict';
import { listen } from './listener.js';
import { startPostgres } from './postgres.js';
import { stateOf } from './processes.js';
import { EMITTER_ROLE, prepareDatabase } from './roles.js';
import { SLOWNESS, until } from './wait.js';

/** Without it there is no worker, and somebody has to call sio_deliver. */
export const PRELOAD = { shared_preload_libraries: 'socketio_emitter', 'socketio_emitter.restart_delay': 0 };

/** A server with the extension in `postgres`: a superuser's session, an ordinary one that queues, and a listener. */
export async function startQueue({ name, conf = {}, preload = true }) {
  const postgres = await startPostgres({ name, conf: { ...(preload ? PRELOAD : {}), ...conf } });
  try {
    const admin = await prepareDatabase(postgres);
    const app = await queueing(postgres);
    const listener = await listen(postgres);
    return { postgres, admin, app, listener };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

/** A session that queues. `warnings` are those that it was given, each once taken away. */
export async function queueing(cluster, { database, user = EMITTER_ROLE } = {}) {
  const session = await cluster.connect({ database, user });
  let warnings = [];
  session.on('notice', (notice) => notice.severity === 'WARNING' && warnings.push(notice));
  session.warnings = () => warnings.splice(0);
  await session.query(`SET socketio_emitter.delivery = 'queue'`);
  return session;
}

/** Waits until all that is committed has been delivered or set aside. */
export async function delivered(client, schema = 'public') {
  const { rows } = await client.query(`SELECT ${schema}.sio_wait_delivered('${60 * SLOWNESS} seconds') AS done`);
  assert.equal(rows[0].done, true, 'all was delivered in time');
}

/** [event, ...arguments] of what was notified since the last time, binary as text. */
export async function events(listener, table) {
  return (await listener.fullMessages(table)).map(({ data }) =>
    data.packet.data.map((arg) => (ArrayBuffer.isView(arg) ? Buffer.from(arg).toString() : arg)));
}

/** The names of the events, or with `number` their first arguments. */
export async function names(listener, table) {
  return (await events(listener, table)).map(([name]) => name);
}

export async function status(client, schema = 'public') {
  const { rows } = await client.query(`SELECT * FROM ${schema}.sio_status`);
  assert.equal(rows.length, 1);
  return rows[0];
}

/** How many messages wait. */
export async function queued(client, schema = 'public') {
  return Number((await status(client, schema)).queued);
}

/** The extension's processes: { pid, type: 'launcher' | 'worker', database }. */
export async function processes(client) {
  const { rows } = await client.query(`
    SELECT pid, replace(backend_type, 'socketio_emitter ', '') AS type, datname AS database
      FROM pg_stat_activity WHERE backend_type LIKE 'socketio\\_emitter %' ORDER BY 2, 3`);
  return rows;
}

/** The pid of the database's worker, as soon as there is one other than `before`. */
export async function untilWorker(client, { database = 'postgres', before } = {}) {
  return until(`${database} has a worker${before ? ' again' : ''}`, async () => {
    const worker = (await processes(client)).find((each) => each.type === 'worker' && each.database === database);
    return worker?.pid !== before && worker?.pid;
  });
}

/** Waits until the database has no worker. */
export async function untilNoWorker(client, database = 'postgres') {
  await until(`${database} has no worker`, async () =>
    (await processes(client)).every((each) => each.type !== 'worker' || each.database !== database));
}

/** Waits until the worker has nothing to do. */
export async function untilIdle(client, schema = 'public') {
  await until('the worker is idle', async () => (await status(client, schema)).worker_state === 'idle');
}

/** Does the work while the worker of the session's database stands still, as one that is busy with something else. */
export async function whileWorkerStands(client, work) {
  const { rows } = await client.query('SELECT current_database() AS database');
  const pid = await untilWorker(client, rows[0]);
  await untilStopped(client, pid);
  try {
    return await work(pid);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

/**
 * Stops an idle worker outside of its transactions: a moment after it was seen idle, it may have begun to clean up, and the locks that
 * it then holds would never be given back to who waits for them.
 */
async function untilStopped(client, pid) {
  await until('the worker stands still outside of a transaction', async () => {
    await untilIdle(client);
    process.kill(pid, 'SIGSTOP');
    // The signal takes effect a moment after it was sent.
    await until('it is stopped', () => stateOf(pid)?.startsWith('T'));
    const { rows } = await client.query('SELECT xact_start IS NULL AS outside FROM pg_stat_activity WHERE pid = $1', [pid]);
    if (rows[0]?.outside) return true;
    process.kill(pid, 'SIGCONT');
    return false;
  });
}

/** An emit of one numbered event, as SQL: short, or binary, which goes through the attachments table. */
export const numbered = (number, event = 'e') => `SELECT public.sio_emit('/', '{}', '${event}', to_jsonb(${number}))`;
export const numberedBinary = (number, event = 'e') =>
  `SELECT public.sio_emit_binary('/', '{}', '${event}', convert_to((${number})::text, 'UTF8'))`;

/** The numbers that such events carry, in order. */
export async function numbers(listener, table) {
  return (await events(listener, table)).map(([, number]) => Number(number));
}

/** 0, 1, … count - 1 */
export const upTo = (count) => Array.from({ length: count }, (_, i) => i);
