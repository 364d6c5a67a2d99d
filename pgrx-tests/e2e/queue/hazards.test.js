// Queued delivery and what else sessions, owners of tables and administrators may think of.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { delivered, numbered, numberedBinary, numbers, processes, queueing, startQueue, status, untilWorker, upTo } from '../../harness/queue.js';
import { listen } from '../../harness/listener.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, grantExecute, prepareDatabase } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

describe('queued delivery goes on', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-hazards', conf: { max_prepared_transactions: 2 } }));
    await untilWorker(admin);
    await until('the launcher has looked into the other databases', async () => (await processes(admin)).length === 2);
  });

  after(() => postgres?.stop());

  beforeEach(async () => {
    await app.query(`ROLLBACK; RESET ALL; SET socketio_emitter.delivery = 'queue'`);
    await admin.query('ROLLBACK; RESET ALL; SELECT sio_discard()');
    await delivered(admin);
    await listener.texts();
  });

  const arrived = async (table) => {
    await delivered(admin);
    return numbers(listener, table);
  };

  /** Does the work while each row of the attachments table meets this trigger. */
  async function withTrigger(client, body, work) {
    await client.query(`
      CREATE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; RETURN NULL; END $$;
      CREATE TRIGGER meddle AFTER INSERT ON public.socket_io_attachments FOR EACH ROW EXECUTE FUNCTION public.meddle()`);
    try {
      return await work();
    } finally {
      await client.query('DROP FUNCTION public.meddle CASCADE');
    }
  }

  for (const [what, body] of [
    ['emits', `PERFORM public.sio_emit('/', '{}', 'more', '-1')`],
    ['delivers', 'PERFORM public.sio_deliver()'],
    ['listens', 'LISTEN something'],
    ['commits', 'COMMIT'],
    ['raises a megabyte', `RAISE EXCEPTION '%', repeat('x', 1000000)`],
    ['raises what a panic would', `RAISE EXCEPTION SQLSTATE 'XX000'`],
    ['becomes somebody else', `SET LOCAL ROLE ${EMITTER_ROLE}`],
    ['locks the queue', 'LOCK TABLE _sio.queue IN SHARE ROW EXCLUSIVE MODE'],
    ['changes settings', `SET search_path = pg_temp; SET lock_timeout = '1ms'; SET socketio_emitter.table_name = 'no.where'`],
  ]) {
    it(`when the attachments table has a trigger that ${what}, for it isn't run`, async () => {
      await withTrigger(admin, body, async () => {
        await app.query(`BEGIN; ${numbered(1)}; ${numberedBinary(2)}; ${numbered(3)}; COMMIT`);
        assert.deepEqual(await arrived(), [1, 2, 3]);
      });
      assert.equal((await status(admin)).failed, '0');
      assert.equal((await processes(admin)).length, 2);
    });
  }

  it('for a session that waits in a transaction with an old snapshot', async () => {
    for (const isolation of ['REPEATABLE READ', 'SERIALIZABLE', 'REPEATABLE READ, READ ONLY']) {
      const waiting = await postgres.connect({ user: EMITTER_ROLE });
      await waiting.query(`BEGIN ISOLATION LEVEL ${isolation}; SELECT count(*) FROM pg_class`);
      await app.query(`${numbered(1)}; ${numberedBinary(2)}`);
      await delivered(waiting);
      assert.deepEqual(await numbers(listener), [1, 2]);
      await waiting.end();
    }
  });

  it('whatever the emitting session has put in its way', async () => {
    await admin.query('CREATE SCHEMA mine AUTHORIZATION app');
    await app.query(`
      CREATE TEMP TABLE queue (LIKE pg_catalog.pg_class); CREATE TABLE mine.queue (id text);
      CREATE TEMP SEQUENCE queue_id; CREATE TEMP TABLE socket_io_attachments (id int);
      CREATE FUNCTION mine.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'yesterday'::timestamptz $$;
      SET search_path = mine, pg_temp, pg_catalog, public; SET row_security = off`);
    await app.query(`SELECT public.sio_emit('/', '{}', 'e', '1'), public.sio_emit_binary('/', '{}', 'e', '2')`);
    assert.deepEqual(await arrived('public.socket_io_attachments'), [1, 2]);
    await app.query('DISCARD ALL');
    await admin.query('DROP SCHEMA mine CASCADE');
  });

  describe('with the extension coming and going:', () => {
    let other, owner;

    before(async () => {
      await postgres.createDatabase('shifting');
      owner = await postgres.connect({ database: 'shifting' });
    });

    after(async () => {
      await owner.end();
      await postgres.dropDatabase('shifting');
    });

    const setUp = async () => {
      await prepareDatabase(postgres, { database: 'shifting', roles: false }).then((client) => client.end());
      other = await queueing(postgres, { database: 'shifting' });
    };

    it('emits in the transaction that creates it', async () => {
      const heard = await listen(postgres, { database: 'shifting' });
      await owner.query(`SET socketio_emitter.delivery = 'queue'; BEGIN; CREATE EXTENSION socketio_emitter; ${numbered(1)}; ${numberedBinary(2)}; COMMIT`);
      assert.equal((await heard.take(2)).length, 2);
      await owner.query('DROP EXTENSION socketio_emitter');
      await heard.close();
    });

    it('emits in the transaction that drops it, or drops and creates it', async () => {
      await setUp();
      const heard = await listen(postgres, { database: 'shifting' });
      await owner.query(`SET socketio_emitter.delivery = 'queue'; BEGIN; ${numbered(1)}; DROP EXTENSION socketio_emitter; CREATE EXTENSION socketio_emitter; ${numbered(2)}; COMMIT`);
      assert.equal((await heard.take(1))[0].includes('["e",2]'), true);
      await owner.query(`BEGIN; ${numbered(3)}; DROP EXTENSION socketio_emitter; COMMIT`);
      assert.deepEqual(await heard.texts(), []);
      await other.end();
      await heard.close();
    });

    it('a session emits through each that there is', async () => {
      await setUp();
      const heard = await listen(postgres, { database: 'shifting' });
      for (const i of upTo(4)) {
        await other.query(`${numbered(i)}; ${numberedBinary(i)}`);
        assert.equal((await heard.take(2)).length, 2);
        await owner.query('DROP EXTENSION socketio_emitter');
        await refused(other, numbered(i), '42883');
        await owner.query('CREATE EXTENSION socketio_emitter');
        await grantExecute(owner, EMITTER_ROLE);
      }
      await owner.query('DROP EXTENSION socketio_emitter');
      await other.end();
      await heard.close();
    });

    it('a drop that is taken back while it is busy loses and doubles nothing', async () => {
      await setUp();
      const heard = await listen(postgres, { database: 'shifting' });
      await other.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb(i)) FROM generate_series(0, 19999) i`);
      for (let i = 0; i < 5; i++) await owner.query('BEGIN; DROP EXTENSION socketio_emitter; SELECT pg_sleep(0.05); ROLLBACK');
      await other.query(numbered(20_000));
      await delivered(owner);
      assert.deepEqual(await numbers(heard), upTo(20_001));
      await owner.query('DROP EXTENSION socketio_emitter');
      await other.end();
      await heard.close();
    });

    it('the schema that it is in goes', async () => {
      await owner.query(`CREATE SCHEMA sio; CREATE EXTENSION socketio_emitter SCHEMA sio; SET socketio_emitter.delivery = 'queue'`);
      await owner.query(`SELECT sio.sio_emit('/', '{}', 'e', to_jsonb(i)) FROM generate_series(1, 5000) i`);
      const log = (await postgres.log()).length;
      await owner.query('DROP SCHEMA sio CASCADE');
      await until('its worker is gone', async () => (await processes(admin)).every(({ database }) => database !== 'shifting'));
      assert.doesNotMatch((await postgres.log()).slice(log), /ERROR|FATAL|PANIC|failed/);
    });

    it('an older version has no queue: emits are notified with a warning, once, until it is updated', async () => {
      await owner.query(`RESET ALL; CREATE EXTENSION socketio_emitter VERSION '0.2.0'`);
      const log = (await postgres.log()).length;
      const heard = await listen(postgres, { database: 'shifting' });
      await owner.query(numbered(1));
      assert.equal((await heard.texts()).length, 1);
      const session = await queueing(postgres, { database: 'shifting', user: 'postgres' });
      await session.query(`${numbered(2)}; ${numberedBinary(3)}`);
      assert.equal((await heard.texts()).length, 2);
      const warnings = session.warnings();
      assert.equal(warnings.length, 1);
      assert.match(warnings[0].hint, /ALTER EXTENSION/);
      await owner.query(`SET socketio_emitter.delivery = 'queue'`);
      assert.doesNotMatch((await postgres.log()).slice(log), /failed|FATAL|PANIC/);
      await owner.query('ALTER EXTENSION socketio_emitter UPDATE');
      await session.query(`BEGIN; ${numbered(4)}; ${numberedBinary(5)}`);
      await session.query('COMMIT');
      assert.equal((await heard.take(2)).length, 2);
      assert.equal((await status(owner)).delivered_total, '2');
      await session.end();
      await owner.query('DROP EXTENSION socketio_emitter');
      await heard.close();
    });
  });

  it('in a database whose errors are no text elsewhere', async () => {
    await postgres.createDatabase('bytes', { encoding: 'SQL_ASCII' });
    const other = await prepareDatabase(postgres, { database: 'bytes', roles: false });
    const session = await queueing(postgres, { database: 'bytes' });
    await session.query(`BEGIN; ${numbered(1)}; ${numberedBinary(2)}; ${numbered(3)}`);
    const constraint = (format) => other.query(`DO $$ BEGIN EXECUTE format('ALTER TABLE socket_io_attachments ${format}', E'\\xff\\xfe no UTF-8'); END $$`);
    await constraint('ADD CONSTRAINT %I CHECK (false)');
    await session.query('COMMIT');
    await delivered(other);
    const { rows } = await other.query('SELECT error FROM sio_failed');
    assert.match(rows[0].error, /no UTF-8/);
    assert.match((await status(other)).last_error, /no UTF-8/);
    await constraint('DROP CONSTRAINT %I');
    await other.query('SELECT sio_retry()');
    await delivered(other);
    assert.equal((await status(other)).delivered_total, '3');
    for (const client of [session, other]) await client.end();
  });

  // Each gives the tables' rows new places, or their indexes new entries.
  const REWRITES = {
    'VACUUM FULL of what was sent': ['VACUUM FULL _sio.sent'],
    'VACUUM FULL of the queue': ['VACUUM FULL _sio.queue'],
    'CLUSTER of the queue': ['CLUSTER _sio.queue USING the_key'],
    'REINDEX of both': ['REINDEX TABLE _sio.queue', 'REINDEX TABLE _sio.sent', 'REINDEX TABLE CONCURRENTLY _sio.queue'],
    'all of them in turn': ['VACUUM FULL _sio.sent', 'VACUUM FULL _sio.queue', 'VACUUM _sio.queue, _sio.sent', 'CLUSTER _sio.queue USING the_key',
      'REINDEX TABLE _sio.queue', 'VACUUM (FREEZE) _sio.sent'],
  };

  for (const [what, statements] of Object.entries(REWRITES)) {
    it(`during ${what}, again and again, and nothing of what was sent is left behind`, async () => {
      const { rows: [{ name }] } = await admin.query(`SELECT min(relname) AS name FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = '_sio.queue'::regclass`);
      const seen = (await postgres.log()).length;
      let emitting = true;
      const rewriting = (async () => {
        for (let i = 0; emitting || i < 10; i++) {
          for (const statement of statements) await admin.query(statement.replace('the_key', name));
        }
      })();
      const sessions = await Promise.all(upTo(2).map(() => queueing(postgres)));
      const each = 400;
      await Promise.all(sessions.map(async (session, s) => {
        for (let i = 0; i < each; i += 2) await session.query(`${numbered(s * each + i)}; ${numberedBinary(s * each + i + 1)}`);
        // Sent at different times, which are noted and forgotten each by itself.
        for (let i = 0; i < 12; i++) await session.query(`${numbered(1000 + s * 12 + i)}; SELECT pg_sleep(0.2)`);
      }));
      emitting = false;
      await rewriting;
      const got = await arrived();
      assert.deepEqual(got.toSorted((a, b) => a - b), [...upTo(2 * each), ...upTo(24).map((i) => 1000 + i)]);
      await until('what was sent is forgotten', async () =>
        (await admin.query('SELECT FROM _sio.sent UNION ALL SELECT FROM _sio.queue')).rowCount === 0);
      assert.deepEqual(await numbers(listener), []);
      assert.doesNotMatch((await postgres.log()).slice(seen), /invisible tuple|concurrently|ERROR|FATAL|PANIC/);
      for (const session of sessions) await session.end();
    });
  }
});
