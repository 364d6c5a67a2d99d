// keys => 'camel' and bigints => 'text': how objects and large numbers travel.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

for (const level of ['row', 'statement']) {
  describe(`the form of values at ${level} level`, () => {
    let live;

    before(async () => {
      live = await startLive({ name: `live-keys-${level}`, clients: { staff: ['staff'] } });
    });

    after(async () => live?.close());
    beforeEach(async () => live.reset());

    /** What the rows of the SQL were sent as. */
    async function payloads(sql) {
      await live.app.query(sql);
      return (await live.sent()).flatMap(({ args: [payload] }) => payload);
    }

    const watch = (parameters, table = 'order_items') => live.watch(`level => '${level}', rooms => '{staff}', ${parameters}`, table);

    it('has keys in camel case, of rows, keys, changes and what functions return', async () => {
      await live.app.query(`CREATE TABLE order_items (order_id int, item_no int, unit_price int, "isGift" boolean, _note_1 text, PRIMARY KEY (order_id, item_no));
        CREATE FUNCTION total_price(order_items) RETURNS int LANGUAGE sql AS 'SELECT $1.unit_price * 2'`);
      await watch(`keys => 'camel', columns => '{*,total_price()}'`);
      assert.deepEqual(await payloads(`INSERT INTO order_items VALUES (1, 2, 3, true, 'n')`), [{ orderId: 1, itemNo: 2, unitPrice: 3, isGift: true, _note1: 'n', totalPrice: 6 }]);
      await watch(`keys => 'camel', payload => 'key'`);
      assert.deepEqual(await payloads('UPDATE order_items SET unit_price = 4'), [{ orderId: 1, itemNo: 2 }]);
      await watch(`keys => 'camel', payload => 'change', columns => '{order_id,item_no}'`);
      assert.deepEqual(await payloads('UPDATE order_items SET item_no = 3'), [{
        operation: 'UPDATE', schema: 'shop', table: 'order_items', record: { orderId: 1, itemNo: 3 }, old_record: { orderId: 1, itemNo: 2 },
      }]);
      await watch(`keys => 'camel', filter => 'unit_price > 0', left_event => 'left'`);
      assert.deepEqual(await payloads('UPDATE order_items SET unit_price = 0'), [{ orderId: 1, itemNo: 3 }]);
    });

    it('refuses two columns that would travel under one key', async () => {
      await live.app.query('CREATE TABLE order_items (id int, a_b int, "aB" int)');
      await refused(live.app, `SELECT sio_watch('order_items', '{staff}', keys => 'camel', level => '${level}')`, '22023', { says: ['keys', '"aB"'], hint: /./ });
      await watch(`keys => 'camel', except_columns => '{a_b}'`);
    });

    it('has what JavaScript would round as texts', async () => {
      await live.app.query(`CREATE DOMAIN money_like AS numeric(30, 2);
        CREATE TABLE order_items (id bigint PRIMARY KEY, n numeric, m money_like, i int, f float8, ids bigint[], sums numeric[], ints int[], doc jsonb);
        CREATE FUNCTION next_id(order_items) RETURNS bigint LANGUAGE sql AS 'SELECT $1.id + 1';
        CREATE FUNCTION both_ids(order_items) RETURNS bigint[] LANGUAGE sql AS 'SELECT ARRAY[$1.id, $1.id + 1]'`);
      await watch(`bigints => 'text', columns => '{*,next_id(),both_ids()}'`);
      const insert = `INSERT INTO order_items VALUES (9007199254740993, 1.50, 12345678901234567890.12, 7, 0.5, '{1,9223372036854775807,NULL}', '{{0.10},{NaN}}', '{1}', '{"n": 1}')`;
      assert.deepEqual(await payloads(insert), [{
        id: '9007199254740993', n: '1.50', m: '12345678901234567890.12', i: 7, f: 0.5, ids: ['1', '9223372036854775807', null], sums: [['0.10'], ['NaN']], ints: [1],
        doc: { n: 1 }, next_id: '9007199254740994', both_ids: ['9007199254740993', '9007199254740994'],
      }]);
      // In MessagePack, too.
      assert.equal((await payloads(`UPDATE order_items SET doc = to_jsonb(repeat('x', 9000)), n = 'NaN'`)).map(({ id, n, ids }) => [id, n, ids[1]].join()).join(), '9007199254740993,NaN,9223372036854775807');
      await watch(`bigints => 'text', payload => 'key'`);
      assert.deepEqual(await payloads('DELETE FROM order_items'), [{ id: '9007199254740993' }]);
      await watch(`columns => '{n,i}'`);
      assert.deepEqual(await payloads(insert), [{ n: 1.5, i: 7 }]);
    });

    it('does so in partitions', async () => {
      await live.app.query(`CREATE TABLE order_items (gone int, order_id bigint, all_ids bigint[]) PARTITION BY LIST (order_id); ALTER TABLE order_items DROP gone;
        CREATE TABLE rest (all_ids bigint[], order_id bigint); ALTER TABLE order_items ATTACH PARTITION rest DEFAULT`);
      await watch(`bigints => 'text', keys => 'camel'`);
      assert.deepEqual(await payloads(`INSERT INTO order_items VALUES (1, '{2}')`), [{ orderId: '1', allIds: ['2'] }]);
    });
  });
}
