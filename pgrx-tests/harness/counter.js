// A listener that only counts: a connection that LISTENs and reads the bytes of Postgres's protocol, so that it takes as
// little as can be of the processors that it shares with what is measured. With pg-protocol's parser the same
// 400,000 notifications took it four times the processor time, 0.5 s instead of 0.13: on two cores that shows in the rates.
import { once } from 'node:events';
import { connect } from 'node:net';
import { within } from './wait.js';

const NOTIFICATION = 'A'.charCodeAt(0);
const READY = 'Z'.charCodeAt(0);
const ERROR = 'E'.charCodeAt(0);

/** Counts notifications. With `onText`, it is called with each one's text. */
export async function countNotifications(cluster, { channel = 'socket.io#/', onText } = {}) {
  const socket = connect(cluster.port, cluster.host);
  await once(socket, 'connect');
  const counter = new Counter(socket, onText);
  socket.write(message('', [int32(196_608), 'user\0postgres\0database\0postgres\0\0']));
  await counter.ready();
  socket.write(message('Q', [`LISTEN "${channel}"\0`]));
  await counter.ready();
  return counter;
}

class Counter {
  count = 0;
  /** Whether the server may end the connection: a test shuts it down. */
  mayEnd = false;
  #rest = Buffer.alloc(0);
  #isReady = () => {};
  #wanted = Infinity;
  #reached = () => {};

  constructor(socket, onText) {
    this.socket = socket;
    socket.on('data', (data) => this.#read(data, onText));
  }

  ready() {
    return within('Postgres is ready', new Promise((resolve) => { this.#isReady = resolve; }));
  }

  /** Resolves when `count` has come so far. */
  async until(count, timeout = 120_000) {
    if (this.count >= count) return;
    this.#wanted = count;
    await within(`${count} notifications arrived`, new Promise((resolve) => { this.#reached = resolve; }), timeout)
      .catch((error) => { throw new Error(`${error.message}: there are ${this.count}`); });
  }

  close() {
    this.socket.destroy();
  }

  // Messages are a type, a length that counts itself, and what that length says
  // (https://www.postgresql.org/docs/current/protocol-message-formats.html).
  #read(data, onText) {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data;
    let at = 0;
    while (bytes.length - at >= 5) {
      const end = at + 1 + bytes.readInt32BE(at + 1);
      if (end > bytes.length) break;
      const type = bytes[at];
      if (type === NOTIFICATION) {
        this.count += 1;
        if (onText) onText(bytes.toString('utf8', bytes.indexOf(0, at + 9) + 1, end - 1));
      } else if (type === READY) {
        this.#isReady();
      } else if (type === ERROR && !this.mayEnd) {
        throw new Error(bytes.toString('utf8', at + 5, end));
      }
      at = end;
    }
    this.#rest = bytes.subarray(at);
    if (this.count >= this.#wanted) {
      this.#wanted = Infinity;
      this.#reached();
    }
  }
}

function message(type, parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
