// A table whose owner isn't trusted: its triggers run as the owner, and can't reach the rights of who emits, who may be
// a superuser.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../harness/listener.js';
import { startPostgres } from '../harness/postgres.js';
import { refused } from '../harness/refusals.js';
import { createRoles, EMITTER_ROLE, grantExecute } from '../harness/roles.js';

const TABLE = 'public.socket_io_attachments';

describe('triggers of the table\'s owner', () => {
  let postgres, admin, owner, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'owners' });
    admin = await postgres.connect();
    await createRoles(admin, 'table_owner', EMITTER_ROLE);
    await admin.query('CREATE SCHEMA owned AUTHORIZATION table_owner; GRANT CREATE ON SCHEMA public TO table_owner');
    owner = await postgres.connect({ user: 'table_owner' });
    // The servers were here first, and made their table.
    await owner.query(`CREATE TABLE ${TABLE} (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea)`);
    await owner.query('CREATE TABLE owned.log (at serial, entry text)');
    await admin.query('CREATE EXTENSION socketio_emitter');
    await grantExecute(admin, EMITTER_ROLE);
    await admin.query(`CREATE SCHEMA app AUTHORIZATION ${EMITTER_ROLE}`);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await owner.query(`DROP TRIGGER IF EXISTS theirs ON ${TABLE}; TRUNCATE owned.log`);
    await admin.query('ROLLBACK');
    await app.query('ROLLBACK');
    await listener.texts();
  });

  const emit = `SELECT public.sio_emit_binary('/', '{}', 'e', '\\x41')`;
  const log = async () => (await owner.query('SELECT entry FROM owned.log ORDER BY at')).rows.map(({ entry }) => entry);

  /** Makes `body` the trigger that the owner has on the table. */
  async function trigger(body, { when = 'BEFORE INSERT', constraint = '', timing = '' } = {}) {
    await owner.query(`
      CREATE OR REPLACE FUNCTION owned.body() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; RETURN NEW; END $$;
      CREATE ${constraint} TRIGGER theirs ${when} ON ${TABLE} ${timing} FOR EACH ROW EXECUTE FUNCTION owned.body()`);
  }

  const attempt = (statement) => `
    BEGIN ${statement}; INSERT INTO owned.log (entry) VALUES ('got through');
    EXCEPTION WHEN OTHERS THEN INSERT INTO owned.log (entry) VALUES (SQLSTATE); END`;

  it('run as the owner, whoever emits', async () => {
    await trigger(`INSERT INTO owned.log (entry) VALUES (current_user)`);
    for (const client of [app, admin]) await client.query(emit);
    assert.deepEqual(await log(), ['table_owner', 'table_owner']);
    assert.equal((await listener.fullMessages()).length, 2);
  });

  it('can\'t take the emitter\'s role', async () => {
    const attempts = ['SET LOCAL ROLE postgres', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT', 'SET LOCAL ROLE NONE'];
    await trigger(attempts.map(attempt).join(';'));
    await admin.query(emit);
    assert.deepEqual(await log(), attempts.map(() => '42501'));
  });

  it('can\'t use the emitter\'s rights', async () => {
    const attempts = ['CREATE ROLE evil SUPERUSER', 'GRANT postgres TO table_owner', 'CREATE TABLE pg_catalog.evil ()'];
    await trigger(attempts.map(attempt).join(';'));
    await admin.query(emit);
    assert.deepEqual(await log(), attempts.map(() => '42501'));
  });

  it('can\'t postpone themselves to a moment when the emitter\'s rights are back', async () => {
    await trigger(`INSERT INTO owned.log (entry) VALUES (current_user)`, {
      when: 'AFTER INSERT', constraint: 'CONSTRAINT', timing: 'DEFERRABLE INITIALLY DEFERRED',
    });
    await refused(admin, emit, '42501');
    await admin.query('ROLLBACK');
    assert.deepEqual(await log(), []);
    assert.deepEqual(await listener.texts(), []);
  });

  it('don\'t find functions, operators or tables on the emitter\'s search_path', async () => {
    await app.query(`
      CREATE TABLE app.hijacked (by text); GRANT ALL ON SCHEMA app TO PUBLIC; GRANT ALL ON app.hijacked TO PUBLIC;
      CREATE FUNCTION app.helper() RETURNS int LANGUAGE plpgsql
          AS $$ BEGIN INSERT INTO app.hijacked VALUES (current_user); RETURN 1; END $$;
      CREATE FUNCTION app.lower(text) RETURNS text LANGUAGE plpgsql
          AS $$ BEGIN INSERT INTO app.hijacked VALUES (current_user); RETURN $1; END $$;
      SET search_path = app, pg_catalog, public`);
    await trigger(`PERFORM lower('A'); ${attempt('PERFORM helper()')}; ${attempt('INSERT INTO hijacked VALUES (current_user)')}`);
    await app.query(emit);
    assert.deepEqual(await log(), ['42883', '42P01']);
    const { rows } = await app.query('SELECT * FROM app.hijacked');
    assert.deepEqual(rows, []);
    await app.query('RESET search_path');
  });

  it('may refuse a row, and the emit with it', async () => {
    await trigger(`RAISE EXCEPTION 'table full' USING ERRCODE = '53400'`);
    await refused(app, emit, '53400', { says: 'table full' });
    assert.deepEqual(await listener.texts(), []);
    await app.query(`SELECT sio_emit('/', '{}', 'text')`);
    assert.equal((await listener.texts()).length, 1);
  });

  it('may refuse the refresh of a long transaction, and the commit with it', async () => {
    await trigger(`RAISE EXCEPTION 'not now' USING ERRCODE = '53400'`, { when: 'BEFORE UPDATE' });
    await app.query(`BEGIN; ${emit}; SELECT public.sio_emit('/', '{}', 'text'), pg_sleep(1.1)`);
    await refused(app, 'COMMIT', '53400', { says: 'not now' });
    assert.deepEqual(await listener.texts(), []);
    await app.query(`BEGIN; ${emit}; COMMIT`);
    assert.equal((await listener.texts()).length, 1);
  });

  it('may not swallow a row: that emit fails rather than announcing nothing', async () => {
    await trigger('RETURN NULL');
    await refused(app, emit, '09000', { says: 'socket_io_attachments', hint: /trigger/ });
    assert.deepEqual(await listener.texts(), []);
  });

  it('may emit themselves, text and binary', async () => {
    await grantExecute(admin, 'table_owner');
    await trigger(`IF length(NEW.payload) < 150 THEN
      PERFORM public.sio_emit('/', '{}', 'by the trigger');
      PERFORM public.sio_emit_binary('/', '{}', 'by the trigger', decode(repeat('41', 200), 'hex'));
    END IF`, { when: 'AFTER INSERT' });
    await app.query(emit);
    const names = (await listener.fullMessages()).map(({ data }) => data.packet.data[0]);
    assert.deepEqual(names.sort(), ['by the trigger', 'by the trigger', 'e']);
  });

  it('see the refresh of a long transaction as the owner too', async () => {
    await trigger(`INSERT INTO owned.log (entry) VALUES (TG_OP || ' as ' || current_user)`, { when: 'BEFORE UPDATE' });
    await admin.query(`BEGIN; ${emit}; SELECT pg_sleep(1.1); COMMIT`);
    assert.deepEqual(await log(), ['UPDATE as table_owner']);
  });
});
