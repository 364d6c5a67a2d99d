// Sees what travels: a connection that LISTENs, as a Socket.IO server does.
import { randomUUID } from 'node:crypto';
import { decode } from '@msgpack/msgpack';
import { within } from './wait.js';

/** A listener on the channel. LISTEN truncates long names, as for the servers. */
export async function listen(cluster, { channel = 'socket.io#/', database, user } = {}) {
  const client = await cluster.connect({ database, user });
  const listener = new Listener(client);
  await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
  const { rows } = await client.query('SELECT pg_listening_channels() AS name');
  listener.channel = rows[0].name;
  return listener;
}

const MARK = '{"uid":"emitter","mark":';

class Listener {
  #texts = [];
  #arrived = () => {};

  constructor(client) {
    this.client = client;
    client.on('notification', ({ payload }) => {
      this.#texts.push(payload);
      this.#arrived(payload);
    });
  }

  /**
   * The text of every emitter's notification that was committed before the call and not taken yet, in order (those of
   * servers, their heartbeats, are left out). Notifications arrive in the order of commits, so one of our own that
   * comes back proves that there are no more.
   */
  async texts() {
    const mark = `${MARK}"${randomUUID()}"}`; // servers listen too, and pass over it
    await this.client.query('SELECT pg_notify($1, $2)', [this.channel, mark]);
    const arrival = new Promise((resolve) => {
      this.#arrived = (text) => text === mark && resolve();
      // It may be here already, and a worker's behind it.
      if (this.#texts.includes(mark)) resolve();
    });
    await within('a notification of our own arrived', arrival);
    return this.#texts.splice(0, this.#texts.indexOf(mark) + 1).filter((text) => text.includes('"emitter"') && !text.startsWith(MARK));
  }

  /** The same, parsed. */
  async messages() {
    return (await this.texts()).map((text) => JSON.parse(text));
  }

  /** The same with attachments fetched and decoded, as the servers see them. */
  async fullMessages(table = 'socket_io_attachments') {
    const messages = [];
    for (const message of await this.messages()) {
      messages.push(message.attachmentId ? await this.attachment(message, table) : message);
    }
    return messages;
  }

  async attachment({ attachmentId }, table = 'socket_io_attachments') {
    const { rows } = await this.client.query(`SELECT payload FROM ${table} WHERE id = $1`, [attachmentId]);
    if (rows.length === 0) throw new Error(`no attachment ${attachmentId}`);
    return decode(rows[0].payload);
  }

  /** The next `count` texts, in order. Nothing is sent for it: for tests of when something arrives. */
  async take(count) {
    const arrival = new Promise((resolve) => {
      this.#arrived = () => this.#texts.length >= count && resolve();
      this.#arrived();
    });
    await within(`${count} notifications arrived`, arrival).catch((error) => {
      throw new Error(`${error.message}: there are ${this.#texts.length}`);
    });
    return this.#texts.splice(0, count);
  }

  async close() {
    await this.client.end();
  }
}
