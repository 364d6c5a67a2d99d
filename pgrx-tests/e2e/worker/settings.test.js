// The worker runs as the bootstrap superuser, and so do somebody's ALTER ROLE … SET: whatever they say, it works.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { delivered, numbered, numberedBinary, numbers, queueing, startQueue, status, untilIdle, untilWorker, whileWorkerStands } from '../../harness/queue.js';
import { EMITTER_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

// What Postgres refuses as a role's setting, with the reason.
const REFUSED = {
  transaction_deferrable: 'of the transaction under way',
  transaction_isolation: 'of the transaction under way',
};
const REFUSED_AT_MAXIMUM = {
  max_stack_depth: 'more than the kernel allows',
};

/** What is set that isn't a number, a boolean or an enum: name → value. Others are about SQL, files or names that must exist. */
const TEXTS = {
  application_name: 'hostile', search_path: 'nowhere', DateStyle: 'German, DMY', TimeZone: 'Asia/Kathmandu', client_encoding: 'SJIS',
  wal_consistency_checking: 'all', createrole_self_grant: 'set', backtrace_functions: 'heap_insert,heap_delete', lc_messages: 'C',
};

// From 16 on: 0, or at least 128 kB.
const ABOVE_MINIMUM = { vacuum_buffer_usage_limit: '128' };

/** A value of each setting that differs from its default, as hostile as the round says. */
const ROUNDS = {
  minimum: ({ min }) => min,
  'just above the minimum': ({ name, min, max, vartype }) =>
    ABOVE_MINIMUM[name] ?? (vartype === 'real' || min === max ? min : String(Number(min) + 1)),
  maximum: ({ max }) => max,
};

describe('a worker for whose role every setting is another', () => {
  let postgres, admin, app, listener;

  before(async () => {
    let first;
    ({ postgres, admin: first, listener } = await startQueue({
      name: 'worker-settings', conf: { 'socketio_emitter.cleanup_interval': '200ms', max_prepared_transactions: 2 },
    }));
    // Settings of `postgres` don't concern the sessions of this one.
    await first.query('CREATE ROLE boss SUPERUSER LOGIN');
    admin = await postgres.connect({ user: 'boss' });
    app = await queueing(postgres);
    await listener.close();
    listener = await listen(postgres, { user: 'boss' });
    await first.end();
  });

  after(() => postgres?.stop());

  const settings = async () => (await admin.query(`
    SELECT name, vartype, min_val AS min, max_val AS max, enumvals, setting, boot_val AS boot FROM pg_settings
     WHERE context IN ('user', 'superuser') AND name NOT LIKE 'socketio\\_emitter.%'
       -- Of a server with assertions: everything takes a hundred times as long, which is all that it does.
       AND name <> 'debug_discard_caches' ORDER BY name`)).rows;

  function hostile(setting, round) {
    const { name, vartype, enumvals, boot } = setting;
    switch (vartype) {
      case 'bool': return boot === 'on' ? 'off' : 'on';
      case 'enum': return name === 'default_transaction_isolation' ? 'serializable' : enumvals.find((value) => value !== boot);
      case 'string': return TEXTS[name];
      default: return ROUNDS[round](setting);
    }
  }

  for (const round of Object.keys(ROUNDS)) {
    describe(`numbers at ${round.startsWith('just') ? round : `their ${round}`},`, () => {
      let pid;

      before(async () => {
        const refused = {};
        await admin.query('ALTER ROLE postgres RESET ALL');
        for (const setting of await settings()) {
          const value = hostile(setting, round);
          if (value === undefined) continue;
          await admin.query(`ALTER ROLE postgres SET ${admin.escapeIdentifier(setting.name)} = ${admin.escapeLiteral(value)}`)
            .catch((error) => { refused[setting.name] = error.message; });
        }
        const expected = { ...REFUSED, ...(round === 'maximum' ? REFUSED_AT_MAXIMUM : {}) };
        assert.deepEqual(Object.keys(refused).sort(), Object.keys(expected).sort(), JSON.stringify(refused));
        pid = await restarted();
      });

      /** Has the worker ended, which it must obey. → the next one's pid */
      async function restarted() {
        const before = await untilWorker(admin);
        const { rows } = await admin.query('SELECT pg_terminate_backend($1, 10000) AS ended', [before]);
        assert.equal(rows[0].ended, true, 'it ended');
        return untilWorker(admin, { before });
      }

      it('has them, and is idle', async () => {
        await untilIdle(admin);
        const { rows } = await admin.query('SELECT application_name FROM pg_stat_activity WHERE pid = $1', [pid]);
        assert.deepEqual(rows, [{ application_name: 'hostile' }]);
        const { rows: [{ set }] } = await admin.query(`SELECT cardinality(setconfig) AS set FROM pg_db_role_setting WHERE setrole = 'postgres'::regrole`);
        assert.ok(set > 150, `${set} settings`);
      });

      it('delivers, short messages and binary ones', async () => {
        await app.query(`BEGIN; ${numbered(1)}; ${numberedBinary(2)}; ${numbered(3)}; COMMIT; ${numberedBinary(4)}`);
        await delivered(admin);
        assert.deepEqual(await numbers(listener), [1, 2, 3, 4]);
      });

      it('sets aside what it can\'t send, and says why', async () => {
        // One table is gone, which the extension says; the other has no more ids, which is an ERROR of Postgres's own.
        await admin.query(`CREATE TABLE public.gone (id bigserial, created_at timestamptz, payload bytea);
          CREATE TABLE public.ended (id bigserial, created_at timestamptz, payload bytea);
          ALTER SEQUENCE public.ended_id_seq MAXVALUE 2; SELECT setval('public.ended_id_seq', 2)`);
        const [gone, ended] = await Promise.all(['gone', 'ended'].map((table) =>
          postgres.connect({ user: 'boss', options: `-c socketio_emitter.delivery=queue -c socketio_emitter.table_name=public.${table}` })));
        await whileWorkerStands(admin, async () => {
          await gone.query(`${numbered(1)}; ${numberedBinary(2)}; ${numbered(3)}`);
          await ended.query(`${numberedBinary(4)}; ${numbered(5)}`);
          await admin.query('DROP TABLE public.gone');
        });
        await delivered(admin);
        assert.deepEqual(await numbers(listener), [1, 3, 5]);
        const { rows } = await admin.query('SELECT sqlstate, error FROM sio_failed ORDER BY id');
        assert.deepEqual(rows.map(({ sqlstate }) => sqlstate), ['42P01', '2200H']);
        assert.match(rows[0].error, /attachments table .* does not exist/);
        assert.match((await status(admin)).last_error, /ended_id_seq/);
        await admin.query('SELECT sio_discard(); DROP TABLE public.ended');
        await Promise.all([gone, ended].map((session) => session.end()));
        assert.equal(await untilWorker(admin), pid, 'the same worker goes on');
      });

      it('deletes old attachments', async () => {
        await admin.query(`TRUNCATE socket_io_attachments; INSERT INTO socket_io_attachments (created_at, payload)
          SELECT clock_timestamp() - interval '31 seconds', '\\x00' FROM generate_series(1, 2500)`);
        await until('they are deleted', async () => (await admin.query('SELECT FROM socket_io_attachments')).rowCount === 0);
      });

      it('ends when it is told to, also while it delivers, and the next one goes on', async () => {
        await whileWorkerStands(admin, () => app.query(`SELECT count(sio_emit('/', '{}', 'e', to_jsonb(i))) FROM generate_series(1, 20000) i`));
        pid = await restarted();
        await delivered(admin);
        assert.equal((await listener.texts()).length, 20_000);
        await app.query(numbered(5));
        await delivered(admin);
        assert.deepEqual(await numbers(listener), [5]);
        assert.equal(await untilWorker(admin), pid, 'the same worker goes on');
      });
    });
  }

  it('also where a setting makes it another role, and where the database has the same', async () => {
    await admin.query(`ALTER ROLE postgres RESET ALL; ALTER ROLE postgres SET role = '${EMITTER_ROLE}'; ALTER DATABASE postgres SET exit_on_error = on`);
    await admin.query('SELECT pg_terminate_backend($1, 10000)', [await untilWorker(admin)]);
    await untilWorker(admin);
    await app.query(`${numbered(1)}; ${numberedBinary(2)}`);
    await delivered(admin);
    assert.deepEqual(await numbers(listener), [1, 2]);
  });
});
