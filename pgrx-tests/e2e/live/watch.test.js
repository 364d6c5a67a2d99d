// sio_watch, sio_unwatch and sio_watches: the triggers that they make, and what they leave alone.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { OWNER_ROLE, rowTrigger, startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text DEFAULT 'new');`;

describe('sio_watch', () => {
  let live;

  before(async () => {
    live = await startLive({
      name: 'live-watch', namespaces: ['/', '/shop'],
      clients: { one: ['customer:1'], two: ['customer:2'], staff: ['staff'], roomless: [], elsewhere: { nsp: '/shop', rooms: [] } },
    });
    await createRoles(live.admin, 'helper', 'nobody');
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const watch = (parameters = '', table = 'orders') =>
    live.app.query(`SELECT sio_watch('${table}'${parameters && `, ${parameters}`})`);
  const unwatch = async (parameters = `'orders'`) => (await live.app.query(`SELECT sio_unwatch(${parameters}) AS n`)).rows[0].n;

  /** name → definition, of the table's triggers. */
  async function triggers(table = 'orders') {
    const { rows } = await live.app.query(`
      SELECT tgname AS name, pg_get_triggerdef(oid) AS definition FROM pg_trigger
       WHERE tgrelid = '${table}'::regclass AND NOT tgisinternal ORDER BY 1`);
    return Object.fromEntries(rows.map(({ name, definition }) => [name, definition]));
  }
  const names = async (table) => Object.keys(await triggers(table));

  /** What a round of changes to `orders` sends: insert, the same update twice, delete. */
  const changes = async () => {
    await live.app.query(`INSERT INTO orders VALUES (1, 1); UPDATE orders SET customer_id = 2; UPDATE orders SET customer_id = 2;
                          DELETE FROM orders`);
    return live.got();
  };

  describe('beside the triggers of others', () => {
    const PARTITIONED = `
      CREATE TABLE parted (id int PRIMARY KEY, r text) PARTITION BY RANGE (id);
      CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10);
      CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';`;

    for (const [what, own] of [
      ['a watch of its own', `SELECT sio_watch('part', rooms => '{secret:$r}')`],
      ['a trigger by hand', 'CREATE TRIGGER sio_watch AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION mine()'],
    ]) {
      it(`doesn't overwrite what a partition has: ${what}`, async () => {
        await live.app.query(`${PARTITIONED} ${own}`);
        const before = await triggers('part');
        await refused(live.app, `SELECT sio_watch('parted')`, '42710', { says: 'part', hint: /name =>/ });
        assert.deepEqual(await triggers('part'), before);
        await live.app.query(`SELECT sio_watch('parted', name => 'other')`);
        assert.deepEqual(await names('part'), ['other', 'sio_watch']);
      });
    }

    it('replaces its own of a partitioned table, copies included', async () => {
      await live.app.query(`${PARTITIONED} SELECT sio_watch('parted'), sio_watch('parted', rooms => '{staff}');
                            INSERT INTO parted VALUES (1, 'x')`);
      assert.deepEqual(Object.keys(await live.got()), ['staff']);
    });

    const MINE = `CREATE TRIGGER sio_watch AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION mine()`;

    it('sees one that another session has just made', async () => {
      await live.app.query(`${ORDERS} ${PARTITIONED}`);
      await live.as(EMITTER_ROLE, async (other) => {
        await other.query(`BEGIN; ${MINE}`);
        const waiting = refused(live.app, `SELECT sio_watch('orders')`, '42710', { hint: /name =>/ });
        await until('sio_watch waits', async () => {
          const { rowCount } = await live.admin.query(
            `SELECT FROM pg_locks WHERE NOT granted AND relation = 'shop.orders'::regclass`);
          return rowCount > 0;
        });
        await other.query('COMMIT');
        await waiting;
      });
      assert.match((await triggers()).sio_watch, /mine/);
    });

    it('sees one that is younger than its snapshot', async () => {
      await live.app.query(`${ORDERS} ${PARTITIONED}`);
      await live.app.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM orders');
      await live.as(EMITTER_ROLE, (other) => other.query(MINE));
      await refused(live.app, `SELECT sio_watch('orders')`, '42710', { hint: /name =>/ });
      await live.app.query('ROLLBACK');
      assert.match((await triggers()).sio_watch, /mine/);
    });

    it('leaves dropping to the owner', async () => {
      await live.app.query(`${ORDERS} SELECT sio_watch('orders')`);
      await live.admin.query('GRANT USAGE ON SCHEMA shop TO helper; GRANT EXECUTE ON FUNCTION sio_unwatch TO helper');
      await live.as('helper', (helper) => refused(helper, `SELECT sio_unwatch('shop.orders')`, '42501', { says: 'orders' }));
      assert.deepEqual(await names(), ['sio_watch']);
    });
  });

  for (const level of ['row', 'statement']) {
    describe(`at ${level} level`, () => {
      const orders = (parameters = '') => live.app.query(
        `${ORDERS} SELECT sio_watch('orders', level => '${level}'${parameters && `, ${parameters}`})`);
      const many = (value) => (level === 'row' ? value : [value]);
      const row = (customer, status = 'new') => many({ id: 1, customer_id: customer, status });
      const key = many({ id: 1 });

      it('sends rows to everyone by default, and nothing for an update that changes nothing', async () => {
        await orders();
        const all = await changes();
        assert.deepEqual(Object.keys(all), ['one', 'two', 'staff', 'roomless']);
        const expected = [['orders:insert', row(1)], ['orders:update', row(2)], ['orders:delete', row(2)]];
        for (const events of Object.values(all)) assert.deepEqual(events, expected);
      });

      it('sends as rooms, event and payload say', async () => {
        await orders(`rooms => '{customer:$customer_id,staff}', event => 'order:$op', payload => 'key'`);
        const [inserted, updated, deleted] = ['insert', 'update', 'delete'].map((op) => [`order:${op}`, key]);
        assert.deepEqual(await changes(), { one: [inserted], two: [updated, deleted], staff: [inserted, updated, deleted] });
      });

      it('sends as ns, columns and ops say', async () => {
        await live.app.query(`CREATE TABLE items ("Odd, ""id" int, b int, c int);
          SELECT sio_watch('items', ns => '/shop', columns => '{"Odd, \\"id",c}', ops => '{insert}', level => '${level}');
          INSERT INTO items VALUES (1, 2, 3); UPDATE items SET b = 5; DELETE FROM items`);
        assert.deepEqual(await live.got(), { elsewhere: [['items:insert', many({ 'Odd, "id': 1, c: 3 })]] });
      });

      it('sends as except_columns and left_event say', async () => {
        await orders(`rooms => '{customer:$customer_id}', except_columns => '{status,customer_id}', left_event => 'order:left'`);
        assert.deepEqual(await changes(), {
          one: [['orders:insert', key], ['order:left', key]], two: [['orders:update', key], ['orders:delete', key]],
        });
      });

      it('sends as payload => change and old say', async () => {
        for (const [old, expected] of [['key', { id: 1 }], ['full', { id: 1, customer_id: 1, status: 'new' }]]) {
          await orders(`rooms => '{customer:$customer_id}', payload => 'change', old => '${old}'`);
          const { two: [[event, change]] } = await changes();
          assert.equal(event, 'orders:update');
          assert.deepEqual([change].flat(), [{
            operation: 'UPDATE', schema: 'shop', table: 'orders', record: { id: 1, customer_id: 2, status: 'new' }, old_record: expected,
          }]);
          await live.app.query('DROP TABLE orders');
        }
      });

      it('follows TRUNCATE, if told to', async () => {
        await orders(`rooms => '{customer:$customer_id,staff}', ops => '{truncate,update}'`);
        await live.app.query('INSERT INTO orders VALUES (1, 1); TRUNCATE orders');
        assert.deepEqual(await live.got(), { staff: [['orders:truncate']] });
      });

      it('takes odd names, rooms and events as they are', async () => {
        await live.app.query(`CREATE SCHEMA "Odd ""schema"; CREATE TABLE "Odd ""schema"."Odd 'table" ("Id's" int PRIMARY KEY, "a\\b" text)`);
        try {
          await live.app.query('SELECT sio_watch($1::regclass, rooms => $2, event => $3, name => $4, level => $5)', [
            `"Odd ""schema"."Odd 'table"`, ['staff', `it's: \${Id's}`, 'a\\b "c"'], `\${a\\b}'s`, `The "watch"'s`, level,
          ]);
          await live.app.query(`INSERT INTO "Odd ""schema"."Odd 'table" VALUES (7, 'x\\y')`);
          const [{ event, args, rooms }] = await live.sent();
          assert.deepEqual([event, args, [...rooms].sort()], [
            `x\\y's`, [many({ "Id's": 7, 'a\\b': 'x\\y' })], ['a\\b "c"', `it's: 7`, 'staff'],
          ]);
          const { rows } = await live.admin.query('SELECT name, rooms FROM sio_watches');
          assert.deepEqual(rows, [{ name: `The "watch"'s`, rooms: ['staff', `it's: \${Id's}`, 'a\\b "c"'] }]);
        } finally {
          await live.app.query('DROP SCHEMA "Odd ""schema" CASCADE');
        }
      });

      it('gives its batch to the triggers', async () => {
        await orders('batch => 2');
        await live.app.query('INSERT INTO orders SELECT i FROM generate_series(1, 5) i');
        assert.equal((await live.sent()).length, level === 'row' ? 5 : 3);
      });

      it('follows partitioned tables', async () => {
        await live.app.query(`CREATE TABLE parts (id int, n int, PRIMARY KEY (id, n)) PARTITION BY LIST (n);
          CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); CREATE TABLE rest PARTITION OF parts DEFAULT;
          SELECT sio_watch('parts', rooms => '{staff}', payload => 'key', level => '${level}'); INSERT INTO parts VALUES (1, 1), (2, 2);
          UPDATE parts SET n = 2 WHERE n = 2`);
        const { staff } = await live.got();
        assert.deepEqual(staff.map(([event]) => event), Array(level === 'row' ? 2 : 1).fill('parts:insert'));
        assert.deepEqual(staff.flatMap(([, arg]) => arg), [{ id: 1, n: 1 }, { id: 2, n: 2 }]);
        assert.equal(await unwatch(`'parts'`), 1);
        assert.deepEqual([await names('parts'), await names('parts_1')], [[], []]);
      });
    });
  }

  it('makes ordinary triggers, one at row level, one per op at statement level', async () => {
    await live.app.query(ORDERS);
    await watch(`ops => '{insert,update,delete,truncate}'`);
    const row = await triggers();
    assert.deepEqual(Object.keys(row), ['sio_watch', 'sio_watch_truncate']);
    assert.match(row.sio_watch, /AFTER INSERT OR DELETE OR UPDATE ON shop\.orders FOR EACH ROW EXECUTE FUNCTION sio_emit_changes\(.*'unchanged=skip'/);
    assert.match(row.sio_watch_truncate, /AFTER TRUNCATE ON shop\.orders FOR EACH STATEMENT/);
    await watch(`level => 'statement', ops => '{truncate,delete,update,insert}', name => 'live'`);
    const all = await triggers();
    assert.deepEqual(Object.keys(all), ['live_delete', 'live_insert', 'live_truncate', 'live_update', ...Object.keys(row)]);
    assert.match(all.live_insert, /AFTER INSERT .* REFERENCING NEW TABLE AS sio_new FOR EACH STATEMENT/);
    assert.match(all.live_update, /AFTER UPDATE .* REFERENCING OLD TABLE AS sio_old NEW TABLE AS sio_new FOR EACH STATEMENT/);
    assert.match(all.live_delete, /AFTER DELETE .* REFERENCING OLD TABLE AS sio_old FOR EACH STATEMENT/);
  });

  describe('called again', () => {
    it('replaces what it made under that name, whatever is different', async () => {
      await live.app.query(ORDERS);
      for (const [parameters, expected] of [
        ['', ['sio_watch']],
        [`ops => '{insert}'`, ['sio_watch']],
        [`level => 'statement'`, ['sio_watch_delete', 'sio_watch_insert', 'sio_watch_update']],
        [`level => 'statement', ops => '{update,truncate}'`, ['sio_watch_truncate', 'sio_watch_update']],
        [`ops => '{delete,truncate}'`, ['sio_watch', 'sio_watch_truncate']],
        [`ops => '{truncate}'`, ['sio_watch_truncate']],
        [`event => 'now'`, ['sio_watch']],
      ]) {
        await watch(parameters);
        assert.deepEqual(await names(), expected, parameters);
      }
      const { one } = await changes();
      assert.deepEqual(one.map(([event]) => event), ['now', 'now', 'now'], 'each change is sent once');
      assert.equal(await unwatch(), 1);
    });

    it('in the session whose trigger has fired before, has its new arguments', async () => {
      await live.app.query(ORDERS);
      await watch(`event => 'before'`);
      await live.app.query('INSERT INTO orders VALUES (1)');
      await watch(`event => 'after', columns => '{id}'`);
      await live.app.query('INSERT INTO orders VALUES (2)');
      assert.deepEqual((await live.got()).one, [['before', { id: 1, customer_id: null, status: 'new' }], ['after', { id: 2 }]]);
    });

    it('under another name, adds a watch', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{customer:$customer_id}', columns => '{id}'`);
      await watch(`rooms => '{staff}', name => 'for staff', ops => '{insert}'`);
      assert.deepEqual(await names(), ['for staff', 'sio_watch']);
      await live.app.query('INSERT INTO orders VALUES (1, 2)');
      assert.deepEqual(await live.got(), {
        two: [['orders:insert', { id: 1 }]], staff: [['orders:insert', { id: 1, customer_id: 2, status: 'new' }]],
      });
    });
  });

  describe('leaves alone', () => {
    it('triggers that it didn\'t make: whatever their function, at both levels, for each op', async () => {
      await live.app.query(`CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`);
      for (const [level, name, op] of [
        ['row', 'sio_watch', 'INSERT'], ['statement', 'sio_watch_insert', 'INSERT'], ['statement', 'sio_watch_delete', 'DELETE'],
        ['row', 'sio_watch_truncate', 'TRUNCATE'],
      ]) {
        for (const call of ['mine()', `mine('watch=sio_watch')`, 'public.sio_emit_changes()', `public.sio_emit_changes('watch=another')`]) {
          await live.app.query(`${ORDERS} CREATE TRIGGER ${name} AFTER ${op} ON orders FOR EACH STATEMENT EXECUTE FUNCTION ${call}`);
          const start = await triggers();
          const attempt = `SELECT sio_watch('orders', level => '${level}', ops => '{insert,update,delete,truncate}')`;
          await refused(live.app, attempt, '42710', { says: name, hint: /name/ });
          assert.deepEqual(await triggers(), start);
          await live.app.query(`SELECT sio_watch('orders', name => 'other', level => '${level}')`);
          assert.equal(await unwatch(`'orders', 'other'`), 1);
          assert.equal(await unwatch(`'orders', 'sio_watch'`), 0);
          assert.deepEqual(await triggers(), start);
          await live.app.query('DROP TABLE orders');
        }
      }
    });

    it('what a partition has of the partitioned table\'s watch', async () => {
      await live.app.query(`CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE rest PARTITION OF parts DEFAULT`);
      await watch(`rooms => '{staff}'`, 'parts');
      await watch(`rooms => '{staff}', columns => '{id}'`, 'parts'); // replaced there, too
      await refused(live.app, `SELECT sio_watch('rest')`, '42710', { says: 'sio_watch', hint: /name/ });
      assert.equal(await unwatch(`'rest'`), 0);
      await watch(`rooms => '{customer:1}', name => 'own'`, 'rest');
      await live.app.query('INSERT INTO parts VALUES (1)');
      assert.deepEqual(await live.got(), { staff: [['parts:insert', { id: 1 }]], one: [['rest:insert', { id: 1 }]] });
    });

    it('a watch whose name it would make a part of its own', async () => {
      await live.app.query(ORDERS);
      await watch(`name => 'a_insert'`);
      await refused(live.app, `SELECT sio_watch('orders', name => 'a', level => 'statement')`, '42710', { says: 'a_insert', hint: /name/ });
      assert.deepEqual(await names(), ['a_insert']);
    });
  });

  describe('needs', () => {
    it('the TRIGGER right on the table, and for what it drops, the table\'s ownership', async () => {
      await live.app.query(`${ORDERS} GRANT USAGE ON SCHEMA shop TO helper; GRANT INSERT ON orders TO helper`);
      await live.admin.query('GRANT EXECUTE ON FUNCTION sio_watch, sio_unwatch, sio_emit_changes TO helper');
      await live.as('helper', async (helper) => {
        await refused(helper, `SELECT sio_watch('shop.orders')`, '42501', { says: 'orders' });
        await live.app.query('GRANT TRIGGER ON orders TO helper');
        await helper.query(`SELECT sio_watch('shop.orders', '{staff}'); SELECT sio_watch('shop.orders', '{staff}', ops => '{insert,delete}')`);
        await helper.query('INSERT INTO shop.orders VALUES (1)');
        assert.deepEqual(Object.keys(await live.got()), ['staff']);
        await refused(helper, `SELECT sio_watch('shop.orders', '{staff}', level => 'statement')`, '42501');
        await refused(helper, `SELECT sio_unwatch('shop.orders')`, '42501');
        assert.deepEqual(await names(), ['sio_watch']);
      });
    });

    it('EXECUTE on itself, and on the trigger function', async () => {
      await live.app.query('GRANT ALL ON SCHEMA shop TO nobody');
      await live.as('nobody', async (nobody) => {
        await nobody.query('CREATE TABLE shop.mine (id int)');
        await refused(nobody, `SELECT sio_watch('shop.mine')`, '42501', { says: 'sio_watch' });
        await refused(nobody, `SELECT sio_unwatch('shop.mine')`, '42501', { says: 'sio_unwatch' });
        await refused(nobody, 'SELECT * FROM sio_watches', '42501', { says: 'sio_watches' });
        await live.admin.query('GRANT EXECUTE ON FUNCTION sio_watch TO nobody');
        await refused(nobody, `SELECT sio_watch('shop.mine')`, '42501', { says: 'sio_emit_changes' });
        assert.deepEqual(await names('mine'), []);
        await live.admin.query('REVOKE EXECUTE ON FUNCTION sio_watch FROM nobody');
      });
    });

    it('no search_path, nor is misled by one', async () => {
      await live.app.query(`${ORDERS} CREATE SCHEMA shop_fake; CREATE TABLE shop_fake.orders (id int);
        CREATE FUNCTION shop_fake.sio_emit_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fake'; END $$;
        CREATE FUNCTION shop_fake.quote_literal(text) RETURNS text LANGUAGE sql AS $$ SELECT 'fake' $$;
        CREATE FUNCTION shop_fake.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'fake' $$;
        CREATE FUNCTION shop_fake.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'fake' $$;
        CREATE FUNCTION shop_fake.equal(text, text) RETURNS bool LANGUAGE sql AS $$ SELECT true $$;
        CREATE OPERATOR shop_fake.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shop_fake.equal);
        CREATE VIEW shop_fake.pg_trigger AS SELECT 1 AS oid; CREATE VIEW shop_fake.pg_class AS SELECT 1 AS oid`);
      try {
        for (const path of ['shop_fake, pg_catalog, public', 'shop_fake', '']) {
          for (const level of ['row', 'statement']) {
            await live.app.query(`SELECT set_config('search_path', $1, false)`, [path]);
            await live.app.query(`SELECT public.sio_watch('shop.orders', '{staff}', level => '${level}', columns => '{id}');
                                  INSERT INTO shop.orders VALUES (1); DELETE FROM shop.orders`);
            const { rows } = await live.app.query('SELECT pg_catalog.current_setting(\'search_path\') AS path');
            assert.equal(rows[0].path, path, 'the path is as it was');
            await live.app.query('RESET ALL');
            assert.deepEqual(Object.keys(await live.got()), ['staff']);
            assert.deepEqual(await names('shop_fake.orders'), []);
          }
        }
      } finally {
        await live.app.query('RESET ALL; DROP SCHEMA shop_fake CASCADE');
      }
    });
  });

  it('ends with the transaction that it was called in', async () => {
    await live.app.query(ORDERS);
    await live.app.query('BEGIN');
    await watch(`rooms => '{staff}'`);
    await live.app.query('INSERT INTO orders VALUES (1); ROLLBACK; INSERT INTO orders VALUES (1)');
    assert.deepEqual([await live.got(), await names()], [{}, []]);
  });

  it('watches temporary and unlogged tables', async () => {
    await live.app.query('CREATE TEMP TABLE passing (id int); CREATE UNLOGGED TABLE light (id int)');
    await watch(`rooms => '{staff}'`, 'passing');
    await watch(`rooms => '{staff}'`, 'light');
    await live.app.query('INSERT INTO passing VALUES (1); INSERT INTO light VALUES (2); DROP TABLE passing');
    assert.deepEqual((await live.got()).staff, [['passing:insert', { id: 1 }], ['light:insert', { id: 2 }]]);
  });

  it('lets an unchanged update of columns without an equality pass in silence', async () => {
    await live.app.query('CREATE TABLE shapes (id int, j json, p point, x xml)');
    for (const level of ['row', 'statement']) {
      await watch(`rooms => '{staff}', columns => '{id}', level => '${level}'`, 'shapes');
      await live.app.query(`INSERT INTO shapes VALUES (1, '{}', '(1,2)', '<a/>'); UPDATE shapes SET id = id;
                            UPDATE shapes SET j = j, p = '(1,2)', x = '<a/>'; UPDATE shapes SET j = '{"a": 1}'; DELETE FROM shapes`);
      assert.deepEqual((await live.got()).staff.map(([event]) => event), ['shapes:insert', 'shapes:update', 'shapes:delete']);
    }
  });

  describe('sio_unwatch', () => {
    it('removes the named watch, or all of the table, and says how many', async () => {
      await live.app.query(`${ORDERS} CREATE TABLE others (id int); ${rowTrigger('orders', 'INSERT', ['room=staff'], { name: 'foreign_one' })}`);
      await watch(`level => 'statement', ops => '{insert,truncate}'`);
      for (const name of ['a', 'b', 'c']) await watch(`name => '${name}'`);
      await watch('', 'others');
      assert.equal(await unwatch(`'orders', 'missing'`), 0);
      assert.equal(await unwatch(`'orders', name => 'b'`), 1);
      assert.deepEqual(await names(), ['a', 'c', 'foreign_one', 'sio_watch_insert', 'sio_watch_truncate']);
      assert.equal(await unwatch(), 3);
      assert.equal(await unwatch(), 0);
      assert.deepEqual([await names(), await names('others')], [['foreign_one'], ['sio_watch']]);
      await live.app.query('INSERT INTO orders VALUES (1)');
      assert.equal((await live.sent()).length, 1);
    });

    it('is the owner\'s', async () => {
      await live.app.query(`${ORDERS} GRANT USAGE ON SCHEMA shop TO helper; GRANT ALL ON orders TO helper`);
      await live.admin.query('GRANT EXECUTE ON FUNCTION sio_unwatch TO helper');
      await watch();
      await live.as('helper', (helper) => refused(helper, `SELECT sio_unwatch('shop.orders')`, '42501', { says: 'orders' }));
      assert.equal(await unwatch(), 1);
    });
  });

  it(`is called here as ${OWNER_ROLE}, who is no superuser`, async () => {
    const { rows } = await live.app.query('SELECT rolsuper FROM pg_roles WHERE rolname = current_user');
    assert.deepEqual([rows, OWNER_ROLE], [[{ rolsuper: false }], EMITTER_ROLE]);
  });
});
