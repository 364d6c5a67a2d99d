// Causes for which nothing is sent at all.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectClient, received } from '../../../harness/clients.js';
import { withoutMeta } from '../../../harness/live.js';
import { startStandby } from '../../../harness/postgres.js';
import { refused } from '../../../harness/refusals.js';
import { EMITTER_ROLE } from '../../../harness/roles.js';
import { closeAll, startServers } from '../../../harness/servers.js';

export function sendingCauses(context) {
  const { page, says, well, wrong } = context;
  describe('nothing is sent', () => {
    let postgres, admin, app, servers, client;

    before(async () => {
      ({ postgres, admin } = context);
      app = await postgres.connect({ user: EMITTER_ROLE });
      servers = await startServers(postgres, { count: 1 });
      client = await connectClient(servers[0], { rooms: ['customer:1'] });
    });

    after(async () => {
      await closeAll([client].filter(Boolean), servers ?? []);
      await app?.end();
    });

    const got = async () => (await received(admin, [client]))[0].map(withoutMeta);
    const emit = (session = app) => session.query(`SELECT sio_emit('/', '{customer:1}', 'e')`);

    it('while the transaction is open, and after a rollback', async () => {
      const waiting = page.take('sql', 'idle in transaction');
      for (const [end, arrives] of [['ROLLBACK', []], ['COMMIT', [['e']]]]) {
        await app.query('BEGIN');
        await emit();
        const { rows } = await admin.query(waiting);
        assert.deepEqual(rows.map(({ pid, usename, query }) => [pid, usename, query]), [[app.processID, EMITTER_ROLE, `SELECT sio_emit('/', '{customer:1}', 'e')`]]);
        assert.deepEqual(await got(), []);
        await app.query(end);
        assert.deepEqual(await got(), arrives);
        assert.deepEqual((await admin.query(waiting)).rows, []);
      }
    });

    it('with settings of another role, of a database or of a function', async () => {
      const settings = page.take('sql', 'pg_db_role_setting');
      assert.deepEqual((await admin.query(settings)).rows, []);
      await admin.query(`ALTER ROLE ${EMITTER_ROLE} SET socketio_emitter.channel_prefix = 'shop';
        CREATE FUNCTION emits() RETURNS void LANGUAGE sql SET socketio_emitter.channel_prefix = 'shop' AS $$ SELECT sio_emit('/', '{customer:1}', 'f') $$`);
      const other = await postgres.connect({ user: EMITTER_ROLE });
      await emit(other);
      await admin.query('SELECT emits()');
      assert.deepEqual(await got(), []);
      await well('the doctor cannot see it');
      const { rows } = await admin.query(settings);
      assert.deepEqual(rows.map(({ role, setconfig }) => [role, setconfig]), [
        [EMITTER_ROLE, ['socketio_emitter.channel_prefix=shop']], ['postgres', ['socketio_emitter.channel_prefix=shop', 'emits()']],
      ]);
      await other.end();
      await admin.query(`ALTER ROLE ${EMITTER_ROLE} RESET ALL; ALTER FUNCTION emits() RESET ALL; SELECT emits()`);
      assert.deepEqual(await got(), [['f']]);
      await admin.query('DROP FUNCTION emits()');
    });

    it('to a namespace with a typo', async () => {
      await app.query(`SELECT sio_emit('/chta', '{customer:1}', 'e')`);
      assert.deepEqual(await got(), []);
      await well('the doctor cannot see it');
      assert.deepEqual((await admin.query(`SELECT FROM ${says(`sio_servers('/chta')`)}`)).rows, []);
      says(`sio_doctor('/chta')`);
      assert.deepEqual(Object.keys(await wrong(admin, '/chta')), ['servers']);
    });

    it('by a standby, and in a read-only transaction', async () => {
      const standby = await startStandby(postgres, { name: 'docs-not-arriving-standby' });
      const reader = await standby.connect({ user: EMITTER_ROLE });
      await assert.rejects(emit(reader), ({ code, message }) => code === '25006' && page.text.includes(message));
      await app.query('BEGIN READ ONLY');
      await refused(app, `SELECT sio_emit('/', '{}', 'e')`, '25006');
      await app.query('ROLLBACK');
      await standby.stop();
    });

    it('by a table whose watch leaves it out, as the page lists it', async (t) => {
      t.after(() => admin.query('RESET ALL; DROP TABLE orders'));
      await admin.query(`CREATE TABLE orders (id int PRIMARY KEY, customer_id int, notes text);
        SELECT sio_watch('orders', '{customer:$customer_id}', event => 'order:$op', except_columns => '{notes}', filter => 'id < 100')`);
      const silent = async (why, sql) => {
        await admin.query(sql);
        assert.deepEqual(await got(), [], why);
      };
      await silent('its room is NULL', 'INSERT INTO orders VALUES (1, NULL)');
      await silent('the filter', 'INSERT INTO orders VALUES (100, 1)');
      await admin.query('INSERT INTO orders VALUES (2, 1)');
      assert.deepEqual(await got(), [['order:insert', { id: 2, customer_id: 1 }]]);
      await silent('nothing of it changes', `UPDATE orders SET notes = 'new', id = id`);
      await silent('TRUNCATE', 'TRUNCATE orders');
      await admin.query('INSERT INTO orders VALUES (2, 1)');
      await got();
      await silent('a replica', 'SET session_replication_role = replica; DELETE FROM orders; RESET session_replication_role');
      await admin.query(`${says('ALTER TABLE orders ENABLE ALWAYS TRIGGER sio_watch')};
        SET session_replication_role = replica; INSERT INTO orders VALUES (3, 1); RESET session_replication_role`);
      assert.deepEqual(await got(), [['order:insert', { id: 3, customer_id: 1 }]]);
      const { rows } = await admin.query(says('SELECT * FROM sio_watches'));
      assert.equal(rows[0].filter, '(id < 100)');
    });
  });
}
