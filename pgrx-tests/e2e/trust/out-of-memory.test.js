// The system refuses memory to a session: it gets an error, or ends; the server and everybody else go on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, statementTriggers } from '../../harness/live.js';
import { SERVER_USER, startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const MB = 1024 * 1024;

/** What makes demands of a session: values as SQL, and the type of each. */
const LARGE = {
  bytes: ['bytea', `convert_to(repeat('x', 20 * 1024 * 1024), 'UTF8')`],
  texts: ['jsonb', `('[' || rtrim(repeat('"text",', 300000), ',') || ']')::jsonb`],
  list: ['text[]', `array_fill('text'::text, ARRAY[300000])`],
  rooms: ['text[]', `(SELECT array_agg('room ' || i) FROM generate_series(1, 100000) i)`],
  args: ['jsonb[]', `array_fill('1'::jsonb, ARRAY[300000])`],
  binaries: ['bytea[]', `array_fill('\\x00'::bytea, ARRAY[300000])`],
  text: ['text', `repeat('x', 250 * 1024 * 1024)`],
};

const CALLS = {
  'a binary of 20 MB': `SELECT sio_emit_binary('/', '{}', 'e', bytes) FROM large`,
  'a payload of 300,000 texts': `SELECT sio_emit('/', '{}', 'e', texts) FROM large`,
  'a list of 100,000 rooms': `SELECT sio_emit('/', rooms, 'e') FROM large`,
  'as many rooms to leave out': `SELECT sio_emit('/', '{a}', 'e', except_rooms => rooms) FROM large`,
  'as many rooms to join': `SELECT sio_sockets_join('/', '{a}', rooms) FROM large`,
  '300,000 arguments': `SELECT sio_emit_args('/', '{}', 'e', args) FROM large`,
  '300,000 binaries': `SELECT sio_emit('/', '{}', 'e', '1', binaries => binaries) FROM large`,
  'a look at 300,000 texts': `SELECT e.bytes FROM large, sio_encode('/', '{}', 'e', texts) e`,
  'a watch with 1,000 rooms': `SELECT sio_watch('items', rooms[1:1000]) FROM large`,
  'a watch with an event of 250 MB': `SELECT sio_watch('items', '{staff}', event => large.text) FROM large`,
  'a watch with 100,000 columns': `SELECT sio_watch('items', '{staff}', columns => rooms) FROM large`,
  'a trigger for each row whose array has 300,000 texts': 'INSERT INTO row_lists SELECT 1, list FROM large',
  'a trigger for each statement whose row has such an array': 'INSERT INTO statement_lists SELECT 1, list FROM large',
  'a trigger for each statement with 50,000 rooms': `INSERT INTO rooms SELECT i, 'x' || i FROM generate_series(1, 50000) i`,
  '20,000 queued messages, and their delivery': `SET LOCAL socketio_emitter.delivery = 'queue';
    SELECT count(sio_emit('/', '{}', 'e', to_jsonb(i))) FROM generate_series(1, 20000) i; SELECT sio_deliver()`,
};

describe('for want of memory', () => {
  let postgres, admin, session, pid, crashes;

  before(async () => {
    postgres = await startPostgres({ name: 'out-of-memory', conf: { autovacuum: 'off', jit: 'off' } });
    admin = await prepareDatabase(postgres);
    admin.on('error', () => {}); // when the server restarts
    const columns = Object.entries(LARGE);
    await admin.query(`
      CREATE SCHEMA work AUTHORIZATION ${EMITTER_ROLE}; ALTER ROLE ${EMITTER_ROLE} SET search_path = work, public; SET search_path = work, public;
      CREATE TABLE large (${columns.map(([name, [type]]) => `"${name}" ${type}`).join(', ')});
      ${columns.map(([name]) => `ALTER TABLE large ALTER "${name}" SET STORAGE EXTERNAL`).join(';')};
      INSERT INTO large SELECT ${columns.map(([, [, value]]) => value).join(', ')}; GRANT SELECT ON large TO ${EMITTER_ROLE}`);
    const owner = await postgres.connect({ user: EMITTER_ROLE });
    await owner.query(`
      CREATE TABLE items (id int PRIMARY KEY, room text);
      CREATE TABLE row_lists (id int, list text[]); ALTER TABLE row_lists ALTER list SET STORAGE EXTERNAL; ${rowTrigger('row_lists', 'INSERT', ['room=staff'])};
      CREATE TABLE statement_lists (id int, list text[]); ALTER TABLE statement_lists ALTER list SET STORAGE EXTERNAL;
      ${statementTriggers('statement_lists', 'INSERT', ['room=staff'])};
      CREATE TABLE rooms (id int, room text); ${statementTriggers('rooms', 'INSERT', ['room=$room'])}`);
    await owner.end();
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    crashes = await countCrashes();
    await open();
  });

  afterEach(async () => {
    await session.end().catch(() => {}); // it may have ended
    const more = (await countCrashes()) - crashes;
    // So that one failure is one.
    if (more > 0) await until('the server is back', () => postgres.connect().then((client) => client.end().then(() => true), () => false));
    assert.equal(more, 0, 'the server restarted');
  });

  const countCrashes = async () => (await postgres.log()).split('terminating any other active server processes').length - 1;

  async function open() {
    session = await postgres.connect({ user: EMITTER_ROLE });
    session.on('error', () => {});
    ({ rows: [{ pid }] } = await session.query('SELECT pg_backend_pid() AS pid'));
    await session.query(`SET socketio_emitter.max_binaries = 0`);
    await session.query(`SELECT sio_buffer(0), sio_emit_binary('/', '{}', 'warm', '')`);
  }

  /** From now on the session gets that many bytes of addresses more than it has. */
  function allow(bytes) {
    const size = Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
    // The soft limit, as its own user, who may raise it again.
    execFileSync('prlimit', ['--pid', String(pid), `--as=${size + bytes}:`], SERVER_USER);
  }

  // Postgres has another SQLSTATE for a library, such as PL/pgSQL's, that there is no memory to load.
  const isUnloaded = ({ code, message }) => code === '58P01' && /could not load library .*: (failed to map segment|cannot map|cannot allocate memory)/i.test(message);
  const outcome = (query) => session.query(query).then(() => 'done', (error) => (isUnloaded(error) ? '53200' : error.code ?? error.message));

  for (const [what, query] of Object.entries(CALLS)) {
    it(`nothing but the call fails, or its session: ${what}`, async () => {
      const codes = [];
      // What is refused depends on half a megabyte: on which block of which memory context comes last.
      for (let megabytes = 0.5; megabytes < 1_000; megabytes += megabytes < 32 ? 0.5 : megabytes / 16) {
        allow(Math.round(megabytes * MB));
        const code = await outcome(`BEGIN; ${query}; ROLLBACK`);
        codes.push(code);
        if (code !== '53200') break;
        await session.end().catch(() => {});
        await open();
      }
      // 22023, 42703: the declaration is wrong, and there was memory to say so.
      assert.match(codes.at(-1), /^(done|54000|22023|42703)$/, `after ${codes.length} limits`);
      assert.ok(codes.length > 1, `it never met the limit: ${codes}`);
    });
  }

  it('a session goes on after a payload that was too large', async () => {
    allow(30 * MB);
    assert.equal(await outcome(CALLS['a binary of 20 MB']), '53200');
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
      const witness = await postgres.connect();
      for (const megabytes of [0, 9]) {
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
      await witness.end();
      // A server with assertions keeps more memory for itself, in which it all may find room.
      const { rows: [{ debug_assertions: asserts }] } = await admin.query('SHOW debug_assertions');
      assert.ok(seen.has('53200') || asserts === 'on', `it never met the limit: ${[...seen]}`);
      assert.doesNotMatch(await postgres.log(), /already held|already borrowed|RefCell|panicked|still referenced|leak/);
    });
  }

  for (const level of ['row', 'statement']) {
    it(`a room of 250 MB is refused before it is made, by a trigger for each ${level}`, async () => {
      await session.query(`CREATE TABLE notes (id int, note text); ALTER TABLE notes ALTER note SET STORAGE EXTERNAL;
        ${level === 'row' ? rowTrigger('notes', 'INSERT', ['room=$note', 'columns=id']) : statementTriggers('notes', 'INSERT', ['room=$note', 'columns=id'])}`);
      assert.equal(await outcome(`INSERT INTO notes SELECT 1, large.text FROM large`), '54000');
      // Limits count bytes of UTF-8.
      const insert = (text) => outcome(`INSERT INTO notes VALUES (1, ${text})`);
      assert.equal(await insert(`repeat('x', 65536)`), 'done');
      assert.equal(await insert(`repeat('x', 65537)`), '54000');
      assert.equal(await insert(`repeat('é', 32768)`), 'done');
      assert.equal(await insert(`repeat('é', 32768) || 'x'`), '54000');
      await session.query('DROP TABLE notes');
    });
  }
});
