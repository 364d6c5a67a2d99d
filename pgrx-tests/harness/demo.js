// The example in demo/ on a server of ours: for `make demo` and for the tests.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fromRoot } from './setup.js';
import { until } from './wait.js';

/** The example's folder, where psql runs its files: they name photos from there. */
export const DEMO = fromRoot('demo');

/** Of its Postgres. Queued delivery needs the library preloaded; the clients are there before anything is queued, and need no delay. */
export const POSTGRES_CONF = { shared_preload_libraries: 'socketio_emitter', 'socketio_emitter.restart_delay': 0 };

/**
 * From now on commits wait for a flush, as on a machine that must not lose any: here one of 2 ms, whatever the disk. Without it the
 * demo's load would show no difference between NOTIFY and the queue. From the start on, it would make all that is created here slow.
 */
export async function makeCommitsFlush(postgres) {
  for (const [name, value] of Object.entries({ fsync: 'on', commit_delay: 2000, commit_siblings: 0 })) {
    await psql(postgres, `ALTER SYSTEM SET ${name} = ${value}`);
  }
  await psql(postgres, 'SELECT pg_reload_conf()');
}

/** Creates the extension and the table, with what is ordered already. */
export async function createOrders(postgres) {
  for (const file of ['schema.sql', 'show/show.sql', 'orders.sql']) await psql(postgres, await sqlOf(file));
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
