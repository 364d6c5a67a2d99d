// Whether emitting works at all, for tests about something else.
import assert from 'node:assert/strict';
import { listen } from './listener.js';
import { EMITTER_ROLE } from './roles.js';

/** Emits as an ordinary role, by NOTIFY and through the table, and asserts that both arrive whole. */
export async function assertEmits(cluster, { database, schema = 'public' }) {
  const listener = await listen(cluster, { database });
  const app = await cluster.connect({ database, user: EMITTER_ROLE });
  await app.query(`SELECT ${schema}.sio_emit('/', '{}', 'text')`);
  await app.query(`SELECT ${schema}.sio_emit_binary('/', '{}', 'binary', '\\x41')`);
  const events = (await listener.fullMessages(`${schema}.socket_io_attachments`)).map(({ data }) => data.packet.data);
  assert.deepEqual(events, [['text'], ['binary', Buffer.from('A')]]);
  await app.end();
  await listener.close();
}
