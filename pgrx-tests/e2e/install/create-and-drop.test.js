// From CREATE EXTENSION to DROP EXTENSION.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { assertEmits } from '../../harness/emits.js';
import { CALLS, FUNCTIONS, LIVE_FUNCTIONS, QUESTIONS, QUEUE_FUNCTIONS, SENDERS } from '../../harness/functions.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import {
  createRoles, EMITTER_ROLE, grantExecute, OFFICIAL_TABLE, SERVER_GRANTS, serverGrantsIn, SERVERS_ROLE,
} from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';

// Postgres refuses " $ ' \ and marks of comments in any extension's schema.
const ODD = '"Odd schema, é; (x)"';

describe('the extension', () => {
  let postgres, admin;
  const database = 'installing';

  before(async () => {
    postgres = await startPostgres({ name: 'install' });
    const first = await postgres.connect();
    await createRoles(first, EMITTER_ROLE, SERVERS_ROLE, 'table_owner');
    await first.end();
  });

  after(async () => postgres?.stop());

  // Each test has a new database.
  beforeEach(async () => {
    await postgres.createDatabase(database);
    admin = await postgres.connect({ database });
    await admin.query('GRANT CREATE ON SCHEMA public TO table_owner');
  });

  it('is refused beside a schema of somebody else\'s with the name of its own', async () => {
    await admin.query('CREATE SCHEMA _sio AUTHORIZATION table_owner');
    await refused(admin, 'CREATE EXTENSION socketio_emitter', '55000', { says: /schema _sio is not a member of extension/ });
    await admin.query(`DROP SCHEMA _sio; CREATE EXTENSION socketio_emitter VERSION '0.3.0'; CREATE SCHEMA _sio AUTHORIZATION table_owner`);
    await refused(admin, 'ALTER EXTENSION socketio_emitter UPDATE', '42P06');
    await admin.query('DROP SCHEMA _sio; ALTER EXTENSION socketio_emitter UPDATE');
  });

  afterEach(async () => {
    await admin.end();
    await postgres.dropDatabase(database);
  });

  const binary = (schema = 'public') => `SELECT ${schema}.sio_emit_binary('/', '{}', 'e', '\\x41')`;

  const emits = (schema) => assertEmits(postgres, { database, schema });

  const members = async () =>
    (await admin.query(`
      SELECT pg_describe_object(classid, objid, objsubid) AS name FROM pg_depend
       WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
         AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socketio_emitter')`)).rows.map(({ name }) => name);

  it('has the version of its sources, and a comment', async () => {
    const manifest = readFileSync(fromRoot('Cargo.toml'), 'utf8');
    const version = /^version = "(.+)"$/m.exec(manifest)[1];
    await admin.query('CREATE EXTENSION socketio_emitter');
    const { rows } = await admin.query(`
      SELECT e.extversion, a.default_version, a.comment FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname
       WHERE e.extname = 'socketio_emitter'`);
    assert.equal(rows[0].extversion, version);
    assert.equal(rows[0].default_version, version);
    assert.ok(rows[0].comment);
  });

  it('brings the functions of its contract, with its parameters and defaults', async () => {
    await admin.query('CREATE EXTENSION socketio_emitter');
    const { rows } = await admin.query(`
      SELECT p.proname AS name, p.proargnames[1:p.pronargs] AS parameters, p.provolatile AS volatile, p.proparallel AS parallel,
             p.prosecdef AS definer, p.proisstrict AS strict, pg_get_function_result(p.oid) AS result,
             pg_get_function_arguments(p.oid) AS arguments
        FROM pg_proc p WHERE p.proname LIKE 'sio\\_%' AND p.prokind = 'f'`);
    const questions = Object.fromEntries(Object.entries(QUESTIONS).map(([name, parameters]) => [name, Object.keys(parameters)]));
    const others = { ...LIVE_FUNCTIONS, ...QUEUE_FUNCTIONS, ...questions, sio_doctor: ['ns'] };
    assert.deepEqual(rows.map(({ name }) => name).sort(), [...FUNCTIONS, ...Object.keys(others)].sort());
    for (const row of rows) {
      assert.deepEqual(row.parameters ?? [], others[row.name] ?? Object.keys(CALLS[row.name]), row.name);
      // Only what has parameters can be strict to any effect.
      assert.deepEqual([row.definer, row.strict && row.parameters !== null], [false, false], row.name);
      if (SENDERS.includes(row.name)) assert.deepEqual([row.volatile, row.parallel, row.result], ['v', 'u', 'void'], row.name);
    }
    const signature = (name) => rows.find((row) => row.name === name).arguments;
    assert.equal(signature('sio_emit'), [
      'ns text', 'rooms text[]', 'event text', 'payload jsonb DEFAULT NULL::jsonb', `except_rooms text[] DEFAULT '{}'::text[]`,
      'volatile boolean DEFAULT false', 'compress boolean DEFAULT NULL::boolean', `binaries bytea[] DEFAULT '{}'::bytea[]`,
    ].join(', '));
    // With the same parameters, so that a call is one of the other by another word.
    const { rows: [procedure] } = await admin.query(`
      SELECT proargnames AS parameters, pg_get_function_arguments(oid) AS arguments FROM pg_proc WHERE proname LIKE 'sio\\_%' AND prokind = 'p'`);
    assert.deepEqual(procedure.parameters, Object.keys(CALLS.sio_emit));
    assert.equal(procedure.arguments.replace(/IN /g, ''), signature('sio_emit').replace('ns text', 'ns _sio.namespace').replace('jsonb DEFAULT NULL::jsonb', 'json'));
    assert.equal(signature('sio_emit_args'), signature('sio_emit').replace('payload jsonb DEFAULT NULL::jsonb', 'args jsonb[]'));
    assert.equal(signature('sio_encode'), signature('sio_emit'));
    assert.equal(
      signature('sio_disconnect_sockets'),
      `ns text, rooms text[], close boolean DEFAULT false, except_rooms text[] DEFAULT '{}'::text[]`,
    );
    assert.equal(signature('sio_cleanup'), `max_age interval DEFAULT '00:00:30'::interval`);
    assert.equal(signature('sio_watch'), [
      'table_name regclass', `rooms text[] DEFAULT '{}'::text[]`, `event text DEFAULT '$table:$op'::text`, `ns text DEFAULT '/'::text`,
      `payload text DEFAULT 'row'::text`, 'columns text[] DEFAULT NULL::text[]', 'except_columns text[] DEFAULT NULL::text[]',
      'left_event text DEFAULT NULL::text', `level text DEFAULT 'row'::text`, `ops text[] DEFAULT '{insert,update,delete}'::text[]`,
      'name text DEFAULT NULL::text', `old text DEFAULT 'key'::text`, 'batch integer DEFAULT 500', 'meta boolean DEFAULT true',
      'everyone boolean DEFAULT false', 'filter text DEFAULT NULL::text', 'changed text[] DEFAULT NULL::text[]', `keys text DEFAULT 'column'::text`,
      `bigints text DEFAULT 'number'::text`,
    ].join(', '));
    const wait = `timeout interval DEFAULT '00:00:02'::interval, servers integer DEFAULT NULL::integer, partial boolean DEFAULT false`;
    for (const name of ['sio_fetch_sockets', 'sio_fetch_sockets_with_handshake']) {
      assert.equal(signature(name), `ns text, rooms text[] DEFAULT '{}'::text[], except_rooms text[] DEFAULT '{}'::text[], ${wait}`);
      assert.equal(rows.find((row) => row.name === name).result, 'TABLE(id text, rooms text[], data jsonb, handshake jsonb, server text)');
    }
    assert.equal(signature('sio_server_side_emit_with_ack'), `ns text, event text, args jsonb[] DEFAULT '{}'::jsonb[], ${wait}`);
    assert.equal(signature('sio_is_online'), `ns text, rooms text[], timeout interval DEFAULT '00:00:01'::interval`);
    assert.equal(signature('sio_servers'), `ns text DEFAULT '/'::text, settle interval DEFAULT '00:00:00.25'::interval`);
    for (const name of Object.keys(QUESTIONS)) {
      const { volatile, parallel } = rows.find((row) => row.name === name);
      assert.deepEqual([volatile, parallel], ['v', 'u'], name);
    }
    assert.equal(signature('sio_unwatch'), 'table_name regclass, name text DEFAULT NULL::text, if_exists boolean DEFAULT false');
    for (const [name, expected] of [['sio_emit_changes', 'trigger'], ['sio_watch', 'void'], ['sio_unwatch', 'integer']]) {
      const row = rows.find((each) => each.name === name);
      assert.deepEqual([row.result, row.volatile, row.parallel], [expected, 'v', 'u'], name);
    }
    for (const [name, args, result] of [
      ['sio_deliver', 'max_messages integer DEFAULT 10000', 'bigint'],
      ['sio_wait_delivered', `timeout interval DEFAULT '00:00:30'::interval`, 'boolean'],
      ['sio_retry', 'id bigint DEFAULT NULL::bigint', 'bigint'],
      ['sio_discard', 'id bigint DEFAULT NULL::bigint', 'bigint'],
    ]) {
      const row = rows.find((each) => each.name === name);
      assert.deepEqual([row.arguments.replaceAll('"', ''), row.result, row.volatile, row.parallel], [args, result, 'v', 'u'], name);
    }
    for (const [name, args, result] of [['sio_row', 'record record, watch text DEFAULT NULL::text', 'jsonb'], ['sio_snapshot', '', 'text']]) {
      const row = rows.find((each) => each.name === name);
      assert.deepEqual([row.arguments, row.result, row.volatile, row.parallel], [args, result, 's', name === 'sio_row' ? 'u' : 'r'], name);
    }
    const { result } = rows.find(({ name }) => name === 'sio_encode');
    assert.equal(result, 'TABLE(channel text, message jsonb, bytes integer, attachment boolean)');
  });

  it('works in a schema with an odd name, servers included', async () => {
    await admin.query(`CREATE SCHEMA ${ODD}; CREATE EXTENSION socketio_emitter SCHEMA ${ODD};
                       GRANT USAGE ON SCHEMA ${ODD} TO ${EMITTER_ROLE}`);
    await grantExecute(admin, EMITTER_ROLE);
    await admin.query(serverGrantsIn(ODD));
    await emits(ODD);
    const options = { tableName: `${ODD}.socket_io_attachments` };
    const servers = await startServers(postgres, { count: 2, database, options });
    const clients = await Promise.all(servers.map((server) => connectClient(server)));
    const app = await postgres.connect({ database, user: EMITTER_ROLE });
    await app.query(binary(ODD));
    assert.deepEqual(await received(app, clients, { schema: ODD }), Array(2).fill([['e', Buffer.from('A')]]));
    assert.deepEqual(servers.flatMap((server) => server.errors), []);
    await closeAll(clients, servers);
    await app.end();
  });

  it('finds its table when its schema is renamed', async () => {
    await admin.query(`CREATE SCHEMA first; CREATE EXTENSION socketio_emitter SCHEMA first;
                       GRANT USAGE ON SCHEMA first TO ${EMITTER_ROLE}`);
    await grantExecute(admin, EMITTER_ROLE);
    await emits('first');
    await admin.query(binary('first'));
    await admin.query('ALTER SCHEMA first RENAME TO second');
    await admin.query(binary('second'));
    await emits('second');
  });

  it('can\'t be moved to another schema', async () => {
    await admin.query('CREATE EXTENSION socketio_emitter; CREATE SCHEMA elsewhere');
    await refused(admin, 'ALTER EXTENSION socketio_emitter SET SCHEMA elsewhere', '0A000', { says: 'socketio_emitter' });
  });

  it('is a superuser\'s to create', async () => {
    const app = await postgres.connect({ database, user: EMITTER_ROLE });
    await refused(app, 'CREATE EXTENSION socketio_emitter', '42501');
    await app.end();
  });

  it('owns the table that it made, which can\'t be dropped alone', async () => {
    await admin.query('CREATE EXTENSION socketio_emitter');
    assert.ok((await members()).includes('table socket_io_attachments'));
    await refused(admin, 'DROP TABLE socket_io_attachments', '2BP01', { says: 'socketio_emitter' });
    const columns = async () =>
      (await admin.query(`
        SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, pg_get_expr(adbin, adrelid) AS "default",
               ARRAY(SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = attrelid) AS constraints
          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = 'socket_io_attachments'::regclass AND attnum > 0 ORDER BY attnum`)).rows;
    const ours = await columns();
    await admin.query(`DROP EXTENSION socketio_emitter; ${OFFICIAL_TABLE}`);
    assert.deepEqual(ours, await columns(), 'it is the table of the adapter\'s documentation');
  });

  it('leaves nothing when dropped, and comes back, in the same session', async () => {
    const catalogs = [
      'pg_class', 'pg_proc', 'pg_type', 'pg_depend', 'pg_shdepend', 'pg_description', 'pg_namespace', 'pg_init_privs', 'pg_trigger',
    ];
    const counts = catalogs.map((catalog) => `(SELECT count(*) FROM ${catalog}) AS ${catalog}`);
    const objects = async () => (await admin.query(`SELECT ${counts}`)).rows;
    const start = await objects();
    for (let round = 0; round < 2; round++) {
      await admin.query('CREATE EXTENSION socketio_emitter');
      await grantExecute(admin, EMITTER_ROLE);
      await admin.query(binary());
      await emits();
      await admin.query('DROP EXTENSION socketio_emitter');
      assert.deepEqual(await objects(), start);
    }
    await admin.query('BEGIN; CREATE EXTENSION socketio_emitter; ROLLBACK; CREATE EXTENSION socketio_emitter');
    await admin.query(binary());
  });

  describe('where the servers made the table before', () => {
    const adopt = async () => {
      const owner = await postgres.connect({ database, user: 'table_owner' });
      await owner.query(OFFICIAL_TABLE);
      await owner.query(`INSERT INTO socket_io_attachments (payload) VALUES ('\\x01')`);
      await owner.query(SERVER_GRANTS);
      await owner.end();
      await admin.query('CREATE EXTENSION socketio_emitter');
      await grantExecute(admin, EMITTER_ROLE);
    };

    it('uses it as it is, whoever owns it', async () => {
      await adopt();
      assert.ok(!(await members()).some((member) => member.includes('socket_io_attachments')));
      const { rows } = await admin.query(`SELECT tableowner FROM pg_tables WHERE tablename = 'socket_io_attachments'`);
      assert.deepEqual(rows, [{ tableowner: 'table_owner' }]);
      await emits();
    });

    it('keeps it, and its rows, when dropped', async () => {
      await adopt();
      await emits();
      await admin.query('DROP EXTENSION socketio_emitter');
      const { rows } = await admin.query('SELECT count(*)::int AS n FROM socket_io_attachments');
      assert.equal(rows[0].n, 2);
      await admin.query('CREATE EXTENSION socketio_emitter');
      await grantExecute(admin, EMITTER_ROLE);
      await emits();
    });

    it('goes to the new one when it is dropped and made anew', async () => {
      await adopt();
      const app = await postgres.connect({ database, user: EMITTER_ROLE });
      await app.query(binary());
      await admin.query('DROP TABLE socket_io_attachments');
      await refused(app, binary(), '42P01', { says: 'socket_io_attachments', hint: /table_name/ });
      await admin.query(OFFICIAL_TABLE);
      await app.query(binary());
      const { rows } = await admin.query('SELECT count(*)::int AS n FROM socket_io_attachments');
      assert.equal(rows[0].n, 1);
      await app.end();
    });

    for (const [what, object] of Object.entries({
      'a table of another shape': 'TABLE socket_io_attachments (id uuid, body text)',
      'a view': 'VIEW socket_io_attachments AS SELECT 1::bigint AS id, now() AS created_at, NULL::bytea AS payload',
      'a sequence': 'SEQUENCE socket_io_attachments',
      'a partitioned table': 'TABLE socket_io_attachments (id bigserial, created_at timestamptz DEFAULT now(), payload bytea) PARTITION BY RANGE (id)',
    })) {
      it(`refuses binary, not text, over ${what} of that name`, async () => {
        await admin.query(`CREATE ${object}; CREATE EXTENSION socketio_emitter`);
        await refused(admin, binary(), '42809', { says: 'socket_io_attachments' });
        await refused(admin, 'SELECT sio_cleanup()', '42809', { says: 'socket_io_attachments' });
        await admin.query(`SELECT sio_emit('/', '{}', 'text')`);
        await admin.query('DROP EXTENSION socketio_emitter');
        const { rows } = await admin.query(`SELECT to_regclass('socket_io_attachments') IS NOT NULL AS kept`);
        assert.equal(rows[0].kept, true);
      });
    }
  });
});
