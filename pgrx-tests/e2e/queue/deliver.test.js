// sio_deliver: the delivery without preloading, from a session or from pg_cron, and beside others that deliver.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { names, numbered, numberedBinary, numbers, PRELOAD, queued, queueing, startQueue, status, upTo } from '../../harness/queue.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

describe('sio_deliver', () => {
  let postgres, admin, app, listener;

  before(async () => {
    // pg_cron is preloaded, our library isn't.
    const cron = { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'postgres', 'cron.host': '127.0.0.1' };
    const conf = { ...(lacks('pg_cron') ? {} : cron), max_prepared_transactions: 2 };
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-deliver', preload: false, conf }));
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await app.query(`ROLLBACK; RESET ALL; SET socketio_emitter.delivery = 'queue'`);
    await admin.query('ROLLBACK; RESET ALL; SELECT sio_deliver(1000000); TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  const emit = (...list) => app.query(list.map((n) => (n % 3 === 2 ? numberedBinary(n) : numbered(n))).join(';'));
  const deliver = async (session = admin, max = '') => Number((await session.query(`SELECT sio_deliver(${max}) AS n`)).rows[0].n);

  describe('sends', () => {
    it('all that is queued, and says how much it was', async () => {
      await emit(...upTo(10));
      assert.deepEqual(await numbers(listener), []);
      assert.equal(await deliver(), 10);
      assert.deepEqual(await numbers(listener), upTo(10));
      assert.equal(await deliver(), 0);
      assert.deepEqual(await numbers(listener), []);
    });

    it('so many as it is told, the oldest first', async () => {
      await emit(...upTo(10));
      for (const [max, sent] of [[3, [0, 1, 2]], [0, []], [1, [3]], [5, [4, 5, 6, 7, 8]], [2_147_483_647, [9]], [7, []]]) {
        assert.equal(await deliver(admin, max), sent.length, `${max}`);
        assert.deepEqual(await numbers(listener), sent);
      }
    });

    it('ten thousand unless told', async () => {
      await app.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb(i)) FROM generate_series(0, 10004) i`);
      assert.equal(await deliver(), 10_000);
      assert.equal(await queued(admin), 5);
      assert.equal(await deliver(), 5);
      assert.deepEqual(await numbers(listener), upTo(10_005));
    });

    it('more than a batch of the worker\'s, in number and in bytes', async () => {
      await app.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb(i)) FROM generate_series(0, 22000) i`);
      assert.equal(await deliver(admin, 22_001), 22_001);
      assert.deepEqual(await numbers(listener), upTo(22_001));
      await app.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb(repeat('x', 1000000))) FROM generate_series(1, 25) i`);
      assert.equal(await deliver(), 25);
      assert.equal((await listener.messages()).length, 25);
    });

    it('what its own transaction queued, with that transaction', async () => {
      await admin.query(`SET socketio_emitter.delivery = 'queue'; BEGIN; ${numbered(1)}; ${numberedBinary(2)}`);
      assert.equal(await deliver(), 2);
      assert.deepEqual(await numbers(listener), []);
      await admin.query(`${numbered(3)}; COMMIT`);
      assert.deepEqual(await numbers(listener), [1, 2]);
      assert.equal(await deliver(), 1);
      assert.deepEqual(await numbers(listener), [3]);
    });

    it('not what isn\'t committed', async () => {
      await app.query(`BEGIN; ${numbered(1)}`);
      assert.equal(await deliver(), 0);
      await app.query('COMMIT');
      assert.equal(await deliver(), 1);
    });

    it('what was prepared, once that is committed', async () => {
      await app.query(`BEGIN; ${numbered(1)}; ${numberedBinary(2)}; PREPARE TRANSACTION 'p'`);
      assert.equal(await deliver(), 0);
      await app.query(`COMMIT PREPARED 'p'`);
      assert.equal(await deliver(), 2);
      assert.deepEqual(await numbers(listener), [1, 2]);
    });

    it('attachments that are young when they are delivered, however long they were queued', async () => {
      await emit(2);
      await admin.query('SELECT pg_sleep(1.1)');
      const { rows: [{ moment }] } = await admin.query('SELECT clock_timestamp() AS moment');
      assert.equal((await admin.query('SELECT FROM socket_io_attachments')).rowCount, 0);
      assert.equal(await deliver(), 1);
      const { rows } = await admin.query('SELECT created_at >= $1 AS young FROM socket_io_attachments', [moment]);
      assert.deepEqual(rows, [{ young: true }]);
    });

    it('with a transaction per portion, in a loop of PL/pgSQL', async () => {
      await emit(...upTo(30));
      await admin.query('DO $$ BEGIN LOOP EXIT WHEN public.sio_deliver(7) = 0; COMMIT; END LOOP; END $$');
      assert.deepEqual(await numbers(listener), upTo(30));
    });

    it('equal messages each', async () => {
      for (let i = 0; i < 3; i++) await app.query(`SELECT sio_emit('/', '{}', 'same', '1'), sio_emit_binary('/', '{}', 'same', '\\x41')`);
      assert.equal(await deliver(), 6);
      assert.deepEqual(await names(listener), Array(6).fill('same'));
    });

    it('in a session that listens, too', async () => {
      const own = await listen(postgres);
      await emit(0, 1);
      assert.equal(await deliver(own.client), 2);
      assert.deepEqual(await numbers(own), [0, 1]);
      await own.close();
    });
  });

  describe('takes back what it sent, when', () => {
    it('its transaction is rolled back', async () => {
      await emit(...upTo(6));
      await admin.query('BEGIN');
      assert.equal(await deliver(), 6);
      await admin.query('ROLLBACK');
      assert.deepEqual(await numbers(listener), []);
      assert.equal(await queued(admin), 6);
      assert.equal((await admin.query('SELECT FROM socket_io_attachments')).rowCount, 0);
      assert.equal(await deliver(), 6);
      assert.deepEqual(await numbers(listener), upTo(6));
    });

    it('a savepoint is', async () => {
      await emit(...upTo(6));
      await admin.query('BEGIN');
      assert.equal(await deliver(admin, 2), 2);
      await admin.query('SAVEPOINT a');
      assert.equal(await deliver(), 4);
      await admin.query('ROLLBACK TO a');
      assert.equal(await deliver(admin, 1), 1);
      await admin.query('COMMIT');
      assert.deepEqual(await numbers(listener), [0, 1, 2]);
      assert.equal(await deliver(), 3);
      assert.deepEqual(await numbers(listener), [3, 4, 5]);
    });

    it('the totals know nothing of it', async () => {
      await emit(0);
      const before = await status(admin);
      await admin.query('BEGIN');
      await deliver();
      await admin.query('ROLLBACK');
      assert.deepEqual((({ delivered_total, batches_total }) => [delivered_total, batches_total])(await status(admin)),
        [before.delivered_total, before.batches_total]);
      await deliver();
      assert.equal((await status(admin)).delivered_total - before.delivered_total, 1);
    });
  });

  describe('beside another one', () => {
    let other;

    before(async () => {
      other = await postgres.connect();
    });

    it('waits for it, and then has the rest', async () => {
      await emit(...upTo(9));
      await other.query('BEGIN');
      assert.equal(await deliver(other, 4), 4);
      const waiting = deliver();
      await until('the second waits for a lock', async () => {
        const { rows } = await listener.client.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%sio_deliver%'`);
        return rows.length === 1;
      });
      await other.query('COMMIT');
      assert.equal(await waiting, 5);
      assert.deepEqual(await numbers(listener), upTo(9));
    });

    it('has all, if that was rolled back', async () => {
      await emit(...upTo(6));
      await other.query('BEGIN');
      assert.equal(await deliver(other), 6);
      const waiting = deliver();
      await other.query('ROLLBACK');
      assert.equal(await waiting, 6);
      assert.deepEqual(await numbers(listener), upTo(6));
    });

    it('can be told not to wait for long', async () => {
      await other.query('BEGIN');
      await deliver(other);
      await admin.query(`SET lock_timeout = '100ms'`);
      await refused(admin, 'SELECT sio_deliver()', '55P03');
      await other.query('ROLLBACK');
    });

    it('doesn\'t make emits wait', async () => {
      await emit(...upTo(3));
      await other.query('BEGIN');
      await deliver(other);
      await app.query(`SET lock_timeout = '200ms'`);
      await emit(...upTo(3));
      await other.query('ROLLBACK');
      assert.equal(await deliver(), 6);
    });

    for (const isolation of ['REPEATABLE READ', 'SERIALIZABLE']) {
      it(`sends nothing twice under ${isolation}, with a snapshot from before that one's commit`, async () => {
        await emit(...upTo(4));
        await admin.query(`BEGIN ISOLATION LEVEL ${isolation}; SELECT count(*) FROM pg_class`);
        assert.equal(await deliver(other, 3), 3);
        // As any DELETE there, it may be refused; or it takes what is left.
        const outcome = await deliver().catch(({ code }) => code);
        await admin.query(outcome === '40001' ? 'ROLLBACK' : 'COMMIT');
        assert.ok([0, 1, '40001'].includes(outcome), `${outcome}`);
        await deliver(other);
        assert.deepEqual(await numbers(listener), upTo(4));
      });
    }

    it('delivers each message once, in order, in a crowd of emits and deliveries', async () => {
      const emitters = await Promise.all(upTo(6).map(() => queueing(postgres)));
      const deliverers = await Promise.all(upTo(4).map(() => postgres.connect()));
      let busy = true;
      const delivering = deliverers.map(async (session, i) => {
        let sent = 0;
        while (busy) sent += await deliver(session, 3 + i * 5);
        await session.end();
        return sent;
      });
      await Promise.all(emitters.map(async (session, i) => {
        for (const n of upTo(60)) await session.query(n % 8 ? numbered(i * 100 + n) : numberedBinary(i * 100 + n));
        await session.end();
      }));
      busy = false;
      const counts = await Promise.all(delivering);
      const rest = await deliver();
      assert.equal(counts.reduce((a, b) => a + b, rest), 360);
      const order = await numbers(listener);
      assert.equal(order.length, 360);
      for (const i of upTo(6)) assert.deepEqual(order.filter((n) => Math.floor(n / 100) === i), upTo(60).map((n) => i * 100 + n));
    });
  });

  describe('refuses', () => {
    it('NULL and a negative number', async () => {
      await refused(admin, 'SELECT sio_deliver(NULL)', '22004', { says: 'max_messages' });
      for (const max of [-1, -2_147_483_648]) await refused(admin, `SELECT sio_deliver(${max})`, '22023', { says: 'max_messages' });
    });

    it('a read-only transaction, also with nothing queued', async () => {
      for (const prepare of ['SELECT 1', numbered(1)]) {
        await app.query(prepare);
        await admin.query('BEGIN READ ONLY');
        await refused(admin, 'SELECT sio_deliver()', '25006', { says: 'sio_deliver' });
        await admin.query('ROLLBACK');
      }
      assert.equal(await queued(admin), 1);
    });

    it('whoever wasn\'t granted it, and needs no more than that', async () => {
      await createRoles(admin, 'courier');
      const courier = await postgres.connect({ user: 'courier' });
      await refused(courier, 'SELECT sio_deliver()', '42501');
      await admin.query('GRANT EXECUTE ON FUNCTION sio_deliver TO courier');
      await emit(...upTo(6));
      // What it has put in the way.
      await courier.query(`CREATE TEMP TABLE queue (LIKE pg_class); CREATE TEMP TABLE totals (delivered text);
                           CREATE TEMP TABLE socket_io_attachments (mine int); SET search_path = pg_temp`);
      const { rows } = await courier.query('SELECT public.sio_deliver() AS n');
      assert.equal(rows[0].n, '6');
      await courier.end();
      assert.deepEqual(await numbers(listener), upTo(6));
    });
  });

  describe('is told of, where no worker runs, by a warning', () => {
    it('to the session that queues first, once', async () => {
      const session = await queueing(postgres);
      await session.query('SELECT 1');
      assert.deepEqual(session.warnings(), []);
      await session.query(numbered(1));
      const [warning, ...more] = session.warnings();
      assert.deepEqual(more, []);
      assert.match(warning.hint, /shared_preload_libraries/);
      assert.match(warning.hint, /sio_deliver/);
      await session.query(`${numberedBinary(2)}; BEGIN; ${numbered(3)}; COMMIT`);
      await session.query('DISCARD ALL');
      await session.query(`SET socketio_emitter.delivery = 'queue'; ${numbered(4)}`);
      assert.deepEqual(session.warnings(), []);
      await session.end();
    });

    it('to nobody who notifies', async () => {
      const session = await queueing(postgres);
      await session.query(`SET socketio_emitter.delivery = 'notify'; ${numbered(1)}; ${numberedBinary(2)}`);
      assert.deepEqual(session.warnings(), []);
      await session.end();
    });
  });

  it('runs by pg_cron, as a role that may do nothing else', { skip: lacks('pg_cron') }, async () => {
    await createRoles(admin, 'postman');
    await admin.query(`CREATE EXTENSION pg_cron; GRANT USAGE ON SCHEMA cron TO postman;
                       GRANT EXECUTE ON FUNCTION sio_deliver TO postman`);
    const postman = await postgres.connect({ user: 'postman' });
    await emit(...upTo(5));
    const command = 'SELECT public.sio_deliver()';
    // Intervals of seconds came with pg_cron 1.5.
    const seconds = await postman.query(`SELECT cron.schedule('deliver', '1 second', $1)`, [command]).then(() => true, () => false);
    if (!seconds) await postman.query(`SELECT cron.schedule('deliver', '* * * * *', $1)`, [command]);
    await until('pg_cron delivered', async () => (await queued(admin)) === 0, { timeout: 150_000, every: 500 });
    await postman.query(`SELECT cron.unschedule('deliver')`);
    await postman.end();
    assert.deepEqual(await numbers(listener), upTo(5));
    const { rows } = await admin.query('SELECT username, command FROM cron.job_run_details ORDER BY runid LIMIT 1');
    assert.deepEqual(rows, [{ username: 'postman', command }]);
  });
});

describe('sio_deliver beside the worker', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'queue-deliver-worker', conf: PRELOAD });
    admin = await prepareDatabase(postgres);
    app = await queueing(postgres);
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());

  it('holds it back until its transaction ends; then nothing is missing or doubled', async () => {
    assert.equal(app.warnings().length, 0);
    const session = await postgres.connect({ user: EMITTER_ROLE });
    await session.query('BEGIN; SELECT sio_deliver()');
    await app.query(['BEGIN', ...upTo(20).map(numbered), 'COMMIT'].join(';'));
    assert.deepEqual(await numbers(listener), []);
    await session.query('SELECT sio_deliver(5)');
    await session.query('COMMIT');
    await listener.take(20).then((texts) =>
      assert.deepEqual(texts.map((text) => JSON.parse(text).data.packet.data[1]), upTo(20)));
    await session.query('SELECT sio_deliver()');
    assert.deepEqual(await numbers(listener), []);
    assert.deepEqual(app.warnings(), []);
    await session.end();
  });

  it('nor does it matter if that transaction is rolled back', async () => {
    const session = await postgres.connect({ user: EMITTER_ROLE });
    await session.query('BEGIN; SELECT sio_deliver()');
    await app.query(['BEGIN', ...upTo(20).map(numbered), 'COMMIT'].join(';'));
    await session.query('SELECT sio_deliver()');
    await session.query('ROLLBACK');
    const texts = await listener.take(20);
    assert.deepEqual(texts.map((text) => JSON.parse(text).data.packet.data[1]), upTo(20));
    assert.deepEqual(await numbers(listener), []);
    await session.end();
    assert.equal((await status(admin)).queued, '0');
  });
});
