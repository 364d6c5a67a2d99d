// docs/recipes.md: each recipe is pasted in the order of the page, and does what it says.
import assert from 'node:assert/strict';
import { resolveObjectURL } from 'node:buffer';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import pg from 'pg';
import { askedAgain } from '../../harness/asking.js';
import { startAdapterServer, untilHearing } from '../../harness/bare-server.js';
import { connectClient, received } from '../../harness/clients.js';
import { lacks } from '../../harness/features.js';
import { withoutMeta } from '../../harness/live.js';
import { evaluate, openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { capture } from '../../harness/processes.js';
import { refused } from '../../harness/refusals.js';
import { prepareDatabase, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';
import { never, until } from '../../harness/wait.js';

const withoutCron = lacks('pg_cron');
const withoutDblink = lacks('dblink');

describe('docs/recipes.md', () => {
  const page = openPage('docs/recipes.md');
  // Taken here, for the tests of them may be skipped.
  const byDblink = page.take('sql', 'dblink');
  const refreshing = page.take('sql', 'who is online');
  const byCron = page.take('sql', 'old notifications');
  let postgres, admin, server, pool;
  const clients = [];

  before(async () => {
    postgres = await startPostgres({
      name: 'docs-recipes', conf: withoutCron ? {} : { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'postgres' },
    });
    admin = await prepareDatabase(postgres);
    pool = new pg.Pool({ connectionString: postgres.url() });
    pool.on('error', () => {}); // a connection may see that we stop the server before its own end
    server = await startAdapterServer({ connection: { connectionString: postgres.url({ user: SERVERS_ROLE }), max: 2 } });
    await untilHearing(admin, server);
  });

  afterEach(() => closeAll(clients.splice(0)));

  after(async () => {
    await closeAll([server].filter(Boolean));
    await pool?.end();
    await postgres?.stop();
  });

  async function paste(sql) {
    const { code, stderr, stdout } = await postgres.psql(sql);
    assert.equal(code, 0, `${sql}\n${stderr}`);
    return stdout;
  }

  async function join(...rooms) {
    const client = await connectClient(server, { rooms });
    clients.push(client);
    return client;
  }

  /** What each client got by that SQL. */
  async function gets(sql, ...args) {
    await admin.query(sql, args);
    return (await received(admin, clients)).map((events) => events.map(withoutMeta));
  }

  const names = (lists) => lists.map((events) => events.map(([name]) => name));

  it('soft delete', async () => {
    await paste(page.next('sql', 'notes'));
    await join('user:1');
    await join('user:2');
    const note = { id: 1, user_id: 1, body: 'milk' };
    assert.deepEqual(await gets(`INSERT INTO notes (user_id, body) VALUES (1, 'milk')`), [[['note:insert', note]], []]);
    assert.deepEqual(await gets('UPDATE notes SET deleted_at = now()'), [[['note:left', { id: 1 }]], []]);
    assert.deepEqual(await gets('UPDATE notes SET deleted_at = NULL'), [[['note:update', note]], []]);
    await gets('UPDATE notes SET deleted_at = now()');
    assert.deepEqual(await gets('DELETE FROM notes'), [[], []]);
  });

  it('only some changes', async () => {
    await paste(page.next('sql', 'parcels'));
    await join('user:1');
    const arrived = [[['parcel:arrived', { id: 1 }]]];
    assert.deepEqual(await gets(`INSERT INTO parcels VALUES (1, 1, 'sent', 1)`), [[]]);
    assert.deepEqual(await gets(`UPDATE parcels SET weight = 2`), [[]]);
    assert.deepEqual(await gets(`UPDATE parcels SET status = 'arrived'`), arrived);
    assert.deepEqual(await gets(`UPDATE parcels SET weight = 3; UPDATE parcels SET status = 'paid'; DELETE FROM parcels`), [[]]);
    assert.deepEqual(await gets(`INSERT INTO parcels VALUES (1, 1, 'arrived', 1)`), arrived);
  });

  it('rows of several tables', async () => {
    await paste(page.next('sql', 'comments'));
    await admin.query(`INSERT INTO people VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cem'); INSERT INTO readers VALUES (7, 1), (7, 2), (8, 3)`);
    for (const id of [1, 2, 3]) await join(`user:${id}`);
    const comment = ['comment:insert', { id: 1, post_id: 7, author_id: 2, body: 'fine', author: 'Bob' }];
    assert.deepEqual(await gets(`INSERT INTO comments (post_id, author_id, body) VALUES (7, 2, 'fine')`), [[comment], [comment], []]);
    assert.deepEqual(await gets(`UPDATE people SET name = 'Bobby' WHERE id = 2`), [[], [], []]);
  });

  it('presence', async () => {
    const handler = page.next('js', 'presence');
    await evaluate(handler, { io: server.io });
    await paste(page.next('sql', 'refresh_online'));
    const lobby = await join('lobby');
    const [ann, bob] = [await join(), await join()];
    for (const [client, userId] of [[lobby, '9'], [ann, '7'], [bob, '8']]) server.io.of('/').sockets.get(client.id).data.userId = userId;
    /** Asserts the lobby's events of a call after which users were online. Where the server is late, nobody is. */
    const refresh = (users, ...expected) => askedAgain(async () => {
      await gets(`DELETE FROM online; INSERT INTO online SELECT unnest('${users}'::int[])`);
      const [events] = await gets('CALL refresh_online()');
      assert.deepEqual(events.map(([name, { user_id: id }]) => [name, id]).sort(), expected);
    });
    await refresh('{}', ...[7, 8, 9].map((id) => ['online:insert', id]));
    await refresh('{7,8,9}');
    await bob.close();
    clients.pop();
    await until('the server knows', () => server.io.of('/').sockets.size === 2);
    await refresh('{7,8,9}', ['online:delete', 8]);
    server.io.removeAllListeners('presence');
    await askedAgain(async () => {
      await gets(`DELETE FROM online; INSERT INTO online VALUES (7), (9)`);
      await assert.rejects(() => admin.query('CALL refresh_online()'), /0 of 1 servers? answered/);
      assert.equal((await admin.query('SELECT FROM online')).rowCount, 2);
    });
  });

  // Of several servers, and by pg_cron itself: asking.test.js.
  it('presence by pg_cron', { skip: withoutCron }, async () => {
    await paste(`CREATE EXTENSION pg_cron; ${refreshing}`);
    const { rows } = await admin.query('SELECT schedule, command FROM cron.job');
    assert.deepEqual(rows, [{ schedule: '* * * * *', command: 'CALL refresh_online()' }]);
    await admin.query(`SELECT cron.unschedule('who is online')`);
  });

  it('push to those who are away', async () => {
    await paste(page.next('sql', 'due_pushes'));
    const ann = await join('user:1');
    const due = async () => (await admin.query('SELECT user_id::int, body FROM due_pushes() ORDER BY id')).rows.map((row) => `${row.user_id} ${row.body}`);
    const [[[event, { body }]]] = await gets(`INSERT INTO notifications (user_id, body) VALUES (1, 'a'), (2, 'b'), (2, 'c'), (2, 'seen')`);
    assert.deepEqual([event, body], ['notification', 'a']);
    assert.deepEqual(await due(), [], 'not yet');
    await admin.query(`UPDATE notifications SET created_at = now() - interval '11 s', seen_at = CASE body WHEN 'seen' THEN now() END`);
    // On a busy machine, a server may answer too late, and counts as absent: so the page has it.
    const dueAgain = async (from, expected) => until(`due is ${expected}`, async () => {
      await admin.query(`UPDATE notifications SET pushed_at = NULL WHERE ${from}`);
      return String(await due()) === String(expected);
    });
    await dueAgain('true', ['2 b', '2 c']);
    await dueAgain('user_id = 1', []); // and nobody else's a second time
    await ann.close();
    clients.pop();
    await until('the server knows', () => server.io.of('/').sockets.size === 0);
    assert.deepEqual(await due(), ['1 a']);
  });

  it('progress of a long job arrives before its end', async () => {
    const ann = await join('user:1');
    const procedure = page.next('sql', 'check_readings');
    await paste(procedure); // which calls it, for no rows
    await admin.query('INSERT INTO readings SELECT i FROM generate_series(1, 5) i');
    // The last row is locked: the job cannot end.
    const other = await postgres.connect();
    await other.query('BEGIN; SELECT FROM readings WHERE id = 5 FOR UPDATE');
    const job = pool.query(`CALL check_readings('user:1', 2)`);
    const progress = (done) => ['readings:progress', { done, total: 5 }];
    assert.deepEqual(await ann.take(2), [progress(2), progress(4)]);
    await other.query('COMMIT');
    await job;
    assert.deepEqual(await ann.take(1), [progress(5)]);
    await admin.query('BEGIN; UPDATE readings SET checked = false');
    await refused(admin, `CALL check_readings('user:1')`, '2D000');
    await admin.query('ROLLBACK; TRUNCATE readings');
    await other.end();
  });

  it('progress of a transaction, by another connection', { skip: withoutDblink }, async () => {
    const ann = await join('user:1');
    const [first, rest] = byDblink.replace(`'dbname='`, `'host=${postgres.host} port=${postgres.port} user=postgres dbname='`).split('UPDATE readings SET value = value + 1;');
    const session = await postgres.connect();
    await session.query(first);
    assert.deepEqual(await ann.take(1), [['readings:progress', { done: 1, total: 2 }]], 'while the transaction goes on');
    await session.query(`UPDATE readings SET value = value + 1; ${rest}`);
    await session.end();
  });

  it('a photo', async () => {
    await paste(page.next('sql', 'photos'));
    const ann = await join('user:1');
    await join('user:2');
    const images = {};
    await evaluate(page.next('js', 'createObjectURL'), { socket: ann.socket, images });
    const [hers, others] = await gets('INSERT INTO photos VALUES (1, 1, $1, $2)', 'image/png', Buffer.from([0x89, 0x50]));
    assert.deepEqual([hers, others], [[['photo', { id: 1, type: 'image/png', data: Buffer.from([0x89, 0x50]) }]], []]);
    const blob = resolveObjectURL(images[1]);
    assert.equal(blob.type, 'image/png');
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), Buffer.from([0x89, 0x50]));
    assert.deepEqual(server.errors, []);
  });

  it('typed events', async () => {
    mkdirSync(fromRoot('pgrx-tests/node_modules/.cache'), { recursive: true });
    const folder = mkdtempSync(fromRoot('pgrx-tests/node_modules/.cache/recipes-'));
    try {
      const [, ...args] = page.next('sh', 'sio_typescript').trim().match(/'[^']*'|\S+/g).map((word) => word.replaceAll(`'`, ''));
      const { code, stderr } = await postgres.run('psql', args, { cwd: folder });
      assert.equal(code, 0, stderr);
      const program = page.next('ts', 'ServerToClientEvents');
      const compile = async (text) => {
        writeFileSync(path.join(folder, 'program.ts'), text);
        const { stdout } = await capture(fromRoot('pgrx-tests/node_modules/.bin/tsc'), [
          '--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck', 'program.ts'], { cwd: folder });
        return stdout;
      };
      assert.equal(await compile(program), '');
      assert.match(await compile(program.replace('note.body?.', 'note.body.')), /possibly 'null'/);
      assert.match(await compile(program.replace(`// @ts-expect-error: there is no such event`, '')), /note:changed/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('one event for many changes', async () => {
    await paste(page.next('sql', 'tell_once'));
    await join('shop');
    const insert = (from, to) => `INSERT INTO stock SELECT i, 1 FROM generate_series(${from}, ${to}) i`;
    const [events] = await gets(`BEGIN; ${insert(1, 100)}; UPDATE stock SET amount = 2; COMMIT`);
    assert.deepEqual(events.map(([name, rows]) => [name, rows?.length]).sort(), [['stock:changed', undefined], ['stock:insert', 100], ['stock:update', 100]]);
    const changed = async (sql) => names(await gets(sql))[0].filter((name) => name === 'stock:changed').length;
    assert.equal(await changed(`BEGIN; SAVEPOINT s; ${insert(101, 102)}; ROLLBACK TO s; ${insert(103, 104)}; COMMIT`), 1);
    assert.equal(await changed(`BEGIN; SAVEPOINT s; ${insert(101, 102)}; ROLLBACK TO s; COMMIT`), 0);
    assert.equal(await changed('DELETE FROM stock WHERE id > 1000'), 1);
  });

  it('a chat', async () => {
    await paste(page.next('sql', 'chat'));
    await evaluate(page.next('js', 'chat:send'), { io: server.io, pool, console: { error() {} } });
    const [ann, bob, cem] = [await join('chat:7'), await join('chat:7'), await join('chat:8')];
    server.io.of('/').sockets.get(ann.id).data.userId = '1';
    assert.deepEqual(await ann.socket.emitWithAck('chat:send', 7, 'hello'), {});
    ann.socket.emit('chat:send', 7, 'without an answer');
    for (const room of [8, '7', { toString: 1 }, null]) {
      assert.deepEqual(await ann.socket.emitWithAck('chat:send', room, 'not hers'), { error: 'not in this room' });
      ann.socket.emit('chat:typing', room);
    }
    for (const body of [null, 'x'.repeat(2001)]) assert.deepEqual(await ann.socket.emitWithAck('chat:send', 7, body), { error: 'not sent' });
    const lists = (await gets('SELECT')).map((events) => events.map(([name, { body }]) => [name, body]));
    assert.deepEqual(lists, [[['chat:insert', 'hello']], [['chat:insert', 'hello']], []]);
    ann.socket.emit('chat:typing', 7);
    assert.deepEqual(await bob.take(1), [['chat:typing', '1']]);
    assert.deepEqual(await received(admin, [ann, cem]), [[], []]);
  });

  it('not to the sender', async () => {
    await paste(page.next('sql', 'strokes'));
    await evaluate(page.next('js', 'board:draw'), { io: server.io, pool, console: { error() {} } });
    const [ann] = [await join('board:7'), await join('board:7'), await join('board:8')];
    for (const board of [8, '7', null]) ann.socket.emit('board:draw', board, 'not hers');
    ann.socket.emit('board:draw', 7, { x: 1 });
    await until('it is drawn', async () => (await admin.query('SELECT FROM strokes')).rowCount === 1);
    const stroke = ['board:stroke', { id: 1, board_id: 7, path: { x: 1 } }];
    assert.deepEqual(await gets('SELECT'), [[], [stroke], []]);
    assert.deepEqual(await admin.query(`SELECT FROM pg_proc WHERE proname = 'sio_watch' AND 'except_rooms' = ANY (proargnames)`).then(({ rowCount }) => rowCount), 0);
  });

  it('testing an application', async () => {
    const client = await join('user:1');
    const { rows } = await admin.query(page.next('sql', 'sio_encode'));
    assert.deepEqual(rows, [{ event: ['hello', { a: 1 }], rooms: ['user:1'] }]);
    assert.deepEqual(await gets(`BEGIN; INSERT INTO notes (user_id, body) VALUES (1, 'rolled back'); ROLLBACK`), [[]]);
    const { note, expect } = await evaluate(page.next('js', 'expect'), { client: client.socket, pool }, ['note', 'expect']);
    assert.equal(note.body, 'milk');
    await assert.rejects(expect(client.socket, 'never', async () => {}), /never has not arrived/);
  });

  it('a pool of its own for the adapter', async () => {
    const connectionString = postgres.url();
    const busy = await postgres.connect();
    await busy.query('BEGIN; SELECT pg_advisory_xact_lock(1)');
    const binary = () => admin.query(`SELECT sio_emit_binary('/', '{room}', 'binary', '\\x41')`);
    const slow = (on, count) => Array.from({ length: count }, () => on.query('SELECT pg_advisory_xact_lock(1)'));

    const shared = await startAdapterServer({ connection: { connectionString, max: 5 } });
    await untilHearing(admin, shared);
    const waiting = await connectClient(shared, { rooms: ['room'] });
    let arrived;
    waiting.socket.on('binary', () => { arrived = true; });
    const queries = slow(shared.pool, 5);
    await until('the pool is full', () => shared.pool.waitingCount > 0);
    await binary();
    await never('it arrives', () => arrived, { during: 500 });

    let own;
    const code = page.next('js', 'adapterPool');
    const separate = await startAdapterServer({ pool: new pg.Pool({ connectionString }), setUp: async ({ io, createAdapter }) => {
      own = await evaluate(code, { io, createAdapter, Pool: pg.Pool, connectionString, console }, ['adapterPool', 'pool']);
    } });
    await untilHearing(admin, separate);
    const served = await connectClient(separate, { rooms: ['room'] });
    queries.push(...slow(own.pool, 25));
    await until('its pool is full', () => own.pool.waitingCount > 0);
    await binary();
    assert.deepEqual(await served.take(1), [['binary', Buffer.from('A')]]);
    const { rows } = await admin.query(`SELECT detail FROM sio_doctor() WHERE "check" = 'servers'`);
    assert.match(rows[0].detail, /socket\.io adapter/);

    await busy.query('ROLLBACK');
    await Promise.all(queries);
    await until('it arrives', () => arrived);
    await closeAll([waiting, served], [shared, separate]);
    await Promise.all([own.pool.end(), own.adapterPool.end(), busy.end()]);
  });

  it('old rows', { skip: withoutCron }, async () => {
    await paste(byCron);
    const { rows: [{ command }] } = await admin.query('SELECT command FROM cron.job');
    await admin.query(`TRUNCATE notifications; INSERT INTO notifications (user_id, body, created_at) VALUES (1, 'old', now() - interval '31 days'), (1, 'new', now())`);
    await join('user:1');
    assert.deepEqual(await gets(command), [[]]);
    assert.deepEqual((await admin.query('SELECT body FROM notifications')).rows, [{ body: 'new' }]);
  });

  it('has no block that no test runs', () => page.assertAllTaken());
});
