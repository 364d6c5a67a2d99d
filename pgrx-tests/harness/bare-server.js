// A Socket.IO server with nothing on it: a page of the documentation, or a test of one, sets it up as a reader would.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import pg from 'pg';
import { Server } from 'socket.io';
import { LATEST, listeningConnections, loadAdapter } from './adapters.js';
import { firstValue, until, within } from './wait.js';

const READY = 'harness:ready';

/** Listens on a free port, without an adapter. `options` are Socket.IO's: { io, url, close() } */
export async function startBareServer(options = {}) {
  const http = createServer();
  const io = new Server(http, { serveClient: false, ...options });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { io, url: `http://127.0.0.1:${http.address().port}`, close: () => io.close() };
}

/** Waits until the server hears what is notified to the namespace. `session`: a pg client in the server's database. */
export async function untilHearing(session, { io }, { namespace = '/', channelPrefix = 'socket.io' } = {}) {
  const probes = new Set();
  const hear = (probe) => probes.add(probe);
  io.of(namespace).on(READY, hear);
  await until(`the server hears ${namespace}`, async () => {
    const probe = randomUUID();
    const message = { uid: 'emitter', type: 9, nsp: namespace, data: { packet: [READY, probe] } };
    await session.query('SELECT pg_notify($1, $2)', [`${channelPrefix}#${namespace}`, JSON.stringify(message)]);
    return firstValue(() => probes.has(probe), 200);
  });
  io.of(namespace).off(READY, hear);
}

/**
 * The same on an adapter of Postgres, with a pool of its own: { io, url, pool, errors, close() }. `connection` and `io` are the pool's
 * and Socket.IO's options. `setUp`, a function of { io, pool, createAdapter }, gives it the adapter; without it, the adapter gets
 * `options`. A client is put into the rooms that it asks for.
 */
export async function startAdapterServer({ version = LATEST, connection, pool = new pg.Pool(connection), options = {}, io: ioOptions, setUp }) {
  const { createAdapter } = await loadAdapter(version);
  const server = await startBareServer(ioOptions);
  const errors = [];
  const errorHandler = ({ message }) => errors.push(message);
  pool.on('error', errorHandler);
  if (setUp) await setUp({ io: server.io, pool, createAdapter });
  else server.io.adapter(createAdapter(pool, { ...options, errorHandler }));
  server.io.on('connection', (socket) => socket.join(socket.handshake.auth.rooms ?? []));
  const close = async () => {
    // Queries under way would set timers of the adapter anew after it was closed. In a pool that is full they would never be done.
    pool.options.max += 2;
    await pool.query('SELECT');
    const listening = listeningConnections(version, server.io._nsps.size);
    await until('the server\'s queries are done', () => pool.waitingCount === 0 && pool.totalCount - pool.idleCount <= listening);
    await server.close();
    await within('the pool ended', pool.end());
  };
  return { ...server, pool, errors, close };
}
