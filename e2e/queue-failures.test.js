// Messages that can't be sent, and times when none can.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { delivered, numbered, numberedBinary, numbers, queued, queueing, startQueue, status, untilIdle, untilWorker, upTo, whileWorkerStands } from '../harness/queue.js';
import { startPostgres } from '../harness/postgres.js';
import { listen } from '../harness/listener.js';
import { createRoles, EMITTER_ROLE, grantExecute, OFFICIAL_TABLE } from '../harness/roles.js';
import { refused } from '../harness/refusals.js';
import { until } from '../harness/wait.js';

const TABLE = 'public.socket_io_attachments';

for (const preload of [true, false]) {
  describe(`a message that can't be sent by ${preload ? 'the worker' : 'sio_deliver'}`, () => {
    let postgres, admin, app, owner, listener;

    before(async () => {
      postgres = await startPostgres({
        name: `queue-failures-${preload}`, conf: preload ? { shared_preload_libraries: 'socketio_emitter' } : {},
      });
      admin = await postgres.connect();
      await createRoles(admin, 'table_owner', EMITTER_ROLE);
      await admin.query('GRANT CREATE ON SCHEMA public TO table_owner');
      // The servers were here first: the table is theirs, and so are its triggers.
      owner = await postgres.connect({ user: 'table_owner' });
      await owner.query(OFFICIAL_TABLE);
      await admin.query('CREATE EXTENSION socketio_emitter');
      await grantExecute(admin, EMITTER_ROLE);
      app = await queueing(postgres);
      listener = await listen(postgres);
    });

    after(async () => postgres?.stop());

    beforeEach(async () => {
      await owner.query(`DROP TRIGGER IF EXISTS guard ON ${TABLE}; DROP TRIGGER IF EXISTS late ON ${TABLE}`);
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

    /** A trigger of the table's owner that has a word with each row before it is stored. */
    async function guard(body) {
      await owner.query(`
        CREATE OR REPLACE FUNCTION public.guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; RETURN NEW; END $$;
        CREATE OR REPLACE TRIGGER guard BEFORE INSERT ON ${TABLE} FOR EACH ROW EXECUTE FUNCTION public.guard()`);
    }

    const POISON = `position(convert_to('poison', 'UTF8') IN NEW.payload) > 0`;
    const poison = (n) => numberedBinary(n, 'poison');

    it('is set aside with its error; those before and behind it arrive', async () => {
      await guard(`IF ${POISON} THEN RAISE EXCEPTION 'not with me: %', 7 USING ERRCODE = '22012'; END IF`);
      const before = await status(admin);
      await app.query(['BEGIN', ...upTo(50).map((n) => ([7, 23].includes(n) ? poison(n) : n % 5 ? numbered(n) : numberedBinary(n))), 'COMMIT'].join(';'));
      await settle();
      assert.deepEqual(await numbers(listener), upTo(50).filter((n) => ![7, 23].includes(n)));
      const rows = await failed();
      assert.equal(rows.length, 2);
      for (const row of rows) {
        assert.deepEqual([row.sqlstate, row.channel], ['22012', 'socket.io#/']);
        assert.match(row.error, /not with me: 7/);
        assert.ok(row.bytes > 10 && row.bytes < 500, `${row.bytes} bytes`);
        assert.ok(row.queued_at <= row.failed_at && Date.now() - row.queued_at < 60_000);
      }
      const now = await status(admin);
      assert.deepEqual([now.queued, now.failed, now.oldest_queued_age], ['0', '2', null]);
      assert.equal(now.failed_total - before.failed_total, 2);
      assert.equal(now.delivered_total - before.delivered_total, 48);
    });

    it('is shown in sio_status, by the worker', async () => {
      await guard(`IF ${POISON} THEN RAISE EXCEPTION 'shown in the status'; END IF`);
      await app.query(poison(1));
      await settle();
      if (!preload) return assert.equal((await status(admin)).failed, '1');
      const { last_error: error, last_error_at: at } = await until('the error is shown', async () => {
        const now = await status(admin);
        return now.last_error?.includes('shown in the status') && now;
      });
      assert.match(error, /shown in the status/);
      assert.ok(Math.abs(Date.now() - at) < 60_000);
      return untilIdle(admin);
    });

    it('can be retried, one or all, and stays set aside if it fails again', async () => {
      await guard(`IF ${POISON} THEN RAISE EXCEPTION 'no'; END IF`);
      await app.query([1, 2, 3].map(poison).join(';'));
      await settle();
      const [first, second, third] = await failed();
      assert.equal((await admin.query('SELECT sio_retry($1) AS n', [second.id])).rows[0].n, '1');
      await settle();
      assert.deepEqual(await numbers(listener), []);
      assert.equal((await failed()).length, 3);
      await owner.query(`DROP TRIGGER guard ON ${TABLE}`);
      assert.equal((await admin.query('SELECT sio_retry($1) AS n', [first.id])).rows[0].n, '1');
      await settle();
      assert.deepEqual(await numbers(listener), [1]);
      assert.equal((await failed()).length, 2);
      assert.equal((await admin.query('SELECT sio_retry() AS n')).rows[0].n, '2');
      await settle();
      assert.deepEqual((await numbers(listener)).sort(), [2, 3]);
      assert.deepEqual(await failed(), []);
      assert.deepEqual((await admin.query('SELECT sio_retry() AS a, sio_retry($1) AS b', [third.id])).rows, [{ a: '0', b: '0' }]);
    });

    it('can be discarded, one or all', async () => {
      await guard(`IF ${POISON} THEN RAISE EXCEPTION 'no'; END IF`);
      await app.query([1, 2, 3].map(poison).join(';'));
      await settle();
      const [first] = await failed();
      assert.equal((await admin.query('SELECT sio_discard($1) AS n', [first.id])).rows[0].n, '1');
      assert.equal((await admin.query('SELECT sio_discard($1) AS n', [first.id])).rows[0].n, '0');
      assert.equal((await failed()).length, 2);
      assert.equal((await admin.query('SELECT sio_discard(NULL) AS n')).rows[0].n, '2');
      assert.deepEqual(await failed(), []);
      await owner.query(`DROP TRIGGER guard ON ${TABLE}`);
      await admin.query('SELECT sio_retry()');
      await settle();
      assert.deepEqual(await numbers(listener), []);
    });

    it('is put back with its transaction only', async () => {
      await guard(`IF ${POISON} THEN RAISE EXCEPTION 'no'; END IF`);
      await app.query(poison(1));
      await settle();
      await owner.query(`DROP TRIGGER guard ON ${TABLE}`);
      await admin.query('BEGIN; SELECT sio_retry(); ROLLBACK; BEGIN; SELECT sio_discard(); ROLLBACK');
      assert.equal((await failed()).length, 1);
      await settle();
      assert.deepEqual(await numbers(listener), []);
      await admin.query('SELECT sio_retry()');
      await settle();
      assert.deepEqual(await numbers(listener), [1]);
    });

    it('may be one of thousands, or each', async () => {
      await guard(`IF ${POISON} THEN RAISE EXCEPTION 'no'; END IF`);
      const bad = new Set([0, 1, 2_999, 5_999]);
      await app.query(`SELECT CASE WHEN i IN (0, 1, 2999, 5999) THEN sio_emit_binary('/', '{}', 'poison', '\\x41')
        ELSE sio_emit('/', '{}', 'e', to_jsonb(i)) END FROM generate_series(0, 5999) i`);
      await app.query(upTo(20).map(poison).join(';'));
      await app.query(numbered(6_000));
      await settle();
      assert.deepEqual(await numbers(listener), upTo(6_001).filter((n) => !bad.has(n)));
      assert.equal((await failed()).length, 24);
    });

    it('may be kept out by the table without an error', async () => {
      await guard(`IF ${POISON} THEN RETURN NULL; END IF`);
      await app.query([numbered(0), poison(1), numbered(2)].join(';'));
      await settle();
      assert.deepEqual(await numbers(listener), [0, 2]);
      const rows = await failed();
      assert.deepEqual(rows.map(({ sqlstate }) => sqlstate), ['09000']);
    });

    it('is set aside, too, where Postgres refuses a deferred trigger of the table', async () => {
      await owner.query(`
        CREATE OR REPLACE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON ${TABLE} DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION public.late()`);
      await app.query([numbered(0), numberedBinary(1), numbered(2)].join(';'));
      await settle();
      assert.deepEqual(await numbers(listener), [0, 2]);
      const [{ error }, ...more] = await failed();
      assert.match(error, /deferred trigger/);
      assert.deepEqual(more, []);
      await owner.query(`DROP TRIGGER late ON ${TABLE}`);
      await admin.query('SELECT sio_retry()');
      await settle();
      assert.deepEqual(await numbers(listener), [1]);
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
          ALTER TABLE public.extra RENAME TO renamed; ALTER TABLE public.renamed ADD more int DEFAULT 7`);
        await other.query(numbered(2));
      });
      await settle();
      assert.deepEqual(await numbers(listener, 'public.renamed'), [1, 2]);
      assert.deepEqual(await failed(), []);
      await admin.query(`DROP TABLE public.renamed; ALTER ROLE ${EMITTER_ROLE} RESET socketio_emitter.table_name`);
      await other.end();
    });

    it('doesn\'t come with the rights of who delivers: triggers run as the table\'s owner', async () => {
      await guard(`IF current_user <> 'table_owner' THEN RAISE EXCEPTION 'as %', current_user; END IF`);
      await app.query(numberedBinary(1));
      await settle();
      assert.deepEqual(await failed(), []);
      assert.deepEqual(await numbers(listener), [1]);
      await guard('EXECUTE \'ALTER ROLE table_owner SUPERUSER\'');
      await app.query(numberedBinary(2));
      await settle();
      assert.deepEqual((await failed()).map(({ sqlstate }) => sqlstate), ['42501']);
      const { rows } = await admin.query(`SELECT rolsuper FROM pg_roles WHERE rolname = 'table_owner'`);
      assert.deepEqual(rows, [{ rolsuper: false }]);
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
