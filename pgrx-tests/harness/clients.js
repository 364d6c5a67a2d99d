// Real Socket.IO clients that remember what they got.
import { randomUUID } from 'node:crypto';
import { Manager } from 'socket.io-client';
import { within } from './wait.js';

const MARK = 'harness:mark';

/**
 * A client connected to the server's namespace; the server puts it into `rooms`, or does with `auth` what it does. With
 * `over`, another client, it shares the connection of that one.
 */
export async function connectClient(server, { nsp = '/', rooms = [], auth = { rooms }, over } = {}) {
  const manager = over?.socket.io ?? new Manager(server.url, { transports: ['websocket'], reconnection: false });
  const client = new Client(manager.socket(nsp, { auth }));
  await client.connected();
  return client;
}

/**
 * What each of the clients received since the last call, as a list per client of [event, ...arguments]. It sends
 * one marker by NOTIFY and one by the table through `sender`, a pg client that may execute the functions, and
 * waits for both: nothing that was sent before is under way any more. (The servers of the harness handle attachments
 * one after the other.)
 */
export async function received(sender, clients, { nsp = '/', schema = 'public' } = {}) {
  const mark = randomUUID();
  await sender.query(
    `SELECT ${schema}.sio_emit($1, '{}', '${MARK}', to_jsonb($2::text)),
            ${schema}.sio_emit_binary($1, '{}', '${MARK}', convert_to($2, 'UTF8'))`,
    [nsp, mark],
  );
  return Promise.all(clients.map((client) => client.takeUntil(mark)));
}

class Client {
  #events = [];
  #arrived = () => {};

  constructor(socket) {
    this.socket = socket;
    this.socket.onAny((...event) => {
      this.#events.push(event);
      this.#arrived();
    });
    this.gone = new Promise((resolve) => this.socket.once('disconnect', resolve));
  }

  get id() {
    return this.socket.id;
  }

  async connected() {
    const connecting = new Promise((resolve, reject) => {
      this.socket.once('connect', resolve);
      this.socket.once('connect_error', reject);
    });
    await within(`a client is connected to ${this.socket.io.uri}`, connecting);
  }

  /** The next `count` events, in order. For tests where the number is what's awaited. */
  async take(count) {
    await this.#until(`a client got ${count} events`, () => this.#events.length >= count);
    return this.#events.splice(0, count);
  }

  /** All events up to both forms of the marker, without markers. */
  async takeUntil(mark) {
    const carries = (form) => ([event, value]) => event === MARK && form(value) === mark;
    const text = carries((value) => value);
    const binary = carries((value) => (Buffer.isBuffer(value) ? value.toString() : undefined));
    await this.#until('the markers arrived', () => this.#events.some(text) && this.#events.some(binary));
    return this.#events.splice(0).filter(([event]) => event !== MARK);
  }

  async close() {
    this.socket.disconnect();
  }

  async #until(what, condition) {
    if (condition()) return;
    const arrival = new Promise((resolve) => {
      this.#arrived = () => condition() && resolve();
    });
    await within(() => `${what}; it has ${JSON.stringify(this.#events).slice(0, 500)}`, arrival);
  }
}
