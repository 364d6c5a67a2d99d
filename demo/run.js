// From a row that is inserted in psql to a Socket.IO client, and to a page: `make demo`. Serves until Ctrl-C; with
// ONCE=1 until the event has arrived. On PORT, if it is given; else on 3000, or on a free port if that is taken.
import { once } from 'node:events';
import { io } from 'socket.io-client';
import { startPostgres } from '../harness/postgres.js';
import { within } from '../harness/wait.js';
import { startServer } from './server.js';
import { createOrders, psql, sqlOf, untilListening } from './start.js';

const CUSTOMER = 1;
const INSERT = `INSERT INTO orders (customer_id, item) VALUES (${CUSTOMER}, 'a book');`;
const PORT = 3000;

/** What the user has to mend, without a stack. */
class Refusal extends Error {}

const started = Number(process.env.STARTED ?? Date.now() / 1000);
const running = []; // what has to be closed, in the order it was started

try {
  await main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
} finally {
  for (const each of running.reverse()) await each.close();
}

async function main() {
  const port = portFrom(process.env.PORT);

  step('starting a private Postgres');
  const postgres = await startPostgres({ name: 'demo' });
  running.push({ close: () => postgres.stop() });

  step('creating the extension and a table, and making it live (demo/schema.sql)');
  await createOrders(postgres);

  step('starting a Socket.IO server with @socket.io/postgres-adapter');
  const server = await startServer(postgres.url(), { port: port ?? PORT, insist: port !== undefined }).catch((error) => {
    if (error.syscall !== 'listen') throw error;
    const reason = error.code === 'EADDRINUSE' ? 'it is taken' : error.message;
    throw new Refusal(`can't serve on port ${error.port}: ${reason}. Give another one as PORT=…, or none`);
  });
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
    within('the client received the event', once(client, 'order:insert')),
    psql(postgres, INSERT),
  ]);
  console.log();

  if (process.env.ONCE === '1') {
    step('the event has arrived, stopping');
    return;
  }
  step(`serving until Ctrl-C. Open  ${server.url}  and, in another terminal in this folder, try:`);
  console.log(`\npsql ${postgres.url()}\n\n${await sqlOf('try.sql')}`);
  await Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)));
  console.log();
  step('stopping');
}

function portFrom(text) {
  if (!text) return undefined;
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) {
    throw new Refusal(`PORT=${text} is no port: give a number from 1 to 65535`);
  }
  return Number(text);
}

function step(text) {
  console.log(`[${String(Math.round(Date.now() / 1000 - started)).padStart(3)} s] ${text}`);
}
