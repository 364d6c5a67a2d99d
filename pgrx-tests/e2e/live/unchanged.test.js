// Updates that change nothing of what the event shows, and changed => '{…}'.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive } from '../../harness/live.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text, secret text, big text);
  ALTER TABLE orders ALTER big SET STORAGE EXTERNAL; INSERT INTO orders VALUES (1, 1, 'new', 's', repeat('b', 5000))`;

/** Of values as they are stored, each kind: [a type, a value, the same, others, in which a bit differs]. */
const KINDS = [
  ['bool', 'true', `'t'`, ['false']],
  ['smallint', '-1', '-1', ['1', '-2']],
  ['bigint', '4294967296', '2 ^ 32', ['0', '-4294967296']],
  ['float8', '0', '0.0', [`'-0'`, `'NaN'`]],
  ['numeric', '1.0', '1.0', ['1.00', '-1.0']],
  ['uuid', `'00000000-0000-0000-0000-000000000001'`, `'00000000000000000000000000000001'`, [`'00000000-0000-0000-0000-000000000002'`, `'10000000-0000-0000-0000-000000000001'`]],
  ['interval', `'1 day'`, `'1 day'`, [`'24 hours'`]],
  ['name', `'n'`, `'n'`, [`'m'`, `''`]],
  ['text', `''`, `''`, [`' '`]],
  ['text', `repeat('x', 126)`, `repeat('x', 126)`, [`repeat('x', 127)`, `repeat('x', 125) || 'y'`]],
  ['text', `repeat('x', 127)`, `repeat('x', 127)`, [`repeat('x', 126)`, `repeat('x', 126) || 'y'`]],
  ['text', `repeat('x', 9000)`, `repeat('x', 9000)`, [`repeat('x', 9001)`, `repeat('x', 8999) || 'y'`]],
  ['jsonb', `'{"a":1,"b":2}'`, `'{"b":2, "a":1}'`, [`'{"a":1,"b":3}'`]],
  ['int[]', `'{1,2}'`, `'{1,2}'`, [`'[0:1]={1,2}'`, `'{1,NULL}'`]],
];

for (const level of ['row', 'statement']) {
  describe(`an update at ${level} level`, () => {
    let live;

    before(async () => {
      live = await startLive({ name: `live-unchanged-${level}`, clients: { one: ['customer:1'] } });
    });

    after(async () => live?.close());
    beforeEach(async () => live.reset());

    const watch = (parameters) => live.watch(`level => '${level}', event => '$op', ${parameters}`);
    /** The events that each of the statements sends. */
    async function events(...statements) {
      const all = [];
      for (const sql of statements) {
        await live.app.query(sql);
        all.push((await live.sent()).map(({ event }) => event).join());
      }
      return all;
    }

    it('that changes nothing which travels sends nothing', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{staff}', columns => '{id,status,big}'`);
      assert.deepEqual(await events(`UPDATE orders SET secret = 'other'`, 'UPDATE orders SET customer_id = 2', `UPDATE orders SET status = 'new', big = repeat('b', 5000)`,
        `UPDATE orders SET status = 'paid'`, `UPDATE orders SET big = repeat('b', 5001)`, 'UPDATE orders SET status = NULL', 'UPDATE orders SET status = NULL'),
      ['', '', '', 'update', 'update', 'update', '']);
      await watch(`rooms => '{staff}', except_columns => '{secret}'`);
      assert.deepEqual(await events(`UPDATE orders SET secret = 'x'`, 'UPDATE orders SET customer_id = 3'), ['', 'update']);
    });

    for (const [type, value, same, others] of KINDS) {
      it(`compares what is stored: ${type} ${value}`, async () => {
        await live.app.query(`CREATE TABLE orders (id int PRIMARY KEY, value ${type}); INSERT INTO orders VALUES (1, ${value})`);
        await watch(`rooms => '{staff}'`);
        assert.deepEqual(await events(`UPDATE orders SET value = ${same}`), ['']);
        for (const other of others) assert.deepEqual(await events(`UPDATE orders SET value = ${other}`, `UPDATE orders SET value = ${value}`), ['update', 'update'], other);
      });
    }

    it('compares texts, and not how they are stored', async () => {
      await live.app.query(`CREATE TABLE orders (id int PRIMARY KEY, value text); INSERT INTO orders VALUES (1, repeat('x', 9000))`);
      await watch(`rooms => '{staff}'`);
      const size = async () => (await live.app.query('SELECT pg_column_size(value) AS size FROM orders')).rows[0].size;
      assert.ok(await size() < 9000, 'it is compressed');
      await live.app.query('ALTER TABLE orders ALTER value SET STORAGE EXTERNAL');
      assert.deepEqual(await events(`UPDATE orders SET value = repeat('x', 9000)`), ['']);
      assert.equal(await size(), 9000);
      assert.deepEqual(await events(`UPDATE orders SET value = repeat('x', 9000)`, `UPDATE orders SET value = repeat('y', 9000)`), ['', 'update']);
    });

    it('compares texts, whatever the length of their headers', async () => {
      await live.app.query(`CREATE TABLE orders (id int PRIMARY KEY, value text); INSERT INTO orders VALUES (1, 'short')`);
      await watch(`rooms => '{staff}'`);
      const size = async () => (await live.app.query('SELECT pg_column_size(value) AS size FROM orders')).rows[0].size;
      assert.equal(await size(), 6);
      await live.app.query('ALTER TABLE orders ALTER value SET STORAGE PLAIN');
      assert.deepEqual(await events(`UPDATE orders SET value = 'short'`), ['']);
      assert.equal(await size(), 9);
      assert.deepEqual(await events(`UPDATE orders SET value = 'other'`), ['update']);
    });

    it('compares what a function returns with what a row has: the bytes of the type', async () => {
      await live.app.query(`CREATE TABLE orders (id int PRIMARY KEY, name text, hash int); INSERT INTO orders SELECT 1, name
          FROM (SELECT 'name' || i FROM generate_series(1, 100) i) n (name) WHERE hashtext(name) < 0 LIMIT 1;
        CREATE FUNCTION rank(orders) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT coalesce($1.hash, hashtext($1.name))'`);
      await watch(`rooms => '{staff}', columns => '{id,rank()}'`);
      assert.deepEqual(await events('UPDATE orders SET hash = hashtext(name)', 'UPDATE orders SET hash = hash - 1'), ['', 'update']);
    });

    it('that changes its rooms or its name sends, whatever travels', async () => {
      await live.app.query(ORDERS);
      await live.watch(`level => '${level}', rooms => '{customer:$customer_id}', event => 'now:$status', columns => '{id}'`);
      assert.deepEqual(await events(`UPDATE orders SET secret = 'x'`, 'UPDATE orders SET customer_id = 2', `UPDATE orders SET status = 'paid'`), ['', 'now:new', 'now:paid']);
    });

    it('that changes what a function returns sends', async () => {
      await live.app.query(`${ORDERS}; CREATE FUNCTION rank(orders) RETURNS int LANGUAGE sql AS 'SELECT length($1.secret)';
        CREATE FUNCTION shape(orders) RETURNS jsonb LANGUAGE sql AS 'SELECT jsonb_build_object(''n'', length($1.secret), ''text'', $1.big)'`);
      await watch(`rooms => '{staff}', columns => '{id,rank()}'`);
      assert.deepEqual(await events(`UPDATE orders SET secret = 't'`, `UPDATE orders SET secret = 'tt'`), ['', 'update']);
      await watch(`rooms => ARRAY['\${rank()}'], columns => '{id}'`);
      assert.deepEqual(await events(`UPDATE orders SET secret = 'uu'`, `UPDATE orders SET secret = 'u'`), ['', 'update']);
      await watch(`rooms => '{staff}', payload => 'shape()'`);
      assert.deepEqual(await events(`UPDATE orders SET secret = 'v', status = 'x'`, `UPDATE orders SET secret = 'vv'`), ['', 'update']);
    });

    it('sends what a function returns that reads the row from its table, where only the new one is', async () => {
      await live.app.query(`${ORDERS}; CREATE VIEW shown AS SELECT id, status FROM orders;
        CREATE FUNCTION shape(orders) RETURNS jsonb STABLE LANGUAGE sql AS 'SELECT to_jsonb(s) FROM shop.shown s WHERE s.id = $1.id';
        CREATE FUNCTION status_now(orders) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT status FROM shop.orders WHERE id = $1.id); END'`);
      for (const parameters of [`payload => 'shape()'`, `columns => '{id,status_now()}'`]) {
        await watch(`rooms => '{staff}', ${parameters}`);
        assert.deepEqual(await events(`UPDATE orders SET status = status || 'x'`, 'UPDATE orders SET status = status'), ['update', ''], parameters);
      }
    });

    it('shows the whole row with payload => key, which says that it is to be fetched', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{staff}', payload => 'key'`);
      assert.deepEqual(await events(`UPDATE orders SET secret = 'x'`, `UPDATE orders SET secret = 'x'`), ['update', '']);
    });

    it('shows the record with payload => change', async () => {
      await live.app.query(ORDERS);
      for (const old of ['key', 'full']) {
        await watch(`rooms => '{staff}', payload => 'change', old => '${old}', columns => '{id,status}'`);
        assert.deepEqual(await events(`UPDATE orders SET secret = secret || 'x'`, `UPDATE orders SET status = status || 'x'`, 'UPDATE orders SET id = id + 1'), ['', 'update', 'update']);
      }
    });

    it('counts with changed => only if one of these columns has changed', async () => {
      await live.app.query(`${ORDERS}; CREATE FUNCTION rank(orders) RETURNS int LANGUAGE sql AS 'SELECT length($1.secret)'`);
      await watch(`rooms => '{customer:$customer_id}', changed => '{status,rank()}'`);
      assert.deepEqual(await events(`UPDATE orders SET big = 'x'`, 'UPDATE orders SET customer_id = 2', `UPDATE orders SET status = 'paid'`, `UPDATE orders SET secret = 'longer'`,
        'INSERT INTO orders VALUES (2, 1)', 'DELETE FROM orders WHERE id = 2'), ['', '', 'update', 'update', 'insert', 'delete']);
    });

    it('is told with changed => where the row leaves a room or the filter, or comes into it', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{customer:$customer_id}', left_event => 'left', changed => '{status}', filter => $$secret = 's'$$`);
      assert.deepEqual(await events(`UPDATE orders SET big = 'x'`, 'UPDATE orders SET customer_id = 2', `UPDATE orders SET secret = 't'`, `UPDATE orders SET status = 'x'`, `UPDATE orders SET secret = 's'`),
        ['', 'left,update', 'left', '', 'update']);
    });

    it('tells the rooms that it leaves even if nothing travels', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{customer:$customer_id}', left_event => 'left', columns => '{id}'`);
      assert.deepEqual(await events('UPDATE orders SET customer_id = NULL', 'UPDATE orders SET customer_id = 3'), ['left', 'update']);
    });
  });
}

describe('a watch of an earlier version', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-earlier', clients: { staff: ['staff'] } });
  });

  after(async () => live?.close());

  it('goes on to send an update of columns that don\'t travel, without meta', async () => {
    await live.postgres.createDatabase('older');
    const session = await live.postgres.connect({ database: 'older' });
    await session.query(`CREATE EXTENSION socketio_emitter VERSION '0.4.0'; CREATE TABLE orders (id int, note text);
      SELECT sio_watch('orders', columns => '{id}'); ALTER EXTENSION socketio_emitter UPDATE; INSERT INTO orders VALUES (1)`);
    const { rows: [{ definition }] } = await session.query(`SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgname = 'sio_watch'`);
    assert.match(definition, /'unchanged=skip'/);
    assert.doesNotMatch(definition, /meta|filter|everyone/);
    await session.query(`LISTEN "socket.io#/"`);
    const texts = [];
    session.on('notification', ({ payload }) => texts.push(JSON.parse(payload).data.packet.data));
    await session.query(`UPDATE orders SET note = 'x'; UPDATE orders SET note = note`);
    await session.query('SELECT 1');
    assert.deepEqual(texts, [['orders:update', { id: 1 }]]);
    assert.deepEqual((await session.query('SELECT meta, everyone FROM sio_watches')).rows, [{ meta: false, everyone: true }]);
    await session.end();
    await live.postgres.dropDatabase('older');
  });

  it('written by hand sends every update unless told', async () => {
    await live.app.query(`CREATE TABLE notes (id int, note text); INSERT INTO notes VALUES (1); ${rowTrigger('notes', 'UPDATE', ['room=staff', 'columns=id'])};
      ${rowTrigger('notes', 'UPDATE', ['room=staff', 'columns=id', 'event=e', 'unchanged=event'], { name: 'other' })}; UPDATE notes SET note = 'x'; UPDATE notes SET id = 2`);
    assert.deepEqual((await live.sent()).map(({ event }) => event), ['notes:update', 'notes:update', 'e']);
  });
});
