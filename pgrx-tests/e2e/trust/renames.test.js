// Renames follow what a watch means, not how it is called: a name of somebody else's never takes its place, whoever renames what, and
// from where. And nobody's watch keeps others from renaming what is theirs.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { grantExecute } from '../../harness/roles.js';

describe('who renames something', () => {
  let postgres, admin, victim, stranger, evil;
  const notices = [];

  before(async () => {
    postgres = await startPostgres({ name: 'renames' });
    admin = await postgres.connect();
    await admin.query(`CREATE ROLE victim LOGIN; CREATE ROLE stranger LOGIN; CREATE ROLE evil LOGIN; CREATE EXTENSION socketio_emitter`);
    for (const role of ['victim', 'evil']) await grantExecute(admin, role);
    [victim, stranger, evil] = await Promise.all(['victim', 'stranger', 'evil'].map((user) => postgres.connect({ user })));
    for (const session of [admin, victim, stranger]) session.on('notice', ({ message }) => notices.push(message));
  });

  after(() => postgres?.stop());

  beforeEach(async () => {
    for (const session of [victim, stranger, evil]) await session.query('ROLLBACK; RESET ALL');
    await admin.query(`DROP SCHEMA IF EXISTS shop, shared, private, evil, evil2, other CASCADE; CREATE SCHEMA shop AUTHORIZATION victim;
      CREATE SCHEMA shared; GRANT USAGE, CREATE ON SCHEMA shared TO victim, stranger, evil; CREATE SCHEMA private AUTHORIZATION victim;
      CREATE SCHEMA evil AUTHORIZATION evil; CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO victim, evil, stranger; GRANT USAGE ON SCHEMA shop TO evil`);
    await victim.query(`CREATE TABLE shop.orders (id int PRIMARY KEY, status text);
      CREATE FUNCTION shared.f(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
      CREATE FUNCTION private.ok(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'`);
    notices.length = 0;
  });

  const watches = async () => (await admin.query('SELECT filter, problem FROM sio_watches ORDER BY name')).rows;

  describe('gives somebody else\'s filter no function of theirs:', () => {
    const RENAME = 'ALTER FUNCTION shared.f(int) RENAME TO g';

    for (const [what, declared, rename] of [
      ['by a rename', `filter => 'shared.f(status)'`, () => stranger.query(RENAME)],
      ['under a setting with which the watch would fail', `everyone => true, filter => 'shared.f(status)'`,
        () => stranger.query(`SET socketio_emitter.require_rooms = on; ${RENAME}`)],
      ['without a privilege that the filter needs', `filter => 'private.ok(id) AND shared.f(status)'`, () => stranger.query(RENAME)],
      ['with hardly any stack left', `filter => 'shared.f(status)'`, async () => {
        await stranger.query(`CREATE FUNCTION shared.deep(n int) RETURNS void LANGUAGE plpgsql AS
          $$ BEGIN IF n = 0 THEN EXECUTE '${RENAME}'; ELSE PERFORM shared.deep(n - 1); END IF; END $$`);
        let [works, fails] = [0, 20_000];
        while (fails - works > 1) {
          const depth = (works + fails) >> 1;
          const went = await stranger.query(`BEGIN; SELECT shared.deep(${depth})`).then(() => true, ({ code }) => {
            assert.equal(code, '54001');
            return false;
          });
          await stranger.query('ROLLBACK');
          if (went) works = depth; else fails = depth;
        }
        assert.ok(works > 50, `${works} calls deep`);
        await stranger.query(`SELECT shared.deep(${works})`);
      }],
    ]) {
      it(what, async () => {
        await victim.query(`SELECT sio_watch('shop.orders', event => 'e', ${declared.includes('everyone') ? '' : `rooms => '{r}', `}${declared})`);
        const before = await watches();
        await stranger.query(`CREATE FUNCTION shared.f(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'`);
        await rename();
        await stranger.query(`CREATE FUNCTION shared.g(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'code of the stranger'; RETURN true; END $$`);
        assert.deepEqual(await watches(), before);
        await admin.query(`INSERT INTO shop.orders VALUES (1, 'new')`);
        assert.deepEqual(notices.filter((notice) => /stranger/.test(notice)), []);
      });
    }

    it('by the name of a schema', async () => {
      await admin.query('GRANT CREATE ON DATABASE postgres TO stranger');
      await victim.query(`CREATE FUNCTION shop.whole(shop.orders) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        SELECT sio_watch('shop.orders', event => 'e', everyone => true, filter => 'shop.whole(new.*)')`);
      const before = await watches();
      await stranger.query('SET socketio_emitter.require_rooms = on; CREATE SCHEMA "new"; ALTER SCHEMA "new" RENAME TO renamed; DROP SCHEMA renamed');
      assert.deepEqual(await watches(), before);
      await victim.query('INSERT INTO shop.orders VALUES (1)');
    });

    it('nor keeps their tables locked', async () => {
      await victim.query(`SELECT sio_watch('shop.orders', event => 'e', everyone => true, filter => 'shared.f(status)')`);
      await stranger.query(`CREATE FUNCTION shared.f(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'; SET socketio_emitter.require_rooms = on;
        BEGIN; ALTER FUNCTION shared.f(int) RENAME TO g`);
      await victim.query(`SET lock_timeout = '100ms'; INSERT INTO shop.orders VALUES (1)`);
      await stranger.query('ROLLBACK');
    });
  });

  describe('is kept from it by nobody else\'s watch:', () => {
    it('whose table is locked, and which is about something else', async () => {
      await evil.query(`CREATE TABLE evil.t (id int); SELECT sio_watch('evil.t', '{r}', filter => $$'evil.t'::regclass IS NOT NULL$$)`);
      await evil.query('BEGIN; LOCK TABLE evil.t');
      for (const session of [victim, admin]) {
        await session.query(`SET lock_timeout = '100ms'; ALTER TABLE shop.orders RENAME TO sales; ALTER TABLE shop.sales RENAME TO orders; RESET lock_timeout`);
      }
      assert.deepEqual(notices, []);
      await evil.query('ROLLBACK');
    });

    it('whose table is locked, and which names it: a warning, and all others are followed', async () => {
      await evil.query(`CREATE TABLE evil.t (id int); SELECT sio_watch('evil.t', '{r}', filter => $$'shop.orders'::regclass IS NOT NULL AND shared.f(id::text)$$)`);
      await victim.query(`SELECT sio_watch('shop.orders', '{r}', filter => 'shared.f(status)')`);
      await evil.query('BEGIN; LOCK TABLE evil.t');
      await admin.query('ALTER TABLE shop.orders RENAME TO sales; ALTER TABLE shop.sales RENAME TO orders');
      await victim.query('ALTER FUNCTION shared.f(text) RENAME TO g');
      assert.equal(notices.length, 3);
      assert.match(notices[0], /^watch "sio_watch" of table "evil\.t" could not follow the new name of "shop\.orders": canceling statement due to lock timeout$/);
      await evil.query('ROLLBACK');
      await victim.query('INSERT INTO shop.orders VALUES (1)');
      await refused(evil, 'INSERT INTO evil.t VALUES (1)', '42883');
      // Nor does somebody else's function take the place of the one that was not followed.
      await stranger.query(`CREATE FUNCTION shared.f(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'code of the stranger'; RETURN true; END $$`);
      notices.length = 0;
      await refused(admin, 'INSERT INTO evil.t VALUES (1)', '55000', { says: /function shared\.f\(text\) is not what the watch was declared with$/, hint: /declare the watch again/ });
      assert.match((await watches())[0].problem ?? (await watches())[1].problem, /function shared\.f\(text\) is not what/);
      assert.deepEqual(notices, []);
    });

    it('that looks into their rows, or names them in a list', async () => {
      await evil.query(`CREATE TABLE evil.t (id int, o shop.orders);
        SELECT sio_watch('evil.t', '{r}', name => 'w1', filter => $$ (o).status IS NOT NULL $$);
        SELECT sio_watch('evil.t', '{r}', name => 'w2', filter => $$ '{shop.orders}'::regclass[] IS NOT NULL $$)`);
      await victim.query('ALTER TABLE shop.orders RENAME COLUMN status TO state; ALTER TABLE shop.orders RENAME TO sales');
      await admin.query('ALTER SCHEMA shop RENAME TO "Shop"; ALTER SCHEMA "Shop" RENAME TO shop');
      assert.deepEqual(await watches(), [
        { filter: '((o).state IS NOT NULL)', problem: null }, { filter: `('{shop.sales}'::regclass[] IS NOT NULL)`, problem: null },
      ]);
      assert.deepEqual(notices, []);
    });

    it('that can\'t be followed: a warning', async () => {
      await evil.query(`CREATE TYPE evil.kind AS (of regclass); CREATE TABLE evil.t (id int);
        SELECT sio_watch('evil.t', '{r}', filter => $$ ('(shop.orders)'::evil.kind).of IS NOT NULL $$)`);
      await victim.query('ALTER TABLE shop.orders RENAME TO sales');
      // What has failed since then is no reason for another.
      await admin.query('ALTER TABLE shop.sales RENAME TO customers');
      assert.equal(notices.length, 1);
      assert.match(notices[0], /^watch "sio_watch" of table "evil\.t" could not follow the new name of "shop\.orders": a literal in its filter may name "orders"/);
    });
  });

  it('is kept by no type of somebody else\'s, however it is made', { timeout: 60_000 }, async () => {
    await evil.query(`CREATE TABLE evil.t (id int);
      DO $$ BEGIN
        FOR i IN 0..400 LOOP EXECUTE format('CREATE TYPE evil.t%s AS (z int)', i); END LOOP;
        FOR i IN REVERSE 400..1 LOOP EXECUTE format('ALTER TYPE evil.t%s ADD ATTRIBUTE a evil.t%s, ADD ATTRIBUTE b evil.t%s', i, i - 1, i - 1); END LOOP;
      END $$;
      CREATE TRIGGER wide AFTER INSERT ON evil.t FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=r', 'filter=(''(orders)''::evil.t30 IS NOT NULL)');
      CREATE TRIGGER deep AFTER INSERT ON evil.t FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=r', 'filter=(''(orders)''::evil.t400 IS NOT NULL)')`);
    await victim.query(`SET statement_timeout = '20s'; ALTER TABLE shop.orders RENAME TO sales`);
  });

  const FORMS = [`status::shared.pr IS NOT NULL`, `'(1,x)'::shared.pr IS NOT NULL`, `list::shared.pr[] IS NOT NULL`, `status::shared.rg IS NOT NULL`,
    `'{a}'::shared.dd[] IS NOT NULL`, `status::shared.dd IS NOT NULL`, `ROW(id, status)::shared.pr IS NOT NULL`, `ARRAY[]::shared.pr[] IS NOT NULL`];
  const TYPES = `CREATE TYPE shared.pr AS (a int, b text); CREATE DOMAIN shared.dd AS text; CREATE TYPE shared.rg AS RANGE (subtype = text)`;
  const TYPES_OF_OTHERS = `CREATE FUNCTION shared.code(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'code of the stranger'; RETURN true; END $$;
    CREATE DOMAIN shared.dd AS text CHECK (shared.code(VALUE)); CREATE TYPE shared.pr AS (a int, b shared.dd);
    CREATE TYPE shared.rg AS RANGE (subtype = shared.dd, subtype_opclass = text_ops, multirange_type_name = shared.mr)`;

  it('gives nobody\'s filter another type under a name that was not followed', async () => {
    await victim.query(TYPES);
    await evil.query(`CREATE TABLE evil.t (id int, status text, list text[])`);
    for (const [index, filter] of FORMS.entries()) {
      await evil.query({ text: `SELECT sio_watch('evil.t', '{r}', name => $1, filter => $2)`, values: [`w${index}`, filter] });
    }
    await evil.query('BEGIN; LOCK TABLE evil.t');
    await victim.query('ALTER TYPE shared.pr RENAME TO pr2; ALTER DOMAIN shared.dd RENAME TO dd2; ALTER TYPE shared.rg RENAME TO rg2');
    await evil.query('ROLLBACK');
    await stranger.query(TYPES_OF_OTHERS);
    notices.length = 0;
    for (const [index, filter] of FORMS.entries()) {
      const problem = (await admin.query('SELECT problem FROM sio_watches WHERE name = $1', [`w${index}`])).rows[0].problem;
      assert.match(problem ?? '', /is not what the watch was declared with/, filter);
      await evil.query(`ALTER TABLE evil.t DISABLE TRIGGER USER; ALTER TABLE evil.t ENABLE TRIGGER w${index}`);
      await refused(admin, `INSERT INTO evil.t VALUES (1, '(1,x)', '{"(1,x)"}')`, '55000');
    }
    assert.deepEqual(notices.filter((notice) => /stranger/.test(notice)), []);
  });

  it('is followed by whoever may read what the owner of the table may not', async () => {
    await admin.query('DROP SCHEMA shared CASCADE; GRANT CREATE ON DATABASE postgres TO stranger');
    await stranger.query('CREATE SCHEMA shared; GRANT USAGE, CREATE ON SCHEMA shared TO victim');
    await victim.query(`${TYPES}; CREATE TABLE shop.lists (id int, status text, list text[])`);
    for (const [index, filter] of FORMS.entries()) {
      await victim.query({ text: `SELECT sio_watch('shop.lists', '{r}', name => $1, filter => $2)`, values: [`w${index}`, filter] });
    }
    notices.length = 0;
    await stranger.query(`REVOKE USAGE ON SCHEMA shared FROM victim; ALTER SCHEMA shared RENAME TO old; GRANT USAGE ON SCHEMA old TO victim;
      CREATE SCHEMA shared; GRANT USAGE ON SCHEMA shared TO PUBLIC; ${TYPES_OF_OTHERS}`);
    try {
      assert.deepEqual(notices, []);
      await admin.query(`INSERT INTO shop.lists VALUES (1, '(1,x)', '{"(1,x)"}')`).catch(({ message }) => assert.match(message, /malformed range/));
      assert.deepEqual(notices, []);
      for (const { problem } of await watches()) assert.equal(problem, null);
    } finally {
      await admin.query('DROP SCHEMA old CASCADE; REVOKE CREATE ON DATABASE postgres FROM stranger');
    }
  });

  it('is followed in a database that was restored, where grants came after the watches', async () => {
    await victim.query(`CREATE FUNCTION shop.g(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; CREATE TABLE shop.plain (id int, status text);
      SELECT sio_watch('shop.plain', '{r}', filter => 'shop.g(status)'); SELECT sio_watch('shop.orders', '{r}', filter => 'shared.f(status)')`);
    await postgres.createDatabase('restored');
    const file = `${postgres.dataDir}/dump`;
    assert.equal((await postgres.run('pg_dump', ['--format=custom', `--file=${file}`, 'postgres'])).code, 0);
    assert.equal((await postgres.run('pg_restore', ['--exit-on-error', '--dbname=restored', file])).code, 0);
    const session = await postgres.connect({ database: 'restored', user: 'victim' });
    await session.query('ALTER FUNCTION shared.f(text) RENAME TO f2; ALTER FUNCTION shop.g(text) RENAME TO g2; INSERT INTO shop.orders VALUES (1); INSERT INTO shop.plain VALUES (1)');
    await refused(session, 'DROP FUNCTION shared.f2(text)', '2BP01', { says: 'depend' });
    await session.end();
  });

  it('is followed in a watch whose table\'s owner could not read it', async () => {
    await admin.query('REVOKE ALL ON SCHEMA shared FROM victim');
    await victim.query('CREATE TABLE shop.z (id int, status text); GRANT TRIGGER, SELECT ON shop.z TO evil');
    await evil.query(`CREATE FUNCTION shared.h(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; SELECT sio_watch('shop.z', '{r}', filter => 'shared.h(status)')`);
    await admin.query('GRANT USAGE ON SCHEMA shared TO victim');
    await evil.query('ALTER FUNCTION shared.h(text) RENAME TO i');
    await victim.query('INSERT INTO shop.z VALUES (1)');
  });

  it('is followed where only a cast by a function, or an empty array, names the type', async () => {
    await victim.query(`CREATE TYPE shared.en AS ENUM ('a', 'b'); CREATE TYPE shared.pr AS (a int, b text);
      CREATE FUNCTION shop.ft(text) RETURNS shared.pr LANGUAGE sql IMMUTABLE AS 'SELECT 1, $1';
      CREATE CAST (text AS shared.pr) WITH FUNCTION shop.ft(text); ALTER TABLE shop.orders ADD es shared.en[];
      SELECT sio_watch('shop.orders', '{r}', filter => 'es <> ARRAY[]::shared.en[] OR status::shared.pr IS NOT NULL');
      ALTER TYPE shared.en RENAME TO en2; ALTER TYPE shared.pr RENAME TO pr2`);
    await admin.query('ALTER SCHEMA shared RENAME TO "Shared"');
    await victim.query(`INSERT INTO shop.orders VALUES (1, 'x')`);
    await admin.query('ALTER SCHEMA "Shared" RENAME TO shared; SELECT sio_check()');
    await refused(victim, 'DROP TYPE shared.pr2', '2BP01', { says: 'depend' });
  });

  it('is refused by their own watch alone what it can\'t go on with', async () => {
    await victim.query(`CREATE TYPE shop.addr AS (n int, city text); ALTER TABLE shop.orders ADD ad shop.addr;
      CREATE TABLE shop.items (id int PRIMARY KEY, note text); CREATE FUNCTION shop.title(shop.items) RETURNS text LANGUAGE sql AS 'SELECT $1.note';
      SELECT sio_watch('shop.orders', '{r}', filter => $$ ad IS DISTINCT FROM '(1,x)'::shop.addr $$);
      SELECT sio_watch('shop.items', '{r}', columns => '{*,shop.title()}')`);
    await refused(victim, 'ALTER TYPE shop.addr ADD ATTRIBUTE zip text', '2BP01', { says: /a literal in its filter has other columns/ });
    await refused(admin, 'ALTER TYPE shop.addr DROP ATTRIBUTE city', '2BP01');
    await refused(victim, 'ALTER FUNCTION shop.title(shop.items) RENAME TO note', '2BP01', { says: /two values travel/ });
    await victim.query(`SELECT sio_unwatch('shop.orders')`);
    await evil.query(`CREATE TABLE evil.t (id int, ad shop.addr); SELECT sio_watch('evil.t', '{r}', filter => $$ ad IS DISTINCT FROM '(1,x)'::shop.addr $$)`);
    notices.length = 0;
    await victim.query('ALTER TYPE shop.addr ADD ATTRIBUTE zip text; ALTER TYPE shop.addr DROP ATTRIBUTE zip');
    assert.ok(notices.length > 0);
    for (const notice of notices) assert.match(notice, /^watch "sio_watch" of table "evil\.t" could not follow the new (attribute|column)/);
  });

  describe('without a privilege that a filter needs', () => {
    beforeEach(async () => {
      // The table's owner can't use what the watch's maker can.
      await admin.query('ALTER SCHEMA private OWNER TO evil; GRANT SELECT, TRIGGER ON shop.orders TO evil');
      await evil.query(`CREATE FUNCTION private.seen(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
        SELECT sio_watch('shop.orders', '{r}', filter => $$ private.seen(id) AND status > '' $$)`);
    });

    it('is refused the name of a column, as its filter can\'t be read', async () => {
      await refused(victim, 'ALTER TABLE shop.orders RENAME COLUMN status TO state', '2BP01', { says: 'permission denied for schema private' });
    });
  });

  it('looks as the owner of the table does: it finds no problem, and protects what a restored watch depends on', async () => {
    await victim.query(`SELECT sio_watch('shop.orders', '{r}', filter => 'private.ok(id)')`);
    await admin.query('GRANT SELECT ON sio_watches TO stranger');
    assert.deepEqual((await stranger.query('SELECT problem FROM sio_watches')).rows, [{ problem: null }]);
    // As pg_upgrade leaves it.
    await admin.query(`SET allow_system_table_mods = on; DELETE FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND deptype = 'n'
      AND refclassid = 'pg_proc'::regclass AND refobjid <> 'sio_emit_changes'::regproc; RESET allow_system_table_mods`);
    await stranger.query('CREATE FUNCTION pg_temp.x() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; DROP FUNCTION pg_temp.x()');
    await refused(victim, 'DROP FUNCTION private.ok(int)', '2BP01', { says: 'depend' });
    await victim.query('INSERT INTO shop.orders VALUES (1)');
  });
});
