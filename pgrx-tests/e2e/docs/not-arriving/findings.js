// What the doctor finds, by each of its checks, until it is mended as the page says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectClient } from '../../../harness/clients.js';
import { PG_MAJOR } from '../../../harness/postgres.js';
import { SERVERS_ROLE } from '../../../harness/roles.js';
import { closeAll, startServers } from '../../../harness/servers.js';
import { until } from '../../../harness/wait.js';

export function findings(context) {
  const { page, says, well, wrong } = context;
  describe('has for each finding of the doctor what mends it:', () => {
    let postgres, admin, servers, client;

    before(async () => {
      ({ postgres, admin } = context);
      // They don't delete an old attachment before it is found.
      servers = await startServers(postgres, { count: 1, namespaces: ['/', '/custom'], options: { cleanupInterval: 3_600_000 } });
      client = await connectClient(servers[0], { rooms: ['customer:1'] });
      await well();
    });

    after(() => closeAll([client].filter(Boolean), servers ?? []));

    /** `breaks` makes that check not ok (and no other), and `mends`, from the page, makes all well. */
    function finding(check, breaks, mends, { skip = false } = {}) {
      it(check, { skip }, async () => {
        await run(breaks);
        const found = await wrong();
        assert.ok(found[check], JSON.stringify(found));
        await run(mends);
        await well();
      });
    }

    const run = (step) => (typeof step === 'string' ? admin.query(step) : step());

    it('all that there are', async () => {
      const { rows } = await admin.query('SELECT "check" FROM sio_doctor()');
      const section = page.text.split('## What the doctor finds')[1].split('\n## ')[0];
      const named = [...section.matchAll(/^\| `(.+?)` \|/gm)].map(([, name]) => name);
      assert.deepEqual(named, rows.map(({ check }) => check));
    });

    finding('namespaces', `CREATE TABLE misspelt (id int); SELECT sio_watch('misspelt', '{room}', ns => '/chta')`, async () => {
      says(`io.of('/chat')`);
      await admin.query(`SELECT sio_watch('misspelt', '{room}', ns => '/custom')`);
      await well();
      await admin.query('DROP TABLE misspelt');
    });

    finding('attachments table', `REVOKE INSERT, DELETE ON socket_io_attachments FROM ${SERVERS_ROLE}`,
      () => admin.query(says('GRANT SELECT, INSERT, DELETE ON socket_io_attachments TO socketio_servers')));

    finding('attachments replica identity', 'CREATE PUBLICATION everything FOR ALL TABLES; ALTER TABLE socket_io_attachments REPLICA IDENTITY NOTHING',
      async () => {
        await admin.query(says('ALTER TABLE socket_io_attachments REPLICA IDENTITY FULL'));
        await well();
        await admin.query('DROP PUBLICATION everything');
      });

    finding('oldest attachment', `INSERT INTO socket_io_attachments (created_at) VALUES (now() - interval '1 hour')`,
      () => admin.query(says('SELECT sio_cleanup()')));

    finding('delivery', `SET socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{customer:1}', 'queued')`, async () => {
      await admin.query(says('SELECT sio_deliver()'));
      assert.deepEqual(await client.take(1), [['queued']]);
      await admin.query(says('RESET socketio_emitter.delivery'));
    });

    const waitsFor = (interval) => `SET session_replication_role = replica; ALTER TABLE _sio.queue NO FORCE ROW LEVEL SECURITY;
      UPDATE _sio.queue SET queued_at = now() - interval '${interval}'; ALTER TABLE _sio.queue FORCE ROW LEVEL SECURITY; RESET session_replication_role`;
    finding('queue', `SET socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{customer:1}', 'queued'); ${waitsFor('1 hour')}`, async () => {
      says('last_error');
      await admin.query('SELECT sio_deliver(); RESET ALL');
      await client.take(1);
    });

    // The table changes before the message is sent so that it can't be.
    const fails = `SET socketio_emitter.delivery = 'queue'; SELECT sio_emit_binary('/', '{customer:1}', 'failed', '\\x41');
      ALTER TABLE socket_io_attachments ADD CONSTRAINT positive CHECK (id > 0); SELECT sio_deliver();
      ALTER TABLE socket_io_attachments DROP CONSTRAINT positive; RESET ALL`;
    finding('failed messages', fails, async () => {
      assert.equal((await admin.query(says('SELECT * FROM sio_failed'))).rows.length, 1);
      await admin.query(`${says('SELECT sio_retry()')}; SELECT sio_deliver()`);
      assert.deepEqual(await client.take(1), [['failed', Buffer.from('A')]]);
    });
    finding('failed messages', fails, () => admin.query(says('SELECT sio_discard()')));

    finding('watches', `CREATE TABLE orders (id int PRIMARY KEY); SELECT sio_watch('orders', '{customer:1}'); ALTER TABLE orders DISABLE TRIGGER sio_watch`, async () => {
      await admin.query(says('ALTER TABLE orders ENABLE TRIGGER sio_watch'));
      await admin.query('INSERT INTO orders VALUES (1)');
      assert.equal((await client.take(1))[0][0], 'orders:insert');
      await admin.query(`SELECT ${says('sio_check()')}`);
      await admin.query('DROP TABLE orders');
    });

    // That the statement mends it: install/upgrade.test.js.
    finding('versions', `UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'socketio_emitter'`, async () => {
      says('ALTER EXTENSION socketio_emitter UPDATE');
      await admin.query(`UPDATE pg_extension SET extversion = _sio.library_version() WHERE extname = 'socketio_emitter'`);
    });

    let lazy;
    const usage = async () => (await admin.query('SELECT pg_notification_queue_usage() AS usage')).rows[0].usage;
    finding('notification queue', async () => {
      lazy = await postgres.connect();
      // Apart: BEGIN would take LISTEN into its transaction.
      await lazy.query('LISTEN lazy');
      await lazy.query('BEGIN');
      await until('it is half full', async () => {
        await admin.query(`SELECT count(pg_notify('other', repeat('x', 7900) || i)) FROM generate_series(1, 5) i`);
        return await usage() > 0.5;
      });
    }, async () => {
      says('SELECT pg_terminate_backend(…)');
      lazy.on('error', () => {});
      await admin.query('SELECT pg_terminate_backend($1)', [lazy.processID]);
      await until('it is empty', async () => {
        await admin.query(`SELECT pg_notify('other', 'x')`);
        return await usage() < 0.1;
      });
    }, { skip: PG_MAJOR < 17 && 'its length is fixed before Postgres 17, and 8 GB' });
  });
}
