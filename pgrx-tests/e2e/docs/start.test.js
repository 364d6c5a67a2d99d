// docs/start.md: an app from an empty folder, as the page says and nothing else, with passwords as Debian's Postgres asks for them, and
// its page in Chromium.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { io } from 'socket.io-client';
import { askedAgain } from '../../harness/asking.js';
import { runSql, statementsOf } from '../../harness/blocks.js';
import { untilListening } from '../../harness/demo.js';
import { evaluate, openPage } from '../../harness/page.js';
import { freePort, PG_BIN, startPostgres } from '../../harness/postgres.js';
import { Reader } from '../../harness/reader.js';
import { fromRoot } from '../../harness/setup.js';
import { never, until } from '../../harness/wait.js';

const CHROMIUM = { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] };
const OWNER = { database: 'shop', user: 'shop' };

const page = openPage('docs/start.md');
const read = (file) => readFileSync(fromRoot(file), 'utf8');

describe('docs/start.md', () => {
  const reader = new Reader();
  let postgres, port, browser, tabs;

  before(async () => {
    postgres = await startPostgres({ name: 'docs-start' });
    // As on Debian, but for the superuser, whom this harness has no other way to be.
    writeFileSync(path.join(postgres.dataDir, 'pg_hba.conf'), 'host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n');
    await runSql(postgres, 'SELECT pg_reload_conf()');
    port = await freePort();
    browser = await chromium.launch(CHROMIUM);
  });
  after(async () => {
    await browser?.close();
    await reader.close();
    await postgres?.stop();
  });

  const ofServer = (text) => text.replaceAll('change-me@localhost/', `change-me@127.0.0.1:${postgres.port}/`);
  const inPsql = async (sql) => {
    reader.write('typed.sql', sql);
    return reader.shell(`psql --no-psqlrc --set ON_ERROR_STOP=1 --quiet --no-align --tuples-only --file typed.sql '${url()}'`);
  };
  const url = () => ofServer(/postgres:\/\/shop:change-me@localhost\/shop/.exec(page.text)[0]);

  it('installs what scripts/test-package installs', () => {
    const [system, deb] = page.next('sh', 'apt-get').trim().split('\n');
    assert.equal(system, 'sudo apt-get install postgresql nodejs npm');
    assert.ok(deb.includes(`./postgresql-15-socketio-emitter_${/default_version = '(.*)'/.exec(read('socketio_emitter.control'))[1]}-1_amd64.deb`));
    assert.match(read('scripts/test-package'), /apt-get install .*"\/tmp\/\$\(basename "\$\(deb\)"\)"/);
  });

  it('makes a database, and a role that comes in by its password alone', async () => {
    await runSql(postgres, page.next('sql', 'CREATE DATABASE shop'));
    await assert.rejects(postgres.connect({ ...OWNER, password: 'another' }), { code: '28P01' });
  });

  it('makes a live table as that role', async () => {
    reader.write('schema.sql', page.next('sql', 'sio_watch'));
    process.env.PATH = `${PG_BIN}:${process.env.PATH}`;
    await reader.shell(ofServer(page.next('sh', 'schema.sql')));
    assert.equal((await runSql(postgres, 'SELECT table_name, rooms FROM sio_watches', { database: 'shop' })).stdout, 'orders|{customer:$customer_id}');
  });

  it('starts a server with what npm installs', async () => {
    const commands = page.next('sh', 'npm install').split('\n');
    const copy = commands.findIndex((command) => command.startsWith('cp '));
    assert.equal(commands[copy], 'cp /usr/share/doc/postgresql-15-socketio-emitter/follow.js .');
    assert.match(read('scripts/test-package'), /for file in follow\.js .*cmp "client\/\$file" "\$system\/usr\/share\/doc\/\$package\/\$file"/);
    commands[copy] = `cp '${fromRoot('client/follow.js')}' .`;
    await reader.shell(commands.join('\n'), { npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' });
    reader.write('server.mjs', page.next('js', 'createAdapter'));
    reader.write('index.html', page.next('html', 'follow('));
    assert.equal(page.next('sh').trim(), 'node server.mjs');
  });

  it('shows each customer their own list', async () => {
    await serve();
    const links = (await inPsql(page.next('sql', 'http://localhost:3000/#'))).trim().split('\n').map((link) => link.replace('localhost:3000', `localhost:${port}`));
    assert.equal(links.length, 2);
    tabs = await Promise.all(links.map(async (link) => {
      const tab = await browser.newPage();
      tab.on('pageerror', (error) => { throw error; });
      await tab.goto(link);
      return tab;
    }));
    await bothShow(['#1 a book: new'], ['#2 a lamp: new']);
    assert.deepEqual(await states(), ['live', 'live']);
  });

  it('lets nobody in without a token', async () => {
    const tab = await browser.newPage();
    await tab.goto(`http://localhost:${port}/#00000000-0000-0000-0000-000000000000`);
    await tab.getByText('unknown token').waitFor();
    assert.equal(await tab.locator('li').count(), 0);
    await tab.close();
  });

  it('goes on when a client sends what makes no sense', async (t) => {
    const { stdout } = await runSql(postgres, 'SELECT token FROM customers WHERE id = 1', { database: 'shop' });
    const socket = io(`http://localhost:${port}`, { auth: { token: stdout } });
    t.after(() => socket.disconnect());
    await until('it is connected', () => socket.connected);
    const { id } = socket;
    socket.emit('orders:list', 'no function').emit('orders:list');
    const { rows } = await socket.timeout(10_000).emitWithAck('orders:list');
    assert.deepEqual(rows.map(({ item }) => item), ['a book']);
    assert.equal(socket.id, id);
  });

  it('follows what psql changes', async () => {
    const [insert, update, move, ...rolledBack] = statementsOf(page.next('sql', 'ROLLBACK'));
    await inPsql(insert);
    await bothShow(['#1 a book: new', '#3 a pen: new'], ['#2 a lamp: new']);
    await inPsql(update);
    await bothShow(['#1 a book: sent', '#3 a pen: new'], ['#2 a lamp: new']);
    await inPsql(move);
    await bothShow(['#3 a pen: new'], ['#1 a book: sent', '#2 a lamp: new']);
    await inPsql(rolledBack.map((statement) => `${statement};`).join('\n'));
    await inPsql(`INSERT INTO orders (customer_id, item) VALUES (1, 'a mark'), (2, 'a mark')`);
    await bothShow(['#3 a pen: new', '#4 a mark: new'], ['#1 a book: sent', '#2 a lamp: new', '#5 a mark: new']);
  });

  it('has the list right when the server comes back', async () => {
    await stop();
    await inPsql(`DELETE FROM orders WHERE item = 'a mark'`);
    await serve();
    await bothShow(['#3 a pen: new'], ['#1 a book: sent', '#2 a lamp: new']);
  });

  it('has the list live again after a connect at which the login query failed', async () => {
    await stop();
    await runSql(postgres, 'ALTER TABLE customers RENAME TO elsewhere', { database: 'shop' });
    await serve();
    for (const tab of tabs) await tab.getByText('try again').waitFor();
    await runSql(postgres, 'ALTER TABLE elsewhere RENAME TO customers', { database: 'shop' });
    await inPsql(`INSERT INTO orders (customer_id, item) VALUES (1, 'a mark')`);
    await bothShow(['#3 a pen: new', '#6 a mark: new'], ['#1 a book: sent', '#2 a lamp: new']);
    await until('both are live', async () => String(await states()) === 'live,live');
  });

  it('answers no list before its adapter listens: what changes until then is in it', async () => {
    await stop();
    // The server of the page, whose LISTEN waits for a lock.
    reader.write('held.mjs', `
      import pg from 'pg';
      const { query } = pg.Client.prototype;
      pg.Client.prototype.query = function (text, ...rest) {
        if (!String(text).startsWith('LISTEN')) return query.call(this, text, ...rest);
        return query.call(this, 'SELECT pg_advisory_lock(1)').then(() => query.call(this, text, ...rest));
      };
      await import('./server.mjs');`);
    const holder = await postgres.connect({ database: 'shop' });
    await holder.query('SELECT pg_advisory_lock(1)');
    await start('held.mjs');
    await until('both are connected', async () => (await states()).every((state) => ['loading', 'live'].includes(state)));
    await never('a list is live', async () => (await states()).includes('live'), { during: 1000 });
    await inPsql(`DELETE FROM orders WHERE item = 'a mark'`);
    await holder.end();
    await bothShow(['#3 a pen: new'], ['#1 a book: sent', '#2 a lamp: new']);
    await until('both are live', async () => String(await states()) === 'live,live');
  });

  it('has a trigger whose event reaches the customer, and nobody else', async () => {
    await inPsql(page.next('sql', 'emit_paid'));
    await tabs[0].getByText('Thank you for a pen').waitFor();
    await bothShow(['#3 a pen: paid'], ['#1 a book: sent', '#2 a lamp: new']);
    assert.equal((await states())[1], 'live');
  });

  it('has a doctor who finds nothing', async () => {
    const doctor = page.next('sql', 'sio_doctor');
    await askedAgain(async () => assert.equal((await runSql(postgres, doctor, { database: 'shop' })).stdout, ''));
  });

  it('lets a page of another origin in, if it is named', async () => {
    const made = [];
    class Server {
      constructor(...args) { made.push(args); }
    }
    await evaluate(page.next('js', 'cors'), { Server, http: 'http', adapter: 'adapter' });
    assert.deepEqual(made, [['http', { adapter: 'adapter', cors: { origin: 'http://localhost:5173' } }]]);
    const source = readFileSync(path.join(reader.folder, 'server.mjs'), 'utf8');
    const line = `const io = new Server(http, { adapter });`;
    assert.ok(source.includes(line));
    reader.write('cors.mjs', source.replace(line, `const io = new Server(http, { adapter, cors: { origin: 'http://localhost:5173' } });`));
    await stop();
    await serve('cors.mjs');
    const response = await fetch(`http://localhost:${port}/socket.io/?EIO=4&transport=polling`, { headers: { origin: 'http://localhost:5173' } });
    assert.equal(response.headers.get('access-control-allow-origin'), 'http://localhost:5173');
    page.assertAllTaken();
  });

  let server;
  async function start(file) {
    server = reader.start(file, { DATABASE_URL: url(), PORT: String(port) });
    await server.printed(`http://localhost:${port}`);
  }

  async function serve(file = 'server.mjs') {
    await start(file);
    await untilListening(postgres);
  }

  /** With its connections, which would be taken for those of the next. */
  async function stop() {
    await server.stop();
    const session = await postgres.connect();
    await until('nobody listens any more', async () => (await session.query(`SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`)).rowCount === 0);
    await session.end();
  }

  const states = () => Promise.all(tabs.map((tab) => tab.locator('#state').textContent()));

  async function bothShow(...expected) {
    const lists = () => Promise.all(tabs.map((tab) => tab.locator('li').allTextContents()));
    let shown;
    try {
      await until('both tabs show their lists', async () => {
        shown = await lists();
        return JSON.stringify(shown) === JSON.stringify(expected);
      });
    } catch {
      assert.deepEqual(shown, expected);
    }
  }
});
