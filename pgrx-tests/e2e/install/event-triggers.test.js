// The extension's event triggers: no trouble of theirs keeps a command from running but what passes, and they go through all that
// databases go through.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { startPostgres, upgradePostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const WATCHED = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text); SELECT sio_watch('orders', '{$customer_id}', left_event => 'left')`;

/** What pg_upgrade doesn't bring: what triggers depend on, but for their tables and their function. */
const FORGET = `SET LOCAL allow_system_table_mods = on; DELETE FROM pg_depend
  WHERE classid = 'pg_trigger'::regclass AND deptype = 'n' AND NOT (refclassid = 'pg_proc'::regclass AND refobjid = 'sio_emit_changes'::regproc)`;

/** What is there, a filter that refers to it, and the command that drops it. */
const FILTERED = [
  [`CREATE AGGREGATE agg (int) (SFUNC = int4pl, STYPE = int)`, `'agg(int)'::regprocedure::oid > 0`, 'DROP AGGREGATE agg (int)'],
  ['CREATE COLLATION c FROM "C"', `status < 'z' COLLATE c`, 'DROP COLLATION c'],
  ['CREATE DOMAIN short AS text', 'status::short IS NOT NULL', 'DROP DOMAIN short'],
  ['CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE f (a int) SERVER s', `'f'::regclass::oid > 0`,
    'DROP FOREIGN TABLE f', 'DROP SERVER s', 'DROP FOREIGN DATA WRAPPER w'],
  ['CREATE FUNCTION seen(text) RETURNS boolean LANGUAGE sql AS \'SELECT true\'', 'seen(status)', 'DROP FUNCTION seen', 'DROP ROUTINE seen(text)'],
  ['CREATE INDEX i ON orders (status)', `'i'::regclass::oid > 0`, 'DROP INDEX i'],
  ['CREATE LANGUAGE l HANDLER plpgsql_call_handler; CREATE FUNCTION seen(text) RETURNS boolean LANGUAGE l AS \'\'', 'seen(status)', 'DROP LANGUAGE l'],
  ['CREATE MATERIALIZED VIEW m AS SELECT 1', `'m'::regclass::oid > 0`, 'DROP MATERIALIZED VIEW m'],
  ['CREATE OPERATOR ### (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)', `status ### 'x'`, 'DROP OPERATOR ### (text, text)'],
  ['CREATE ROLE maker; CREATE DOMAIN theirs AS text; ALTER DOMAIN theirs OWNER TO maker', 'status::theirs IS NOT NULL', 'DROP OWNED BY maker'],
  ['CREATE PROCEDURE done() LANGUAGE sql AS \'\'', `'done()'::regprocedure::oid > 0`, 'DROP PROCEDURE done()'],
  ['CREATE SCHEMA lib', `'lib'::regnamespace::oid > 0`, 'DROP SCHEMA lib'],
  ['CREATE SEQUENCE counted', `'counted'::regclass::oid > 0`, 'DROP SEQUENCE counted'],
  ['CREATE TABLE other ()', `'other'::regclass::oid > 0`, 'DROP TABLE other'],
  ['CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype); CREATE TEXT SEARCH CONFIGURATION words (PARSER = p)',
    `to_tsvector('words', status) @@ 'x'`, 'DROP TEXT SEARCH CONFIGURATION words', 'DROP TEXT SEARCH PARSER p'],
  ['CREATE TEXT SEARCH TEMPLATE t (LEXIZE = dsimple_lexize, INIT = dsimple_init); CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = t)', `ts_lexize('plain', status) = '{x}'`,
    'DROP TEXT SEARCH DICTIONARY plain', 'DROP TEXT SEARCH TEMPLATE t'],
  [`CREATE TYPE mood AS ENUM ('sad')`, `status::mood = 'sad'`, 'DROP TYPE mood'],
  ['CREATE VIEW v AS SELECT 1', `'v'::regclass::oid > 0`, 'DROP VIEW v'],
];

describe('the event triggers', () => {
  let postgres, admin, notices;
  const database = 'events';

  before(async () => {
    postgres = await startPostgres({ name: 'event-triggers' });
    const first = await postgres.connect();
    await createRoles(first, 'app');
    await first.end();
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await postgres.createDatabase(database);
    admin = await connect();
  });

  afterEach(async () => {
    await admin.end();
    await postgres.dropDatabase(database);
  });

  async function connect(user = 'postgres') {
    const session = await postgres.connect({ database, user });
    notices = [];
    session.on('notice', ({ severity, code, message }) => notices.push([severity, code, message]));
    return session;
  }

  const warnings = () => notices.filter(([severity]) => severity === 'WARNING');

  /** Who owns the tables, and has no privilege on the extension. */
  const asOwner = async (work) => {
    const owner = await connect('app');
    try {
      await work(owner);
    } finally {
      await owner.end();
    }
  };

  it('run for an owner of tables who has no privilege on the extension, wherever that is', async () => {
    await admin.query(`CREATE SCHEMA closed; CREATE EXTENSION socketio_emitter SCHEMA closed; SET search_path = public, closed; ${WATCHED}; ALTER TABLE orders OWNER TO app`);
    await asOwner(async (owner) => {
      await owner.query('SET search_path = pg_temp; CREATE TABLE pg_temp.t (id int); ALTER TABLE public.orders RENAME customer_id TO buyer');
      await refused(owner, 'ALTER TABLE public.orders DROP buyer', '2BP01', { hint: /closed\.sio_unwatch/ });
      await owner.query('ALTER TABLE public.orders DROP buyer CASCADE');
      assert.deepEqual(warnings(), []);
    });
  });

  it('take no notice of what the session puts before Postgres\'s own names, and of its settings', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}; ALTER TABLE orders OWNER TO app; CREATE SCHEMA evil AUTHORIZATION app`);
    await asOwner(async (owner) => {
      await owner.query(`CREATE FUNCTION evil.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
        CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.equal);
        CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
        CREATE FUNCTION evil.pg_event_trigger_ddl_commands() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
        SET search_path = evil, pg_catalog, public; SET plpgsql.variable_conflict = error; SET plpgsql.extra_errors = 'all'`.replace('SET plpgsql.variable_conflict = error; ', ''));
      await owner.query('ALTER TABLE orders RENAME customer_id TO buyer');
      await refused(owner, 'ALTER TABLE orders DROP buyer', '2BP01');
      assert.deepEqual(warnings(), []);
    });
  });

  it('can\'t be claimed to run: who calls their functions learns and drops nothing', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}`);
    await asOwner(async (owner) => {
      await refused(owner, 'SELECT _sio.dropped(NULL)', '39P03');
      await owner.query('SELECT _sio.altered(NULL)');
      await refused(owner, `SELECT _sio.altered('x'::pg_ddl_command)`, '0A000');
      await assert.rejects(owner.query('SELECT _sio.follow_schema()'));
    });
  });

  it('load no library where nothing is watched', async () => {
    await admin.query('CREATE EXTENSION socketio_emitter');
    const session = await connect();
    await session.query('CREATE TABLE t (id int); ALTER TABLE t RENAME id TO a; ALTER TABLE t DROP a; DROP TABLE t');
    assert.equal((await session.query(`SELECT FROM pg_settings WHERE name LIKE 'socketio_emitter.%'`)).rowCount, 0);
    await session.end();
  });

  for (const [what, sql, code] of [
    ['a library that is gone', `UPDATE pg_proc SET probin = '$libdir/gone' WHERE probin LIKE '%socketio_emitter'`, '58P01'],
    ['a library of an earlier version', `UPDATE pg_proc SET prosrc = 'later_wrapper' WHERE proname IN ('altered', 'dropped') AND probin LIKE '%socketio_emitter'`, '42883'],
    ['functions that are nobody\'s to call', 'REVOKE USAGE ON SCHEMA _sio FROM PUBLIC', '42501'],
  ]) {
    it(`let every command run with ${what}, and warn of it`, async () => {
      await admin.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}; ALTER TABLE orders OWNER TO app; GRANT CREATE ON SCHEMA public TO app; ${sql}`);
      await asOwner(async (owner) => {
        for (const command of [
          'CREATE TABLE t (id int); ALTER TABLE t RENAME id TO a; ALTER TABLE t DROP a; DROP TABLE t', 'ALTER TABLE orders RENAME customer_id TO buyer', 'ALTER TABLE orders DROP buyer',
        ]) {
          notices = [];
          await owner.query(command);
          assert.ok(warnings().length > 0);
          assert.deepEqual([...new Set(warnings().map(([, state]) => state))], [code]);
          assert.match(warnings()[0][2], /^socketio_emitter could not follow this command: /);
        }
      });
      await admin.query('DROP EXTENSION socketio_emitter CASCADE; INSERT INTO orders VALUES (1); CREATE EXTENSION socketio_emitter');
    });
  }

  it('fail a command that finds a table locked, so that it is tried again, and leave no watch that breaks writes', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; CREATE FUNCTION seen(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; CREATE TABLE other ();
      CREATE TABLE orders (id int, status text); SELECT sio_watch('orders', '{staff}', filter => 'seen(status)')`);
    const writer = await connect();
    const rename = 'ALTER FUNCTION seen(text) RENAME TO visible';
    await writer.query('BEGIN; INSERT INTO orders VALUES (1)');
    await admin.query(`SET lock_timeout = '100ms'`);
    await refused(admin, rename, '55P03');
    await admin.query(`RESET lock_timeout; SET deadlock_timeout = '10ms'; BEGIN; LOCK other`);
    const { pid } = (await writer.query(`SET LOCAL deadlock_timeout = '1h'; SELECT pg_backend_pid() AS pid`))[1].rows[0];
    const locked = writer.query('LOCK other');
    await until('the other one waits', async () => (await admin.query(`SELECT FROM pg_locks WHERE pid = ${pid} AND NOT granted`)).rowCount > 0);
    await refused(admin, rename, '40P01');
    await admin.query('ROLLBACK');
    await locked;
    await writer.query('INSERT INTO orders VALUES (2); COMMIT');
    await admin.query(`${rename}; SELECT sio_check(); INSERT INTO orders VALUES (3)`);
    await writer.query('INSERT INTO orders VALUES (4)');
    assert.deepEqual(warnings(), []);
    await writer.end();
  });

  for (const [code, passes] of [['40001', true], ['40P01', true], ['53100', true], ['53200', true], ['54001', true], ['55P03', true], ['2BP01', true], ['42501', false], ['XX000', false]]) {
    it(`${passes ? 'fail a command with' : 'let a command run, and warn of'} ${code}`, async () => {
      await admin.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}; CREATE TYPE t AS ();
        CREATE OR REPLACE FUNCTION _sio.protect(trigger oid) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'trouble' USING ERRCODE = '${code}'; END $$;
        BEGIN; ${FORGET}; COMMIT`);
      if (passes) await refused(admin, 'DROP TYPE t', code, { says: 'trouble' });
      else await admin.query('DROP TYPE t');
      const warning = ['WARNING', code, 'socketio_emitter could not follow this command: trouble'];
      assert.deepEqual([warnings(), (await admin.query(`SELECT FROM pg_type WHERE typname = 't'`)).rowCount], passes ? [[], 1] : [[warning], 0]);
    });
  }

  for (const [create, filter, ...drops] of [
    ...FILTERED,
    ['CREATE EXTENSION citext', `status = 'x'::citext`, 'DROP EXTENSION citext'],
  ]) {
    for (const drop of drops) {
      it(`protect what a filter refers to where nothing tells of it, as after pg_upgrade: ${drop}`, { skip: /EXTENSION/.test(drop) && lacks('citext') }, async () => {
        await admin.query(`CREATE EXTENSION socketio_emitter; CREATE TABLE orders (id int, status text); BEGIN; ${create}`);
        await admin.query({ text: `SELECT sio_watch('orders', '{staff}', filter => $1)`, values: [filter] });
        await admin.query(`${FORGET}; SAVEPOINT before`);
        await refused(admin, drop, '2BP01');
        await admin.query(`ROLLBACK TO before; ${drop} CASCADE`);
        assert.deepEqual([(await admin.query('SELECT FROM sio_watches')).rowCount, warnings()], [0, []]);
        await admin.query('INSERT INTO orders VALUES (1); ROLLBACK');
      });
    }
  }

  it('are told what a new trigger refers to before any command that they follow, or that makes one', async () => {
    await admin.query('CREATE EXTENSION socketio_emitter');
    const { rows: [{ missing }] } = await admin.query(`SELECT array(SELECT unnest(a.evttags) EXCEPT SELECT unnest(b.evttags)) AS missing
      FROM pg_event_trigger a, pg_event_trigger b WHERE a.evtname = 'sio_altered' AND b.evtname = 'sio_begun'`);
    assert.deepEqual(missing, []);
  });

  it('see a trigger that CREATE SCHEMA makes', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; CREATE FUNCTION seen(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'; ${WATCHED}; CREATE SCHEMA whole
      CREATE TABLE t (id int) CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION public.sio_emit_changes('room=staff', 'filter=public.seen(id)')`);
    await refused(admin, 'DROP FUNCTION seen', '2BP01');
    await admin.query('ALTER FUNCTION seen(int) RENAME TO visible; INSERT INTO whole.t VALUES (1); DROP FUNCTION visible CASCADE; INSERT INTO whole.t VALUES (1)');
    assert.deepEqual(warnings(), []);
  });

  it('follow procedures and aggregates', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; CREATE SCHEMA lib; CREATE TABLE orders (id int); CREATE PROCEDURE done(int) LANGUAGE sql AS '';
      CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int);
      SELECT sio_watch('orders', '{staff}', filter => $$ 'done(int)'::regprocedure::oid > 0 AND 'total'::regproc::oid > 0 $$)`);
    for (const sql of [
      'PROCEDURE done(int) RENAME TO "Done"', 'PROCEDURE "Done"(int) SET SCHEMA lib', 'AGGREGATE total(int) RENAME TO "sum of"', 'AGGREGATE "sum of"(int) SET SCHEMA lib',
      'ROUTINE lib."Done"(int) RENAME TO d',
    ]) await admin.query(`ALTER ${sql}; SELECT sio_check(); INSERT INTO orders VALUES (1)`);
    const { rows } = await admin.query('SELECT filter FROM sio_watches');
    assert.match(rows[0].filter, /'lib\.d\(integer\)'::regprocedure.*'lib\."sum of"'::regproc/);
    assert.deepEqual(warnings(), []);
  });

  it('are disabled by a superuser; what has happened then is told by sio_check', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}; ALTER EVENT TRIGGER sio_altered DISABLE; ALTER EVENT TRIGGER sio_dropped DISABLE`);
    await admin.query('ALTER TABLE orders RENAME customer_id TO buyer');
    await refused(admin, 'SELECT sio_check()', '55000', { says: 'customer_id' });
    await admin.query('ALTER TABLE orders RENAME buyer TO customer_id; SELECT sio_check()');
  });

  it('hold up neither the extension\'s own commands nor each other', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}`);
    await refused(admin, 'DROP EVENT TRIGGER sio_dropped', '2BP01', { says: 'socketio_emitter' });
    await refused(admin, 'DROP EXTENSION socketio_emitter', '2BP01', { says: 'socketio_emitter' });
    await admin.query('DROP EXTENSION socketio_emitter CASCADE');
    assert.equal((await admin.query('SELECT FROM pg_event_trigger')).rowCount, 0);
    await admin.query(`BEGIN; CREATE EXTENSION socketio_emitter; SELECT sio_watch('orders', '{$customer_id}'); ALTER TABLE orders RENAME customer_id TO a; ROLLBACK;
      CREATE EXTENSION socketio_emitter VERSION '0.4.0'; SELECT sio_watch('orders', '{$customer_id}');
      ALTER EXTENSION socketio_emitter UPDATE; ALTER TABLE orders RENAME customer_id TO b; SELECT sio_check(); INSERT INTO orders VALUES (1, 1)`);
    assert.deepEqual(warnings(), []);
  });

  it('go on beside those of others, which see what they do, and DETACH PARTITION CONCURRENTLY', async () => {
    await admin.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}; CREATE TABLE seen (what text);
      CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen SELECT object_type || ' ' || object_identity FROM pg_event_trigger_dropped_objects() WHERE object_type = 'trigger'; END $$;
      CREATE EVENT TRIGGER zz_see ON sql_drop EXECUTE FUNCTION see(); ALTER TABLE orders DROP customer_id CASCADE`);
    assert.deepEqual((await admin.query('SELECT what FROM seen')).rows, [{ what: 'trigger sio_watch on public.orders' }]);
    await admin.query(`CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF parts FOR VALUES IN (1); SELECT sio_watch('parts', '{$id}')`);
    await admin.query('ALTER TABLE parts DETACH PARTITION p CONCURRENTLY');
    assert.deepEqual(warnings(), []);
  });

  describe('are in a dump\'s restore', () => {
    const dump = (args) => [...args, `--file=${postgres.dataDir}/events.dump`, database];

    it('with --clean, once more, and in one transaction', async () => {
      await admin.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}; ALTER TABLE orders RENAME customer_id TO buyer;
        CREATE TABLE parts (id int, a int) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF parts DEFAULT; SELECT sio_watch('parts', '{$a}', payload => 'row')`);
      assert.equal((await postgres.run('pg_dump', dump(['--format=custom']))).code, 0);
      for (const args of [['--clean'], ['--clean', '--if-exists', '--single-transaction'], ['--clean', '--jobs=2']]) {
        const { code, stderr } = await postgres.run('pg_restore', [`--dbname=${database}`, '--exit-on-error', ...args, `${postgres.dataDir}/events.dump`]);
        assert.deepEqual([code, stderr], [0, ''], args);
        await admin.query(`SELECT sio_check(); ALTER TABLE orders RENAME buyer TO x; ALTER TABLE orders RENAME x TO buyer`);
        await refused(admin, 'ALTER TABLE orders DROP buyer', '2BP01');
      }
    });
  });

  it('are there after pg_upgrade, and ENABLE ALWAYS as they were', async () => {
    const old = await startPostgres({ name: 'event-triggers-old' });
    const before = await old.connect();
    await before.query(`CREATE EXTENSION socketio_emitter; ${WATCHED}`);
    await before.end();
    await old.stop();
    const upgraded = await upgradePostgres(old, { name: 'event-triggers-new' });
    try {
      const session = await upgraded.connect();
      assert.deepEqual((await session.query('SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1')).rows,
        ['sio_altered', 'sio_begun', 'sio_dropped'].map((evtname) => ({ evtname, evtenabled: 'A' })));
      await session.query('ALTER TABLE orders RENAME customer_id TO buyer; INSERT INTO orders VALUES (1, 1)');
      await refused(session, 'ALTER TABLE orders DROP buyer', '2BP01');
    } finally {
      await upgraded.stop();
    }
  });
});
