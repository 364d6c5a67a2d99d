// docs/comparison.md: what it says of pg_notify by hand is so. What it says of the official emitter is tested in emit/delivery.test.js,
// with it beside ours; what it says of others is from their documentation.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { connectClient, received } from '../../harness/clients.js';
import { evaluate, openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until } from '../../harness/wait.js';

describe('docs/comparison.md', () => {
  const page = openPage('docs/comparison.md');
  let postgres, admin, servers, clients, pool;
  const listeners = [];

  before(async () => {
    postgres = await startPostgres({ name: 'comparison' });
    admin = await prepareDatabase(postgres);
    servers = await startServers(postgres, { count: 2 });
    clients = await Promise.all(servers.map((server) => connectClient(server, { rooms: ['customer:1'] })));
    pool = new pg.Pool({ connectionString: postgres.url() });
    pool.on('error', () => {}); // a connection may see that we stop the server before its own end
  });

  after(async () => {
    for (const listener of listeners) listener.release(true);
    await pool?.end();
    await closeAll(clients, servers);
    await admin?.end();
    await postgres?.stop();
  });

  it('pg_notify by hand works in every server of a cluster', async () => {
    await admin.query(page.next('sql', 'pg_notify'));
    const code = page.next('js', 'LISTEN orders');
    for (const { io } of servers) listeners.push((await evaluate(code, { pool, io }, ['listener'])).listener);
    const insert = [['order:insert', { id: 1, customer_id: 1, note: null }]];
    await admin.query('INSERT INTO orders (customer_id) VALUES (1), (2)');
    assert.deepEqual(await Promise.all(clients.map((client) => client.take(1))), [insert, insert]);
  });

  it('pg_notify by hand fails at 8,000 bytes, and tells of inserts alone, where a watch sends each change that shows', async () => {
    const long = `INSERT INTO orders (customer_id, note) VALUES (1, repeat('x', 8000))`;
    await assert.rejects(admin.query(long), { message: 'payload string too long' });
    await admin.query(`DROP TRIGGER notify_order ON orders; SELECT sio_watch('orders', rooms => '{customer:$customer_id}')`);
    await admin.query(`${long}; UPDATE orders SET note = note; UPDATE orders SET note = 'y' WHERE id = 1; DELETE FROM orders WHERE id = 1`);
    for (const events of await received(admin, clients)) {
      assert.deepEqual(events.map(([event]) => event).sort(), ['orders:delete', 'orders:insert', 'orders:update']);
    }
  });

  it('equal notifications of a transaction become one, equal emits do not', async () => {
    const heard = [];
    admin.on('notification', ({ channel }) => heard.push(channel));
    await admin.query('LISTEN equal; LISTEN after');
    await admin.query(`SELECT pg_notify('equal', 'x'), pg_notify('equal', 'x'), pg_notify('after', '')`);
    await until('the notifications arrived', () => heard.includes('after'));
    assert.deepEqual(heard, ['equal', 'after']);
    await admin.query(`SELECT sio_emit('/', '{customer:1}', 'equal', '"x"'), sio_emit('/', '{customer:1}', 'equal', '"x"')`);
    assert.deepEqual(await received(admin, clients), clients.map(() => [['equal', 'x'], ['equal', 'x']]));
  });

  it('no block is left', () => page.assertAllTaken());
});
