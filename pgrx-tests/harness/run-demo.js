// From a row that is inserted in psql to a Socket.IO client, and to a page: `make demo`. Serves until Ctrl-C; with
// ONCE=1 until the event has arrived. On PORT, if it is given; else on 3000, or on a free port if that is taken.
import { once } from 'node:events';
import { io } from 'socket.io-client';
import { portFrom, Refusal } from '../../demo/listen.js';
import { startShow } from '../../demo/show/start.js';
import { createOrders, makeCommitsFlush, POSTGRES_CONF, psql, sqlOf, untilListening } from './demo.js';
import { startPostgres } from './postgres.js';
import { within } from './wait.js';

const CUSTOMER = 1;
const INSERT = `INSERT INTO orders (customer_id, item) VALUES (${CUSTOMER}, 'a book');`;

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
  const postgres = await startPostgres({ name: 'demo', conf: POSTGRES_CONF });
  running.push({ close: () => postgres.stop() });

  step('creating the extension and a table, and making it live (demo/schema.sql)');
  await createOrders(postgres);

  step('starting two Socket.IO servers with @socket.io/postgres-adapter, and the page');
  const show = await startShow(postgres.url(), port);
  running.push(show);
  await untilListening(postgres, { servers: 2 });

  step(`connecting a client to ${show.url} as customer ${CUSTOMER}`);
  const client = io(show.url, { auth: { customer: CUSTOMER } });
  running.push(client);
  await within('the client is connected', once(client, 'connect'));
  client.onAny((event, ...args) => {
    if (event.startsWith('show:')) return; // for the page
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
  await makeCommitsFlush(postgres);
  step(`serving until Ctrl-C. Open  ${show.url}  or, in another terminal in the folder demo, try:`);
  console.log(`\npsql ${postgres.url()}\n\n${await sqlOf('try.sql')}`);
  await Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)));
  console.log();
  step('stopping');
}

function step(text) {
  console.log(`[${String(Math.round(Date.now() / 1000 - started)).padStart(3)} s] ${text}`);
}
