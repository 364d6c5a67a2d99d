// The demo runs what anyone types: hostile SQL gets an error, and the demo goes on.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startShow } from '../../../demo/show/start.js';
import { createOrders, psql, untilListening } from '../../harness/demo.js';
import { startPostgres } from '../../harness/postgres.js';
import { until } from '../../harness/wait.js';

describe('SQL typed into the demo', () => {
  let postgres, show, admin;

  before(async () => {
    postgres = await startPostgres({ name: 'demo-visitor' });
    // The visitors' password counts here, as it would in a database of one's own.
    const hba = path.join(postgres.dataDir, 'pg_hba.conf');
    await writeFile(hba, `host all socketio_demo 127.0.0.1/32 scram-sha-256\n${await readFile(hba, 'utf8')}`);
    await postgres.psql('SELECT pg_reload_conf()');
    await createOrders(postgres);
    show = await startShow(postgres.url());
    await untilListening(postgres, { servers: 2 });
    admin = await postgres.connect();
  });
  after(async () => {
    await show?.close();
    await postgres?.stop();
  });

  async function post(path, body, headers = {}) {
    return fetch(`${show.url}/show/${path}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  const run = async (sql) => (await post('run', { sql, run: 'test' })).json();

  /** Nothing of a visitor's is left in Postgres. */
  async function untilNobody() {
    await until('no session of the visitors is left', async () => {
      const { rowCount } = await admin.query(`SELECT FROM pg_stat_activity WHERE usename = 'socketio_demo'`);
      return rowCount === 0;
    });
  }

  it('answers with what each command did, and with rows', async () => {
    const { commands, error } = await run(`UPDATE orders SET quantity = 2 WHERE item = 'Stamps'; SELECT item, photo FROM orders WHERE id = 1009`);
    assert.equal(error, undefined);
    assert.deepEqual(commands, [
      { command: 'UPDATE', count: 1, columns: [], rows: [] },
      { command: 'SELECT', count: 1, columns: ['item', 'photo'], rows: [['Stamps', null]] },
    ]);
  });

  it('returns what was done before an error, with SQLSTATE, detail and hint', async () => {
    const { commands, error } = await run(`BEGIN; INSERT INTO orders (item, quantity) VALUES ('x', 7); COMMIT; UPDATE orders SET quantity = 0`);
    assert.deepEqual(commands.map(({ command, count }) => [command, count]), [['BEGIN', null], ['INSERT', 1], ['COMMIT', null]]);
    assert.equal(error.sqlstate, '23514');
    assert.match(error.message, /violates check constraint/);
    assert.match(error.detail, /^Failing row contains/);
    assert.match((await run('SELECT sio_missing()')).error.hint, /^No function matches/);
    await psql(postgres, `DELETE FROM orders WHERE item = 'x'`);
  });

  it('rolls back a transaction that is left open, and says so', async () => {
    const { commands, note } = await run('BEGIN; DELETE FROM orders');
    assert.equal(commands[1].count, 1010);
    assert.equal(note, 'The transaction was left open, so it is rolled back.');
    await untilNobody();
    assert.equal((await admin.query('SELECT count(*)::int AS n FROM orders')).rows[0].n, 1010);
  });

  it('knows the photos as psql would', async () => {
    const { error } = await run(`UPDATE orders SET photo = decode(:'mug', 'base64') WHERE item = 'Stamps'`);
    assert.equal(error, undefined);
    assert.equal((await run(`SELECT :'passwd'`)).error.sqlstate, '42601');
  });

  const FORBIDDEN = {
    'DROP': 'DROP TABLE orders',
    'TRUNCATE': 'TRUNCATE orders',
    'ALTER': 'ALTER TABLE orders DISABLE TRIGGER ALL',
    'CREATE': 'CREATE TABLE mine (id integer)',
    'a trigger': 'CREATE TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION emit_photo()',
    'a function that calls itself a superuser': 'CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1',
    'COPY TO PROGRAM': `COPY orders TO PROGRAM 'id'`,
    'COPY FROM a file': `COPY orders (item) FROM '/etc/passwd'`,
    'COPY TO a file': `COPY orders TO '/tmp/orders'`,
    'reading a file': `SELECT pg_read_file('/etc/passwd')`,
    'importing a file': `SELECT lo_import('/etc/passwd')`,
    'passwords': 'SELECT * FROM pg_authid',
    'the attachments': 'SELECT * FROM socket_io_attachments',
    'the queue': 'SELECT * FROM _sio.queue',
    'the tables of the show': 'SELECT * FROM show.load',
    'emitting': `SELECT sio_emit('/', '{}', 'hello')`,
    'emitting from a DO block': `DO $$ BEGIN PERFORM sio_emit('/', '{}', 'hello'); END $$`,
    'delivering': 'SELECT sio_deliver()',
    'SET ROLE': 'SET ROLE postgres',
    'SET SESSION AUTHORIZATION': 'SET SESSION AUTHORIZATION postgres',
    'a role': 'CREATE ROLE other SUPERUSER',
    'superuser': 'ALTER ROLE socketio_demo SUPERUSER',
    'settings of the server': `ALTER SYSTEM SET port = 1`,
    'a library': `LOAD '/tmp/evil.so'`,
    'stopping others': `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'`,
  };

  it(`is denied by Postgres what the role may not: ${Object.keys(FORBIDDEN).join(', ')}`, async () => {
    for (const [name, sql] of Object.entries(FORBIDDEN)) {
      const { commands, error } = await run(sql);
      assert.deepEqual([name, error?.sqlstate, commands], [name, '42501', []]);
    }
  });

  it('has no other role to return to', async () => {
    for (const reset of ['RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE NONE', 'DISCARD ALL']) {
      const [answer] = (await run(reset)).error ? [] : [await run(`${reset === 'DISCARD ALL' ? 'RESET ALL' : reset}; SELECT session_user, current_user`)];
      assert.deepEqual(answer.commands[1].rows, [['socketio_demo', 'socketio_demo']], reset);
    }
  });

  it('leaves nothing to the next one: neither settings, nor temporary tables, nor locks', async () => {
    await run(`SET search_path = pg_catalog; CREATE TEMP TABLE orders (id int); SELECT pg_advisory_lock(1)`);
    const { commands: [{ rows }] } = await run(`SELECT count(*), current_setting('search_path'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') FROM orders`);
    assert.deepEqual(rows, [['1010', '"$user", public', '0']]);
  });

  it('changes the role for nobody, though a role may alter itself', async () => {
    await run(`ALTER ROLE socketio_demo SET default_transaction_read_only = on; ALTER ROLE socketio_demo IN DATABASE postgres SET statement_timeout = 0;
               ALTER ROLE socketio_demo PASSWORD 'mine'`);
    const { commands } = await run(`SHOW statement_timeout; UPDATE orders SET quantity = quantity WHERE false`);
    assert.deepEqual(commands?.map(({ rows, count }) => [rows, count]), [[[['3s']], null], [[], 0]]);
    await assert.rejects(postgres.connect({ user: 'socketio_demo', password: 'mine' }), { code: '28P01' });
  });

  const ENDED = /^ended after 5 s: that is the demo's limit$/;
  const ENDLESS = {
    'pg_sleep': ['SELECT pg_sleep(100)', /statement timeout/],
    'a loop': ['DO $$ BEGIN LOOP END LOOP; END $$', /statement timeout/],
    'pg_sleep without a timeout': ['SET statement_timeout = 0; SELECT pg_sleep(100)', ENDED],
    'a loop that no cancellation ends': [
      `SET statement_timeout = 0;
       DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$`, ENDED],
  };

  it(`is ended when it does not end by itself: ${Object.keys(ENDLESS).join(', ')}`, async () => {
    const answers = await Promise.all(Object.values(ENDLESS).map(([sql]) => run(sql)));
    Object.entries(ENDLESS).forEach(([name, [, expected]], i) => assert.match(answers[i].error?.message ?? '', expected, name));
    await untilNobody();
  });

  it('is refused while four others run', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => run('SELECT pg_sleep(1)')));
    assert.equal(answers.filter(({ error }) => error?.message === '4 others are running: try again').length, 1);
    assert.equal(answers.filter(({ error }) => !error).length, 4);
  });

  it('gets a part of many rows, and an error for a result that is too large', async () => {
    const { commands: [many] } = await run(`SELECT n, repeat('x', 300) FROM generate_series(1, 1000) n`);
    assert.equal(many.count, 1000);
    assert.equal(many.rows.length, 20);
    assert.equal(many.rows[0][1].length, 200);
    const limit = /^ended after more than 1 MB of results/;
    for (const sql of [`SELECT generate_series(1, 1000000000)`, `SELECT repeat('x', 100000000)`, `COPY (SELECT generate_series(1, 100000000)) TO STDOUT`]) {
      const before = process.memoryUsage().rss;
      assert.match((await run(sql)).error?.message ?? '', limit, sql);
      assert.ok(process.memoryUsage().rss - before < 100e6, sql);
    }
    await untilNobody();
  });

  it('cannot fill the table', async () => {
    for (const sql of [
      `INSERT INTO orders (customer_id, item) SELECT 1, 'x' FROM generate_series(1, 10000)`,
      `UPDATE orders SET item = repeat('x', 2000000) WHERE id = 1`,
      `UPDATE orders SET photo = convert_to(repeat('x', 5000000), 'UTF8') WHERE id = 1`,
    ]) assert.equal((await run(sql)).error?.sqlstate, '54000', sql);
    assert.equal((await admin.query('SELECT count(*)::int AS n FROM orders')).rows[0].n, 1010);
  });

  it('is refused if it is no SQL', async () => {
    for (const [sql, message] of [
      ['', 'there is no SQL'], [5, 'there is no SQL'], [null, 'there is no SQL'], ['SELECT \0', 'SQL has no null characters'],
      ['x'.repeat(20_001), 'more than 20000 characters'], ['NONSENSE', 'syntax error at or near "NONSENSE"'], [';', undefined],
    ]) assert.equal((await run(sql)).error?.message, message);
    assert.match((await run('COPY orders FROM STDIN')).error.message, /^COPY from stdin failed/);
  });

  it('comes from the page alone, as JSON of a bounded size', async () => {
    const body = { sql: 'SELECT 1', run: 'x' };
    assert.equal((await post('run', body, { 'Content-Type': 'text/plain' })).status, 403);
    assert.equal((await post('run', body, { Origin: 'http://example.com' })).status, 403);
    assert.equal((await post('run', body, { Origin: show.url })).status, 200);
    assert.equal((await post('run', '{')).status, 400);
    assert.equal((await post('run', 'null')).status, 200);
    assert.equal((await post('run', JSON.stringify({ sql: ' '.repeat(200_000) }))).status, 400);
    assert.equal((await post('constructor', body)).status, 404);
    assert.equal((await fetch(`${show.url}/show/run`)).status, 404);
    for (const path of ['/../app.js', '/%2e%2e/app.js', '/app.js', '/show.js', '/package.json']) {
      assert.equal((await fetch(`${show.url}${path}`)).status, 404, path);
    }
  });

  it('goes on after all of that', async () => {
    assert.deepEqual((await run('SELECT 1 AS one')).commands, [{ command: 'SELECT', count: 1, columns: ['one'], rows: [['1']] }]);
    assert.deepEqual(show.servers.states.map(({ state }) => state), ['running', 'running']);
  });

  it('says why there is none, where nobody can connect as the role', async () => {
    await admin.query('ALTER ROLE socketio_demo RENAME TO other');
    const other = await startShow(postgres.url());
    try {
      const response = await fetch(`${other.url}/show/run`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ sql: 'SELECT 1', run: 'x' }),
      });
      const { error } = await response.json();
      assert.match(error.message, /^There is no SQL from this page, as nobody can connect as the role socketio_demo: .*"socketio_demo" does not exist\. Use psql\.$/);
    } finally {
      await other.close();
      await admin.query('ALTER ROLE other RENAME TO socketio_demo');
    }
  });
});
