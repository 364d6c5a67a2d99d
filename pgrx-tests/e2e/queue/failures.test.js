// Messages that can't be sent, and times when none can.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { delivered, numbered, numberedBinary, numbers, queued, queueing, startQueue, status, untilIdle, untilWorker, upTo, whileWorkerStands } from '../../harness/queue.js';
import { startPostgres } from '../../harness/postgres.js';
import { listen } from '../../harness/listener.js';
import { createRoles, EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { refused } from '../../harness/refusals.js';
import { until } from '../../harness/wait.js';

for (const preload of [true, false]) {
  describe(`a message that can't be sent by ${preload ? 'the worker' : 'sio_deliver'}`, () => {
    let postgres, admin, app, listener;

    before(async () => {
      postgres = await startPostgres({
        name: `queue-failures-${preload}`, conf: preload ? { shared_preload_libraries: 'socketio_emitter' } : {},
      });
      admin = await prepareDatabase(postgres);
      await createRoles(admin, 'table_owner');
      // Another attachments table, which is altered between emits and their commit so that messages can't be stored.
      await admin.query(`GRANT CREATE ON SCHEMA public TO table_owner; GRANT SET ON PARAMETER socketio_emitter.table_name TO ${EMITTER_ROLE};
        CREATE TABLE public.poisoned (id bigserial UNIQUE, created_at timestamptz, payload bytea)`);
      app = await queueing(postgres);
      listener = await listen(postgres);
    });

    after(async () => postgres?.stop());

    beforeEach(async () => {
      await mend();
      await admin.query('SELECT sio_discard()');
      await settle();
      await listener.texts();
    });

    /** Until all is delivered that can be. */
    async function settle() {
      if (preload) return delivered(admin);
      for (;;) {
        const { rows } = await admin.query('SELECT sio_deliver() AS n');
        if (rows[0].n === '0' && (await queued(admin)) === 0) return undefined;
      }
    }

    const failed = async () => (await admin.query('SELECT * FROM sio_failed ORDER BY id')).rows;

    const mend = () => admin.query('ALTER TABLE public.poisoned DROP CONSTRAINT IF EXISTS never');

    /** An emit into the other table. */
    const poison = (n) => `SET LOCAL socketio_emitter.table_name = 'public.poisoned'; ${numberedBinary(n, 'poison')};
                           SET LOCAL socketio_emitter.table_name = ''`;

    /** Emits all of it in one transaction. Until `mend`, what is poison can't be sent. */
    async function emitPoisoned(...emits) {
      await app.query(['BEGIN', ...emits].join(';'));
      await admin.query('ALTER TABLE public.poisoned ADD CONSTRAINT never CHECK (false) NOT VALID');
      await app.query('COMMIT');
    }

    it('is set aside with its error; those before and behind it arrive', async () => {
      const before = await status(admin);
      await emitPoisoned(...upTo(50).map((n) => ([7, 23].includes(n) ? poison(n) : n % 5 ? numbered(n) : numberedBinary(n))));
      await settle();
      assert.deepEqual(await numbers(listener), upTo(50).filter((n) => ![7, 23].includes(n)));
      const rows = await failed();
      assert.equal(rows.length, 2);
      for (const row of rows) {
        assert.deepEqual([row.sqlstate, row.channel], ['0A000', 'socket.io#/']);
        assert.match(row.error, /public\.poisoned because of its check constraint "never"/);
        assert.ok(row.bytes > 10 && row.bytes < 500, `${row.bytes} bytes`);
        assert.ok(row.queued_at <= row.failed_at && Date.now() - row.queued_at < 60_000);
      }
      const now = await status(admin);
      assert.deepEqual([now.queued, now.failed, now.oldest_queued_age], ['0', '2', null]);
      assert.equal(now.failed_total - before.failed_total, 2);
      assert.equal(now.delivered_total - before.delivered_total, 48);
    });

    it('is shown in sio_status, by the worker', async () => {
      await emitPoisoned(poison(1));
      await settle();
      if (!preload) return assert.equal((await status(admin)).failed, '1');
      const { last_error: error, last_error_at: at } = await until('the error is shown', async () => {
        const now = await status(admin);
        return now.last_error?.includes('public.poisoned') && now;
      });
      assert.match(error, /check constraint "never"/);
      assert.ok(Math.abs(Date.now() - at) < 60_000);
      return untilIdle(admin);
    });

    it('can be retried, one or all, and stays set aside if it fails again', async () => {
      await emitPoisoned(...[1, 2, 3].map(poison));
      await settle();
      const [first, second, third] = await failed();
      assert.equal((await admin.query('SELECT sio_retry($1) AS n', [second.id])).rows[0].n, '1');
      await settle();
      assert.deepEqual(await numbers(listener, 'public.poisoned'), []);
      assert.equal((await failed()).length, 3);
      await mend();
      assert.equal((await admin.query('SELECT sio_retry($1) AS n', [first.id])).rows[0].n, '1');
      await settle();
      assert.deepEqual(await numbers(listener, 'public.poisoned'), [1]);
      assert.equal((await failed()).length, 2);
      assert.equal((await admin.query('SELECT sio_retry() AS n')).rows[0].n, '2');
      await settle();
      assert.deepEqual((await numbers(listener, 'public.poisoned')).sort(), [2, 3]);
      assert.deepEqual(await failed(), []);
      assert.deepEqual((await admin.query('SELECT sio_retry() AS a, sio_retry($1) AS b', [third.id])).rows, [{ a: '0', b: '0' }]);
    });

    it('can be discarded, one or all', async () => {
      await emitPoisoned(...[1, 2, 3].map(poison));
      await settle();
      const [first] = await failed();
      assert.equal((await admin.query('SELECT sio_discard($1) AS n', [first.id])).rows[0].n, '1');
      assert.equal((await admin.query('SELECT sio_discard($1) AS n', [first.id])).rows[0].n, '0');
      assert.equal((await failed()).length, 2);
      assert.equal((await admin.query('SELECT sio_discard(NULL) AS n')).rows[0].n, '2');
      assert.deepEqual(await failed(), []);
      await mend();
      await admin.query('SELECT sio_retry()');
      await settle();
      assert.deepEqual(await numbers(listener, 'public.poisoned'), []);
    });

    it('is put back with its transaction only', async () => {
      await emitPoisoned(poison(1));
      await settle();
      await mend();
      await admin.query('BEGIN; SELECT sio_retry(); ROLLBACK; BEGIN; SELECT sio_discard(); ROLLBACK');
      assert.equal((await failed()).length, 1);
      await settle();
      assert.deepEqual(await numbers(listener, 'public.poisoned'), []);
      await admin.query('SELECT sio_retry()');
      await settle();
      assert.deepEqual(await numbers(listener, 'public.poisoned'), [1]);
    });

    it('may be one of thousands, or each', async () => {
      const bad = new Set([0, 1, 2_999, 5_999]);
      const range = (from, to) => `SELECT count(sio_emit('/', '{}', 'e', to_jsonb(i))) FROM generate_series(${from}, ${to}) i`;
      await emitPoisoned(poison(0), poison(1), range(2, 2_998), poison(2_999), range(3_000, 5_998), poison(5_999),
        ...upTo(20).map(poison), numbered(6_000));
      await settle();
      assert.deepEqual(await numbers(listener), upTo(6_001).filter((n) => !bad.has(n)));
      assert.equal((await failed()).length, 24);
    });

    it('may belong to a table that was dropped since; others aren\'t concerned', async () => {
      await admin.query(`CREATE TABLE public.extra (id bigserial, created_at timestamptz, payload bytea);
        ALTER ROLE ${EMITTER_ROLE} SET socketio_emitter.table_name = 'public.extra'`);
      const held = async (work) => (preload ? whileWorkerStands(admin, work) : work());
      const other = await queueing(postgres);
      await held(async () => {
        await other.query([numberedBinary(1), numbered(2), numberedBinary(3)].join(';'));
        await app.query([numberedBinary(4), numbered(5)].join(';'));
        await admin.query(`DROP TABLE public.extra; ALTER ROLE ${EMITTER_ROLE} RESET socketio_emitter.table_name`);
      });
      await settle();
      assert.deepEqual(await numbers(listener), [2, 4, 5]);
      const rows = await failed();
      assert.deepEqual(rows.map(({ sqlstate }) => sqlstate), ['42P01', '42P01']);
      await admin.query('SELECT sio_retry()');
      await settle();
      assert.equal((await failed()).length, 2);
      await other.end();
    });

    it('isn\'t one whose table was altered in a way that doesn\'t matter, or whose owner was', async () => {
      const held = async (work) => (preload ? whileWorkerStands(admin, work) : work());
      await createRoles(admin, 'short_lived');
      await admin.query(`GRANT CREATE ON SCHEMA public TO short_lived; GRANT short_lived TO table_owner;
        CREATE TABLE public.extra (id bigserial, created_at timestamptz, payload bytea);
        ALTER TABLE public.extra OWNER TO short_lived;
        ALTER ROLE ${EMITTER_ROLE} SET socketio_emitter.table_name = 'public.extra'`);
      const other = await queueing(postgres);
      await held(async () => {
        await other.query(numberedBinary(1));
        await admin.query(`REASSIGN OWNED BY short_lived TO table_owner; DROP OWNED BY short_lived; DROP ROLE short_lived;
          ALTER TABLE public.extra RENAME TO renamed; ALTER TABLE public.renamed ADD more int`);
        await other.query(numbered(2));
      });
      await settle();
      assert.deepEqual(await numbers(listener, 'public.renamed'), [1, 2]);
      assert.deepEqual(await failed(), []);
      await admin.query(`DROP TABLE public.renamed; ALTER ROLE ${EMITTER_ROLE} RESET socketio_emitter.table_name`);
      await other.end();
    });
  });
}

describe('a time when nothing can be sent', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-transient', conf: { log_min_messages: 'warning' } }));
    await untilWorker(admin);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await delivered(admin);
    await listener.texts();
  });

  /** Lines of the log since the last call that aren't a client's own error. */
  let seen = 0;
  const lines = async (pattern) => {
    const log = await postgres.log();
    const found = log.slice(seen).split('\n').filter((line) => pattern.test(line));
    seen = log.length;
    return found;
  };

  const nothingSetAside = async () => {
    const now = await status(admin);
    assert.deepEqual([now.failed, now.failed_total, now.queued], ['0', '0', '0']);
  };

  it('because the table is locked passes: all arrives afterwards, in order', async () => {
    const other = await postgres.connect();
    await other.query('BEGIN; LOCK TABLE socket_io_attachments');
    await app.query(upTo(10).map((n) => (n % 2 ? numbered(n) : numberedBinary(n))).join(';'));
    await admin.query('SELECT pg_sleep(1)');
    assert.deepEqual(await admin.query(`SELECT sio_wait_delivered('50 ms') AS done`).then(({ rows }) => rows), [{ done: false }]);
    await other.query('COMMIT');
    assert.equal((await listener.take(10)).length, 10);
    await delivered(admin);
    await nothingSetAside();
    await other.end();
  });

  it('because waiting for a lock is limited passes as well, with one line in the log', async () => {
    await admin.query(`ALTER DATABASE postgres SET lock_timeout = '50ms'`);
    const pid = await untilWorker(admin);
    await admin.query('SELECT pg_terminate_backend($1, 10000)', [pid]);
    await untilWorker(admin, { before: pid });
    await delivered(admin);
    const other = await postgres.connect();
    await other.query('BEGIN; LOCK TABLE socket_io_attachments');
    await lines(/./);
    await app.query(upTo(10).map((n) => (n % 2 ? numbered(n) : numberedBinary(n))).join(';'));
    await admin.query('SELECT pg_sleep(2)');
    await other.query('COMMIT');
    await delivered(admin);
    assert.deepEqual(await numbers(listener), upTo(10));
    const told = await lines(/lock timeout/);
    assert.ok(told.length <= 2, told.join('\n'));
    await nothingSetAside();
    await admin.query('ALTER DATABASE postgres RESET lock_timeout');
    await other.end();
  });

  for (const setting of [
    'default_transaction_read_only = on', `default_transaction_isolation = 'serializable'`, `statement_timeout = '1ms'`,
    `search_path = 'pg_temp'`, 'row_security = off', `session_replication_role = 'replica'`, `idle_in_transaction_session_timeout = '1ms'`,
    `socketio_emitter.delivery = 'queue'`, `client_encoding = 'LATIN1'`, `default_tablespace = 'nowhere'`, 'jit = on', 'enable_indexscan = off',
  ]) {
    it(`isn't made by ALTER DATABASE SET ${setting}`, async () => {
      await admin.query(`ALTER DATABASE postgres SET ${setting}`);
      try {
        const pid = await untilWorker(admin);
        await admin.query('SELECT pg_terminate_backend($1, 10000)', [pid]);
        await untilWorker(admin, { before: pid });
        await app.query(upTo(6).map((n) => (n % 2 ? numbered(n) : numberedBinary(n, 'é'))).join(';'));
        await delivered(admin);
        assert.deepEqual(await numbers(listener), upTo(6));
        await nothingSetAside();
      } finally {
        await admin.query(`ALTER DATABASE postgres RESET ${setting.split(' ')[0]}`);
      }
    });
  }

  it('because attachments are no table any more passes with its return', async () => {
    await admin.query('ALTER TABLE socket_io_attachments RENAME TO elsewhere');
    await refused(app, numberedBinary(1), '42P01');
    await app.query(numbered(2));
    assert.equal((await listener.take(1)).length, 1);
    await admin.query('ALTER TABLE elsewhere RENAME TO socket_io_attachments');
    await app.query(numberedBinary(3));
    assert.equal((await listener.take(1)).length, 1);
  });
});
