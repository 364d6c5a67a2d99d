// The first command of the README, and its example where a reader takes it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { connectClient } from '../../harness/clients.js';
import { createOrders, DEMO, untilListening } from '../../harness/demo.js';
import { freePort, startPostgres } from '../../harness/postgres.js';
import { capture, onExit } from '../../harness/processes.js';
import { fromRoot } from '../../harness/setup.js';
import { within } from '../../harness/wait.js';

describe('`make demo`', () => {
  const demo = (env) => capture(process.execPath, [fromRoot('pgrx-tests/harness/run-demo.js')], { env: { ...process.env, ONCE: '1', ...env } });

  it('with ONCE=1 prints the event that a Node client got, and ends', async () => {
    const { code, stdout, stderr } = await demo();
    assert.equal(code, 0, `${stdout}${stderr}`);
    const [, event] = stdout.match(/^ *client received {2}order:insert {2}(.*)$/m);
    const [[order], meta] = event.split('  ').map((argument) => JSON.parse(argument));
    assert.equal(order.item, 'a book');
    assert.equal(order.customer_id, 1);
    assert.ok(!('photo' in order));
    assert.deepEqual(Object.keys(meta), ['xid', 'seq']);
  });

  it('serves on the PORT that it is given', async () => {
    const port = await freePort();
    const { code, stdout, stderr } = await demo({ PORT: String(port) });
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.match(stdout, new RegExp(`connecting a client to http://127\\.0\\.0\\.1:${port} `));
  });

  it('serves on no other one: it says that the port is taken, or is none', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address();
    try {
      for (const [PORT, message] of [
        [port, `can't serve on port ${port}: it is taken. Give another one as PORT=…, or none`],
        ['http', 'PORT=http is no port: give a number from 1 to 65535'],
        ['65536', 'PORT=65536 is no port: give a number from 1 to 65535'],
      ]) {
        const { code, stdout, stderr } = await demo({ PORT: String(PORT) });
        assert.equal(code, 1, stdout);
        assert.equal(stderr, `demo: ${message}\n`);
        assert.doesNotMatch(stdout, /connecting/);
      }
    } finally {
      taken.close();
    }
  });
});

describe('the example in demo/', () => {
  it('works where it is copied to, with nothing but its own modules', async () => {
    const copy = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-demo.'));
    const postgres = await startPostgres({ name: 'demo-copied' });
    try {
      for (const entry of readdirSync(DEMO).filter((name) => name !== 'node_modules')) {
        cpSync(path.join(DEMO, entry), path.join(copy, entry), { recursive: true });
      }
      const npm = await capture('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: copy });
      assert.equal(npm.code, 0, `${npm.stdout}${npm.stderr}`);
      const files = ['schema.sql', 'show/show.sql', 'orders.sql'].map((file) => `--file=${file}`);
      const psql = await postgres.psql(files, { cwd: copy });
      assert.equal(psql.code, 0, psql.stderr);

      await serving(copy, 'show.js', postgres, async (url) => {
        await untilListening(postgres, { servers: 2 });
        const page = await fetch(url);
        assert.equal(page.status, 200);
        assert.match(await page.text(), /socket\.io\.js/);
        assert.equal(await (await fetch(`${url}/follow.js`)).text(), readFileSync(path.join(DEMO, 'page/follow.js'), 'utf8'));
        const client = await connectClient({ url }, { auth: { customer: 2 } });
        const { snapshot, rows } = await client.socket.timeout(10_000).emitWithAck('orders:list');
        assert.match(snapshot, /^\d+:\d+:/);
        assert.deepEqual(rows.slice(500).map(({ item }) => item), ['Notebook', 'House plant', 'Envelopes', 'Stamps']);
        await postgres.psql(`INSERT INTO orders (customer_id, item) VALUES (1, 'a pen'), (2, 'a book')`);
        const [, [event, [order]]] = await client.take(2); // the first is the page's: the statement
        assert.deepEqual([event, order.item], ['order:insert', 'a book']);
        await client.close();
      });
    } finally {
      await postgres.stop();
      rmSync(copy, { recursive: true });
    }
  });

  it('has the module as it is in client/', () => {
    const [copy, original] = ['demo/page/follow.js', 'client/follow.js'].map((file) => readFileSync(fromRoot(file), 'utf8'));
    assert.equal(copy, original);
  });

  it('has a server that works alone, as a reader would copy it', async () => {
    const copy = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-server.'));
    const postgres = await startPostgres({ name: 'demo-server' });
    try {
      // What demo/README.md names, and nothing of the show.
      for (const file of ['app.js', 'server.js', 'listen.js', 'package.json', 'schema.sql']) cpSync(path.join(DEMO, file), path.join(copy, file));
      symlinkSync(path.join(DEMO, 'node_modules'), path.join(copy, 'node_modules'));
      const psql = await postgres.psql(['--file=schema.sql'], { cwd: copy });
      assert.equal(psql.code, 0, psql.stderr);
      await serving(copy, 'server.js', postgres, async (url) => {
        await untilListening(postgres); // see there: a server that is closed before it doesn't end
        const client = await connectClient({ url }, { auth: { customer: 2 } });
        assert.deepEqual((await client.socket.timeout(10_000).emitWithAck('orders:list')).rows, []);
        await postgres.psql(`INSERT INTO orders (customer_id, item, photo) VALUES (1, 'a pen', 'ink'), (2, 'a book', 'paper')`);
        const events = await client.take(2);
        assert.deepEqual(events.map(([event]) => event), ['order:insert', 'order:photo']);
        assert.equal(await (await fetch(`${url}/customers/2/orders/2/photo`)).text(), 'paper');
        for (const order of ['1/orders/2', '2/orders/1', '2/orders/3', '2/orders/x']) {
          assert.equal((await fetch(`${url}/customers/${order}/photo`)).status, 404, order);
        }
        await client.close();
      });
    } finally {
      await postgres.stop();
      rmSync(copy, { recursive: true });
    }
  });

  it('serves on the ADDRESS that it is given, and on no other one', async () => {
    const postgres = await startPostgres({ name: 'demo-address' });
    try {
      await createOrders(postgres);
      await serving(DEMO, 'show.js', postgres, async (url) => {
        await untilListening(postgres, { servers: 2 });
        assert.match(url, /^http:\/\/127\.0\.0\.2:/);
        assert.equal((await fetch(`${url}/base.css`)).status, 200);
        await assert.rejects(fetch(url.replace('127.0.0.2', '127.0.0.1')), ({ cause }) => cause.code === 'ECONNREFUSED');
      }, { ADDRESS: '127.0.0.2' });
    } finally {
      await postgres.stop();
    }
  });

  it('says how it is called', async () => {
    for (const program of ['server.js', 'show.js']) {
      const { code, stderr } = await capture(process.execPath, [program], { cwd: DEMO, env: { ...process.env, DATABASE_URL: '' } });
      assert.equal(code, 1);
      assert.equal(stderr, `usage: node ${program} postgres://USER@HOST:PORT/DATABASE\n`);
    }
  });

  /** Runs that program there until `work` is done, and asserts that Ctrl-C ends it. */
  async function serving(folder, program, postgres, work, settings = {}) {
    const env = { ...process.env, PORT: String(await freePort()), ...settings };
    const server = spawn(process.execPath, [program, postgres.url()], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
    const forget = onExit(() => server.kill());
    const ended = once(server, 'exit');
    try {
      const [line] = await within('the server says where it is', once(createInterface({ input: server.stdout }), 'line'));
      await work(/http:\S+/.exec(line)[0]);
    } finally {
      server.kill('SIGINT');
      assert.deepEqual(await within('the server ends', ended), [0, null]);
      forget();
    }
  }
});
