// A Socket.IO server as anyone would write it. It knows nothing of the extension: events come from Postgres by way
// of the official adapter.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createAdapter } from 'adapter-0.5.0';
import pg from 'pg';
import { Server } from 'socket.io';

/** Starts it on a free port of this machine: → { url, close() }. */
export async function startServer(connectionString) {
  const pool = new pg.Pool({ connectionString });
  pool.on('error', (error) => {
    if (!pool.ending) console.error(`the server's connection to Postgres: ${error.message}`);
  });

  const http = createServer();
  const io = new Server(http, { adapter: createAdapter(pool) });

  // A client says which customer it is. A real server would have it prove that.
  io.on('connection', (socket) => socket.join(`customer:${socket.handshake.auth.customer}`));

  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${http.address().port}`,
    async close() {
      await io.close();
      await pool.end();
    },
  };
}
