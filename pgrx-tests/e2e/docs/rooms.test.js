// docs/rooms.md: who is in which room, whatever happens while a client connects; and what would happen in another order.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import pg from 'pg';
import { io as connectTo } from 'socket.io-client';
import { follow } from '../../../client/follow.js';
import { startAdapterServer, untilHearing } from '../../harness/bare-server.js';
import { connectClient, received } from '../../harness/clients.js';
import { HeldPool } from '../../harness/held-pool.js';
import { withoutMeta } from '../../harness/live.js';
import { evaluate, openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { createRoles, SERVER_GRANTS, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll } from '../../harness/servers.js';
import { never, until, within } from '../../harness/wait.js';

describe('docs/rooms.md', () => {
  const page = openPage('docs/rooms.md');
  const tables = page.next('sql', 'CREATE TABLE users');
  const authenticate = page.next('js', 'authenticate');
  const ofClient = page.next('js', 'io server disconnect');
  const join = page.next('js', 'FOR SHARE');
  const memberships = page.next('sql', 'follow_memberships');
  const ban = page.next('sql', 'disconnect_banned');
  const open = page.next('js', 'openGroup');
  const security = page.next('sql', 'ROW LEVEL SECURITY');
  const lists = page.next('js', 'LISTS_URL');

  let postgres, admin, pool;
  const servers = [];
  const clients = [];

  before(async () => {
    postgres = await startPostgres({ name: 'docs-rooms' });
    admin = await postgres.connect();
    await admin.query('CREATE EXTENSION socketio_emitter');
    await createRoles(admin, SERVERS_ROLE);
    for (const sql of [tables, SERVER_GRANTS, memberships, ban, security]) {
      const { code, stderr } = await postgres.psql(sql);
      assert.equal(code, 0, `${sql}\n${stderr}`);
    }
    await admin.query(`INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cem');
      INSERT INTO sessions SELECT 'token of ' || name, id, now() + interval '1 hour' FROM users;
      INSERT INTO sessions VALUES ('expired', 1, now() - interval '1 second')`);
    pool = new HeldPool(new pg.Pool({ connectionString: postgres.url({ user: SERVERS_ROLE }) }));
    pool.pool.on('error', () => {}); // a connection may see that we stop the server before its own end
    for (let i = 0; i < 2; i++) servers.push(await start());
  });

  afterEach(async () => {
    pool.after = async () => {};
    await closeAll(clients.splice(0));
    await until('the servers know', () => servers.every(({ io }) => io.of('/').sockets.size === 0));
    await admin.query('TRUNCATE messages, memberships; UPDATE users SET banned = false');
  });

  after(async () => {
    await closeAll(servers);
    await pool?.pool.end();
    await postgres?.stop();
  });

  /** A server with the page's code, or with what a test makes of it. */
  async function start(code = join) {
    const connection = { connectionString: postgres.url({ user: SERVERS_ROLE }), max: 2 };
    const server = await startAdapterServer({ connection });
    const bindings = { io: server.io, pg, pool, console: { error() {} }, process: { env: { LISTS_URL: postgres.url({ user: 'socketio_lists' }) } } };
    for (const block of [authenticate, open]) await evaluate(block, bindings);
    const { joined } = await evaluate(code, bindings, ['joined']);
    const { lists: poolOfLists } = await evaluate(lists, { ...bindings, joined }, ['lists']);
    await untilHearing(admin, server);
    const close = async () => {
      await server.close();
      await poolOfLists.end();
    };
    return { ...server, close };
  }

  /** A client with the page's code, which notes why it is not connected: → { socket, log } */
  async function connectAsPage(name) {
    const io = (options) => connectTo(servers[0].url, { ...options, forceNew: true });
    const { socket } = await evaluate(ofClient, { io, token: `token of ${name}` }, ['socket']);
    const log = [];
    for (const event of ['ready', 'disconnect']) socket.on(event, (reason = event) => log.push(reason));
    socket.on('connect_error', ({ message: text }) => log.push(text));
    clients.push({ close: () => socket.disconnect() });
    return { socket, log };
  }

  /** A client that is in its rooms. */
  async function connect(name, { server = servers[0], nsp, ...options } = {}) {
    const client = await connectClient(server, { auth: { token: `token of ${name}` }, nsp, ...options });
    clients.push(client);
    if (!nsp) assert.deepEqual(await client.take(1), [['ready']]);
    return client;
  }

  const roomsOf = ({ id }) => servers.flatMap(({ io }) => [...io.of('/').sockets.get(id)?.rooms ?? []]).filter((room) => room !== id).sort();
  const got = async () => (await received(admin, clients)).map((events) => events.map(withoutMeta));
  /** Members from before: servers have sent on that they are, before any of them connects. */
  async function members(rows) {
    await admin.query(`INSERT INTO memberships VALUES ${rows}`);
    for (const server of servers) await untilHearing(admin, server);
  }

  const message = (group, body) => admin.query('INSERT INTO messages (group_id, body) VALUES ($1, $2)', [group, body]);

  it('lets nobody in whose session is missing, expired or banned, in neither namespace', async () => {
    await admin.query('UPDATE users SET banned = true WHERE id = 3');
    for (const nsp of ['/', '/admin']) {
      for (const token of ['token of Cem', 'expired', 'another', undefined]) {
        await assert.rejects(connectClient(servers[0], { nsp, auth: { token } }), /unauthorized/);
      }
    }
    servers[0].io.of('/unguarded');
    await (await connectClient(servers[0], { nsp: '/unguarded', auth: {} })).close();
  });

  it('shows a message to the members of its group, on all devices, and to nobody else', async () => {
    await members('(1, 7), (2, 8)');
    await connect('Ann');
    await connect('Ann', { server: servers[1] });
    await connect('Bob');
    await message(7, 'hello');
    const [event, ...others] = await got();
    assert.deepEqual(event.map(([name, { body }]) => [name, body]), [['message:insert', 'hello']]);
    assert.deepEqual(others, [event, []]);
  });

  it('follows memberships that change, in the order of the transaction', async () => {
    const phone = await connect('Ann');
    const tablet = await connect('Ann', { server: servers[1] });
    const bob = await connect('Bob');
    await admin.query(`BEGIN; INSERT INTO memberships VALUES (1, 7); INSERT INTO messages (group_id, body) VALUES (7, 'welcome'); COMMIT`);
    const names = async () => (await got()).map((events) => events.map(([name]) => name));
    assert.deepEqual(await names(), [['membership:insert', 'message:insert'], ['membership:insert', 'message:insert'], []]);
    await admin.query('UPDATE memberships SET group_id = 8');
    await message(7, 'without her');
    assert.deepEqual(await names(), [['membership:update'], ['membership:update'], []]);
    for (const device of [phone, tablet]) assert.deepEqual(roomsOf(device), ['group:8', 'user:1']);
    await admin.query(`BEGIN; DELETE FROM memberships; INSERT INTO messages (group_id, body) VALUES (8, 'without her'); COMMIT`);
    assert.deepEqual(await names(), [['membership:delete'], ['membership:delete'], []]);
    for (const device of [phone, tablet]) assert.deepEqual(roomsOf(device), ['user:1']);
    assert.deepEqual(roomsOf(bob), ['user:2']);
  });

  it('does nothing when the change is rolled back', async () => {
    const ann = await connect('Ann');
    await admin.query('BEGIN; INSERT INTO memberships VALUES (1, 7); UPDATE users SET banned = true; ROLLBACK');
    assert.deepEqual(await got(), [[]]);
    assert.deepEqual(roomsOf(ann), ['user:1']);
  });

  it('ends a banned user\'s connections, with all namespaces, and no other\'s', async () => {
    const ann = [await connect('Ann'), await connect('Ann', { server: servers[1] })];
    const over = await connect('Ann', { nsp: '/admin', over: ann[0] });
    await connect('Bob');
    await admin.query('UPDATE users SET banned = true WHERE id = 1');
    for (const { gone } of [...ann, over]) await within('it is disconnected', gone);
    await assert.rejects(connectClient(servers[0], { auth: { token: 'token of Ann' } }), /unauthorized/);
    clients.splice(0, 3);
    assert.deepEqual(await got(), [[]]);
  });

  it('does not see a banned user\'s client again, whether its code connects anew or not', async () => {
    const plain = connectTo(servers[0].url, { auth: { token: 'token of Ann' }, forceNew: true });
    clients.push({ close: () => plain.disconnect() });
    const reasons = [];
    plain.on('disconnect', (reason) => reasons.push(reason));
    const { socket, log } = await connectAsPage('Ann');
    await until('both are connected', () => plain.connected && log.includes('ready'));
    await admin.query('UPDATE users SET banned = true WHERE id = 1');
    await until('the one has tried again', () => log.length === 3);
    assert.deepEqual(log, ['ready', 'io server disconnect', 'unauthorized']);
    assert.deepEqual(reasons, ['io server disconnect']);
    assert.deepEqual([plain.active, socket.active], [false, false]);
  });

  it('has a client that comes back when the database was away at its connect', async () => {
    await members('(1, 7)');
    const away = async (table, during) => {
      await admin.query(`ALTER TABLE ${table} RENAME TO elsewhere`);
      await during();
      await admin.query(`ALTER TABLE elsewhere RENAME TO ${table}`);
    };
    let ann;
    await away('sessions', async () => {
      ann = await connectAsPage('Ann');
      await until('it is refused', () => ann.log.includes('try again'));
      assert.equal(ann.socket.active, false);
    });
    await until('it is there', () => ann.log.at(-1) === 'ready');
    await away('memberships', async () => {
      ann.socket.io.engine.close();
      await until('it is disconnected', () => ann.log.includes('io server disconnect'));
      assert.equal(ann.socket.active, false);
    });
    await until('it is there again', () => ann.log.at(-1) === 'ready');
    assert.deepEqual(roomsOf(ann.socket), ['group:7', 'user:1']);
  });

  it('answers no list before the client is in its rooms: nothing that is sent meanwhile is missed', async (t) => {
    await members('(1, 7)');
    const holder = await postgres.connect();
    t.after(() => holder.end());
    await holder.query('BEGIN; SELECT FROM memberships FOR UPDATE');
    const { socket, log } = await connectAsPage('Ann');
    const list = follow(socket, { events: 'message', fetch: () => socket.timeout(20_000).emitWithAck('messages:list') });
    t.after(() => list.close());
    try {
      await until('it is connected', () => list.state !== 'offline');
      await never('the list is live', () => list.state === 'live', { during: 1000 });
      assert.deepEqual(log, []);
      await message(7, 'in between');
    } finally {
      await holder.query('COMMIT');
    }
    await until('it is live', () => list.state === 'live');
    await message(7, 'after');
    await until('it has followed', () => list.rows.length === 2);
    assert.deepEqual(list.rows.map(({ body }) => body), ['in between', 'after']);
  });

  it('disconnects a client whose rooms the database does not tell, and goes on', async () => {
    await admin.query(`ALTER TABLE memberships RENAME TO elsewhere`);
    const client = await connectClient(servers[0], { auth: { token: 'token of Ann' } });
    await within('it is disconnected', client.gone);
    await admin.query(`ALTER TABLE elsewhere RENAME TO memberships`);
    const { connect: original } = pool;
    pool.connect = () => Promise.reject(new Error('no connection'));
    const another = await connectClient(servers[0], { auth: { token: 'token of Ann' } });
    await within('it is disconnected', another.gone);
    pool.connect = original;
    await connect('Ann');
  });

  /** Connects; `between` happens when that query was answered, before the server goes on. → the client, and what it got */
  async function meanwhile(query, between, server) {
    let [begun, done] = [false, false];
    pool.after = async (text) => {
      if (begun || !query.test(text)) return;
      begun = true;
      await between();
      done = true;
    };
    const client = await connectClient(server, { auth: { token: 'token of Ann' } });
    clients.push(client);
    await until('it has happened', () => done);
    return client;
  }

  const banned = () => admin.query('UPDATE users SET banned = true WHERE id = 1');
  const BAN_CHECK = /NOT banned/;

  it('a ban while the user connects finds the socket', async () => {
    const client = await meanwhile(BAN_CHECK, banned, servers[0]);
    await within('it is disconnected', client.gone);
  });

  it('a ban while the user connects is missed by a server that queries first', async () => {
    const first = '  await socket.join(`user:${userId}`);';
    const line = join.split('\n').find((each) => each.startsWith(first));
    const other = await start(join.replace(`${line}\n`, '').replace(/^( *)const \{ rows \} =/m, `${line}\n$&`));
    const client = await meanwhile(BAN_CHECK, async () => {
      await banned();
      await untilHearing(admin, other); // and so it has heard of the ban
    }, other);
    assert.deepEqual(await client.take(1), [['ready']]);
    assert.deepEqual(await received(admin, [client]), [[]]);
    assert.ok(client.socket.connected, 'a banned user');
    await closeAll(clients.splice(0), other);
  });

  const removed = () => admin.query('DELETE FROM memberships');
  const LIST = /FROM memberships/;

  it('a removal while the user connects comes after the join', async () => {
    await members('(1, 7)');
    const observer = await postgres.connect();
    let removal;
    const client = await meanwhile(LIST, async () => {
      removal = removed();
      await until('it waits', async () => (
        await observer.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'`, [admin.processID])).rowCount > 0);
    }, servers[0]);
    await removal;
    assert.deepEqual((await client.take(2)).map(([name]) => name).sort(), ['membership:delete', 'ready']);
    assert.deepEqual(roomsOf(client), ['user:1']);
    await observer.end();
  });

  it('a removal while the user connects is missed without FOR SHARE', async () => {
    await members('(1, 7)');
    const other = await start(join.replace(' FOR SHARE', ''));
    const client = await meanwhile(LIST, async () => {
      await removed();
      await untilHearing(admin, other); // and so it has heard of the removal
    }, other);
    await until('it has joined', () => other.io.of('/').sockets.get(client.id).rooms.has('group:7'));
    await message(7, 'not for her');
    const [events] = await received(admin, [client]);
    assert.ok(events.some(([name]) => name === 'message:insert'), 'a message of a group that she was removed from');
    await closeAll(clients.splice(0), other);
  });

  it('a client opens and closes groups of its own, by their ids', async () => {
    await members('(1, 7), (2, 8)');
    const ann = await connect('Ann');
    ann.socket.emit('group:close', 7);
    await until('it has left', () => !roomsOf(ann).includes('group:7'));
    assert.equal(await ann.socket.emitWithAck('group:open', 7), true);
    ann.socket.emit('group:open');
    for (const id of ['7', null, { toString: 1 }]) ann.socket.emit('group:close', id);
    for (const id of [8, '8', 'user:2', null, { toString: 1 }]) assert.equal(await ann.socket.emitWithAck('group:open', id), false);
    assert.deepEqual(roomsOf(ann), ['group:7', 'user:1']);
    // What the page warns of.
    const bob = await connect('Bob');
    const warned = /```text\n(.*socket\.join.*?;)\s+\/\//.exec(page.text)[1];
    await evaluate(warned, { socket: servers[0].io.of('/').sockets.get(ann.id) });
    ann.socket.emit('join', bob.id);
    await until('it has joined', () => roomsOf(ann).includes(bob.id));
  });

  it('a policy for queries goes by the same table as the rooms', async () => {
    await admin.query(`INSERT INTO memberships VALUES (1, 7); INSERT INTO messages (group_id, body) VALUES (7, 'hers'), (8, 'not hers')`);
    const [ann, bob] = [await connect('Ann'), await connect('Bob')];
    ann.socket.emit('messages:list', 'no function');
    const fetched = async ({ socket }) => {
      const { snapshot, rows } = await socket.emitWithAck('messages:list');
      assert.match(snapshot, /^\d+:\d+:/);
      return rows.map(({ body }) => body);
    };
    assert.deepEqual([await fetched(ann), await fetched(bob)], [['hers'], []]);
    await admin.query(`INSERT INTO messages (group_id, body) VALUES (7, 'hers'), (8, 'not hers')`);
    assert.deepEqual((await got()).map((events) => events.map(([, { body }]) => body)), [['hers'], []]);
  });

  it('has no block that no test runs', () => page.assertAllTaken());
});
