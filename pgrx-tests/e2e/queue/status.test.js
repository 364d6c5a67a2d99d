// What sio_status shows and to whom, and waiting for what was committed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { PG_MAJOR } from '../../harness/postgres.js';
import { delivered, numbered, numberedBinary, startQueue, status, untilIdle, untilWorker, whileWorkerStands } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { elapse, never, until } from '../../harness/wait.js';

describe('sio_status', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-status' }));
  });

  after(() => postgres?.stop());

  it('is one row about a queue at rest', async () => {
    const pid = await untilWorker(admin);
    await untilIdle(admin);
    assert.deepEqual(await status(admin), {
      delivery: 'notify', worker_pid: pid, worker_state: 'idle', last_error: null, last_error_at: null, queued: '0', oldest_queued_age: null,
      failed: '0', delivered_total: '0', failed_total: '0', batches_total: '0', attachments: '0', attachment_bytes: '0',
      notification_queue_usage: 0, delivering_session_pid: null, delivering_since: null,
      ...(await admin.query(`SELECT extversion AS extension_version, extversion AS library_version FROM pg_extension WHERE extname = 'socketio_emitter'`)).rows[0],
    });
  });

  it('shows what waits, how old it is, what was sent, and the attachments', async () => {
    await whileWorkerStands(admin, async () => {
      await app.query(`${numbered(1)}; ${numbered(2)}; ${numberedBinary(3)}`);
      await elapse(300, 'messages age');
      const now = await status(admin);
      assert.deepEqual([now.queued, now.delivered_total, now.attachments], ['3', '0', '0']);
      const { seconds = 0, milliseconds = 0 } = now.oldest_queued_age;
      assert.ok(seconds * 1000 + milliseconds >= 300, JSON.stringify(now.oldest_queued_age));
    });
    await delivered(admin);
    const now = await status(admin);
    assert.deepEqual([now.queued, now.oldest_queued_age, now.delivered_total, now.attachments], ['0', null, '3', '1']);
    assert.ok(Number(now.attachment_bytes) > 50);
    assert.ok(Number(now.batches_total) >= 1);
    assert.equal((await listener.texts()).length, 3);
  });

  it('shows the session\'s own way of delivery', async () => {
    await admin.query(`SET socketio_emitter.delivery = 'queue'`);
    assert.equal((await status(admin)).delivery, 'queue');
    await admin.query('RESET socketio_emitter.delivery');
  });

  it('is for who monitors, with nothing else of the queue, and for nobody else', async () => {
    await admin.query('CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor; CREATE ROLE stranger LOGIN');
    const monitor = await postgres.connect({ user: 'monitor' });
    await until('it sees the worker idle', async () => (await status(monitor)).worker_state === 'idle');
    for (const table of ['_sio.queue', '_sio.sent', '_sio.failed', '_sio.totals', 'sio_failed']) {
      await refused(monitor, `SELECT * FROM ${table}`, '42501');
    }
    for (const call of ['sio_deliver()', 'sio_retry()', 'sio_discard()', 'sio_wait_delivered()']) await refused(monitor, `SELECT ${call}`, '42501');
    const stranger = await postgres.connect({ user: 'stranger' });
    for (const each of ['sio_status', 'sio_failed', '_sio.worker()', '_sio.waiting()', '_sio.attachments()', '_sio.queue']) {
      await refused(stranger, `SELECT * FROM ${each}`, '42501');
    }
    await refused(stranger, `SELECT nextval('_sio.queue_id')`, '42501');
    await Promise.all([monitor, stranger].map((session) => session.end()));
  });

  it('shows that the worker waits for a session that delivers, and works on after it', async () => {
    await admin.query('BEGIN; SELECT sio_deliver(0)');
    await app.query(numbered(4));
    await never('the worker delivers', async () => (await listener.texts()).length > 0, { during: 300 });
    await admin.query('COMMIT');
    await delivered(admin);
    assert.equal((await listener.texts()).length, 1);
  });
});

// Before 17, Postgres's queue of notifications has 8 GB, which no test can fill.
if (PG_MAJOR >= 17) {
  describe('when a session listens and doesn\'t read,', () => {
    let postgres, admin, app, listener;

    before(async () => {
      ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-listeners', conf: { max_notify_queue_pages: 64 } }));
    });

    after(() => postgres?.stop());

    const emit = (count) => app.query(`SELECT count(sio_emit('/', '{}', 'e', to_jsonb(i))) FROM generate_series(1, ${count}) i`);

    it('the worker leaves room in Postgres\'s queue, and goes on when it reads', async () => {
      const deaf = await postgres.connect();
      await deaf.query('LISTEN "socket.io#/"');
      await deaf.query('BEGIN; SELECT 1');
      await emit(20_000);
      await until('the worker waits', async () => (await status(admin)).worker_state === 'waiting for listeners');
      const { queued, notification_queue_usage: usage } = await status(admin);
      assert.ok(Number(queued) > 0 && usage > 0.5 && usage < 0.8, `${queued} queued, ${usage} used`);
      await admin.query(`NOTIFY others`); // nobody else is kept from it
      await deaf.query('COMMIT');
      await delivered(admin);
      assert.equal((await listener.texts()).length, 20_000);
      await deaf.end();
    });

    it('sio_deliver sends no more than there is room for, and says so', async () => {
      const notices = [];
      admin.on('notice', ({ message }) => notices.push(message));
      await whileWorkerStands(admin, async () => {
        await emit(20_000);
        const { rows } = await admin.query('SELECT sio_deliver(20000)::int AS sent');
        assert.ok(rows[0].sent > 0 && rows[0].sent < 20_000);
        assert.deepEqual(notices, [`Postgres's notification queue has no room for more messages; messages sent: ${rows[0].sent}`]);
      });
      await delivered(admin);
      assert.equal((await listener.texts()).length, 20_000);
    });
  });
}

describe('sio_wait_delivered', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-wait', conf: { max_prepared_transactions: 2 } }));
  });

  after(() => postgres?.stop());

  const waited = async (client, timeout = '30 seconds') =>
    (await client.query('SELECT sio_wait_delivered($1) AS done', [timeout])).rows[0].done;

  it('is true at once when nothing waits', async () => {
    assert.equal(await waited(app, '0'), true);
  });

  it('is true when all has been sent, false when the time is over', async () => {
    await whileWorkerStands(admin, async () => {
      await app.query(numbered(1));
      assert.equal(await waited(app, '100 ms'), false);
      assert.equal(await waited(app, '0'), false);
    });
    assert.equal(await waited(app), true);
    assert.equal((await listener.texts()).length, 1);
  });

  it('waits for the delivery alone, not until the worker has deleted what it sent', async () => {
    // Should the machine be slow, it may have deleted it all the same: not every time.
    await until('a message is there that is delivered', async () => {
      await app.query(numbered(1));
      assert.equal(await waited(app), true);
      return (await admin.query('SELECT FROM _sio.queue')).rows.length > 0;
    });
    await listener.texts();
  });

  it('waits for nothing that isn\'t committed: of its own transaction, of others, prepared', async () => {
    const other = await postgres.connect({ user: 'app', options: '-c socketio_emitter.delivery=queue' });
    await other.query(`BEGIN; ${numbered(1)}`);
    await app.query(`BEGIN; ${numbered(2)}`);
    await admin.query('SELECT txid_current()'); // a later transaction, which has ended
    assert.equal(await waited(app, '5 seconds'), true);
    await app.query('COMMIT');
    await other.query(`PREPARE TRANSACTION 'p'`);
    assert.equal(await waited(app, '5 seconds'), true);
    await other.query(`COMMIT PREPARED 'p'`);
    assert.equal(await waited(app), true);
    assert.equal((await listener.texts()).length, 2);
    await other.end();
  });

  it('holds no lock on the queue while it waits', async () => {
    await whileWorkerStands(admin, async () => {
      await app.query(numbered(1));
      const done = waited(app, '60 seconds');
      await admin.query('BEGIN; LOCK TABLE _sio.queue; ROLLBACK');
      const cancelled = assert.rejects(done, { code: '57014' });
      await until('it is cancelled', async () => (await admin.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE query LIKE '%sio_wait_delivered%' AND usename = 'app' AND state = 'active'`)).rows.length > 0);
      await cancelled;
    });
    assert.equal(await waited(app), true);
    await listener.texts();
  });

  it('can be cancelled', async () => {
    await whileWorkerStands(admin, async () => {
      await app.query(numbered(1));
      await app.query(`SET statement_timeout = '200ms'`);
      await refused(app, 'SELECT sio_wait_delivered()', '57014');
      await app.query('RESET statement_timeout');
    });
    assert.equal(await waited(app), true);
  });

  it('refuses a time that is none', async () => {
    await refused(app, 'SELECT sio_wait_delivered(NULL)', '22004', { says: 'timeout' });
    await refused(app, `SELECT sio_wait_delivered('-1 second')`, '22023', { says: 'timeout' });
    assert.equal(await waited(app, '100 years'), true);
  });

  it('is true once a message has been set aside', async () => {
    await app.query(`BEGIN; ${numberedBinary(1)}`);
    await admin.query('ALTER TABLE socket_io_attachments ADD CONSTRAINT no CHECK (false) NOT VALID');
    await app.query('COMMIT');
    assert.equal(await waited(app), true);
    await until('it is set aside', async () => (await status(admin)).failed === '1');
  });
});
