// Who may do what, and with which grants.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { call, FUNCTIONS, LIVE_FUNCTIONS, QUESTIONS, QUEUE_FUNCTIONS, SENDERS } from '../../harness/functions.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import {
  createRoles, EMITTER_ROLE, grantExecute, MEMBER_FUNCTIONS, OFFICIAL_TABLE, prepareDatabase, SERVER_GRANTS, SERVERS_ROLE,
} from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until } from '../../harness/wait.js';

describe('privileges', () => {
  let postgres, admin, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'rights' });
    admin = await prepareDatabase(postgres);
    await createRoles(admin, 'nobody');
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  async function as(user, work, options) {
    const session = await postgres.connect({ user, ...options });
    try {
      return await work(session);
    } finally {
      await session.end();
    }
  }

  const binary = `SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`;

  describe('of functions', () => {
    // What sio_watches calls, and what event triggers call, as whoever alters a table.
    const OPEN = ['_sio.altered', '_sio.declaration', '_sio.dropped', '_sio.problem', '_sio.protect'];

    it('are granted to nobody: neither PUBLIC nor any role', async () => {
      const { rows: all } = await admin.query(`
        SELECT f.name, p.proacl::text AS acl FROM (${MEMBER_FUNCTIONS}) f JOIN pg_proc p ON p.oid = f.oid`);
      const rows = all.filter(({ name }) => !OPEN.includes(name));
      assert.equal(rows.length, all.length - OPEN.length);
      const names = new Set(rows.map(({ name }) => name));
      const documented = [...FUNCTIONS, ...Object.keys(LIVE_FUNCTIONS), ...Object.keys(QUEUE_FUNCTIONS), ...Object.keys(QUESTIONS), 'sio_doctor'];
      for (const name of documented) assert.ok(names.has(name), `${name} is a member of the extension`);
      for (const { name, acl } of rows) {
        const granted = acl.replace(/^{|}$/g, '').split(',').map((item) => item.split('=')[0]);
        // What sio_status is made of.
        const monitors = name.startsWith('_sio.') ? ['pg_monitor'] : [];
        assert.deepEqual(granted.filter((role) => !['postgres', EMITTER_ROLE, ...monitors].includes(role)), [], `${name}: ${acl}`);
      }
      const { rows: open } = await admin.query(
        `SELECT name FROM (${MEMBER_FUNCTIONS}) f WHERE has_function_privilege('nobody', f.oid, 'EXECUTE')`,
      );
      assert.deepEqual(open.map(({ name }) => name), OPEN);
    });

    it('are all that is needed to call them: no right on the table, its sequence or its schema', async () => {
      await postgres.createDatabase('other');
      const other = await postgres.connect({ database: 'other' });
      await other.query(`CREATE SCHEMA closed; CREATE EXTENSION socketio_emitter SCHEMA closed;
                         GRANT USAGE ON SCHEMA closed TO nobody`);
      await grantExecute(other, 'nobody');
      const heard = await listen(postgres, { database: 'other' });
      await as('nobody', async (session) => {
        for (const name of FUNCTIONS) await session.query(call(name, {}, 'closed'));
        for (const attempt of [
          'SELECT * FROM closed.socket_io_attachments', 'DELETE FROM closed.socket_io_attachments',
          'INSERT INTO closed.socket_io_attachments DEFAULT VALUES', `SELECT nextval('closed.socket_io_attachments_id_seq')`,
        ]) {
          await refused(session, attempt, '42501');
        }
      }, { database: 'other' });
      assert.equal((await heard.texts()).length, SENDERS.length);
      await heard.close();
      await other.end();
      await postgres.dropDatabase('other');
    });

    it('don\'t come with the right to emit through another one', async () => {
      await admin.query('GRANT EXECUTE ON FUNCTION sio_emit TO nobody');
      await as('nobody', async (session) => {
        await session.query(`SELECT sio_emit('/', '{}', 'e')`);
        await refused(session, binary, '42501', { says: 'sio_emit_binary' });
        await refused(session, 'SELECT sio_cleanup()', '42501', { says: 'sio_cleanup' });
      });
      await admin.query('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM nobody');
    });
  });

  describe('of the table', () => {
    it('are its owner\'s until granted', async () => {
      const { rows } = await admin.query(`
        SELECT r.rolname, c.relname, p.privilege
          FROM pg_roles r, pg_class c, (VALUES ('SELECT'), ('UPDATE')) p (privilege)
         WHERE r.rolname IN ('nobody', '${EMITTER_ROLE}') AND c.relname LIKE 'socket\\_io\\_attachments%'
           AND CASE c.relkind WHEN 'r' THEN has_table_privilege(r.oid, c.oid, p.privilege)
                              WHEN 'S' THEN has_sequence_privilege(r.oid, c.oid, p.privilege) END`);
      assert.deepEqual(rows, []);
    });

    const GRANTS = SERVER_GRANTS.split('\n').flatMap((grant) => {
      const [, privileges, object] = /^GRANT (.*) ON (.*) TO /.exec(grant);
      return privileges.split(', ').map((privilege) => [privilege, object]);
    });

    it('are enough for the servers\' own statements, as documented', async () => {
      await as(SERVERS_ROLE, async (session) => {
        for (const statement of SERVERS_STATEMENTS) await session.query(statement);
      });
    });

    it('are not enough for CREATE TABLE IF NOT EXISTS, which the servers have no need of any more', async () => {
      await as(SERVERS_ROLE, (session) => refused(session, OFFICIAL_TABLE.replace('TABLE', 'TABLE IF NOT EXISTS'), '42501'));
    });

    for (const [privilege, object] of GRANTS) {
      it(`are no more than the servers need: ${privilege} on ${object}`, async () => {
        await admin.query(`REVOKE ${privilege} ON ${object} FROM ${SERVERS_ROLE}`);
        try {
          const failed = await as(SERVERS_ROLE, async (session) => {
            const codes = [];
            for (const statement of SERVERS_STATEMENTS) await session.query(statement).catch(({ code }) => codes.push(code));
            return codes;
          });
          assert.ok(failed.length > 0 && failed.every((code) => code === '42501'), `failed: ${failed}`);
        } finally {
          await admin.query(SERVER_GRANTS);
        }
      });
    }

    it('let servers serve with just those', async () => {
      const servers = await startServers(postgres);
      const clients = await Promise.all(servers.map((server) => connectClient(server)));
      // Emitted by a server: its own INSERT.
      servers[0].io.emit('large', 'x'.repeat(9_000));
      for (const client of clients) assert.deepEqual((await client.take(1))[0][0], 'large');
      await as(EMITTER_ROLE, async (session) => {
        await session.query(binary);
        assert.deepEqual(await received(session, clients), Array(3).fill([['e', Buffer.from('A')]]));
      });
      assert.deepEqual(servers.flatMap((server) => server.errors), []);
      await closeAll(clients, servers);
    });

    it('let servers clean with just those', async () => {
      await admin.query(`INSERT INTO socket_io_attachments (created_at) VALUES (now() - interval '1 hour')`);
      const servers = await startServers(postgres, { options: { cleanupInterval: 100 } });
      await until('the old row is gone', async () => (await admin.query('SELECT FROM socket_io_attachments')).rowCount === 0);
      assert.deepEqual(servers.flatMap((server) => server.errors), []);
      await closeAll(servers);
    });
  });
});

/** What every release of the adapter runs on its pool, and LISTEN and NOTIFY, which need no right. */
const SERVERS_STATEMENTS = [
  `INSERT INTO socket_io_attachments (payload) VALUES ('\\x00') RETURNING id`,
  'SELECT payload FROM socket_io_attachments WHERE id = 1',
  `DELETE FROM socket_io_attachments WHERE created_at < now() - interval '30000 milliseconds'`,
];
