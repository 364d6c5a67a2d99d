// Declarations that can't be meant: refused with a HINT that works when it is typed, or warned of.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';
import { fromRoot } from '../../harness/setup.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, "customerId" int, tags text[], doc jsonb, plain json, docs jsonb[]);
  CREATE TYPE pair AS (a int, b int); ALTER TABLE orders ADD pair pair`;

describe('sio_watch', () => {
  let live;
  let warnings = [];

  before(async () => {
    live = await startLive({ name: 'live-meant', clients: { one: ['customer:1'], all: [] } });
    live.app.on('notice', (notice) => notice.severity === 'WARNING' && warnings.push(notice));
  });

  after(async () => live?.close());
  beforeEach(async () => {
    await live.reset();
    warnings = [];
    await live.app.query(ORDERS);
  });

  /** The HINT's part that is to be typed. */
  async function hinted(call, code) {
    const error = await live.app.query(call).then(() => assert.fail('refused'), (refusal) => refusal);
    assert.equal(error.code, code, error.message);
    return error.hint;
  }

  it('without rooms says so, and what to write instead', async () => {
    for (const call of [`sio_watch('orders')`, `sio_watch('orders', '{}')`, `sio_watch('orders', everyone => false)`]) {
      assert.match(await hinted(`SELECT ${call}`, '22023'), /everyone => true/);
    }
    await live.app.query(`SELECT sio_watch('orders', everyone => true, columns => '{id}'); INSERT INTO orders VALUES (1)`);
    assert.deepEqual((await live.got()).all, [['orders:insert', { id: 1 }]]);
    await refused(live.app, `SELECT sio_watch('orders', '{staff}', everyone => true)`, '22023', { says: ['rooms', 'everyone'], hint: /./ });
  });

  it('takes operations in any case', async () => {
    await live.app.query(`SELECT sio_watch('orders', '{staff}', ops => '{INSERT,Delete}'); INSERT INTO orders VALUES (1); UPDATE orders SET doc = '1'; DELETE FROM orders`);
    assert.deepEqual((await live.sent()).map(({ event }) => event), ['orders:insert', 'orders:delete']);
  });

  it('refuses a room after an array, and the HINT works', async () => {
    const hint = await hinted(`SELECT sio_watch('orders', '{tag:$tags}')`, '42804');
    const [typed] = /rooms => ARRAY\['.*'\]/.exec(hint);
    await live.app.query(`SELECT sio_watch('orders', ${typed}, columns => '{id}'); INSERT INTO orders VALUES (1, 1, '{a,b}')`);
    assert.deepEqual((await live.sent()).map(({ rooms }) => rooms), [['tag:a', 'tag:b']]);
  });

  it('refuses a room after a document or a row', async () => {
    await live.app.query(`CREATE FUNCTION document(orders) RETURNS jsonb LANGUAGE sql AS 'SELECT $1.doc'; CREATE FUNCTION documents(orders) RETURNS json[] LANGUAGE sql AS 'SELECT NULL::json[]'`);
    for (const room of ['$doc', 'x:$plain', '$pair', '\${docs[]}', '\${document()}', '\${documents()}']) {
      await refused(live.app, `SELECT sio_watch('orders', ARRAY['${room}'])`, '42804', { says: 'rooms', hint: /\$\{room_of\(\)\}/ });
    }
    await live.app.query(`CREATE FUNCTION room_of(orders) RETURNS text LANGUAGE sql AS $$SELECT $1.doc->>'room'$$;
      SELECT sio_watch('orders', ARRAY['\${room_of()}']); INSERT INTO orders (id, doc) VALUES (1, '{"room": "customer:1"}')`);
    assert.deepEqual(Object.keys(await live.got()), ['one']);
  });

  it('tells how to write a column of mixed case, and the HINT works', async () => {
    const hint = await hinted(`SELECT sio_watch('orders', '{customer:$customerId}')`, '42703');
    const [typed] = /rooms => ARRAY\['.*'\]/.exec(hint);
    assert.equal(typed, "rooms => ARRAY['customer:${customerId}']");
    await live.app.query(`SELECT sio_watch('orders', ${typed}, columns => '{id}'); INSERT INTO orders VALUES (1, 1)`);
    assert.deepEqual(await live.got(), { one: [['orders:insert', { id: 1 }]] });
    // In an array literal Postgres itself takes the braces for the beginning of an array, before anything is called.
    await refused(live.app, `SELECT sio_watch('orders', '{customer:\${customerId}}')`, '22P02', { says: 'malformed array literal' });
    await live.app.query(`SELECT sio_watch('orders', '{"customer:\${customerId}"}')`);
    const event = await hinted(`SELECT sio_watch('orders', '{staff}', event => '$customerId')`, '42703');
    assert.match(event, /event => '\$\{customerId\}'/);
  });

  it('warns of templates whose variables a shell has eaten', async () => {
    await live.app.query(`SELECT sio_watch('orders', '{customer:,staff}', event => 'order:$op')`);
    assert.deepEqual(warnings.map(({ message }) => message), ['parameter "rooms": "customer:" has no variable']);
    assert.match(warnings[0].hint, /single quotes/);
    await live.app.query(`SELECT sio_watch('orders', '{staff}', event => ':')`);
    assert.equal(warnings.length, 2);
    await live.app.query(`SELECT sio_watch('orders', '{staff,a:b,$id:}', event => 'order')`);
    assert.equal(warnings.length, 2);
  });
});

// Postgres reads a literal before sio_watch is called, so no hint of ours can be there: the page that tells of it must have these words.
describe('an array literal with braces and no quotes', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-literal', clients: {} });
  });

  after(async () => live?.close());

  it('is an error of Postgres, in the words that the documentation quotes, and what it says instead works', async () => {
    await live.app.query('CREATE TABLE orders (id int PRIMARY KEY, members text[])');
    const page = readFileSync(fromRoot('docs/live-tables.md'), 'utf8');
    const error = await live.app.query(`SELECT sio_watch('orders', '{user:\${members[]}}')`).then(() => assert.fail('refused'), (refusal) => refusal);
    assert.equal(error.code, '22P02');
    for (const said of [error.message, error.code, error.detail.replace(/ character\.$/, '')]) assert.ok(page.includes(said), said);
    for (const rooms of [`'{"user:\${members[]}"}'`, `ARRAY['user:\${members[]}']`]) {
      assert.ok(page.includes(rooms), rooms);
      await live.app.query(`SELECT sio_watch('orders', ${rooms})`);
    }
  });
});

describe('sio_unwatch', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-unwatch', clients: {} });
  });

  after(async () => live?.close());

  it('of a name that isn\'t there is an error, unless if_exists', async () => {
    await live.app.query(`${ORDERS}; SELECT sio_watch('orders', '{staff}', name => 'mine')`);
    await refused(live.app, `SELECT sio_unwatch('orders', 'main')`, '42704', { says: ['shop.orders', '"main"'], hint: /if_exists => true/ });
    await refused(live.app, `SELECT sio_unwatch('orders', 'main', NULL)`, '22004', { says: 'if_exists' });
    assert.equal(await live.unwatch(`'orders', 'main', if_exists => true`), 0);
    assert.equal(await live.unwatch(`'orders', 'mine'`), 1);
    await refused(live.app, `SELECT sio_unwatch('orders', 'mine')`, '42704');
    assert.equal(await live.unwatch(), 0);
  });
});
