// A socket without a network, and a server that answers when the test says so.
import { EventEmitter } from 'node:events';
import { follow } from '../follow.js';

export class FakeSocket extends EventEmitter {
  connected = false;

  connect() {
    this.connected = true;
    this.emit('connect');
  }

  disconnect() {
    this.connected = false;
    this.emit('disconnect', 'transport close');
  }
}

/** `fetch` for follow(); each call waits in `calls` for its `answer` or `fail`. */
export function fetcher() {
  const calls = [];
  const fetch = () => new Promise((resolve, reject) => calls.push({ answer: resolve, fail: reject }));
  return { calls, fetch };
}

/** Lets what promises have started come to its end. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The second argument of an event. */
export const meta = (xid, seq) => ({ xid: String(xid), seq: String(seq) });

/** A clock of ours in place of setTimeout: `tick` lets milliseconds go by. */
export class FakeClock {
  #now = 0;
  #timers = new Map();
  #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

  constructor() {
    globalThis.setTimeout = (work, milliseconds) => {
      const timer = Symbol('timer');
      this.#timers.set(timer, { at: this.#now + milliseconds, work });
      return timer;
    };
    globalThis.clearTimeout = (timer) => this.#timers.delete(timer);
  }

  tick(milliseconds) {
    this.#now += milliseconds;
    for (const [timer, { at, work }] of this.#timers) {
      if (at > this.#now) continue;
      this.#timers.delete(timer);
      work();
    }
  }

  restore() {
    Object.assign(globalThis, this.#real);
  }
}

// Transactions below 100 are contained in it, and 101; 100 and those from 102 on are not.
export const SNAPSHOT = '100:102:100';

// The list of the test that runs: its socket, the fetches that wait, and what it has told.
export let socket, calls, list, changes, errors;

export function start(options = {}) {
  socket = new FakeSocket();
  const server = fetcher();
  calls = server.calls;
  [changes, errors] = [[], []];
  list = follow(socket, { events: 'order', fetch: server.fetch, ...options })
    .on('change', (change) => changes.push(change))
    .on('error', (error) => errors.push(error));
}

/** Answers the fetch that waits, and forgets what the list has told. */
export async function answer(rows, snapshot = SNAPSHOT) {
  calls.shift().answer({ snapshot, rows });
  await settled();
  changes.splice(0);
}

/** A list that is live, with these rows. */
export async function startWith(rows, options) {
  start(options);
  socket.connect();
  await answer(rows);
}
