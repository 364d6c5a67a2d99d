// A socket without a network, and a server that answers when the test says so.
import { EventEmitter } from 'node:events';

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
