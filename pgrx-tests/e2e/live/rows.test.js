// sio_emit_changes FOR EACH ROW: what goes to whom.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { createRoles } from '../../harness/roles.js';
import { refused } from '../../harness/refusals.js';

const ALL_OPS = 'INSERT OR UPDATE OR DELETE';
const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text DEFAULT 'new', total numeric(10, 2));`;
const BY_CUSTOMER = ['room=customer:$customer_id', 'room=staff'];

describe('a row trigger', () => {
  let live;

  before(async () => {
    live = await startLive({
      name: 'live-rows',
      namespaces: ['/', '/shop'],
      clients: {
        one: ['customer:1'], two: ['customer:2'], staff: ['staff'], roomless: [], elsewhere: { nsp: '/shop', rooms: ['staff'] },
      },
    });
    await createRoles(live.admin, 'clerk', 'eater');
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const everyone = (...events) => Object.fromEntries(['one', 'two', 'staff', 'roomless'].map((name) => [name, events]));

  /** The table with a row trigger for all ops. */
  const orders = (...args) => live.app.query(`${ORDERS} ${rowTrigger('orders', ALL_OPS, args)}`);

  it('sends whole rows as TABLE:OP to every client of the main namespace, unless told otherwise', async () => {
    await orders();
    await live.app.query('INSERT INTO orders VALUES (7, 1, NULL, 12.50)');
    await live.app.query(`UPDATE orders SET status = 'paid'`);
    await live.app.query('DELETE FROM orders');
    const row = (status) => ({ id: 7, customer_id: 1, status, total: 12.5 });
    assert.deepEqual(
      await live.got(),
      everyone(['orders:insert', row(null)], ['orders:update', row('paid')], ['orders:delete', row('paid')]),
    );
    const sent = await live.sent();
    assert.deepEqual(sent.map(({ rooms, except }) => [rooms, except]), Array(3).fill([[], []]));
  });

  it('sends for the ops, the columns and the WHEN that it was made for, and no other', async () => {
    await live.app.query(`${ORDERS}
      ${rowTrigger('orders', 'UPDATE OF status', ['event=changed'], { more: 'WHEN (OLD.status IS DISTINCT FROM NEW.status)' })};
      INSERT INTO orders VALUES (1, 1), (2, 1); UPDATE orders SET total = 5; UPDATE orders SET status = status;
      UPDATE orders SET status = 'paid' WHERE id = 2; DELETE FROM orders`);
    assert.deepEqual((await live.got()).one, [['changed', { id: 2, customer_id: 1, status: 'paid', total: 5 }]]);
  });

  it('sends what each of a table\'s triggers declares', async () => {
    await orders('room=staff');
    await live.app.query(`${rowTrigger('orders', 'INSERT', ['room=customer:$customer_id', 'event=mine'], { name: 'second' })};
                          INSERT INTO orders VALUES (1, 2)`);
    const row = { id: 1, customer_id: 2, status: 'new', total: null };
    assert.deepEqual(await live.got(), { two: [['mine', row]], staff: [['orders:insert', row]] });
  });

  for (const ns of ['/shop', 'shop']) {
    it(`sends to the clients of ns=${ns} only`, async () => {
      await orders(`ns=${ns}`, 'room=staff', 'payload=key');
      await live.app.query('INSERT INTO orders VALUES (1)');
      assert.deepEqual(await live.got(), { elsewhere: [['orders:insert', { id: 1 }]] });
    });
  }

  it('shows columns in the table\'s order', async () => {
    await live.app.query(`CREATE TABLE wide (zz int, a text, mmmm int, b int);
      ${rowTrigger('wide', 'INSERT', [])}; ${rowTrigger('wide', 'INSERT', ['columns=b,a,zz'], { name: 'picked' })};
      INSERT INTO wide VALUES (1, '2', 3, 4)`);
    const { one: [[, whole], [, some]] } = await live.got();
    assert.deepEqual(Object.keys(whole), ['zz', 'a', 'mmmm', 'b']);
    assert.deepEqual(Object.keys(some), ['zz', 'a', 'b']);
  });

  describe('makes of the template', () => {
    // In a column's text what column::text gives: booleans in full, char(n) without its padding.
    const COLUMNS = `id int, id_2 int, customer_id int, "Customer_ID" int, "odd name" text, "with""quote" text, "brace}d" text,
      größe text, flag bool, padded char(5), price numeric(10, 2), day date, op text, "table" text, "$" text, empty text,
      list int[], "a$b" text, "ÄB" text`;
    const VALUES = `7, 8, 1, 2, 'odd', 'quoted', 'braced', 'größer', true, 'ab', 12.50, '2026-01-02', 'my op', 'my table', 'sign',
      '', '{1,2}', 'dollars', 'umlaut'`;
    const TEMPLATES = {
      'just text': 'just text',
      $id: '7',
      'a-$id-b': 'a-7-b',
      '$id:$flag:${id}x': '7:true:7x',
      $id_2: '8',
      '${id}_2': '7_2',
      $Customer_ID: '1',
      '${customer_id}': '1',
      '${Customer_ID}': '2',
      '${"Customer_ID"}': '2',
      '${odd name}!': 'odd!',
      '${"odd name"}': 'odd',
      '${with"quote}': 'quoted',
      '${"with""quote"}': 'quoted',
      '${"brace}d"}': 'braced',
      '${a$b}': 'dollars',
      '${$}': 'sign',
      '$größe': 'größer',
      '$GRößE': 'größer',
      '$ÄB': null, // only ASCII is folded: the column is "Äb" then
      '$flag': 'true',
      '<$padded>': '<ab>',
      '$price on $day': '12.50 on 2026-01-02',
      'x$empty': 'x',
      '$list': '{1,2}',
      $op: 'insert',
      '$table/$schema': 'Odd Table/shop',
      '${op}:${table}:${schema}': 'insert:Odd Table:shop',
      '${"op"}:${"table"}': 'my op:my table',
      $$: '$',
      '$$id': '$id',
      '$$$id$$': '$7$',
      'cost: 5$$': 'cost: 5$',
      'a=b': 'a=b',
      '日本 😀 $id': '日本 😀 7',
      '}{': '}{',
    };

    for (const [template, expected] of Object.entries(TEMPLATES)) {
      it(`${template} → ${expected ?? 'an error'}`, async () => {
        await live.app.query(`CREATE TABLE "Odd Table" (${COLUMNS});
          ${rowTrigger('"Odd Table"', 'INSERT', [`event=${template}`, `room=${template}`, 'room=staff', 'columns=id'])}`);
        const insert = `INSERT INTO "Odd Table" VALUES (${VALUES})`;
        if (expected === null) {
          await refused(live.app, insert, '42703', { says: 'Äb' });
          return;
        }
        await live.join('inside', [expected]);
        await live.app.query(insert);
        assert.deepEqual(await live.got(), { inside: [[expected, { id: 7 }]], staff: [[expected, { id: 7 }]] });
        await live.leave('inside');
        assert.deepEqual(new Set((await live.sent())[0].rooms), new Set([expected, 'staff']));
      });
    }

    it('$op the op of the row, also where one trigger is for all', async () => {
      await orders('room=$op', 'event=e', 'payload=key');
      await live.app.query('INSERT INTO orders VALUES (1); UPDATE orders SET status = NULL; DELETE FROM orders');
      assert.deepEqual((await live.sent()).map(({ rooms }) => rooms), [['insert'], ['update'], ['delete']]);
    });
  });

  describe('takes rooms', () => {
    it('as a union: a client in several gets the event once', async () => {
      await orders(...BY_CUSTOMER, 'payload=key');
      await live.join('both', ['customer:1', 'staff']);
      await live.app.query('INSERT INTO orders VALUES (1, 1)');
      const event = ['orders:insert', { id: 1 }];
      assert.deepEqual(await live.got(), { one: [event], staff: [event], both: [event] });
      await live.leave('both');
    });

    it('once each, however often they were named', async () => {
      await orders('room=staff', 'room=customer:$id', 'room=staff', 'room=customer:$customer_id');
      await live.app.query('INSERT INTO orders VALUES (1, 1)');
      const [{ rooms }] = await live.sent();
      assert.deepEqual([...rooms].sort(), ['customer:1', 'staff']);
    });

    it('without those whose column is NULL', async () => {
      await orders(...BY_CUSTOMER, 'payload=key');
      await live.app.query('INSERT INTO orders VALUES (1, NULL)');
      assert.deepEqual(await live.got(), { staff: [['orders:insert', { id: 1 }]] });
      assert.deepEqual((await live.sent()).map(({ rooms }) => rooms), [['staff']]);
    });

    it('and none of two columns in one room if either is NULL', async () => {
      await orders('room=staff', 'room=$customer_id/$status', 'payload=key');
      await live.app.query(`INSERT INTO orders VALUES (1, NULL, 'new'), (2, 1, NULL), (3, 1, 'new')`);
      assert.deepEqual((await live.sent()).map(({ rooms }) => [...rooms].sort()), [['staff'], ['staff'], ['1/new', 'staff']]);
    });

    it('and if all are NULL sends to nobody, for every op', async () => {
      await orders('room=customer:$customer_id', 'room=${status}');
      // A client in every room that the templates could be taken for, and `roomless` in none.
      const likely = ['', 'customer:', 'customer:NULL', 'customer:null', 'NULL', 'null', 'customer:$customer_id', '${status}'];
      await live.join('hopeful', likely);
      await live.app.query(`INSERT INTO orders VALUES (1, NULL, NULL); UPDATE orders SET total = 1; DELETE FROM orders;
        INSERT INTO orders SELECT i, NULL, NULL FROM generate_series(1, 10) i`);
      assert.deepEqual(await live.got(), {});
      assert.deepEqual(await live.sent(), [], 'no server was told');
      assert.equal((await live.admin.query('SELECT FROM socket_io_attachments WHERE octet_length(payload) > 200')).rowCount, 0);
      await live.app.query(`UPDATE orders SET customer_id = 1 WHERE id = 1`);
      assert.deepEqual(Object.keys(await live.got()), ['one'], 'the trigger works');
      await live.leave('hopeful');
    });

    it('of the new row on an update, of the old one on a delete', async () => {
      await orders('room=customer:$customer_id', 'payload=key');
      await live.app.query('INSERT INTO orders VALUES (1, 3); UPDATE orders SET customer_id = 1 WHERE id = 1');
      assert.deepEqual(await live.got(), { one: [['orders:update', { id: 1 }]] });
      await live.app.query('DELETE FROM orders');
      assert.deepEqual(await live.got(), { one: [['orders:delete', { id: 1 }]] });
    });

    it('and require_rooms refuses a trigger without', async () => {
      await orders('payload=key');
      await live.app.query('SET socketio_emitter.require_rooms = on');
      await refused(live.app, 'INSERT INTO orders VALUES (1)', '22023', { says: ['live', 'room', 'require_rooms'], hint: /./ });
      assert.equal(await live.count('orders'), 0);
      await live.app.query(`DROP TRIGGER live ON orders; ${rowTrigger('orders', 'INSERT', ['room=customer:$customer_id'])};
                            INSERT INTO orders VALUES (1, 1), (2, NULL)`);
      await live.app.query('RESET ALL');
      assert.deepEqual(Object.keys(await live.got()), ['one']);
    });
  });

  it('sends nothing for a row whose event has a NULL column', async () => {
    await orders('room=staff', 'event=order:$status', 'payload=key');
    await live.app.query(`INSERT INTO orders VALUES (1, 1, NULL), (2, 1, 'paid')`);
    assert.deepEqual(await live.got(), { staff: [['order:paid', { id: 2 }]] });
    assert.equal((await live.sent()).length, 1);
  });

  it('sends equal rows as often as they are inserted', async () => {
    await live.app.query(`CREATE TABLE log (line text); ${rowTrigger('log', 'INSERT', ['room=staff'])};
      BEGIN; INSERT INTO log VALUES ('x'), ('x'); INSERT INTO log VALUES ('x'); SAVEPOINT a; INSERT INTO log VALUES ('x'); COMMIT`);
    assert.deepEqual(await live.got(), { staff: Array(4).fill(['log:insert', { line: 'x' }]) });
  });

  it('is part of its transaction: nothing before the commit, nothing of what was rolled back', async () => {
    await orders('room=staff', 'payload=key');
    await live.app.query('BEGIN; INSERT INTO orders VALUES (1); ROLLBACK');
    await live.app.query(`BEGIN; INSERT INTO orders VALUES (2); SAVEPOINT a; INSERT INTO orders VALUES (3); ROLLBACK TO a;
                          INSERT INTO orders VALUES (4)`);
    await assert.rejects(live.as('postgres', (other) => other.query('INSERT INTO shop.orders VALUES (5), (5)')), { code: '23505' });
    assert.deepEqual(await live.sent(), []);
    await live.app.query('COMMIT');
    assert.deepEqual(await live.got(), { staff: [['orders:insert', { id: 2 }], ['orders:insert', { id: 4 }]] });
  });

  for (const [what, length] of [['longer than NOTIFY takes', 8_000], ['of 10 MB', 10_000_000]]) {
    it(`sends a row ${what} through the table, and nobody's write fails`, async () => {
      await orders('room=customer:$customer_id');
      await live.app.query(`INSERT INTO orders VALUES (1, 1, repeat('é', $1))`, [length]);
      const expected = { id: 1, customer_id: 1, status: 'é'.repeat(length), total: null };
      assert.deepEqual(await live.got(), { one: [['orders:insert', expected]] });
      assert.deepEqual((await live.sent()).map(({ attached }) => attached), [true]);
    });
  }

  it('needs no right of who changes the table', async () => {
    await orders('room=customer:$customer_id');
    await live.app.query('GRANT USAGE ON SCHEMA shop TO clerk; GRANT INSERT ON orders TO clerk');
    await live.as('clerk', async (clerk) => {
      await clerk.query(`INSERT INTO shop.orders VALUES (1, 1, 'x'), (2, 2, repeat('x', 9000))`);
      await refused(clerk, `SELECT sio_emit('/', '{}', 'e')`, '42501');
    });
    assert.deepEqual(Object.keys(await live.got()), ['one', 'two']);
  });

  it('needs EXECUTE of who makes it', async () => {
    await live.app.query(`${ORDERS} ALTER TABLE orders RENAME TO theirs; GRANT ALL ON SCHEMA shop TO clerk`);
    await live.as('clerk', async (clerk) => {
      await clerk.query('CREATE TABLE shop.mine (id int)');
      await refused(clerk, rowTrigger('shop.mine', 'INSERT'), '42501', { says: 'sio_emit_changes' });
    });
  });

  it('sends a changed row that equals the old one, unless told to skip it', { skip: lacks('xml') }, async () => {
    await live.app.query(`CREATE TABLE things (id int, n numeric, j json, p point, x xml, big text, f float8);
      ALTER TABLE things ALTER big SET STORAGE EXTERNAL;
      INSERT INTO things VALUES (1, 1.0, '{"a": 1}', '(1,2)', '<a/>', repeat('long', 5000), 0)`);
    await live.app.query(rowTrigger('things', 'INSERT OR UPDATE', ['columns=id']));
    await live.app.query('UPDATE things SET id = id');
    assert.equal((await live.sent()).length, 1);
    await live.app.query(`DROP TRIGGER live ON things; ${rowTrigger('things', 'INSERT OR UPDATE', ['columns=id', 'unchanged=skip'])}`);
    await live.app.query('UPDATE things SET id = id; UPDATE things SET j = j, p = p, x = x, big = big, n = n');
    await live.app.query(`UPDATE things SET n = '1.0', j = '{"a": 1}', p = '(1,2)', x = '<a/>', big = repeat('long', 5000)`);
    assert.deepEqual(await live.sent(), []);
    // What is stored differs, even if = says it doesn't, or it isn't among the columns that travel.
    for (const change of [`n = 1.00`, `j = '{"a":1}'`, `f = '-0'`, `p = '(1,3)'`, `x = '<b/>'`, `big = big || 'x'`, 'f = NULL']) {
      await live.app.query(`UPDATE things SET ${change}`);
      assert.equal((await live.sent()).length, 1, change);
    }
    await live.app.query('UPDATE things SET f = NULL; INSERT INTO things SELECT * FROM things');
    assert.equal((await live.sent()).length, 1, 'an insert is always sent');
  });

  describe('on TRUNCATE', () => {
    const truncated = async (...args) => {
      await live.app.query(`${ORDERS} ${statementTriggers('orders', 'TRUNCATE', args)};
                            INSERT INTO orders VALUES (1, 1); TRUNCATE orders`);
      return live.got();
    };

    it('sends an event without argument to everyone, if it has no rooms', async () => {
      assert.deepEqual(await truncated(), everyone(['orders:truncate']));
    });

    for (const payload of ['row', 'key']) {
      it(`sends it to the rooms without columns only, payload=${payload}`, async () => {
        assert.deepEqual(await truncated(...BY_CUSTOMER, `payload=${payload}`), { staff: [['orders:truncate']] });
        assert.deepEqual((await live.sent()).map(({ rooms }) => rooms), [['staff']]);
      });
    }

    it('sends nothing if each room has a column', async () => {
      assert.deepEqual(await truncated('room=customer:$customer_id'), {});
      assert.deepEqual(await live.sent(), []);
    });

    it('takes rooms of variables for rooms without columns', async () => {
      await truncated('room=$table', 'room=$op-$$', 'room=$id');
      assert.deepEqual((await live.sent()).map(({ rooms }) => [...rooms].sort()), [['orders', 'truncate-$']]);
    });

    it('sends the change without records, payload=change', async () => {
      const change = { operation: 'TRUNCATE', schema: 'shop', table: 'orders', record: null, old_record: null };
      assert.deepEqual(await truncated('room=staff', 'payload=change'), { staff: [['orders:truncate', change]] });
    });
  });
});
