// What the extension makes is nobody's, whatever the database's default privileges say.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { PG_MAJOR, startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles } from '../../harness/roles.js';

const RELATION_RIGHTS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', ...(PG_MAJOR >= 17 ? ['MAINTAIN'] : [])];
const COLUMN_RIGHTS = ['SELECT', 'INSERT', 'UPDATE', 'REFERENCES'];
const SEQUENCE_RIGHTS = ['USAGE', 'SELECT', 'UPDATE'];
// What sio_watches calls, so that SELECT is all that it takes; and what event triggers call, as whoever alters a table.
const OPEN = [
  '_sio USAGE', '_sio.altered(pg_ddl_command) EXECUTE', '_sio.declaration(bytea) EXECUTE', '_sio.dropped(pg_ddl_command) EXECUTE',
  '_sio.problem(oid) EXECUTE', '_sio.protect(oid) EXECUTE',
  // Calls the function with the caller's privileges.
  'sio_emit(_sio.namespace,text[],text,json,text[],boolean,boolean,bytea[]) EXECUTE',
];
const MONITOR = [
  '_sio.worker() EXECUTE', '_sio.waiting() EXECUTE', '_sio.attachments() EXECUTE', '_sio.attachments_table() EXECUTE',
  '_sio.library_version() EXECUTE', 'sio_status SELECT', 'sio_status SELECT of a column',
];
const VIEWS = ['sio_failed', 'sio_status', 'sio_watches'];

describe('default privileges', () => {
  let postgres, admin;
  const database = 'generous';

  before(async () => {
    postgres = await startPostgres({ name: 'privileges-default' });
    const first = await postgres.connect();
    await createRoles(first, 'mallory', 'bystander', 'monitor');
    await first.query('GRANT pg_monitor TO monitor');
    await first.end();
  });

  after(() => postgres?.stop());

  beforeEach(async () => {
    await postgres.createDatabase(database);
    admin = await postgres.connect({ database });
  });

  afterEach(async () => {
    await admin.end();
    await postgres.dropDatabase(database);
  });

  async function beGenerous(schema = '') {
    const kinds = ['TABLES', 'FUNCTIONS', 'SEQUENCES', 'TYPES', ...(schema ? [] : ['SCHEMAS'])];
    const where = schema && `IN SCHEMA ${schema}`;
    for (const kind of kinds) {
      await admin.query(`ALTER DEFAULT PRIVILEGES ${where} GRANT ALL ON ${kind} TO mallory WITH GRANT OPTION;
                         ALTER DEFAULT PRIVILEGES ${where} GRANT ALL ON ${kind} TO PUBLIC`);
    }
  }

  /** All that a role may do with the extension's members, as `member RIGHT`. */
  async function rights(role) {
    const { rows } = await admin.query(`
      WITH members AS (
        SELECT classid, objid FROM pg_depend d JOIN pg_extension e ON e.oid = refobjid
         WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND extname = 'socketio_emitter')
      SELECT p.oid::regprocedure::text AS member, 'EXECUTE' AS "right", has_function_privilege($1, p.oid, 'EXECUTE') AS held
        FROM members JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
      UNION ALL
      SELECT c.relname, r, has_table_privilege($1, c.oid, r)
        FROM members JOIN pg_class c ON classid = 'pg_class'::regclass AND objid = c.oid, unnest($2::text[]) r WHERE relkind <> 'S'
      UNION ALL
      SELECT c.relname, r || ' of a column', has_any_column_privilege($1, c.oid, r)
        FROM members JOIN pg_class c ON classid = 'pg_class'::regclass AND objid = c.oid, unnest($3::text[]) r WHERE relkind <> 'S'
      UNION ALL
      SELECT c.relname, r, has_sequence_privilege($1, c.oid, r)
        FROM members JOIN pg_class c ON classid = 'pg_class'::regclass AND objid = c.oid, unnest($4::text[]) r WHERE relkind = 'S'
      UNION ALL
      SELECT n.nspname, r, has_schema_privilege($1, n.oid, r)
        FROM members JOIN pg_namespace n ON classid = 'pg_namespace'::regclass AND objid = n.oid, unnest(ARRAY['USAGE', 'CREATE']) r
      UNION ALL
      SELECT t.oid::regtype::text, 'USAGE', has_type_privilege($1, t.oid, 'USAGE')
        FROM members JOIN pg_type t ON classid = 'pg_type'::regclass AND objid = t.oid WHERE typtype = 'd'
      UNION ALL
      SELECT pg_describe_object(classid, objid, 0), 'is of a kind that this test knows', true FROM members
       WHERE classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass, 'pg_event_trigger'::regclass)
         -- From 17 on, types of relations and arrays of these and of domains are members, too. Nobody can be granted anything of them but
         -- by a defect.
         AND NOT (classid = 'pg_type'::regclass AND EXISTS (
           SELECT FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem
            WHERE t.oid = objid AND (t.typtype = 'd' OR t.typacl IS NULL AND (e.typtype = 'd' OR coalesce(nullif(t.typrelid, 0), e.typrelid) <> 0))))`, [role, RELATION_RIGHTS, COLUMN_RIGHTS, SEQUENCE_RIGHTS]);
    assert.ok(rows.length > 60, `${rows.length} rights`);
    return rows.filter(({ held }) => held).map(({ member, right }) => `${member.replace(/^(?!_sio\.)[^(.]*\./, '')} ${right}`).sort();
  }

  for (const [what, schema, scoped] of [
    ['of the database', 'public', false], ['of the schema', 'public', true], ['of another schema, which it is created in', 'sio', true],
  ]) {
    it(`${what} give nobody anything of it, and those who monitor what they had`, async () => {
      await admin.query('CREATE SCHEMA sio');
      await beGenerous(scoped ? schema : '');
      await admin.query(`CREATE TABLE ${schema}.control (id serial); CREATE EXTENSION socketio_emitter SCHEMA ${schema}; SET search_path = ${schema}`);
      const { rows } = await admin.query(`SELECT has_table_privilege('mallory', 'control', 'DELETE') AS held`);
      assert.deepEqual(rows, [{ held: true }], 'or this test sees nothing');
      for (const role of ['mallory', 'bystander']) assert.deepEqual(await rights(role), OPEN, role);
      assert.deepEqual(await rights('monitor'), [...OPEN, ...MONITOR].sort());
    });
  }

  for (const version of ['0.1.0', '0.2.0', '0.3.0', '0.4.0']) {
    it(`give nobody what an update from ${version} adds`, async () => {
      const { rows } = await admin.query('SELECT FROM pg_available_extension_versions WHERE name = $1 AND version = $2', ['socketio_emitter', version]);
      assert.equal(rows.length, 1);
      await admin.query(`CREATE EXTENSION socketio_emitter VERSION '${version}'`);
      await beGenerous();
      await admin.query('ALTER EXTENSION socketio_emitter UPDATE');
      for (const role of ['mallory', 'bystander']) assert.deepEqual(await rights(role), OPEN, role);
      assert.deepEqual(await rights('monitor'), [...OPEN, ...MONITOR].sort());
    });
  }

  it('that were granted on a view, each right of it, let nobody write through it', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; GRANT USAGE ON SCHEMA public TO mallory; GRANT ALL ON ${VIEWS.join(', ')} TO mallory`);
    const mallory = await postgres.connect({ database, user: 'mallory' });
    for (const view of VIEWS) {
      const { rows: [{ column }] } = await admin.query(
        'SELECT attname AS column FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1', [view]);
      for (const session of [mallory, admin]) {
        await refused(session, `UPDATE ${view} SET ${column} = NULL`, '55000', { says: view });
        await refused(session, `DELETE FROM ${view}`, '55000', { says: view });
        await refused(session, `INSERT INTO ${view} (${column}) VALUES (NULL)`, '55000', { says: view });
      }
    }
    const { rows } = await admin.query(`SELECT table_name AS name FROM information_schema.views
      WHERE table_name = ANY ($1) AND (is_updatable = 'YES' OR is_insertable_into = 'YES')`, [VIEWS]);
    assert.deepEqual(rows, []);
    await mallory.end();
  });
});
