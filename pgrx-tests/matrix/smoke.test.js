// What must work on a Postgres before all else; scripts/matrix runs it on each in its sample. Each subject has tests of its own in e2e/.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { listen } from '../harness/listener.js';
import { withoutMeta } from '../harness/live.js';
import { PG_MAJOR } from '../harness/postgres.js';
import { delivered, events, numbered, numberedBinary, numbers, queued, queueing, startQueue, status, untilWorker, upTo } from '../harness/queue.js';
import { EMITTER_ROLE } from '../harness/roles.js';
import { until } from '../harness/wait.js';

const LONG = 'x'.repeat(20_000);
const EMITS = `SELECT sio_emit('/', '{}', 'short', '1'), sio_emit('/', '{}', 'long', to_jsonb('${LONG}'::text)),
  sio_emit_binary('/', '{}', 'binary', '\\x41')`;
const EMITTED = [['short', 1], ['long', LONG], ['binary', 'A']];

describe(`on Postgres ${PG_MAJOR}`, () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'smoke' }));
    await untilWorker(admin);
  });

  after(() => postgres?.stop());

  it('the library is of the server\'s version, and of that of the SQL', async () => {
    const { rows: [{ version }] } = await admin.query(`SELECT current_setting('server_version_num')::int AS version`);
    assert.equal(Math.floor(version / 10_000), PG_MAJOR);
    const { library_version: library, extension_version: sql } = await status(admin);
    assert.match(sql, /^[0-9.]+$/);
    assert.equal(library, sql);
    if (PG_MAJOR >= 18) { // where a module tells it to Postgres
      const { rows } = await admin.query(`SELECT module_name, version FROM pg_get_loaded_modules() WHERE file_name LIKE 'socketio_emitter%'`);
      assert.deepEqual(rows, [{ module_name: 'socketio_emitter', version: library }]);
    }
  });

  it('short, long and binary messages are sent at the commit, and none of a rollback', async () => {
    const session = await postgres.connect({ user: EMITTER_ROLE });
    await session.query(`BEGIN; ${EMITS}; ROLLBACK`);
    await session.query(`BEGIN; ${EMITS}; COMMIT`);
    assert.deepEqual(await events(listener), EMITTED);
    // In a transaction that takes longer than a second, the attachments are made young again.
    await session.query(`BEGIN; ${EMITS}; SELECT pg_sleep(1.1)`);
    const { rows: [{ moment }] } = await session.query('SELECT clock_timestamp() AS moment');
    await session.query('COMMIT');
    const { rows } = await admin.query('SELECT created_at >= $1 AS young FROM socket_io_attachments ORDER BY id DESC LIMIT 2', [moment]);
    assert.deepEqual(rows, [{ young: true }, { young: true }]);
    assert.deepEqual(await events(listener), EMITTED);
    await session.end();
  });

  for (const level of ['row', 'statement']) {
    it(`a watch at ${level} level sends what changes`, async () => {
      await admin.query(`CREATE TABLE orders (id int PRIMARY KEY, dropped int, note text); ALTER TABLE orders DROP dropped;
        SELECT sio_watch('orders', everyone => true, level => '${level}');
        INSERT INTO orders VALUES (1, 'a'); UPDATE orders SET note = 'b'; DELETE FROM orders; DROP TABLE orders`);
      const sent = (value) => (level === 'row' ? value : [value]);
      assert.deepEqual((await events(listener)).map(withoutMeta), [
        ['orders:insert', sent({ id: 1, note: 'a' })], ['orders:update', sent({ id: 1, note: 'b' })],
        ['orders:delete', sent({ id: 1, note: 'b' })],
      ]);
    });
  }

  it('the worker delivers what is queued, and none of a rollback', async () => {
    await app.query(`BEGIN; ${EMITS}; ROLLBACK`);
    await app.query(EMITS);
    await delivered(admin);
    assert.deepEqual(await events(listener), EMITTED);
  });

  it('what is queued survives the SIGKILL of all processes, and arrives once', async () => {
    // What was sent stays for a second, and a restart within it would send it again.
    await until('the queue is empty', async () => (await admin.query('SELECT FROM _sio.queue')).rowCount === 0);
    // The worker doesn't send before the blow.
    await postgres.configure({ 'socketio_emitter.restart_delay': '1h' });
    await postgres.restart();
    const session = await queueing(postgres);
    for (const n of upTo(20)) await session.query(n % 2 ? numbered(n) : numberedBinary(n));
    admin = await postgres.connect();
    assert.equal(await queued(admin), 20);
    await postgres.kill();
    await postgres.configure({ 'socketio_emitter.restart_delay': '3s' }); // until somebody listens
    await postgres.start();
    listener = await listen(postgres);
    admin = await postgres.connect();
    await delivered(admin);
    assert.deepEqual(await numbers(listener), upTo(20));
  });
});
