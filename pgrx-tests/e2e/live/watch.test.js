// sio_watch and sio_unwatch: the triggers that they make and remove, and what those send.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { rowTrigger, startLive, watched } from '../../harness/live.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text DEFAULT 'new');`;

describe('sio_watch', () => {
  let live;

  before(async () => {
    live = await startLive({
      name: 'live-watch', namespaces: ['/', '/shop'],
      clients: { one: ['customer:1'], two: ['customer:2'], staff: ['staff'], roomless: [], elsewhere: { nsp: '/shop', rooms: [] } },
    });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  /** What a round of changes to `orders` sends: insert, the same update twice, delete. */
  const changes = async () => {
    await live.app.query(`INSERT INTO orders VALUES (1, 1); UPDATE orders SET customer_id = 2; UPDATE orders SET customer_id = 2;
                          DELETE FROM orders`);
    return live.got();
  };

  for (const level of ['row', 'statement']) {
    describe(`at ${level} level`, () => {
      const orders = (parameters = '') => live.app.query(
        `${ORDERS} SELECT sio_watch('orders', level => '${level}'${watched(parameters)})`);
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
          SELECT sio_watch('items', everyone => true, ns => '/shop', columns => '{"Odd, \\"id",c}', ops => '{insert}', level => '${level}');
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
        assert.deepEqual(await live.got(), { staff: [['orders:truncate', null]] });
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
        assert.equal(await live.unwatch(`'parts'`), 1);
        assert.deepEqual([await live.triggerNames('parts'), await live.triggerNames('parts_1')], [[], []]);
      });
    });
  }

  it('makes ordinary triggers, one at row level, one per op at statement level', async () => {
    await live.app.query(ORDERS);
    await live.watch(`ops => '{insert,update,delete,truncate}'`);
    const row = await live.triggers();
    assert.deepEqual(Object.keys(row), ['sio_watch', 'sio_watch_truncate']);
    assert.match(row.sio_watch, /AFTER INSERT OR DELETE OR UPDATE ON shop\.orders FOR EACH ROW EXECUTE FUNCTION sio_emit_changes\(.*'unchanged=event'/);
    assert.match(row.sio_watch_truncate, /AFTER TRUNCATE ON shop\.orders FOR EACH STATEMENT/);
    await live.watch(`level => 'statement', ops => '{truncate,delete,update,insert}', name => 'live'`);
    const all = await live.triggers();
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
        await live.watch(parameters);
        assert.deepEqual(await live.triggerNames(), expected, parameters);
      }
      const { one } = await changes();
      assert.deepEqual(one.map(([event]) => event), ['now', 'now', 'now'], 'each change is sent once');
      assert.equal(await live.unwatch(), 1);
    });

    it('in the session whose trigger has fired before, has its new arguments', async () => {
      await live.app.query(ORDERS);
      await live.watch(`event => 'before'`);
      await live.app.query('INSERT INTO orders VALUES (1)');
      await live.watch(`event => 'after', columns => '{id}'`);
      await live.app.query('INSERT INTO orders VALUES (2)');
      assert.deepEqual((await live.got()).one, [['before', { id: 1, customer_id: null, status: 'new' }], ['after', { id: 2 }]]);
    });

    it('under another name, adds a watch', async () => {
      await live.app.query(ORDERS);
      await live.watch(`rooms => '{customer:$customer_id}', columns => '{id}'`);
      await live.watch(`rooms => '{staff}', name => 'for staff', ops => '{insert}'`);
      assert.deepEqual(await live.triggerNames(), ['for staff', 'sio_watch']);
      await live.app.query('INSERT INTO orders VALUES (1, 2)');
      assert.deepEqual(await live.got(), {
        two: [['orders:insert', { id: 1 }]], staff: [['orders:insert', { id: 1, customer_id: 2, status: 'new' }]],
      });
    });
  });

  it('ends with the transaction that it was called in', async () => {
    await live.app.query(ORDERS);
    await live.app.query('BEGIN');
    await live.watch(`rooms => '{staff}'`);
    await live.app.query('INSERT INTO orders VALUES (1); ROLLBACK; INSERT INTO orders VALUES (1)');
    assert.deepEqual([await live.got(), await live.triggerNames()], [{}, []]);
  });

  it('watches temporary and unlogged tables', async () => {
    await live.app.query('CREATE TEMP TABLE passing (id int); CREATE UNLOGGED TABLE light (id int)');
    await live.watch(`rooms => '{staff}'`, 'passing');
    await live.watch(`rooms => '{staff}'`, 'light');
    await live.app.query('INSERT INTO passing VALUES (1); INSERT INTO light VALUES (2); DROP TABLE passing');
    assert.deepEqual((await live.got()).staff, [['passing:insert', { id: 1 }], ['light:insert', { id: 2 }]]);
  });

  it('lets an unchanged update of columns without an equality pass in silence', { skip: lacks('xml') }, async () => {
    await live.app.query('CREATE TABLE shapes (id int, j json, p point, x xml)');
    for (const level of ['row', 'statement']) {
      await live.watch(`rooms => '{staff}', level => '${level}'`, 'shapes');
      await live.app.query(`INSERT INTO shapes VALUES (1, '{}', '(1,2)', '<a/>'); UPDATE shapes SET id = id;
                            UPDATE shapes SET j = j, p = '(1,2)', x = '<a/>'; UPDATE shapes SET j = '{"a": 1}'; DELETE FROM shapes`);
      assert.deepEqual((await live.got()).staff.map(([event]) => event), ['shapes:insert', 'shapes:update', 'shapes:delete']);
    }
  });

  describe('sio_unwatch', () => {
    it('removes the named watch, or all of the table, and says how many', async () => {
      await live.app.query(`${ORDERS} CREATE TABLE others (id int); ${rowTrigger('orders', 'INSERT', ['room=staff'], { name: 'foreign_one' })}`);
      await live.watch(`level => 'statement', ops => '{insert,truncate}'`);
      for (const name of ['a', 'b', 'c']) await live.watch(`name => '${name}'`);
      await live.watch('', 'others');
      assert.equal(await live.unwatch(`'orders', 'missing', if_exists => true`), 0);
      assert.equal(await live.unwatch(`'orders', name => 'b'`), 1);
      assert.deepEqual(await live.triggerNames(), ['a', 'c', 'foreign_one', 'sio_watch_insert', 'sio_watch_truncate']);
      assert.equal(await live.unwatch(), 3);
      assert.equal(await live.unwatch(), 0);
      assert.deepEqual([await live.triggerNames(), await live.triggerNames('others')], [['foreign_one'], ['sio_watch']]);
      await live.app.query('INSERT INTO orders VALUES (1)');
      assert.equal((await live.sent()).length, 1);
    });
  });
});
