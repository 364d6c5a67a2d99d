// From every released version to this one: nothing differs from a fresh install, and sessions go on.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { assertEmits } from '../../harness/emits.js';
import { listen } from '../../harness/listener.js';
import { withoutMeta } from '../../harness/live.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE, grantExecute, serverGrantsIn, SERVERS_ROLE } from '../../harness/roles.js';
import { fromRoot } from '../../harness/setup.js';

const DEFAULT = /default_version = '(.*)'/.exec(readFileSync(fromRoot('socketio_emitter.control'), 'utf8'))[1];
const RELEASED = readdirSync(fromRoot('sql'))
  .map((file) => /^socketio_emitter--([\d.]+)\.sql$/.exec(file)?.[1])
  .filter((version) => version && version !== DEFAULT);

// Everything that a member of the extension has and a user can see, without oids. Members in the order of their names.
const MEMBERS = `
  SELECT i.type, i.identity, pg_describe_object(d.classid, d.objid, 0) AS name, obj_description(d.objid, d.classid::regclass::name) AS comment,
         CASE d.classid
           WHEN 'pg_proc'::regclass THEN (
             SELECT jsonb_build_object(
               'definition', CASE prokind WHEN 'a' THEN '' ELSE pg_get_functiondef(oid) END, 'owner', proowner::regrole,
               'volatile', provolatile, 'parallel', proparallel, 'strict', proisstrict, 'definer', prosecdef, 'leakproof', proleakproof,
               'cost', procost, 'rows', prorows, 'support', prosupport::text, 'config', proconfig,
               'acl', coalesce(proacl, acldefault('f', proowner))::text)
               FROM pg_proc WHERE oid = d.objid)
           WHEN 'pg_class'::regclass THEN (
             SELECT jsonb_build_object(
               'kind', relkind, 'owner', relowner::regrole, 'acl', coalesce(relacl, acldefault('r', relowner))::text,
               'persistence', relpersistence, 'options', reloptions, 'identity', relreplident, 'method', relam, 'rowsecurity', relrowsecurity,
               'view', CASE WHEN relkind = 'v' THEN pg_get_viewdef(oid) END,
               'columns', (SELECT jsonb_agg(jsonb_build_array(attname, format_type(atttypid, atttypmod), attnotnull, attstorage, attcompression,
                             pg_get_expr(adbin, adrelid), col_description(attrelid, attnum), attidentity, attgenerated, attcollation::regcollation,
                             attacl::text) ORDER BY attnum)
                             FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                            WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped),
               'constraints', (SELECT jsonb_agg(pg_get_constraintdef(c.oid) ORDER BY conname) FROM pg_constraint c WHERE conrelid = pg_class.oid),
               'indexes', (SELECT jsonb_agg(jsonb_build_array(pg_get_indexdef(indexrelid), indisreplident, indisclustered) ORDER BY 1) FROM pg_index WHERE indrelid = pg_class.oid),
               'policies', (SELECT jsonb_agg(jsonb_build_array(polname, polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid),
                             pg_get_expr(polwithcheck, polrelid)) ORDER BY polname) FROM pg_policy WHERE polrelid = pg_class.oid),
               'sequence', (SELECT to_jsonb(s) - 'seqrelid' FROM pg_sequence s WHERE seqrelid = pg_class.oid),
               'triggers', (SELECT jsonb_agg(jsonb_build_array(pg_get_triggerdef(t.oid), tgenabled) ORDER BY tgname) FROM pg_trigger t WHERE tgrelid = pg_class.oid),
               'rules', (SELECT jsonb_agg(pg_get_ruledef(r.oid) ORDER BY rulename) FROM pg_rewrite r WHERE ev_class = pg_class.oid),
               'dumped', pg_class.oid = ANY (e.extconfig))
               FROM pg_class WHERE oid = d.objid)
           WHEN 'pg_namespace'::regclass THEN (
             SELECT jsonb_build_object('owner', nspowner::regrole, 'acl', coalesce(nspacl, acldefault('n', nspowner))::text)
               FROM pg_namespace WHERE oid = d.objid)
           WHEN 'pg_event_trigger'::regclass THEN (
             SELECT jsonb_build_object('owner', evtowner::regrole, 'event', evtevent, 'function', evtfoid::regprocedure, 'enabled', evtenabled, 'tags', evttags)
               FROM pg_event_trigger WHERE oid = d.objid)
           WHEN 'pg_type'::regclass THEN (
             SELECT jsonb_build_object(
               'kind', typtype, 'owner', typowner::regrole, 'acl', coalesce(typacl, acldefault('T', typowner))::text,
               'base', format_type(typbasetype, typtypmod), 'notnull', typnotnull, 'default', typdefault, 'collation', typcollation::regcollation,
               'constraints', (SELECT jsonb_agg(pg_get_constraintdef(c.oid) ORDER BY conname) FROM pg_constraint c WHERE contypid = pg_type.oid))
               FROM pg_type WHERE oid = d.objid)
         END AS properties,
         -- What pg_dump takes for the extension's own, and so doesn't dump. Without a row it takes the defaults.
         (SELECT jsonb_agg(jsonb_build_array(objsubid, privtype, initprivs::text) ORDER BY objsubid) FROM pg_init_privs p
           WHERE p.classoid = d.classid AND p.objoid = d.objid AND initprivs <> CASE d.classid
             WHEN 'pg_proc'::regclass THEN (SELECT acldefault('f', proowner) FROM pg_proc WHERE oid = d.objid)
             WHEN 'pg_class'::regclass THEN (SELECT acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner) FROM pg_class WHERE oid = d.objid)
             ELSE (SELECT acldefault('n', nspowner) FROM pg_namespace WHERE oid = d.objid) END) AS initial_privileges
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid, pg_identify_object(d.classid, d.objid, 0) i
   WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'socketio_emitter'
   ORDER BY i.type COLLATE "C", i.identity COLLATE "C"`;

// What is in the schema without being a member: types of tables and views, and things that an upgrade forgot to add.
const OTHERS = `
  SELECT kind, name FROM (
    SELECT 'function' AS kind, oid::regprocedure::text AS name, pronamespace AS namespace FROM pg_proc
    UNION ALL SELECT 'relation', oid::regclass::text, relnamespace FROM pg_class
    UNION ALL SELECT 'type', oid::regtype::text, typnamespace FROM pg_type
    UNION ALL SELECT 'operator', oid::regoperator::text, oprnamespace FROM pg_operator) o
   WHERE namespace = $1::regnamespace ORDER BY 1, 2`;

const SETTINGS = `
  SELECT name, setting, unit, context, vartype, min_val, max_val, boot_val, short_desc, extra_desc FROM pg_settings
   WHERE name LIKE 'socketio_emitter.%' ORDER BY 1`;

describe('an upgrade', () => {
  let postgres;

  before(async () => {
    postgres = await startPostgres({ name: 'upgrade' });
    const first = await postgres.connect();
    await createRoles(first, EMITTER_ROLE, SERVERS_ROLE);
    await first.end();
  });

  after(async () => postgres?.stop());

  const inventory = async (session, schema) => {
    await session.query(`SET search_path = pg_catalog; LOAD 'socketio_emitter'`);
    const all = {};
    for (const [kind, sql, values] of [['members', MEMBERS], ['others', OTHERS, [schema]], ['settings', SETTINGS]]) {
      all[kind] = (await session.query(sql, values)).rows;
      assert.ok(all[kind].length > 0, kind);
    }
    for (const { properties, name } of all.members) assert.ok(properties, `what ${name} has is compared`);
    return all;
  };

  it('has versions to start from', () => {
    assert.ok(RELEASED.includes('0.1.0'));
    assert.notEqual(DEFAULT, '0.1.0');
  });

  for (const version of RELEASED) {
    for (const schema of ['public', '"Odd schema"']) {
      describe(`from ${version} in ${schema}`, () => {
        let fresh, old;

        before(async () => {
          const connect = async (database) => {
            await postgres.createDatabase(database);
            const session = await postgres.connect({ database });
            await session.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
            return session;
          };
          [fresh, old] = [await connect('fresh'), await connect('old')];
          await fresh.query(`CREATE EXTENSION socketio_emitter SCHEMA ${schema}`);
          await old.query(`CREATE EXTENSION socketio_emitter SCHEMA ${schema} VERSION '${version}'`);
        });

        after(async () => {
          for (const session of [fresh, old]) await session.end();
          for (const database of ['fresh', 'old']) await postgres.dropDatabase(database);
        });

        it('makes of the old one what a fresh install is; sessions emit before and after it', async () => {
          const listener = await listen(postgres, { database: 'old' });
          const emit = (session, name) => session.query(`SELECT ${schema}.sio_emit('/', '{}', '${name}'), ${schema}.sio_emit_binary('/', '{}', '${name}', '\\x41')`);
          await emit(old, 'before');
          const other = await postgres.connect({ database: 'old' });
          await emit(other, 'before, elsewhere');
          await old.query('ALTER EXTENSION socketio_emitter UPDATE');
          await emit(old, 'after');
          await emit(other, 'after, elsewhere');
          const names = (await listener.messages()).length;
          assert.equal(names, 8);
          await listener.close();
          await other.end();
          assert.deepEqual(await inventory(old, schema), await inventory(fresh, schema));
          const { rows } = await old.query(`SELECT extversion FROM pg_extension WHERE extname = 'socketio_emitter'`);
          assert.deepEqual(rows, [{ extversion: DEFAULT }]);
        });

        it('dumps as a fresh install does, also its parts', async () => {
          const dump = async (database, ...args) => {
            const { code, stdout, stderr } = await postgres.run('pg_dump', [...args, database]);
            assert.deepEqual([code, stderr], [0, '']);
            // Newer releases of 15 to 18 put a random word into two lines.
            return stdout.replace(/^\\(un)?restrict .*$/gm, '');
          };
          for (const [args, expected] of [[[], /CREATE EXTENSION/], [['--data-only'], /PostgreSQL database dump/], [['--schema=_sio'], /PostgreSQL database dump/],
            [[`--schema=${schema}`], /PostgreSQL database dump/], [['--extension=socketio_emitter'], /CREATE EXTENSION/]]) {
            const [ofOld, ofFresh] = [await dump('old', ...args), await dump('fresh', ...args)];
            assert.match(ofFresh, expected);
            assert.doesNotMatch(ofFresh, /CREATE (TABLE|VIEW|FUNCTION)|GRANT|COPY|setval/);
            assert.equal(ofOld, ofFresh, args.join(' '));
          }
        });

        // In 0.1.0 there was nothing to execute.
        if (version !== '0.1.0') it('leaves EXECUTE to those who have it, and gives it to nobody else', async () => {
          const database = 'granting';
          await postgres.createDatabase(database);
          const session = await postgres.connect({ database });
          await session.query(`CREATE SCHEMA IF NOT EXISTS ${schema}; ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO ${SERVERS_ROLE};
            CREATE EXTENSION socketio_emitter SCHEMA ${schema} VERSION '${version}';
            GRANT EXECUTE ON FUNCTION ${schema}.sio_watch TO ${EMITTER_ROLE} WITH GRANT OPTION;
            GRANT EXECUTE ON FUNCTION ${schema}.sio_unwatch TO ${EMITTER_ROLE}`);
          const holders = async () => (await session.query(`
            SELECT proname AS function, grantee::regrole::text AS grantee, is_grantable FROM pg_proc, aclexplode(proacl)
             WHERE proname IN ('sio_watch', 'sio_unwatch') AND grantee <> proowner ORDER BY 1, 2`)).rows;
          await session.query(`ALTER EXTENSION socketio_emitter UPDATE`);
          assert.deepEqual(await holders(), [
            { function: 'sio_unwatch', grantee: EMITTER_ROLE, is_grantable: false },
            { function: 'sio_watch', grantee: EMITTER_ROLE, is_grantable: true },
          ]);
          await session.end();
          await postgres.dropDatabase(database);
        });

        it('brings what is new, for new sessions as for those of a fresh install', async () => {
          for (const database of ['fresh', 'old']) {
            const session = await postgres.connect({ database });
            await session.query(`GRANT USAGE ON SCHEMA ${schema} TO ${EMITTER_ROLE}; ${serverGrantsIn(schema)}`);
            await grantExecute(session, EMITTER_ROLE);
            const listener = await listen(postgres, { database });
            await session.query(`CREATE TABLE public.orders (id int); SELECT ${schema}.sio_watch('public.orders', '{staff}');
                                 INSERT INTO public.orders VALUES (1)`);
            const [{ data }] = await listener.messages();
            assert.deepEqual([withoutMeta(data.packet.data), data.opts.rooms], [['orders:insert', { id: 1 }], ['staff']]);
            await listener.close();
            await session.end();
            await assertEmits(postgres, { database, schema });
          }
        });
      });
    }
  }

  it('to 0.5.0 says what stands in its way, if functions depend on those that it replaces, and what to do about it', async () => {
    const database = 'depending';
    await postgres.createDatabase(database);
    const session = await postgres.connect({ database });
    await session.query(`CREATE SCHEMA sio; CREATE EXTENSION socketio_emitter SCHEMA sio VERSION '0.4.0'; CREATE TABLE orders (id int);
      CREATE FUNCTION watch_all() RETURNS void BEGIN ATOMIC SELECT sio.sio_watch('orders', '{staff}'); END;
      CREATE FUNCTION unwatch_all() RETURNS int BEGIN ATOMIC SELECT sio.sio_unwatch('orders'); END;
      CREATE FUNCTION emit() RETURNS void BEGIN ATOMIC SELECT sio.sio_emit('/', '{}', 'e'); END`);
    await refused(session, 'ALTER EXTENSION socketio_emitter UPDATE', '2BP01', {
      says: /because other objects depend on sio_watch or sio_unwatch: function public\.unwatch_all\(\), function public\.watch_all\(\)$/, hint: /^Drop them, .* create them again/,
    });
    const { rows } = await session.query(`SELECT pg_get_functiondef(oid) AS sql FROM pg_proc WHERE proname ~ '^(un)?watch_all$'`);
    await session.query('DROP FUNCTION watch_all, unwatch_all; ALTER EXTENSION socketio_emitter UPDATE');
    for (const { sql } of rows) await session.query(sql);
    await session.query('SELECT watch_all(), emit()');
    assert.equal((await session.query('SELECT unwatch_all() AS n')).rows[0].n, 1);
    await session.end();
    await postgres.dropDatabase(database);
  });
});
