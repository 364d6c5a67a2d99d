// The example in demo/ on a server of ours: for `make demo` and for the tests.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fromRoot } from './setup.js';
import { until } from './wait.js';

/** The example's folder, where psql runs its files: they name photos from there. */
export const DEMO = fromRoot('demo');

/** Creates the extension and the table, with what is ordered already. */
export async function createOrders(postgres) {
  for (const file of ['schema.sql', 'show-sql.sql', 'orders.sql']) await psql(postgres, await sqlOf(file));
}

/** The text of an SQL file of the demo. */
export async function sqlOf(file) {
  return readFile(path.join(DEMO, file), 'utf8');
}

export async function psql(postgres, sql) {
  const { code, stderr } = await postgres.psql(sql, { cwd: DEMO });
  if (code !== 0) throw new Error(`psql failed:\n${stderr}`);
}

/**
 * Events that are sent before the adapter's LISTEN are lost, as to any server that isn't there yet. And a server that
 * is closed before it never gives its connection back to the pool (adapter 0.5.0), which then waits for it for ever.
 */
export async function untilListening(postgres, { servers = 1 } = {}) {
  const client = await postgres.connect();
  await until('the Socket.IO server listens to Postgres', async () => {
    const { rowCount } = await client.query(
      `SELECT FROM pg_stat_activity WHERE query = 'LISTEN "socket.io#/"' AND state = 'idle'`,
    );
    return rowCount >= servers;
  });
  await client.end();
}
