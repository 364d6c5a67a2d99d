// A question's process runs as the bootstrap superuser, in a database of somebody's: their settings change nothing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askedAgain, rowsOf, untilNothingIsLeft } from '../../harness/asking.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

const LARGE = 9_000;

const HOSTILE = {
  search_path: 'nowhere', client_encoding: 'SJIS', statement_timeout: '1ms', lock_timeout: '1ms', idle_in_transaction_session_timeout: '1ms',
  default_transaction_isolation: 'serializable', default_transaction_read_only: 'on', default_transaction_deferrable: 'on', exit_on_error: 'on',
  synchronous_commit: 'remote_apply', commit_delay: '100000', commit_siblings: '0', client_min_messages: 'debug5', log_min_messages: 'debug5',
  trace_notify: 'on', track_activities: 'off', enable_indexscan: 'off', application_name: 'hostile', ignore_system_indexes: 'on',
  'socketio_emitter.channel_prefix': 'elsewhere', 'socketio_emitter.table_name': 'nowhere', 'socketio_emitter.payload_threshold': '1',
  'socketio_emitter.delivery': 'queue',
};

describe('a question whose process has hostile settings', () => {
  let postgres, admin, app, servers;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-settings' });
    const first = await prepareDatabase(postgres);
    await first.query('CREATE ROLE boss SUPERUSER LOGIN');
    admin = await postgres.connect({ user: 'boss' });
    app = await postgres.connect({ user: EMITTER_ROLE });
    servers = await startServers(postgres);
    for (const server of servers) server.io.on('large', (text, done) => done(text));
    const { rows } = await admin.query('SELECT name, context FROM pg_settings');
    const known = new Map(rows.map(({ name, context }) => [name, context]));
    for (const [name, value] of Object.entries(HOSTILE)) {
      // Ours become known with the library; Postgres keeps the others' contexts. trace_notify and log_min_messages flood the log.
      if (!name.startsWith('socketio_emitter.') && !known.has(name)) continue;
      if (['ignore_system_indexes', 'commit_siblings'].includes(name) && known.get(name) === 'backend') continue;
      await admin.query(`ALTER ROLE postgres SET ${admin.escapeIdentifier(name)} = ${admin.escapeLiteral(value)}`);
    }
    await first.end();
  });

  after(async () => {
    await closeAll(servers ?? []);
    await untilNothingIsLeft(admin);
    await postgres?.stop();
  });

  it('asks as if it had none', async () => {
    await askedAgain(async () => assert.equal((await rowsOf(app, 'SELECT FROM sio_servers()')).length, 3));
    const text = 'é😀'.repeat(LARGE);
    const rows = await rowsOf(app, `SELECT answer FROM sio_server_side_emit_with_ack('/', 'large', ARRAY[to_jsonb($1::text)], servers => 3)`, [text]);
    assert.deepEqual(rows.map(({ answer }) => answer), [text, text, text]);
    assert.deepEqual(await rowsOf(app, `SELECT sio_is_online('/', '{a}') AS online`), [{ online: false }]);
  });

  it('asks with the settings of who asks', async () => {
    await app.query(`SET socketio_emitter.channel_prefix = 'another'`);
    assert.deepEqual(await rowsOf(app, 'SELECT * FROM sio_servers()'), []);
    await app.query('RESET socketio_emitter.channel_prefix; SET socketio_emitter.payload_threshold = 1');
    const rows = await rowsOf(app, `SELECT answer FROM sio_server_side_emit_with_ack('/', 'large', ARRAY['"short"'::jsonb], servers => 3)`);
    assert.deepEqual(rows.map(({ answer }) => answer), Array(3).fill('short'));
    await app.query('RESET ALL');
  });
});
