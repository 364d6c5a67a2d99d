// A column with which a watch can't go on, because something else travels under its name, or because a filter makes rows that have fewer:
// the command fails, not every write.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text);
  CREATE FUNCTION title(orders) RETURNS text LANGUAGE sql AS $$ SELECT 't' $$`;

describe('a column under whose name something travels', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-added', clients: {} });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const works = (sql) => live.app.query(sql);
  const CAMEL = `'{staff}', keys => 'camel'`;
  const COMPUTED = `'{staff}', columns => '{*,title()}'`;

  for (const level of ['row', 'statement']) {
    for (const [what, parameters, sql, says] of [
      ['in camel case, is not added', CAMEL, 'ADD "customerId" text', /^cannot add column "customerId" to table "shop\.orders" because watch "w" of table "shop\.orders" could not go on: .*"keys" makes two values travel as "customerId"/],
      ['in camel case, is not added among others', CAMEL, 'ADD x int, DROP status, ADD COLUMN customer__id text', /column "customer__id"/],
      ['in camel case, is no column\'s new name', CAMEL, 'RENAME status TO "customerId"', /^cannot alter name of column "status" of table "shop\.orders" because watch "w" depends on it: .*two values/],
      ['as a function\'s value, is not added', COMPUTED, 'ADD title text', /^cannot add column "title" .*"columns" makes two values travel as "title"/],
      ['as a function\'s value, is no column\'s new name', COMPUTED, 'RENAME status TO title', /^cannot alter name of column "status".*two values/],
      ['as a function\'s value in camel case, is not added', `'{staff}', columns => '{*,title()}', keys => 'camel'`, 'ADD title_ text, ADD title text', /column "title"/],
    ]) {
      it(`at ${level} level, ${what}; the hint's statement makes way`, async () => {
        await works(`${ORDERS}; SELECT sio_watch('orders', ${parameters}, level => '${level}', name => 'w')`);
        const before = await live.triggers();
        await refused(live.app, `ALTER TABLE orders ${sql}`, '2BP01', { says, hint: /sio_unwatch\('shop\.orders', 'w'\)/ });
        assert.deepEqual(await live.triggers(), before);
        const { hint } = await live.app.query(`ALTER TABLE orders ${sql}`).catch((error) => error);
        await works(`INSERT INTO orders VALUES (1); ${/\((SELECT .*?\))\)/.exec(hint)[1]}; ALTER TABLE orders ${sql}; INSERT INTO orders VALUES (2)`);
      });
    }
  }

  it('is added to no parent, no composite type and no partitioned table either', async () => {
    await works(`CREATE TABLE parent (a_b int); CREATE TABLE child () INHERITS (parent); SELECT sio_watch('child', ${CAMEL});
      CREATE TYPE kind AS (a_b int); CREATE TABLE typed OF kind; SELECT sio_watch('typed', ${CAMEL});
      CREATE TABLE parts (a_b int) PARTITION BY LIST (a_b); CREATE TABLE p PARTITION OF parts DEFAULT; SELECT sio_watch('parts', ${CAMEL})`);
    await refused(live.app, 'ALTER TABLE parent ADD "aB" int', '2BP01', { says: [/column "aB" to table "shop\.child"/], hint: /sio_unwatch\('shop\.child'/ });
    await refused(live.app, 'ALTER TYPE kind ADD ATTRIBUTE "aB" int CASCADE', '2BP01', { says: [/column "aB" to table "shop\.typed"/] });
    await refused(live.app, 'ALTER TABLE parts ADD "aB" int', '2BP01', { says: [/column "aB" to table "shop\.parts"/] });
    await works('ALTER TABLE parent ADD c int');
    await refused(live.app, 'ALTER TABLE parent RENAME c TO "aB"', '2BP01', { says: [/name of column "c" of table "shop\.child"/] });
    await works('INSERT INTO child VALUES (1, 2); INSERT INTO typed VALUES (1); INSERT INTO parts VALUES (1)');
  });

  it('is added and named where it doesn\'t travel, or what it collides with is dropped by the same command', async () => {
    await works(`${ORDERS}; SELECT sio_watch('orders', '{staff}', columns => '{id,customer_id}', keys => 'camel', name => 'some');
      SELECT sio_watch('orders', '{staff}', except_columns => '{status}', keys => 'camel', name => 'others')`);
    await works('ALTER TABLE orders ADD note text, DROP COLUMN IF EXISTS gone, ADD "Status" text; INSERT INTO orders VALUES (1)');
    await works(`SELECT sio_unwatch('orders', 'some'); ALTER TABLE orders DROP customer_id, ADD "customerId" int; INSERT INTO orders VALUES (2); SELECT sio_check()`);
  });

  it('keeps no other column from being added or renamed where a watch didn\'t work before, and is itself renamed away', async () => {
    await works(`${ORDERS}; ALTER TABLE orders ADD "customerId" int, ADD a_b int, ADD "aB" int; ${rowTrigger('orders', 'INSERT', ['room=staff', 'keys=camel'])}`);
    await works('ALTER TABLE orders ADD note text; ALTER TABLE orders RENAME status TO state; ALTER TABLE orders RENAME "customerId" TO buyer');
    await refused(live.admin, 'SELECT sio_check()', '55000', { says: /two values travel as "aB"/ });
    await works('ALTER TABLE orders RENAME a_b TO c; INSERT INTO orders VALUES (1)');
    await live.admin.query('SELECT sio_check()');
  });

  for (const [what, create, alter, attribute] of [
    ['table', 'CREATE TABLE other (a int, b text)', 'ALTER TABLE other', ''],
    ['composite type', 'CREATE TYPE other AS (a int, b text)', 'ALTER TYPE other', ' ATTRIBUTE'],
    ['parent', 'CREATE TABLE base (a int, b text); CREATE TABLE other () INHERITS (base)', 'ALTER TABLE base', ''],
  ]) {
    it(`is neither added to a ${what} of which a filter makes rows, nor dropped without CASCADE`, async () => {
      await works(`${ORDERS}; ${create}; SELECT sio_watch('orders', '{staff}', filter => 'ROW(id, status)::other IS NOT NULL', name => 'w', level => 'statement')`);
      const of = `of table "shop\\.orders"`;
      await refused(live.app, `${alter} ADD${attribute} c int`, '2BP01', { says: [/^cannot add (column|attribute) "c" to (table|type) "shop\.other"/, new RegExp(`watch "w" ${of} could not go on: cannot cast`)], hint: /sio_unwatch\('shop\.orders', 'w'\)/ });
      await refused(live.app, `${alter} DROP${attribute} b`, '2BP01', { says: [/^cannot drop (column|attribute) "b" of (table|type) "shop\.other"/, new RegExp(`watch "w" ${of} depends`)] });
      await works(`${alter} DROP${attribute} b, ADD${attribute} b text`);
      await live.admin.query(`SELECT sio_check(); INSERT INTO shop.orders VALUES (1, 1, 'x')`);
      await works(`${alter} DROP${attribute} b CASCADE; INSERT INTO orders VALUES (2)`);
      assert.deepEqual(await live.triggerNames(), []);
    });
  }

  it('is added to a table of which somebody\'s filter never could make rows', async () => {
    await works(`${ORDERS}; CREATE TABLE other (a int); ${rowTrigger('orders', 'INSERT', ['room=staff', 'filter=ROW(id, status)::shop.other IS NOT NULL'])}`);
    await works('ALTER TABLE other ADD b int, ADD c int; ALTER TABLE other DROP b');
  });
});
