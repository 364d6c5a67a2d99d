// Queued messages at real Socket.IO clients, delivered by the worker: all that arrives by NOTIFY arrives this way.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ADAPTERS, LATEST } from '../../harness/adapters.js';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { rowTrigger, statementTriggers } from '../../harness/live.js';
import { delivered, numbers, numbered, numberedBinary, PRELOAD, queueing, status, upTo, untilWorker } from '../../harness/queue.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, grantExecute, prepareDatabase, serverGrantsIn } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { within } from '../../harness/wait.js';

describe('the worker', () => {
  let postgres, admin, app, notifier;

  before(async () => {
    postgres = await startPostgres({ name: 'queue-basics', conf: PRELOAD });
    admin = await prepareDatabase(postgres);
    await admin.query(`CREATE SCHEMA app AUTHORIZATION ${EMITTER_ROLE}`);
    app = await queueing(postgres);
    notifier = await postgres.connect({ user: EMITTER_ROLE });
  });

  after(async () => postgres?.stop());

  for (const adapter of [ADAPTERS[0], LATEST]) {
    describe(`sends to servers on adapter ${adapter}`, () => {
      let servers, clients;

      before(async () => {
        servers = await startServers(postgres, { adapter, count: 2, namespaces: ['/', '/chat'] });
        clients = await Promise.all([
          connectClient(servers[0], { rooms: ['a'] }), connectClient(servers[1], { rooms: ['b'] }),
          connectClient(servers[1], { nsp: '/chat', rooms: ['a'] }),
        ]);
      });

      after(async () => {
        assert.deepEqual((servers ?? []).flatMap((server) => server.errors), []);
        await closeAll(clients ?? [], servers ?? []);
      });

      /** What the three clients got of what was queued before. */
      const got = async () => {
        await delivered(app);
        const here = await received(notifier, clients.slice(0, 2));
        return [...here, ...await received(notifier, clients.slice(2), { nsp: '/chat' })];
      };

      it('what anybody commits, without being asked to', async () => {
        await app.query(`SELECT sio_emit('/', '{}', 'text', '{"a": 1}'), sio_emit_binary('/', '{}', 'binary', '\\x41')`);
        const events = await Promise.all(clients.slice(0, 2).map((client) => client.take(2)));
        assert.deepEqual(events, Array(2).fill([['text', { a: 1 }], ['binary', Buffer.from('A')]]));
        assert.deepEqual((await got())[2], []);
      });

      it('short, long and binary, with their options, to rooms and namespaces', async () => {
        const long = 'é'.repeat(10_000);
        await app.query(`
          SELECT sio_emit('/', '{a}', 'a only', '[1, null]'), sio_emit('/', '{a,b}', 'but a', except_rooms => '{a}'),
                 sio_emit('/chat', '{}', 'chat'), sio_emit_args('/', '{}', 'args', ARRAY['1', NULL, '"x"']::jsonb[])`);
        await app.query(`SELECT sio_emit('/', '{b}', 'long', to_jsonb($1::text)), sio_emit('/', '{}', 'mixed',
            jsonb_build_object('image', sio_buffer(0)), binaries => ARRAY['\\x00ff'::bytea])`, [long]);
        const all = [['args', 1, null, 'x'], ['mixed', { image: Buffer.from([0, 255]) }]];
        assert.deepEqual(await got(), [
          [['a only', [1, null]], ...all], [['but a'], all[0], ['long', long], all[1]], [['chat']],
        ]);
      });

      it('commands to sockets and servers', async () => {
        for (const server of servers) server.hear('heard').heard.length = 0;
        await app.query(`SELECT sio_sockets_join('/', '{b}', '{vip}'), sio_server_side_emit('/', 'heard', '"by server"')`);
        await app.query(`SELECT sio_emit('/', '{vip}', 'to vip'), sio_sockets_leave('/', '{b}', '{vip}')`);
        await app.query(`SELECT sio_emit('/', '{vip}', 'to nobody')`);
        assert.deepEqual(await got(), [[], [['to vip']], []]);
        assert.deepEqual(servers.map((server) => server.heard), Array(2).fill([['/', 'heard', 'by server']]));
        const leaving = await connectClient(servers[0], { rooms: ['leaving'] });
        await app.query(`SELECT sio_disconnect_sockets('/', '{leaving}')`);
        assert.equal(await within('the client is disconnected', leaving.gone), 'io server disconnect');
      });

      it('equal messages each, in one transaction and in many', async () => {
        const equal = `SELECT sio_emit('/', '{a}', 'same', '1'), sio_emit_binary('/', '{a}', 'same', '\\x41')`;
        await app.query(`${equal} FROM generate_series(1, 20)`);
        for (let i = 0; i < 20; i++) await app.query(equal);
        const [first] = await got();
        assert.equal(first.filter(([, value]) => value === 1).length, 40);
        assert.equal(first.filter(([, value]) => Buffer.isBuffer(value)).length, 40);
        assert.equal(first.length, 80);
      });

      it('thousands in order', async () => {
        await app.query(`SELECT sio_emit('/', '{a}', 'e', to_jsonb(i)) FROM generate_series(0, 4999) i`);
        const [first] = await got();
        assert.deepEqual(first.map(([, number]) => number), upTo(5_000));
      });

      it('the changes of live tables, of rows and of statements', async () => {
        const OPS = ['INSERT', 'UPDATE', 'DELETE'];
        for (const [table, triggers] of [
          ['rows', rowTrigger('app.rows', OPS.join(' OR '), ['room=$room', 'event=$op'])],
          ['statements', statementTriggers('app.statements', OPS, ['room=$room', 'event=$op'])],
        ]) {
          await app.query(`CREATE TABLE app.${table} (id int PRIMARY KEY, room text); ${triggers}`);
          await app.query(`INSERT INTO app.${table} VALUES (1, 'a'), (2, 'b')`);
          await app.query(`UPDATE app.${table} SET room = 'a'`);
          await app.query(`DELETE FROM app.${table}`);
          const [first, second, third] = await got();
          assert.deepEqual([...new Set(first.map(([event]) => event))], ['insert', 'update', 'delete'], table);
          assert.equal(first.length, table === 'rows' ? 5 : 3, table);
          assert.equal(second[0][0], 'insert', table);
          assert.deepEqual(third, []);
          await app.query(`DROP TABLE app.${table}`);
        }
      });
    });
  }

  it('leaves alone what sessions notify themselves, which comes at once and beside', async () => {
    const listener = await listen(postgres);
    await notifier.query('SHOW socketio_emitter.delivery').then(({ rows }) => assert.equal(Object.values(rows[0])[0], 'notify'));
    const before = await status(admin);
    await Promise.all([app, notifier].map(async (session, i) => {
      for (let n = 0; n < 100; n++) await session.query(n % 5 ? numbered(n * 2 + i) : numberedBinary(n * 2 + i));
    }));
    await delivered(app);
    const all = await numbers(listener);
    assert.deepEqual(all.filter((n) => n % 2 === 0), upTo(100).map((n) => n * 2));
    assert.deepEqual(all.filter((n) => n % 2 === 1), upTo(100).map((n) => n * 2 + 1));
    assert.equal((await status(admin)).delivered_total - before.delivered_total, 100);
    await listener.close();
  });

  describe('works in a database', () => {
    for (const [encoding, text] of [['LATIN1', 'Größe é ÿ ¡'], ['SQL_ASCII', 'Größe 5 € 日本語 😀'], ['EUC_JP', '日本語カタカナ']]) {
      it(`in ${encoding}`, async () => {
        const database = encoding.toLowerCase();
        await postgres.createDatabase(database, { encoding });
        const other = await prepareDatabase(postgres, { database, roles: false });
        const servers = await startServers(postgres, { database, count: 1 });
        const client = await connectClient(servers[0], { rooms: [text] });
        const session = await queueing(postgres, { database });
        const payload = { [text]: [text] };
        for (const threshold of [8000, 1]) {
          await session.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
          await session.query(`SELECT sio_emit('/', ARRAY[$1], $1, $2)`, [text, payload]);
        }
        assert.deepEqual(await client.take(2), Array(2).fill([text, payload]));
        assert.deepEqual(session.warnings(), []);
        await closeAll(client, servers);
        for (const each of [other, session]) await each.end();
      });
    }

    it('with the extension in another schema, and one that stands in its way', async () => {
      const schema = '"Odd schema"';
      await postgres.createDatabase('odd');
      const other = await postgres.connect({ database: 'odd' });
      await other.query(`CREATE SCHEMA ${schema}; CREATE EXTENSION socketio_emitter SCHEMA ${schema};
        GRANT USAGE ON SCHEMA ${schema} TO ${EMITTER_ROLE}; ${serverGrantsIn(schema)};
        CREATE TABLE public._sio_queue (mine int); CREATE TABLE public.queue (mine int); CREATE TABLE public.socket_io_attachments (mine int)`);
      await grantExecute(other, EMITTER_ROLE);
      await untilWorker(admin, { database: 'odd' });
      const servers = await startServers(postgres, { count: 1, database: 'odd', options: { tableName: `${schema}.socket_io_attachments` } });
      const client = await connectClient(servers[0]);
      const session = await queueing(postgres, { database: 'odd' });
      await session.query(`SELECT ${schema}.sio_emit('/', '{}', 'text', '1'), ${schema}.sio_emit_binary('/', '{}', 'binary', '\\x41')`);
      assert.deepEqual(await client.take(2), [['text', 1], ['binary', Buffer.from('A')]]);
      await delivered(session, schema);
      assert.equal((await status(other, schema)).delivered_total, '2');
      await closeAll(client, servers);
      for (const each of [other, session]) await each.end();
    });
  });

  it('sends with another prefix of the channels, which counts when it is emitted', async () => {
    const prefixed = await listen(postgres, { channel: 'mine#/' });
    await app.query(`BEGIN; SET LOCAL socketio_emitter.channel_prefix = 'mine'; ${numbered(1)}; ${numberedBinary(2)}; COMMIT`);
    await delivered(app);
    assert.deepEqual(await numbers(prefixed), [1, 2]);
    await prefixed.close();
  });

  it('spares sessions the warning that nobody delivers', () => {
    assert.deepEqual(app.warnings(), []);
  });
});
