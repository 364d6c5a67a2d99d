// A Node cluster on adapter 0.5.0, run as a process of its own by node-cluster.js: the primary holds the only
// connection to Postgres, the workers run Socket.IO servers. Each worker prints JSON lines about itself.
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import * as clusterAdapter from '@socket.io/cluster-adapter';
import pg from 'pg';
import { Server } from 'socket.io';
import { LATEST, loadAdapter } from './adapters.js';

const { connection, workers, namespaces, events } = JSON.parse(process.env.NODE_CLUSTER);

if (cluster.isPrimary) {
  // The released 0.5.0 reads `require('cluster').default`, which plain Node doesn't have (its own tests run under
  // tsx, which adds it): `Cannot read properties of undefined (reading 'isPrimary')`.
  createRequire(import.meta.url)('cluster').default ??= cluster;
  const { setupPrimary } = await loadAdapter(LATEST);
  cluster.setupPrimary({ serialization: 'advanced' }); // as its documentation asks, for binary
  const pool = new pg.Pool(connection);
  setupPrimary(pool, { errorHandler: (error) => report({ error: error.message }) });
  for (let worker = 0; worker < workers; worker++) cluster.fork();
} else {
  const http = createServer();
  const io = new Server(http, { serveClient: false });
  io.adapter(clusterAdapter.createAdapter());
  for (const name of namespaces) {
    const namespace = io.of(name);
    namespace.on('connection', (socket) => socket.join(socket.handshake.auth.rooms ?? []));
    for (const event of events) namespace.on(event, (...args) => report({ heard: [name, event, ...args] }));
  }
  // `exclusive`: a port of its own, so that a client can choose its worker.
  http.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () => report({ port: http.address().port }));
}

process.on('disconnect', () => process.exit()); // whoever started us is gone

function report(line) {
  process.stdout.write(`${JSON.stringify({ pid: process.pid, ...line })}\n`);
}
