// docs/privileges.md, of functions and of watched tables: each line with what shows that it is right.
import assert from 'node:assert/strict';
import { connectClient } from '../../../harness/clients.js';
import { refused } from '../../../harness/refusals.js';
import { ATTACHMENTS } from './deployment.js';

export default {
  '`EXECUTE` on `sio_emit`, `sio_emit_args`, `sio_emit_binary`': ({ mayNot, arrived, executes }) => executes({
    sio_emit: `SELECT sio_emit('/', '{inside}', 'one', '1')`,
    sio_emit_args: `SELECT sio_emit_args('/', '{inside}', 'two', '{1,2}')`,
    sio_emit_binary: `SELECT sio_emit_binary('/', '{}', 'three', '\\x41')`,
  }, async () => {
    assert.deepEqual(await arrived(), [['one', 1], ['two', 1, 2], ['three', Buffer.from('A')]]);
    await mayNot(`SELECT * FROM ${ATTACHMENTS}`);
  }),

  '`EXECUTE` on `sio_server_side_emit`, `sio_server_side_emit_args`': async ({ server, arrived, executes }) => {
    server.hear('between');
    await executes({
      sio_server_side_emit: `SELECT sio_server_side_emit('/', 'between', '1')`,
      sio_server_side_emit_args: `SELECT sio_server_side_emit_args('/', 'between', '{1,2}')`,
    }, async () => {
      await arrived();
      assert.deepEqual(server.heard, [['/', 'between', 1], ['/', 'between', 1, 2]]);
    });
  },

  '`EXECUTE` on `sio_sockets_join`, `sio_sockets_leave`': ({ app, arrived, executes }) => executes({
    sio_sockets_join: `SELECT sio_sockets_join('/', '{inside}', '{secret}')`,
    sio_sockets_leave: `SELECT sio_sockets_leave('/', '{nobody}', '{secret}')`,
  }, async () => {
    await app.query(`SELECT sio_emit('/', '{secret}', 'secret')`);
    assert.deepEqual(await arrived(), [['secret']]);
  }),

  '`EXECUTE` on `sio_disconnect_sockets`': async ({ server, executes }) => {
    const victim = await connectClient(server, { rooms: ['victims'] });
    await executes({ sio_disconnect_sockets: `SELECT sio_disconnect_sockets('/', '{victims}', true)` }, () => victim.gone);
  },

  '`EXECUTE` on `sio_watch`, `sio_unwatch`': async ({ admin, grant, may, mayNot, executes }) => {
    await may('CREATE TEMP TABLE mine (id int)');
    await executes({ sio_unwatch: `SELECT sio_unwatch('mine')` });
    await grant('EXECUTE ON FUNCTION sio_watch');
    await mayNot(`SELECT sio_watch('mine', '{staff}')`);
    await grant('EXECUTE ON FUNCTION sio_emit_changes');
    await may(`SELECT sio_watch('mine', '{staff}')`);
    await mayNot(`SELECT sio_watch('notes', '{staff}')`);
    await grant('TRIGGER ON notes');
    await may(`SELECT sio_watch('notes', '{staff}')`);
    await mayNot(`SELECT sio_unwatch('notes')`);
    await admin.query(`SELECT sio_unwatch('notes')`);
  },

  '`EXECUTE` on `sio_emit_changes`': async ({ admin, grant, may, mayNot, arrived }) => {
    const trigger = 'CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION sio_emit_changes()';
    await grant('TRIGGER ON notes');
    await mayNot(trigger);
    await grant('EXECUTE ON FUNCTION sio_emit_changes');
    await may(trigger);
    await mayNot('SELECT * FROM notes');
    await admin.query(`INSERT INTO notes VALUES (1, 'x')`);
    assert.deepEqual(await arrived(), [['notes:insert', { id: 1, room: 'x' }]]);
    await admin.query('DROP TRIGGER t ON notes');
  },

  '`EXECUTE` on `sio_row`': async ({ admin, grant, may, mayNot, executes }) => {
    await admin.query(`INSERT INTO notes VALUES (1, 'x'), (2, 'y'); SELECT sio_watch('notes', '{staff}', except_columns => '{room}')`);
    await executes({ sio_row: `SELECT sio_row(ROW(3, 'made up')::notes)` });
    await grant('EXECUTE ON FUNCTION sio_row');
    const rows = async () => (await may('SELECT sio_row(n) AS sent FROM notes n ORDER BY id')).rows.map(({ sent }) => sent);
    await mayNot('SELECT sio_row(n) FROM notes n');
    await grant('SELECT (id) ON notes');
    await mayNot('SELECT sio_row(n) FROM notes n');
    await grant('SELECT ON notes');
    assert.deepEqual(await rows(), [{ id: 1 }, { id: 2 }]);
    await admin.query(`ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY one ON notes USING (id = 1)`);
    assert.deepEqual(await rows(), [{ id: 1 }]);
    await admin.query(`DROP POLICY one ON notes; ALTER TABLE notes DISABLE ROW LEVEL SECURITY; SELECT sio_unwatch('notes'); TRUNCATE notes`);
  },

  '`EXECUTE` on `sio_snapshot`': ({ may, executes }) => executes({ sio_snapshot: 'SELECT sio_snapshot()' }, async () => {
    const { rows: [{ same }] } = await may('SELECT sio_snapshot() = pg_current_snapshot()::text AS same');
    assert.equal(same, true);
  }),

  '`EXECUTE` on `sio_servers`': ({ server, executes }) => executes({ sio_servers: 'SELECT uid FROM sio_servers()' },
    async ({ sio_servers: { rows } }) => assert.deepEqual(rows, [{ uid: server.io.of('/').adapter.uid }])),

  '`EXECUTE` on `sio_fetch_sockets`, `sio_is_online`': ({ executes }) => executes({
    sio_fetch_sockets: `SELECT rooms, handshake FROM sio_fetch_sockets('/', '{inside}')`, sio_is_online: `SELECT sio_is_online('/', '{inside}') AS is`,
  }, async ({ sio_fetch_sockets: { rows }, sio_is_online: online }) => {
    assert.ok(rows.length > 0 && rows.every(({ rooms, handshake }) => rooms.includes('inside') && handshake === null));
    assert.deepEqual(online.rows, [{ is: true }]);
  }),

  '`EXECUTE` on `sio_fetch_sockets_with_handshake`': ({ executes }) => executes({
    sio_fetch_sockets_with_handshake: `SELECT handshake FROM sio_fetch_sockets_with_handshake('/', '{inside}')`,
  }, async ({ sio_fetch_sockets_with_handshake: { rows } }) => assert.ok(rows.length > 0 && rows.every(({ handshake }) => handshake.auth))),

  '`EXECUTE` on `sio_server_side_emit_with_ack`': ({ server, executes }) => {
    server.io.on('asked', (done) => done('secret'));
    return executes({ sio_server_side_emit_with_ack: `SELECT answer FROM sio_server_side_emit_with_ack('/', 'asked')` },
      async ({ sio_server_side_emit_with_ack: { rows } }) => assert.deepEqual(rows, [{ answer: 'secret' }]));
  },

  '`EXECUTE` on `sio_doctor`': async ({ admin, grant, may, mayNot }) => {
    await mayNot('SELECT * FROM sio_doctor()');
    await grant('EXECUTE ON FUNCTION sio_doctor, sio_servers, sio_encode');
    await grant('SELECT ON sio_failed, sio_watches');
    await mayNot('SELECT * FROM sio_doctor()');
    await admin.query('GRANT pg_monitor TO someone');
    assert.ok((await may('SELECT * FROM sio_doctor()')).rows.length > 10);
    await admin.query('REVOKE pg_monitor FROM someone');
  },

  '`EXECUTE` on `sio_check`': async ({ admin, mayNot, executes }) => {
    await executes({ sio_check: 'SELECT sio_check()' });
    await admin.query(`SELECT sio_watch('notes', '{staff}')`);
    await mayNot('SELECT * FROM sio_watches');
    await admin.query(`SELECT sio_unwatch('notes')`);
  },

  '`EXECUTE` on `sio_typescript`': ({ executes }) => executes({ sio_typescript: 'SELECT sio_typescript()' }),

  '`EXECUTE` on `sio_buffer`, `sio_encode`': ({ listener, executes }) => executes({
    sio_buffer: 'SELECT sio_buffer(0)', sio_encode: `SELECT * FROM sio_encode('/', '{}', 'e', '1')`,
  }, async () => assert.deepEqual(await listener.texts(), [])),

  '`EXECUTE` on `sio_deliver`': async ({ admin, app, may, arrived, executes }) => {
    await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'queued'); COMMIT`);
    await executes({ sio_deliver: 'SELECT sio_deliver()' }, async () => assert.deepEqual(await arrived(), [['queued']]));
    await may('BEGIN; SELECT sio_deliver(0)');
    await refused(admin, `SET lock_timeout = '10ms'; SELECT sio_deliver()`, '55P03');
    await may('COMMIT');
  },

  '`EXECUTE` on `sio_wait_delivered`': async ({ app, may, mayNot, executes }) => {
    await executes({ sio_wait_delivered: 'SELECT sio_wait_delivered()' });
    await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'queued'); COMMIT`);
    assert.deepEqual((await may(`SELECT sio_wait_delivered('0') AS none`)).rows, [{ none: false }]);
    await mayNot('SELECT * FROM _sio.queue');
  },

  '`EXECUTE` on `sio_retry`, `sio_discard`': async ({ admin, mayNot, executes, fail }) => {
    const [one, two] = await fail();
    await executes({ sio_retry: `SELECT sio_retry(${one})`, sio_discard: `SELECT sio_discard(${two})` });
    assert.equal((await admin.query('SELECT FROM sio_failed')).rowCount, 0);
    assert.equal((await admin.query('SELECT FROM _sio.queue')).rowCount, 1);
    await mayNot('SELECT * FROM sio_failed');
  },

  '`EXECUTE` on `sio_cleanup`': async ({ admin, executes, attach }) => {
    await attach();
    await executes({ sio_cleanup: `SELECT sio_cleanup('0')` });
    assert.equal((await admin.query(`SELECT FROM ${ATTACHMENTS}`)).rowCount, 0);
  },

  '`TRIGGER` on a table': async ({ grant, mayNot }) => {
    await grant('TRIGGER ON notes');
    await mayNot('CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION sio_emit_changes()');
  },
};
