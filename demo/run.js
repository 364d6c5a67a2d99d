// From a row that is inserted in psql to a Socket.IO client: `make demo`. Serves until Ctrl-C; with ONCE=1 until the
// event has arrived.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { io } from 'socket.io-client';
import { startPostgres } from '../harness/postgres.js';
import { until, within } from '../harness/wait.js';
import { startServer } from './server.js';

const CUSTOMER = 1;
const INSERT = `INSERT INTO orders (customer_id, item) VALUES (${CUSTOMER}, 'a book');`;

const started = Number(process.env.STARTED ?? Date.now() / 1000);
const running = []; // what has to be closed, in the order it was started

try {
  await main();
} finally {
  for (const each of running.reverse()) await each.close();
}

async function main() {
  step('starting a private Postgres');
  const postgres = await startPostgres({ name: 'demo' });
  running.push({ close: () => postgres.stop() });

  step('creating the extension, a table and its trigger (demo/schema.sql)');
  await psql(postgres, await readFile(new URL('schema.sql', import.meta.url), 'utf8'));

  step('starting a Socket.IO server with @socket.io/postgres-adapter');
  const server = await startServer(postgres.url());
  running.push(server);
  await untilListening(postgres);

  step(`connecting a client to ${server.url} as customer ${CUSTOMER}`);
  const client = io(server.url, { auth: { customer: CUSTOMER } });
  running.push(client);
  await within('the client is connected', once(client, 'connect'));
  client.onAny((event, ...args) => {
    console.log(`        client received  ${event}  ${args.map((arg) => JSON.stringify(arg)).join('  ')}`);
  });

  step(`inserting a row in psql\n\n        ${INSERT}\n`);
  await Promise.all([
    within('the client received the event', once(client, 'order')),
    psql(postgres, INSERT),
  ]);
  console.log();

  if (process.env.ONCE === '1') {
    step('the event has arrived, stopping');
    return;
  }
  step('serving until Ctrl-C. In another terminal:');
  console.log(`\n        psql ${postgres.url()}\n        ${INSERT}\n`);
  await Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)));
  console.log();
  step('stopping');
}

function step(text) {
  console.log(`[${String(Math.round(Date.now() / 1000 - started)).padStart(3)} s] ${text}`);
}

async function psql(postgres, sql) {
  const { code, stderr } = await postgres.psql(sql);
  if (code !== 0) throw new Error(`psql failed:\n${stderr}`);
}

// Events that are sent before the adapter's LISTEN are lost, as to any server that isn't there yet.
async function untilListening(postgres) {
  const client = await postgres.connect();
  await until('the Socket.IO server listens to Postgres', async () => {
    const { rowCount } = await client.query(
      `SELECT FROM pg_stat_activity WHERE query = 'LISTEN "socket.io#/"' AND state = 'idle'`,
    );
    return rowCount > 0;
  });
  await client.end();
}
