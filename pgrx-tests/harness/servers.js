// Real Socket.IO servers on a real adapter, each with a connection pool of its own, in this process.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import pg from 'pg';
import { Server } from 'socket.io';
import { LATEST, listeningConnections, loadAdapter } from './adapters.js';
import { SERVERS_ROLE } from './roles.js';
import { firstValue, until } from './wait.js';

const READY = 'harness:ready';

/**
 * Starts `count` servers and resolves when each of them hears what is sent to each of its namespaces.
 * `options` go to the adapter.
 */
export async function startServers(cluster, { count = 3, database = 'postgres', ...settings } = {}) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => SocketServer.start(cluster, { database, ...settings })),
  );
  await untilListening(cluster, servers, { database, channelPrefix: settings.options?.channelPrefix });
  return servers;
}

export async function closeAll(...lists) {
  await Promise.all(lists.flat(2).filter(Boolean).map((each) => each.close()));
}

class SocketServer {
  /** What the adapter reported as an error. */
  errors = [];
  /** Server-side events as [namespace, event, ...arguments], in order; only those asked for with `hear`. */
  heard = [];
  /** What was handed to the clients' connections: { data, options }, in order. */
  packets = [];
  /** The probes that arrived: see untilListening. */
  ready = new Set();

  static async start(cluster, { adapter = LATEST, user = SERVERS_ROLE, database, namespaces = ['/'], options = {} }) {
    const server = new SocketServer();
    await server.#start(cluster, { adapter, user, database, namespaces, options });
    return server;
  }

  async #start(cluster, { adapter, user, database, namespaces, options }) {
    this.namespaces = namespaces;
    this.adapter = adapter;
    const { createAdapter } = await loadAdapter(adapter);
    const listening = listeningConnections(adapter, new Set(['/', ...namespaces]).size);
    // One connection is left for queries. The server's queries so run one after the other, and a later attachment
    // can't overtake an earlier one: a marker that arrived proves that nothing before it is still under way.
    this.pool = new pg.Pool({
      host: cluster.host, port: cluster.port, database, user, ssl: false, max: listening + 1, idleTimeoutMillis: 0,
    });
    const failed = (error) => this.errors.push(error);
    this.pool.on('error', failed);
    this.http = createServer();
    this.io = new Server(this.http, { perMessageDeflate: { threshold: 0 }, serveClient: false, pingInterval: 60_000 });
    this.io.engine.on('connection', (connection) => {
      connection.on('packetCreate', ({ data, options: packetOptions }) => {
        this.packets.push({ data, options: { ...packetOptions } });
      });
    });
    this.io.adapter(createAdapter(this.pool, { ...options, errorHandler: failed }));
    for (const name of new Set(['/', ...namespaces])) {
      const namespace = this.io.of(name);
      namespace.adapter.on('error', failed); // how 0.1.x reports them
      namespace.on('connection', (socket) => socket.join(socket.handshake.auth.rooms ?? []));
      namespace.on(READY, (probe) => this.ready.add(probe));
    }
    this.http.listen(0, '127.0.0.1');
    await once(this.http, 'listening');
    this.url = `http://127.0.0.1:${this.http.address().port}`;
  }

  /** Records the server-side events of that name in `heard`. */
  hear(event, namespace = '/') {
    this.io.of(namespace).on(event, (...args) => this.heard.push([namespace, event, ...args]));
    return this;
  }

  async close() {
    // Queries under way would set timers of the adapter anew after it was closed.
    const listening = listeningConnections(this.adapter, this.io._nsps.size);
    await until('the server\'s queries are done', () => {
      const { totalCount, idleCount, waitingCount } = this.pool;
      return waitingCount === 0 && totalCount - idleCount <= listening;
    });
    await this.io.close();
    await this.pool.end();
  }
}

/** Sends probes by plain pg_notify until every server heard one in each namespace. */
async function untilListening(cluster, servers, { database, channelPrefix = 'socket.io' }) {
  const client = await cluster.connect({ database });
  const [{ adapter, namespaces }] = servers;
  const channels = namespaces.map((namespace) => [namespace, `${channelPrefix}#${namespace}`]);
  const tooLong = ([, channel]) => Buffer.byteLength(channel) >= 64;
  try {
    for (const [namespace, channel] of channels.filter((each) => !tooLong(each))) {
      await until(`all servers hear ${namespace}`, async () => {
        const probe = randomUUID();
        const message = { uid: 'emitter', type: 9, nsp: namespace, data: { packet: [READY, probe] } };
        await client.query('SELECT pg_notify($1, $2)', [channel, JSON.stringify(message)]);
        const all = () => servers.every((server) => server.ready.has(probe));
        return firstValue(all, 200);
      });
    }
    // One connection subscribes to one channel after the other, and shows the last.
    const shown = listeningConnections(adapter, channels.length) === 1 ? channels.slice(-1) : channels;
    for (const [, channel] of shown.filter(tooLong)) await untilSubscribed(client, channel, servers.length);
  } finally {
    await client.end();
  }
}

/** For channels that pg_notify refuses and some adapters never hear: until so many connections did their LISTEN. */
async function untilSubscribed(client, channel, count) {
  await until(`${count} connections listen to ${channel}`, async () => {
    const { rows } = await client.query(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'idle' AND query = $1`,
      [`LISTEN "${channel}"`],
    );
    return rows[0].n >= count;
  });
}
