// A column that is renamed: its table's watches go on with the new name, in every session.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';
import { prepareDatabase } from '../../harness/roles.js';

const ORDERS = 'CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text, total int)';

for (const level of ['row', 'statement']) {
  describe(`a renamed column at ${level} level`, () => {
    let live, other;

    before(async () => {
      live = await startLive({ name: `live-renamed-${level}`, clients: { one: ['customer:1'], staff: ['staff'] } });
      other = await live.postgres.connect({ user: 'app' });
    });

    after(async () => live?.close());
    beforeEach(async () => live.reset());

    const watch = (parameters) => live.watch(`${parameters}, level => '${level}', meta => false`);

    /** What a client got: event and rows. */
    const events = async (sql, client = 'one') => {
      await live.app.query(sql);
      const { [client]: list = [] } = await live.got();
      return list.map(([event, arg]) => [event, ...[arg].flat()]);
    };

    const args = async (table = 'orders') => (await live.app.query(`
      SELECT DISTINCT string_to_array(encode(tgargs, 'escape'), '\\000') AS args FROM pg_trigger WHERE tgrelid = '${table}'::regclass`)).rows
      .map(({ args: list }) => list.filter((arg) => arg && !/^(watch|unchanged)=/.test(arg)));

    it('of a room breaks no write: the measured failure', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{customer:$customer_id}', event => '$op', left_event => 'left'`);
      assert.equal((await events(`INSERT INTO orders VALUES (1, 1)`)).length, 1);
      await live.app.query('ALTER TABLE orders RENAME customer_id TO buyer_id');
      assert.deepEqual(await events(`INSERT INTO orders VALUES (2, 1)`), [['insert', { id: 2, buyer_id: 1, status: null, total: null }]]);
      assert.deepEqual(await events(`UPDATE orders SET buyer_id = 2 WHERE id = 2`), [['left', { id: 2 }]]);
      // A session that has never fired it, and one that fired it before.
      for (const session of [other, await live.postgres.connect({ user: 'app' })]) {
        await session.query('INSERT INTO shop.orders VALUES (3, 1); DELETE FROM shop.orders WHERE id = 3');
        assert.equal((await events('SELECT 1')).length, 2);
      }
    });

    it('is renamed in each argument, and nothing else is', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{customer:$customer_id,$$customer_id,"\${customer_id}x",staff}', event => 'o:$STATUS:$op',
        left_event => '\${"status"}-$schema.$table', columns => '{id,status,customer_id}', ns => '/x'`);
      const [before] = await args();
      await live.app.query('ALTER TABLE orders RENAME COLUMN customer_id TO "Käufer ""1"""; ALTER TABLE orders RENAME status TO op');
      assert.deepEqual(await args(), [before.map((arg) => arg
        .replace('room=customer:$customer_id', 'room=customer:${Käufer "1"}').replace('room=${customer_id}x', 'room=${Käufer "1"}x')
        .replace('$STATUS', '${"op"}').replace('${"status"}', '${"op"}').replace('id,status,customer_id', 'id,op,"Käufer ""1"""'))
        .map((arg) => Buffer.from(arg).toString('latin1').replace(/[\x80-\xff]/g, (byte) => `\\${byte.charCodeAt(0).toString(8)}`))]);
      assert.deepEqual(await events(`INSERT INTO orders VALUES (1, 1, 's')`, 'staff'), []);
      await live.app.query(`ALTER TABLE orders RENAME "Käufer ""1""" TO customer_id; ALTER TABLE orders RENAME op TO status`);
      const definition = (await live.triggers())[level === 'row' ? 'sio_watch' : 'sio_watch_insert'];
      assert.match(definition, /'room=customer:\$\{customer_id\}', 'room=\$\$customer_id', 'room=\$\{customer_id\}x'/);
    });

    it('swaps its name with another in one transaction', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{customer:$customer_id}', columns => '{id,total}', event => '$op'`);
      await live.app.query(`BEGIN; ALTER TABLE orders RENAME customer_id TO tmp; ALTER TABLE orders RENAME total TO customer_id;
        ALTER TABLE orders RENAME tmp TO total; COMMIT`);
      assert.deepEqual(await args(), [['room=customer:$total', 'event=$op', 'columns=id,customer_id']]);
      assert.deepEqual(await events(`INSERT INTO orders (id, total, customer_id) VALUES (1, 1, 9)`), [['insert', { id: 1, customer_id: 9 }]]);
    });

    it('is what it was after ROLLBACK, also to a savepoint', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{customer:$customer_id}', event => '$op', columns => '{id}'`);
      await live.app.query(`BEGIN; ALTER TABLE orders RENAME customer_id TO a; INSERT INTO orders VALUES (1, 1); SAVEPOINT s;
        ALTER TABLE orders RENAME a TO b; INSERT INTO orders VALUES (2, 1); ROLLBACK TO s; INSERT INTO orders VALUES (3, 1)`);
      assert.deepEqual(await args(), [['room=customer:$a', 'event=$op', 'columns=id']]);
      await live.app.query('ROLLBACK');
      assert.deepEqual(await events(`INSERT INTO orders VALUES (4, 1)`), [['insert', { id: 4 }]]);
    });

    it('of a partitioned table is followed in its partitions\' copies, and of a parent in its children\'s own watches', async () => {
      await live.app.query(`
        CREATE TABLE orders (id int, customer_id int) PARTITION BY LIST (id);
        CREATE TABLE p1 PARTITION OF orders FOR VALUES IN (1) PARTITION BY LIST (id); CREATE TABLE p11 PARTITION OF p1 FOR VALUES IN (1);
        CREATE TABLE p2 (customer_id int, x int, id int); ALTER TABLE p2 DROP x; ALTER TABLE orders ATTACH PARTITION p2 FOR VALUES IN (2);
        CREATE TABLE parent (customer_id int); CREATE TABLE child (id int) INHERITS (parent)`);
      await watch(`rooms => '{customer:$customer_id}', event => '$op'`);
      await live.watch(`rooms => '{customer:$customer_id}', event => 'child', level => '${level}', meta => false`, 'child');
      await live.app.query('ALTER TABLE orders RENAME customer_id TO buyer; ALTER TABLE parent RENAME customer_id TO buyer');
      for (const table of level === 'row' ? ['orders', 'p11', 'p2'] : ['orders']) assert.deepEqual(await args(table), [['room=customer:$buyer', 'event=$op']]);
      assert.deepEqual(await events('INSERT INTO orders (id, buyer) VALUES (1, 1)'), [['insert', { id: 1, buyer: 1 }]]);
      assert.deepEqual(await events('INSERT INTO orders (id, buyer) VALUES (2, 1)'), [['insert', { id: 2, buyer: 1 }]]);
      assert.deepEqual(await events('INSERT INTO child VALUES (1, 5)'), [['child', { buyer: 1, id: 5 }]]);
    });

    it('of a composite type is followed in the tables made of it', async () => {
      await live.app.query('CREATE TYPE order_type AS (id int, customer_id int); CREATE TABLE orders OF order_type');
      await watch(`rooms => '{customer:$customer_id}', event => '$op'`);
      await live.app.query('ALTER TYPE order_type RENAME ATTRIBUTE customer_id TO buyer CASCADE');
      assert.deepEqual(await events('INSERT INTO orders VALUES (1, 1)'), [['insert', { id: 1, buyer: 1 }]]);
    });

    it('is followed wherever the command stands, whatever it is called', async () => {
      await live.app.query(`${ORDERS}; CREATE FUNCTION renames(a text, b text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS
        $$ BEGIN EXECUTE format('ALTER TABLE shop.orders RENAME %I TO %I', a, b); END $$`);
      await watch(`rooms => '{customer:$customer_id}', event => '$op', columns => '{id}'`);
      for (const sql of [
        `SELECT renames('customer_id', 'a')`, `DO $$ BEGIN PERFORM shop.renames('a', 'b'); END $$`, 'ALTER TABLE IF EXISTS shop.orders RENAME b TO c',
        'ALTER VIEW orders RENAME COLUMN c TO d', 'SET search_path = public; ALTER TABLE shop.orders RENAME d TO e; SET search_path = shop, public',
        'BEGIN ISOLATION LEVEL SERIALIZABLE; ALTER TABLE orders RENAME e TO f; COMMIT', `PREPARE p AS SELECT renames('f', 'g'); EXECUTE p; DEALLOCATE p`,
      ]) {
        await live.app.query(sql);
        await live.app.query('TRUNCATE orders');
        assert.deepEqual(await events('INSERT INTO orders VALUES (1, 1)'), [['insert', { id: 1 }]], sql);
      }
      assert.deepEqual(await args(), [['room=customer:$g', 'event=$op', 'columns=id']]);
    });

    it('is followed by a transaction whose snapshot doesn\'t show the watch', async () => {
      await live.app.query(ORDERS);
      await other.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class');
      await watch(`rooms => '{customer:$customer_id}', event => '$op', columns => '{id}'`);
      await other.query('ALTER TABLE shop.orders RENAME customer_id TO buyer; COMMIT');
      assert.deepEqual(await events('INSERT INTO orders VALUES (1, 1)'), [['insert', { id: 1 }]]);
    });

    it('is followed with session_replication_role = replica', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{customer:$customer_id}', event => '$op', columns => '{id}'`);
      await live.admin.query(`SET session_replication_role = replica; ALTER TABLE shop.orders RENAME customer_id TO buyer; RESET session_replication_role`);
      assert.deepEqual(await events('INSERT INTO orders VALUES (1, 1)'), [['insert', { id: 1 }]]);
    });

    it('is followed in triggers written by hand, which keep their text', async () => {
      const list = ['ns=/', 'room=customer:$customer_id', 'event=$op', 'columns= id ,STATUS', 'unknown=$customer_id', 'customer_id'];
      await live.app.query(`${ORDERS}; ${level === 'row' ? rowTrigger('orders', 'INSERT', list) : statementTriggers('orders', 'INSERT', list)};
        ALTER TABLE orders RENAME customer_id TO buyer`);
      assert.deepEqual(await args(), [list.map((arg) => arg.replace('room=customer:$customer_id', 'room=customer:$buyer'))]);
    });

    it('leaves triggers alone that say nothing of it', async () => {
      await live.app.query(ORDERS);
      await watch(`rooms => '{staff}', columns => '{id}'`);
      const xmin = async () => (await live.app.query(`SELECT xmin::text FROM pg_trigger WHERE tgrelid = 'orders'::regclass`)).rows;
      const before = await xmin();
      await live.app.query('ALTER TABLE orders RENAME customer_id TO buyer');
      assert.deepEqual(await xmin(), before);
    });
  });
}

describe('a renamed column', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-renamed', clients: {} });
  });

  after(async () => live?.close());

  it('is followed in a database whose encoding isn\'t UTF-8', async () => {
    await live.postgres.createDatabase('latin', { encoding: 'LATIN1' });
    const admin = await prepareDatabase(live.postgres, { database: 'latin', roles: false });
    await admin.query(`CREATE TABLE t (id int, größe int); SELECT sio_watch('t', '{$größe}', columns => '{größe}');
      ALTER TABLE t RENAME größe TO "Länge"; INSERT INTO t VALUES (1, 2)`);
    const { rows } = await admin.query('SELECT rooms, columns, problem FROM sio_watches');
    assert.deepEqual(rows, [{ rooms: ['${Länge}'], columns: ['Länge'], problem: null }]);
    await admin.end();
  });

  it('is what pg_dump writes', async () => {
    await live.app.query(`CREATE TABLE t (id int, a int); SELECT sio_watch('t', '{$a}'); ALTER TABLE t RENAME a TO "B"`);
    const { stdout } = await live.postgres.run('pg_dump', ['--table=shop.t', 'postgres']);
    assert.match(stdout, /EXECUTE FUNCTION public\.sio_emit_changes\('room=\$\{B\}'/);
  });

  it('with a name that makes the arguments too long is refused', async () => {
    const rooms = Array.from({ length: 1000 }, (_, i) => `${'x'.repeat(220)}${i}$a`);
    await live.app.query('CREATE TABLE long (id int, a int)');
    await live.app.query({ text: `SELECT sio_watch('long', $1)`, values: [rooms] });
    await assert.rejects(live.app.query(`ALTER TABLE long RENAME a TO ${'b'.repeat(63)}`), { code: '2BP01', message: /262144 bytes/ });
    await live.app.query('ALTER TABLE long RENAME a TO b; INSERT INTO long VALUES (1, 1)');
  });

  it('is no reason to go on where the command was cancelled while its filter was read', async () => {
    await live.app.query(`CREATE TYPE part AS (x int); CREATE TABLE whole (id int, a int, p part);
      SELECT sio_watch('whole', '{staff}', filter => '(p).x > 1 AND a > 1')`);
    await live.app.query('BEGIN; ALTER TYPE part ADD ATTRIBUTE y int');
    await live.as('app', async (session) => {
      await session.query(`SET statement_timeout = '300ms'`);
      await refused(session, 'ALTER TABLE shop.whole RENAME a TO b', '57014');
    });
    await live.app.query('ROLLBACK; INSERT INTO whole VALUES (1, 2)');
  });
});
