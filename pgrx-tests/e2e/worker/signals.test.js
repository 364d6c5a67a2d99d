// A worker that is told to end while it is busy: it ends, and nothing is lost.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { countNotifications } from '../../harness/counter.js';
import { delivered, numbered, numberedBinary, processes, queueing, startQueue, status, untilIdle, untilWorker, upTo, whileWorkerStands } from '../../harness/queue.js';
import { until } from '../../harness/wait.js';

const BACKLOG = 300_000;
// Longer than it takes to listen again after a start: what is sent before reaches nobody.
const RESTART_DELAY = 4_000;

describe('a worker that is told to end', () => {
  let postgres, admin, app, counter, texts;

  before(async () => {
    ({ postgres, admin, app } = await startQueue({ name: 'worker-signals', conf: { 'socketio_emitter.restart_delay': RESTART_DELAY } }));
    await listenAgain();
    await untilIdle(admin);
  });

  after(async () => {
    counter?.close();
    await postgres?.stop();
  });

  beforeEach(async () => {
    await delivered(admin);
    await admin.query('TRUNCATE socket_io_attachments');
    texts.length = 0;
    counter.count = 0;
  });

  async function listenAgain() {
    texts = [];
    counter = await countNotifications(postgres, { onText: (text) => texts.push(text) });
  }

  /** The numbers of the short events that arrived, and how many long ones did. */
  const arrived = () => ({
    short: texts.filter((text) => text.includes('"data":["e",')).map((text) => Number(/"data":\["e",(\d+)\]/.exec(text)[1])),
    long: texts.filter((text) => text.includes('attachmentId')).length,
  });

  /** pg_terminate_backend waits for the end of the process, ten seconds at most. */
  async function ends(pid) {
    const { rows } = await admin.query('SELECT pg_terminate_backend($1, 10000) AS ended', [pid]);
    assert.equal(rows[0].ended, true, 'it ended');
    return untilWorker(admin, { before: pid });
  }

  /** A fast shutdown, for which the harness waits a minute, and a start. → what had arrived until then */
  async function restart() {
    counter.mayEnd = true;
    await postgres.restart();
    counter.close();
    const before = arrived();
    await listenAgain();
    admin = await postgres.connect();
    app = await queueing(postgres);
    return before;
  }

  // sio_status would wait for the lock, too.
  const untilAtLock = (pid) => until('the worker waits for the lock', async () =>
    (await admin.query(`SELECT FROM pg_locks WHERE pid = $1 AND NOT granted AND relation = 'socket_io_attachments'::regclass`, [pid])).rowCount > 0);

  const emitBacklog = (each, count = BACKLOG) => app.query(`SELECT count(${each}) FROM generate_series(0, ${count - 1}) i`);

  const short = `sio_emit('/', '{}', 'e', to_jsonb(i))`;

  describe('goes, and another comes,', () => {
    it('with a trigger on the attachments table that sleeps, which it doesn\'t run', async () => {
      await admin.query(`
        CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$;
        CREATE TRIGGER sleep BEFORE INSERT OR UPDATE OR DELETE ON socket_io_attachments FOR EACH ROW EXECUTE FUNCTION sleep();
        CREATE TRIGGER sleep_too AFTER INSERT ON socket_io_attachments FOR EACH STATEMENT EXECUTE FUNCTION sleep()`);
      const pid = await untilWorker(admin);
      await app.query(`${numbered(0)}; ${numberedBinary(1)}; ${numbered(2)}`);
      await delivered(admin);
      await ends(pid);
      await app.query(`${numbered(3)}; ${numberedBinary(4)}`);
      await delivered(admin);
      await counter.until(5);
      assert.deepEqual(arrived(), { short: [0, 2, 3], long: 2 });
      await admin.query('DROP FUNCTION sleep CASCADE');
    });

    it('with the attachments table locked by a session', async () => {
      const pid = await untilWorker(admin);
      const holder = await postgres.connect();
      await whileWorkerStands(admin, async () => {
        await app.query(`${numbered(1)}; ${numberedBinary(2)}; ${numbered(3)}`);
        await holder.query('BEGIN; LOCK TABLE socket_io_attachments IN ACCESS EXCLUSIVE MODE');
      });
      await untilAtLock(pid);
      await untilAtLock(await ends(pid));
      await holder.query('COMMIT');
      await holder.end();
      await delivered(admin);
      await counter.until(3);
      assert.deepEqual(arrived(), { short: [1, 3], long: 1 });
    });

    it(`with ${BACKLOG.toLocaleString('en')} messages before it, each of which arrives once`, async () => {
      await whileWorkerStands(admin, () => emitBacklog(short));
      const pid = await untilWorker(admin);
      await counter.until(1);
      await ends(pid);
      await delivered(admin);
      await counter.until(BACKLOG);
      const { short: numbers } = arrived();
      assert.equal(numbers.length, BACKLOG);
      assert.ok(numbers.every((number, i) => number === i), 'in order');
    });

    it('again and again', async () => {
      const count = 50_000;
      await whileWorkerStands(admin, () => emitBacklog(`CASE i % 10 WHEN 0 THEN sio_emit_binary('/', '{}', 'b', '\\x41') ELSE ${short} END`, count));
      for (let round = 0; round < 5; round++) await ends(await untilWorker(admin));
      await delivered(admin);
      await counter.until(count);
      const { short: numbers, long } = arrived();
      assert.deepEqual([numbers.length, long], [count * 0.9, count / 10]);
      assert.ok(numbers.every((number, i) => i === 0 || number > numbers[i - 1]), 'in order');
    });
  });

  describe('with the server doesn\'t keep that from ending', () => {
    it('while the attachments table is locked', async () => {
      const holder = await postgres.connect();
      await whileWorkerStands(admin, async () => {
        await app.query(`${numbered(0)}; ${numberedBinary(1)}; ${numbered(2)}`);
        await holder.query('BEGIN; LOCK TABLE socket_io_attachments IN ACCESS EXCLUSIVE MODE');
      });
      await untilAtLock(await untilWorker(admin));
      await restart();
      await delivered(admin);
      await counter.until(3);
      assert.deepEqual(arrived(), { short: [0, 2], long: 1 });
    });

    it('while messages wait for it', async () => {
      const total = async () => Number((await status(admin)).delivered_total);
      const base = await total();
      await whileWorkerStands(admin, () => emitBacklog(short));
      await counter.until(1);
      await counter.until(await total() - base); // the listener is not far behind
      const before = await restart();
      await delivered(admin);
      await counter.until(BACKLOG - before.short.length);
      // What was sent last before the shutdown may come twice.
      const { short: numbers } = arrived();
      assert.ok(before.short.every((number, i) => number === i), 'in order');
      assert.deepEqual(numbers, upTo(BACKLOG).slice(-numbers.length));
    });

    it('while it waits for the servers to come back', async () => {
      await restart();
      await until('it waits', async () => (await status(admin)).worker_state === 'waiting for restart delay');
      await app.query(numbered(7));
      const pid = await untilWorker(admin);
      await ends(pid);
      await restart();
      await delivered(admin);
      await counter.until(1);
      assert.deepEqual(arrived(), { short: [7], long: 0 });
      assert.deepEqual((await processes(admin)).map(({ type }) => type), ['launcher', 'worker']);
    });
  });
});
