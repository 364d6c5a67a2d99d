// Batches that fail at their COMMIT: each of their messages could be sent, and none of them is.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { delivered, numbered, numberedBinary, numbers, startQueue, status, untilWorker, upTo, whileWorkerStands } from '../../harness/queue.js';
import { EMITTER_ROLE } from '../../harness/roles.js';
import { firstValue, until } from '../../harness/wait.js';

// More than the worker gives a message that can't be committed for a reason of its own, with the halvings before.
const ATTEMPTS = 20;

describe('a batch that can\'t be committed', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-commits' }));
    await untilWorker(admin);
  });

  after(() => postgres?.stop());

  beforeEach(async () => {
    await admin.query('SELECT sio_discard()');
    await delivered(admin);
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  /** Until the condition holds. The worker backs off for longer and longer, but for new settings it gets up at once. */
  const hurried = (what, condition) => until(what, async () => {
    await admin.query('SELECT pg_reload_conf()');
    return condition();
  });

  const attachments = async () => (await admin.query('SELECT FROM socket_io_attachments')).rowCount;

  describe('because Postgres can\'t write its queue of notifications to disk', () => {
    const folder = () => path.join(postgres.dataDir, 'pg_notify');

    afterEach(() => chmodSync(folder(), 0o700));

    const fillPage = () => admin.query(`SELECT pg_notify('nobody', repeat('x', 4500))`);

    /**
     * Some pages of that queue are kept in memory, and written when room is needed for another. When all of them have to be,
     * what fits on the page that was begun last can be committed, and what doesn't can't: there is room for 3 kB, not for 4.
     */
    async function fillPages() {
      // After the second one, that page holds nothing else.
      for (let i = 0; i < 2; i++) await fillPage();
      chmodSync(folder(), 0);
      assert.equal(await firstValue(() => fillPage().then(() => false, ({ code }) => code), 60_000, 0), '42501');
    }

    const settled = (failures) => hurried('all has been sent or set aside', async () => {
      const { failed, queued } = await status(admin);
      return failed === String(failures) && queued === '0';
    });

    it('gets smaller, down to the message that is to blame: that is set aside, and those around it arrive', async () => {
      const messages = upTo(12).map((n) => (n === 8 ? numbered(n, 'x'.repeat(4_500)) : n % 5 ? numbered(n) : numberedBinary(n)));
      const before = await status(admin);
      await whileWorkerStands(admin, async () => {
        await fillPages();
        await app.query(['BEGIN', ...messages, 'COMMIT'].join(';'));
      });
      await settled(1);
      const { rows: [failed] } = await admin.query('SELECT * FROM sio_failed');
      assert.equal(failed.sqlstate, '42501');
      assert.match(failed.error, /could not access status of transaction/);
      assert.ok(failed.bytes > 4_500, `${failed.bytes} bytes`);
      const now = await status(admin);
      assert.match(now.last_error, /could not access status of transaction/);
      assert.deepEqual([now.delivered_total - before.delivered_total, now.failed_total - before.failed_total], [11, 1]);
      // Halves: 6; 2 of the next 6; 2 and 1 behind it. One by one they would be more.
      assert.ok(now.batches_total - before.batches_total <= 4, `${now.batches_total - before.batches_total} batches`);
      chmodSync(folder(), 0o700);
      assert.deepEqual(await numbers(listener), upTo(12).filter((n) => n !== 8));
      assert.equal(await attachments(), 3, 'nothing is left of the attempts that failed');
    });

    it('is sent as soon as it can be: a few failures are no reason to set anything aside', async () => {
      const failures = new Set([String((await status(admin)).last_error_at?.getTime())]); // that of before
      await whileWorkerStands(admin, async () => {
        await fillPages();
        await app.query(numbered(1, 'x'.repeat(4_500)));
      });
      await until('it has failed three times', async () => {
        const { last_error_at: at } = await status(admin);
        return failures.add(String(at?.getTime())).size === 4;
      });
      chmodSync(folder(), 0o700);
      await delivered(admin);
      assert.equal((await status(admin)).failed, '0');
      assert.deepEqual(await numbers(listener), [1]);
    });

    // What was set aside lies in another table, which stores texts in its own way.
    it('has messages set aside that arrive when they are tried again, however well their text can be compressed', async () => {
      await whileWorkerStands(admin, async () => {
        await fillPages();
        await app.query(['BEGIN', numbered(1, 'x'.repeat(4_500)), numbered(2, randomBytes(2_500).toString('hex')), 'COMMIT'].join(';'));
      });
      await settled(2);
      chmodSync(folder(), 0o700);
      assert.deepEqual(await numbers(listener), []);
      await admin.query('SELECT sio_retry()');
      await delivered(admin);
      assert.deepEqual((await admin.query('SELECT error FROM sio_failed')).rows, []);
      assert.deepEqual(await numbers(listener), [1, 2]);
    });
  });

  describe('because another\'s commit that notifies waits for a standby', () => {
    let other;

    before(async () => {
      other = await postgres.connect({ user: EMITTER_ROLE });
      await admin.query('SET synchronous_commit = local');
      await app.query('SET synchronous_commit = local');
    });

    afterEach(async () => {
      await admin.query('ALTER SYSTEM RESET synchronous_standby_names');
      await admin.query('SELECT pg_reload_conf()');
    });

    it('is tried again for as long as it takes: all arrives afterwards, once and in order', async () => {
      await admin.query(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`);
      await admin.query('SELECT pg_reload_conf()');
      const { rows: [{ pid }] } = await other.query('SELECT pg_backend_pid() AS pid');
      const waits = async () => (await admin.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`, [pid])).rowCount > 0;
      // Until then it commits.
      let commit, emitted = 0;
      await until('a commit waits for the standby', async () => {
        let done = false;
        commit = other.query(numberedBinary(100 + emitted++)).finally(() => { done = true; });
        return until('it waits or is done', async () => done || await waits()).then(() => !done);
      });

      await app.query(['BEGIN', ...upTo(10).map((n) => (n % 2 ? numbered(n) : numberedBinary(n))), 'COMMIT'].join(';'));
      const worker = await untilWorker(admin);
      const attempts = new Set();
      await hurried(`the worker has waited ${ATTEMPTS} times`, async () => {
        const { rows } = await admin.query(`SELECT waitstart::text FROM pg_locks WHERE pid = $1 AND NOT granted AND locktype = 'object'`, [worker]);
        for (const { waitstart } of rows) if (waitstart !== null) attempts.add(waitstart);
        return attempts.size >= ATTEMPTS;
      });
      const { failed, queued, last_error: error } = await status(admin);
      assert.deepEqual([failed, queued], ['0', '10']);
      assert.match(error, /lock timeout/);

      await admin.query('ALTER SYSTEM RESET synchronous_standby_names');
      await admin.query('SELECT pg_reload_conf()');
      await commit;
      await delivered(admin);
      assert.deepEqual(await numbers(listener), [...upTo(emitted).map((n) => 100 + n), ...upTo(10)]);
      assert.equal(await attachments(), emitted + 5, 'nothing is left of the attempts that failed');
      assert.equal((await status(admin)).failed, '0');
    });
  });
});
