// However long a transaction takes: the servers' cleaners, who go by created_at, don't take what nobody has read yet.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

describe('attachments of a long transaction', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'long-transactions' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());
  beforeEach(async () => {
    await app.query('ROLLBACK');
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  const binary = `SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`;

  /** Commits, and checks that no row is older than the moment just before, and that each belongs to a notification. */
  async function commitAndCheck(count, client = app) {
    const { rows: [{ moment }] } = await client.query('SELECT clock_timestamp() AS moment');
    await client.query('COMMIT');
    const headers = await listener.messages();
    const { rows } = await admin.query('SELECT id, created_at < $1 AS older FROM socket_io_attachments ORDER BY id', [moment]);
    assert.deepEqual(rows, headers.map(({ attachmentId }) => ({ id: attachmentId, older: false })));
    assert.equal(rows.length, count);
  }

  for (const isolation of ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']) {
    it(`are as young as the commit under ${isolation}`, async () => {
      await app.query(`BEGIN ISOLATION LEVEL ${isolation}; ${binary}; ${binary};
                       SAVEPOINT a; ${binary}; ROLLBACK TO a; SAVEPOINT b; ${binary}; RELEASE b; SELECT pg_sleep(1.1)`);
      await commitAndCheck(3);
    });
  }

  it('are as young as the commit also when the emit itself comes late', async () => {
    await app.query(`BEGIN; SELECT pg_sleep(1.1); ${binary}`);
    // A young row isn't touched: what counts is that it isn't as old as the transaction.
    const { rows: [{ moment }] } = await app.query('SELECT now() + interval \'1 second\' AS moment');
    await app.query('COMMIT');
    const { rows } = await admin.query('SELECT created_at > $1 AS young FROM socket_io_attachments', [moment]);
    assert.deepEqual(rows, [{ young: true }]);
  });

  it('are as young as the commit in each transaction of a procedure', async () => {
    await app.query(`DO $$ BEGIN
      PERFORM sio_emit_binary('/', '{}', 'first', '\\x41'), pg_sleep(1.1); COMMIT;
      PERFORM sio_emit_binary('/', '{}', 'second', '\\x41'), pg_sleep(1.1); COMMIT;
    END $$`);
    const { rows } = await admin.query(
      `SELECT b.created_at - a.created_at > interval '1 second' AS apart,
              clock_timestamp() - a.created_at > interval '1 second' AS aged
         FROM socket_io_attachments a, socket_io_attachments b WHERE a.id < b.id`,
    );
    assert.deepEqual(rows, [{ apart: true, aged: true }]);
  });

  it('reach clients although every server cleans every two seconds', async () => {
    const servers = await startServers(postgres, { options: { cleanupInterval: 2_000 } });
    const clients = await Promise.all(servers.map((server) => connectClient(server)));
    const other = await postgres.connect({ user: EMITTER_ROLE });
    await app.query(`BEGIN; ${binary}; SELECT pg_sleep(4.5); COMMIT`);
    assert.deepEqual(await received(other, clients), Array(3).fill([['e', Buffer.from('A')]]));
    assert.deepEqual(servers.flatMap((server) => server.errors), []);
    await closeAll(clients, servers);
    await other.end();
    await listener.texts();
  });

  it('of a table that was dropped, emptied or renamed meanwhile don\'t hinder the commit', async () => {
    const change = async (...statements) => {
      await admin.query(`BEGIN; ${binary}; SELECT pg_sleep(1.1)`);
      for (const statement of statements) await admin.query(statement);
      await admin.query('COMMIT');
    };
    await change('DELETE FROM socket_io_attachments');
    await change('TRUNCATE socket_io_attachments');
    await change('ALTER TABLE socket_io_attachments RENAME TO renamed', 'CREATE TEMP TABLE before_commit AS SELECT clock_timestamp() AS at');
    const { rows } = await admin.query('SELECT count(*)::int AS young FROM renamed WHERE created_at >= (SELECT at FROM before_commit)');
    assert.deepEqual(rows, [{ young: 1 }]);
    await admin.query('ALTER TABLE renamed RENAME TO socket_io_attachments');
    await change('DROP EXTENSION socketio_emitter CASCADE', 'CREATE EXTENSION socketio_emitter');
    await listener.texts();
  });

  it('cost a young transaction, and one that only emits text, no UPDATE', async () => {
    const counters = async () => {
      await admin.query('SELECT pg_stat_force_next_flush()');
      const { rows } = await admin.query(
        `SELECT seq_scan::int, coalesce(idx_scan, 0)::int AS idx_scan, n_tup_upd::int, n_tup_ins::int
           FROM pg_stat_user_tables WHERE relname = 'socket_io_attachments'`,
      );
      return rows[0];
    };
    // A new session: its counters are written when it ends.
    const session = async (sql) => {
      const client = await postgres.connect();
      await client.query(sql);
      await client.query('SELECT pg_stat_force_next_flush()');
      await client.end();
    };
    await session('SELECT 1');
    const start = await counters();
    await session(`BEGIN; SELECT sio_emit('/', '{}', 'e'), pg_sleep(1.1); COMMIT`);
    assert.deepEqual(await counters(), start);
    await session(`BEGIN; ${binary}; COMMIT`);
    assert.deepEqual(await counters(), { ...start, n_tup_ins: start.n_tup_ins + 1 });
    await session(`BEGIN; ${binary}; SELECT pg_sleep(1.1); COMMIT`);
    assert.equal((await counters()).n_tup_upd, start.n_tup_upd + 1, 'or this test sees nothing');
  });
});
