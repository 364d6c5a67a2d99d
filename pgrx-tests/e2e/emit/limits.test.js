// The sizes at which something changes, exactly.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ADAPTERS } from '../../harness/adapters.js';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until } from '../../harness/wait.js';

describe('a size limit', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'limits' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());
  beforeEach(async () => {
    await app.query('RESET ALL');
    await listener.texts();
  });

  /** A text that makes `sio_emit('/', '{}', 'e', to_jsonb(text))` a message of so many bytes. */
  async function textFor(bytes, filling = 'x') {
    const { rows: [empty] } = await app.query(`SELECT bytes FROM sio_encode('/', '{}', 'e', '""')`);
    const room = bytes - empty.bytes;
    const width = Buffer.byteLength(filling);
    return filling.repeat(Math.floor(room / width)) + 'x'.repeat(room % width);
  }

  const emit = (text) => app.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb($1::text))`, [text]);
  const encode = async (text) => {
    const { rows } = await app.query(`SELECT * FROM sio_encode('/', '{}', 'e', to_jsonb($1::text))`, [text]);
    return rows[0];
  };

  describe('of a notification', () => {
    let servers, clients;

    before(async () => {
      servers = await startServers(postgres);
      clients = await Promise.all(servers.map((server) => connectClient(server)));
    });

    after(async () => closeAll(clients, servers));
    beforeEach(async () => {
      await received(app, clients);
      await listener.texts();
    });

    for (const filling of ['x', 'é', '😀']) {
      for (const bytes of [7_998, 7_999, 8_000, 8_001]) {
        const way = bytes < 8_000 ? 'by NOTIFY' : 'through the table';
        it(`is kept by ${bytes} bytes of ${filling}, which go ${way} and arrive`, async () => {
          const text = await textFor(bytes, filling);
          const shown = await encode(text);
          assert.equal(shown.attachment, bytes >= 8_000);
          if (!shown.attachment) assert.equal(shown.bytes, bytes);
          await emit(text);
          const [sent] = await listener.texts();
          if (bytes < 8_000) assert.equal(Buffer.byteLength(sent), bytes);
          else assert.ok(JSON.parse(sent).attachmentId);
          assert.deepEqual(await received(app, clients), Array(3).fill([['e', text]]));
        });
      }
    }

    it('is kept when the number of the message takes a digit more', async () => {
      const text = await textFor(7_999);
      await app.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb($1::text)) FROM generate_series(1, 12)`, [text]);
      const sent = await listener.messages();
      assert.deepEqual(sent.map(({ attachmentId }) => attachmentId !== undefined), [...Array(10).fill(false), true, true]);
      assert.deepEqual(await received(app, clients), Array(3).fill(Array(12).fill(['e', text])));
    });

    it('is kept by every kind of message', async () => {
      const rooms = Array.from({ length: 1_000 }, (_, i) => `room ${i}`);
      await app.query(`SELECT sio_sockets_join('/', '{empty}', $1), sio_sockets_leave('/', $1, '{a}'),
                              sio_disconnect_sockets('/', $1), sio_server_side_emit('/', 'e', to_jsonb($1::text[])),
                              sio_emit('/', '{empty}', 'e', except_rooms => $1)`, [rooms]);
      const sent = await listener.messages();
      assert.deepEqual(sent.map(({ type }) => type), [4, 5, 6, 9, 3]);
      assert.ok(sent.every(({ attachmentId }) => typeof attachmentId === 'string'));
      const bodies = [];
      for (const header of sent) bodies.push(await listener.attachment(header));
      assert.deepEqual(bodies[0].data.rooms, rooms);
      for (const body of bodies.slice(1, 3)) assert.deepEqual(body.data.opts.rooms, rooms);
      assert.deepEqual(bodies[3].data.packet, ['e', rooms]);
      assert.deepEqual(bodies[4].data.opts.except, rooms);
    });

    it('moves with payload_threshold', async () => {
      const text = await textFor(300);
      const attached = async () => (await listener.messages()).map(({ attachmentId }) => attachmentId !== undefined);
      for (const [threshold, expected] of [[301, false], [300, true], [299, true], [1, true], [8_000, false], ['150B', true]]) {
        await app.query(`SET socketio_emitter.payload_threshold = '${threshold}'`);
        assert.equal((await encode(text)).attachment, expected, `threshold ${threshold}`);
        await emit(text);
        assert.deepEqual(await attached(), [expected], `threshold ${threshold}`);
      }
      await app.query('BEGIN; SET LOCAL socketio_emitter.payload_threshold = 1');
      await app.query(`SELECT sio_sockets_join('/', '{a}', '{b}')`);
      await app.query('COMMIT; RESET socketio_emitter.payload_threshold');
      assert.deepEqual(await attached(), [true]);
      await emit(text);
      assert.deepEqual(await attached(), [false]);
    });

    it('doesn\'t hinder a message of 5 MB', async () => {
      const text = 'é😀\\"x'.repeat(500_000);
      await emit(text);
      assert.deepEqual(await received(app, clients), Array(3).fill([['e', text]]));
      const bytes = Buffer.alloc(5_000_000, 'any');
      await app.query(`SELECT sio_emit_binary('/', '{}', 'b', $1)`, [bytes]);
      assert.deepEqual(await received(app, clients), Array(3).fill([['b', bytes]]));
    });

    it('doesn\'t hinder a message to 10,000 rooms', async () => {
      const rooms = Array.from({ length: 10_000 }, (_, i) => `room ${i}`);
      const inside = await connectClient(servers[1], { rooms: ['room 9999'] });
      await app.query(`SELECT sio_emit('/', $1, 'e', '1')`, [rooms]);
      assert.deepEqual(await received(app, [inside, ...clients]), [[['e', 1]], [], [], []]);
      await app.query(`SELECT sio_emit('/', '{}', 'e', '2', except_rooms => $1)`, [rooms]);
      assert.deepEqual(await received(app, [inside, ...clients]), [[], [['e', 2]], [['e', 2]], [['e', 2]]]);
      await inside.close();
    });

    it('doesn\'t hinder JSON 512 levels deep, in both forms', async () => {
      for (const [open, close] of [['[', ']'], ['{"a":', '}']]) {
        const deep = `${open.repeat(511)}${open === '[' ? '[]' : '{}'}${close.repeat(511)}`;
        for (const threshold of [8_000, 1]) {
          await app.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
          await app.query(`SELECT sio_emit('/', '{}', 'deep', $1)`, [deep]);
        }
        await app.query('RESET ALL');
        assert.deepEqual(await received(app, clients), Array(3).fill(Array(2).fill(['deep', JSON.parse(deep)])));
      }
      assert.deepEqual(servers.flatMap((server) => server.errors), []);
    });
  });

  describe('of a channel\'s name', () => {
    const short = 'socket.io#/'.length;
    // Whether the channel's name is longer than the 63 bytes that it may have. No two are cut to the same name.
    const NAMES = [
      ['53 bytes', `/${'n'.repeat(63 - short)}`, false],
      ['54 bytes', `/${'a'.repeat(64 - short)}`, true],
      ['200 bytes', `/${'l'.repeat(199)}`, true],
      ['53 bytes with é at the end', `/${'m'.repeat(61 - short)}é`, false],
      ['54 bytes with é across the cut', `/${'b'.repeat(62 - short)}é`, true],
      ['56 bytes with 😀 across the cut', `/${'o'.repeat(62 - short)}😀`, true],
      ['a hundred é', `/${'é'.repeat(100)}`, true],
    ];

    for (const [name, namespace] of NAMES) {
      it(`is cut as LISTEN cuts it: ${name}`, async () => {
        const long = await listen(postgres, { channel: `socket.io#${namespace}` });
        await app.query(`SELECT sio_emit($1, '{}', 'e', '1'), sio_emit_binary($1, '{}', 'e', '\\x01')`, [namespace]);
        const [text, header] = await long.messages();
        assert.deepEqual([text.nsp, text.data.packet.nsp], [namespace, namespace]);
        assert.equal((await long.attachment(header)).nsp, namespace);
        const { rows } = await app.query(`SELECT channel FROM sio_encode($1, '{}', 'e')`, [namespace]);
        assert.equal(rows[0].channel, long.channel);
        await long.close();
      });
    }

    it('is cut in a prefix too', async () => {
      const prefix = 'p'.repeat(61);
      const long = await listen(postgres, { channel: `${prefix}#/chat` });
      assert.equal(long.channel, `${prefix}#/`);
      await app.query(`SET socketio_emitter.channel_prefix = '${prefix}'`);
      await app.query(`SELECT sio_emit('chat', '{}', 'e')`);
      assert.deepEqual((await long.messages()).map(({ nsp }) => nsp), ['/chat']);
      await long.close();
    });

    // Measured. 0.3.0 to 0.4.0 look the namespace up under the channel's full name when a notification arrives, but
    // Postgres gives them the cut one.
    const hearsLongNames = (adapter) => adapter <= '0.2.0' || adapter >= '0.5.0';

    for (const adapter of ADAPTERS) {
      it(`${hearsLongNames(adapter) ? 'is no obstacle to' : 'is too short for'} servers on adapter ${adapter}`, async () => {
        const namespaces = NAMES.map(([, namespace]) => namespace);
        const servers = await startServers(postgres, { adapter, count: 1, namespaces: ['/', ...namespaces] });
        const [server] = servers;
        for (const namespace of namespaces) server.hear('e', namespace);
        const client = await connectClient(server);
        for (const namespace of namespaces) await app.query(`SELECT sio_server_side_emit($1, 'e')`, [namespace]);
        const expected = NAMES.filter(([, , isLong]) => !isLong || hearsLongNames(adapter)).map(([, namespace]) => namespace);
        await until('the events arrived', () => server.heard.length >= expected.length);
        await received(app, [client]); // and, where all namespaces share a connection, no more
        await closeAll(client, servers);
        assert.deepEqual(server.heard.map(([namespace]) => namespace).sort(), expected.sort());
      });
    }
  });

  describe('of settings', () => {
    const refused = async (setting, value) =>
      assert.rejects(app.query('SELECT set_config($1, $2, false)', [`socketio_emitter.${setting}`, value]), (error) => {
        assert.equal(error.code, '22023', error.message);
        assert.match(error.message, new RegExp(setting));
        return true;
      }, `${setting} = ${value}`);

    before(async () => app.query(`SELECT sio_buffer(0)`)); // loads the library

    it('refuse a payload_threshold below 1 or above 8,000', async () => {
      for (const value of ['0', '-1', '8001', '1e9', 'many']) await refused('payload_threshold', value);
    });

    it('refuse an empty channel_prefix and one over 61 bytes', async () => {
      for (const value of ['', 'p'.repeat(62), 'é'.repeat(31)]) await refused('channel_prefix', value);
      for (const value of ['p', 'p'.repeat(61), 'é'.repeat(30), 'my prefix "quoted"']) {
        await app.query('SELECT set_config(\'socketio_emitter.channel_prefix\', $1, false)', [value]);
        const { rows } = await app.query(`SELECT channel FROM sio_encode('/', '{}', 'e')`);
        assert.equal(rows[0].channel, `${value}#/`);
      }
    });

    it('refuse a require_rooms that is no boolean', async () => refused('require_rooms', 'maybe'));
  });
});
