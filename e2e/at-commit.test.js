// The moment of the commit, when rows that have become old are made young again: what else may happen in the transaction, and
// that the session is none the worse for it.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { listen } from '../harness/listener.js';
import { startPostgres } from '../harness/postgres.js';
import { prepareDatabase } from '../harness/roles.js';

const EMIT = `SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`;
const GROW_OLD = 'SELECT pg_sleep(1.1)'; // rows older than a second are refreshed

describe('at the commit of a long transaction', () => {
  let postgres, admin, session, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'at-commit', conf: { max_prepared_transactions: 2 } });
    admin = await prepareDatabase(postgres);
    session = await postgres.connect();
    listener = await listen(postgres);
  });

  after(() => postgres?.stop());

  afterEach(async () => {
    await admin.query('DROP TRIGGER IF EXISTS t ON socket_io_attachments; TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  async function inOrder(...statements) {
    for (const statement of statements) await session.query(statement);
  }

  async function trigger(when, body, declare = '') {
    await admin.query(`
      CREATE OR REPLACE FUNCTION trigger_body() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE ${declare} BEGIN ${body}; RETURN NULL; END $$;
      CREATE TRIGGER t ${when} ON socket_io_attachments FOR EACH ROW EXECUTE FUNCTION trigger_body()`);
  }

  async function ages() {
    const { rows } = await admin.query(
      'SELECT extract(epoch FROM clock_timestamp() - created_at)::float AS age FROM socket_io_attachments',
    );
    return rows.map(({ age }) => age);
  }

  /** A row refreshed at the commit is younger than the time that its transaction took after the emit. */
  async function assertRefreshed(work) {
    const start = (await admin.query('SELECT clock_timestamp() AS now')).rows[0].now;
    await work();
    const { rows } = await admin.query(
      `SELECT created_at >= $1::timestamptz + interval '1 second' AS fresh FROM socket_io_attachments`, [start],
    );
    assert.ok(rows.length > 0);
    assert.ok(rows.every(({ fresh }) => fresh), 'each row is younger than the transaction by a second');
  }

  it('a cursor that a trigger of the table leaves open does the session no harm', async () => {
    await trigger('AFTER UPDATE', 'OPEN c FOR SELECT g FROM generate_series(1, 100000) g ORDER BY random(); FETCH c INTO r',
      'c refcursor; r record;');
    await assertRefreshed(() => inOrder('BEGIN', EMIT, GROW_OLD, 'COMMIT'));
    for (let i = 0; i < 3; i++) await session.query('SELECT count(*) FROM pg_class');
    assert.doesNotMatch(await postgres.log(), /leak/);
  });

  it('a trigger that emits is heard, and later rows of the session are refreshed still', async () => {
    await trigger('AFTER UPDATE', `PERFORM public.sio_emit_binary('/', '{}', 'by the trigger', '\\x42')`);
    await inOrder('BEGIN', EMIT, GROW_OLD, 'COMMIT');
    assert.equal((await listener.texts()).length, 2);
    await admin.query('DROP TRIGGER t ON socket_io_attachments; TRUNCATE socket_io_attachments');
    await assertRefreshed(() => inOrder('BEGIN', EMIT, GROW_OLD, 'COMMIT'));
  });

  it('a transaction that has become read-only commits', async () => {
    await assertRefreshed(() => inOrder('BEGIN', EMIT, 'SET TRANSACTION READ ONLY', GROW_OLD, 'COMMIT'));
    assert.equal((await listener.texts()).length, 1);
  });

  it('a transaction that dropped the table commits, and is heard of nobody\'s rows', async () => {
    await admin.query(`CREATE SCHEMA other;
      CREATE TABLE other.attachments (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea)`);
    await inOrder(`SET socketio_emitter.table_name = 'other.attachments'`, 'BEGIN', EMIT, GROW_OLD,
      'DROP TABLE other.attachments', 'COMMIT', 'RESET socketio_emitter.table_name');
    await inOrder(EMIT);
    assert.equal((await ages()).length, 1);
  });

  it('what was rolled back before a PREPARE TRANSACTION bothers no later transaction', async () => {
    await inOrder('BEGIN', 'SAVEPOINT s', EMIT, 'ROLLBACK TO s', `PREPARE TRANSACTION 'p'`, GROW_OLD);
    await inOrder('BEGIN READ ONLY', 'SELECT 1', 'COMMIT', `COMMIT PREPARED 'p'`);
    await assertRefreshed(() => inOrder('BEGIN', EMIT, GROW_OLD, 'COMMIT'));
  });

  it('the cleanup leaves what the transaction itself has sent', async () => {
    await inOrder(EMIT);
    await inOrder('BEGIN', EMIT, `SELECT sio_cleanup('0')`, 'COMMIT');
    const { rows } = await admin.query('SELECT id::text FROM socket_io_attachments');
    const last = JSON.parse((await listener.texts()).at(-1));
    assert.deepEqual(rows, [{ id: last.attachmentId }]);
  });

  it('a namespace of any length is announced', async () => {
    await session.query(`SELECT sio_emit('/' || repeat('x', 20000), '{}', 'e')`);
    assert.equal((await ages()).length, 1);
  });
});
