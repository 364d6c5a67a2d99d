// ${f()}, columns => '{f()}', payload => 'f()': functions of the row in rooms, events and payloads; ${column[]}.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';
import { delivered, PRELOAD } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';

const TABLES = `
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int);
  CREATE TABLE items (id int PRIMARY KEY, order_id int, name text, members int[], price numeric(8, 2) DEFAULT 2);
  CREATE FUNCTION customer_of(items) RETURNS int STABLE LANGUAGE sql AS 'SELECT customer_id FROM shop.orders WHERE id = $1.order_id';
  CREATE FUNCTION watchers(items) RETURNS text[] STABLE LANGUAGE plpgsql AS
    'BEGIN RETURN ARRAY(SELECT ''user:'' || member FROM unnest($1.members) member ORDER BY 1); END';
  CREATE FUNCTION title(items) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1.name)';
  CREATE FUNCTION shape(items) RETURNS jsonb IMMUTABLE LANGUAGE sql AS 'SELECT jsonb_build_object(''item'', $1.id, ''total'', $1.price)';
  INSERT INTO orders VALUES (1, 1), (2, 2)`;

for (const delivery of ['notify', 'queue']) {
  for (const level of ['row', 'statement']) {
    describe(`functions of the row at ${level} level, with delivery = ${delivery},`, () => {
      let live;

      before(async () => {
        live = await startLive({
          name: `live-functions-${level}-${delivery}`, conf: { ...PRELOAD, 'socketio_emitter.delivery': delivery },
          clients: { one: ['customer:1'], two: ['customer:2'], u1: ['user:1'], u2: ['user:2'] },
        });
      });

      after(async () => live?.close());
      beforeEach(async () => live.reset());

      /** What was sent by the SQL: [event, rooms, payload]; of a batch, its rows one by one. */
      async function sent(sql) {
        await live.app.query(sql);
        await delivered(live.admin);
        return (await live.sent()).flatMap(({ event, rooms, args: [payload] }) => [payload].flat().map((each) => [event, [...rooms].sort(), each]));
      }

      const watch = (parameters, table = 'items') => live.watch(`level => '${level}', event => '$op', ${parameters}`, table);

      it('name rooms in another table, of rows of the same statement, too', async () => {
        await live.app.query(TABLES);
        await watch(`rooms => '{"customer:\${customer_of()}"}', left_event => 'left', columns => '{id}'`);
        assert.deepEqual(await sent(`WITH o AS (INSERT INTO orders VALUES (3, 7) RETURNING id) INSERT INTO items SELECT 1, id FROM o;
          INSERT INTO items VALUES (2, 2), (3, NULL)`), [['insert', ['customer:7'], { id: 1 }], ['insert', ['customer:2'], { id: 2 }]]);
        assert.deepEqual(await sent('UPDATE items SET order_id = 1 WHERE id = 2'), [['left', ['customer:2'], { id: 2 }], ['update', ['customer:1'], { id: 2 }]]);
        assert.deepEqual(await sent('DELETE FROM items WHERE id = 2'), [['delete', ['customer:1'], { id: 2 }]]);
      });

      it('name a room for each element of what they return, and none for NULL or nothing', async () => {
        await live.app.query(TABLES);
        await watch(`rooms => ARRAY['\${watchers()}', 'all'], left_event => 'left', columns => '{id}'`);
        assert.deepEqual(await sent(`INSERT INTO items VALUES (1, 1, 'a', '{1,2,NULL}'), (2, 1, 'b', NULL), (3, 1, 'c', '{}')`), [
          ['insert', ['all', 'user:1', 'user:2'], { id: 1 }], ['insert', ['all'], { id: 2 }], ['insert', ['all'], { id: 3 }],
        ]);
        assert.deepEqual(await sent(`UPDATE items SET members = '{2,3}' WHERE id = 1`), [['left', ['user:1'], { id: 1 }], ['update', ['all', 'user:2', 'user:3'], { id: 1 }]]);
        const { one, u2 } = await live.got();
        assert.equal(one, undefined);
        assert.deepEqual(u2.map(([event]) => event), ['insert', 'update']);
      });

      it('name each element of an array column', async () => {
        await live.app.query(TABLES);
        await watch(`rooms => ARRAY['user:\${members[]}'], columns => '{id}'`);
        assert.deepEqual(await sent(`INSERT INTO items VALUES (1, 1, 'a', '{1,2,2}'), (2, 1, 'b', '{{3,NULL},{4,3}}'), (3, 1, 'c', '{}'), (4, 1, 'd', NULL), (5, 1, 'e', '{NULL}')`), [
          ['insert', ['user:1', 'user:2'], { id: 1 }], ['insert', ['user:3', 'user:4'], { id: 2 }],
        ]);
        await live.app.query(`CREATE TYPE mood AS ENUM ('glad', 'o''k'); CREATE DOMAIN days AS date[];
          CREATE TABLE lists (id int, a text[], b mood[], c uuid[], d days, e boolean[], f char(4)[])`);
        await watch(`rooms => ARRAY['a:\${a[]}', '\${b[]}/$id', '\${c[]}', '\${d[]}', '\${e[]}', '<\${f[]}>'], columns => '{id}'`, 'lists');
        assert.deepEqual(await sent(`INSERT INTO lists VALUES (1, '{"x y","",ü}', '{glad,o''k}', '{00000000-0000-0000-0000-000000000001}', '{2026-01-02}', '{t,f}', '{ab}')`), [['insert',
          ['00000000-0000-0000-0000-000000000001', '2026-01-02', '<ab>', 'a:', 'a:x y', 'a:ü', 'false', 'glad/1', `o'k/1`, 'true'], { id: 1 }]]);
      });

      it('name the event, and none for NULL', async () => {
        await live.app.query(TABLES);
        await live.watch(`level => '${level}', rooms => '{all}', event => '\${title()}:$op', columns => '{id}'`, 'items');
        assert.deepEqual(await sent(`INSERT INTO items VALUES (1, 1, 'a'), (2, 1, NULL), (3, 1, 'b')`), [['A:insert', ['all'], { id: 1 }], ['B:insert', ['all'], { id: 3 }]]);
      });

      it('travel beside columns', async () => {
        await live.app.query(TABLES);
        await watch(`rooms => '{all}', columns => '{name,id,title(),customer_of(),watchers(),shape()}'`);
        const item = { id: 1, name: 'a', title: 'A', customer_of: 2, watchers: ['user:1'], shape: { item: 1, total: 2.5 } };
        assert.deepEqual(await sent(`INSERT INTO items VALUES (1, 2, 'a', '{1}', 2.50)`), [['insert', ['all'], item]]);
        await watch(`rooms => '{all}', columns => '{*,title()}', payload => 'change', old => 'full'`);
        const { sent: [[, , change]] } = { sent: await sent(`UPDATE items SET name = 'b'`) };
        assert.deepEqual([change.record.title, change.old_record.title, Object.keys(change.record)], ['B', 'A', ['id', 'order_id', 'name', 'members', 'price', 'title']]);
      });

      it('make the whole argument', async () => {
        await live.app.query(TABLES);
        await watch(`rooms => '{all}', payload => 'shape()', left_event => 'left', filter => 'price < 5'`);
        assert.deepEqual(await sent(`INSERT INTO items VALUES (1, 2, 'a', '{1}', 2.50)`), [['insert', ['all'], { item: 1, total: 2.5 }]]);
        assert.deepEqual(await sent(`UPDATE items SET name = 'b'; UPDATE items SET price = 3.00`), [['update', ['all'], { item: 1, total: 3 }]]);
        assert.deepEqual(await sent(`UPDATE items SET price = 7`), [['left', ['all'], { id: 1 }]]);
        assert.deepEqual(await sent(`UPDATE items SET price = 1; DELETE FROM items`), [['update', ['all'], { item: 1, total: 1 }], ['delete', ['all'], { item: 1, total: 1 }]]);
      });

      it('take rows of partitions whose columns lie elsewhere', async () => {
        await live.app.query(`CREATE TABLE items (id int, order_id int, gone text, name text, members int[], price numeric, PRIMARY KEY (id, order_id)) PARTITION BY LIST (order_id);
          ALTER TABLE items DROP gone;
          CREATE TABLE first (waste int, price numeric, members int[], name text, order_id int NOT NULL, more_waste text, id int NOT NULL);
          ALTER TABLE first DROP waste, DROP more_waste; ALTER TABLE items ATTACH PARTITION first FOR VALUES IN (1);
          CREATE TABLE rest PARTITION OF items DEFAULT PARTITION BY LIST (id); CREATE TABLE rest_of_it PARTITION OF rest DEFAULT;
          CREATE FUNCTION title(items) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN upper($1.name); END';
          CREATE FUNCTION title(first) RETURNS text LANGUAGE sql AS 'SELECT ''of the partition''';
          CREATE FUNCTION whole(items) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb($1)'`);
        await watch(`rooms => ARRAY['\${title()}:\${members[]}'], columns => '{id,title(),whole()}'`);
        const whole = (id, order_id, name) => ({ id, order_id, name, members: [7], price: null });
        const events = await sent(`INSERT INTO items VALUES (1, 1, 'a', '{7}'), (2, 2, 'b', '{7}')`);
        assert.deepEqual(events.sort(), [['insert', ['A:7'], { id: 1, title: 'A', whole: whole(1, 1, 'a') }], ['insert', ['B:7'], { id: 2, title: 'B', whole: whole(2, 2, 'b') }]]);
        if (level === 'row') assert.equal((await sent(`INSERT INTO first (id, order_id, name, members) VALUES (3, 1, 'c', '{8}')`))[0][1][0], 'C:8');
      });

      it('see long values, and travel when they are long', async () => {
        await live.app.query(`${TABLES}; ALTER TABLE items ALTER name SET STORAGE EXTERNAL`);
        await watch(`rooms => '{all}', columns => '{id,title()}', batch => 3`);
        const events = await sent(`INSERT INTO items SELECT i, 1, repeat('x', 20000) FROM generate_series(1, 4) i; UPDATE items SET name = name || 'y'`);
        assert.deepEqual(events.map(([event, , { id, title }]) => [event, id, title]), [
          ...[1, 2, 3, 4].map((id) => ['insert', id, 'X'.repeat(20_000)]), ...[1, 2, 3, 4].map((id) => ['update', id, `${'X'.repeat(20_000)}Y`]),
        ]);
      });

      it('are computed once for a row', async () => {
        await live.app.query(`${TABLES}; CREATE SEQUENCE calls;
          CREATE FUNCTION counted(items) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''shop.calls''); RETURN repeat(''n'', 5000) || $1.id; END'`);
        await watch(`rooms => ARRAY['\${counted()}'], columns => '{id,counted()}'`);
        assert.equal((await sent('INSERT INTO items SELECT i FROM generate_series(1, 5) i')).length, 5);
        assert.equal((await live.app.query('SELECT last_value::int AS n FROM calls')).rows[0].n, 5);
      });
    });
  }
}

describe('the names of functions', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-function-names', clients: { staff: ['staff'] } });
    await live.admin.query('GRANT SELECT ON sio_watches TO app');
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const watches = async () => (await live.app.query('SELECT rooms, event, payload, columns, changed FROM sio_watches')).rows;

  it('are looked up when the watch is made, and kept with their schema', async () => {
    await live.app.query(`${TABLES}; CREATE FUNCTION "Odd.name"(items) RETURNS text LANGUAGE sql AS 'SELECT ''odd'''`);
    await live.watch(`rooms => ARRAY['c:\${customer_of()}', '\${"Odd.name"()}', 'staff'], event => '\${title()}', columns => '{id,title(),"\\"Odd.name\\"()"}', changed => '{name,title()}'`, 'items');
    assert.deepEqual(await watches(), [{
      rooms: ['c:${shop.customer_of()}', '${shop."Odd.name"()}', 'staff'], event: '${shop.title()}', payload: 'row',
      columns: ['id', 'shop.title()', 'shop."Odd.name"()'], changed: ['name', 'shop.title()'],
    }]);
    await live.as('postgres', (other) => other.query(`SET search_path = ''; INSERT INTO shop.items VALUES (1, 1, 'a')`));
    assert.deepEqual((await live.sent()).map(({ rooms, args: [row] }) => [[...rooms].sort(), row]), [[['c:1', 'odd', 'staff'], { id: 1, title: 'A', 'Odd.name': 'odd' }]]);
    await live.app.query(`SELECT sio_watch('items', rooms, event, payload => payload, columns => columns, changed => changed) FROM sio_watches`);
    assert.equal((await watches())[0].event, '${shop.title()}');
    await live.watch(`rooms => '{staff}', payload => 'shape()'`, 'items');
    assert.equal((await watches())[0].payload, 'shop.shape()');
  });

  it('must be those of functions of the row that return what can be sent', async () => {
    await live.app.query(`${TABLES}; CREATE FUNCTION of_order(orders) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
      CREATE FUNCTION many(items) RETURNS SETOF text LANGUAGE sql AS 'SELECT ''x'''; CREATE FUNCTION nothing(items) RETURNS void LANGUAGE sql AS '';
      CREATE FUNCTION record(items) RETURNS record LANGUAGE sql AS 'SELECT 1, 2'; CREATE FUNCTION members(items) RETURNS int[] LANGUAGE sql AS 'SELECT $1.members';
      CREATE FUNCTION name(items) RETURNS text LANGUAGE sql AS 'SELECT $1.name'; CREATE PROCEDURE proc(items) LANGUAGE sql AS ''`);
    for (const [parameters, code, says, hint] of [
      [`ARRAY['\${missing()}']`, '42883', ['rooms', 'missing()'], /shop\.items/], [`ARRAY['\${of_order()}']`, '42883', 'of_order()', /./],
      [`ARRAY['\${many()}']`, '42883', 'many()', /set/], [`ARRAY['\${proc()}']`, '42883', 'proc()', /./], [`ARRAY['\${nowhere.title()}']`, '42883', 'nowhere.title()', /./],
      [`ARRAY['\${nothing()}']`, '42804', 'nothing()', /./], [`'{staff}', columns => '{record()}'`, '42804', 'record()', /./],
      [`'{staff}', event => '\${missing()}'`, '42883', 'event', /./], [`'{staff}', payload => 'missing()'`, '42883', 'payload', /./],
      [`'{staff}', columns => '{missing()}'`, '42883', 'columns', /./], [`'{staff}', changed => '{missing()}'`, '42883', 'changed', /./],
      [`'{staff}', changed => '{state}'`, '42703', 'changed', /./], [`'{staff}', left_event => '\${missing()}', filter => 'true'`, '42883', 'left_event', /./],
      [`'{staff}', payload => 'title()'`, '42804', 'title()', /\*/], [`'{staff}', payload => 'shape()', columns => '{id}'`, '22023', 'columns', /./],
      [`'{staff}', event => '\${watchers()}'`, '22023', 'event', /room/], [`'{staff}', event => '\${members[]}'`, '22023', 'event', /room/],
      [`ARRAY['\${members[]}\${watchers()}']`, '22023', 'more than one', /text\[\]/], [`ARRAY['\${name[]}']`, '42804', 'name', /./],
      [`'{staff}', columns => '{*,name()}'`, '22023', '"name"', /./], [`'{staff}', except_columns => '{title()}'`, '22023', 'except_columns', /\*/],
      [`'{$customer_of()}'`, '42703', 'customer_of', /\$\{customer_of\(\)\}/],
    ]) {
      await refused(live.app, `SELECT sio_watch('items', rooms => ${parameters})`, code, { says, hint });
    }
    assert.deepEqual(await live.triggerNames('items'), []);
  });

  it('keep their functions from being dropped, and follow one that is replaced', async () => {
    await live.app.query(TABLES);
    await live.watch(`rooms => ARRAY['\${title()}'], columns => '{id}'`, 'items');
    await live.app.query(`INSERT INTO items VALUES (1, 1, 'a')`);
    await refused(live.app, 'DROP FUNCTION title(items)', '2BP01', { says: 'title' });
    await live.app.query(`CREATE OR REPLACE FUNCTION title(items) RETURNS text LANGUAGE sql AS 'SELECT $1.id::text'; INSERT INTO items VALUES (3);
      CREATE OR REPLACE FUNCTION title(items) RETURNS text LANGUAGE sql AS 'SELECT ($1.id * 10)::text'; INSERT INTO items VALUES (4)`);
    assert.deepEqual((await live.sent()).map(({ rooms }) => rooms), [['A'], ['3'], ['40']]);
  });

  it('have limits: 10,000 rooms for a row, each of 65,536 bytes', async () => {
    await live.app.query(TABLES);
    await live.watch(`rooms => ARRAY['user:\${members[]}'], columns => '{id}'`, 'items');
    await live.app.query(`INSERT INTO items SELECT 1, 1, 'a', array_agg(i) FROM generate_series(1, 10000) i`);
    const [{ rooms }] = await live.sent();
    assert.equal(new Set(rooms).size, 10_000);
    await refused(live.app, `INSERT INTO items SELECT 2, 1, 'a', array_agg(i) FROM generate_series(1, 10001) i`, '54000', { says: ['10000', 'rooms'], hint: /./ });
    await live.watch(`rooms => ARRAY['\${title()}'], columns => '{id}'`, 'items');
    await refused(live.app, `INSERT INTO items VALUES (3, 1, repeat('x', 65537))`, '54000', { says: 'room' });
  });

  it('have 16 MB at most for all rooms of a row, which its elements may be much shorter than', async () => {
    await live.app.query('CREATE TABLE numbers (id int, n numeric[])');
    const refusal = { says: ['rooms', '16777216'], hint: /./ };
    for (const level of ['row', 'statement']) {
      await live.watch(`rooms => ARRAY['\${n[]}'], columns => '{id}', level => '${level}'`, 'numbers');
      await refused(live.app, `INSERT INTO numbers SELECT 1, array_agg(('1e' || 60000 - i)::numeric) FROM generate_series(1, 300) i`, '54000', refusal);
      // As often as they are named: comparing them takes memory, too.
      await refused(live.app, `INSERT INTO numbers SELECT 2, array_fill(1e60000, ARRAY[300])`, '54000', refusal);
      await live.app.query(`INSERT INTO numbers SELECT 3, array_fill(1e60000, ARRAY[200])`);
      assert.deepEqual((await live.sent()).map(({ rooms }) => rooms.map(({ length }) => length)), [[60_001]]);
    }
    // Numbers longer than a room can be are given up at once.
    await live.watch(`rooms => ARRAY['\${n[]}'], columns => '{id}', level => 'statement', ops => '{insert}'`, 'numbers');
    await refused(live.app, `INSERT INTO numbers SELECT 4, array_fill(1e130000, ARRAY[1000])`, '54000', { says: 'rooms' });
  });
});
