// Whatever takes long in a call of ours ends when Postgres says so: at a timeout, a cancel, the end of the session.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { rowTrigger, statementTriggers } from '../../harness/live.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until, within } from '../../harness/wait.js';

// Milliseconds, for what never ended without an interrupt: only a failure gets that far.
const DEADLINE = 120_000;

// 2 MB of jsonb whose text would have 26 GB: a number beyond a double's range has 131,072 digits.
const HUGE = 200_000;
const NUMBERS = `(SELECT ('[' || rtrim(repeat('1e131071,', ${HUGE}), ',') || ']')::jsonb)`;

/** Values that take long, as SQL, and the type of each. */
const LARGE = {
  numbers: ['jsonb', `('[' || rtrim(repeat('7,', 10000000), ',') || ']')::jsonb`],
  texts: ['jsonb', `('[' || rtrim(repeat('"text",', 10000000), ',') || ']')::jsonb`],
  rooms: ['text[]', `(SELECT array_agg('room ' || i) FROM generate_series(1, 5000000) i)`],
  args: ['jsonb[]', `array_fill('1'::jsonb, ARRAY[10000000])`],
  binaries: ['bytea[]', `array_fill('\\x00'::bytea, ARRAY[1000000])`],
  buffers: ['jsonb', `(SELECT ('[' || string_agg('{"_placeholder": true, "num": ' || i || '}', ',') || ']')::jsonb FROM generate_series(0, 999999) i)`],
};

/** Calls with them, by their names. */
const CALLS = {
  'an array of 10,000,000 numbers': `sio_emit('/', '{}', 'e', numbers)`,
  'an array of 10,000,000 texts': `sio_emit('/', '{}', 'e', texts)`,
  'the same to servers': `sio_server_side_emit('/', 'e', texts)`,
  'a list of 5,000,000 rooms': `sio_emit('/', rooms, 'e')`,
  'as many rooms to leave out': `sio_emit('/', '{a}', 'e', except_rooms => rooms)`,
  'as many rooms to join': `sio_sockets_join('/', '{a}', rooms)`,
  '10,000,000 arguments': `sio_emit_args('/', '{}', 'e', args)`,
  '1,000,000 binaries': `sio_emit('/', '{}', 'e', buffers, binaries => binaries)`,
};

describe('a call that takes long', () => {
  let postgres, admin, app, pid;

  before(async () => {
    postgres = await startPostgres({ name: 'interrupts', conf: { autovacuum: 'off' } });
    admin = await prepareDatabase(postgres);
    await admin.query(`CREATE SCHEMA work AUTHORIZATION ${EMITTER_ROLE}; ALTER ROLE ${EMITTER_ROLE} SET search_path = work, public`);
    // Not compressed, so that they are read quickly.
    const columns = Object.entries(LARGE).map(([name, [type]]) => `${name} ${type}`);
    await admin.query(`CREATE TABLE work.large (${columns.join(', ')});
      ${Object.keys(LARGE).map((name) => `ALTER TABLE work.large ALTER ${name} SET STORAGE EXTERNAL`).join(';')};
      INSERT INTO work.large SELECT ${Object.values(LARGE).map(([, value]) => value).join(', ')};
      GRANT SELECT ON work.large TO ${EMITTER_ROLE}`);
  });

  after(async () => postgres?.stop());

  async function connect() {
    app = await postgres.connect({ user: EMITTER_ROLE });
    ({ rows: [{ pid }] } = await app.query('SELECT pg_backend_pid() AS pid'));
    await app.query('SET socketio_emitter.max_binaries = 0');
  }

  beforeEach(connect);

  afterEach(async () => {
    await app.end().catch(() => {}); // it may have been terminated
    await admin.query('DROP TABLE IF EXISTS work.docs; DROP FUNCTION IF EXISTS work.begins');
  });

  /** Ids of attachments that were taken: an id comes after the message was encoded, and no rollback takes it back. */
  const taken = async () =>
    (await admin.query(`SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS n FROM socket_io_attachments_id_seq`)).rows[0].n;

  /** A call of a function as a block: it says with a lock that the values are there, and the call begins. */
  const block = (call) => {
    const names = Object.keys(LARGE).filter((name) => new RegExp(`[ ,]${name}[,)]`).test(call));
    assert.ok(names.length > 0);
    return `DO $block$
      DECLARE ${names.map((name) => `${name} ${LARGE[name][0]} := (SELECT large.${name} FROM large);`).join(' ')}
      BEGIN PERFORM pg_advisory_xact_lock(1); PERFORM ${call}; END $block$`;
  };

  /** Runs it, and has `end` do something when it has begun. → the error that it met */
  async function interrupted(query, end) {
    const outcome = app.query(query).then(() => undefined, (error) => error);
    await until('the call begins', async () =>
      (await admin.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = $1`, [pid])).rowCount > 0,
    { timeout: DEADLINE, every: 1 });
    await end();
    return within('the call ends', outcome, DEADLINE);
  }

  /**
   * Interrupts the query while the message is encoded, and asserts that it meets that SQLSTATE; again if the machine was so slow
   * to do it that the message had been encoded, or sent, by then. `prepare` is called before each attempt.
   */
  async function interruptedWhileEncoding(query, end, code, prepare = () => {}) {
    for (let attempt = 1; ; attempt++) {
      await prepare();
      const before = await taken();
      const error = await interrupted(query, end);
      if (error) assert.equal(error.code, code, error.message);
      if (error && (await taken()) === before) break;
      assert.ok(attempt < 5, 'each time it got as far as its attachment');
    }
  }

  async function cancelledWhileEncoding(query) {
    await interruptedWhileEncoding(query, cancel, '57014');
    await app.query(`SELECT sio_emit('/', '{}', 'the session goes on')`);
  }

  const cancel = () => admin.query('SELECT pg_cancel_backend($1)', [pid]);
  const terminate = () => admin.query('SELECT pg_terminate_backend($1)', [pid]);

  for (const [what, call] of Object.entries(CALLS)) {
    it(`is cancelled before it is encoded: ${what}`, () => cancelledWhileEncoding(block(call)));
  }

  it('ends with its session, in its midst', async () => {
    let gone;
    await interruptedWhileEncoding(block(CALLS['an array of 10,000,000 texts']), terminate, '57P01', async () => {
      await app.end().catch(() => {}); // of an earlier attempt
      await connect();
      gone = new Promise((resolve) => app.once('end', resolve));
      app.on('error', () => {});
    });
    await within('the session has ended', gone);
  });

  for (const [level, trigger] of [
    ['row', rowTrigger('docs', 'INSERT', ['room=staff'], { name: 'b_watch' })],
    ['statement', statementTriggers('docs', 'INSERT', ['room=staff'], { name: 'b_watch' })],
  ]) {
    it(`is cancelled in a trigger for each ${level}`, async () => {
      await app.query(`
        CREATE TABLE docs (id int, doc jsonb); ALTER TABLE docs ALTER doc SET STORAGE EXTERNAL;
        CREATE FUNCTION begins() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
        CREATE TRIGGER a_begins AFTER INSERT ON docs FOR EACH ${level} EXECUTE FUNCTION begins(); ${trigger}`);
      await cancelledWhileEncoding('INSERT INTO docs SELECT 1, texts FROM large');
    });
  }

  // Postgres warns of a setting that the library doesn't know as it is loaded, and looks for interrupts after each warning.
  it('may be cancelled while it loads the library, and the next one works', async () => {
    await admin.query(`CREATE TABLE work.docs (id int); ${rowTrigger('work.docs', 'INSERT', ['room=staff']).replace('AFTER', 'BEFORE')}`);
    const session = await postgres.connect({ options: '-c socketio_emitter.unknown=1' });
    const warnings = [];
    session.on('notice', ({ message }) => warnings.push(message));
    // Postgres doesn't look for the interrupt before it looks for the trigger's function, which would refuse such a trigger.
    await assert.rejects(session.query('INSERT INTO work.docs SELECT 1 WHERE pg_cancel_backend(pg_backend_pid())'));
    assert.match(warnings.join(), /socketio_emitter\.unknown/, 'it was loaded just now');
    const { rows } = await session.query(`SELECT bytes FROM sio_encode('/', '{}', 'e')`);
    assert.equal(rows.length, 1);
    await session.end();
  });

  describe('for its numbers, each of 131,072 digits in JSON,', () => {
    it('ends at statement_timeout in sio_encode, which shows them all', async () => {
      await app.query(`CREATE TEMP TABLE docs AS SELECT ${NUMBERS} AS doc; SET statement_timeout = '100ms'`);
      const error = await within('the statement ends', app.query(`SELECT * FROM docs, sio_encode('/', '{}', 'e', doc)`).catch((each) => each), DEADLINE);
      assert.equal(error.code, '57014', error.message);
      await app.query('RESET statement_timeout');
      const { rows } = await app.query(`SELECT bytes FROM sio_encode('/', '{}', 'e', '1e131071')`);
      assert.ok(rows[0].bytes < 1_000, 'a double in MessagePack');
    });

    it('doesn\'t take long when it is emitted: what JSON.parse makes of them arrives', async () => {
      const [server] = await startServers(postgres, { count: 1 });
      const client = await connectClient(server);
      const listener = await listen(postgres);
      try {
        await app.query(`SET statement_timeout = '60s'; CREATE TABLE docs (id int, doc jsonb); ${rowTrigger('docs', 'INSERT', ['event=row'])}`);
        await within('they are emitted', app.query(`SELECT sio_emit('/', '{}', 'e', ${NUMBERS}); INSERT INTO docs VALUES (1, ${NUMBERS})`), DEADLINE);
        const [[, emitted], [, { doc }]] = (await listener.fullMessages()).map(({ data }) => data.packet.data);
        for (const sent of [emitted, doc]) assert.deepEqual(sent, Array(HUGE).fill(JSON.parse('1e131071')));
        // JSON has no form for it: between server and client it becomes null, as with an emit of the server's own.
        const nulls = Array(HUGE).fill(null);
        assert.deepEqual(await received(app, [client]), [[['e', nulls], ['row', { id: 1, doc: nulls }]]]);
        await app.query(`SELECT sio_emit('/', '{}', 'e', '[1e131071, -1e131071, 1e308, 1e-400]')`);
        // 131,072 digits each are too many for a notification.
        assert.deepEqual(await received(app, [client]), [[['e', [null, null, 1e308, 0]]]]);
      } finally {
        await listener.close();
        await closeAll(client, server);
      }
    });
  });
});
