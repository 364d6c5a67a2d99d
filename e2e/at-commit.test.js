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
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  async function inOrder(...statements) {
    for (const statement of statements) await session.query(statement);
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

  it('rows of each table that the transaction has stored in are refreshed', async () => {
    await admin.query(`CREATE SCHEMA second;
      CREATE TABLE second.attachments (payload bytea, id serial PRIMARY KEY, created_at timestamptz DEFAULT now())`);
    await assertRefreshed(() => inOrder('BEGIN', EMIT, `SET LOCAL socketio_emitter.table_name = 'second.attachments'`, EMIT,
      `SET LOCAL socketio_emitter.table_name = ''`, EMIT, GROW_OLD, 'COMMIT'));
    const { rows } = await admin.query(`SELECT max(a.created_at) - min(b.created_at) < interval '1 second' AS together,
        (SELECT count(*)::int FROM socket_io_attachments) AS first FROM socket_io_attachments a, second.attachments b`);
    assert.deepEqual(rows, [{ together: true, first: 2 }]);
    await admin.query('DROP SCHEMA second CASCADE');
  });

  it('rows that were updated, deleted or moved in the meantime, in the transaction itself, do it no harm', async () => {
    for (const meanwhile of [
      'UPDATE socket_io_attachments SET created_at = created_at', 'DELETE FROM socket_io_attachments WHERE id % 2 = 0',
      'TRUNCATE socket_io_attachments', 'CLUSTER socket_io_attachments USING socket_io_attachments_id_key',
      'ALTER TABLE socket_io_attachments ALTER COLUMN id TYPE integer', 'ALTER TABLE socket_io_attachments ALTER COLUMN id TYPE bigint',
      'ALTER TABLE socket_io_attachments SET UNLOGGED', 'ALTER TABLE socket_io_attachments SET LOGGED',
    ]) {
      const many = EMIT.replace('SELECT ', 'SELECT count(').replace(/\)$/, ')) FROM generate_series(1, 1000)');
      await inOrder('BEGIN', many, meanwhile, GROW_OLD, 'COMMIT');
      await listener.texts();
      await admin.query('TRUNCATE socket_io_attachments');
    }
    await assertRefreshed(() => inOrder('BEGIN', EMIT, GROW_OLD, 'COMMIT'));
  });

  for (const [what, ...statements] of [
    ['an UPDATE', 'UPDATE socket_io_attachments SET payload = payload'],
    ['CLUSTER', 'CLUSTER socket_io_attachments USING socket_io_attachments_id_key'],
    ['a new column', 'ALTER TABLE socket_io_attachments ADD more timestamptz DEFAULT clock_timestamp()',
      'ALTER TABLE socket_io_attachments DROP COLUMN more'],
  ]) {
    it(`rows that ${what} of the same transaction has moved are refreshed`, async () => {
      await inOrder(EMIT, EMIT, 'DELETE FROM socket_io_attachments');
      await assertRefreshed(() => inOrder('BEGIN', EMIT, ...statements, GROW_OLD, 'COMMIT'));
    });
  }

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
