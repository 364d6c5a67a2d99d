// Lists that follow a table through real servers, with the module of client/ as an application uses it.
import { once } from 'node:events';
import pg from 'pg';
import { io } from 'socket.io-client';
import { follow } from '../../client/follow.js';
import { SLOWNESS, until, within } from './wait.js';

/** Settings for postgresql.conf under which random transactions don't wait for each other for long. */
export const IMPATIENT = { deadlock_timeout: '10ms' };

/**
 * Has a server answer `list` as client/README.md says: it puts the client into the rooms that it asks for, then it
 * queries. → the pool, which the caller ends.
 *
 * `query`: what the client's `argument` asks for, { text, values }.
 */
export function serveLists(cluster, server, query) {
  // Not the adapter's: a test may keep that busy.
  const pool = new pg.Pool({ connectionString: cluster.url(), max: 2, idleTimeoutMillis: 0 });
  pool.on('error', (error) => {
    if (!pool.ending) throw error; // else Postgres has stopped before a connection has said goodbye
  });
  server.io.on('connection', (socket) => {
    socket.on('list', async ({ rooms, argument }, answer) => {
      try {
        await socket.join(rooms);
        const { rows: [list] } = await pool.query(query(argument));
        answer(list);
      } catch (error) {
        answer({ error: error.message });
      }
    });
  });
  return pool;
}

/**
 * A client of that server, with its list and, for comparison, the rows that `list.set(row.id, row)` gives: → { socket,
 * list, naive }. Failed fetches are in `errors`.
 */
export function followRows(server, { rooms, argument, ...options }) {
  const socket = io(server.url, { transports: ['websocket'], forceNew: true, reconnectionDelay: 1, reconnectionDelayMax: 10 });
  const fetch = () => socket.timeout(5_000 * SLOWNESS).emitWithAck('list', { rooms, argument });
  const follower = { socket, errors: [], naive: new Map(), events: 0 };
  follower.list = follow(socket, { fetch, ...options }).on('error', (error) => follower.errors.push(error));
  follower.list.on('change', ({ reset, set }) => {
    if (reset) follower.naive = new Map(set.map((row) => [row.id, row]));
  });
  socket.onAny((name, argument_) => {
    follower.events += 1;
    for (const row of [argument_ ?? []].flat()) {
      if (/:(insert|update)$/.test(name)) follower.naive.set(row.id, row);
      else if (/:(delete|left)$/.test(name)) follower.naive.delete(row.id);
    }
    if (name.endsWith(':truncate')) follower.naive.clear();
  });
  return follower;
}

/** Waits until a list is live. */
export function untilLive({ list, errors }) {
  return until(`a list is live; errors: ${errors.join(', ')}`, () => list.state === 'live', { every: 1 });
}

/** What a client gets of a mark: see `markArrived`. */
const MARK = 'mark';

/**
 * Waits until each of the clients, all in `room`, got a mark that takes the short way and one that takes the long way, sent
 * by each of the sessions: then nothing that was committed before is under way.
 */
export async function settle(sessions, room, followers) {
  const names = sessions.flatMap((_, i) => [`${MARK}:${i}:text`, `${MARK}:${i}:binary`]);
  const arrived = followers.flatMap(({ socket }) => names.map((name) => once(socket, name)));
  for (const [i, session] of sessions.entries()) {
    await session.query(`SELECT sio_emit('/', $1, $2), sio_emit_binary('/', $1, $3, '\\x00')`, [[room], names[2 * i], names[2 * i + 1]]);
  }
  await within('the marks arrived', Promise.all(arrived));
}

/** The rows of a list, or of a Map, in the order of their ids. */
export function byId(rows) {
  return [...(rows.values?.() ?? rows)].sort((a, b) => a.id - b.id);
}

export function leave(...followers) {
  for (const { list, socket } of followers) {
    list.close();
    socket.disconnect();
  }
}
