// Causes in the clients, and in what the servers hand to them.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { io as connect } from 'socket.io-client';
import { startAdapterServer, untilHearing } from '../../../harness/bare-server.js';
import { connectClient, received } from '../../../harness/clients.js';
import { evaluate } from '../../../harness/page.js';
import { refused } from '../../../harness/refusals.js';
import { SERVERS_ROLE } from '../../../harness/roles.js';
import { closeAll, startServers } from '../../../harness/servers.js';
import { within } from '../../../harness/wait.js';

export function clientCauses(context) {
  const { page } = context;
  describe('the client', () => {
    let postgres, admin, servers;
    const clients = [];

    before(async () => {
      ({ postgres, admin } = context);
      servers = await startServers(postgres, { count: 2, namespaces: ['/', '/chat'] });
    });

    afterEach(() => closeAll(clients.splice(0)));
    after(() => closeAll(servers ?? []));

    async function join(spec, server = servers[0]) {
      const client = await connectClient(server, spec);
      clients.push(client);
      return client;
    }

    it('is in a room of another name, or of another namespace', async () => {
      const main = await join({ rooms: ['customers:1'] });
      const chat = await join({ nsp: '/chat', rooms: ['customer:1'], over: main });
      await admin.query(`SELECT sio_emit('/', '{customer:1}', 'e')`);
      assert.deepEqual(await received(admin, [main]), [[]]);
      assert.deepEqual(await received(admin, [chat], { nsp: '/chat' }), [[]]);
      const rooms = async (nsp) => (await admin.query('SELECT rooms FROM sio_fetch_sockets($1, servers => 2)', [nsp])).rows.map((row) => row.rooms[1]);
      assert.deepEqual([await rooms('/'), await rooms('/chat')], [['customers:1'], ['customer:1']]);
    });

    it('is another socket when it has reconnected, in no room until the server joins it', async () => {
      const client = await join({ auth: {} });
      const { id } = client;
      const server = servers[0].io;
      server.in(id).socketsJoin('customer:1');
      client.socket.disconnect().connect();
      await client.connected();
      assert.notEqual(client.id, id);
      await admin.query(`SELECT sio_emit('/', '{customer:1}', 'e')`);
      assert.deepEqual(await received(admin, [client]), [[]]);
    });

    it('takes an event right after connecting only if it listens before', async () => {
      const code = page.take('js', 'autoConnect');
      const emits = async (socket) => {
        await socket.join('customer:1');
        await admin.query(`SELECT sio_emit('/', '{customer:1}', 'order:paid', '{"id": 1}'), sio_emit('/', '{customer:1}', 'harness:last')`);
      };
      servers[0].io.on('connection', emits);
      const io = (options) => connect(servers[0].url, { ...options, transports: ['websocket'], forceNew: true });
      const last = (socket) => within('the last event arrived', new Promise((resolve) => { socket.once('harness:last', resolve); }));

      const orders = [];
      const { socket } = await evaluate(code, { io, orders }, ['socket']);
      await last(socket);
      assert.deepEqual(orders, [{ id: 1 }]);
      socket.disconnect();

      const late = io();
      await last(late);
      late.on('order:paid', () => assert.fail('it comes late'));
      const arrived = last(late); // from now on, for the event may be there before the query's result
      await admin.query(`SELECT sio_emit('/', '{customer:1}', 'harness:last')`);
      await arrived;
      late.disconnect();

      // Each reconnection adds a handler that is registered then.
      const added = [];
      const again = io();
      again.on('connect', () => again.on('order:paid', (order) => added.push(order)));
      await last(again);
      const before = added.length;
      again.disconnect().connect();
      await last(again);
      assert.equal(added.length - before, 2);
      again.disconnect();
      servers[0].io.of('/').off('connection', emits);
    });

    it('disconnects at more than ten binaries, so that they are rejected', async () => {
      const client = await join({ rooms: ['room'] });
      const sql = `SELECT sio_emit('/', '{room}', 'e', (SELECT jsonb_agg(sio_buffer(i)) FROM generate_series(0, 10) i), binaries => array_fill('\\x41'::bytea, '{11}'))`;
      await refused(admin, sql, '22023');
      const reason = client.gone;
      await admin.query(`SET socketio_emitter.max_binaries = 11; ${sql}; RESET ALL`);
      assert.equal(await within('it is disconnected', reason), 'parse error');
      assert.ok(page.text.includes('(`parse error`)'));
    });

    for (const version of ['0.3.1', '0.4.0', '0.5.0']) {
      const appends = version >= '0.4.0';
      it(`gets ${appends ? 'one argument too many' : 'no other arguments'} with connectionStateRecovery (adapter ${version})`, async () => {
        const connection = { connectionString: postgres.url({ user: SERVERS_ROLE }), max: 2 };
        const server = await startAdapterServer({ version, connection, io: { connectionStateRecovery: {} } });
        await untilHearing(admin, server);
        const client = await join({ rooms: ['customer:1'] }, server);
        // First, as it is not sent while others are on their way.
        await admin.query(`SELECT sio_emit('/', '{customer:1}', 'volatile', '1', volatile => true)`);
        assert.deepEqual(await client.take(1), [['volatile', 1]]);
        await admin.query(`SELECT sio_emit('/', '{customer:1}', 'order:paid', '{"id": 1}'), sio_emit('/', '{customer:1}', 'ping')`);
        const more = appends ? [null] : [];
        assert.deepEqual(await client.take(2), [['order:paid', { id: 1 }, ...more], ['ping', ...more]]);
        await closeAll(clients.splice(0), server);
      });
    }
  });
}
