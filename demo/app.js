// A Socket.IO server as anyone would write it, with a page. Events come from Postgres by way of the official adapter; of the
// extension, the server knows the two functions by which it answers what is there already.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdapter } from '@socket.io/postgres-adapter';
import pg from 'pg';
import { Server } from 'socket.io';

const FILES = new Map([
  ['/', ['page/index.html', 'text/html; charset=utf-8']],
  ['/page.css', ['page/page.css', 'text/css; charset=utf-8']],
  ['/page.js', ['page/page.js', 'text/javascript; charset=utf-8']],
  ['/follow.js', ['page/follow.js', 'text/javascript; charset=utf-8']],
  ['/schema.sql', ['schema.sql', 'text/plain; charset=utf-8']],
]);

// The rows as events bring them, and what tells which events they contain: see page/follow.js.
const LIST = `
  SELECT sio_snapshot() AS snapshot, coalesce(jsonb_agg(sio_row(o) ORDER BY o.id), '[]') AS rows
    FROM orders o WHERE o.customer_id = $1`;

const PORT = 3000;

/** What the user has to mend, without a stack. */
export class Refusal extends Error {}

/** Where PORT, if there is one, wants the server: → { port, insist }. */
export function portFrom(text) {
  if (!text) return { port: PORT, insist: false };
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) {
    throw new Refusal(`PORT=${text} is no port: give a number from 1 to 65535`);
  }
  return { port: Number(text), insist: true };
}

/** Starts it on that port, or on a free one if that is taken and needn't be it, of that address: → { url, close() }. */
export async function startServer(connectionString, { port = 0, insist = false, host = '127.0.0.1' } = {}) {
  // First: a refused port then leaves no connections behind.
  const http = createServer();
  await listen(http, port, host, insist);

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
    const { customer, sql } = socket.handshake.auth;
    // First into the room, then the query: what comes later than this list reaches the client as an event.
    socket.join(`customer:${customer}`);
    if (sql) socket.join('sql');
    socket.on('orders:list', async (answer) => {
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
    url: `http://${host}:${http.address().port}`,
    async close() {
      await io.close();
      await pool.end();
    },
  };
}

async function listen(http, port, host, insist) {
  try {
    http.listen(port, host);
    await once(http, 'listening');
  } catch (error) {
    const taken = error.code === 'EADDRINUSE';
    if (insist || !taken) {
      throw new Refusal(`can't serve on port ${port}: ${taken ? 'it is taken' : error.message}. Give another one as PORT=…, or none`);
    }
    await listen(http, 0, host, insist);
  }
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
  const send = (type, body) => response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);
  const file = FILES.get(url);
  if (file) {
    const [name, type] = file;
    return send(type, await readFile(new URL(name, import.meta.url)));
  }
  const [, customer, order] = url.match(/^\/customers\/(\d{1,18})\/orders\/(\d{1,18})\/photo$/) ?? [];
  if (order) {
    const { rows } = await pool.query('SELECT photo FROM orders WHERE customer_id = $1 AND id = $2', [customer, order]);
    if (rows[0]?.photo) return send('application/octet-stream', rows[0].photo);
  }
  response.writeHead(404).end();
}
