// Causes for which only what travels through the table is lost.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { ADAPTERS } from '../../../harness/adapters.js';
import { askedAgain } from '../../../harness/asking.js';
import { startAdapterServer, untilHearing } from '../../../harness/bare-server.js';
import { connectClient, received } from '../../../harness/clients.js';
import { evaluate } from '../../../harness/page.js';
import { startProgram } from '../../../harness/reader.js';
import { serverGrantsIn, SERVERS_ROLE } from '../../../harness/roles.js';
import { closeAll } from '../../../harness/servers.js';
import { until } from '../../../harness/wait.js';

const EMIT_ALL = `SELECT sio.sio_emit('/', '{room}', 'short'), sio.sio_emit('/', '{room}', 'long', to_jsonb(repeat('x', 9000))),
  sio.sio_emit_binary('/', '{room}', 'binary', '\\x41')`;

const PROGRAM = `
  import adapter from '@socket.io/postgres-adapter';
  import pg from 'pg';
  import { Server } from 'socket.io';
  const io = new Server(0);
  io.adapter(adapter.createAdapter(new pg.Pool({ connectionString: process.env.DATABASE_URL }), { errorHandler: console.error }));`;

export function attachmentCauses(context) {
  const { page, says } = context;
  describe('only long and binary events are lost', () => {
    let postgres, admin, server, client;

    before(async () => {
      ({ postgres } = context);
      await postgres.createDatabase('app');
      admin = await postgres.connect({ database: 'app' });
      await admin.query(`CREATE SCHEMA sio; CREATE EXTENSION socketio_emitter SCHEMA sio; ${serverGrantsIn('sio')}`);
    });

    afterEach(async () => {
      await closeAll([client, server].filter(Boolean));
      [client, server] = [];
    });
    after(() => admin?.end());

    async function start(setUp) {
      server = await startAdapterServer({ connection: { connectionString: postgres.url({ user: SERVERS_ROLE, database: 'app' }), max: 2 }, setUp });
      await untilHearing(admin, server);
      client = await connectClient(server, { rooms: ['room'] });
    }

    /** That all but the short event is lost, with that error for each, and what the doctor finds. */
    async function lost(error, findings = []) {
      await admin.query(EMIT_ALL);
      assert.deepEqual(await client.take(1), [['short']]);
      await until('both errors are reported', () => server.errors.length >= 2);
      assert.deepEqual(server.errors.splice(0), [error, error]);
      await askedAgain(async () => {
        const { rows } = await admin.query('SELECT * FROM sio.sio_doctor() WHERE NOT ok');
        assert.deepEqual(rows.map(({ check }) => check), findings);
      });
    }

    it('by a forgotten tableName, which the doctor cannot see', async () => {
      await start();
      await lost(says('relation "socket_io_attachments" does not exist'));
    });

    it('by another table of that name', async () => {
      await admin.query(`CREATE TABLE public.socket_io_attachments (LIKE sio.socket_io_attachments); GRANT SELECT ON public.socket_io_attachments TO ${SERVERS_ROLE}`);
      await start();
      await lost(says(`Cannot read properties of undefined (reading 'payload')`));
      await admin.query('DROP TABLE public.socket_io_attachments');
    });

    for (const version of ADAPTERS) {
      const ends = version <= '0.1.1';
      it(`by a forgotten tableName, which ${ends ? 'ends the process' : 'an errorHandler hears'} (adapter ${version})`, async () => {
        assert.ok(page.text.includes('Adapters 0.1.0 and 0.1.1 have no such option'));
        const program = startProgram(PROGRAM, { DATABASE_URL: postgres.url({ user: SERVERS_ROLE, database: 'app' }) }, { adapter: version });
        try {
          await until('the server hears', async () => (await admin.query('SELECT FROM sio.sio_servers()')).rowCount === 1);
          await admin.query(EMIT_ALL);
          await until('it says so', () => program.output().includes('relation "socket_io_attachments" does not exist'));
          if (ends) assert.notEqual(await program.ended(), 0);
          else await askedAgain(async () => assert.equal((await admin.query('SELECT FROM sio.sio_servers()')).rowCount, 1, 'it is there'));
        } finally {
          await program.close();
        }
      });
    }

    it('by a missing privilege, until it is granted; and by none with the tableName', async () => {
      const setUp = page.take('js', 'tableName');
      const errors = [];
      const console = { error: ({ message }) => errors.push(message) };
      await start((bindings) => evaluate(setUp, { ...bindings, console }));
      await admin.query(`REVOKE SELECT ON sio.socket_io_attachments FROM ${SERVERS_ROLE}`);
      server.errors = errors;
      await lost(says('permission denied for table socket_io_attachments'), ['attachments table']);
      await admin.query(serverGrantsIn('sio'));
      await admin.query(EMIT_ALL);
      const [events] = await received(admin, [client], { schema: 'sio' });
      assert.deepEqual(events.map(([event]) => event).sort(), ['binary', 'long', 'short']);
      assert.deepEqual(errors, []);
    });
  });
}
