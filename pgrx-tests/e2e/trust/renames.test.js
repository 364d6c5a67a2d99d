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
      await refused(admin, 'INSERT INTO evil.t VALUES (1)', '55000', { says: /function shared\.f\(text\) has the name of something else with which the watch was declared$/, hint: /declares the watch again/ });
      assert.match((await watches())[0].problem ?? (await watches())[1].problem, /function shared\.f\(text\) has the name/);
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
