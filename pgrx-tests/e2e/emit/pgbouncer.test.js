// Emitting through PgBouncer in transaction mode, where no session belongs to anybody.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { startPgBouncer } from '../../harness/pgbouncer.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

describe('through PgBouncer in transaction mode', () => {
  let postgres, bouncer, servers, clients, direct;

  before(async () => {
    postgres = await startPostgres({ name: 'pgbouncer' });
    await prepareDatabase(postgres);
    bouncer = await startPgBouncer(postgres, { users: [EMITTER_ROLE] });
    servers = await startServers(postgres);
    clients = await Promise.all(servers.map((server, i) => connectClient(server, { rooms: [`room${i}`] })));
    direct = await postgres.connect({ user: EMITTER_ROLE });
  });

  after(async () => {
    await closeAll(clients ?? [], servers ?? []);
    await bouncer?.close();
    await postgres?.stop();
  });

  const reached = () => received(direct, clients);

  async function session(work) {
    const client = await bouncer.connect({ user: EMITTER_ROLE });
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  it('text, binary and long text arrive', async () => {
    const long = 'x'.repeat(9_000);
    await session(async (client) => {
      await client.query(`SELECT sio_emit('/', '{}', 'text', '{"a": 1}')`);
      await client.query(`SELECT sio_emit_binary('/', '{room1}', 'binary', $1)`, [Buffer.from([0, 255])]);
      await client.query(`SELECT sio_emit('/', '{room2}', 'long', to_jsonb($1::text))`, [long]);
    });
    const text = ['text', { a: 1 }];
    assert.deepEqual(await reached(), [[text], [text, ['binary', Buffer.from([0, 255])]], [text, ['long', long]]]);
  });

  it('a transaction arrives whole and in order, or not at all', async () => {
    await session(async (client) => {
      await client.query(`BEGIN; SELECT sio_emit('/', '{}', 'lost'), sio_emit_binary('/', '{}', 'lost', '\\x00'); ROLLBACK`);
      await client.query('BEGIN');
      for (let i = 0; i < 5; i++) await client.query(`SELECT sio_emit('/', '{}', 'same')`);
      await client.query(`SELECT sio_emit('/', '{}', 'last')`);
      await client.query('COMMIT');
    });
    assert.deepEqual(await reached(), Array(3).fill([...Array(5).fill(['same']), ['last']]));
  });

  it('SET LOCAL holds for its transaction and for nobody else\'s', async () => {
    await session(async (client) => {
      await client.query('BEGIN');
      await client.query(`SET LOCAL socketio_emitter.channel_prefix = 'elsewhere'`);
      await client.query('SET LOCAL socketio_emitter.require_rooms = on');
      await client.query(`SELECT sio_emit('/', '{a}', 'to another cluster')`);
      await client.query('COMMIT');
      await client.query(`SELECT sio_emit('/', '{}', 'here')`);
    });
    // On whatever connection of the pool.
    await Promise.all(Array.from({ length: 8 }, () => session((client) => client.query(`SELECT sio_emit('/', '{}', 'here')`))));
    assert.deepEqual(await reached(), Array(3).fill(Array(9).fill(['here'])));
  });

  it('two hundred short clients on two connections lose nothing', async () => {
    let next = 0;
    const worker = async () => {
      while (next < 200) {
        const number = next++;
        await session((client) => client.query(
          `SELECT sio_emit('/', '{}', 'n', to_jsonb($1::int)),
                  sio_emit_binary('/', '{}', 'b', convert_to($1::text, 'UTF8'))`,
          [number],
        ));
      }
    };
    await Promise.all(Array.from({ length: 20 }, worker));
    const all = Array.from({ length: 200 }, (_, i) => i);
    for (const events of await reached()) {
      const sorted = (name) => events.filter(([event]) => event === name).map(([, value]) => Number(value)).sort((a, b) => a - b);
      assert.deepEqual(sorted('n'), all);
      assert.deepEqual(sorted('b'), all);
    }
    assert.deepEqual(servers.flatMap((server) => server.errors), []);
  });

  it('an error leaves the connection fit for the next client', async () => {
    for (let i = 0; i < 4; i++) {
      await assert.rejects(session((client) => client.query(`SELECT sio_emit('/', NULL, 'e')`)), { code: '22004' });
      await session((client) => client.query(`SELECT sio_emit_binary('/', '{}', 'fine', '\\x41')`));
    }
    assert.deepEqual(await reached(), Array(3).fill(Array(4).fill(['fine', Buffer.from('A')])));
  });
});
