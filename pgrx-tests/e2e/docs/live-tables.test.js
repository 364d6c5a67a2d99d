// docs/live-tables.md: its SQL runs in the order of the page, and its tables and code do what it says.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { follow } from '../../../client/follow.js';
import { runSql } from '../../harness/blocks.js';
import { connectClient, received } from '../../harness/clients.js';
import { withoutMeta } from '../../harness/live.js';
import { evaluate, openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { capture } from '../../harness/processes.js';
import { createRoles, EMITTER_ROLE, prepareDatabase, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';
import { until } from '../../harness/wait.js';

const page = openPage('docs/live-tables.md');

describe('docs/live-tables.md', () => {
  let postgres, admin, server, clients;

  before(async () => {
    postgres = await startPostgres({ name: 'docs-live-tables' });
    const first = await postgres.connect();
    await createRoles(first, SERVERS_ROLE, EMITTER_ROLE);
    admin = await prepareDatabase(postgres, { roles: false });
    await first.end();
    for (const sql of page.takeAll('sql')) await runSql(postgres, sql);
    [server] = await startServers(postgres, { count: 1 });
  });

  after(async () => {
    await closeAll(clients ?? [], server);
    await postgres?.stop();
  });

  it('has SQL that leaves no watch with a problem', async () => {
    const { rows } = await admin.query('SELECT count(*)::int AS n, count(problem)::int AS problems FROM sio_watches');
    assert.ok(rows[0].n >= 6);
    assert.equal(rows[0].problems, 0);
    assert.deepEqual((await admin.query(`SELECT rooms FROM sio_watches WHERE table_name = 'visits'::regclass`)).rows, [{ rooms: ['visitor:$guest_id'] }]);
  });

  it('has tickets that go where it says', async () => {
    clients = await Promise.all(['customer:1', 'customer:2', 'staff'].map((room) => connectClient(server, { rooms: [room] })));
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
  });

  it('has items that follow their order to another customer, and into its end', async () => {
    await admin.query(`
      INSERT INTO orders_of_shop VALUES (1, 1);
      INSERT INTO order_items (id, order_id, name) VALUES (7, 1, 'book');
      UPDATE orders_of_shop SET customer_id = 2;
      DELETE FROM orders_of_shop`);
    const item = (customer_id) => ({ id: 7, order_id: 1, name: 'book', customer_id });
    const [first, second] = (await received(admin, clients)).map((events) => events.map(withoutMeta));
    assert.deepEqual(first, [['item:insert', item(1)], ['item:left', { id: 7 }]]);
    assert.deepEqual(second, [['item:update', item(2)], ['item:delete', item(2)]]);
  });

  it('has handlers that keep a list', async () => {
    const [{ socket }] = clients;
    const list = new Map();
    await evaluate(page.take('js', `socket.on('ticket:insert'`), { socket, list });
    await admin.query(`INSERT INTO tickets (id, customer_id) VALUES (2, 1), (3, 1), (4, 1); UPDATE tickets SET status = 'done' WHERE id = 2;
      DELETE FROM tickets WHERE id = 3; UPDATE tickets SET customer_id = 2 WHERE id = 4`);
    await received(admin, clients);
    assert.deepEqual([...list], [[2, { id: 2, customer_id: 1, status: 'done' }]]);
  });

  it('has a server and a client whose list is fetched and followed', async () => {
    const [{ id, socket }] = clients;
    const pool = server.pool;
    await admin.query(`GRANT SELECT ON tickets TO ${SERVERS_ROLE}; GRANT EXECUTE ON FUNCTION sio_row, sio_snapshot TO ${SERVERS_ROLE}`);
    const onServer = server.io.of('/').sockets.get(id);
    await evaluate(page.take('js', 'sio_snapshot()'), { socket: onServer, pool, customer: 1 });
    const shown = [];
    const { tickets } = await evaluate(page.take('js', 'follow(socket'), { socket, follow, render: (rows) => shown.push(rows) }, ['tickets']);
    await until('the list was fetched', () => tickets.state === 'live');
    await admin.query(`UPDATE tickets SET status = 'closed' WHERE id = 2; INSERT INTO tickets (id, customer_id) VALUES (5, 1), (6, 2)`);
    await until('it has followed', () => tickets.rows.length === 2);
    assert.deepEqual(shown.at(-1), [{ id: 2, customer_id: 1, status: 'closed' }, { id: 5, customer_id: 1, status: 'new' }]);
    tickets.close();
  });

  it('has types that the compiler takes', async () => {
    // Below pgrx-tests, where the compiler finds socket.io-client.
    mkdirSync(fromRoot('pgrx-tests/node_modules/.cache'), { recursive: true });
    const folder = mkdtempSync(fromRoot('pgrx-tests/node_modules/.cache/live-tables-'));
    try {
      const [, command] = /^psql --no-align --tuples-only --command '(.*)' --output events\.ts$/m.exec(page.take('sh', 'sio_typescript'));
      const { code, stderr } = await postgres.run('psql', ['--no-psqlrc', '--no-align', '--tuples-only', '--command', command, '--output', 'events.ts'], { cwd: folder });
      assert.equal(code, 0, stderr);
      assert.match(readFileSync(path.join(folder, 'events.ts'), 'utf8'), /"ticket:insert"/);
      const program = page.take('ts', 'ServerToClientEvents').replace('./events', './events.js');
      writeFileSync(path.join(folder, 'program.ts'), `import { io, type Socket } from 'socket.io-client';\nconst list = new Map<number, { status: string }>();\n${program}`);
      const compiled = await capture(fromRoot('pgrx-tests/node_modules/.bin/tsc'), [
        '--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck', 'program.ts',
      ], { cwd: folder });
      assert.equal(compiled.code, 0, compiled.stdout);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has no other code', () => page.assertAllTaken());
});
