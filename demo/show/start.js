// The demo around the servers: its page, what the page's buttons do, and two Socket.IO servers behind one address.
import { createServer } from 'node:http';
import pg from 'pg';
import { listen } from '../listen.js';
import { Control } from './control.js';
import { Delivery } from './delivery.js';
import { Front } from './front.js';
import { Load } from './load.js';
import { Servers } from './servers.js';
import { Visitor } from './visitor.js';

/** Starts it where `listen` says: → { url, servers, load, close() }. */
export async function startShow(connectionString, where) {
  const http = createServer();
  const url = await listen(http, where);

  const pool = new pg.Pool({ connectionString, application_name: 'demo show' });
  pool.on('error', (error) => {
    if (!pool.ending) console.error(`the show's connection to Postgres: ${error.message}`);
  });
  const servers = new Servers(connectionString);
  const delivery = new Delivery(pool);
  const visitor = new Visitor(connectionString, pool, delivery);
  const load = new Load(connectionString, pool, delivery);
  const control = new Control({ pool, servers, delivery, visitor, load });
  const front = new Front(http, servers, control);
  const close = async () => {
    control.close();
    front.close();
    await Promise.all([load.stop(), servers.close()]);
    await pool.end();
  };

  try {
    await Promise.all([delivery.look(), visitor.prepare(), servers.start()]);
  } catch (error) {
    await close();
    throw error;
  }
  return { url, servers, load, close };
}
