// A Socket.IO server in a process of its own, so that it can be blocked and killed. Started by lone-server.js.
import { createServer } from 'node:http';
import pg from 'pg';
import { Server } from 'socket.io';
import { loadAdapter } from './adapters.js';

const { connection, adapter, options } = JSON.parse(process.env.LONE_SERVER);

const { createAdapter } = await loadAdapter(adapter);
const pool = new pg.Pool(connection);
pool.on('error', () => {}); // the server of a test may end first
const http = createServer();
const io = new Server(http, { serveClient: false });
io.adapter(createAdapter(pool, options));
io.on('connection', (socket) => socket.join(socket.handshake.auth.rooms ?? []));
io.on('harness:ready', (probe) => process.send({ probe }));
io.on('block', (milliseconds, done) => {
  done?.('blocks');
  // Not before the acknowledgement is on its way.
  setTimeout(() => block(milliseconds), 20);
});
io.on('hello', (name, done) => done(`${name} from ${process.pid}`));

process.on('message', ({ block: milliseconds }) => {
  process.send({ blocks: true });
  setImmediate(() => block(milliseconds));
});
process.on('disconnect', () => process.exit());
http.listen({ port: 0, host: '127.0.0.1' }, () => process.send({ port: http.address().port, uid: io.of('/').adapter.uid }));

/** Does nothing else for so long: the event loop stands. */
function block(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
