// sio_emit_changes FOR EACH ROW: what of the row travels, and what those get whom a row leaves.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive } from '../../harness/live.js';

const ALL_OPS = 'INSERT OR UPDATE OR DELETE';
const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text DEFAULT 'new', "Secret" text DEFAULT 's')`;

describe('a row trigger sends', () => {
  let live;

  before(async () => {
    live = await startLive({
      name: 'live-payloads',
      clients: { one: ['customer:1'], two: ['customer:2'], both: ['customer:1', 'customer:2'], staff: ['staff'], roomless: [] },
    });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  /** What a client in room staff gets of the SQL, without the event's name. */
  async function argumentsOf(sql, ...args) {
    await live.app.query(`${ORDERS}; ${rowTrigger('orders', ALL_OPS, ['room=staff', ...args])}; ${sql}`);
    const { staff, ...others } = await live.got();
    assert.deepEqual(others, {});
    return staff.map(([, ...rest]) => rest);
  }

  const CHANGES = `INSERT INTO orders VALUES (1, 5, 'new'); UPDATE orders SET status = 'paid'; UPDATE orders SET id = 2; DELETE FROM orders`;
  const row = (id, status) => ({ id, customer_id: 5, status, Secret: 's' });

  describe('as payload', () => {
    for (const args of [[], ['payload=row']]) {
      it(`the row, the old one on a delete, ${args[0] ?? 'by default'}`, async () => {
        assert.deepEqual(await argumentsOf(CHANGES, ...args), [[row(1, 'new')], [row(1, 'paid')], [row(2, 'paid')], [row(2, 'paid')]]);
      });
    }

    it('the primary key\'s columns, payload=key', async () => {
      assert.deepEqual(await argumentsOf(CHANGES, 'payload=key'), [[{ id: 1 }], [{ id: 1 }], [{ id: 2 }], [{ id: 2 }]]);
    });

    it('a key of several columns, some with odd names, and none of another unique index', async () => {
      await live.app.query(`CREATE TABLE parts (a text, u int UNIQUE NOT NULL, "The B" int, c date, PRIMARY KEY (c, "The B"));
        ${rowTrigger('parts', 'INSERT', ['room=staff', 'payload=key'])}; INSERT INTO parts VALUES ('x', 9, 1, '2026-01-02')`);
      assert.deepEqual((await live.got()).staff, [['parts:insert', { 'The B': 1, c: '2026-01-02' }]]);
    });

    const change = (operation, record, old) => [{ operation, schema: 'shop', table: 'orders', record, old_record: old }];

    for (const args of [['payload=change'], ['payload=change', 'old=key']]) {
      it(`the change with the old row's key, ${args.join(', ')}`, async () => {
        assert.deepEqual(await argumentsOf(CHANGES, ...args), [
          change('INSERT', row(1, 'new'), null),
          change('UPDATE', row(1, 'paid'), { id: 1 }),
          change('UPDATE', row(2, 'paid'), { id: 1 }),
          change('DELETE', null, { id: 2 }),
        ]);
      });
    }

    it('the change with the old row, old=full', async () => {
      assert.deepEqual(await argumentsOf(CHANGES, 'payload=change', 'old=full'), [
        change('INSERT', row(1, 'new'), null),
        change('UPDATE', row(1, 'paid'), row(1, 'new')),
        change('UPDATE', row(2, 'paid'), row(1, 'paid')),
        change('DELETE', null, row(2, 'paid')),
      ]);
    });

    it('the change of a table without a key, old=full, or where only rows are inserted', async () => {
      await live.app.query(`CREATE TABLE plain (a int);
        ${rowTrigger('plain', ALL_OPS, ['room=staff', 'payload=change', 'old=full'])}; INSERT INTO plain VALUES (1); DELETE FROM plain;
        CREATE TABLE log (a int); ${rowTrigger('log', 'INSERT', ['room=staff', 'payload=change'])}; INSERT INTO log VALUES (1)`);
      const { staff } = await live.got();
      assert.deepEqual(staff.map(([, { record, old_record: old }]) => [record, old]), [[{ a: 1 }, null], [null, { a: 1 }], [{ a: 1 }, null]]);
    });
  });

  describe('of the columns', () => {
    it('those named, in SQL\'s way', async () => {
      const some = await argumentsOf(CHANGES, 'columns=ID, "Secret"');
      assert.deepEqual(some, [[{ id: 1, Secret: 's' }], [{ id: 1, Secret: 's' }], [{ id: 2, Secret: 's' }], [{ id: 2, Secret: 's' }]]);
    });

    it('those not excepted', async () => {
      const some = await argumentsOf(CHANGES, 'except_columns="Secret",Customer_id');
      assert.deepEqual(some.map(([{ id, status, ...others }]) => [id, status, others]), [
        [1, 'new', {}], [1, 'paid', {}], [2, 'paid', {}], [2, 'paid', {}],
      ]);
    });

    it('those whose names need quotes', async () => {
      await live.app.query(`CREATE TABLE odd ("a,b" int, "c""d" int, "e f" int, g int);
        ${rowTrigger('odd', 'INSERT', ['room=staff', 'columns="a,b","c""d",g'])};
        ${rowTrigger('odd', 'INSERT', ['room=staff', 'except_columns="a,b","c""d"'], { name: 'other' })}; INSERT INTO odd VALUES (1, 2, 3, 4)`);
      assert.deepEqual((await live.got()).staff, [['odd:insert', { 'a,b': 1, 'c"d': 2, g: 4 }], ['odd:insert', { 'e f': 3, g: 4 }]]);
    });

    it('the same of the old row, which mustn\'t tell what is kept back', async () => {
      const some = await argumentsOf(CHANGES, 'payload=change', 'old=full', 'except_columns="Secret",id');
      for (const [{ record, old_record: old }] of some) {
        for (const each of [record, old].filter(Boolean)) assert.deepEqual(Object.keys(each), ['customer_id', 'status']);
      }
      assert.equal(some.length, 4);
    });

    it('those named, while rooms and events may use all', async () => {
      await live.app.query(`${ORDERS}; ${rowTrigger('orders', ALL_OPS, ['room=customer:$customer_id', 'event=$status', 'columns=id'])};
                            INSERT INTO orders VALUES (1, 2)`);
      assert.deepEqual(await live.got(), { two: [['new', { id: 1 }]], both: [['new', { id: 1 }]] });
    });
  });

  describe('left_event', () => {
    const ARGS = ['room=customer:$customer_id', 'room=staff', 'left_event=order:left', 'columns=id,status'];
    const updated = (id = 1, status = 'new') => ['orders:update', { id, status }];
    const left = (id = 1) => ['order:left', { id }];

    /** An order of customer 1, and a trigger on its updates. */
    const orders = (args = ARGS) => live.app.query(`${ORDERS}; ${rowTrigger('orders', 'INSERT OR UPDATE OR DELETE', args)};
      ALTER TABLE orders DISABLE TRIGGER live; INSERT INTO orders VALUES (1, 1); ALTER TABLE orders ENABLE TRIGGER live`);

    it('to the rooms that the row left, with its key; to nobody who still sees it', async () => {
      await orders();
      await live.join('watched', ['customer:1', 'staff']);
      await live.app.query('UPDATE orders SET customer_id = 2');
      assert.deepEqual(await live.got(), {
        one: [left()], two: [updated()], both: [updated()], staff: [updated()], watched: [updated()],
      });
      await live.leave('watched');
    });

    it('to nobody when the row stays in its rooms, or is inserted, or deleted', async () => {
      await orders();
      await live.app.query(`UPDATE orders SET status = 'paid'; INSERT INTO orders VALUES (2, 1); DELETE FROM orders WHERE id = 2`);
      const events = [updated(1, 'paid'), ['orders:insert', { id: 2, status: 'new' }], ['orders:delete', { id: 2, status: 'new' }]];
      assert.deepEqual(await live.got(), { one: events, both: events, staff: events });
      assert.equal((await live.sent()).length, 3);
    });

    it('with the old key, when the key changes too', async () => {
      await orders();
      await live.app.query('UPDATE orders SET customer_id = 2, id = 9');
      assert.deepEqual(await live.got(), { one: [left(1)], two: [updated(9)], both: [updated(9)], staff: [updated(9)] });
    });

    it('when the room becomes NULL, also where none is left for the update', async () => {
      await orders();
      await live.app.query('UPDATE orders SET customer_id = NULL');
      assert.deepEqual(await live.got(), { one: [left()], both: [left()], staff: [updated()] });
      await live.app.query('DROP TABLE orders');
      await orders(['room=customer:$customer_id', 'left_event=order:left', 'payload=key']);
      await live.app.query('UPDATE orders SET customer_id = NULL');
      assert.deepEqual(await live.got(), { one: [left()], both: [left()] });
      await live.app.query('UPDATE orders SET status = NULL');
      assert.deepEqual(await live.got(), {});
      await live.app.query('UPDATE orders SET customer_id = 2');
      assert.deepEqual(await live.got(), { two: [['orders:update', { id: 1 }]], both: [['orders:update', { id: 1 }]] });
    });

    it('only from those of its rooms that it left', async () => {
      await live.app.query(`CREATE TABLE tasks (id int PRIMARY KEY, a int, b int);
        ${rowTrigger('tasks', 'UPDATE', ['room=customer:$a', 'room=customer:$b', 'payload=key', 'left_event=left'])};
        INSERT INTO tasks VALUES (1, 1, 2); UPDATE tasks SET a = 2, b = 1`);
      assert.deepEqual((await live.sent()).map(({ event }) => event), ['tasks:update'], 'swapping columns leaves no room');
      await live.got();
      await live.app.query('UPDATE tasks SET a = 3');
      const event = ['tasks:update', { id: 1 }];
      assert.deepEqual(await live.got(), { one: [event], two: [['left', { id: 1 }]], both: [event] });
      const sent = await live.sent();
      assert.deepEqual(sent.find(({ event: name }) => name === 'left').rooms, ['customer:2']);
    });

    it('in payload=change, too, and when the update itself has no event', async () => {
      await orders(['room=customer:$customer_id', 'event=order:$status', 'payload=change', 'left_event=order:left']);
      await live.app.query('UPDATE orders SET customer_id = 2');
      const { one, two } = await live.got();
      assert.deepEqual([one, two[0][1].record.customer_id, two[0][1].old_record], [[left()], 2, { id: 1 }]);
      await live.app.query('UPDATE orders SET customer_id = 1, status = NULL');
      const { two: second, one: first = [] } = await live.got();
      assert.deepEqual([first, second], [[], [left()]]);
    });

    it('under a name made of the old row, and nothing if a column in it was NULL', async () => {
      await orders(['room=customer:$customer_id', 'left_event=left:$status:$op', 'payload=key']);
      await live.app.query(`UPDATE orders SET customer_id = 2, status = NULL`);
      await live.app.query('UPDATE orders SET customer_id = 1');
      const { one, two } = await live.got();
      assert.deepEqual([one, two], [[['left:new:update', { id: 1 }], ['orders:update', { id: 1 }]], [['orders:update', { id: 1 }]]]);
    });

    it('with a key longer than NOTIFY takes through the table', async () => {
      await live.app.query(`CREATE TABLE notes (id text PRIMARY KEY, a int); ALTER TABLE notes ALTER id SET STORAGE PLAIN;
        ${rowTrigger('notes', 'UPDATE', ['room=customer:$a', 'left_event=left', 'columns=a,id'])}`);
      // As long as an index takes; twice in a message of a threshold below.
      const id = 'n'.repeat(2_000);
      await live.app.query('INSERT INTO notes VALUES ($1, 1)', [id]);
      await live.app.query('SET socketio_emitter.payload_threshold = 2000; UPDATE notes SET a = 2; RESET ALL');
      const { one } = await live.got();
      assert.deepEqual(one, [['left', { id }]]);
      assert.deepEqual((await live.sent()).map(({ attached }) => attached), [true, true]);
    });
  });
});
