// A Node cluster, whose primary speaks to Postgres for its workers, and a plain server beside it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askedAgain, rowsOf, uidOf, untilNothingIsLeft } from '../../harness/asking.js';
import { connectClient } from '../../harness/clients.js';
import { startNodeCluster } from '../../harness/node-cluster.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

const ROOMS = [['room1'], ['room1', 'room2'], ['room2'], ['room2', 'plain']]; // three workers, and the plain server
const LARGE = 'é'.repeat(10_000);

describe('questions to a Node cluster of three workers, and a server beside it,', () => {
  let postgres, admin, app, nodes, servers, clients;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-node-cluster' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    nodes = await startNodeCluster(postgres, { workers: 3, namespaces: ['/', '/custom'] });
    servers = await startServers(postgres, { count: 1, namespaces: ['/', '/custom'] });
    const all = [...nodes.workers, ...servers];
    clients = await Promise.all(all.map((server, i) => connectClient(server, { rooms: ROOMS[i] })));
  });

  after(async () => {
    await closeAll(clients ?? [], servers ?? [], nodes ? [nodes] : []);
    await untilNothingIsLeft(admin);
    await postgres?.stop();
  });

  it('find each worker, and the primary that it belongs to', () => askedAgain(async () => {
    for (const nsp of ['/', '/custom']) {
      const rows = await rowsOf(app, 'SELECT uid, node FROM sio_servers($1)', [nsp]);
      assert.equal(new Set(rows.map(({ uid }) => uid)).size, 4);
      const plain = rows.filter(({ node }) => node === null);
      assert.deepEqual(plain.map(({ uid }) => uid), [uidOf(servers[0], nsp)]);
      assert.equal(new Set(rows.filter(({ node }) => node !== null).map(({ node }) => node)).size, 1);
    }
  }));

  it('find the sockets of all, and of rooms', async () => {
    const ids = async (sql) => (await rowsOf(app, sql)).map(({ id }) => id).sort();
    const of = (...indexes) => indexes.map((i) => clients[i].id).sort();
    assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('/', servers => 4)`), of(0, 1, 2, 3));
    assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('/', '{room1}', '{room2}', servers => 4)`), of(0));
    assert.deepEqual(await ids(`SELECT id FROM sio_fetch_sockets('/custom', servers => 4)`), []);
  });

  it('tell whether somebody is there', () => askedAgain(async () => {
    const { rows } = await app.query(`SELECT sio_is_online('/', '{room1}') AS one, sio_is_online('/', '{nowhere}') AS none`);
    assert.deepEqual(rows, [{ one: true, none: false }]);
  }));

  it('get large answers', async () => {
    const large = await connectClient(nodes.workers[0], { rooms: ['large', LARGE] });
    const rows = await rowsOf(app, `SELECT rooms FROM sio_fetch_sockets('/', '{large}', servers => 4)`);
    assert.deepEqual(rows.map(({ rooms }) => rooms.includes(LARGE)), [true]);
    await large.close();
  });

  it('report no error', () => {
    assert.deepEqual([...nodes.errors, ...servers.flatMap((server) => server.errors)], []);
  });
});
