// Refusals for what is around a call: rights, the attachments table, settings.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { call, CALLS, FUNCTIONS, SENDERS } from '../harness/functions.js';
import { listen } from '../harness/listener.js';
import { startPostgres } from '../harness/postgres.js';
import { refused } from '../harness/refusals.js';
import { createRoles, EMITTER_ROLE, prepareDatabase } from '../harness/roles.js';

const STORING = [...SENDERS.filter((name) => 'binaries' in CALLS[name] || name === 'sio_emit_binary'), 'sio_cleanup'];

describe('refusals', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'tables' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());
  afterEach(async () => assert.deepEqual(await listener.texts(), [], 'nothing was sent'));

  /** A session of the role with a table_name that the superuser gave it. */
  async function withTable(table, work) {
    await admin.query(`ALTER ROLE ${EMITTER_ROLE} SET socketio_emitter.table_name = '${table}'`);
    const session = await postgres.connect({ user: EMITTER_ROLE });
    try {
      await work(session);
    } finally {
      await session.end();
    }
  }

  it('meet a role that may not execute the function', async () => {
    await createRoles(admin, 'nobody');
    const nobody = await postgres.connect({ user: 'nobody' });
    for (const name of FUNCTIONS) {
      const other = { payload: `'1'`, args: `'{}'`, binaries: `'{}'` }; // without a call of sio_buffer
      const changes = Object.fromEntries(Object.entries(other).filter(([parameter]) => parameter in CALLS[name]));
      await refused(nobody, call(name, changes), '42501', { says: name });
    }
    await nobody.end();
  });

  it('meet a missing table', async () => {
    for (const table of ['missing', 'missing.socket_io_attachments', 'public.missing']) {
      await withTable(table, async (session) => {
        for (const name of STORING) await refused(session, call(name), '42P01', { says: /missing/, hint: /table_name/ });
        await session.query(`BEGIN; ${call('sio_emit', { payload: `'1'`, binaries: undefined })}; ROLLBACK`);
      });
    }
  });

  it('meet a table of another shape, and what is no table', async () => {
    await admin.query(`
      CREATE TABLE no_payload (id bigserial UNIQUE, created_at timestamptz);
      CREATE TABLE text_payload (id bigserial UNIQUE, created_at timestamptz, payload text);
      CREATE TABLE no_created_at (id bigserial UNIQUE, payload bytea);
      CREATE TABLE naive_created_at (id bigserial UNIQUE, created_at timestamp, payload bytea);
      CREATE TABLE text_id (id text, created_at timestamptz, payload bytea);
      CREATE TABLE uuid_id (id uuid DEFAULT gen_random_uuid(), created_at timestamptz, payload bytea);
      CREATE VIEW a_view AS SELECT * FROM socket_io_attachments;
      CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM socket_io_attachments;
      CREATE SEQUENCE a_sequence; CREATE INDEX an_index ON no_payload (id);
      CREATE TYPE a_type AS (id bigint, created_at timestamptz, payload bytea)`);
    for (const [table, says] of Object.entries({
      no_payload: 'payload', text_payload: 'payload', no_created_at: 'created_at', naive_created_at: 'created_at',
      text_id: 'id', uuid_id: 'id', a_view: 'a_view', a_matview: 'a_matview', a_sequence: 'a_sequence', an_index: 'an_index',
      a_type: 'a_type',
    })) {
      await withTable(table, async (session) => {
        for (const name of STORING) await refused(session, call(name), '42809', { says: [says, new RegExp(table)] });
      });
    }
  });

  it('meet a table that loses a column while sessions use it', async () => {
    await admin.query('CREATE TABLE changing (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea)');
    await withTable('changing', async (session) => {
      await session.query(call('sio_emit_binary'));
      await listener.texts();
      await admin.query('ALTER TABLE changing RENAME COLUMN payload TO body');
      await refused(session, call('sio_emit_binary'), '42809', { says: ['payload', /changing/] });
      await admin.query('ALTER TABLE changing RENAME COLUMN body TO payload');
      await session.query(call('sio_emit_binary'));
      assert.equal((await listener.texts()).length, 1);
    });
  });

  describe('of settings', () => {
    before(async () => app.query('SELECT sio_buffer(0)')); // loads the library
    const set = (setting, value) => ({ text: 'SELECT set_config($1, $2, false)', values: [`socketio_emitter.${setting}`, value] });

    it('meet a name that is no table\'s', async () => {
      await admin.query('SELECT sio_buffer(0)');
      for (const value of ['a.b.c', 'a b', '"', 'a.', '.a', 'a; DROP TABLE b']) {
        await refused(admin, set('table_name', value), '22023', { says: /table_name/ });
      }
      for (const value of ['', 'a', 'a.b', '"A b"."c.d"', 'É']) await admin.query(set('table_name', value));
      await admin.query('RESET socketio_emitter.table_name');
    });

    it('are short although the value is long', async () => {
      for (const setting of ['channel_prefix', 'table_name']) {
        await refused(admin, set(setting, 'x '.repeat(10_000)), '22023', { says: new RegExp(setting) });
      }
    });

    it('meet settings that don\'t exist', async () => {
      for (const setting of ['nope', 'channelprefix']) {
        await refused(app, `SET socketio_emitter.${setting} = 1`, '42602', { says: new RegExp(setting) });
      }
    });
  });
});
