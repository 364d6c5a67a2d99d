// The system refuses memory to a session: it gets an error, or ends; the server and everybody else go on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, statementTriggers } from '../harness/live.js';
import { SERVER_USER, startPostgres } from '../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../harness/roles.js';
import { until } from '../harness/wait.js';

const MB = 1024 * 1024;

/** What makes large demands of a session: values as SQL, and the type of each. */
const LARGE = {
  bytes: ['bytea', `convert_to(repeat('x', 100 * 1024 * 1024), 'UTF8')`],
  texts: ['jsonb', `('[' || rtrim(repeat('"text",', 1000000), ',') || ']')::jsonb`],
  rooms: ['text[]', `(SELECT array_agg('room ' || i) FROM generate_series(1, 4000000) i)`],
  args: ['jsonb[]', `array_fill('1'::jsonb, ARRAY[4000000])`],
  binaries: ['bytea[]', `array_fill('\\x00'::bytea, ARRAY[4000000])`],
  text: ['text', `repeat('x', 250 * 1024 * 1024)`],
};

const CALLS = {
  'a binary of 100 MB': `SELECT sio_emit_binary('/', '{}', 'e', bytes) FROM large`,
  'a payload of 1,000,000 texts': `SELECT sio_emit('/', '{}', 'e', texts) FROM large`,
  'a list of 4,000,000 rooms': `SELECT sio_emit('/', rooms, 'e') FROM large`,
  'as many rooms to leave out': `SELECT sio_emit('/', '{a}', 'e', except_rooms => rooms) FROM large`,
  'as many rooms to join': `SELECT sio_sockets_join('/', '{a}', rooms) FROM large`,
  '4,000,000 arguments': `SELECT sio_emit_args('/', '{}', 'e', args) FROM large`,
  '4,000,000 binaries': `SELECT sio_emit('/', '{}', 'e', '1', binaries => binaries) FROM large`,
  'a watch with 4,000,000 rooms': `SELECT sio_watch('items', rooms) FROM large`,
  'a watch with an event of 250 MB': `SELECT sio_watch('items', '{staff}', event => large.text) FROM large`,
  'a watch with 4,000,000 columns': `SELECT sio_watch('items', '{staff}', columns => rooms) FROM large`,
  'a row trigger with 250 MB in its row': 'INSERT INTO row_notes SELECT 1, large.text FROM large',
  'a statement trigger with 250 MB in its row': 'INSERT INTO statement_notes SELECT 1, large.text FROM large',
  'a look at a payload of 1,000,000 texts': `SELECT e.bytes FROM large, sio_encode('/', '{}', 'e', texts) e`,
};

describe('for want of memory', () => {
  let postgres, admin, witness, session, pid;

  before(async () => {
    postgres = await startPostgres({ name: 'out-of-memory', conf: { autovacuum: 'off', jit: 'off' } });
    admin = await prepareDatabase(postgres);
    witness = await postgres.connect();
    const columns = Object.entries(LARGE);
    await admin.query(`
      CREATE SCHEMA work AUTHORIZATION ${EMITTER_ROLE}; ALTER ROLE ${EMITTER_ROLE} SET search_path = work, public; SET search_path = work, public;
      CREATE TABLE large (${columns.map(([name, [type]]) => `"${name}" ${type}`).join(', ')});
      ${columns.map(([name]) => `ALTER TABLE large ALTER "${name}" SET STORAGE EXTERNAL`).join(';')};
      INSERT INTO large SELECT ${columns.map(([, [, value]]) => value).join(', ')}; GRANT SELECT ON large TO ${EMITTER_ROLE}`);
    const owner = await postgres.connect({ user: EMITTER_ROLE });
    await owner.query(`
      CREATE TABLE items (id int PRIMARY KEY, room text); CREATE TABLE row_notes (id int, note text); CREATE TABLE statement_notes (id int, note text);
      ALTER TABLE row_notes ALTER note SET STORAGE EXTERNAL; ALTER TABLE statement_notes ALTER note SET STORAGE EXTERNAL;
      ${rowTrigger('row_notes', 'INSERT', ['room=staff'])}; ${statementTriggers('statement_notes', 'INSERT', ['room=staff'])}`);
    await owner.end();
  });

  after(async () => postgres?.stop());

  beforeEach(open);

  afterEach(async () => {
    await session.end().catch(() => {}); // it may have ended
    await witness.query('SELECT 1'); // was there all the time
    assert.doesNotMatch(await postgres.log(), /terminating any other active server processes|was terminated by signal|PANIC/);
  });

  async function open() {
    session = await postgres.connect({ user: EMITTER_ROLE });
    session.on('error', () => {});
    ({ rows: [{ pid }] } = await session.query(`SET socketio_emitter.max_binaries = 0; SELECT pg_backend_pid() AS pid`).then((all) => all.at(-1)));
    await session.query(`SELECT sio_buffer(0), count(*) FROM pg_class; BEGIN; SELECT sio_watch('items'); SELECT sio_emit_binary('/', '{}', 'e', ''); ROLLBACK`);
  }

  /** From now on the session gets that many bytes of addresses more than it has. */
  function allow(bytes) {
    const size = Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
    // The soft limit, as its own user, who may raise it again.
    execFileSync('prlimit', ['--pid', String(pid), `--as=${size + bytes}:`], SERVER_USER);
  }

  const outcome = (query) => session.query(query).then(() => 'done', (error) => error.code ?? error.message);

  for (const [what, query] of Object.entries(CALLS)) {
    it(`nothing but the call fails, or its session: ${what}`, async () => {
      const seen = new Set();
      for (const megabytes of [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 350, 500, 800]) {
        allow(megabytes * MB);
        const code = await outcome(`BEGIN; ${query}; ROLLBACK`);
        seen.add(code);
        // 54000: a limit of ours or of Postgres's. 22023, 42703: the declaration is wrong, and there was memory to say so.
        assert.ok(['done', '53200', '54000', '54011', '54023', '22023', '42703'].includes(code), `with ${megabytes} MB: ${code}`);
        const alive = await session.query('ROLLBACK').then(() => true, () => false);
        if (!alive) {
          assert.equal(code, '53200', `with ${megabytes} MB it ended with ${code}`);
          await open();
        }
      }
      assert.ok(seen.has('53200'), `it never met the limit: ${[...seen]}`);
    });
  }

  it('a session goes on after a payload that was too large', async () => {
    allow(220 * MB);
    assert.equal(await outcome(CALLS['a binary of 100 MB']), '53200');
    await session.query(`SELECT sio_emit('/', '{}', 'e', '1'), sio_emit_binary('/', '{}', 'e', '\\x41')`);
  });

  const emits = (count) => `SELECT count(sio_emit_binary('/', '{}', 'e', '\\x41')) FROM generate_series(1, ${count})`;
  for (const [what, ...statements] of [
    ['a cleanup', `SELECT sio_cleanup('0')`],
    ['more of them', emits(40_000)],
    ['more of them under savepoints', `SAVEPOINT a`, emits(20_000), 'SAVEPOINT b', emits(20_000), 'ROLLBACK TO a', emits(40_000)],
    ['their refresh', 'SELECT pg_sleep(1.1)', 'COMMIT'],
  ]) {
    it(`a session that holds many attachments, and then ${what}: at most it ends, in order`, async () => {
      const seen = new Set();
      for (const megabytes of [0, 3, 9]) {
        await session.query(`BEGIN; ${emits(100_000)}`);
        allow(megabytes * MB);
        let code = 'done';
        for (const statement of statements) if (code === 'done') code = await outcome(statement);
        seen.add(code);
        assert.ok(['done', '53200'].includes(code), `with ${megabytes} MB: ${code}`);
        const ended = pid;
        const alive = await session.query('ROLLBACK').then(() => true, () => false);
        if (!alive) await open();
        else allow(4096 * MB);
        await until('it has ended', async () => alive || (await witness.query('SELECT FROM pg_stat_activity WHERE pid = $1', [ended])).rowCount === 0);
        assert.deepEqual((await witness.query('SELECT mode FROM pg_locks WHERE pid = $1', [ended])).rows, []);
        // What it had taken is free for others.
        await witness.query(`BEGIN; SET LOCAL lock_timeout = '1s'; LOCK TABLE socket_io_attachments; TRUNCATE socket_io_attachments; COMMIT`);
        await witness.query(`BEGIN; SELECT sio_emit_binary('/', '{}', 'e', '\\x41'), sio_cleanup('0'); COMMIT`);
      }
      assert.ok(seen.has('53200'), `it never met the limit: ${[...seen]}`);
      assert.doesNotMatch(await postgres.log(), /already held|already borrowed|RefCell|panicked|still referenced|leak/);
    });
  }

  for (const level of ['row', 'statement']) {
    it(`a room of 250 MB is refused before it is made, by a trigger for each ${level}`, async () => {
      await session.query(`CREATE TABLE rooms (id int, note text); ALTER TABLE rooms ALTER note SET STORAGE EXTERNAL;
        ${level === 'row' ? rowTrigger('rooms', 'INSERT', ['room=$note', 'columns=id']) : statementTriggers('rooms', 'INSERT', ['room=$note', 'columns=id'])}`);
      assert.equal(await outcome(`INSERT INTO rooms SELECT 1, large.text FROM large`), '54000');
      // Limits count bytes of UTF-8.
      const insert = (text) => outcome(`INSERT INTO rooms VALUES (1, ${text})`);
      assert.equal(await insert(`repeat('x', 65536)`), 'done');
      assert.equal(await insert(`repeat('x', 65537)`), '54000');
      assert.equal(await insert(`repeat('é', 32768)`), 'done');
      assert.equal(await insert(`repeat('é', 32768) || 'x'`), '54000');
      await session.query('DROP TABLE rooms');
    });
  }
});
