// The official emitter, as the control beside ours.
import { Emitter } from '@socket.io/postgres-emitter';

/**
 * An Emitter on a pg client, and `settled()`, which resolves when all that it was asked to send is committed: its own
 * methods return before.
 */
export function officialEmitter(client) {
  const pending = [];
  const emitter = new Emitter({
    query: (...args) => {
      const result = client.query(...args);
      pending.push(result);
      return result;
    },
  });
  const settled = async () => {
    // An attachment is inserted first and announced by a second query, which starts when the first is done.
    while (pending.length > 0) {
      await Promise.all(pending.splice(0));
      await new Promise(setImmediate);
    }
  };
  return { emitter, settled };
}
