// What a statement that sends many attachments holds until it ends: little beyond Postgres's own list of notifications.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { statementTriggers, rowTrigger } from '../../harness/live.js';
import { peakGrowth } from '../../harness/memory.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

const FEW = 40_000;
const MANY = 140_000;
/** Bytes for each message, beside its notification: where its row lies, in vectors that double. */
const PER_MESSAGE = 200;

describe('a statement that sends 100,000 attachments more takes little more memory', () => {
  let postgres, admin, notification;

  before(async () => {
    postgres = await startPostgres({ name: 'statement-memory', conf: { autovacuum: 'off', jit: 'off' } });
    admin = await prepareDatabase(postgres);
    await admin.query(`CREATE SCHEMA shop AUTHORIZATION ${EMITTER_ROLE}; ALTER ROLE ${EMITTER_ROLE} SET search_path = shop, public;
                       ALTER ROLE ${EMITTER_ROLE} SET socketio_emitter.payload_threshold = 1`);
    // Nobody listens, so that nothing travels. Its text has the length of those that name an attachment.
    const text = `rpad('{"uid":"emitter","type":3,"attachmentId":"' || i, 51, 'x')`;
    notification = await slope((count) => [[], `SELECT count(pg_notify('socket.io#/', ${text})) FROM generate_series(1, ${count}) i`]);
  });

  after(async () => postgres?.stop());
  afterEach(() => admin.query('DROP TABLE IF EXISTS shop.items; TRUNCATE socket_io_attachments, _sio.queue'));
  beforeEach(() => admin.query(`CREATE TABLE shop.items (id int, note text); ALTER TABLE shop.items OWNER TO ${EMITTER_ROLE}`));

  /** Bytes for each of the messages by which the two numbers differ. `work`: number → statements before, and the one. */
  async function slope(work) {
    const peaks = [];
    for (const count of [FEW, MANY]) {
      const session = await postgres.connect({ user: EMITTER_ROLE });
      const [before, statement] = work(count);
      for (const each of before) await session.query(each);
      await session.query(`BEGIN; SAVEPOINT a; SELECT sio_emit('/', '{}', 'warm'); SELECT sio_deliver(0); ROLLBACK TO a`);
      peaks.push(await peakGrowth(session, () => session.query(statement)));
      await session.query('ROLLBACK');
      await session.end();
    }
    return (peaks[1] - peaks[0]) / (MANY - FEW);
  }

  async function holds(t, work) {
    const each = await slope(work);
    t.diagnostic(`${each} bytes for each message, a notification ${notification}`);
    assert.ok(each <= notification + PER_MESSAGE, `${each} bytes for each message, a notification ${notification}`);
  }

  it('by sio_emit_binary', (t) => holds(t, (count) => [[], `SELECT count(sio_emit_binary('/', '{}', 'e', '\\x41')) FROM generate_series(1, ${count}) i`]));

  it('by sio_deliver', (t) => holds(t, (count) => [
    ['TRUNCATE items', `SET socketio_emitter.delivery = 'queue'`,
      `SELECT count(sio_emit_binary('/', '{}', 'e', '\\x41')) FROM generate_series(1, ${count}) i`],
    `SELECT sio_deliver(${count})`,
  ]));

  // Rooms of 2,000 bytes: the 64 MB that a statement may remember of them are full with fewer than FEW.
  const args = ['room=$note:$id', 'columns=id'];
  for (const [level, trigger] of [
    ['row', rowTrigger('items', 'INSERT', args)],
    ['statement', statementTriggers('items', 'INSERT', [...args, 'batch=1'])],
  ]) {
    it(`by a trigger for each ${level}`, (t) => holds(t, (count) => [
      ['DROP TABLE IF EXISTS items', 'CREATE TABLE items (id int, note text)', trigger],
      `INSERT INTO items SELECT i, repeat('x', 2000) FROM generate_series(1, ${count}) i`,
    ]));
  }
});
