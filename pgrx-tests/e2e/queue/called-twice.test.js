// Functions of the queue, and the cleanup, called twice in a statement or by two sessions at once: each message is dealt with
// once.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { numberedBinary, numbers, queued, startQueue, upTo } from '../../harness/queue.js';
import { until } from '../../harness/wait.js';

describe('two calls of the queue\'s functions', () => {
  let postgres, admin, app, other, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-twice', preload: false }));
    other = await postgres.connect();
  });

  after(() => postgres?.stop());

  beforeEach(async () => {
    for (const session of [other, admin]) await session.query('ROLLBACK');
    await admin.query('SELECT sio_discard(); SELECT sio_deliver(); TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  /** Messages that failed, as many as that. */
  async function fail(count) {
    await app.query(`BEGIN; ${upTo(count).map((n) => numberedBinary(n)).join(';')}`);
    await admin.query('ALTER TABLE socket_io_attachments ADD CONSTRAINT no CHECK (false) NOT VALID');
    await app.query('COMMIT');
    await admin.query('SELECT sio_deliver(); ALTER TABLE socket_io_attachments DROP CONSTRAINT no');
    assert.equal(await failed(), count);
  }

  const failed = async () => (await admin.query('SELECT FROM sio_failed')).rowCount;
  const both = async (one, two, session = admin) => Object.values((await session.query(`SELECT ${one}::int AS a, ${two}::int AS b`)).rows[0]);
  const one = async (call, session) => (await session.query(`SELECT ${call}::int AS n`)).rows[0].n;
  const arrived = async () => {
    await admin.query('SELECT sio_deliver()');
    assert.equal(await queued(admin), 0);
    return (await numbers(listener)).sort();
  };

  describe('in one statement:', () => {
    for (const [calls, then] of [
      [['sio_discard()', 'sio_discard()'], []], [['sio_retry()', 'sio_retry()'], [0, 1, 2]],
      [['sio_retry()', 'sio_discard()'], [0, 1, 2]], [['sio_discard()', 'sio_retry()'], []],
    ]) {
      it(`${calls.join(', ')}: the first has them all`, async () => {
        await fail(3);
        assert.deepEqual(await both(...calls), [3, 0]);
        assert.equal(await failed(), 0);
        assert.deepEqual(await arrived(), then);
      });
    }

    it('sio_retry() and sio_discard() for each row of sio_failed: each once', async () => {
      await fail(4);
      const { rows } = await admin.query(`SELECT sio_retry(id)::int + sio_retry(id)::int + sio_discard(id)::int AS n FROM sio_failed`);
      assert.deepEqual(rows, upTo(4).map(() => ({ n: 1 })));
      assert.deepEqual(await arrived(), upTo(4));
    });

    it('sio_deliver(), sio_deliver(): the first sends them all', async () => {
      await app.query(upTo(3).map((n) => numberedBinary(n)).join(';'));
      assert.deepEqual(await both('sio_deliver()', 'sio_deliver()'), [3, 0]);
      assert.deepEqual(await arrived(), [0, 1, 2]);
    });

    it('sio_deliver(2), sio_deliver(2): each its part', async () => {
      await app.query(upTo(3).map((n) => numberedBinary(n)).join(';'));
      assert.deepEqual(await both('sio_deliver(2)', 'sio_deliver(2)'), [2, 1]);
      assert.deepEqual(await arrived(), [0, 1, 2]);
    });

    it('sio_retry(), sio_deliver(): what is retried is sent by a later transaction', async () => {
      await fail(3);
      assert.deepEqual((await both('sio_retry()', 'sio_deliver()'))[0], 3);
      assert.deepEqual(await arrived(), [0, 1, 2]);
    });

    it('sio_cleanup(\'0\'), sio_cleanup(\'0\'): the first deletes them all', async () => {
      await admin.query(`INSERT INTO socket_io_attachments (created_at) SELECT now() - interval '1 hour' FROM generate_series(1, 5)`);
      assert.deepEqual(await both(`sio_cleanup('0')`, `sio_cleanup('0')`), [5, 0]);
    });
  });

  describe('at once, by two sessions:', () => {
    const waits = () => until('the second waits', async () => {
      const { rows } = await listener.client.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'sio_(retry|discard)'`);
      return rows.length === 1;
    });

    for (const [first, second] of [
      ['sio_retry()', 'sio_retry()'], ['sio_discard()', 'sio_discard()'], ['sio_retry()', 'sio_discard()'], ['sio_discard()', 'sio_retry()'],
    ]) {
      for (const end of ['COMMIT', 'ROLLBACK']) {
        it(`${first}, then ${second}, which waits for the ${end} of the first`, async () => {
          await fail(3);
          await other.query('BEGIN');
          assert.equal(await one(first, other), 3);
          const waiting = one(second, admin);
          await waits();
          await other.query(end);
          assert.equal(await waiting, end === 'COMMIT' ? 0 : 3);
          const last = end === 'COMMIT' ? first : second;
          assert.deepEqual(await arrived(), last === 'sio_retry()' ? [0, 1, 2] : []);
          assert.equal(await failed(), 0);
        });
      }
    }

    for (const isolation of ['REPEATABLE READ', 'SERIALIZABLE']) {
      it(`sio_retry() under ${isolation}, beside one that commits first: each message arrives once`, async () => {
        await fail(3);
        await admin.query(`BEGIN ISOLATION LEVEL ${isolation}; SELECT count(*) FROM pg_class`);
        assert.equal(await one('sio_retry()', other), 3);
        const outcome = await one('sio_retry()', admin).catch(({ code }) => code);
        assert.ok([0, '40001'].includes(outcome), `${outcome}`);
        await admin.query('ROLLBACK');
        assert.deepEqual(await arrived(), [0, 1, 2]);
      });
    }

    it('a crowd that retries: each message arrives once', async () => {
      await fail(60);
      const sessions = await Promise.all(upTo(5).map(() => postgres.connect()));
      const counts = await Promise.all(sessions.map((session) => one('sio_retry()', session)));
      assert.equal(counts.reduce((a, b) => a + b), 60);
      assert.equal((await arrived()).length, 60);
      await Promise.all(sessions.map((session) => session.end()));
    });
  });
});
