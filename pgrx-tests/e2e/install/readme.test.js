// The documentation's SQL does what it says: read from the pages and run in their order.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { lacks } from '../../harness/features.js';
import { withoutMeta } from '../../harness/live.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, SERVER_GRANTS, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';

const page = (name) => readFile(fromRoot(name), 'utf8');
const blocksOf = (text) => [...text.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql]) => sql);
const readme = await page('README.md');
const liveTables = await page('docs/live-tables.md');
const queuedDelivery = await page('docs/queued-delivery.md');
const asking = await page('docs/asking.md');
const privileges = await page('docs/privileges.md');

const withoutCron = lacks('pg_cron');

let cluster;
let admin;

before(async () => {
  cluster = await startPostgres({
    name: 'readme',
    conf: {
      shared_preload_libraries: withoutCron ? 'socketio_emitter' : 'pg_cron, socketio_emitter', 'socketio_emitter.restart_delay': 0,
    },
  });
  admin = await cluster.connect();
});
after(() => cluster?.stop());

test('the documentation\'s SQL runs, in the order of its pages', async () => {
  for (const [text, least] of [[readme, 6], [liveTables, 4], [queuedDelivery, 7], [asking, 4], [privileges, 2]]) {
    const blocks = blocksOf(text);
    assert.ok(blocks.length >= least, `found ${blocks.length} blocks`);
    for (const sql of blocks) {
      if (withoutCron && sql.includes('cron.')) continue; // the next test is skipped then, too
      const { code, stderr } = await cluster.psql(sql);
      assert.equal(code, 0, `${sql}\n${stderr}`);
    }
  }
});

test('the documentation\'s SQL schedules with pg_cron', { skip: withoutCron }, async () => {
  const { rows } = await admin.query('SELECT command FROM cron.job ORDER BY jobid');
  const commands = rows.map(({ command }) => command).join(' ');
  for (const name of ['sio_cleanup', 'sio_deliver']) assert.match(commands, new RegExp(name));
});

test('the README\'s grants are those that the tests use', () => {
  for (const line of SERVER_GRANTS.split('\n')) assert.ok(readme.includes(line), line);
});

test('the README\'s first watch and its own trigger reach the customer and nobody else', async () => {
  await admin.query(`ALTER ROLE ${SERVERS_ROLE} LOGIN; ALTER ROLE ${EMITTER_ROLE} LOGIN`);
  const [server] = await startServers(cluster, { count: 1 });
  const clients = [
    await connectClient(server, { rooms: ['customer:1'] }),
    await connectClient(server, { rooms: ['customer:2'] }),
    await connectClient(server, { rooms: ['staff'] }),
  ];
  try {
    const { rows: [{ id }] } = await admin.query(
      `INSERT INTO orders (customer_id, status, total) VALUES (1, 'paid', 12.50) RETURNING id`,
    );
    // Its own trigger queues since docs/queued-delivery.md altered the function.
    await admin.query('SELECT sio_wait_delivered()');
    const [first, second, staff] = await received(admin, clients);
    const events = Object.fromEntries(first);
    assert.deepEqual(events, {
      'order:insert': { id: Number(id), customer_id: 1, status: 'paid', total: 12.5 },
      paid: { thanks: 12.5 },
    });
    assert.equal(first.length, 2);
    assert.deepEqual([second, staff], [[], []]);
  } finally {
    await closeAll(clients, server);
  }
});

test('the tickets of docs/live-tables.md go where it says', async () => {
  const [server] = await startServers(cluster, { count: 1 });
  const clients = [
    await connectClient(server, { rooms: ['customer:1'] }),
    await connectClient(server, { rooms: ['customer:2'] }),
    await connectClient(server, { rooms: ['staff'] }),
  ];
  try {
    await admin.query(`
      INSERT INTO tickets (id, customer_id, notes) VALUES (1, 1, 'secret');
      UPDATE tickets SET customer_id = 2;
      UPDATE tickets SET status = status;
      UPDATE tickets SET status = 'closed';
      DELETE FROM tickets`);
    const [first, second, staff] = await received(admin, clients);
    const row = (customer_id, status) => ({ id: 1, customer_id, status });
    const single = (events) => events.filter(([event]) => event.startsWith('ticket:')).map(withoutMeta);
    assert.deepEqual(single(first), [['ticket:insert', row(1, 'new')], ['ticket:left', { id: 1 }]]);
    assert.deepEqual(single(second), [
      ['ticket:update', row(2, 'new')],
      ['ticket:update', row(2, 'closed')],
      ['ticket:closed', { id: 1, status: 'closed' }],
      ['ticket:delete', row(2, 'closed')],
    ]);
    assert.deepEqual(staff.at(-1), ['tickets:deleted', [{ id: 1 }]]);
  } finally {
    await closeAll(clients, server);
  }
});

test('the items of docs/live-tables.md follow their order to another customer, and into its end', async () => {
  const [server] = await startServers(cluster, { count: 1 });
  const clients = [await connectClient(server, { rooms: ['customer:1'] }), await connectClient(server, { rooms: ['customer:2'] })];
  try {
    await admin.query(`
      INSERT INTO orders_of_shop VALUES (1, 1);
      INSERT INTO order_items (id, order_id, name) VALUES (7, 1, 'book');
      UPDATE orders_of_shop SET customer_id = 2;
      DELETE FROM orders_of_shop`);
    const item = (customer_id) => ({ id: 7, order_id: 1, name: 'book', customer_id });
    const [first, second] = (await received(admin, clients)).map((events) => events.map(withoutMeta));
    assert.deepEqual(first, [['item:insert', item(1)], ['item:left', { id: 7 }]]);
    assert.deepEqual(second, [['item:update', item(2)], ['item:delete', item(2)]]);
  } finally {
    await closeAll(clients, server);
  }
});

test('the documentation\'s tables have every function, parameter and setting of the extension', async () => {
  const { rows: functions } = await admin.query(`
    SELECT p.proname, p.proargnames[1:p.pronargs] AS parameters
      FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid
     WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'socketio_emitter' AND p.pronamespace <> '_sio'::regnamespace`);
  assert.ok(functions.length > 0);
  for (const { proname, parameters } of functions) {
    assert.match(readme, new RegExp(`^\\| \`${proname}\\(`, 'm'), proname);
    for (const parameter of parameters ?? []) {
      assert.ok(`${readme}${liveTables}${queuedDelivery}${asking}`.includes(parameter), `${proname}: ${parameter}`);
    }
  }
  await admin.query(`LOAD 'socketio_emitter'`);
  const { rows: settings } = await admin.query(`SELECT name FROM pg_settings WHERE name LIKE 'socketio_emitter.%'`);
  assert.ok(settings.length > 0);
  for (const { name } of settings) assert.ok(readme.includes(`| \`${name}\` |`), name);
});
