// Load for the plot: so many connections that commit one short transaction after the other, each with one event. Bounded in time and
// in number, and one at a time for all pages.
import { EventEmitter } from 'node:events';
import pg from 'pg';

export const CONNECTIONS = 16;
const SAMPLE = 250; // milliseconds

/** Emits `sample` with { mode, rate (commits per second), queued }, and `change` when it starts or ends. */
export class Load extends EventEmitter {
  #connectionString;
  #pool;
  #delivery;
  #run; // what runs now
  /** What a commit waits for, as far as settings tell: { fsync, delay in milliseconds }; nothing before the first load. */
  flush;
  /** How long it runs, in seconds. */
  seconds = 20;
  /** Why the last one ended early, or null. */
  error = null;

  constructor(connectionString, pool, delivery) {
    super();
    this.#connectionString = connectionString;
    this.#pool = pool;
    this.#delivery = delivery;
  }

  get isRunning() {
    return this.#run !== undefined;
  }

  /** Resolves when it has begun. Does nothing if it runs. */
  async start() {
    if (this.#run) return undefined;
    const run = { isOver: false, commits: 0, clients: [] };
    this.#run = run;
    this.error = null;
    this.emit('change');
    try {
      const { rows: [flush] } = await this.#pool.query(
        `SELECT current_setting('fsync')::bool AS fsync, current_setting('commit_delay')::float8 / 1000 AS delay`,
      );
      this.flush = flush;
      await Promise.all(Array.from({ length: CONNECTIONS }, () => this.#connect(run)));
    } catch (error) {
      this.error = error.message;
      return this.#end(run);
    }
    if (run.isOver) return undefined;
    run.timers = [setInterval(() => this.#sample(run), SAMPLE), setTimeout(() => this.#end(run), this.seconds * 1000)];
    run.sampledAt = performance.now();
    run.work = run.clients.map((client, i) => this.#commit(run, client, i + 1).catch((error) => {
      if (run.isOver) return;
      this.error = error.message;
      this.#end(run);
    }));
    return undefined;
  }

  /** Resolves when no connection of it is left. */
  async stop() {
    if (this.#run) await this.#end(this.#run);
  }

  async #connect(run) {
    const client = new pg.Client({ connectionString: this.#connectionString, application_name: 'demo load', connectionTimeoutMillis: 5_000 });
    client.on('error', () => {}); // its query fails, too
    run.clients.push(client);
    await client.connect();
  }

  // Each connection has a row of its own: what they wait for is the commit, and not each other's lock.
  async #commit(run, client, id) {
    let mode;
    while (!run.isOver) {
      if (mode !== this.#delivery.mode) {
        mode = this.#delivery.mode;
        await client.query(`SET socketio_emitter.delivery = ${mode}`);
      }
      await client.query({ name: 'count', text: 'UPDATE show.load SET count = count + 1 WHERE id = $1', values: [id] });
      run.commits += 1;
    }
  }

  async #sample(run) {
    const now = performance.now();
    const { mode } = this.#delivery;
    const rate = Math.round((run.commits * 1000) / (now - run.sampledAt));
    run.sampledAt = now;
    run.commits = 0;
    const queued = await this.#delivery.queued().catch(() => 0);
    if (!run.isOver) this.emit('sample', { mode, rate, queued });
  }

  async #end(run) {
    if (run.isOver) return run.ended;
    run.isOver = true;
    run.timers?.forEach((timer) => clearTimeout(timer));
    run.ended = Promise.allSettled(run.work ?? []).then(() => Promise.allSettled(run.clients.map((client) => client.end())));
    await run.ended;
    this.#run = undefined;
    this.emit('change');
  }
}
