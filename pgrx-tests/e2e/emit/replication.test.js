// A database that is published as a whole, and one that subscribes to it: attachments are written, refreshed and deleted there as
// anywhere, and the subscriber keeps up.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { delivered, numbered, numberedBinary, numbers, PRELOAD, queueing, status, untilWorker, whileWorkerStands } from '../../harness/queue.js';
import { EMITTER_ROLE, OFFICIAL_TABLE, prepareDatabase, SERVERS_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const TABLE = 'socket_io_attachments';
const GROW_OLD = 'SELECT pg_sleep(1.1)';

describe('the first copy of a subscription to all tables', () => {
  let publisher, subscriber;

  before(async () => {
    publisher = await startPostgres({ name: 'copied', conf: { ...PRELOAD, wal_level: 'logical' } });
    subscriber = await startPostgres({ name: 'copier', conf: PRELOAD });
  });

  after(async () => {
    await subscriber?.stop();
    await publisher?.stop();
  });

  it('brings no message that waits, was sent or has failed on the publisher, nor its totals', async () => {
    const admin = await prepareDatabase(publisher);
    const replica = await prepareDatabase(subscriber);
    await Promise.all([untilWorker(admin), untilWorker(replica)]);
    const listener = await listen(subscriber);
    await admin.query(`CREATE TABLE control (id int); INSERT INTO control VALUES (1); CREATE PUBLICATION everything FOR ALL TABLES`);
    await replica.query('CREATE TABLE control (id int)');
    const queue = await queueing(publisher);
    await queue.query(numbered(1));
    await delivered(admin); // something is in the totals
    await admin.query(`CREATE TABLE extra (id bigserial, created_at timestamptz, payload bytea); BEGIN; SET LOCAL socketio_emitter.delivery = 'queue';
      SET LOCAL socketio_emitter.table_name = 'extra'; ${numberedBinary(2)}; DROP TABLE extra; COMMIT`);
    await until('a message has failed', async () => (await status(admin)).failed === '1');
    await whileWorkerStands(admin, async () => {
      await queue.query(`${numbered(3)}; ${numbered(4)}`);
      assert.equal((await status(admin)).queued, '2');
      await replica.query(`CREATE SUBSCRIPTION everything CONNECTION '${publisher.url()}' PUBLICATION everything`);
      await until('all tables are synchronized', async () =>
        (await replica.query(`SELECT FROM pg_subscription_rel HAVING bool_and(srsubstate = 'r') AND count(*) >= 6`)).rowCount === 1);
      assert.deepEqual((await replica.query('SELECT * FROM control')).rows, [{ id: 1 }], 'or nothing is copied at all');
      const { rows } = await replica.query(`SELECT queued, failed, delivered_total, batches_total FROM sio_status`);
      assert.deepEqual(rows, [{ queued: '0', failed: '0', delivered_total: '0', batches_total: '0' }]);
      await replica.query(numbered(5));
      assert.deepEqual(await numbers(listener), [5]);
    });
    // What is emitted here is queued as ever.
    const own = await queueing(subscriber);
    await own.query(numbered(6));
    await delivered(replica);
    assert.deepEqual(await numbers(listener), [6]);
  });
});

describe('where both sides of a subscription emit attachments', () => {
  let publisher, subscriber;

  before(async () => {
    publisher = await startPostgres({ name: 'colliding', conf: { wal_level: 'logical' } });
    subscriber = await startPostgres({ name: 'collided' });
  });

  after(async () => {
    await subscriber?.stop();
    await publisher?.stop();
  });

  it('their ids collide in a publication of all tables, and not in one that lists others', async () => {
    const [admin, replica] = [await prepareDatabase(publisher), await prepareDatabase(subscriber)];
    for (const each of [admin, replica]) await each.query('CREATE TABLE orders (id int)');
    await admin.query('CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION listed FOR TABLE orders');
    const connection = `CONNECTION '${publisher.url()}'`;
    await replica.query(`CREATE SUBSCRIPTION everything ${connection} PUBLICATION everything WITH (copy_data = false)`);
    for (const each of [replica, admin]) await each.query(numberedBinary(1));
    // The second is what 18 says.
    const STOPPED = /ERROR:  (duplicate key value violates|conflict detected on relation) .*socket_io_attachments/;
    await until('the subscription stops', async () => STOPPED.test(await subscriber.log()));

    await replica.query('DROP SUBSCRIPTION everything');
    await replica.query(`CREATE SUBSCRIPTION listed ${connection} PUBLICATION listed WITH (copy_data = false)`);
    for (const each of [replica, admin]) await each.query(numberedBinary(2));
    await admin.query('INSERT INTO orders VALUES (1)');
    await until('the order is there', async () => (await replica.query('SELECT FROM orders')).rowCount === 1);
    assert.equal((await replica.query(`SELECT FROM ${TABLE}`)).rowCount, 2);
    await replica.query('DROP SUBSCRIPTION listed');
  });
});

describe('in a publication of all tables', () => {
  let publisher, subscriber, admin, replica, app, servers, listener;

  before(async () => {
    publisher = await startPostgres({ name: 'publisher', conf: { ...PRELOAD, wal_level: 'logical' } });
    subscriber = await startPostgres({ name: 'subscriber' });
    admin = await prepareDatabase(publisher);
    replica = await prepareDatabase(subscriber);
    await untilWorker(admin);
    await Promise.all([admin, replica].map((each) => each.query(`CREATE SCHEMA theirs; GRANT USAGE ON SCHEMA theirs TO PUBLIC;
      SET search_path = theirs; ${OFFICIAL_TABLE}; RESET search_path`)));
    await admin.query('CREATE PUBLICATION everything FOR ALL TABLES');
    await replica.query(`CREATE SUBSCRIPTION everything CONNECTION '${publisher.url()}' PUBLICATION everything`);
    await until('all tables are synchronized', async () =>
      (await replica.query(`SELECT FROM pg_subscription_rel HAVING bool_and(srsubstate = 'r')`)).rowCount === 1);
    app = await publisher.connect({ user: EMITTER_ROLE });
    servers = await publisher.connect({ user: SERVERS_ROLE });
    listener = await listen(publisher);
  });

  after(async () => {
    await subscriber?.stop();
    await publisher?.stop();
  });

  afterEach(async () => {
    const [log, sent] = [await subscriber.log(), await publisher.log()];
    assert.doesNotMatch(log, /ERROR|FATAL|PANIC|exited with exit code/);
    assert.doesNotMatch(sent, /FATAL|PANIC|exited with exit code/);
  });

  /** Waits until the subscriber has the same rows. → how many */
  async function inStep(table = TABLE) {
    const all = async (client) => (await client.query(`SELECT id, created_at, payload FROM ${table} ORDER BY id`)).rows;
    const rows = await all(admin);
    await until('the subscriber has caught up', async () => isDeepStrictEqual(await all(replica), rows));
    return rows.length;
  }

  /** Commits, and says whether that has made all rows as young as itself. */
  async function refreshes(client, table = TABLE) {
    const { rows: [{ now }] } = await admin.query('SELECT clock_timestamp()::text AS now');
    await client.query('COMMIT');
    return (await admin.query(`SELECT FROM ${table} HAVING bool_and(created_at >= $1)`, [now])).rowCount === 1;
  }

  it('attachments are stored, refreshed, cleaned up, and deleted by the servers', async () => {
    await app.query(`${numberedBinary(1)}; ${numberedBinary(2)}`);
    assert.equal(await inStep(), 2);
    assert.deepEqual(await numbers(listener), [1, 2]);

    await admin.query(`UPDATE ${TABLE} SET created_at = now() - interval '1 hour'`);
    assert.equal((await servers.query(`DELETE FROM ${TABLE} WHERE created_at < now() - interval '30 seconds'`)).rowCount, 2);
    assert.equal(await inStep(), 0);

    await app.query(`BEGIN; ${numberedBinary(3)}; SAVEPOINT a; ${numberedBinary(4)}; ROLLBACK TO a; ${numberedBinary(5)}`);
    await app.query(`SELECT sio_emit_binary('/', '{}', 'large', convert_to(string_agg(md5(random()::text), ''), 'UTF8')) FROM generate_series(1, 4000)`);
    await app.query(GROW_OLD);
    assert.ok(await refreshes(app));
    assert.equal(await inStep(), 3);

    assert.deepEqual((await app.query(`SELECT sio_cleanup('0')::int AS n`)).rows, [{ n: 3 }]);
    assert.equal(await inStep(), 0);
    await listener.texts();
  });

  it('attachments are stored by the worker, and cleaned up', async () => {
    const queue = await queueing(publisher);
    await queue.query(`BEGIN; ${numberedBinary(1)}; ${GROW_OLD}; ${numberedBinary(2)}; COMMIT`);
    await delivered(admin);
    assert.deepEqual(await numbers(listener), [1, 2]);
    assert.equal(await inStep(), 2);
    await until('what was sent is forgotten', async () => (await admin.query('SELECT FROM _sio.queue')).rowCount === 0);
    await admin.query(`UPDATE ${TABLE} SET created_at = now() - interval '1 hour'`);
    await admin.query(`ALTER SYSTEM SET socketio_emitter.cleanup_interval = '100ms'`);
    await admin.query('SELECT pg_reload_conf()');
    await until('the worker has cleaned up', async () => (await admin.query(`SELECT FROM ${TABLE}`)).rowCount === 0);
    assert.equal(await inStep(), 0);
    await queue.end();
  });

  it('a table without a replica identity lacks the refresh alone', async () => {
    await admin.query(`ALTER ROLE ${EMITTER_ROLE} SET socketio_emitter.table_name = 'theirs.${TABLE}'`);
    const app = await publisher.connect({ user: EMITTER_ROLE });
    await app.query(`BEGIN; ${numberedBinary(1)}; ${numberedBinary(2)}; COMMIT`);
    assert.equal(await inStep(`theirs.${TABLE}`), 2);
    assert.deepEqual(await numbers(listener, `theirs.${TABLE}`), [1, 2]);

    // An update without a key would stop the subscriber.
    await app.query(`BEGIN; ${numberedBinary(3)}; ${GROW_OLD}`);
    assert.ok(!(await refreshes(app, `theirs.${TABLE}`)));
    assert.deepEqual(await numbers(listener, `theirs.${TABLE}`), [3]);
    assert.equal(await inStep(`theirs.${TABLE}`), 3);

    assert.deepEqual((await app.query(`SELECT sio_cleanup('0')::int AS n`)).rows, [{ n: 3 }]);
    assert.equal((await admin.query(`SELECT FROM theirs.${TABLE}`)).rowCount, 0);
    // Nothing tells the subscriber which rows, and it goes on.
    await admin.query(`TRUNCATE theirs.${TABLE}; ALTER TABLE theirs.${TABLE} REPLICA IDENTITY FULL`);
    await app.query(`BEGIN; ${numberedBinary(4)}; ${GROW_OLD}`);
    assert.ok(await refreshes(app, `theirs.${TABLE}`));
    assert.equal(await inStep(`theirs.${TABLE}`), 1);
    await app.end();
    await admin.query(`ALTER ROLE ${EMITTER_ROLE} RESET socketio_emitter.table_name`);
  });
});
