// Causes for which the servers hear nothing, each with the adapters that it concerns.
import assert from 'node:assert/strict';
import { afterEach, before, describe, it } from 'node:test';
import pg from 'pg';
import { ADAPTERS, LATEST } from '../../../harness/adapters.js';
import { startAdapterServer, startBareServer, untilHearing } from '../../../harness/bare-server.js';
import { connectClient, received } from '../../../harness/clients.js';
import { evaluate } from '../../../harness/page.js';
import { startPgBouncer } from '../../../harness/pgbouncer.js';
import { freePort, startStandby } from '../../../harness/postgres.js';
import { startProgram } from '../../../harness/reader.js';
import { SERVERS_ROLE } from '../../../harness/roles.js';
import { never, until } from '../../../harness/wait.js';

const EMIT_ALL = `SELECT sio_emit('/', '{room}', 'short'), sio_emit('/', '{room}', 'long', to_jsonb(repeat('x', 9000))),
  sio_emit_binary('/', '{room}', 'binary', '\\x41')`;
const ON_A_STANDBY = `
  import { createAdapter } from '@socket.io/postgres-adapter';
  import pg from 'pg';
  import { Server } from 'socket.io';
  const io = new Server(Number(process.env.PORT));
  io.adapter(createAdapter(new pg.Pool({ connectionString: process.env.DATABASE_URL }), { errorHandler: console.error }));
  io.on('connection', (socket) => socket.join('room'));`;
const NAMES = ['short', 'long', 'binary'];

export function serverCauses(context) {
  const { page, says, well, wrong } = context;
  describe('the servers do not hear', () => {
    let postgres, admin;
    const open = [];

    before(() => ({ postgres, admin } = context));

    afterEach(async () => {
      for (const each of open.splice(0).reverse()) await each.close();
    });

    const keep = (each) => {
      open.push(each);
      return each;
    };

    /** `connection`: what differs in the pool's. */
    async function start({ connection, ...options } = {}) {
      return keep(await startAdapterServer({ connection: { connectionString: postgres.url({ user: SERVERS_ROLE }), max: 2, ...connection }, ...options }));
    }

    async function join(server, spec = { rooms: ['room'] }) {
      return keep(await connectClient(server, spec));
    }

    const names = async (client, ...args) => (await received(admin, [client], ...args))[0].map(([event]) => event);

    /** That none of what is emitted arrives, but `but`, and how the doctor tells it. */
    async function lost(client, { but = [], hint } = {}) {
      const events = [];
      client.socket.onAny((event) => events.push(event));
      await admin.query(EMIT_ALL);
      await until('the others arrived', () => events.length >= but.length);
      const { servers, ...others } = await wrong();
      assert.deepEqual([servers.detail, Object.keys(others)], ['none answers', []]);
      if (hint) assert.match(servers.hint, hint);
      await never('more of it arrives', () => events.length > but.length, { during: 500 });
      assert.deepEqual(events, but);
    }

    it('in another database', async () => {
      await postgres.createDatabase('shop');
      const shop = await postgres.connect({ database: 'shop' });
      const server = await start({ connection: { connectionString: postgres.url({ user: SERVERS_ROLE, database: 'shop' }) } });
      await untilHearing(shop, server);
      const says = /`(Sessions listen to: [^`]+ in database shop)`/.exec(page.text)[1];
      await lost(await join(server), { hint: new RegExp(says) });
      await shop.end();
    });

    it('with another prefix, until the session has it, too', async () => {
      const server = await start({ options: { channelPrefix: 'shop' } });
      await untilHearing(admin, server, { channelPrefix: 'shop' });
      const client = await join(server);
      await lost(client, { hint: /Sessions listen to: shop#\/ in/ });
      assert.ok(page.text.includes('Sessions listen to: shop#/ '));
      await admin.query(`SET ${says('socketio_emitter.channel_prefix')} = 'shop'`);
      await well();
      await admin.query(EMIT_ALL);
      assert.deepEqual(await names(client), NAMES);
      await admin.query('RESET ALL');
    });

    for (const version of ['0.3.1', LATEST]) {
      it(`through PgBouncer in transaction mode, until they connect directly (adapter ${version})`, async () => {
        const bouncer = keep(await startPgBouncer(postgres, { users: [SERVERS_ROLE], name: `docs-not-arriving-pgbouncer-${version}` }));
        const probe = await bouncer.connect({ user: SERVERS_ROLE });
        const url = `postgres://${SERVERS_ROLE}@127.0.0.1:${probe.port}/postgres`;
        await probe.end();
        const server = await start({ version, connection: { connectionString: url } });
        const acquired = new Set();
        server.pool.on('acquire', (client) => acquired.add(client));
        const listening = () => [...acquired].find((client) => client.listenerCount('notification') > 0);
        const listener = await until('the adapter has its connection', listening);
        // Behind its LISTEN. While that runs, PgBouncer gives what is notified to the adapter, too.
        await listener.query('SELECT');
        await lost(await join(server));
        assert.deepEqual(server.errors, [], 'nothing at all shows it');
      });
    }

    it('not so through PgBouncer in session mode, in which they hear', async () => {
      const bouncer = keep(await startPgBouncer(postgres, { users: [SERVERS_ROLE], mode: 'session', poolSize: 5, name: 'docs-not-arriving-pgbouncer-session' }));
      const probe = await bouncer.connect({ user: SERVERS_ROLE });
      const url = `postgres://${SERVERS_ROLE}@127.0.0.1:${probe.port}/postgres`;
      await probe.end();
      const server = await start({ connection: { connectionString: url } });
      await untilHearing(admin, server);
      const client = await join(server);
      await well();
      await admin.query(EMIT_ALL);
      assert.deepEqual(await names(client), NAMES);
    });

    it('through a pool of one connection, until it has two', async () => {
      const one = await start({ connection: { max: 1 } });
      await untilHearing(admin, one);
      await lost(await join(one), { but: ['short'] });
      assert.ok(one.pool.waitingCount > 0);
      assert.deepEqual(one.errors, []);

      const DIRECT_URL = postgres.url({ user: SERVERS_ROLE });
      const { pool } = await evaluate(page.take('js', 'DIRECT_URL'), { Pool: pg.Pool, DIRECT_URL }, ['pool']);
      assert.equal(pool.options.max, 2);
      const two = keep(await startAdapterServer({ pool }));
      await untilHearing(admin, two);
      const client = await join(two);
      await well();
      await admin.query(EMIT_ALL);
      assert.deepEqual(await names(client), NAMES);
    });

    it('on a standby', async () => {
      const standby = await startStandby(postgres, { name: 'docs-not-arriving-deaf' });
      keep({ close: () => standby.stop() });
      // In a process of its own: an adapter that cannot listen tries for ever, also when it was closed.
      const port = await freePort();
      const server = keep(startProgram(ON_A_STANDBY, { DATABASE_URL: standby.url({ user: SERVERS_ROLE }), PORT: String(port) }));
      await until('it says so', () => server.output().includes(says('cannot execute NOTIFY during recovery')));
      await lost(await join({ url: `http://127.0.0.1:${port}` }));
    });

    it('without an adapter', async () => {
      const server = keep(await startBareServer());
      server.io.on('connection', (socket) => socket.join('room'));
      const client = await join(server);
      await lost(client);
      server.io.to('room').emit('of the server');
      assert.deepEqual(await client.take(1), [['of the server']]);
    });

    for (const version of ADAPTERS) {
      const deaf = ['0.3.0', '0.3.1', '0.4.0'].includes(version);
      it(`a long namespace: adapter ${version} ${deaf ? 'hears nothing' : 'hears, but cannot answer'}`, async () => {
        assert.ok(page.text.includes('Adapters 0.3.0, 0.3.1 and 0.4.0 hear nothing'));
        const nsp = `/${'long'.repeat(15)}`;
        const server = await start({ version, ...(version <= '0.2.0' && { setUp: quietly }) });
        server.io.of(nsp).on('connection', (socket) => socket.join('room'));
        if (version <= '0.2.0') server.io.of(nsp).adapter.on('error', () => {});
        await untilHearing(admin, server);
        await until('it listens', async () => (await admin.query(`SELECT FROM pg_stat_activity WHERE state = 'idle' AND query = $1`, [`LISTEN "socket.io#${nsp}"`])).rowCount > 0);
        const client = await join(server, { nsp });
        const events = [];
        client.socket.onAny((event) => events.push(event));
        await admin.query(`SELECT sio_emit($1, '{room}', 'e')`, [nsp]);
        if (deaf) await never('it arrives', () => events.length > 0, { during: 500 });
        else await until('it arrives', () => events.length > 0);
        assert.deepEqual(Object.keys(await wrong(admin, nsp)), ['channel', 'servers']);
      });
    }

    /** 0.1 and 0.2 have no errorHandler: an error without a listener would end the process. */
    function quietly({ io, pool, createAdapter }) {
      io.adapter(createAdapter(pool));
      io.of('/').adapter.on('error', () => {});
    }

    describe('a Node cluster', () => {
      let program;
      before(() => { program = page.take('js', 'setupPrimary'); });

      const run = async (text) => {
        const port = await freePort();
        const started = keep(startProgram(text, { DATABASE_URL: postgres.url({ user: SERVERS_ROLE }), PORT: String(port) }));
        const url = `http://127.0.0.1:${port}`;
        return { ...started, url };
      };

      /** A client that receives what it should, binary as `data`. */
      async function receives(started, data) {
        const client = await until('the cluster answers', () => connectClient(started).catch(() => undefined), { every: 200 });
        keep(client);
        await until('it hears', async () => (await admin.query('SELECT FROM sio_servers()')).rowCount === 2, { every: 200 });
        await admin.query(`SELECT sio_emit('/', '{customer:1}', 'e'), sio_emit_binary('/', '{customer:1}', 'binary', '\\x41')`);
        assert.deepEqual(await client.take(2), [['e'], ['binary', data]], started.output());
      }

      it('hears as the page has it', async () => {
        await receives(await run(program), Buffer.from('A'));
      });

      it('throws without the first line', async () => {
        const started = await run(program.replace(/.*createRequire\(import.*\n/, ''));
        assert.notEqual(await started.ended(), 0);
        assert.match(started.output(), /reading 'isPrimary'/);
      });

      it('makes binary something else without the second', async () => {
        await receives(await run(program.replace(/.*serialization.*\n/, '')), { type: 'Buffer', data: [65] });
        assert.ok(page.text.includes(`{ type: 'Buffer', data: […] }`));
      });

      it('hears nothing without the third', async () => {
        const started = await run(program.replace(/.*io\.adapter.*\n/, ''));
        const client = keep(await until('the cluster answers', () => connectClient(started).catch(() => undefined), { every: 200 }));
        await lost(client);
      });
    });
  });
}
