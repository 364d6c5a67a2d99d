// The extension's event triggers: no trouble of theirs keeps a command from running, and they go through all that databases go through.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { startPostgres, upgradePostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles } from '../../harness/roles.js';

const WATCHED = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text); SELECT sio_watch('orders', '{$customer_id}', left_event => 'left')`;

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
