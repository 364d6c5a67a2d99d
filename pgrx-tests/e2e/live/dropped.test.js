// What a watch depends on isn't dropped, unless CASCADE is said, and isn't altered so that the watch can't go on.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

const ORDERS = 'CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text, notes text)';
const CHANGES = `INSERT INTO orders VALUES (1), (2); UPDATE orders SET notes = 'x'; DELETE FROM orders`;

/** What, the watch, what is dropped, and the same with CASCADE; what the error says. */
const DEPENDED = [
  ['a room\'s column', `'{customer:$customer_id}'`, 'DROP customer_id', 'DROP customer_id CASCADE', /column "customer_id" of table "shop.orders" because watch "w"/],
  ['an event\'s column', `'{staff}', event => 'o:$status'`, 'DROP COLUMN IF EXISTS status', 'DROP COLUMN IF EXISTS status CASCADE', /column "status"/],
  ['a left_event\'s column', `'{$customer_id}', left_event => '$status'`, 'DROP status RESTRICT', 'DROP status CASCADE', /column "status"/],
  ['a column that travels', `'{staff}', columns => '{id,notes}'`, 'DROP notes', 'DROP notes CASCADE', /column "notes"/],
  ['a column that must not travel, for it could come back', `'{staff}', except_columns => '{notes}'`, 'DROP notes', 'DROP notes CASCADE', /column "notes"/],
  ['a key that is sent', `'{staff}', payload => 'key'`, 'DROP CONSTRAINT orders_pkey', 'DROP CONSTRAINT orders_pkey CASCADE', /primary key of table "shop.orders"/],
  ['a key that left_event sends', `'{$customer_id}', left_event => 'left'`, 'DROP CONSTRAINT orders_pkey', 'DROP CONSTRAINT orders_pkey CASCADE', /primary key/],
  ['a key that a change sends', `'{staff}', payload => 'change'`, 'DROP CONSTRAINT orders_pkey', 'DROP CONSTRAINT orders_pkey CASCADE', /primary key/],
  ['a key, by a column of it', `'{staff}', payload => 'key'`, 'DROP id', 'DROP id CASCADE', /primary key/],
  ['a key for another that doesn\'t travel', `'{$customer_id}', columns => '{id}', left_event => 'left'`,
    'DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (notes)', 'DROP CONSTRAINT orders_pkey CASCADE, ADD PRIMARY KEY (notes)', /primary key/],
  ['one of several columns', `'{$customer_id}'`, 'DROP notes CASCADE, ADD x int, DROP customer_id', 'DROP notes, DROP customer_id CASCADE', /column "customer_id"/],
];

describe('what a watch depends on', () => {
  let live;
  let notices = [];

  before(async () => {
    live = await startLive({ name: 'live-dropped', clients: { staff: ['staff'] } });
    live.app.on('notice', ({ severity, message }) => severity === 'NOTICE' && notices.push(message));
  });

  after(async () => live?.close());

  beforeEach(async () => {
    await live.reset();
    notices = [];
  });

  const works = (sql) => live.app.query(sql);

  /** The names of the triggers; all watches fit their tables. */
  const names = async (table = 'orders') => {
    await live.admin.query('SELECT sio_check()');
    return live.triggerNames(table);
  };

  for (const level of ['row', 'statement']) {
    const declare = (parameters) => works(`${ORDERS}; SELECT sio_watch('orders', ${parameters}, level => '${level}', name => 'w');
      SELECT sio_watch('orders', '{staff}', name => 'other', ops => '{insert}')`);

    for (const [what, parameters, drop, cascade, says] of DEPENDED) {
      it(`isn't dropped at ${level} level: ${what}; the hint's statement makes way`, async () => {
        await declare(parameters);
        const before = await live.triggers();
        await refused(live.app, `ALTER TABLE orders ${drop}`, '2BP01', { says, hint: /sio_unwatch.*CASCADE/ });
        await works(`UPDATE orders SET status = NULL; ${CHANGES}`);
        assert.deepEqual(await live.triggers(), before);
        const { hint } = await live.app.query(`ALTER TABLE orders ${drop}`).catch((error) => error);
        await works(`SET search_path = pg_catalog; ${/\((SELECT .*?)\),/.exec(hint)[1]}; SET search_path = shop, public; ALTER TABLE orders ${drop}`);
        assert.deepEqual([await names(), notices], [['other'], []]);
      });

      it(`takes the whole watch with it under CASCADE at ${level} level: ${what}`, async () => {
        await declare(parameters);
        await works(`ALTER TABLE orders ${cascade}`);
        assert.deepEqual([await names(), notices], [['other'], ['drop cascades to watch "w" of table "shop.orders"']]);
      });
    }
  }

  it('isn\'t dropped of a partitioned table or of a parent, and CASCADE takes the copies, too', async () => {
    await works(`
      CREATE TABLE parts (id int, a int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF parts FOR VALUES IN (1); SELECT sio_watch('parts', '{$a}');
      CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent); SELECT sio_watch('child', '{$a}')`);
    await refused(live.app, 'ALTER TABLE parts DROP a', '2BP01', { says: /table "shop.parts" because watch "sio_watch"/ });
    await refused(live.app, 'ALTER TABLE parent DROP a', '2BP01', { says: /table "shop.child" because watch "sio_watch"/ });
    await works('ALTER TABLE parts DROP a CASCADE; ALTER TABLE parent DROP a CASCADE');
    for (const table of ['parts', 'p1', 'child']) assert.deepEqual(await names(table), []);
  });

  it('of a trigger written by hand isn\'t dropped either; the trigger alone goes under CASCADE', async () => {
    await works(`${ORDERS}; ${rowTrigger('orders', 'INSERT', ['room=$customer_id'], { name: '"By hand"' })};
      ${rowTrigger('orders', 'DELETE', ['room=staff'], { name: 'stays' })}`);
    const { hint } = await live.app.query('ALTER TABLE orders DROP customer_id').catch((error) => error);
    assert.match(hint, /\(DROP TRIGGER "By hand" ON shop.orders\)/);
    await works('ALTER TABLE orders DROP customer_id CASCADE');
    assert.deepEqual([await names(), notices], [['stays'], ['drop cascades to trigger "By hand" of table "shop.orders"']]);
  });

  it('is told with the table\'s name as it is, and in SQL quoted', async () => {
    await works(`CREATE TABLE "Order" (id int PRIMARY KEY, "customerId" int); SELECT sio_watch('"Order"', ARRAY['\${customerId}'], name => 'w')`);
    await refused(live.app, 'ALTER TABLE "Order" DROP "customerId"', '2BP01', {
      says: /^cannot drop column "customerId" of table "shop\.Order" because watch "w" depends on it/, hint: /sio_unwatch\('shop\."Order"', 'w'\)/,
    });
    await live.app.query('SET socketio_emitter.require_rooms = on; CREATE TRIGGER a AFTER INSERT ON "Order" FOR EACH ROW EXECUTE FUNCTION sio_emit_changes()');
    await refused(live.app, 'INSERT INTO "Order" VALUES (1)', '22023', { says: /^trigger "a" of table "shop\.Order": / });
    await live.app.query('RESET socketio_emitter.require_rooms');
  });

  it('is what Postgres drops under CASCADE of something else: a type, a domain, a collation, an owner\'s objects', async () => {
    const owner = await live.postgres.connect();
    await owner.query(`CREATE ROLE maker; GRANT CREATE, USAGE ON SCHEMA shop TO maker`);
    for (const [create, type, drop] of [
      [`CREATE TYPE mood AS ENUM ('sad')`, 'mood', 'DROP TYPE mood'],
      ['CREATE DOMAIN email AS text', 'email', 'DROP DOMAIN email'],
      ['CREATE TYPE pair AS (a int)', 'pair', 'DROP TYPE IF EXISTS pair'],
      ['CREATE TABLE other (a int)', 'other', 'DROP TABLE other'],
      ['CREATE SCHEMA types; GRANT USAGE ON SCHEMA types TO app; CREATE TYPE types.t AS ENUM ()', 'types.t', 'DROP SCHEMA types'],
      ['CREATE COLLATION odd (locale = \'C\')', 'text COLLATE odd', 'DROP COLLATION odd'],
      [`SET ROLE maker; CREATE TYPE theirs AS ENUM (); RESET ROLE; GRANT USAGE ON TYPE theirs TO app`, 'theirs', 'DROP OWNED BY maker'],
    ]) {
      await owner.query(`SET search_path = shop, public; ${create}; SET ROLE app; CREATE TABLE orders (id int, a ${type});
        SELECT sio_watch('orders', '{staff}', columns => '{id,a}'); RESET ROLE`);
      await assert.rejects(owner.query(drop), { code: '2BP01', message: /^cannot drop (desired object|[^"]*) because other objects depend on (it|them)$/ }, drop);
      await owner.query(`${drop} CASCADE; INSERT INTO orders VALUES (1)`);
      assert.deepEqual(await names(), [], drop);
      await owner.query('DROP TABLE orders');
    }
    await owner.end();
  });

  it('can be added anew in the same command, and goes when its table, schema or database goes', async () => {
    await works(`${ORDERS}; SELECT sio_watch('orders', '{$customer_id}', left_event => 'left')`);
    await works(`ALTER TABLE orders DROP customer_id, ADD customer_id text; ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id, status); ${CHANGES.replace(/\(1\), \(2\)/, `(1, 's')`)}`);
    assert.deepEqual(await names(), ['sio_watch']);
    await works(`DROP TABLE orders; ${ORDERS}; SELECT sio_watch('orders', '{$customer_id}'); DROP SCHEMA shop CASCADE; CREATE SCHEMA shop`);
    await works(`CREATE TEMP TABLE temporary (id int PRIMARY KEY, a int); SELECT sio_watch('temporary', '{$a}', left_event => 'left')`);
    await refused(live.app, 'ALTER TABLE temporary DROP a', '2BP01', { says: /column "a"/ });
    await refused(live.app, 'ALTER TABLE temporary DROP CONSTRAINT temporary_pkey', '2BP01', { says: /primary key/ });
    await works('DROP TABLE temporary');
    assert.deepEqual(notices.filter((notice) => notice.includes('watch')), []);
  });

  it('keeps nothing else from being dropped, altered or added', async () => {
    await works(`${ORDERS}; CREATE INDEX by_status ON orders (status); CREATE VIEW v AS SELECT id FROM orders;
      SELECT sio_watch('orders', '{$customer_id}', columns => '{id}', left_event => 'left')`);
    for (const sql of [
      'ALTER TABLE orders DROP notes', 'ALTER TABLE orders ADD notes text', 'DROP INDEX by_status', 'DROP VIEW v', 'ALTER TABLE orders ALTER status TYPE varchar(10)',
      'ALTER TABLE orders ALTER customer_id TYPE bigint', 'ALTER TABLE orders ALTER customer_id SET NOT NULL', 'ALTER TABLE orders ADD CHECK (id > 0)',
      'ALTER TABLE orders DROP CONSTRAINT orders_id_check', 'ALTER TABLE orders ALTER id TYPE bigint', 'ALTER TABLE orders SET (fillfactor = 50)',
      'ALTER TABLE orders ADD UNIQUE (status)', 'CREATE TABLE other (); DROP TABLE other', 'CREATE TEMP TABLE t (id int); DROP TABLE t',
      `CREATE TABLE refs (id int REFERENCES orders); DROP TABLE refs`, 'ALTER TABLE orders SET UNLOGGED', 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\'; DROP FUNCTION f',
    ]) await works(sql);
    await works(`INSERT INTO orders VALUES (1, 1)`);
    assert.deepEqual([await names(), notices], [['sio_watch'], []]);
  });

  it('was broken before: then nothing else is refused on that account', async () => {
    await works(`${ORDERS}; ${rowTrigger('orders', 'INSERT', ['room=$gone', 'room=$customer_id', 'payload=key', 'columns=id'])}`);
    for (const sql of ['DROP notes', 'ADD more int', 'ALTER customer_id TYPE bigint', 'DROP CONSTRAINT orders_pkey', 'RENAME status TO state']) await works(`ALTER TABLE orders ${sql}`);
    assert.deepEqual(notices, []);
  });

  for (const [what, args] of [
    ['whose key isn\'t there', ['room=staff', 'payload=key']],
    ['whose filter calls what isn\'t there', ['room=staff', 'filter=gone() and b']],
    ['whose filter has a value of another type', ['room=staff', 'filter=(1 + true) and b']],
  ]) {
    it(`keeps nobody from dropping a column for a trigger that never worked: one ${what}`, async () => {
      await works(`CREATE TABLE t (a int CHECK (a > 0), b boolean NOT NULL DEFAULT true CHECK (b)); ${rowTrigger('t', 'INSERT', args)}`);
      await assert.rejects(works('INSERT INTO t VALUES (1)'));
      await works('ALTER TABLE t DROP CONSTRAINT t_a_check; ALTER TABLE t DROP b');
      assert.deepEqual([await live.triggerNames('t'), notices], [['live'], []]);
    });
  }

  it('is a filter\'s column, also where its name would then be another thing\'s: the row\'s', async () => {
    for (const [column, filter] of [['t', 't > 1'], ['t', 't IS NOT NULL'], ['"new"', '"new" > 1'], ['b', 'b > 1 AND a > 1']]) {
      await works(`CREATE TABLE t (id int, a int, ${column} int); ${rowTrigger('t', 'INSERT', ['room=staff', `filter=${filter}`])}; INSERT INTO t VALUES (1)`);
      await refused(live.app, `ALTER TABLE t DROP ${column}`, '2BP01', { says: /column/ });
      await works('DROP TABLE t');
    }
  });

  it('is so to a role that may not use what its filter names', async () => {
    await works(`CREATE SCHEMA lib; CREATE FUNCTION lib.f(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'; CREATE TABLE parent (b int); CREATE TABLE t () INHERITS (parent)`);
    await live.watch(`'{staff}', filter => 'lib.f(1) AND b > 0'`, 't');
    await live.admin.query('CREATE ROLE other LOGIN; GRANT USAGE ON SCHEMA shop TO other; ALTER TABLE shop.t OWNER TO other; ALTER TABLE shop.parent OWNER TO other');
    try {
      await live.as('other', async (session) => refused(session, 'ALTER TABLE shop.parent DROP b', '2BP01', { says: /column "b"/ }));
    } finally {
      await live.admin.query('DROP TABLE shop.parent CASCADE; DROP SCHEMA lib CASCADE; DROP OWNED BY other; DROP ROLE other');
    }
  });

  it('is so whatever the session has set: under require_rooms', async () => {
    await works(`${ORDERS}; CREATE FUNCTION seen(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
      CREATE FUNCTION noticed(point) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'; ${rowTrigger('orders', 'INSERT', ['filter=shop.seen(NULL)'])};
      SELECT sio_watch('orders', everyone => true, filter => 'customer_id > 1', payload => 'key', name => 'w')`);
    await live.admin.query('SET socketio_emitter.require_rooms = on; SET search_path = shop, public');
    try {
      await refused(live.admin, 'SELECT sio_check()', '55000', { says: 'require_rooms' });
      await refused(live.admin, 'ALTER TABLE orders DROP customer_id', '2BP01', { says: /column "customer_id"/ });
      await refused(live.admin, 'ALTER TABLE orders ALTER customer_id TYPE boolean USING true', '2BP01', { says: /operator does not exist/ });
      await refused(live.admin, 'ALTER TABLE orders DROP CONSTRAINT orders_pkey', '2BP01', { says: /primary key/ });
      await live.admin.query('ALTER FUNCTION seen(int) RENAME TO noticed');
    } finally {
      await live.admin.query('RESET ALL');
    }
    await works(`INSERT INTO orders VALUES (1)`);
  });
});
