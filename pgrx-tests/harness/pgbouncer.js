// A private PgBouncer in front of a cluster.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { emptyFolder, freePort, SERVER_USER } from './postgres.js';
import { onExit } from './processes.js';
import { until, within } from './wait.js';

// Debian keeps it where only root's PATH leads.
const PROGRAM = [...process.env.PATH.split(path.delimiter), '/usr/sbin', '/usr/local/sbin']
  .map((folder) => path.join(folder, 'pgbouncer'))
  .find((program) => existsSync(program));
const HOST = '127.0.0.1';

/** PgBouncer for the cluster's databases; in transaction mode with so few server connections that clients share them. */
export async function startPgBouncer(cluster, { users, mode = 'transaction', poolSize = 2, name = 'pgbouncer' }) {
  if (!PROGRAM) throw new Error('PgBouncer is missing: install the package pgbouncer');
  const folder = emptyFolder(name);
  const port = await freePort();
  const ini = path.join(folder, 'pgbouncer.ini');
  const userlist = path.join(folder, 'userlist.txt');
  writeFileSync(userlist, users.map((user) => `"${user}" ""\n`).join(''));
  writeFileSync(ini, `
[databases]
* = host=${cluster.host} port=${cluster.port}

[pgbouncer]
listen_addr = ${HOST}
listen_port = ${port}
unix_socket_dir =
pool_mode = ${mode}
default_pool_size = ${poolSize}
max_client_conn = 500
auth_type = trust
auth_file = ${userlist}
`);
  const bouncer = spawn(PROGRAM, [ini], { ...SERVER_USER, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  bouncer.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const forget = onExit(() => bouncer.kill('SIGKILL'));
  const connect = async ({ user, database = 'postgres' }) => {
    const client = new pg.Client({ host: HOST, port, user, database, ssl: false });
    await client.connect();
    return client;
  };
  await until('PgBouncer answers', async () => {
    if (bouncer.exitCode !== null) throw new Error(`PgBouncer ended instead of starting: ${log}`);
    const client = await connect({ user: users[0] }).catch(() => undefined);
    await client?.end();
    return client;
  });
  return {
    connect,
    async close() {
      const gone = once(bouncer, 'exit');
      bouncer.kill('SIGINT'); // it waits for its clients, of which there should be none left
      await within('PgBouncer ended', gone);
      forget();
    },
  };
}
