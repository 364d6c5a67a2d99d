// What arrives: a listener that takes attachments from the table before they are deleted, as servers do.
import { decode } from '@msgpack/msgpack';
import { elapse } from '../../../harness/wait.js';

export class Arrivals {
  /** 'event n' → how often it arrived. */
  times = new Map();
  /** Ids of attachments that weren't there when their notification came. */
  missing = [];
  /** How many marks have come of the other listener, which sends one when it wants to know what has arrived. */
  marks = 0;
  #waiting = []; // ids of attachments

  hear(text) {
    const message = JSON.parse(text);
    if (message.mark) this.marks++;
    else if (message.attachmentId) this.#waiting.push(message.attachmentId);
    else this.#heard(message);
  }

  #heard({ data }) {
    const [event, arg] = data?.packet?.data ?? [];
    if (event === undefined) return;
    const numberOf = (value) => (ArrayBuffer.isView(value) ? Buffer.from(value).toString() : value?.n ?? value);
    for (const each of Array.isArray(arg) ? arg : [arg]) {
      const key = `${event} ${numberOf(each)}`;
      this.times.set(key, (this.times.get(key) ?? 0) + 1);
    }
  }

  async fetchAttachments(session) {
    while (this.#waiting.length > 0) {
      const ids = this.#waiting.splice(0, 500);
      const { rows } = await session.query('SELECT id, payload FROM socket_io_attachments WHERE id = ANY ($1)', [ids]);
      for (const { payload } of rows) this.#heard(decode(payload));
      const found = new Set(rows.map(({ id }) => id));
      this.missing.push(...ids.filter((id) => !found.has(String(id))));
    }
  }

  async keepFetching(session, going) {
    while (going()) {
      await elapse(100, 'notifications gather');
      await this.fetchAttachments(session);
    }
  }
}
