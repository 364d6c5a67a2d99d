// The way back, and what happens to who takes its steps in another order: as docs/install.md says.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { startPostgres } from '../../harness/postgres.js';
import { numbered, PRELOAD, processes, queueing, untilNoWorker, untilWorker } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { prepareDatabase } from '../../harness/roles.js';

const WITHOUT = { args: ['-c', 'shared_preload_libraries='] };

describe('whoever uninstalls the extension', () => {
  let postgres, admin;

  before(async () => {
    postgres = await startPostgres({ name: 'uninstall', conf: PRELOAD });
  });

  after(() => postgres?.stop());

  beforeEach(async () => {
    admin = await prepareDatabase(postgres, { roles: !admin });
    await admin.query(`CREATE TABLE orders (id int); SELECT sio_watch('orders', '{staff}')`);
    await untilWorker(admin);
  });

  afterEach(async () => {
    await admin.query('DROP TABLE IF EXISTS orders; DROP EXTENSION IF EXISTS socketio_emitter CASCADE');
    await admin.end();
  });

  /** Starts the server as it was at first. */
  async function again() {
    await postgres.restart();
    admin = await postgres.connect();
  }

  /** As if the library's file were gone: other tests use that of this Postgres. */
  const removeLibrary = () => admin.query(`UPDATE pg_proc SET probin = '$libdir/socketio_emitter_gone' WHERE probin = '$libdir/socketio_emitter'`);

  it('drops the watches first, or CASCADE does', async () => {
    await refused(admin, 'DROP EXTENSION socketio_emitter', '2BP01', { says: 'socketio_emitter' });
    assert.deepEqual((await admin.query(`SELECT sio_unwatch('orders') AS n`)).rows, [{ n: 1 }]);
    await admin.query('DROP EXTENSION socketio_emitter');
    await untilNoWorker(admin);
    await admin.query(`CREATE EXTENSION socketio_emitter; SELECT sio_watch('orders', '{staff}'); DROP EXTENSION socketio_emitter CASCADE;
      INSERT INTO orders VALUES (1)`);
    assert.equal((await admin.query('SELECT FROM pg_trigger WHERE tgrelid = $1::regclass', ['orders'])).rowCount, 0);
  });

  it('has no worker once the library isn\'t preloaded: messages wait, with a WARNING', async () => {
    await postgres.restart(WITHOUT);
    admin = await postgres.connect();
    assert.deepEqual(await processes(admin), []);
    const app = await queueing(postgres);
    await app.query(numbered(1));
    assert.match(app.warnings()[0].message, /^no background worker/);
    const { rows } = await admin.query('SELECT queued, worker_state FROM sio_status');
    assert.deepEqual(rows, [{ queued: '1', worker_state: 'not preloaded' }]);
    await again();
  });

  it('can\'t start the server without the file of a library that it preloads', async () => {
    // An empty string is the name of a file, too: RESET is what removes the library.
    for (const library of ['socketio_emitter_gone', '']) {
      await admin.query(`ALTER SYSTEM SET shared_preload_libraries = '${library}'`);
      await postgres.stop();
      await assert.rejects(postgres.start(), new RegExp(`FATAL:  could not access file "${library}": No such file or directory`));
      await postgres.start(WITHOUT);
      admin = await postgres.connect();
      await admin.query('ALTER SYSTEM RESET shared_preload_libraries');
      await again();
    }
  });

  it('can drop the extension without the file, while calls and changes of watched tables fail', async () => {
    await removeLibrary();
    const session = await postgres.connect();
    for (const sql of [`SELECT sio_emit('/', '{}', 'e')`, 'INSERT INTO orders VALUES (1)', 'SELECT * FROM sio_status']) await refused(session, sql, '58P01');
    await session.query('DROP EXTENSION socketio_emitter CASCADE; INSERT INTO orders VALUES (1)');
    await session.end();
  });

  it('leaves settings without effect behind', async () => {
    await admin.query(`ALTER DATABASE postgres SET socketio_emitter.delivery = 'queue'; ALTER ROLE app SET socketio_emitter.table_name = 'gone';
      SELECT sio_unwatch('orders'); DROP EXTENSION socketio_emitter`);
    await postgres.restart(WITHOUT);
    const warnings = [];
    const app = await postgres.connect({ user: 'app' });
    app.on('notice', (notice) => warnings.push(notice.message));
    await app.query('SELECT 1');
    assert.deepEqual(warnings, []);
    admin = await postgres.connect();
    await admin.query('ALTER DATABASE postgres RESET ALL; ALTER ROLE app RESET ALL');
    await again();
  });
});
