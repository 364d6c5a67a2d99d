// docs/privileges.md, of settings, and of what takes no privilege.
import assert from 'node:assert/strict';
import { startPostgres } from '../../../harness/postgres.js';
import { PRELOAD, untilWorker } from '../../../harness/queue.js';
import { refused } from '../../../harness/refusals.js';
import { until } from '../../../harness/wait.js';
import { ATTACHMENTS } from './deployment.js';

export default {
  'any role that can connect': async ({ app, someone, may, mayNot, arrived }) => {
    await may('LISTEN "socket.io#/"');
    const overheard = [];
    someone.on('notification', ({ payload }) => {
      const message = JSON.parse(payload);
      if (message.uid === 'emitter') overheard.push(message); // servers tell each other that they are there
    });
    await app.query(`SELECT sio_emit('/', '{}', 'confidential', '"text"')`);
    await until('it is overheard', () => overheard.length > 0);
    assert.deepEqual(overheard[0].data.packet.data, ['confidential', 'text']);
    // With contents in the table, this is what shows.
    await app.query(`SET socketio_emitter.payload_threshold = 1; SELECT sio_emit('/', '{room}', 'confidential', '"text"'); RESET ALL`);
    await until('it is overheard', () => overheard.length > 1);
    assert.deepEqual(overheard[1], { uid: 'emitter', type: 3, attachmentId: overheard[1].attachmentId });
    await mayNot(`SELECT payload FROM ${ATTACHMENTS}`);
    assert.deepEqual(await arrived(), [['confidential', 'text']]);
  },

  'any role that can connect, too': async ({ app, someone, arrived }) => {
    const { rows: [{ message }] } = await app.query(`SELECT message::text FROM sio_encode('/', '{}', 'forged', '1')`);
    await someone.query(`SELECT pg_notify('socket.io#/', $1)`, [message]);
    assert.deepEqual(await arrived(), [['forged', 1]]);
  },

  'anyone, of `channel_prefix`, `payload_threshold`, `require_rooms`, `max_binaries`, `delivery`': async ({ grant, may, arrived }) => {
    await grant('EXECUTE ON FUNCTION sio_emit');
    await may(`SELECT sio_emit('/', '{}', 'e')`);
    await arrived();
    for (const [name, value] of Object.entries({ channel_prefix: 'mine', payload_threshold: 1, require_rooms: 'on', max_binaries: 0, delivery: 'queue' })) {
      await may(`SET socketio_emitter.${name} = '${value}'`);
    }
    await may(`RESET ALL; SET socketio_emitter.channel_prefix = 'mine'; SELECT sio_emit('/', '{}', 'e')`);
    assert.deepEqual(await arrived(), []);
  },

  'superuser, of `table_name`, `cleanup_interval`, `restart_delay`': async ({ admin, grant, may, mayNot }) => {
    await grant('EXECUTE ON FUNCTION sio_buffer');
    await may('SELECT sio_buffer(0)');
    for (const name of ['table_name', 'cleanup_interval', 'restart_delay']) {
      await mayNot(`SET socketio_emitter.${name} = DEFAULT`);
      await admin.query(`SELECT sio_buffer(0); SET socketio_emitter.${name} = DEFAULT`);
    }
  },

  'superuser, of `max_questions`, in the configuration': async ({ admin, grant, may, mayNot }) => {
    await grant('EXECUTE ON FUNCTION sio_buffer');
    await may('SELECT sio_buffer(0)');
    await mayNot('ALTER SYSTEM SET socketio_emitter.max_questions = 9');
    await refused(admin, 'SELECT sio_buffer(0); SET socketio_emitter.max_questions = 9', '55P02');
    await admin.query('ALTER SYSTEM SET socketio_emitter.max_questions = 9');
    await admin.query('ALTER SYSTEM RESET socketio_emitter.max_questions');
  },

  '`GRANT SET ON PARAMETER`': async ({ grant, may, mayNot }) => {
    await grant('EXECUTE ON FUNCTION sio_buffer', 'SET ON PARAMETER socketio_emitter.table_name');
    await may(`SELECT sio_buffer(0); SET socketio_emitter.table_name = 'another'`);
    await mayNot('SET socketio_emitter.cleanup_interval = 0');
  },

  'superuser, of `shared_preload_libraries`': async ({ admin, mayNot }) => {
    await mayNot(`ALTER SYSTEM SET shared_preload_libraries = 'socketio_emitter'`);
    await refused(admin, `SET shared_preload_libraries = 'socketio_emitter'`, '55P02');
    const preloaded = await startPostgres({ name: 'privileges-preloaded', conf: PRELOAD });
    const boss = await preloaded.connect();
    await boss.query('CREATE EXTENSION socketio_emitter');
    await untilWorker(boss);
    await preloaded.stop();
  },
};
