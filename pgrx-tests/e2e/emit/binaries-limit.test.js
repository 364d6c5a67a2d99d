// socketio_emitter.max_binaries: clients disconnect at a packet with more attachments than their parser takes.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Manager } from 'socket.io-client';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { delivered, queueing } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { within } from '../../harness/wait.js';

const parser = createRequire(import.meta.url)('socket.io-parser');
const HINT = /maxAttachments.*socketio_emitter\.max_binaries/;

/** `count` binaries, each named once in an array. */
const many = (count) => ({
  payload: `(SELECT jsonb_agg(sio_buffer(i)) FROM generate_series(0, ${count - 1}) i)`,
  binaries: `(SELECT array_agg(convert_to(i::text, 'UTF8')) FROM generate_series(0, ${count - 1}) i)`,
});
const emit = (count, event = 'e') => `SELECT sio_emit('/', '{}', '${event}', ${many(count).payload}, binaries => ${many(count).binaries})`;
const buffers = (count) => Array.from({ length: count }, (_, i) => Buffer.from(`${i}`));

describe('the limit of binaries', () => {
  let postgres, admin, app, servers, clients, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'binaries-limit' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
    servers = await startServers(postgres);
  });

  after(async () => {
    await closeAll(clients, servers);
    await postgres?.stop();
  });

  beforeEach(async () => {
    await app.query('ROLLBACK; RESET ALL');
    await closeAll(clients);
    clients = await Promise.all(servers.map((server) => connectClient(server)));
    await listener.texts();
  });

  const refusals = async (query) => {
    await listener.texts();
    await refused(app, query, '22023', { says: ['10', 'socketio_emitter.max_binaries'], hint: HINT });
    assert.deepEqual(await listener.texts(), [], 'nothing was sent');
  };

  it('lets ten arrive, and refuses the eleventh', async () => {
    await app.query(emit(10));
    assert.deepEqual(await received(app, clients), Array(3).fill([['e', buffers(10)]]));
    await refusals(emit(11));
  });

  it('counts a binary as often as it is named', async () => {
    const twice = (names) => `SELECT sio_emit('/', '{}', 'e', jsonb_build_array(${names.map((num) => `sio_buffer(${num})`)}),
      binaries => ARRAY['0', '1']::bytea[])`;
    const ten = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1];
    await app.query(twice(ten));
    assert.deepEqual(await received(app, clients), Array(3).fill([['e', ten.map((num) => Buffer.from(`${num}`))]]));
    await refusals(twice([...ten, 1]));
  });

  it('is that of all arguments together', async () => {
    const args = (first, second) => `SELECT sio_emit_args('/', '{}', 'e', ARRAY[
      (SELECT jsonb_agg(sio_buffer(i)) FROM generate_series(0, ${first - 1}) i),
      (SELECT jsonb_agg(sio_buffer(i + ${first})) FROM generate_series(0, ${second - 1}) i)], binaries => ${many(first + second).binaries})`;
    await app.query(args(6, 4));
    assert.deepEqual(await received(app, clients), Array(3).fill([['e', buffers(10).slice(0, 6), buffers(10).slice(6)]]));
    await refusals(args(6, 5));
  });

  it('holds for sio_encode as for what it shows', async () => {
    await refusals(emit(11).replace('SELECT sio_emit', 'SELECT * FROM sio_encode'));
  });

  it('is far from the one of sio_emit_binary', async () => {
    await app.query(`SET socketio_emitter.max_binaries = 1; SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`);
    assert.deepEqual(await received(app, clients), Array(3).fill([['e', Buffer.from('A')]]));
  });

  it('is no limit between servers, which take any number', async () => {
    for (const server of servers) server.hear('between');
    const { payload, binaries } = many(50);
    await app.query(`SELECT sio_server_side_emit('/', 'between', ${payload}, ${binaries})`);
    await app.query(`SELECT sio_server_side_emit_args('/', 'between', ARRAY[${payload}], ${binaries})`);
    await received(app, clients);
    const expected = ['/', 'between', buffers(50)];
    assert.deepEqual(servers.map(({ heard }) => heard), Array(3).fill([expected, expected]));
  });

  it('can be lowered and raised', async () => {
    await app.query(`SET socketio_emitter.max_binaries = 2; ${emit(2)}`);
    await refused(app, emit(3), '22023', { says: ['2', 'socketio_emitter.max_binaries'], hint: HINT });
    await app.query('SET socketio_emitter.max_binaries = 11');
    await app.query(`BEGIN; ${emit(11)}; ROLLBACK`);
    await refused(app, emit(12), '22023', { says: ['11', 'socketio_emitter.max_binaries'], hint: HINT });
    await refused(app, 'SET socketio_emitter.max_binaries = -1', '22023', { says: 'socketio_emitter.max_binaries' });
    assert.deepEqual(await received(app, clients), Array(3).fill([['e', buffers(2)]]));
  });

  it('meets a queued message when it is emitted, not when it is delivered', async () => {
    const queue = await queueing(postgres);
    await queue.query(emit(10));
    await refused(queue, emit(11), '22023', { says: ['10', 'socketio_emitter.max_binaries'], hint: HINT });
    const { rows: [{ queued }] } = await admin.query('SELECT queued::int FROM sio_status');
    assert.equal(queued, 1);
    // Whoever delivers has another limit: it was the sender's that counted.
    await admin.query('SET socketio_emitter.max_binaries = 1; SELECT sio_deliver(); RESET ALL');
    await delivered(admin);
    assert.deepEqual(await received(app, clients), Array(3).fill([['e', buffers(10)]]));
    await queue.end();
  });

  it('is right about clients: they disconnect at the eleventh, and say why', async () => {
    assert.equal(new parser.Decoder().opts.maxAttachments, 10, 'the parser of package-lock.json has the limit');
    const reasons = clients.map(({ socket }) => new Promise((gone) => socket.once('disconnect', (reason) => gone(reason))));
    await app.query(`SET socketio_emitter.max_binaries = 0; ${emit(11)}`);
    assert.deepEqual(await within('all clients disconnected', Promise.all(reasons)), Array(3).fill('parse error'));
  });

  it('is no limit at 0: what goes on arrives where clients take as many', async () => {
    class Decoder extends parser.Decoder {
      constructor() {
        super({ maxAttachments: 1_000 });
      }
    }
    const manager = new Manager(servers[0].url, { transports: ['websocket'], reconnection: false, parser: { ...parser, Decoder } });
    const socket = manager.socket('/');
    const got = new Promise((resolve, reject) => {
      socket.once('many', resolve);
      socket.once('disconnect', (reason) => reject(new Error(reason)));
    });
    await within('a client with a limit of its own is connected', new Promise((connected) => socket.once('connect', connected)));
    await app.query(`SET socketio_emitter.max_binaries = 0; ${emit(1_000, 'many')}`);
    assert.deepEqual((await within('a thousand binaries arrived', got)).map(String), buffers(1_000).map(String));
    socket.disconnect();
  });
});
