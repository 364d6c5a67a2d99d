// Keeping the table small: by hand, beside servers that do the same, and scheduled by pg_cron.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { startPostgres } from '../../harness/postgres.js';
import { createRoles, EMITTER_ROLE, prepareDatabase, SERVERS_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

describe('sio_cleanup', () => {
  let postgres, admin, app;

  before(async () => {
    const conf = {
      shared_preload_libraries: 'pg_cron', 'cron.database_name': 'postgres', 'cron.host': '127.0.0.1', 'cron.log_run': 'on',
    };
    postgres = await startPostgres({ name: 'cleanup', conf: lacks('pg_cron') ? {} : conf });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await app.query('ROLLBACK; RESET ALL');
    await admin.query('TRUNCATE socket_io_attachments RESTART IDENTITY');
  });

  const add = (age, count = 1) =>
    admin.query(
      `INSERT INTO socket_io_attachments (created_at, payload)
       SELECT clock_timestamp() - $1::interval, '\\x00' FROM generate_series(1, $2)`,
      [age, count],
    );

  const left = async () => (await admin.query('SELECT id::int FROM socket_io_attachments ORDER BY id')).rows.map(({ id }) => id);

  const cleanup = async (client = app, age = 'DEFAULT') => {
    const { rows } = await client.query(age === 'DEFAULT' ? 'SELECT sio_cleanup()' : `SELECT sio_cleanup('${age}')`);
    return Number(rows[0].sio_cleanup);
  };

  it('deletes what is older than 30 seconds and says how much it was', async () => {
    await add('1 minute', 3);
    await add('31 seconds');
    await add('0');
    assert.equal(await cleanup(), 4);
    assert.deepEqual(await left(), [5]);
    assert.equal(await cleanup(), 0);
  });

  it('deletes what is older than it is told', async () => {
    await add('3 hours');
    await add('1 hour');
    await add('1 minute');
    for (const [age, deleted] of [['1 year', 0], ['2 hours', 1], ['10 minutes', 1], ['0', 1]]) {
      assert.equal(await cleanup(app, age), deleted, age);
    }
  });

  it('counts the age from now, not from the start of a long transaction', async () => {
    await app.query('BEGIN');
    await add('0');
    await app.query('SELECT pg_sleep(0.02)');
    assert.equal(await cleanup(app, '10 milliseconds'), 1);
    await app.query('COMMIT');
  });

  it('leaves alone what others insert at the moment', async () => {
    await admin.query('BEGIN');
    await add('1 hour');
    assert.equal(await cleanup(), 0);
    await admin.query('COMMIT');
    assert.equal(await cleanup(), 1);
  });

  describe('beside others', () => {
    const SERVERS_DELETE = `DELETE FROM socket_io_attachments WHERE created_at < now() - interval '30000 milliseconds'`;
    let server;

    before(async () => {
      server = await postgres.connect({ user: SERVERS_ROLE });
    });

    for (const [what, statement, kept] of [
      ['are deleting the same rows', SERVERS_DELETE, []],
      ['are deleting some of them', `${SERVERS_DELETE} AND id <= 2`, [1, 2]],
      ['have a row locked', 'SELECT * FROM socket_io_attachments WHERE id = 2 FOR UPDATE', [2]],
    ]) {
      it(`who ${what} it doesn't wait, and does the rest`, async () => {
        await add('1 minute', 4);
        const client = statement.startsWith('SELECT') ? admin : server;
        await client.query(`BEGIN; ${statement}`);
        await app.query(`SET lock_timeout = '200ms'`);
        const locked = kept.length || 4;
        assert.equal(await cleanup(), 4 - locked);
        await client.query('ROLLBACK');
        assert.equal((await left()).length, locked);
        assert.equal(await cleanup(), locked);
      });
    }

    it('who clean up with it, too, it doesn\'t wait', async () => {
      const other = await postgres.connect({ user: EMITTER_ROLE });
      await add('1 minute', 4);
      await other.query('BEGIN');
      assert.equal(await cleanup(other), 4);
      await app.query(`SET lock_timeout = '200ms'`);
      assert.equal(await cleanup(), 0);
      await other.query('COMMIT');
      assert.deepEqual(await left(), []);
      await other.end();
    });

    it('who read, it doesn\'t wait, nor do they', async () => {
      await add('1 minute', 2);
      await server.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT payload FROM socket_io_attachments');
      await app.query(`SET lock_timeout = '200ms'`);
      assert.equal(await cleanup(), 2);
      const { rows } = await server.query('SELECT payload FROM socket_io_attachments');
      assert.equal(rows.length, 2);
      await server.query('COMMIT');
    });

    for (const isolation of ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']) {
      it(`who were faster, it goes on without them, under ${isolation}`, async () => {
        await add('1 minute', 4);
        await app.query(`BEGIN ISOLATION LEVEL ${isolation}; SELECT count(*) FROM pg_class`);
        await server.query(`${SERVERS_DELETE} AND id <= 2`);
        assert.equal(await cleanup(), 2);
        await app.query('COMMIT');
        assert.deepEqual(await left(), []);
      });
    }

    it('in a crowd of emits and cleaners nothing fails', async () => {
      const work = async (user, times, statement) => {
        const client = await postgres.connect({ user });
        for (let i = 0; i < times; i++) await client.query(statement);
        await client.end();
      };
      const emit = `SELECT sio_emit_binary('/', '{}', 'e', '\\x00') FROM generate_series(1, 5)`;
      const serversDelete = 'DELETE FROM socket_io_attachments WHERE created_at < now() - interval \'1 milliseconds\'';
      await Promise.all([
        ...Array.from({ length: 3 }, () => work(SERVERS_ROLE, 200, serversDelete)),
        ...Array.from({ length: 3 }, () => work(EMITTER_ROLE, 200, `SELECT sio_cleanup('1 millisecond')`)),
        ...Array.from({ length: 2 }, () => work(EMITTER_ROLE, 200, emit)),
      ]);
      assert.ok((await cleanup(app, '0')) >= 0);
      assert.deepEqual(await left(), []);
    });
  });

  it('runs by pg_cron, as a role that may do nothing else', { skip: lacks('pg_cron') }, async () => {
    await createRoles(admin, 'janitor');
    await admin.query(`CREATE EXTENSION pg_cron; GRANT USAGE ON SCHEMA cron TO janitor;
                       GRANT EXECUTE ON FUNCTION sio_cleanup TO janitor`);
    const janitor = await postgres.connect({ user: 'janitor' });
    await add('1 minute', 3);
    await add('-1 hour');
    const command = 'SELECT public.sio_cleanup()';
    // Intervals of seconds came with pg_cron 1.5.
    const seconds = await janitor.query(`SELECT cron.schedule('cleanup', '1 second', $1)`, [command]).then(() => true, () => false);
    if (!seconds) await janitor.query(`SELECT cron.schedule('cleanup', '* * * * *', $1)`, [command]);
    const run = await until('pg_cron ran the job', async () => {
      const { rows } = await admin.query(`
        SELECT username, command, status, return_message FROM cron.job_run_details
         WHERE status IN ('succeeded', 'failed') ORDER BY runid LIMIT 1`);
      return rows[0];
    }, { timeout: 150_000, every: 500 });
    await janitor.query(`SELECT cron.unschedule('cleanup')`);
    await janitor.end();
    assert.deepEqual([run.username, run.command, run.status], ['janitor', command, 'succeeded'], run.return_message);
    assert.deepEqual(await left(), [4]);
  });
});
