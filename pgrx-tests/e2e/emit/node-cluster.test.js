// A Node cluster: `setupPrimary` of adapter 0.5.0 in the primary, @socket.io/cluster-adapter in the workers, and a plain
// server beside them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { startNodeCluster } from '../../harness/node-cluster.js';
import { officialEmitter } from '../../harness/official.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until, within } from '../../harness/wait.js';

const ROOMS = [['room1'], ['room1', 'room2'], ['room2'], ['room2', 'plain']]; // three workers, and the plain server
const LARGE = 'é'.repeat(10_000);

describe('a Node cluster of three workers, and a server beside it', () => {
  let postgres, app, nodes, servers, clients, official;

  before(async () => {
    postgres = await startPostgres({ name: 'node-cluster' });
    await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    official = officialEmitter(await postgres.connect());
    nodes = await startNodeCluster(postgres, { workers: 3, namespaces: ['/', '/custom'], events: ['job'] });
    servers = await startServers(postgres, { count: 1, namespaces: ['/', '/custom'] });
    const all = [...nodes.workers, ...servers];
    clients = await Promise.all(all.map((server, i) => connectClient(server, { rooms: ROOMS[i] })));
  });

  after(async () => {
    await closeAll(clients ?? [], servers ?? [], nodes ? [nodes] : []);
    await postgres?.stop();
  });

  const reached = () => received(app, clients);
  const to = (event, indexes = [0, 1, 2, 3]) => clients.map((_, i) => (indexes.includes(i) ? [event] : []));

  it('get text', async () => {
    await app.query(`SELECT sio_emit('/', '{}', 'e', '{"a": [1, null]}')`);
    assert.deepEqual(await reached(), to(['e', { a: [1, null] }]));
  });

  it('get binary, nested binary and large text', async () => {
    await app.query(`SELECT sio_emit_binary('/', '{}', 'b', '\\x00ff')`);
    assert.deepEqual(await reached(), to(['b', Buffer.from([0, 255])]));
    await app.query(`SELECT sio_emit('/', '{}', 'n', jsonb_build_object('a', jsonb_build_array(sio_buffer(0))),
                                     binaries => ARRAY['\\x07'::bytea])`);
    assert.deepEqual(await reached(), to(['n', { a: [Buffer.from([7])] }]));
    await app.query(`SELECT sio_emit('/', '{}', 'l', to_jsonb($1::text))`, [LARGE]);
    assert.deepEqual(await reached(), to(['l', LARGE]));
  });

  it('get what is for their rooms', async () => {
    await app.query(`SELECT sio_emit('/', '{room1,room2}', 'e', except_rooms => '{plain}')`);
    assert.deepEqual(await reached(), to(['e'], [0, 1, 2]));
    await app.query(`SELECT sio_emit_binary('/', '{room1}', 'b', '\\x01', except_rooms => '{room2}')`);
    assert.deepEqual(await reached(), to(['b', Buffer.from([1])], [0]));
    await app.query(`SELECT sio_emit('/', ARRAY[$1], 'e')`, [clients[2].id]);
    assert.deepEqual(await reached(), to(['e'], [2]));
  });

  it('get what is for a namespace, and no other', async () => {
    const others = await Promise.all([...nodes.workers, ...servers].map((server) => connectClient(server, { nsp: '/custom' })));
    await app.query(`SELECT sio_emit('custom', '{}', 'e', '1')`);
    assert.deepEqual(await received(app, others, { nsp: '/custom' }), to(['e', 1]));
    assert.deepEqual(await reached(), to(['e'], []));
    await closeAll(others);
  });

  it('get server-side events, with text and binary', async () => {
    for (const server of servers) server.hear('job');
    await app.query(`SELECT sio_server_side_emit('/', 'job', '1'),
                            sio_server_side_emit('/', 'job', sio_buffer(0), ARRAY['\\x41'::bytea])`);
    const all = () => [...nodes.heard.values(), servers[0].heard];
    await until('the workers heard them', () => all().every((heard) => heard.length === 2));
    // In JSON, which is how the workers tell it.
    const told = (heard) => heard.map(([, , arg]) => JSON.stringify(arg)).sort();
    for (const heard of all()) assert.deepEqual(told(heard), ['1', '{"type":"Buffer","data":[65]}']);
  });

  it('let sockets join and leave', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `one of many rooms, ${i}`);
    await app.query(`SELECT sio_sockets_join('/', '{room1}', '{vip}'), sio_sockets_join('/', '{plain}', $1)`, [many]);
    await reached();
    await app.query(`SELECT sio_emit('/', '{vip}', 'e')`);
    assert.deepEqual(await reached(), to(['e'], [0, 1]));
    await app.query(`SELECT sio_emit('/', ARRAY[$1], 'e')`, [many.at(-1)]);
    assert.deepEqual(await reached(), to(['e'], [3]));
    await app.query(`SELECT sio_sockets_leave('/', '{room2}', '{vip}')`);
    await reached();
    await app.query(`SELECT sio_emit('/', '{vip}', 'e')`);
    assert.deepEqual(await reached(), to(['e'], [0]));
  });

  it('let sockets be disconnected', async () => {
    const leaving = await Promise.all(nodes.workers.map((worker) => connectClient(worker, { rooms: ['leaving'] })));
    await app.query(`SELECT sio_disconnect_sockets('/', '{leaving}', true)`);
    for (const client of leaving) await within('the client is disconnected', client.gone);
    assert.deepEqual(await reached(), to(['e'], []));
  });

  it('get nothing from the official emitter', async () => {
    official.emitter.emit('text', 1);
    official.emitter.emit('binary', Buffer.from('A'));
    official.emitter.emit('large', LARGE);
    await official.settled();
    assert.deepEqual(await reached(), to(['e'], []));
  });

  it('reported no error', () => {
    assert.deepEqual([...nodes.errors, ...servers.flatMap((server) => server.errors)], []);
  });
});
