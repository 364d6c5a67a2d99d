// Who may create or alter tables where the queue lies must not choose what the worker, a superuser, reads and writes.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { delivered, numbered, numberedBinary, numbers, PRELOAD, queueing, status, untilWorker } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, prepareDatabase } from '../../harness/roles.js';
import { never } from '../../harness/wait.js';

const QUEUE = 'xid xid8, id bigint, queued_at timestamptz, attachments_table regclass, channel text, message text, payload bytea';
const OF_OTHER_TYPES = 'xid xid8, id bigint, queued_at timestamptz, attachments_table bigint, channel bigint, message bigint, payload bigint';

describe('the queue\'s tables', () => {
  let postgres, admin;

  before(async () => {
    postgres = await startPostgres({ name: 'queue-impostors', conf: PRELOAD });
    admin = await prepareDatabase(postgres);
    await createRoles(admin, 'database_owner');
  });

  after(() => postgres?.stop());

  const startedAt = async () => (await admin.query('SELECT pg_postmaster_start_time()::text AS at')).rows[0].at;

  /** Fails if a process of the server has crashed meanwhile. */
  async function survives(work) {
    const before = await startedAt();
    await work();
    assert.equal(await startedAt(), before);
    assert.doesNotMatch(await postgres.log(), /terminated by signal|terminating any other active server processes/);
  }

  for (const version of ['0.1.0', '0.2.0']) {
    for (const [what, columns, row] of [
      ['of other types', OF_OTHER_TYPES, `('1', 1, now(), 1, 3735928559, 3735928559, 3735928559)`],
      ['that name a table of somebody else\'s', QUEUE, `('1', 1, now(), 'secret.audit', 'c', '{"attachmentId":"', 'forged')`],
    ]) {
      for (const [where, prefix] of [['as they are named today', '_sio.'], ['as they were named in 0.3.0', '_sio_']]) it(
        `aren't those that a database's owner makes over the SQL of ${version}, ${what}, ${where}`, async () => {
        await postgres.createDatabase('owned');
        const superuser = await postgres.connect({ database: 'owned' });
        await superuser.query(`ALTER DATABASE owned OWNER TO database_owner; CREATE EXTENSION socketio_emitter VERSION '${version}';
          CREATE SCHEMA secret; CREATE TABLE secret.audit (id bigserial, created_at timestamptz, payload bytea)`);
        const owner = await postgres.connect({ database: 'owned', user: 'database_owner' });
        if (columns === QUEUE) await superuser.query('GRANT USAGE ON SCHEMA secret TO database_owner'); // to name the table
        await survives(async () => {
          const index = `${prefix}queue_xid`.replace('_sio.', '');
          await owner.query(`CREATE SCHEMA _sio; CREATE SEQUENCE ${prefix}queue_id;
            CREATE TABLE ${prefix}queue (${columns}); CREATE INDEX ${index} ON ${prefix}queue (xid);
            CREATE TABLE ${prefix}sent (incarnation bigint, sent_at timestamptz, ids text);
            CREATE TABLE ${prefix}failed (id bigint, queued_at timestamptz, attachments_table regclass, channel text, message text, payload bytea,
              failed_at timestamptz, sqlstate text, error text);
            CREATE TABLE ${prefix}totals (delivered bigint, failed bigint, batches bigint);
            INSERT INTO ${prefix}queue VALUES ${row}`);
          // Wakes the worker.
          await owner.query(`DO $$ BEGIN EXECUTE 'CREATE EXTENSION socketio_emitter'; EXCEPTION WHEN OTHERS THEN NULL; END $$`);
          await superuser.query(`SET socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'e', '1')`);
          await never('the worker writes into a table that it must not, or touches the queue', async () => {
            const { rowCount: written } = await superuser.query('SELECT FROM secret.audit');
            const { rowCount: waiting } = await superuser.query(`SELECT FROM ${prefix}queue`);
            return written > 0 || waiting !== 1;
          }, { during: 2_000 });
        });
        assert.deepEqual((await superuser.query('SELECT * FROM secret.audit')).rows, []);
        assert.equal((await superuser.query(`SELECT FROM ${prefix}queue`)).rowCount, 1, 'neither read nor filled');
        await owner.end();
        await superuser.end();
        await admin.query('DROP DATABASE owned');
      });
    }
  }

  describe('whose owner has altered a column', () => {
    let app, listener;

    before(async () => {
      app = await queueing(postgres);
      listener = await listen(postgres);
      await untilWorker(admin);
    });

    beforeEach(() => delivered(admin));

    for (const [table, alter, back] of [
      ['_sio.queue', 'ALTER message TYPE bigint USING 0', 'ALTER message TYPE text, ALTER message SET STORAGE PLAIN'],
      ['_sio.queue', 'ALTER xid DROP NOT NULL, ADD theirs int NOT NULL DEFAULT 1', 'DROP theirs, ALTER xid SET NOT NULL'],
      ['_sio.sent', 'ALTER ids TYPE bigint USING 0', 'ALTER ids TYPE text'],
    ]) {
      it(`are refused, and nobody crashes: ${table} ${alter}`, async () => {
        await survives(async () => {
          await admin.query(`ALTER TABLE ${table} ${alter}`);
          if (table === '_sio.queue') await refused(app, numbered(1), '55000');
          else {
            await app.query(numbered(1));
            await never('it is delivered', async () => (await listener.texts()).length > 0, { during: 1_000 });
          }
          await admin.query(`ALTER TABLE ${table} ${back}`);
        });
        await app.query(numberedBinary(2));
        await admin.query('SELECT pg_terminate_backend(worker_pid, 5000) FROM sio_status'); // it backs off
        await delivered(admin);
        // What was sent in the second before may come again: the notes of it are gone.
        assert.deepEqual([...new Set(await numbers(listener))].sort(), table === '_sio.queue' ? [2] : [1, 2]);
        assert.equal((await status(admin)).failed, '0');
      });
    }
  });

  it('hold a message that a cancelled sio_deliver has not sent', async () => {
    const admin2 = await postgres.connect();
    const app = await queueing(postgres);
    const holder = await postgres.connect();
    await admin.query('BEGIN; SELECT sio_deliver(0)'); // the worker stands
    await app.query(`${numbered(1)}; ${numberedBinary(2)}`);
    await holder.query('BEGIN; LOCK TABLE socket_io_attachments IN SHARE MODE');
    // The first is sent, and the second waits for the lock until the timeout, which doesn't come again.
    await refused(admin, `SET LOCAL statement_timeout = '500ms'; SELECT sio_deliver()`, '57014');
    await admin.query('ROLLBACK');
    await holder.query('ROLLBACK');
    await delivered(admin2);
    assert.equal((await status(admin2)).failed, '0');
    for (const client of [admin2, app, holder]) await client.end();
  });
});
