// Two Socket.IO servers (app.js), each a process of its own. One that is stopped, or ends by itself, comes back.
import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('server-process.js', import.meta.url));
const NAMES = ['A', 'B'];
const AGAIN = 1_000; // milliseconds until one comes back that ended by itself

/** Emits `change` when a server has another state. */
export class Servers extends EventEmitter {
  #servers;
  #isClosed = false;
  /** Milliseconds until one comes back that was stopped. */
  back = 6_000;

  constructor(connectionString) {
    super();
    this.#servers = new Map(NAMES.map((name) => [name, { name, state: 'stopped', connectionString, clients: new Set() }]));
    process.once('exit', this.#killAll);
  }

  /** Resolves when both listen. */
  async start() {
    await Promise.all(NAMES.map((name) => this.startOne(name)));
  }

  /** For the page: the servers with their states (`starting`, `running`, `stopped`), and which clients are connected to each. */
  get states() {
    return [...this.#servers.values()].map(({ name, state, backAt, clients }) => ({
      name, state, clients: [...clients], backIn: backAt === undefined ? null : Math.max(0, backAt - Date.now()),
    }));
  }

  /** Those that run: { name, url, clients }[]. */
  get running() {
    return [...this.#servers.values()].filter(({ state }) => state === 'running');
  }

  get(name) {
    return this.#servers.get(name);
  }

  /** At once and without a goodbye, as when its machine fails. */
  stopOne(name) {
    const server = this.#servers.get(name);
    if (!server?.process) return;
    server.isStopped = true;
    server.process.kill('SIGKILL');
  }

  /** Resolves when it listens. Does nothing if it runs. */
  async startOne(name) {
    const server = this.#servers.get(name);
    if (!server || server.process || this.#isClosed) return;
    clearTimeout(server.timer);
    const child = fork(PROGRAM, [server.connectionString], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    Object.assign(server, { process: child, isStopped: false, backAt: undefined });
    this.#become(server, 'starting');
    child.once('exit', () => this.#ended(server));
    const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (!message?.url) return;
    server.url = message.url;
    this.#become(server, 'running');
  }

  async close() {
    this.#isClosed = true;
    process.off('exit', this.#killAll);
    await Promise.all([...this.#servers.values()].map(async (server) => {
      clearTimeout(server.timer);
      if (!server.process) return;
      const ended = once(server.process, 'exit');
      server.process.kill('SIGKILL');
      await ended;
    }));
  }

  /** Tells that the clients of a server are others. */
  changed() {
    this.emit('change');
  }

  #killAll = () => {
    for (const { process: child } of this.#servers.values()) child?.kill('SIGKILL');
  };

  #become(server, state) {
    server.state = state;
    this.emit('change');
  }

  #ended(server) {
    server.process = undefined;
    server.clients.clear();
    if (this.#isClosed) return;
    const pause = server.isStopped ? this.back : AGAIN;
    server.backAt = Date.now() + pause;
    server.timer = setTimeout(() => this.startOne(server.name), pause);
    this.#become(server, 'stopped');
  }
}
