// What watches compute is protected from being dropped in a restored and in an upgraded database as in the one that they were declared in.
// pg_dump brings triggers with their arguments, and nothing of what these refer to; pg_upgrade restores event triggers after them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startPostgres, upgradePostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

const DECLARED = `
  CREATE SCHEMA shop; CREATE TYPE shop.state AS ENUM ('new', 'paid'); CREATE TYPE shop.address AS (city text);
  CREATE DOMAIN shop.amount AS numeric;
  CREATE TABLE shop.orders (id int PRIMARY KEY, status shop.state, shipping shop.address, parent int) PARTITION BY RANGE (id);
  CREATE TABLE shop.orders_all PARTITION OF shop.orders DEFAULT;
  CREATE FUNCTION shop.room_of(shop.orders) RETURNS text LANGUAGE sql AS 'SELECT $1.id::text';
  CREATE FUNCTION shop.is_seen(int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
  SELECT sio_watch('shop.orders', ARRAY['\${shop.room_of()}'], filter => $$ shop.is_seen(id) AND (shipping).city <> '' AND 1::shop.amount > 0 $$);
  CREATE TABLE shop.plain (id int PRIMARY KEY); SELECT sio_watch('shop.plain', '{staff}')`;

const NEEDED = [
  'DROP FUNCTION shop.room_of', 'DROP ROUTINE shop.is_seen(int)', 'DROP DOMAIN shop.amount', 'ALTER TYPE shop.address DROP ATTRIBUTE city',
];

const RENAMES = 'ALTER TYPE shop.address RENAME ATTRIBUTE city TO town; ALTER FUNCTION shop.room_of RENAME TO room; ALTER TYPE shop.amount RENAME TO sum; SELECT sio_check()';
const NAMES_BACK = 'ALTER TYPE shop.address RENAME ATTRIBUTE town TO city; ALTER FUNCTION shop.room RENAME TO room_of; ALTER TYPE shop.sum RENAME TO amount; SELECT sio_check()';

/** What triggers depend on, in words. */
const DEPENDENCIES = `
  SELECT pg_describe_object(classid, objid, 0) AS trigger, pg_describe_object(refclassid, refobjid, refobjsubid) AS needs, deptype, count(*)
    FROM pg_depend JOIN pg_trigger t ON classid = 'pg_trigger'::regclass AND objid = t.oid WHERE NOT tgisinternal GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`;

describe('what a watch computes', () => {
  let postgres, upgraded, declared;

  before(async () => {
    postgres = await startPostgres({ name: 'protected' });
    const admin = await prepareDatabase(postgres);
    await admin.query(DECLARED);
    declared = (await admin.query(DEPENDENCIES)).rows;
  });

  after(async () => {
    await upgraded?.stop();
    await postgres?.stop();
  });

  async function assertProtected(session) {
    for (const sql of NEEDED) await refused(session, sql, '2BP01');
    await session.query(RENAMES);
    await session.query(NAMES_BACK);
    await session.query('DROP FUNCTION shop.is_seen(int) CASCADE');
    const { rows } = await session.query('SELECT table_name::text AS name FROM sio_watches');
    assert.deepEqual(rows, [{ name: 'shop.plain' }], 'goes with its function, and the other stays');
    await session.query('DROP SCHEMA shop CASCADE');
  }

  it('is protected where it was declared', async () => {
    const needs = declared.map((each) => each.needs);
    for (const what of ['function shop.room_of(shop.orders)', 'function shop.is_seen(integer)', 'type shop.amount', 'column city of composite type shop.address']) {
      assert.ok(needs.includes(what), `${what} among ${needs}`);
    }
  });

  it('is recorded once, whoever asks for it, and then no lock is held', async () => {
    const session = await postgres.connect({ user: EMITTER_ROLE });
    const triggers = `SELECT oid FROM pg_trigger WHERE tgname = 'sio_watch'`;
    await session.query(`BEGIN; SELECT _sio.protect(oid), _sio.protect(0), _sio.protect(NULL) FROM (${triggers}) t`);
    assert.deepEqual((await session.query(DEPENDENCIES)).rows, declared);
    const { rows } = await session.query(`SELECT relation::regclass::text AS table FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text ~ '^shop'`);
    assert.deepEqual(rows, []);
    await session.end();
  });

  it('is protected in a restored database', async () => {
    await postgres.createDatabase('restored');
    const file = `${postgres.dataDir}/dump`;
    const dump = await postgres.run('pg_dump', ['--format=custom', `--file=${file}`, 'postgres']);
    assert.deepEqual([dump.code, dump.stderr], [0, '']);
    const restore = await postgres.run('pg_restore', ['--dbname=restored', '--exit-on-error', file]);
    assert.deepEqual([restore.code, restore.stderr], [0, '']);
    const session = await postgres.connect({ database: 'restored' });
    assert.deepEqual((await session.query(DEPENDENCIES)).rows, declared);
    await assertProtected(session);
    await session.end();
  });

  it('is protected in an upgraded server, whoever drops', async () => {
    const session = await postgres.connect();
    await session.query('CREATE ROLE owner LOGIN; ALTER FUNCTION shop.room_of OWNER TO owner; GRANT USAGE ON SCHEMA shop TO owner');
    await postgres.stop();
    upgraded = await upgradePostgres(postgres, { name: 'protected-upgraded' });
    const admin = await upgraded.connect();
    await admin.query('BEGIN');
    await admin.query(RENAMES);
    await admin.query('ROLLBACK');
    const owner = await upgraded.connect({ user: 'owner' });
    await refused(owner, 'DROP FUNCTION shop.room_of', '2BP01');
    // Of each once: with the first command that may drop something and goes through, or with the next trigger.
    for (const sql of ['CREATE FUNCTION nothing() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; DROP FUNCTION nothing; CREATE TYPE t AS (); DROP TYPE t',
      `CREATE TABLE another (id int); SELECT sio_watch('another', '{staff}'); SELECT sio_unwatch('another'); DROP TABLE another`]) {
      await admin.query(`BEGIN; ${sql}`);
      assert.deepEqual((await admin.query(DEPENDENCIES)).rows, declared);
      await admin.query('ROLLBACK');
    }
    await admin.query('CREATE TYPE t AS (); DROP TYPE t');
    assert.deepEqual((await admin.query(DEPENDENCIES)).rows, declared);
    await assertProtected(admin);
  });
});
