// Questions from SQL, and what they must not leave behind.
import assert from 'node:assert/strict';
import { until } from './wait.js';

/** The rows of a question. Its warnings, if there is a list for them, are added to that. */
export async function rowsOf(client, sql, values = [], warnings = []) {
  const note = ({ severity, message }) => severity === 'WARNING' && warnings.push(message);
  client.on('notice', note);
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    client.off('notice', note);
  }
}

/**
 * Asks, and asserts what is answered: again, a few times, while that fails. Unless the question says how many servers there are, one that
 * answers later than after 250 ms is not there, and on a busy machine any may be as late. What always fails still does, with its own
 * error. → what `ask` resolves with
 */
export async function askedAgain(ask, { times = 10 } = {}) {
  for (let time = 1; ; time++) {
    try {
      return await ask();
    } catch (error) {
      if (time === times || !(error instanceof assert.AssertionError)) throw error;
    }
  }
}

/** The uids of a server's namespaces, as its adapter knows them. */
export function uidOf(server, namespace = '/') {
  return server.io.of(namespace).adapter.uid;
}

/** What asks right now: the processes of questions, of all databases. */
export async function listeners(admin) {
  const { rows } = await admin.query(`SELECT pid FROM pg_stat_activity WHERE backend_type = 'socketio_emitter question'`);
  return rows.map(({ pid }) => pid);
}

/** Waits until a question has a process. → its pid */
export async function untilAsked(admin) {
  const [pid] = await until('a question is under way', async () => {
    const pids = await listeners(admin);
    return pids.length > 0 && pids;
  });
  return pid;
}

/**
 * Waits until nothing of any question is left: no process, no place that it occupies, no shared memory. That nobody listens is
 * seen by the processes alone: Postgres forgets a listener with its process.
 */
export async function untilNothingIsLeft(admin) {
  await until('no question has a process any more', async () => (await listeners(admin)).length === 0);
  await until('no question occupies a place any more', async () => {
    const { rowCount } = await admin.query(`SELECT FROM pg_locks WHERE classid = 'pg_extension'::regclass AND database = 0`);
    return rowCount === 0;
  });
}

/** Connects as servers that are none, in a namespace: `onQuestion` gets each question's id, and `say`, which notifies in one transaction. */
export async function pretendServers(postgres, namespace, onQuestion) {
  const client = await postgres.connect();
  const { rows: [{ channel }] } = await client.query(`SELECT channel FROM sio_encode($1, '{}', 'e')`, [namespace]);
  const say = async (...messages) => {
    // At once, for they have as little time to be heard as servers have.
    await client.query('SELECT pg_notify($1, message) FROM unnest($2::text[]) message', [channel, messages.map((each) => JSON.stringify(each))]);
  };
  client.on('notification', ({ payload }) => {
    const { type, data } = JSON.parse(payload);
    if (type === 7) onQuestion(data.requestId, say);
  });
  await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
  return client;
}
