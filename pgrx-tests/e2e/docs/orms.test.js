// docs/orms.md, what it says of every tool; and that each tool's section has a test of its own.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { administration, FIRST, openShop, startShop, watchesOf } from '../../harness/orms.js';
import { evaluate, openPage } from '../../harness/page.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';

const MIGRATION = 'A watch in a migration';
const TABLE = 'CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, note text);';

describe('docs/orms.md, of every tool:', () => {
  const first = openPage('docs/orms.md', { section: FIRST });
  const migration = openPage('docs/orms.md', { section: MIGRATION });
  const watch = migration.next('sql', 'sio_watch');
  const quietly = migration.next('sql', 'UPDATE orders');
  let postgres, shop, owner;

  before(async () => {
    postgres = await startShop('all');
    shop = await openShop(postgres);
    owner = await postgres.connect({ database: 'shop', user: 'owner' });
  });

  after(async () => {
    await owner?.end();
    await shop?.close();
    await postgres?.stop();
  });

  beforeEach(() => owner.query(`DROP TABLE IF EXISTS orders, purchases; ${TABLE} ${watch}`));

  const order = (id, more = {}) => ['order:insert', { id, customer_id: 1, note: null, ...more }];

  it('the administrator\'s part suffices, and the servers\' adapter is told of the schema', async () => {
    assert.equal(first.next('sql', 'CREATE EXTENSION'), administration());
    let options;
    await evaluate(first.next('js', 'createAdapter'), { io: { adapter() {} }, pool: {}, createAdapter: (pool, given) => { options = given; } });
    const servers = await startServers(postgres, { count: 2, database: 'shop', options });
    const client = await connectClient(servers[0], { rooms: ['customer:1'] });
    await owner.query(`INSERT INTO orders VALUES (1, 1, repeat('long', 3000))`); // through the table
    assert.deepEqual((await received(shop.admin, [client], { schema: 'sio' }))[0].map(([event, { id }]) => [event, id]), [['order:insert', 1]]);
    assert.deepEqual(servers.flatMap((server) => server.errors), []);
    await closeAll(client, servers);
    first.assertAllTaken();
  });

  it('an application\'s own role changes watched tables without a privilege on the extension, and emits with two', async () => {
    await owner.query('GRANT INSERT ON orders TO app');
    const app = await postgres.connect({ database: 'shop', user: 'app' });
    assert.deepEqual(await shop.events('customer:1', () => app.query('INSERT INTO orders VALUES (1, 1)')), [order(1)]);
    const emit = `SELECT sio.sio_emit('/', '{customer:1}', 'thanks')`;
    await assert.rejects(app.query(emit), { code: '42501' });
    await shop.admin.query('GRANT USAGE ON SCHEMA sio TO app; GRANT EXECUTE ON FUNCTION sio.sio_emit TO app');
    assert.deepEqual(await shop.events('customer:1', () => app.query(emit)), [['thanks']]);
    await app.end();
  });

  it('a watch is made, replaced, removed, and dropped with its table', async () => {
    assert.deepEqual(await watchesOf(shop), [['orders', ['customer:$customer_id']]]);
    await owner.query(`SELECT sio.sio_watch('orders', rooms => '{staff}'); SELECT sio.sio_watch('orders', rooms => '{bulk}', name => 'bulk')`);
    assert.deepEqual(await watchesOf(shop), [['orders', ['bulk']], ['orders', ['staff']]]);
    await owner.query(`SELECT sio.sio_unwatch('orders', 'bulk')`);
    assert.deepEqual(await watchesOf(shop), [['orders', ['staff']]]);
    await owner.query(`SELECT sio.sio_unwatch('orders')`);
    assert.deepEqual(await watchesOf(shop), []);
    await owner.query(`${watch} DROP TABLE orders`);
    assert.deepEqual(await watchesOf(shop), []);
  });

  it('a watch follows what is renamed', async () => {
    await owner.query('ALTER TABLE orders RENAME TO purchases; ALTER TABLE purchases RENAME customer_id TO client_id; SELECT sio.sio_check()');
    assert.deepEqual(await watchesOf(shop), [['purchases', ['customer:$client_id']]]);
    await owner.query('CREATE SCHEMA shop; ALTER TABLE purchases SET SCHEMA shop; SELECT sio.sio_check()');
    assert.deepEqual(await watchesOf(shop), [['shop.purchases', ['customer:$client_id']]]);
    await owner.query('DROP SCHEMA shop CASCADE');
  });

  it('a column that it names can be dropped after it was watched without', async () => {
    await owner.query('INSERT INTO orders VALUES (1, 1)');
    await assert.rejects(owner.query('ALTER TABLE orders DROP customer_id, ADD client_id bigint'), { code: '2BP01' });
    assert.deepEqual((await owner.query('SELECT customer_id::int FROM orders')).rows, [{ customer_id: 1 }]);
    await owner.query(`SELECT sio.sio_watch('orders', rooms => '{staff}'); ALTER TABLE orders DROP customer_id; SELECT sio.sio_check()`);
  });

  it('a migration that fails leaves the former watches', async () => {
    await assert.rejects(owner.query(`SELECT sio.sio_watch('orders', rooms => '{staff}'); SELECT 1 / 0`), { code: '22012' });
    assert.deepEqual(await watchesOf(shop), [['orders', ['customer:$customer_id']]]);
  });

  it('`sio_check()` fails the migration that would leave a watch that does not fit', async () => {
    await owner.query(`CREATE TRIGGER by_hand AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION sio.sio_emit_changes('room=$nothing')`);
    await assert.rejects(owner.query('SELECT sio.sio_check()'), { code: '55000' });
  });

  it('a migration changes rows that nobody is to see', async () => {
    await owner.query('INSERT INTO orders VALUES (1, 1)');
    assert.deepEqual(await shop.events('customer:1', () => owner.query(`UPDATE orders SET note = 'seen'`)),
      [['order:update', { id: 1, customer_id: 1, note: 'seen' }]]);
    await owner.query('UPDATE orders SET note = NULL');
    assert.deepEqual(await shop.events('customer:1', () => owner.query(quietly)), []);
    assert.deepEqual((await owner.query('SELECT note FROM orders')).rows, [{ note: '' }]);
    assert.deepEqual(await shop.events('customer:1', () => owner.query('INSERT INTO orders VALUES (2, 1)')), [order(2)]);
  });

  it('names and numbers travel as they are declared', async () => {
    const watched = async (declared, table = 'orders') => {
      await owner.query(`SELECT sio.sio_watch('${table}', event => 'order:$op', ${declared})`);
      const into = table === 'orders' ? 'orders (id, customer_id)' : `${table} (id, "customerId")`;
      return shop.events('customer:1', () => owner.query(`DELETE FROM ${table}; INSERT INTO ${into} VALUES (9007199254740993, 1)`));
    };
    const column = `rooms => '{customer:$customer_id}'`;
    assert.deepEqual(await watched(column), [order(9007199254740992)]); // rounded
    assert.deepEqual(await watched(`${column}, bigints => 'text'`).then((events) => events.at(-1)),
      order('9007199254740993', { customer_id: '1' }));
    assert.deepEqual(await watched(`${column}, keys => 'camel', bigints => 'text'`).then((events) => events.at(-1)),
      ['order:insert', { id: '9007199254740993', customerId: '1', note: null }]);
    await owner.query('CREATE TABLE "Order" (id bigint PRIMARY KEY, "customerId" bigint)');
    const quoted = /`(rooms => ARRAY\[.*?\])`/.exec(first.text)[1];
    assert.deepEqual(await watched(`${quoted}, bigints => 'text'`, '"Order"'), [['order:insert', { id: '9007199254740993', customerId: '1' }]]);
    await owner.query('DROP TABLE "Order"');
  });

  it('an empty list of rooms can be made an error', async () => {
    const everyone = `SELECT sio.sio_emit('/', '{}', 'all')`;
    await owner.query(everyone);
    const [, alter] = /`(ALTER ROLE owner SET\s+socketio_emitter.require_rooms = on)`/.exec(first.text);
    await shop.admin.query(alter);
    const strict = await postgres.connect({ database: 'shop', user: 'owner' });
    await assert.rejects(strict.query(everyone), { code: '22023' });
    const watch = `SELECT sio.sio_watch('orders', everyone => true, name => 'all')`;
    await assert.rejects(strict.query(watch), { code: '22023' });
    await owner.query(watch); // of a session from before
    await assert.rejects(strict.query('INSERT INTO orders VALUES (1, 1)'), { code: '22023' });
    await strict.end();
    await shop.admin.query('ALTER ROLE owner RESET ALL');
  });

  it('no block is left, and every tool\'s section has a test that says the same', () => {
    migration.assertAllTaken();
    const tools = openPage('docs/orms.md').sections().filter((section) => ![FIRST, MIGRATION].includes(section));
    assert.ok(tools.length >= 3, tools.join());
    for (const tool of tools) {
      const file = fromRoot(`pgrx-tests/e2e/docs/orms-${tool.toLowerCase()}.test.js`);
      assert.ok(existsSync(file), `no test takes the blocks of ${tool}`);
      const test = readFileSync(file, 'utf8');
      for (const needed of [`openPage(PAGE, { section: '${tool}' })`, 'page.assertAllTaken()', `assertTried(page, '${tool}', `]) {
        assert.ok(test.includes(needed), `${file} lacks ${needed}`);
      }
      assert.match(first.text, new RegExp(`^\\| \\[${tool}\\]`, 'm'));
    }
  });
});
