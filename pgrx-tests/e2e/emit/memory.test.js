// A session may emit for months: nothing that it does leaves memory behind.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { measureRounds, TOLERANCE, used as usedBy } from '../../harness/memory.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

describe('the memory of a session', () => {
  let postgres, admin, session, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'memory' });
    admin = await prepareDatabase(postgres);
    await admin.query(`GRANT pg_read_all_stats TO ${EMITTER_ROLE}`);
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());

  /** A new session for each test: what one leaks mustn't hide in what another has freed. */
  async function open() {
    session = await postgres.connect({ user: EMITTER_ROLE });
  }

  afterEach(async () => {
    await session?.end();
    session = undefined;
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  const used = () => usedBy(session);

  /** Warms up, then runs `work` for rounds that mustn't leave anything. */
  async function remainsFlat(t, rounds) {
    await open();
    await measureRounds(t, session, rounds);
  }

  it('is flat over 200,000 emits in transactions of 1,000', async (t) => {
    await remainsFlat(t, {
      rounds: 200,
      calls: 1_000,
      work: () => session.query(`
        SELECT sio_emit('/', ARRAY['room' || i], 'event', jsonb_build_object('i', i, 'text', 'some text'), '{other}', false, true)
          FROM generate_series(1, 1000) i`),
    });
    assert.equal((await listener.texts()).length, 200_000);
  });

  it('is flat over 200,000 emits of a procedure that commits now and then', async (t) => {
    await admin.query(`
      CREATE PROCEDURE work(n int) LANGUAGE plpgsql AS $$ BEGIN
        FOR i IN 1..n LOOP
          PERFORM sio_emit('/', ARRAY['room' || i], 'event', jsonb_build_object('i', i));
          IF i % 1000 = 0 THEN COMMIT; END IF;
        END LOOP;
      END $$`);
    await remainsFlat(t, { rounds: 10, calls: 20_000, work: () => session.query('CALL work(20000)') });
    assert.equal((await listener.texts()).length, 200_000);
  });

  it('is flat over every other call', async (t) => {
    await remainsFlat(t, {
      rounds: 100,
      calls: 7 * 200,
      work: () => session.query(`
        SELECT sio_emit_args('/é', '{a,b}', 'e', ARRAY['1', NULL, '[1.5, "x"]']::jsonb[]),
               sio_server_side_emit('chat', 'e', '{"a": 1}'), sio_sockets_join('/', '{a}', '{b}'),
               sio_sockets_leave('/', '{a}', '{b}', '{c}'), sio_disconnect_sockets('/', '{a}'),
               (SELECT bytes FROM sio_encode('/', '{a}', 'e', to_jsonb(i))), sio_buffer(i)
          FROM generate_series(1, 200) i`),
    });
  });

  it('is flat over 20,000 attachments of some KB', async (t) => {
    let done = 0;
    await remainsFlat(t, {
      rounds: 100,
      calls: 200,
      work: async () => {
        await session.query(`
          SELECT CASE i % 2
                   WHEN 0 THEN sio_emit_binary('/', '{a}', 'e', convert_to(repeat('x', 4000), 'UTF8'))
                   ELSE sio_emit('/', '{a}', 'e', jsonb_build_object('text', repeat('y', 9000), 'b', sio_buffer(0)),
                                 binaries => ARRAY['\\x00'::bytea])
                 END
            FROM generate_series(1, 200) i`);
        done += 200;
        if (done % 1_000 === 0) await admin.query('TRUNCATE socket_io_attachments');
      },
    });
    assert.equal((await listener.texts()).length, 20_000);
  });

  it('is flat over transactions so long that their attachments are refreshed', async (t) => {
    await remainsFlat(t, {
      rounds: 8,
      calls: 5_000,
      work: () => session.query(`
        BEGIN; SELECT sio_emit_binary('/', '{}', 'e', '\\x00') FROM generate_series(1, 5000); SELECT pg_sleep(1.01); COMMIT`),
    });
  });

  it('is flat over 40,000 refusals', async (t) => {
    await remainsFlat(t, {
      rounds: 40,
      calls: 1_000,
      work: () => session.query(`DO $$ BEGIN
        FOR i IN 1..250 LOOP
          BEGIN PERFORM sio_emit('/', NULL, 'e');
          EXCEPTION WHEN null_value_not_allowed THEN NULL; END;
          BEGIN PERFORM sio_emit('/', '{}', 'connect', '{"a": 1}');
          EXCEPTION WHEN invalid_parameter_value THEN NULL; END;
          BEGIN PERFORM sio_emit('/', '{}', 'e', '[1, 2]', binaries => ARRAY['\\x00'::bytea]);
          EXCEPTION WHEN invalid_parameter_value THEN NULL; END;
          BEGIN PERFORM sio_emit('/', '{}', 'e', (repeat('[', 600) || repeat(']', 600))::jsonb);
          EXCEPTION WHEN program_limit_exceeded THEN NULL; END;
        END LOOP;
      END $$`),
    });
    assert.deepEqual(await listener.texts(), []);
  });

  it('grows within a transaction by what pg_notify itself keeps for the commit, and no more', async (t) => {
    const COUNT = 50_000;
    /** Bytes per call that are held at the end of a loop, before its commit. */
    const held = async (call) => {
      await open();
      await session.query(`DO $$ BEGIN FOR i IN 1..100 LOOP PERFORM ${call}; END LOOP; END $$`);
      const start = await used();
      await session.query(`BEGIN; DO $$ BEGIN FOR i IN 1..${COUNT} LOOP PERFORM ${call}; END LOOP; END $$`);
      const end = await used();
      await session.query('COMMIT');
      await session.end();
      return { contexts: (end.contexts - start.contexts) / COUNT, resident: (end.resident - start.resident) / COUNT };
    };
    const { rows: [{ bytes }] } = await admin.query(`SELECT bytes FROM sio_encode('/', '{}', 'e', '1')`);
    const emit = await held(`sio_emit('/', '{}', 'e', '1')`);
    // Of the longest of those messages: the number at its end grows.
    const notify = await held(`pg_notify('socket.io#/', rpad(i::text, ${bytes + 4}, 'x'))`);
    t.diagnostic(`per call: sio_emit ${JSON.stringify(emit)}, pg_notify ${JSON.stringify(notify)}`);
    for (const kind of ['contexts', 'resident']) {
      assert.ok(emit[kind] <= notify[kind] + TOLERANCE, `${kind}: ${emit[kind]} bytes per call, pg_notify ${notify[kind]}`);
    }
    assert.equal((await listener.texts()).filter((text) => text.includes('"e"')).length, COUNT + 100);
  });
});
