// The README's SQL does what it says, read from the README and run in its order.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { connectClient, received } from '../harness/clients.js';
import { startPostgres } from '../harness/postgres.js';
import { EMITTER_ROLE, SERVER_GRANTS, SERVERS_ROLE } from '../harness/roles.js';
import { closeAll, startServers } from '../harness/servers.js';

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
const blocks = [...readme.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql]) => sql);

let cluster;
let admin;

before(async () => {
  cluster = await startPostgres({
    name: 'readme',
    conf: { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'postgres' },
  });
  admin = await cluster.connect();
});
after(() => cluster?.stop());

test('all of it runs, in the order of the page', async () => {
  assert.ok(blocks.length >= 6, `found ${blocks.length} blocks`);
  for (const sql of blocks) {
    const { code, stderr } = await cluster.psql(sql);
    assert.equal(code, 0, `${sql}\n${stderr}`);
  }
});

test('the grants are those that the tests use', () => {
  for (const line of SERVER_GRANTS.split('\n')) assert.ok(readme.includes(line), line);
});

test('the first trigger reaches the customer and nobody else', async () => {
  await admin.query(`ALTER ROLE ${SERVERS_ROLE} LOGIN; ALTER ROLE ${EMITTER_ROLE} LOGIN`);
  const [server] = await startServers(cluster, { count: 1 });
  const clients = [
    await connectClient(server, { rooms: ['customer:1'] }),
    await connectClient(server, { rooms: ['customer:2'] }),
  ];
  try {
    await admin.query(`INSERT INTO orders (customer_id, status, total) VALUES (1, 'paid', 12.50)`);
    const [first, second] = await received(admin, clients);
    assert.equal(first.length, 1);
    assert.equal(first[0][0], 'order');
    assert.deepEqual(
      { customer: first[0][1].customer_id, status: first[0][1].status, total: first[0][1].total },
      { customer: 1, status: 'paid', total: 12.5 },
    );
    assert.deepEqual(second, []);
  } finally {
    await closeAll(clients, server);
  }
});

test('every function, parameter and setting of the extension is in its tables', async () => {
  const { rows: functions } = await admin.query(`
    SELECT p.proname, p.proargnames[1:p.pronargs] AS parameters
      FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid
     WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'socketio_emitter'`);
  assert.ok(functions.length > 0);
  for (const { proname, parameters } of functions) {
    assert.match(readme, new RegExp(`^\\| \`${proname}\\(`, 'm'), proname);
    for (const parameter of parameters) assert.ok(readme.includes(parameter), `${proname}: ${parameter}`);
  }
  await admin.query(`LOAD 'socketio_emitter'`);
  const { rows: settings } = await admin.query(`SELECT name FROM pg_settings WHERE name LIKE 'socketio_emitter.%'`);
  assert.ok(settings.length > 0);
  for (const { name } of settings) assert.ok(readme.includes(`| \`${name}\` |`), name);
});
