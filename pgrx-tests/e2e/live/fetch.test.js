// sio_row and sio_snapshot: what a server answers to a client that is going to follow a table.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';
import { startStandby } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { until } from '../../harness/wait.js';

let live;

before(async () => {
  live = await startLive({ name: 'fetch', clients: { staff: ['staff'] } });
});
after(() => live?.close());
beforeEach(() => live.reset());

const query = async (sql, session = live.app) => (await session.query(sql)).rows;
const sent = async (from, more = '') => (await query(`SELECT public.sio_row(o${more}) AS row FROM ${from} o ORDER BY id`)).map(({ row }) => row);

describe('sio_row', () => {
  const TYPES = `
    id bigint PRIMARY KEY, "Mixed Case" text, small smallint, number numeric, ratio float8, flag boolean, day date, at timestamptz,
    clock time, bits bytea, list int[], doc jsonb, plain json, tag uuid, mood mood, pair pair, twice text GENERATED ALWAYS AS ("Mixed Case" || '!') STORED`;
  const FULL = `
    1, 'Ä"\\', -3, 12345678901234567890.50, 'NaN', true, '2026-02-03', '2026-02-03 04:05:06.789+02', '01:02', '\\x00ff', '{1,NULL,3}',
    '{"b": [1, null], "a": 1.0}', '{"b": 1, "b": 2}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'glad', '(1,x)'`;

  for (const level of ['row', 'statement']) {
    it(`is what the watch sends, of all types, at ${level} level`, async () => {
      await live.app.query(`CREATE TYPE mood AS ENUM ('glad'); CREATE TYPE pair AS (a int, b text); CREATE TABLE orders (${TYPES})`);
      await live.watch(`'{staff}', level => '${level}'`);
      await live.app.query(`INSERT INTO orders VALUES (${FULL}); INSERT INTO orders VALUES (2)`);
      const events = (await live.got()).staff.flatMap(([, rows]) => rows);
      assert.equal(events.length, 2);
      assert.deepEqual(await sent('orders'), events);
    });
  }

  it('has the columns that travel, whatever the payload', async () => {
    await live.app.query(`CREATE TABLE orders (id int PRIMARY KEY, a text, b text); INSERT INTO orders VALUES (1, 'x', 'y')`);
    const row = { id: 1, b: 'y' };
    for (const payload of ['row', 'change']) {
      await live.watch(`'{staff}', except_columns => '{a}', payload => '${payload}'`);
      assert.deepEqual(await sent('orders'), [row]);
    }
    await live.watch(`'{staff}', payload => 'key'`);
    assert.deepEqual(await sent('orders'), [{ ...row, a: 'x' }]);
    await live.watch(`'{staff}', columns => '{b}'`);
    assert.deepEqual(await sent('orders'), [{ b: 'y' }]);
    assert.deepEqual(await query('SELECT public.sio_row(NULL::orders) AS row'), [{ row: null }]);
  });

  for (const level of ['row', 'statement']) {
    it(`has computed columns, other keys and big numbers as the watch sends them, and null for what its filter doesn't see, at ${level} level`, async () => {
      await live.app.query(`
        CREATE TABLE orders (id bigint PRIMARY KEY, product_id int, deleted_at date);
        CREATE FUNCTION product_title(o orders) RETURNS text STABLE LANGUAGE sql AS $$ SELECT 'title ' || o.product_id || ' of ' || count(*) FROM shop.orders $$`);
      await live.watch(`'{staff}', columns => '{id,product_id,product_title()}', keys => 'camel', bigints => 'text', filter => 'deleted_at IS NULL', level => '${level}'`);
      await live.app.query(`INSERT INTO orders VALUES (9007199254740993, 1), (2, 2)`);
      await live.app.query(`INSERT INTO orders VALUES (3, 3, '2026-01-01')`);
      const events = (await live.got()).staff.flatMap(([, rows]) => rows);
      assert.deepEqual(events, [
        { id: '9007199254740993', productId: 1, productTitle: 'title 1 of 2' }, { id: '2', productId: 2, productTitle: 'title 2 of 2' },
      ]);
      const [two, three, large] = await sent('orders');
      assert.deepEqual([large, two, three], [...events.map((row) => ({ ...row, productTitle: row.productTitle.replace('of 2', 'of 3') })), null]);
    });
  }

  it('is what the payload\'s function makes of the row', async () => {
    await live.app.query(`
      CREATE TABLE orders (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
      CREATE TABLE few (note text, id int NOT NULL);
      ALTER TABLE orders ATTACH PARTITION few FOR VALUES FROM (0) TO (100);
      CREATE FUNCTION shape(o orders) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$ SELECT jsonb_build_object('id', o.id, 'of', jsonb_build_array(o.note)) $$`);
    await live.watch(`'{staff}', payload => 'shape()'`);
    await live.app.query(`INSERT INTO orders VALUES (1, 'x'), (2, NULL)`);
    const events = (await live.got()).staff.map(([, row]) => row);
    assert.deepEqual(events, [{ id: 1, of: ['x'] }, { id: 2, of: [null] }]);
    assert.deepEqual(await sent('orders'), events);
    assert.deepEqual(await sent('few'), events);
  });

  it('calls functions with the rights of who asks, and sees that they were altered', async () => {
    await live.app.query(`
      CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1), (2);
      CREATE FUNCTION whose(o orders) RETURNS text STABLE LANGUAGE sql AS 'SELECT current_user::text';
      REVOKE EXECUTE ON FUNCTION whose FROM PUBLIC`);
    await live.watch(`'{staff}', columns => '{whose()}'`);
    assert.deepEqual(await sent('orders'), [{ whose: 'app' }, { whose: 'app' }]);
    await live.admin.query(`CREATE ROLE reader; GRANT EXECUTE ON FUNCTION sio_row TO reader; GRANT USAGE ON SCHEMA shop TO reader;
                            GRANT SELECT ON shop.orders TO reader; SET ROLE reader`);
    const query = 'SELECT sio_row(o) AS row FROM shop.orders o';
    await refused(live.admin, query, '42501', { says: ['whose'] });
    await live.app.query('GRANT EXECUTE ON FUNCTION whose TO reader');
    assert.deepEqual((await live.admin.query(query)).rows[0].row, { whose: 'reader' });
    await live.app.query('ALTER FUNCTION whose SECURITY DEFINER');
    assert.deepEqual((await live.admin.query(query)).rows[0].row, { whose: 'app' });
    await live.admin.query('RESET ROLE; DROP OWNED BY reader; DROP ROLE reader');
  });

  it('goes by the watch that is named, by the only one, or by sio_watch', async () => {
    await live.app.query(`CREATE TABLE orders (id int PRIMARY KEY, a text, b text); INSERT INTO orders VALUES (1, 'x', 'y')`);
    await refused(live.app, 'SELECT public.sio_row(o) FROM orders o', '42704', { says: ['orders', 'no watch'], hint: /sio_watch\(\)/ });
    await live.watch(`'{staff}', columns => '{a}', name => 'one'`);
    assert.deepEqual(await sent('orders'), [{ a: 'x' }]);
    await live.watch(`'{staff}', columns => '{b}', name => 'two', level => 'statement'`);
    assert.deepEqual(await sent('orders', `, 'two'`), [{ b: 'y' }]);
    await refused(live.app, 'SELECT public.sio_row(o) FROM orders o', '22023', { says: ['several watches', 'sio_watch'], hint: /one, two/ });
    await refused(live.app, `SELECT public.sio_row(o, 'three') FROM orders o`, '42704', { says: ['three'], hint: /one, two/ });
    await live.watch(`'{staff}', columns => '{id}'`);
    assert.deepEqual(await sent('orders'), [{ id: 1 }]);
    assert.deepEqual(await sent('orders', `, watch => 'one'`), [{ a: 'x' }]);
  });

  it('sees at once that a watch is another one, or the table', async () => {
    await live.app.query(`CREATE TABLE orders (id int PRIMARY KEY, a text, b text); INSERT INTO orders VALUES (1, 'x', 'y')`);
    await live.watch(`'{staff}'`);
    const other = await live.postgres.connect({ user: 'app' });
    const there = async () => (await query('SELECT public.sio_row(o) AS row FROM shop.orders o', other))[0].row;
    assert.deepEqual(await there(), { id: 1, a: 'x', b: 'y' });
    await live.watch(`'{staff}', except_columns => '{a}'`);
    assert.deepEqual(await there(), { id: 1, b: 'y' });
    await live.app.query('ALTER TABLE orders DROP COLUMN b; ALTER TABLE orders ADD c int DEFAULT 3; ALTER TABLE orders ALTER id TYPE text');
    assert.deepEqual(await there(), { id: '1', c: 3 });
    await live.unwatch();
    await refused(other, 'SELECT public.sio_row(o) FROM shop.orders o', '42704');
    await other.end();
  });

  it('takes rows of a partition and of a join, long and compressed values, and a variable of PL/pgSQL', async () => {
    await live.app.query(`
      CREATE TABLE orders (gone int, id int, note text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
      CREATE TABLE few (note text, id int NOT NULL, gone int);
      ALTER TABLE orders ATTACH PARTITION few FOR VALUES FROM (0) TO (100);
      ALTER TABLE orders DROP COLUMN gone`);
    await live.watch(`'{staff}'`);
    await live.app.query(`INSERT INTO orders VALUES (1, repeat('long', 100000)), (2, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i))`);
    const events = (await live.got()).staff.map(([, row]) => row);
    assert.deepEqual(await sent('orders'), events);
    assert.deepEqual(await sent('few'), events);
    assert.deepEqual(await query('SELECT public.sio_row(o) AS row FROM orders o JOIN few USING (id) ORDER BY id'), events.map((row) => ({ row })));
    await live.app.query(`
      CREATE FUNCTION by_variable() RETURNS jsonb LANGUAGE plpgsql AS $$
      DECLARE o orders; BEGIN SELECT * INTO o FROM orders WHERE id = 1; o.note := 'changed'; RETURN public.sio_row(o); END $$`);
    assert.deepEqual(await query('SELECT by_variable() AS row'), [{ row: { id: 1, note: 'changed' } }]);
  });

  it('refuses what is no row of a table', async () => {
    await live.app.query(`CREATE TABLE orders (id int PRIMARY KEY); CREATE VIEW seen AS SELECT * FROM orders; INSERT INTO orders VALUES (1);
                          CREATE TYPE pair AS (a int, b int)`);
    await live.watch(`'{staff}'`);
    for (const row of [`ROW(1)`, `ROW(1, 'a')`]) {
      await refused(live.app, `SELECT public.sio_row(${row})`, '42809', { says: ['record', 'no[t]? a row of a table'], hint: /FROM orders AS o/ });
    }
    await refused(live.app, 'SELECT public.sio_row(x) FROM (SELECT id FROM orders) x', '42809');
    await refused(live.app, 'SELECT public.sio_row(s) FROM seen s', '42704', { hint: /not of a view/ });
    await refused(live.app, 'SELECT public.sio_row(ROW(1, 2)::pair)', '42704');
    await refused(live.app, 'SELECT public.sio_row(1)', '42883');
  });
});

describe('sio_snapshot', () => {
  const snapshot = async (session) => (await query('SELECT public.sio_snapshot() AS text, pg_current_snapshot()::text AS theirs', session))[0];
  const parts = (text) => {
    const [xmin, xmax, running] = text.split(':');
    return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: running.split(',').filter(Boolean).map(BigInt) };
  };
  const xid = async (session) => BigInt((await query('SELECT pg_current_xact_id()::text AS xid', session))[0].xid);

  it('is the statement\'s, with the transactions that are running', async () => {
    const others = await Promise.all([1, 2, 3].map(() => live.postgres.connect()));
    const xids = [];
    for (const session of others) {
      await session.query('BEGIN');
      xids.push(await xid(session));
    }
    await others[1].query('SAVEPOINT s; CREATE TEMP TABLE t (); RELEASE s; SAVEPOINT s2; CREATE TEMP TABLE u ()');
    await others[2].query('COMMIT');
    const { text, theirs } = await snapshot();
    await Promise.all(others.map((session) => session.end()));
    assert.equal(text, theirs);
    assert.deepEqual(parts(text).running, xids.slice(0, 2));
  });

  it('counts the transaction that asks as running, for it may do more', async () => {
    await live.app.query('BEGIN');
    assert.equal((await snapshot()).text, (await snapshot()).theirs);
    const own = await xid();
    const later = await live.postgres.connect();
    await xid(later); // so that the own number isn't the last one
    const { text } = await snapshot();
    const { xmin, xmax, running } = parts(text);
    assert.ok(xmin <= own && own < xmax && running.includes(own), `${own} in ${text}`);
    await live.app.query('SAVEPOINT s; CREATE TABLE t ()');
    assert.ok(parts((await snapshot()).text).running.includes(own));
    await live.app.query('ROLLBACK');
    assert.ok(!parts((await snapshot()).text).running.includes(own));
    await later.end();
  });

  it('is that of the transaction under REPEATABLE READ', async () => {
    await live.app.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const before = await snapshot();
    const other = await live.postgres.connect();
    const number = await xid(other);
    const own = await xid();
    const { xmax, running } = parts((await snapshot()).text);
    assert.equal((await snapshot()).text, before.text);
    assert.ok(number >= xmax && own >= xmax && !running.includes(own));
    await live.app.query('ROLLBACK');
    await other.end();
  });

  it('is refused on a standby, and in a transaction that has begun there', async () => {
    const standby = await startStandby(live.postgres, { name: 'fetch-standby' });
    try {
      const [session, boss] = [await standby.connect({ user: 'app' }), await standby.connect()];
      const says = { says: ['standby'], hint: /on the primary/ };
      await refused(session, 'SELECT public.sio_snapshot()', '55000', says);
      const old = await standby.connect({ user: 'app' });
      await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
      await boss.query('SELECT pg_promote()');
      await until('the standby is promoted', async () => (await query('SELECT NOT pg_is_in_recovery() AS done', boss))[0].done);
      await refused(old, 'SELECT public.sio_snapshot()', '55000', says);
      assert.match((await snapshot(session)).text, /^\d+:\d+:/);
      await Promise.all([session, boss, old].map((each) => each.end()));
    } finally {
      await standby.stop();
    }
  });
});
