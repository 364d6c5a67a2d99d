// Every operation, from SQL through three real servers to real clients, for every release of the adapter, with the
// official emitter beside it as the control.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ADAPTERS } from '../../harness/adapters.js';
import { connectClient, received } from '../../harness/clients.js';
import { officialEmitter } from '../../harness/official.js';
import { PollingClient } from '../../harness/polling.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until, within } from '../../harness/wait.js';

const ROOMS = [['room1'], ['room1', 'room2'], ['room2', 'salle é']]; // of the client on each server
const ALL = [0, 1, 2];
const NUMBERS = [0, -1, 127, 128, 65536, 4294967296, 9007199254740991, -2147483649, 1.5, 1e21, 5e-324];
const UNICODE = '😀 \u2028 "q" \\ \n \u0007 \u007f';
const LARGE = 'x'.repeat(10_000);
const NESTED = { name: 'a', parts: [{ data: Buffer.from('ff', 'hex') }, { data: Buffer.alloc(0) }] };
const NESTED_SQL = `jsonb_build_object('name', 'a', 'parts', jsonb_build_array(
  jsonb_build_object('data', sio_buffer(0)), jsonb_build_object('data', sio_buffer(1))))`;

// What the official emitter 0.1.1 reaches: nothing from 0.4.0 on.
const reachedByOfficial = (adapter) => adapter <= '0.3.1';

// name; ours; the official emitter's call; the event as clients get it; the clients that get it.
const BROADCASTS = [
  ['an event without arguments', [`SELECT sio_emit('/', '{}', 'ping')`], (io) => io.emit('ping'), ['ping'], ALL],
  ['JSON null as an argument', [`SELECT sio_emit('/', '{}', 'e', 'null')`], (io) => io.emit('e', null), ['e', null], ALL],
  ['text', [`SELECT sio_emit('/', '{}', 'e', '"hello"')`], (io) => io.emit('e', 'hello'), ['e', 'hello'], ALL],
  [
    'numbers', ['SELECT sio_emit(\'/\', \'{}\', \'n\', $1)', JSON.stringify(NUMBERS)],
    (io) => io.emit('n', NUMBERS), ['n', NUMBERS], ALL,
  ],
  [
    'unicode in room, event and payload',
    [`SELECT sio_emit('/', '{salle é}', 'événement', to_jsonb($1::text))`, UNICODE],
    (io) => io.to('salle é').emit('événement', UNICODE), ['événement', UNICODE], [2],
  ],
  [
    'nested JSON', [`SELECT sio_emit('/', '{}', 'e', '{"b": {"c": [1, {"d": []}]}, "e": {}}')`],
    (io) => io.emit('e', { b: { c: [1, { d: [] }] }, e: {} }), ['e', { b: { c: [1, { d: [] }] }, e: {} }], ALL,
  ],
  [
    'several arguments',
    [`SELECT sio_emit_args('/', '{}', 'e', ARRAY['1', '"2"', NULL, 'true', '[1, "a"]', '{"b": {}}']::jsonb[])`],
    (io) => io.emit('e', 1, '2', null, true, [1, 'a'], { b: {} }), ['e', 1, '2', null, true, [1, 'a'], { b: {} }], ALL,
  ],
  ['no arguments by an empty list', [`SELECT sio_emit_args('/', '{}', 'e', '{}')`], (io) => io.emit('e'), ['e'], ALL],
  ['one room', [`SELECT sio_emit('/', '{room1}', 'e', '1')`], (io) => io.to('room1').emit('e', 1), ['e', 1], [0, 1]],
  [
    'the union of two rooms, once to a client in both',
    [`SELECT sio_emit('/', '{room1,room2}', 'e', '1')`], (io) => io.to(['room1', 'room2']).emit('e', 1), ['e', 1], ALL,
  ],
  ['a room nobody is in', [`SELECT sio_emit('/', '{empty}', 'e')`], (io) => io.to('empty').emit('e'), ['e'], []],
  [
    'all but a room', [`SELECT sio_emit('/', '{}', 'e', except_rooms => '{room2}')`],
    (io) => io.except('room2').emit('e'), ['e'], [0],
  ],
  [
    'a room but another', [`SELECT sio_emit('/', '{room2}', 'e', except_rooms => '{room1}')`],
    (io) => io.to('room2').except('room1').emit('e'), ['e'], [2],
  ],
  [
    'volatile', [`SELECT sio_emit('/', '{}', 'e', '1', volatile => true)`],
    (io) => io.volatile.emit('e', 1), ['e', 1], ALL,
  ],
  [
    'a binary argument', [`SELECT sio_emit_binary('/', '{}', 'file', '\\x010203')`],
    (io) => io.emit('file', Buffer.from([1, 2, 3])), ['file', Buffer.from([1, 2, 3])], ALL,
  ],
  [
    'an empty binary to a room', [`SELECT sio_emit_binary('/', '{room2}', 'file', '', except_rooms => '{room1}')`],
    (io) => io.to('room2').except('room1').emit('file', Buffer.alloc(0)), ['file', Buffer.alloc(0)], [2],
  ],
  [
    'binary nested in JSON',
    [`SELECT sio_emit('/', '{}', 'file', ${NESTED_SQL}, binaries => ARRAY['\\xff', '']::bytea[])`],
    (io) => io.emit('file', NESTED), ['file', NESTED], ALL,
  ],
  [
    'binaries among several arguments',
    [`SELECT sio_emit_args('/', '{room1}', 'file', ARRAY['1', sio_buffer(1), '{"a": null}', sio_buffer(0)],
                           binaries => ARRAY['\\x00', '\\x01']::bytea[])`],
    (io) => io.to('room1').emit('file', 1, Buffer.from([1]), { a: null }, Buffer.from([0])),
    ['file', 1, Buffer.from([1]), { a: null }, Buffer.from([0])], [0, 1],
  ],
  [
    'text too large for NOTIFY', [`SELECT sio_emit('/', '{room1}', 'big', to_jsonb($1::text))`, LARGE],
    (io) => io.to('room1').emit('big', LARGE), ['big', LARGE], [0, 1],
  ],
];

describe('by NOTIFY and the attachments table', () => {
  let postgres, app, official;

  before(async () => {
    postgres = await startPostgres({ name: 'delivery' });
    await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    official = officialEmitter(await postgres.connect());
  });

  after(async () => postgres?.stop());

  for (const adapter of ADAPTERS) {
    describe(`three servers on adapter ${adapter}`, () => {
      let servers, clients, others;
      const reached = async () => received(app, clients);

      before(async () => {
        servers = await startServers(postgres, { adapter, namespaces: ['/', '/custom'] });
        const connect = (nsp) => Promise.all(servers.map((server, i) => connectClient(server, { nsp, rooms: ROOMS[i] })));
        clients = await connect('/');
        others = await connect('/custom');
      });

      after(async () => closeAll(clients, others, servers));

      for (const [name, sql, call, event, to] of BROADCASTS) {
        const expected = ALL.map((i) => (to.includes(i) ? [event] : []));

        it(`delivers ${name}`, async () => {
          await app.query(sql[0], sql.slice(1));
          assert.deepEqual(await reached(), expected);
        });

        it(`${reachedByOfficial(adapter) ? 'as does' : 'unlike'} the official emitter: ${name}`, async () => {
          call(official.emitter);
          await official.settled();
          assert.deepEqual(await reached(), reachedByOfficial(adapter) ? expected : [[], [], []]);
        });
      }

      it('delivers to one client by its own id', async () => {
        await app.query(`SELECT sio_emit('/', ARRAY[$1], 'e', '1')`, [clients[1].id]);
        assert.deepEqual(await reached(), [[], [['e', 1]], []]);
      });

      it('delivers to all but one client by its own id', async () => {
        await app.query(`SELECT sio_emit('/', '{}', 'e', except_rooms => ARRAY[$1])`, [clients[1].id]);
        assert.deepEqual(await reached(), [[['e']], [], [['e']]]);
      });

      for (const namespace of ['/custom', 'custom']) {
        it(`delivers to a namespace written ${namespace}, and to no other`, async () => {
          await app.query(
            `SELECT sio_emit($1, '{}', 'e', '1'), sio_emit_binary($1, '{room1}', 'b', '\\x01'),
                    sio_emit($1, '{}', 'big', to_jsonb($2::text))`,
            [namespace, LARGE],
          );
          const all = (await received(app, others, { nsp: '/custom' })).map((events) => events.sort());
          const [text, binary, large] = [['e', 1], ['b', Buffer.from([1])], ['big', LARGE]];
          assert.deepEqual(all, [[binary, large, text], [binary, large, text], [large, text]]);
          assert.deepEqual(await reached(), [[], [], []]);
        });
      }

      for (const [flag, expected] of [['false', false], ['true', true], ['NULL', true]]) {
        it(`hands compress => ${flag} on to the connections`, async () => {
          for (const server of servers) server.packets.length = 0;
          await app.query(`SELECT sio_emit('/', '{}', 'squeezed', compress => ${flag}),
                                  sio_emit_binary('/', '{}', 'squeezed', '\\x01', compress => ${flag})`);
          await reached();
          for (const { packets } of servers) {
            const sent = packets.filter(({ data }) => String(data).includes('squeezed'));
            assert.deepEqual(sent.map(({ options }) => options.compress), [expected, expected]);
          }
        });
      }

      it('loses a volatile event, and only that, when a client can\'t be written to', async () => {
        const client = await PollingClient.connect(servers[0]);
        await app.query(`SELECT sio_emit('/', '{}', 'volatile one', volatile => true)`);
        await app.query(`SELECT sio_emit('/', '{}', 'kept')`);
        assert.deepEqual(await reached(), Array(3).fill([['volatile one'], ['kept']]));
        const [first] = await client.poll();
        assert.equal(first, '42["kept"]');
        const poll = client.poll();
        await until('the poll waits', () => servers[0].io.engine.clients[client.sid].transport.writable);
        await app.query(`SELECT sio_emit('/', '{}', 'volatile two', volatile => true)`);
        assert.deepEqual(await poll, ['42["volatile two"]']);
        await client.close();
        await reached();
      });

      it('emits server-side events, with text, arguments and binary', async () => {
        for (const server of servers) server.hear('job').hear('job', '/custom');
        const heard = async () => {
          await reached();
          await received(app, others, { nsp: '/custom' });
          return servers.map((server) => server.heard.splice(0).map((event) => event.map(plain)).sort(byNamespace));
        };
        await app.query(`SELECT sio_server_side_emit('/', 'job')`);
        await app.query(`SELECT sio_server_side_emit('custom', 'job', '{"id": 1}')`);
        await app.query(`SELECT sio_server_side_emit_args('/', 'job', ARRAY['1', NULL, '"é"']::jsonb[])`);
        const texts = [['/', 'job'], ['/', 'job', 1, null, 'é'], ['/custom', 'job', { id: 1 }]];
        assert.deepEqual(await heard(), Array(3).fill(texts));
        await app.query(
          `SELECT sio_server_side_emit('/', 'job', jsonb_build_object('file', sio_buffer(0)), ARRAY['\\x01'::bytea]),
                  sio_server_side_emit_args('/', 'job', ARRAY[sio_buffer(0), '2'], ARRAY['\\x02'::bytea]),
                  sio_server_side_emit('/', 'job', to_jsonb($1::text))`,
          [LARGE],
        );
        const attachments = [
          ['/', 'job', { file: Buffer.from([1]) }], ['/', 'job', Buffer.from([2]), 2], ['/', 'job', LARGE],
        ];
        assert.deepEqual(await heard(), Array(3).fill(attachments));
      });

      it('makes sockets join and leave rooms, few and a thousand', async () => {
        const emitTo = async (room) => {
          await app.query(`SELECT sio_emit('/', ARRAY[$1], 'e')`, [room]);
          return (await reached()).map((events) => events.length);
        };
        const many = Array.from({ length: 1_000 }, (_, i) => `a room of many, number ${i}`);
        await app.query(`SELECT sio_sockets_join('/', '{room1}', '{vip,"é, too"}')`);
        await app.query(`SELECT sio_sockets_join('/', '{}', '{rest}', except_rooms => '{room1}')`);
        await app.query(`SELECT sio_sockets_join('/', '{room2}', $1)`, [many]);
        await reached();
        assert.deepEqual(await emitTo('vip'), [1, 1, 0]);
        assert.deepEqual(await emitTo('é, too'), [1, 1, 0]);
        assert.deepEqual(await emitTo('rest'), [0, 0, 1]);
        assert.deepEqual(await emitTo(many.at(-1)), [0, 1, 1]);
        await app.query(`SELECT sio_sockets_leave('/', '{room2}', '{vip}')`);
        await app.query(`SELECT sio_sockets_leave('/', '{}', $1, except_rooms => '{room1}')`, [many]);
        await reached();
        assert.deepEqual(await emitTo('vip'), [1, 0, 0]);
        assert.deepEqual(await emitTo('é, too'), [1, 1, 0]);
        assert.deepEqual(await emitTo(many.at(-1)), [0, 1, 0]);
        await app.query(`SELECT sio_sockets_leave('/', '{}', $1)`, [['vip', 'é, too', 'rest']]);
        assert.deepEqual(await emitTo('vip'), [0, 0, 0]);
      });

      for (const close of [false, true]) {
        it(`disconnects sockets, ${close ? 'with' : 'without'} the connection beneath`, async () => {
          const leaving = await connectClient(servers[2], { rooms: ['leaving', 'both'] });
          const elsewhere = await connectClient(servers[2], { nsp: '/custom', over: leaving });
          const staying = await connectClient(servers[1], { rooms: ['both'] });
          try {
            await app.query(`SELECT sio_disconnect_sockets('/', '{both}', ${close}, except_rooms => ARRAY[$1])`, [staying.id]);
            assert.equal(await within('the client is disconnected', leaving.gone), 'io server disconnect');
            if (close) await within('the connection is closed', elsewhere.gone);
            else assert.deepEqual(await received(app, [elsewhere], { nsp: '/custom' }), [[]]);
            assert.deepEqual(await received(app, [staying, ...clients]), [[], [], [], []]);
          } finally {
            await closeAll(leaving, elsewhere, staying);
          }
        });
      }

      it('gave the servers no cause to report an error', () => {
        assert.deepEqual(servers.flatMap((server) => server.errors), []);
      });
    });
  }
});

// Up to 0.2.0 each namespace has its own connection: there's no order between two of them.
function byNamespace([a], [b]) {
  return a.length - b.length;
}

/** Binary as a Buffer, which is what it is compared with. */
function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
