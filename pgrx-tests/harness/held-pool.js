// A pool whose queries a test can hold: something else happens between the query and what the program makes of its answer.

/** As the program sees it, `pool`. `after` is called with the text of each query that was answered, before the program gets the answer. */
export class HeldPool {
  after = async () => {};

  constructor(pool) {
    this.pool = pool;
  }

  query = (...args) => this.#held(this.pool, args);

  connect = async () => {
    const session = await this.pool.connect();
    return { query: (...args) => this.#held(session, args), release: () => session.release() };
  };

  async #held(on, args) {
    const result = await on.query(...args);
    await this.after(args[0]);
    return result;
  }
}
