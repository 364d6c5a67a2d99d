// The moment of the commit, when rows that have become old are made young again: what else may happen in the transaction, and
// that the session is none the worse for it.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { prepareDatabase } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

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

  for (const [end, code, closes] of [['pg_cancel_backend', '57014', false], ['pg_terminate_backend', '57P01', true]]) {
    it(`${end} ends a refresh of many rows, and nothing of them is committed or heard of`, async () => {
      /** → [the session, its process, what its commit met] */
      const attempt = async () => {
        const many = await postgres.connect();
        many.on('error', () => {}); // its end is what is asked for
        const { rows: [{ pid }] } = await many.query('SELECT pg_backend_pid() AS pid');
        await many.query(`BEGIN; SELECT count(sio_emit_binary('/', '{}', 'e', '\\x41')) FROM generate_series(1, 60000); ${GROW_OLD}`);
        let outcome;
        const committed = many.query('COMMIT').then(() => { outcome = 'committed'; }, (error) => { outcome = error.code; });
        await until('it is committing, or has', async () => outcome
          || (await admin.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query = 'COMMIT'`, [pid])).rowCount === 1, { every: 0 });
        await admin.query(`SELECT ${end}($1)`, [pid]);
        await committed;
        return [many, pid, outcome];
      };
      let [many, pid, outcome] = await attempt();
      // A slow machine may have committed before it told the session to end.
      for (let again = 0; outcome === 'committed' && again < 5; again++) {
        await many.end().catch(() => {});
        await listener.texts();
        await admin.query('TRUNCATE socket_io_attachments');
        [many, pid, outcome] = await attempt();
      }
      assert.equal(outcome, code);
      await until('it has ended', async () =>
        (await admin.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND state <> 'idle'`, [pid])).rowCount === 0);
      assert.deepEqual(await ages(), []);
      assert.deepEqual(await listener.texts(), []);
      if (!closes) {
        await many.query(`BEGIN; ${EMIT}; ${GROW_OLD}; COMMIT`);
        assert.equal((await listener.texts()).length, 1);
      }
      await many.end().catch(() => {});
    });
  }

  it('rows of savepoints that were rolled back are nobody\'s, whatever has become of their places', async () => {
    const lost = `SAVEPOINT a; SELECT count(sio_emit_binary('/', '{}', 'e', '\\x41')) FROM generate_series(1, 500); ROLLBACK TO a`;
    for (const meanwhile of [
      ['VACUUM socket_io_attachments'], ['VACUUM (TRUNCATE on, FREEZE) socket_io_attachments', EMIT.replace('\\x41', '\\x42')],
      // After the next emit nobody can: the transaction has locked the table.
      ['TRUNCATE socket_io_attachments'], ['VACUUM FULL socket_io_attachments', EMIT],
    ]) {
      await session.query('BEGIN; SAVEPOINT whole');
      await session.query(`${lost}; SAVEPOINT b; ${EMIT}; SAVEPOINT c; ${EMIT}; RELEASE c; ROLLBACK TO b; ROLLBACK TO whole`);
      for (const statement of meanwhile) await admin.query(statement);
      await session.query(`SAVEPOINT d; ${EMIT}; RELEASE d; ${GROW_OLD}`);
      const { rows: [{ moment }] } = await admin.query('SELECT clock_timestamp() AS moment');
      const { rows: others } = await admin.query('SELECT id, created_at FROM socket_io_attachments ORDER BY id');
      await session.query('COMMIT');
      const { rows } = await admin.query('SELECT id, created_at, created_at >= $1 AS fresh FROM socket_io_attachments ORDER BY id', [moment]);
      assert.deepEqual(rows.filter(({ fresh }) => !fresh).map(({ id, created_at }) => ({ id, created_at })), others, meanwhile[0]);
      assert.equal(rows.length, others.length + 1, meanwhile[0]);
      await admin.query('TRUNCATE socket_io_attachments');
      await listener.texts();
    }
  });

  it('another transaction\'s rows of the same ids are left alone, and not waited for', async () => {
    await admin.query(`CREATE SCHEMA twice;
      CREATE TABLE twice.attachments (id bigserial, created_at timestamptz DEFAULT now(), payload bytea)`);
    const sessions = await Promise.all([0, 1].map(() => postgres.connect()));
    const [mine, theirs] = sessions;
    for (const each of sessions) await each.query(`SET socketio_emitter.table_name = 'twice.attachments'; SET lock_timeout = '1s'`);
    const rewind = `SELECT setval('twice.attachments_id_seq', 1, false)`;
    const all = async () => (await admin.query('SELECT id, created_at, payload, ctid::text FROM twice.attachments ORDER BY ctid')).rows;

    for (const [what, before, meanwhile] of [
      ['a row that was moved', '', 'UPDATE twice.attachments SET payload = payload'],
      ['a row that was deleted', '', 'DELETE FROM twice.attachments WHERE xmin = pg_current_xact_id()::xid'],
      ['a row of a savepoint that was rolled back', `SAVEPOINT a; ${EMIT}; ROLLBACK TO a; ${rewind}`, ''],
      ['a row where it was', '', ''],
    ]) {
      await theirs.query(`TRUNCATE twice.attachments; ${rewind}; ${EMIT}; ${EMIT}`);
      const others = await all();
      await mine.query(`BEGIN; ${rewind}; ${before}`);
      await mine.query(EMIT);
      if (meanwhile) await mine.query(meanwhile.startsWith('UPDATE') ? `${meanwhile} WHERE xmin = pg_current_xact_id()::xid` : meanwhile);
      await mine.query(GROW_OLD);
      await theirs.query('BEGIN; SELECT FROM twice.attachments FOR UPDATE');
      await mine.query('COMMIT'); // with a lock_timeout
      await theirs.query('COMMIT');
      const after = await all();
      assert.deepEqual(after.slice(0, 2), others, what);
      assert.equal(after.length, what.includes('deleted') ? 2 : 3, what);
      const own = after.slice(2).map(({ created_at: created }) => created - others[1].created_at > 1_000);
      assert.ok(own.every(Boolean), `${what}: its own is refreshed`);
    }

    // A row of another transaction, which has ended or not, has taken the place of one that was rolled back.
    for (const end of ['COMMIT', 'ROLLBACK']) {
      await theirs.query(`TRUNCATE twice.attachments; ${rewind}`);
      await mine.query(`BEGIN; SAVEPOINT a; ${EMIT}; ROLLBACK TO a`);
      await admin.query('VACUUM twice.attachments');
      await theirs.query(`BEGIN; ${rewind}; ${EMIT}`);
      await mine.query(`SELECT setval('twice.attachments_id_seq', 10); ${EMIT}; ${GROW_OLD}`);
      await mine.query('COMMIT');
      await theirs.query(end);
      assert.deepEqual((await all()).map(({ id }) => id).toSorted(), end === 'COMMIT' ? ['1', '11'] : ['11']);
    }
    await admin.query('DROP SCHEMA twice CASCADE');
    for (const each of sessions) await each.end();
  });
});
