// A session keeps what it knows of a trigger from its first firing. Whatever is altered then, the next event follows.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

const ORDERS = 'CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text, total int)';
const ALL_OPS = ['INSERT', 'UPDATE', 'DELETE'];

for (const level of ['row', 'statement']) {
  describe(`after a trigger at ${level} level has fired, the session follows`, () => {
    let live, other;

    before(async () => {
      live = await startLive({ name: `live-alter-${level}`, clients: { one: ['customer:1'], staff: ['staff'] } });
      other = await live.postgres.connect({ user: 'app' });
    });

    after(async () => live?.close());
    beforeEach(async () => live.reset());

    const triggers = (table, args) =>
      level === 'row' ? rowTrigger(table, ALL_OPS.join(' OR '), args) : statementTriggers(table, ALL_OPS, args);

    /** What happens where nothing keeps a command from breaking a watch. */
    const unprotected = async (work) => {
      const set = (to) => live.admin.query(`ALTER EVENT TRIGGER sio_altered ${to}; ALTER EVENT TRIGGER sio_dropped ${to}`);
      await set('DISABLE');
      try {
        await work();
      } finally {
        await set('ENABLE ALWAYS');
      }
    };

    /** A table whose trigger has fired in this session. */
    const fired = async (...args) => {
      await live.app.query(`${ORDERS}; ${triggers('orders', args)}; INSERT INTO orders VALUES (1, 1, 'new', 5);
                            UPDATE orders SET status = 'x'; UPDATE orders SET status = 'new'`);
      await live.got();
      await live.sent();
    };

    /** The events of the SQL, each with its rows; who alters is this session and another one by turns. */
    const events = async (sql, client = 'staff') => {
      await live.app.query(sql);
      const { [client]: list = [] } = await live.got();
      return list.map(([event, arg]) => [event, ...[arg].flat()]);
    };

    // What is altered; an insert; the row that it sends.
    const FOLLOWED = [
      ['a column renamed', 'ALTER TABLE orders RENAME status TO state', '(2, 1, \'s\', 6)', { id: 2, customer_id: 1, state: 's', total: 6 }],
      ['a column added', 'ALTER TABLE orders ADD more text DEFAULT \'m\'', '(2, 1, \'s\', 6)', { id: 2, customer_id: 1, status: 's', total: 6, more: 'm' }],
      ['a column dropped', 'ALTER TABLE orders DROP status', '(2, 1, 6)', { id: 2, customer_id: 1, total: 6 }],
      ['a column dropped and added anew', 'ALTER TABLE orders DROP status, ADD status int', '(2, 1, 6, 7)', { id: 2, customer_id: 1, total: 6, status: 7 }],
      ['a column of another type', 'ALTER TABLE orders ALTER total TYPE text USING total || \' €\'', '(2, 1, \'s\', \'6 €\')', { id: 2, customer_id: 1, status: 's', total: '6 €' }],
      ['a column that becomes json', 'ALTER TABLE orders ALTER status TYPE json USING to_json(status)', '(2, 1, \'{"a": 1}\', 6)', { id: 2, customer_id: 1, status: { a: 1 }, total: 6 }],
    ];

    for (const [what, alter, values, row] of FOLLOWED) {
      for (const whose of ['this', 'another']) {
        it(`${what} by ${whose} session`, async () => {
          await fired('room=staff');
          await (whose === 'this' ? live.app : other).query(alter.replace('orders', 'shop.orders'));
          assert.deepEqual(await events(`INSERT INTO orders VALUES ${values}`), [['orders:insert', row]]);
          const updated = await events('UPDATE orders SET id = -id WHERE id = 2');
          assert.deepEqual(updated, [['orders:update', { ...row, id: -2 }]]);
        });
      }
    }

    it('a composite type, a domain or an enum altered', async () => {
      await live.app.query(`CREATE TYPE pair AS (a int); CREATE TYPE mood AS ENUM ('sad');
        CREATE TABLE things (id int, p pair, m mood); ${triggers('things', ['room=staff'])}; INSERT INTO things VALUES (1, ROW(1), 'sad')`);
      await live.app.query(`ALTER TYPE pair ADD ATTRIBUTE b text; ALTER TYPE pair RENAME ATTRIBUTE a TO c; ALTER TYPE mood RENAME VALUE 'sad' TO 'glad'`);
      await live.got();
      assert.deepEqual(await events(`INSERT INTO things VALUES (2, ROW(2, 'x'), 'glad')`), [['things:insert', { id: 2, p: { c: 2, b: 'x' }, m: 'glad' }]]);
    });

    it('a cast to text made and dropped', async () => {
      await live.app.query(`CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE things (m mood); ${triggers('things', ['room=staff', 'event=$m'])};
        CREATE FUNCTION as_text(mood) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'very ' || 'sad' $$`);
      const insert = `INSERT INTO things VALUES ('sad')`;
      for (const [sql, expected] of [['SELECT 1', 'sad'], ['CREATE CAST (mood AS text) WITH FUNCTION as_text(mood)', 'very sad'], ['DROP CAST (mood AS text)', 'sad']]) {
        await live.app.query(sql);
        assert.deepEqual((await events(insert)).map(([event]) => event), [expected], sql);
      }
    });

    it('a cast to json made and dropped', async () => {
      await live.app.query(`CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE things (id int, m mood); ${triggers('things', ['room=staff', 'columns=m'])};
        INSERT INTO things VALUES (1, 'sad');
        CREATE FUNCTION as_json(mood) RETURNS json IMMUTABLE LANGUAGE sql AS $$ SELECT '{"is": "sad"}'::json $$;
        CREATE CAST (mood AS json) WITH FUNCTION as_json(mood)`);
      await live.got();
      const insert = `INSERT INTO things VALUES (2, 'sad')`;
      assert.deepEqual(await events(insert), [['things:insert', { m: { is: 'sad' } }]]);
      await live.app.query('DROP CAST (mood AS json)');
      assert.deepEqual(await events(insert), [['things:insert', { m: 'sad' }]]);
    });

    it('a table or schema renamed', async () => {
      await fired('room=staff', 'event=$schema.$table', 'payload=change', 'columns=id');
      const name = async (schema, table) => {
        const [[event, change]] = await events(`INSERT INTO ${schema}.${table} VALUES (2, 1); DELETE FROM ${schema}.${table} WHERE id = 2`);
        assert.deepEqual([event, change.schema, change.table], [`${schema}.${table}`, schema, table]);
      };
      await live.app.query('ALTER TABLE orders RENAME TO purchases');
      await name('shop', 'purchases');
      await other.query('ALTER SCHEMA shop RENAME TO market');
      await name('market', 'purchases');
      await other.query('CREATE SCHEMA shop; ALTER TABLE market.purchases SET SCHEMA shop; DROP SCHEMA market');
      await name('shop', 'purchases');
    });

    it('a trigger replaced, renamed, or dropped and made anew', async () => {
      await fired('room=staff', 'event=first', 'columns=id');
      const insert = `INSERT INTO orders VALUES (2, 1); ALTER TABLE orders DISABLE TRIGGER USER; DELETE FROM orders WHERE id = 2; ALTER TABLE orders ENABLE TRIGGER USER`;
      await live.app.query(triggers('orders', ['room=staff', 'event=second', 'columns=total']).replaceAll('CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'));
      assert.deepEqual(await events(insert), [['second', { total: null }]]);
      const name = level === 'row' ? 'live' : 'live_insert';
      await other.query(`ALTER TRIGGER ${name} ON shop.orders RENAME TO renamed`);
      assert.deepEqual(await events(insert), [['second', { total: null }]]);
      await other.query(`DROP TRIGGER renamed ON shop.orders; SET search_path = shop; ${rowTrigger('orders', 'INSERT', ['room=staff', 'event=third', 'columns=id'], { name: 'renamed' })}`);
      assert.deepEqual(await events(insert), [['third', { id: 2 }]]);
      await live.app.query('DROP TRIGGER renamed ON orders');
      assert.deepEqual(await events(insert), []);
    });

    it('a table dropped and made anew under its name', async () => {
      await fired('room=staff');
      await live.app.query(`DROP TABLE orders; CREATE TABLE orders (x text, id int); ${triggers('orders', ['room=staff'])}`);
      assert.deepEqual(await events(`INSERT INTO orders VALUES ('x', 3)`), [['orders:insert', { x: 'x', id: 3 }]]);
    });

    it('a primary key dropped, which is then an error, and another one', async () => {
      await fired('room=staff', 'payload=key');
      await unprotected(() => live.app.query('ALTER TABLE orders DROP CONSTRAINT orders_pkey'));
      await refused(live.app, 'INSERT INTO orders VALUES (2, 1)', '55000', { says: ['orders', 'payload'], hint: /./ });
      await other.query('ALTER TABLE shop.orders ADD PRIMARY KEY (total, id)');
      assert.deepEqual(await events('INSERT INTO orders VALUES (2, 1, NULL, 7)'), [['orders:insert', { id: 2, total: 7 }]]);
      await other.query('ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id)');
      assert.deepEqual(await events('INSERT INTO orders VALUES (3, 1, NULL, 7)'), [['orders:insert', { id: 3 }]]);
    });

    it('a room\'s column renamed or dropped, which is an error until it is back', async () => {
      await fired('room=customer:$customer_id', 'columns=id');
      const insert = 'INSERT INTO orders (id) VALUES (2)';
      await unprotected(() => live.app.query('ALTER TABLE orders RENAME customer_id TO buyer_id'));
      await refused(live.app, insert, '42703', { says: ['room', 'customer_id'], hint: /./ });
      await other.query('ALTER TABLE shop.orders RENAME buyer_id TO customer_id');
      assert.deepEqual(await events('INSERT INTO orders VALUES (3, 1)', 'one'), [['orders:insert', { id: 3 }]]);
      await unprotected(() => other.query('ALTER TABLE shop.orders DROP customer_id'));
      await refused(live.app, insert, '42703', { says: ['room', 'customer_id'] });
      await other.query('ALTER TABLE shop.orders ADD customer_id int DEFAULT 1');
      assert.deepEqual(await events(insert, 'one'), [['orders:insert', { id: 2 }]]);
    });

    it('alterations that are rolled back', async () => {
      await fired('room=staff', 'columns=id,status');
      await live.app.query(`BEGIN; ALTER TABLE orders RENAME status TO state; ALTER TABLE orders RENAME total TO status;
                            INSERT INTO orders VALUES (2, 1, 's', 6); ROLLBACK`);
      assert.deepEqual(await events(`INSERT INTO orders VALUES (2, 1, 's', 6)`), [['orders:insert', { id: 2, status: 's' }]]);
      await live.app.query(`BEGIN; SAVEPOINT a; ALTER TABLE orders ADD more int; INSERT INTO orders VALUES (3); ROLLBACK TO a`);
      assert.deepEqual(await events('INSERT INTO orders VALUES (4); COMMIT'), [['orders:insert', { id: 4, status: null }]]);
    });

    it('a partition detached, attached, and dropped', async () => {
      await live.app.query(`CREATE TABLE parts (id int, n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF parts FOR VALUES IN (1);
        CREATE TABLE p2 (n int, x int, id int); ALTER TABLE p2 DROP x; ${triggers('parts', ['room=staff', 'columns=id'])};
        INSERT INTO parts VALUES (1, 1)`);
      await live.got();
      await live.app.query('ALTER TABLE parts DETACH PARTITION p1; ALTER TABLE parts ATTACH PARTITION p2 FOR VALUES IN (1); INSERT INTO p1 VALUES (5, 1)');
      assert.deepEqual(await events('INSERT INTO parts VALUES (2, 1)'), [['parts:insert', { id: 2 }]]);
      await other.query('ALTER TABLE shop.parts RENAME TO pieces');
      assert.deepEqual(await events('INSERT INTO pieces VALUES (2, 1)'), [['pieces:insert', { id: 2 }]]);
      await other.query('ALTER TABLE shop.pieces RENAME TO parts; DROP TABLE shop.p1, shop.p2; CREATE TABLE shop.p1 PARTITION OF shop.parts DEFAULT');
      assert.deepEqual(await events('INSERT INTO parts VALUES (3, 1)'), [['parts:insert', { id: 3 }]]);
    });

    it('a setting of how values look', async () => {
      await live.app.query(`CREATE TABLE times (id timestamptz, d date); ${triggers('times', ['room=staff', 'event=$id'])};
                            SET TimeZone = 'UTC'; INSERT INTO times VALUES ('2026-01-02 00:00+00'); SET TimeZone = 'Asia/Tokyo'`);
      await live.got();
      const [[event, { id }]] = await events(`INSERT INTO times VALUES ('2026-01-02 00:00+00')`);
      assert.deepEqual([event, id], ['2026-01-02 09:00:00+09', '2026-01-02T09:00:00+09:00']);
    });

    it('session_replication_role, disabled and ENABLE ALWAYS triggers', async () => {
      await fired('room=staff', 'columns=id');
      await live.admin.query(`SET session_replication_role = replica; INSERT INTO shop.orders VALUES (2)`);
      assert.deepEqual(await live.sent(), []);
      const name = level === 'row' ? 'live' : 'live_insert';
      await live.admin.query(`ALTER TABLE shop.orders ENABLE ALWAYS TRIGGER ${name}; INSERT INTO shop.orders VALUES (3); RESET session_replication_role`);
      assert.deepEqual((await live.got()).staff.map(([, arg]) => [arg].flat()), [[{ id: 3 }]]);
      await live.app.query('ALTER TABLE orders DISABLE TRIGGER USER');
      assert.deepEqual(await events('INSERT INTO orders VALUES (4)'), []);
    });

    it('DISCARD ALL, and plans kept by PREPARE', async () => {
      await fired('room=staff', 'columns=id,status');
      await live.app.query(`PREPARE add (int) AS INSERT INTO shop.orders (id) VALUES ($1); EXECUTE add(2)`);
      await live.app.query('ALTER TABLE orders RENAME status TO state; ALTER TABLE orders RENAME total TO status');
      await live.got();
      assert.deepEqual(await events('EXECUTE add(3)'), [['orders:insert', { id: 3, state: null }]]);
      await live.app.query('DISCARD ALL');
      assert.deepEqual(await events('INSERT INTO shop.orders VALUES (4)'), [['orders:insert', { id: 4, state: null }]]);
    });
  });
}
