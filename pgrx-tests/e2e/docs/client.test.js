// client/README.md: its code on both sides, with its table. What the module does is tested in client/ and in e2e/live/follow.test.js.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { io as connect } from 'socket.io-client';
import { follow } from '../../../client/follow.js';
import { runSql } from '../../harness/blocks.js';
import { untilListening } from '../../harness/demo.js';
import { evaluate, openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { capture } from '../../harness/processes.js';
import { Reader } from '../../harness/reader.js';
import { prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';
import { until } from '../../harness/wait.js';

const page = openPage('client/README.md');

describe('client/README.md', () => {
  let postgres, admin, server;

  before(async () => {
    postgres = await startPostgres({ name: 'docs-client' });
    admin = await prepareDatabase(postgres);
    await runSql(postgres, page.take('sql', 'sio_watch'));
    await admin.query('GRANT SELECT ON orders TO socketio_servers; GRANT EXECUTE ON FUNCTION sio_snapshot, sio_row TO socketio_servers');
    [server] = await startServers(postgres, { count: 1 });
  });

  after(async () => {
    await closeAll(server);
    await postgres?.stop();
  });

  it('has a server and a client whose list follows the table', async (t) => {
    server.io.use((socket, next) => {
      socket.data.customer = socket.handshake.auth.customer;
      next();
    });
    await evaluate(page.take('js', 'const LIST'), { io: server.io, pool: server.pool });
    const code = page.next('js', 'follow(socket');
    const imports = /^(import .*\n)+/.exec(code)[0];
    assert.deepEqual(imports.trim().split('\n'), [`import { io } from 'socket.io-client';`, `import { follow } from 'socketio_emitter-client';`]);
    const shown = [];
    const { socket, orders } = await evaluate(code.replace(imports, ''), {
      io: () => connect(server.url, { auth: { customer: 1 } }), follow, render: (rows) => shown.push(rows),
    }, ['socket', 'orders']);
    t.after(() => {
      orders.close();
      socket.disconnect();
    });
    await until('the list is fetched', () => orders.state === 'live');
    await admin.query(`INSERT INTO orders (customer_id, item) VALUES (1, 'a book'), (2, 'a lamp'), (1, 'a pen'); DELETE FROM orders WHERE item = 'a book';
      UPDATE orders SET item = 'two pens' WHERE item = 'a pen'`);
    await until('it has followed', () => orders.rows[0]?.item === 'two pens');
    assert.deepEqual(shown.at(-1), [{ id: 3, customer_id: 1, item: 'two pens' }]);
  });

  it('has an update of a row beyond a LIMIT that adds it to the list, as the page warns', async (t) => {
    const socket = connect(server.url, { auth: { customer: 9 } });
    server.io.on('connection', (each) => each.on('orders:newest', async (answer) => {
      await each.join('customer:9');
      answer((await admin.query(`SELECT sio_snapshot() AS snapshot, jsonb_agg(sio_row(o)) AS rows
        FROM (SELECT * FROM orders WHERE customer_id = 9 ORDER BY id DESC LIMIT 2) newest JOIN orders o USING (id)`)).rows[0]);
    }));
    const { rows } = await admin.query(`INSERT INTO orders (customer_id, item) SELECT 9, 'item ' || i FROM generate_series(1, 3) i RETURNING id`);
    const list = follow(socket, { events: 'order', fetch: () => socket.timeout(10_000).emitWithAck('orders:newest') });
    t.after(() => {
      list.close();
      socket.disconnect();
    });
    await until('the list is fetched', () => list.state === 'live');
    assert.equal(list.rows.length, 2);
    await admin.query(`UPDATE orders SET item = 'changed' WHERE id = $1`, [rows[0].id]);
    await until('it is in the list', () => list.rows.length === 3);
  });

  it('is in a package of the name that it says, whose version is that of the package', () => {
    const { name, version } = JSON.parse(readFileSync(fromRoot('client/package.json'), 'utf8'));
    assert.ok(page.text.includes(`\`npm install ./${name}-${version}.tgz\``));
  });

  it('has rows of the types that sio_typescript tells', async () => {
    mkdirSync(fromRoot('pgrx-tests/node_modules/.cache'), { recursive: true });
    const folder = mkdtempSync(fromRoot('pgrx-tests/node_modules/.cache/client-'));
    try {
      const write = (file, text) => writeFileSync(path.join(folder, file), text);
      write('events.ts', (await admin.query('SELECT sio_typescript() AS text')).rows[0].text);
      for (const file of ['follow.js', 'follow.d.ts']) write(file, readFileSync(fromRoot('client', file)));
      const program = `import { io } from 'socket.io-client';\nimport { follow } from './follow.js';\nconst socket = io();\n${page.take('ts', 'Parameters<')}`;
      const compile = async (text) => {
        write('program.ts', `${text}\nconst item: string | undefined = orders.rows[0]?.item;\nconsole.log(item);\n`);
        return (await capture(fromRoot('pgrx-tests/node_modules/.bin/tsc'), [
          '--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck', 'program.ts'], { cwd: folder })).stdout;
      };
      assert.equal(await compile(program), '');
      assert.match(await compile(program.replace('follow<Order>', 'follow')), /TS2339/);
      rmSync(path.join(folder, 'follow.d.ts'));
      assert.match(await compile(program), /TS7016/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has an end for the servers of earlier adapters, when they no longer hear', async () => {
    const reader = new Reader();
    try {
      reader.linkPackages({ adapter: '0.3.1' });
      reader.write('server.mjs', `
        import { createAdapter } from '@socket.io/postgres-adapter';
        import pg from 'pg';
        import { Server } from 'socket.io';
        const pool = new pg.Pool({ connectionString: '${postgres.url()}', application_name: 'page' });
        pool.on('error', (error) => console.log(error.message));
        ${page.take('js', 'process.exit')}
        new Server(0, { adapter: createAdapter(pool) });
        await pool.query('SELECT 1');
        console.log('started');`);
      const program = reader.start('server.mjs');
      await program.printed('started');
      await untilListening(postgres, { servers: 2 });
      const end = (which) => admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'page' AND ${which}`);
      // One for queries may go, whatever it was last used for.
      assert.ok((await end(`query NOT LIKE 'LISTEN%'`)).rowCount > 0);
      await program.printed('terminating connection');
      assert.equal((await end(`query LIKE 'LISTEN%'`)).rowCount, 1);
      assert.equal(await program.ended(), 1);
    } finally {
      await reader.close();
    }
    page.assertAllTaken();
  });
});
