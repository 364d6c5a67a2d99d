// The extension through pg_dump and pg_restore.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { assertEmits } from '../../harness/emits.js';
import { startPostgres } from '../../harness/postgres.js';
import {
  createRoles, EMITTER_ROLE, grantExecute, OFFICIAL_TABLE, SERVER_GRANTS, serverGrantsIn, SERVERS_ROLE,
} from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

describe('a dump and its restore', () => {
  const database = 'dumped';
  const restored = 'restored';
  let postgres, admin;

  before(async () => {
    postgres = await startPostgres({ name: 'dump' });
    const first = await postgres.connect();
    await createRoles(first, EMITTER_ROLE, SERVERS_ROLE, 'table_owner');
    await first.end();
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    for (const each of [database, restored]) await postgres.createDatabase(each);
    admin = await postgres.connect({ database });
    await admin.query('GRANT CREATE ON SCHEMA public TO table_owner');
  });

  afterEach(async () => {
    await admin.end();
    for (const each of [database, restored]) await postgres.dropDatabase(each);
  });

  /** → what pg_restore says: { code, stderr } */
  async function dumpAndRestore({ dumpArgs = [], restoreArgs = [] } = {}) {
    const file = `${postgres.dataDir}/dump`;
    const dump = await postgres.run('pg_dump', ['--format=custom', `--file=${file}`, ...dumpArgs, database]);
    assert.deepEqual([dump.code, dump.stderr], [0, '']);
    return postgres.run('pg_restore', [`--dbname=${restored}`, ...restoreArgs, file]);
  }

  /** That emitters and servers have their rights in the restored database: a server sends to a client of another. */
  async function assertWorks(schema = 'public') {
    await assertEmits(postgres, { database: restored, schema });
    const options = { tableName: `${schema}.socket_io_attachments` };
    const servers = await startServers(postgres, { count: 2, database: restored, options });
    const client = await connectClient(servers[1]);
    servers[0].io.emit('by a server', Buffer.from('A'));
    assert.deepEqual(await client.take(1), [['by a server', Buffer.from('A')]]);
    assert.deepEqual(servers.flatMap((server) => server.errors), []);
    await closeAll(client, servers);
    const janitor = await postgres.connect({ database: restored, user: SERVERS_ROLE });
    await janitor.query(`DELETE FROM ${schema}.socket_io_attachments WHERE created_at < now()`);
    await janitor.end();
  }

  async function adoptedTable() {
    const owner = await postgres.connect({ database, user: 'table_owner' });
    await owner.query(`${OFFICIAL_TABLE}; INSERT INTO socket_io_attachments (payload) VALUES ('\\x01')`);
    await owner.query(SERVER_GRANTS);
    await owner.end();
    await admin.query('CREATE EXTENSION socketio_emitter');
    await grantExecute(admin, EMITTER_ROLE);
  }

  it('bring the extension, its grants and its users\' triggers, and no attachment', async () => {
    await admin.query(`
      CREATE SCHEMA sio; CREATE EXTENSION socketio_emitter SCHEMA sio; GRANT USAGE ON SCHEMA sio TO ${EMITTER_ROLE};
      CREATE TABLE orders (id int);
      CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql
          AS $$ BEGIN PERFORM sio.sio_emit('/', '{}', 'order', to_jsonb(NEW)); RETURN NULL; END $$;
      CREATE TRIGGER announce AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION announce()`);
    await grantExecute(admin, EMITTER_ROLE);
    await admin.query(serverGrantsIn('sio'));
    await admin.query(`SELECT sio.sio_emit_binary('/', '{}', 'e', '\\x41')`);

    const { code, stderr } = await dumpAndRestore({ restoreArgs: ['--exit-on-error'] });
    assert.deepEqual([code, stderr], [0, '']);
    const copy = await postgres.connect({ database: restored });
    const { rows } = await copy.query('SELECT count(*)::int AS n FROM sio.socket_io_attachments');
    assert.equal(rows[0].n, 0);
    await assertWorks('sio');
    const servers = await startServers(postgres, {
      count: 1, database: restored, options: { tableName: 'sio.socket_io_attachments' },
    });
    const client = await connectClient(servers[0]);
    await copy.query('INSERT INTO orders VALUES (7)');
    assert.deepEqual(await received(copy, [client], { schema: 'sio' }), [[['order', { id: 7 }]]]);
    await closeAll(client, servers);
    await copy.end();
  });

  it('report the table, if the servers made it: CREATE EXTENSION has made one already; all works', async () => {
    await adoptedTable();
    const { code, stderr } = await dumpAndRestore();
    assert.equal(code, 1);
    assert.deepEqual(stderr.match(/ERROR: .*/g), [
      'ERROR:  relation "socket_io_attachments" already exists',
      'ERROR:  relation "socket_io_attachments_id_seq" already exists',
      'ERROR:  relation "socket_io_attachments_id_key" already exists',
    ]);
    await assertWorks();
  });

  it('have nothing to report, if that table is left out', async () => {
    await adoptedTable();
    const { code, stderr } = await dumpAndRestore({
      dumpArgs: ['--exclude-table=socket_io_attachments*'], restoreArgs: ['--exit-on-error'],
    });
    assert.deepEqual([code, stderr], [0, '']);
    const copy = await postgres.connect({ database: restored });
    await copy.query(SERVER_GRANTS); // which were the table's
    await copy.end();
    await assertWorks();
  });
});
