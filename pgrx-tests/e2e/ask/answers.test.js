// Who hears, who is there, and what the servers answer: for every release of the adapter, and for a cluster of different ones.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ADAPTERS } from '../../harness/adapters.js';
import { askedAgain, rowsOf, uidOf, untilNothingIsLeft } from '../../harness/asking.js';
import { connectClient } from '../../harness/clients.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

const ROOMS = [['room1'], ['room1', 'room2'], ['room2', 'salle é']]; // of the client on each server
const NAMESPACES = ['/', '/custom'];
const MIXED = ['0.1.1', '0.3.1', '0.5.0'];

const CLUSTERS = [
  ...ADAPTERS.map((version) => ({ name: `three servers on adapter ${version}`, versions: [version, version, version] })),
  { name: `three servers on adapters ${MIXED.join(', ')}`, versions: MIXED },
];

describe('questions from SQL', () => {
  let postgres, admin, app;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-answers' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
  });

  after(async () => {
    await untilNothingIsLeft(admin);
    await postgres?.stop();
  });

  for (const { name, versions } of CLUSTERS) {
    describe(`to ${name}`, () => {
      let servers, clients, custom;

      before(async () => {
        servers = (await Promise.all(
          versions.map((adapter) => startServers(postgres, { count: 1, adapter, namespaces: NAMESPACES })),
        )).flat();
        clients = await Promise.all(servers.map((server, i) => connectClient(server, { rooms: ROOMS[i] })));
        custom = await connectClient(servers[2], { nsp: '/custom', rooms: ['room1'] });
        for (const [i, server] of servers.entries()) {
          server.io.of('/').on('where', (...args) => args.pop()({ server: i, args }));
          server.io.of('/').on('large', (size, done) => done('x'.repeat(size)));
          server.io.of('/').on('bytes', (done) => done(Buffer.from([0, 255])));
        }
      });

      after(() => closeAll(clients ?? [], custom ?? [], servers ?? []));

      const uids = (nsp = '/') => servers.map((server) => uidOf(server, nsp));
      const sorted = (list) => [...list].sort();

      it('find each server once in each namespace', () => askedAgain(async () => {
        for (const nsp of NAMESPACES) {
          const rows = await rowsOf(app, 'SELECT uid, node, answered_after < $2 AS soon FROM sio_servers($1)', [nsp, '10 s']);
          assert.deepEqual(sorted(rows.map(({ uid }) => uid)), sorted(uids(nsp)));
          assert.ok(rows.every(({ node, soon }) => node === null && soon), JSON.stringify(rows));
        }
      }));

      it('find all sockets, with rooms, data and server', async () => {
        for (const [i, server] of servers.entries()) {
          for (const socket of server.io.of('/').sockets.values()) Object.assign(socket.data, { i, name: 'é😀' });
        }
        const rows = await rowsOf(app, `SELECT * FROM sio_fetch_sockets('/', servers => 3)`);
        const byId = new Map(rows.map((row) => [row.id, row]));
        assert.equal(rows.length, 3);
        for (const [i, client] of clients.entries()) {
          const { rooms, data, handshake, server } = byId.get(client.id);
          assert.deepEqual(sorted(rooms), sorted([client.id, ...ROOMS[i]]));
          assert.deepEqual(data, { i, name: 'é😀' });
          assert.equal(handshake, null);
          assert.equal(server, uidOf(servers[i]));
        }
      });

      it('find the sockets of rooms, less those of others, and of one namespace', async () => {
        const ids = async (sql) => sorted((await rowsOf(app, sql)).map(({ id }) => id));
        const of = (...indexes) => sorted(indexes.map((i) => clients[i].id));
        assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('/', '{room1}', servers => 3)`), of(0, 1));
        assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('/', '{room1,room2}', servers => 3)`), of(0, 1, 2));
        assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('/', '{}', '{room2}', servers => 3)`), of(0));
        assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('/', '{salle é}', servers => 3)`), of(2));
        assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('/', '{nowhere}', servers => 3)`), []);
        assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('custom', servers => 3)`), [custom.id]);
      });

      it('tell whether somebody is there', () => askedAgain(async () => {
        const online = async (nsp, rooms) => (await rowsOf(app, 'SELECT sio_is_online($1, $2) AS online', [nsp, rooms]))[0].online;
        assert.equal(await online('/', ['room2']), true);
        assert.equal(await online('/', [clients[0].id]), true);
        assert.equal(await online('/', ['nowhere']), false);
        assert.equal(await online('/custom', ['room1']), true);
        assert.equal(await online('/custom', ['room2']), false);
        assert.equal(await online('/', []), true);
      }));

      it('get the handshakes only where they are asked for', async () => {
        const rows = await rowsOf(app, `SELECT id, handshake FROM sio_fetch_sockets_with_handshake('/', servers => 3)`);
        for (const [i, client] of clients.entries()) {
          const { handshake } = rows.find(({ id }) => id === client.id);
          assert.deepEqual(handshake.auth, { rooms: ROOMS[i] });
          assert.ok(handshake.headers.host);
        }
      });

      it('get what each server\'s handler acknowledges', async () => {
        const rows = await rowsOf(app, `SELECT * FROM sio_server_side_emit_with_ack('/', 'where', ARRAY['1', NULL, '{"a": "é"}']::jsonb[], servers => 3)`);
        const expected = servers.map((server, i) => ({ server: uidOf(server), answer: { server: i, args: [1, null, { a: 'é' }] } }));
        const byServer = (a, b) => (a.server < b.server ? -1 : 1);
        assert.deepEqual(rows.sort(byServer), expected.sort(byServer));
      });

      it('get answers of any size, and binary ones', async () => {
        for (const size of [7_800, 7_999, 8_000, 9_000, 300_000]) {
          const rows = await rowsOf(app, `SELECT length(answer #>> '{}') AS length
            FROM sio_server_side_emit_with_ack('/', 'large', ARRAY[to_jsonb($1::int)], servers => 3)`, [size]);
          assert.deepEqual(rows.map(({ length }) => length), [size, size, size]);
        }
        const rows = await rowsOf(app, `SELECT answer FROM sio_server_side_emit_with_ack('/', 'bytes', servers => 3)`);
        assert.deepEqual(rows.map(({ answer }) => answer), Array(3).fill({ type: 'Buffer', data: [0, 255] }));
      });

      it('may be long themselves', async () => {
        const long = 'y'.repeat(20_000);
        const rows = await rowsOf(app, `SELECT answer FROM sio_server_side_emit_with_ack('/', 'where', ARRAY[to_jsonb($1::text)], servers => 3)`, [long]);
        assert.deepEqual(rows.map(({ answer }) => answer.args[0]), [long, long, long]);
        const many = [...Array.from({ length: 1_000 }, (_, i) => `one of many rooms, ${i}`), 'room1'];
        assert.equal((await rowsOf(app, `SELECT FROM sio_fetch_sockets('/', $1, servers => 3)`, [many])).length, 2);
      });

      it('get large answers by several askers at once, each its own', async () => {
        const askers = await Promise.all([1, 2, 3].map(() => postgres.connect({ user: EMITTER_ROLE })));
        const answers = await Promise.all(askers.map((asker, i) => rowsOf(asker, `
          SELECT length(answer #>> '{}') AS length FROM sio_server_side_emit_with_ack('/', 'large', ARRAY[to_jsonb($1::int)], '10 s', servers => 3)`,
        [20_000 + i])));
        for (const [i, rows] of answers.entries()) {
          assert.deepEqual(rows.map(({ length }) => length), Array(3).fill(20_000 + i));
        }
        await Promise.all(askers.map((asker) => asker.end()));
      });

      it('count as no server', async () => {
        // Up to 0.2.0 there is no such function, and the nodes are the others. From 0.4.0 on, earlier ones aren't counted.
        const count = ({ adapter }) => adapter.serverCount?.() ?? adapter.nodesMap.size + 1;
        const counts = () => Promise.all(servers.map((server) => count(server.io.of('/'))));
        const before = await counts();
        assert.ok(Math.max(...before) === 3, before);
        assert.equal((await rowsOf(app, `SELECT FROM sio_fetch_sockets('/', servers => 3)`)).length, 3);
        assert.deepEqual(await counts(), before);
      });

      it('report no error', () => {
        assert.deepEqual(servers.flatMap((server) => server.errors), []);
      });
    });
  }
});
