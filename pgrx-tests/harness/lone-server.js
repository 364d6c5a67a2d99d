// Starts and stops server-process.js.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { LATEST } from './adapters.js';
import { SERVERS_ROLE } from './roles.js';
import { firstValue, until, within } from './wait.js';

const SCRIPT = fileURLToPath(new URL('server-process.js', import.meta.url));

/** A server in a process of its own that hears the main namespace: { url, uid, block(ms), kill(), close() }. */
export async function startLoneServer(cluster, { adapter = LATEST, user = SERVERS_ROLE, database = 'postgres', options = {} } = {}) {
  const connection = { host: cluster.host, port: cluster.port, user, database, ssl: false, max: 3 };
  const server = new LoneServer({ connection, adapter, options });
  await server.started(cluster, database);
  return server;
}

class LoneServer {
  #messages = [];

  constructor(settings) {
    this.process = fork(SCRIPT, { env: { ...process.env, LONE_SERVER: JSON.stringify(settings) } });
    this.process.on('message', (message) => this.#messages.push(message));
  }

  async started(cluster, database) {
    const { port, uid } = await until('the server has a port', () => this.#find((message) => message.port));
    this.url = `http://127.0.0.1:${port}`;
    this.uid = uid;
    const client = await cluster.connect({ database });
    await until('the server listens', async () => {
      const probe = randomUUID();
      const message = { uid: 'emitter', type: 9, nsp: '/', data: { packet: ['harness:ready', probe] } };
      await client.query('SELECT pg_notify($1, $2)', ['socket.io#/', JSON.stringify(message)]);
      return firstValue(() => this.#find((each) => each.probe === probe), 200);
    });
    await client.end();
  }

  /** Resolves when its event loop is about to stand for so long. */
  async block(milliseconds) {
    this.#messages.length = 0;
    this.process.send({ block: milliseconds });
    await until('the server blocks', () => this.#find((message) => message.blocks));
  }

  async kill() {
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await within('the server is gone', gone);
  }

  async close() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill();
  }

  #find(matches) {
    return this.#messages.find(matches);
  }
}
