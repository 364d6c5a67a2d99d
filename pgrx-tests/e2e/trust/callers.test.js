// What a caller sets or makes doesn't change where a message goes or what runs with the rights of others.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, grantExecute, prepareDatabase } from '../../harness/roles.js';

describe('a caller gets no further who', () => {
  let postgres, admin, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'callers' });
    admin = await prepareDatabase(postgres);
    await createRoles(admin, 'mallory', 'nobody');
    await grantExecute(admin, 'mallory');
    await admin.query('CREATE SCHEMA mallory AUTHORIZATION mallory');
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  async function as(user, work, options) {
    const session = await postgres.connect({ user, ...options });
    try {
      return await work(session);
    } finally {
      await session.end();
    }
  }

  const binary = `SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`;

  /** That one binary event came, whole, by the extension's own table. */
  async function arrived() {
    const messages = await listener.fullMessages('public.socket_io_attachments');
    assert.deepEqual(messages.map(({ data }) => data.packet.data), [['e', Buffer.from('A')]]);
  }

  it('sets table_name, in whatever way', async () => {
    await as('mallory', async (session) => {
      await session.query('CREATE TABLE mallory.loot (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea)');
      await session.query('SELECT sio_buffer(0)'); // loads the library
      for (const set of [
        `SET socketio_emitter.table_name = 'mallory.loot'`, `SET LOCAL socketio_emitter.table_name = 'mallory.loot'`,
        `SELECT set_config('socketio_emitter.table_name', 'mallory.loot', false)`,
        `CREATE FUNCTION mallory.f() RETURNS int LANGUAGE sql SET socketio_emitter.table_name = 'mallory.loot' AS 'SELECT 1'`,
        `ALTER ROLE mallory SET socketio_emitter.table_name = 'mallory.loot'`,
      ]) {
        await refused(session, set, '42501');
      }
      await session.query(binary);
    });
    await arrived();
    // Before the library is there, the setting is a placeholder that anyone may set.
    await as('mallory', async (session) => {
      await session.query(`SET socketio_emitter.table_name = 'mallory.loot'`);
      await session.query(binary);
      const { rows } = await session.query('SHOW socketio_emitter.table_name');
      assert.deepEqual(rows, [{ 'socketio_emitter.table_name': '' }]);
    });
    await arrived();
    await as('mallory', async (session) => session.query(binary), { options: '-c socketio_emitter.table_name=mallory.loot' });
    await arrived();
    const { rows } = await admin.query('SELECT count(*)::int AS n FROM mallory.loot');
    assert.equal(rows[0].n, 0);
  });

  it('may set everything else', async () => {
    await as('mallory', async (session) => {
      for (const set of ['channel_prefix = \'mine\'', 'payload_threshold = 100', 'require_rooms = on']) {
        await session.query(`SET socketio_emitter.${set}`);
      }
      const { rows } = await session.query(`SELECT channel FROM sio_encode('/', '{a}', 'e')`);
      assert.equal(rows[0].channel, 'mine#/');
    });
  });

  it('has a schema of look-alikes first on the search_path', async () => {
    await as('mallory', async (session) => {
      // Whatever a careless statement might call, leaving a trace when it does.
      const trap = (name, args, result, answer) => `CREATE FUNCTION ${name}(${args}) RETURNS ${result} LANGUAGE sql
        AS $$ SELECT mallory.trap('${name}'); SELECT ${answer} $$;`;
      await session.query(`
        SET search_path = mallory;
        CREATE TABLE socket_io_attachments (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea);
        CREATE TABLE loot_log (what text);
        CREATE FUNCTION trap(what text) RETURNS void LANGUAGE plpgsql AS $$
          BEGIN INSERT INTO mallory.loot_log VALUES (what || ' as ' || current_user); END $$;
        ${trap('now', '', 'timestamptz', `'infinity'::timestamptz`)}
        ${trap('clock_timestamp', '', 'timestamptz', `'-infinity'::timestamptz`)}
        ${trap('nextval', 'regclass', 'bigint', '7::bigint')}
        ${trap('pg_notify', 'text, text', 'void', 'NULL')}
        ${trap('equal', 'bigint, bigint', 'boolean', 'false')}
        ${trap('less', 'timestamptz, timestamptz', 'boolean', 'true')}
        ${trap('minus', 'timestamptz, interval', 'timestamptz', `'infinity'::timestamptz`)}
        CREATE OPERATOR = (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = equal);
        CREATE OPERATOR < (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = less);
        CREATE OPERATOR - (LEFTARG = timestamptz, RIGHTARG = interval, FUNCTION = minus);
        CREATE DOMAIN int8 AS text; CREATE DOMAIN bytea AS text; CREATE DOMAIN interval AS text;
        SET search_path = mallory, pg_catalog; SELECT clock_timestamp(), now() - '1 day'::pg_catalog.interval < now(), 1::bigint = 2::bigint;`);
      const { rows: caught } = await session.query('SELECT what FROM mallory.loot_log');
      assert.deepEqual(caught.map(({ what }) => what.split(' ')[0]), ['clock_timestamp', 'now', 'minus', 'now', 'less', 'equal']);
      await session.query('DELETE FROM mallory.loot_log');
      for (const path of ['mallory, pg_catalog, public', 'mallory, public, pg_catalog', 'mallory']) {
        await session.query(`SET search_path = ${path}`);
        await session.query(`
          BEGIN; SELECT public.sio_emit_binary('/', '{}', 'e', '\\x41'::pg_catalog.bytea), pg_catalog.pg_sleep(1.1); COMMIT`);
        await arrived();
        await session.query('SELECT public.sio_cleanup()');
        await session.query(`SELECT public.sio_emit('/', '{}', 'text')`);
        assert.equal((await listener.texts()).length, 1);
      }
    });
    const { rows } = await admin.query('SELECT what FROM mallory.loot_log');
    assert.deepEqual(rows, []);
    const { rows: [{ n }] } = await admin.query('SELECT count(*)::int AS n FROM mallory.socket_io_attachments');
    assert.equal(n, 0);
    const { rows: [{ fresh }] } = await admin.query(
      `SELECT bool_and(created_at BETWEEN now() - interval '1 minute' AND now()) AS fresh FROM socket_io_attachments`,
    );
    assert.equal(fresh, true);
  });

  it('has temporary tables, views and functions of the same names', async () => {
    for (const object of [
      'TABLE socket_io_attachments (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea)',
      'VIEW socket_io_attachments AS SELECT 1::bigint AS id, now() AS created_at, NULL::bytea AS payload',
    ]) {
      await as('mallory', async (session) => {
        await session.query(`CREATE TEMP ${object}; SET search_path = pg_temp, public`);
        await session.query(`CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                             AS $$ SELECT NULL::timestamptz $$`);
        await session.query(binary);
        await session.query('SELECT sio_cleanup()');
      });
      await arrived();
    }
  });

  it('calls from inside a SECURITY DEFINER function of somebody else', async () => {
    await admin.query(`CREATE FUNCTION ring() RETURNS text SECURITY DEFINER SET search_path = public LANGUAGE plpgsql AS $$
      BEGIN PERFORM sio_emit_binary('/', '{}', 'e', '\\x41'); RETURN current_user; END $$`);
    await as('nobody', async (session) => {
      const { rows } = await session.query('SELECT ring(), current_user AS after');
      assert.deepEqual(rows, [{ ring: 'postgres', after: 'nobody' }]);
    });
    await arrived();
  });

  it('fails: the role, the search_path and the security context are as before', async () => {
    await as('mallory', async (session) => {
      await session.query('SET search_path = mallory, public');
      await session.query(`DO $$ BEGIN
        PERFORM sio_emit_binary('/', '{}', 'e', '\\x41');
        BEGIN PERFORM sio_emit('/', '{}', 'e', '1', binaries => ARRAY['\\x41'::pg_catalog.bytea]);
        EXCEPTION WHEN invalid_parameter_value THEN NULL; END;
        ASSERT current_user = 'mallory' AND current_setting('search_path') = 'mallory, public';
        SET LOCAL ROLE mallory; -- refused in a security-restricted operation
      END $$`);
    });
    await arrived();
  });
});
