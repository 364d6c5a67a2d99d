// A database whose owner is no superuser: what docs/install.md says they can do with the grants that it shows, and what they can't.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { withoutMeta } from '../../harness/live.js';
import { startPostgres } from '../../harness/postgres.js';
import { events, PRELOAD } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { fromRoot } from '../../harness/setup.js';

const PAGE = readFileSync(fromRoot('docs/install.md'), 'utf8');
const [, GRANTS] = /^```sql\nCREATE ROLE owner [^\n]*;\n(.*?)^```$/ms.exec(PAGE);

for (const preload of [false, true]) {
  describe(`an owner who is no superuser${preload ? ', with the library preloaded' : ''},`, () => {
    const database = 'owned';
    let postgres, admin, owner;

    before(async () => {
      postgres = await startPostgres({ name: `owner-${preload}`, conf: preload ? PRELOAD : {} });
      const first = await postgres.connect();
      await first.query('CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN');
      await first.end();
    });

    after(() => postgres?.stop());

    beforeEach(async () => {
      await postgres.createDatabase(database);
      admin = await postgres.connect({ database });
      await admin.query(`ALTER DATABASE ${database} OWNER TO owner; CREATE SCHEMA sio; CREATE EXTENSION socketio_emitter SCHEMA sio; ${GRANTS}`);
      owner = await postgres.connect({ database, user: 'owner' });
    });

    afterEach(async () => {
      await owner.end();
      await admin.end();
      await postgres.dropDatabase(database);
    });

    it('watches and unwatches their tables, emits, and passes that on', async () => {
      const listener = await listen(postgres, { database });
      await owner.query(`CREATE EXTENSION IF NOT EXISTS socketio_emitter SCHEMA sio; CREATE TABLE orders (id int); SELECT sio.sio_watch('orders', '{staff}'); SELECT sio.sio_check();
        GRANT INSERT ON orders TO app; GRANT USAGE ON SCHEMA sio TO app; GRANT EXECUTE ON FUNCTION sio.sio_emit TO app`);
      const app = await postgres.connect({ database, user: 'app' });
      await app.query(`INSERT INTO orders VALUES (1); SELECT sio.sio_emit('/', '{}', 'by app')`);
      assert.deepEqual((await owner.query('SELECT table_name::text FROM sio.sio_watches')).rows, [{ table_name: 'orders' }]);
      assert.deepEqual((await owner.query(`SELECT sio.sio_unwatch('orders') AS n`)).rows, [{ n: 1 }]);
      await app.query('INSERT INTO orders VALUES (2)');
      assert.deepEqual((await events(listener)).map(withoutMeta), [['orders:insert', { id: 1 }], ['by app']]);
      await app.end();
      await listener.close();
    });

    it('can neither make, update nor drop the extension, nor its schema, nor touch the servers\' table', async () => {
      await refused(owner, 'ALTER EXTENSION socketio_emitter UPDATE', '42501');
      await refused(owner, 'DROP EXTENSION socketio_emitter CASCADE', '42501');
      await refused(owner, 'DROP SCHEMA sio CASCADE', '42501');
      await refused(owner, 'DROP SCHEMA _sio CASCADE', '42501');
      await refused(owner, 'SELECT FROM sio.socket_io_attachments', '42501');
      await refused(owner, 'GRANT SELECT ON sio.socket_io_attachments TO app', '42501');
      await admin.query('DROP EXTENSION socketio_emitter');
      await refused(owner, 'CREATE EXTENSION socketio_emitter SCHEMA sio', '42501');
    });

    it(`chooses the delivery ${preload ? 'at once' : 'in a session that has called the extension'}, and no setting of a superuser's`, async () => {
      const choose = `ALTER DATABASE ${database} SET socketio_emitter.delivery = 'queue'`;
      if (!preload) {
        await refused(owner, choose, '42501');
        await owner.query(`SELECT sio.sio_emit('/', '{}', 'e')`);
      }
      await owner.query(choose);
      for (const [name, value] of [['table_name', 't'], ['cleanup_interval', '1min'], ['restart_delay', '1s']]) {
        await refused(owner, `ALTER DATABASE ${database} SET socketio_emitter.${name} = '${value}'`, '42501');
      }
    });

    it('drops the extension with a schema of their own', async () => {
      await admin.query(`ALTER SCHEMA sio OWNER TO owner`);
      await refused(owner, 'DROP EXTENSION socketio_emitter', '42501');
      await owner.query('DROP SCHEMA sio CASCADE');
      assert.equal((await admin.query(`SELECT FROM pg_extension WHERE extname = 'socketio_emitter'`)).rowCount, 0);
      assert.equal((await admin.query(`SELECT FROM pg_namespace WHERE nspname = '_sio'`)).rowCount, 0);
    });

    it('dumps the database, which a superuser restores', async () => {
      await owner.query(`CREATE TABLE orders (id int); SELECT sio.sio_watch('orders', '{staff}'); GRANT USAGE ON SCHEMA sio TO app`);
      const file = `${postgres.dataDir}/owned.dump`;
      const dump = await postgres.run('pg_dump', ['--format=custom', `--file=${file}`, database], { user: 'owner' });
      assert.deepEqual([dump.code, dump.stderr], [0, '']);
      await postgres.createDatabase('restored');
      await admin.query('ALTER DATABASE restored OWNER TO owner');
      const own = await postgres.run('pg_restore', ['--dbname=restored', file], { user: 'owner' });
      assert.match(own.stderr, /permission denied to create extension[^]*function sio.sio_emit_changes\(\) does not exist/);
      await postgres.dropDatabase('restored');
      await postgres.createDatabase('restored');
      const restore = await postgres.run('pg_restore', ['--exit-on-error', '--dbname=restored', file]);
      assert.deepEqual([restore.code, restore.stderr], [0, '']);
      const copy = await postgres.connect({ database: 'restored', user: 'owner' });
      const listener = await listen(postgres, { database: 'restored' });
      await copy.query('INSERT INTO orders VALUES (1)');
      assert.deepEqual((await events(listener)).map(withoutMeta), [['orders:insert', { id: 1 }]]);
      await listener.close();
      await copy.end();
      await postgres.dropDatabase('restored');
    });
  });
}
