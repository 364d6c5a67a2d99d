// Starts and stops node-cluster-process.js.
import { randomUUID } from 'node:crypto';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SERVERS_ROLE } from './roles.js';
import { firstValue, until, within } from './wait.js';

const SCRIPT = fileURLToPath(new URL('node-cluster-process.js', import.meta.url));
const READY = 'harness:ready';

/** A running Node cluster whose workers hear what is sent to each namespace. `events`: server-side ones to report. */
export async function startNodeCluster(cluster, options) {
  const nodes = new NodeCluster(cluster, options);
  await nodes.start(cluster);
  return nodes;
}

class NodeCluster {
  /** One per worker: { url }, as connectClient wants it. */
  workers = [];
  /** What the workers heard, per worker's pid: lists of [namespace, event, ...arguments]. */
  heard = new Map();
  errors = [];

  constructor(cluster, { workers = 3, namespaces = ['/'], events = [], user = SERVERS_ROLE, database = 'postgres' } = {}) {
    this.namespaces = namespaces;
    this.count = workers;
    const connection = { host: cluster.host, port: cluster.port, user, database, ssl: false, max: 2 };
    const settings = { connection, workers, namespaces, events: [READY, ...events] };
    this.process = fork(SCRIPT, { env: { ...process.env, NODE_CLUSTER: JSON.stringify(settings) }, silent: true });
    this.process.stderr.pipe(process.stderr);
    createInterface({ input: this.process.stdout }).on('line', (line) => this.#hear(JSON.parse(line)));
  }

  async start(cluster) {
    await until(`${this.count} workers listen`, () => this.workers.length === this.count);
    const client = await cluster.connect();
    for (const nsp of this.namespaces) {
      await until(`all workers hear ${nsp}`, async () => {
        const probe = randomUUID();
        // `source` is what the workers' adapter wants to see: see e2e/emit/node-cluster.test.js.
        const message = { uid: 'emitter', source: '_sio_adapter', type: 9, nsp, data: { packet: [READY, probe] } };
        await client.query('SELECT pg_notify($1, $2)', [`socket.io#${nsp}`, JSON.stringify(message)]);
        const reached = () => [...this.heard.values()].filter((heard) => heard.some((event) => event[2] === probe));
        return firstValue(() => reached().length === this.count, 300);
      });
    }
    await client.end();
    for (const pid of this.heard.keys()) this.heard.set(pid, []);
  }

  async close() {
    const gone = once(this.process, 'exit');
    this.process.disconnect();
    await within('the Node cluster ended', gone);
  }

  #hear({ pid, port, heard, error }) {
    if (port) this.workers.push({ pid, url: `http://127.0.0.1:${port}` });
    if (heard) this.heard.set(pid, [...(this.heard.get(pid) ?? []), heard]);
    if (error) this.errors.push(error);
  }
}
