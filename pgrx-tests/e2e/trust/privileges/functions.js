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
