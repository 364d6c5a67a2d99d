// Which way events go that the page causes: by NOTIFY, or by the queue; and whether that can be had.
const NEEDED = "add socketio_emitter to shared_preload_libraries and restart Postgres";

export class Delivery {
  #pool;
  /** `notify` or `queue`. */
  mode = 'notify';
  /** Why there is no queue, or null. */
  why = null;

  constructor(pool) {
    this.#pool = pool;
  }

  /** Looks whether something delivers what is queued. */
  async look() {
    try {
      const { rows: [{ worker_state: state }] } = await this.#pool.query('SELECT worker_state FROM sio_status');
      this.why = state === 'not preloaded' ? `Queued delivery needs its background worker: ${NEEDED}.` : null;
    } catch (error) {
      this.why = `Whether a worker delivers can't be seen: ${error.message}.`;
    }
    if (this.why) this.mode = 'notify';
    return this.why;
  }

  async choose(mode) {
    if (mode === 'queue' && await this.look()) return;
    this.mode = mode === 'queue' ? 'queue' : 'notify';
  }

  /** How many messages wait for the worker. */
  async queued() {
    const { rows: [{ queued }] } = await this.#pool.query('SELECT queued FROM sio_status');
    return Number(queued);
  }
}
