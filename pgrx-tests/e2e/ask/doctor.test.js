// sio_doctor: each check right where all is well, and shown wrong once.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { askedAgain, rowsOf, uidOf } from '../../harness/asking.js';
import { PG_MAJOR, startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase, SERVER_GRANTS, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until } from '../../harness/wait.js';

const CHECKS = [
  'channel', 'servers', 'namespaces', 'attachments table', 'attachments replica identity', 'oldest attachment', 'notification queue', 'delivery',
  'queue', 'failed messages', 'watches', 'versions',
];

/** Whether the notification queue can be made short; before, it takes gigabytes to fill half of it. */
const SHORT = PG_MAJOR >= 17;

describe('sio_doctor', () => {
  let postgres, admin, servers;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-doctor', conf: { wal_level: 'logical', ...(SHORT && { max_notify_queue_pages: 64 }) } });
    admin = await prepareDatabase(postgres);
    // They don't delete an old attachment before it is looked for.
    servers = await startServers(postgres, { count: 2, namespaces: ['/', '/custom'], options: { cleanupInterval: 3_600_000 } });
  });

  afterEach(async () => {
    await admin.query('ROLLBACK; RESET ALL');
    await askedAgain(async () => {
      const found = (await diagnosis()).filter(({ ok }) => !ok);
      assert.deepEqual(found, [], 'all is well again');
    });
  });

  after(async () => {
    await closeAll(servers ?? []);
    await postgres?.stop();
  });

  const diagnosis = (ns = '/', client = admin) => rowsOf(client, 'SELECT * FROM sio_doctor($1)', [ns]);

  /** Asserts that these checks, and no others, are wrong, each with a hint. → by name */
  async function wrong(names, ...args) {
    const rows = await askedAgain(async () => {
      const found = await diagnosis(...args);
      assert.deepEqual(found.filter(({ ok }) => !ok).map(({ check }) => check), names, JSON.stringify(found, null, 1));
      return found;
    });
    assert.deepEqual(rows.map(({ check }) => check), CHECKS);
    for (const { ok, hint, detail } of rows) {
      assert.equal(hint === null, ok, detail);
      assert.ok(detail);
    }
    return Object.fromEntries(rows.map((row) => [row.check, row]));
  }

  it('finds nothing wrong where nothing is, and tells what it looked at', async () => {
    for (const nsp of ['/', '/custom', 'custom']) {
      const { channel, servers: heard, 'attachments table': table, delivery, versions } = await askedAgain(async () => {
        const found = await wrong([], nsp);
        assert.match(found.servers.detail, /^2: /);
        return found;
      });
      assert.equal(channel.detail, `socket.io#${nsp.startsWith('/') ? nsp : `/${nsp}`}`);
      for (const server of servers) assert.ok(heard.detail.includes(uidOf(server, nsp.startsWith('/') ? nsp : `/${nsp}`)));
      assert.match(table.detail, /^public\.socket_io_attachments: /);
      assert.match(delivery.detail, /^notify; /);
      assert.match(versions.detail, /^library (\S+), SQL \1$/);
    }
    // Their connection shows the namespace that it listened to last.
    const { servers: heard, 'attachments table': table } = await wrong([], '/custom');
    assert.match(heard.detail, /they connect as socketio_servers from 127\.0\.0\.1$/);
    assert.match(table.detail, /read and written by socketio_servers$/);
  });

  it('reports whatever the session has set', async () => {
    // Loads the library, which defines them.
    await admin.query('SELECT sio_buffer(0)');
    const settings = await rowsOf(admin, `SELECT name, vartype, enumvals, min_val, max_val FROM pg_settings
      WHERE name LIKE 'socketio_emitter.%' AND context IN ('user', 'superuser')`);
    const valuesOf = ({ vartype, enumvals, min_val: min, max_val: max }) =>
      ({ bool: ['on', 'off'], enum: enumvals, integer: [min, max], real: [min, max], string: ['', 'x'] })[vartype];
    let reports = 0;
    for (const setting of settings) {
      for (const value of valuesOf(setting)) {
        try {
          await admin.query('SELECT set_config($1, $2, false)', [setting.name, value]);
        } catch (error) {
          assert.equal(error.code, '22023', `${setting.name} = ${value}: ${error.message}`); // it isn't one of its values
          continue;
        }
        const rows = await diagnosis();
        assert.deepEqual(rows.map(({ check }) => check), CHECKS, `${setting.name} = ${value}`);
        reports++;
      }
      await admin.query(`RESET ${setting.name}`);
    }
    assert.ok(reports > 10);
  });

  it('shows a name that is too long for a channel', async () => {
    const { channel } = await wrong(['channel', 'servers'], `/${'x'.repeat(60)}`);
    assert.equal(channel.detail.length, 63);
  });

  it('shows that nobody hears, and who listens elsewhere', async () => {
    await admin.query(`SET socketio_emitter.channel_prefix = 'another'`);
    const { servers: heard } = await wrong(['servers']);
    assert.equal(heard.detail, 'none answers');
    assert.match(heard.hint, /Sessions listen to: socket\.io#\/custom in database postgres\./);
  });

  it('shows a watch\'s namespace that no server hears', async () => {
    await admin.query(`CREATE TABLE watched (id int); SELECT sio_watch('watched', '{room}', ns => '/unheard')`);
    const { namespaces } = await wrong(['namespaces']);
    assert.match(namespaces.detail, /no server hears \/unheard/);
    assert.match(namespaces.detail, /listened to, with no watch: \/custom/);
    await admin.query('DROP TABLE watched');
  });

  it('shows that the servers\' role lacks a privilege', async () => {
    await admin.query(`REVOKE DELETE ON socket_io_attachments FROM ${SERVERS_ROLE}`);
    const { 'attachments table': table } = await wrong(['attachments table'], '/custom');
    assert.equal(table.detail, 'public.socket_io_attachments: socketio_servers lacks DELETE');
    await admin.query(`${SERVER_GRANTS}; REVOKE USAGE ON SCHEMA public FROM PUBLIC; REVOKE USAGE ON SEQUENCE socket_io_attachments_id_seq FROM ${SERVERS_ROLE}`);
    assert.equal((await wrong(['attachments table']))['attachments table'].detail,
      'public.socket_io_attachments: socketio_servers lacks USAGE on schema public, socketio_servers lacks USAGE on sequence public.socket_io_attachments_id_seq');
    await admin.query(`GRANT USAGE ON SCHEMA public TO PUBLIC; ${SERVER_GRANTS}`);
    // No default of an identity column is evaluated with the privileges of who inserts.
    await admin.query(`ALTER TABLE socket_io_attachments ALTER id DROP DEFAULT; ALTER SEQUENCE socket_io_attachments_id_seq OWNED BY NONE;
      ALTER TABLE socket_io_attachments ALTER id ADD GENERATED ALWAYS AS IDENTITY`);
    await wrong([]);
    await admin.query(`ALTER TABLE socket_io_attachments ALTER id DROP IDENTITY; ALTER SEQUENCE socket_io_attachments_id_seq OWNED BY socket_io_attachments.id;
      ALTER TABLE socket_io_attachments ALTER id SET DEFAULT nextval('socket_io_attachments_id_seq')`);
  });

  it('shows a table that isn\'t there, or can\'t be written', async () => {
    await admin.query(`SELECT sio_buffer(0); SET socketio_emitter.table_name = 'missing'`);
    assert.match((await wrong(['attachments table']))['attachments table'].detail, /missing.* does not exist/);
    await admin.query('RESET ALL; ALTER TABLE socket_io_attachments ADD CONSTRAINT positive CHECK (id > 0)');
    assert.match((await wrong(['attachments table']))['attachments table'].detail, /check constraint "positive"/);
    await admin.query('ALTER TABLE socket_io_attachments DROP CONSTRAINT positive');
  });

  it('shows a published table without a replica identity', async () => {
    await admin.query('CREATE PUBLICATION all_tables FOR ALL TABLES; ALTER TABLE socket_io_attachments REPLICA IDENTITY NOTHING');
    await wrong(['attachments replica identity']);
    await admin.query('DROP PUBLICATION all_tables; ALTER TABLE socket_io_attachments REPLICA IDENTITY FULL');
  });

  it('shows an old attachment', async () => {
    await admin.query(`INSERT INTO socket_io_attachments (created_at) VALUES (now() - interval '1 hour')`);
    await wrong(['oldest attachment']);
    await admin.query('DELETE FROM socket_io_attachments');
  });

  it('shows that queued messages wait for nobody, and for how long', async () => {
    await admin.query(`SET socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'e')`);
    await wrong(['delivery']);
    await admin.query(`SET session_replication_role = replica; ALTER TABLE _sio.queue NO FORCE ROW LEVEL SECURITY;
      UPDATE _sio.queue SET queued_at = now() - interval '1 hour'`).catch((error) => assert.fail(error.message));
    await wrong(['delivery', 'queue']);
    await admin.query('RESET ALL; SELECT sio_deliver()');
  });

  it('shows failed messages', async () => {
    await admin.query(`CREATE TABLE extra (id bigserial, created_at timestamptz, payload bytea); SELECT sio_buffer(0);
      BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SET LOCAL socketio_emitter.table_name = 'extra';
      SELECT sio_emit_binary('/', '{}', 'e', '\\x41'); DROP TABLE extra; COMMIT; SELECT sio_deliver()`);
    await wrong(['failed messages']);
    await admin.query('SELECT sio_discard()');
  });

  it('shows a watch that is disabled', async () => {
    await admin.query(`CREATE TABLE watched (id int); SELECT sio_watch('watched', '{room}'); ALTER TABLE watched DISABLE TRIGGER USER`);
    assert.match((await wrong(['watches'])).watches.detail, /^1: \S+ on public\.watched: disabled$/);
    await admin.query('DROP TABLE watched');
  });

  it('shows a watch with a problem', async () => {
    await admin.query(`CREATE TABLE watched (id int, gone int); SELECT sio_watch('watched', '{$gone}', name => 'broken');
      ALTER EVENT TRIGGER sio_dropped DISABLE; ALTER TABLE watched DROP COLUMN gone; ALTER EVENT TRIGGER sio_dropped ENABLE ALWAYS`);
    const { watches } = await wrong(['watches']);
    assert.match(watches.detail, /^1: broken on public\.watched: .*refers to column "gone"/);
    await admin.query(`SELECT sio_watch('watched', '{$id}', name => 'broken')`);
    await wrong([]);
    await admin.query('DROP TABLE watched');
  });

  it('shows that library and SQL are of different versions', async () => {
    await admin.query(`UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'socketio_emitter'`);
    await wrong(['versions']);
    await admin.query(`UPDATE pg_extension SET extversion = _sio.library_version() WHERE extname = 'socketio_emitter'`);
  });

  it('shows a notification queue that fills up', { skip: !SHORT && 'its length is fixed before Postgres 17, and 8 GB' }, async () => {
    const lazy = await postgres.connect();
    // Apart: BEGIN would take LISTEN into its transaction.
    await lazy.query('LISTEN lazy');
    await lazy.query('BEGIN');
    const usage = async () => (await admin.query('SELECT pg_notification_queue_usage() AS usage')).rows[0].usage;
    await until('it is half full', async () => {
      await admin.query(`SELECT count(pg_notify('other', repeat('x', 7900) || i)) FROM generate_series(1, 5) i`);
      return await usage() > 0.5;
    });
    await wrong(['notification queue']);
    await lazy.end();
    await until('it is empty', async () => {
      await admin.query(`SELECT pg_notify('other', 'x')`);
      return await usage() < 0.1;
    });
  });

  it('refuses NULL, and whoever may not see what it puts together', async () => {
    await refused(admin, 'SELECT * FROM sio_doctor(NULL)', '22004', { says: 'ns' });
    const app = await postgres.connect({ user: EMITTER_ROLE });
    await refused(app, 'SELECT * FROM sio_doctor()', '42501');
    await app.end();
  });

  it('finds the extension in whatever schema it is, and after that was renamed', async () => {
    await postgres.createDatabase('elsewhere');
    const other = await postgres.connect({ database: 'elsewhere' });
    await other.query('CREATE SCHEMA "Odd one"; CREATE EXTENSION socketio_emitter SCHEMA "Odd one"; ALTER SCHEMA "Odd one" RENAME TO "Another"');
    const rows = await rowsOf(other, 'SELECT * FROM "Another".sio_doctor()');
    assert.deepEqual(rows.filter(({ ok }) => !ok).map(({ check }) => check), ['servers']);
    await other.end();
  });
});
