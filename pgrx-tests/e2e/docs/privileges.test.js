// docs/privileges.md: its SQL. Each line of its tables is tested in e2e/trust/privileges.test.js.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runSql } from '../../harness/blocks.js';
import { connectClient } from '../../harness/clients.js';
import { openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, SERVER_GRANTS, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

const page = openPage('docs/privileges.md');

describe('docs/privileges.md', () => {
  let postgres, admin;

  before(async () => {
    postgres = await startPostgres({ name: 'docs-privileges' });
    admin = await postgres.connect();
    await admin.query('CREATE EXTENSION socketio_emitter');
  });
  after(() => postgres?.stop());

  it('grants the two roles what they need, which is what the tests use', async (t) => {
    await runSql(postgres, 'CREATE TABLE orders (id int PRIMARY KEY)'); // the reader's
    await runSql(postgres, page.next('sql', `CREATE ROLE ${EMITTER_ROLE} LOGIN`));
    const grants = page.next('sql', `CREATE ROLE ${SERVERS_ROLE} LOGIN`);
    for (const line of SERVER_GRANTS.split('\n')) assert.ok(grants.includes(line), line);
    await runSql(postgres, grants);
    await admin.query(`ALTER TABLE orders OWNER TO ${EMITTER_ROLE}`);
    const [server] = await startServers(postgres, { count: 1 });
    t.after(() => closeAll(server));
    const client = await connectClient(server, { rooms: ['r'] });
    const app = await postgres.connect({ user: EMITTER_ROLE });
    await app.query(`SELECT sio_watch('orders', '{r}', meta => false); SELECT sio_check(); INSERT INTO orders VALUES (1); SELECT sio_emit_binary('/', '{r}', 'b', '\\x41')`);
    assert.deepEqual(await client.take(2), [['orders:insert', { id: 1 }], ['b', Buffer.from('A')]]);
    await assert.rejects(app.query(`SELECT sio_emit('/', '{}', 'everyone')`), { code: '22023' });
    const { rows: [{ n }] } = await server.pool.query('SELECT count(sio_row(w))::int AS n, min(sio_snapshot()) FROM orders w');
    assert.equal(n, 1);
    await app.end();
    await client.close();
  });

  it('has SQL that runs', async () => {
    for (const sql of page.takeAll('sql')) await runSql(postgres, sql);
    page.assertAllTaken();
  });
});
