// A Socket.IO server as anyone would write it. Events come from Postgres by way of the official adapter; of the extension, the
// server knows the two functions by which it answers what is there already.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdapter } from '@socket.io/postgres-adapter';
import pg from 'pg';
import { Server } from 'socket.io';
import { listen } from './listen.js';

// The rows as events bring them, and what tells which events they contain: see page/follow.js.
const LIST = `
  SELECT sio_snapshot() AS snapshot, coalesce(jsonb_agg(sio_row(o) ORDER BY o.id), '[]') AS rows
    FROM orders o WHERE o.customer_id = $1`;

const PHOTO = 'SELECT photo FROM orders WHERE customer_id = $1 AND id = $2';

/** Starts it where `listen` says: → { url, close() }. */
export async function startServer(connectionString, where) {
  // First: a refused port then leaves no connections behind.
  const http = createServer();
  const url = await listen(http, where);

  const pool = new pg.Pool({ connectionString });
  pool.on('error', (error) => {
    if (!pool.ending) console.error(`the server's connection to Postgres: ${error.message}`);
  });

  http.on('request', (request, response) => {
    answer(pool, request, response).catch((error) => {
      console.error(`${request.method} ${request.url}: ${error.message}`);
      response.writeHead(500).end();
    });
  });
  const io = new Server(http, { adapter: createAdapter(pool) });
  const hearing = untilHearing(io, pool);

  io.on('connection', (socket) => {
    // A client says which customer it is. A real server would have it prove that, here and for the requests below.
    const { customer } = socket.handshake.auth;
    if (!Number.isInteger(customer)) return; // a client can send anything, and must not end the server
    // First into the room, then the query: what comes later than this list reaches the client as an event.
    socket.join(`customer:${customer}`);
    socket.on('orders:list', async (answer) => {
      if (typeof answer !== 'function') return; // a client can send anything, and must not end the server
      try {
        await hearing;
        const { rows: [list] } = await pool.query(LIST, [customer]);
        answer(list);
      } catch (error) {
        console.error(`orders:list: ${error.message}`);
        answer({ error: 'there is no list now' }); // the client asks again
      }
    });
  });

  return {
    url,
    async close() {
      await io.close();
      await pool.end();
    },
  };
}

// Until the adapter listens, events pass this server by. So it sends one to itself, by way of Postgres, until that arrives.
async function untilHearing(io, pool) {
  let heard = false;
  io.once('hearing', () => {
    heard = true;
  });
  while (!heard && !pool.ending) {
    try {
      await pool.query(`SELECT sio_server_side_emit('/', 'hearing')`);
      await sleep(50);
    } catch (error) {
      console.error(`hearing: ${error.message}`);
      await sleep(1_000);
    }
  }
}

async function answer(pool, { url }, response) {
  const [, ...customerAndOrder] = url.match(/^\/customers\/(\d{1,18})\/orders\/(\d{1,18})\/photo$/) ?? [];
  const { rows } = customerAndOrder.length > 0 ? await pool.query(PHOTO, customerAndOrder) : { rows: [] };
  if (!rows[0]?.photo) return response.writeHead(404).end();
  const headers = { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' };
  response.writeHead(200, headers).end(rows[0].photo);
}
