// What sio_status shows of a session that delivers: nobody else does until its transaction ends.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { delivered, numbered, queueing, startQueue, status, untilIdle, untilWorker } from '../../harness/queue.js';
import { until } from '../../harness/wait.js';

for (const preload of [true, false]) {
  describe(`sio_status, ${preload ? 'beside' : 'without'} a worker,`, () => {
    let postgres, admin, app, session, pid;

    before(async () => {
      ({ postgres, admin, app } = await startQueue({ name: `status-deliverer-${preload}`, preload, conf: { max_prepared_transactions: 2 } }));
      if (preload) {
        await untilWorker(admin);
        await untilIdle(admin);
      }
      session = await postgres.connect();
      ({ rows: [{ pid }] } = await session.query('SELECT pg_backend_pid() AS pid'));
    });

    after(() => postgres?.stop());

    // Also after a failure: what is held holds the others up.
    afterEach(async () => {
      await session.query('ROLLBACK');
      for (const { gid } of (await admin.query('SELECT gid FROM pg_prepared_xacts')).rows) await admin.query(`ROLLBACK PREPARED '${gid}'`);
      await untilNobody();
    });

    const deliverer = async (client = admin) => {
      const { worker_state: state, delivering_session_pid: by, delivering_since: since } = await status(client);
      return { state, by, since };
    };
    const NOBODY = { state: preload ? 'idle' : 'not preloaded', by: null, since: null };
    const untilNobody = () => until('nobody delivers', async () => isDeepStrictEqual(await deliverer(), NOBODY));

    it('shows a session from sio_deliver to the end of its transaction', async () => {
      assert.deepEqual(await deliverer(), NOBODY);
      for (const end of ['COMMIT', 'ROLLBACK']) {
        await session.query('BEGIN');
        const { rows: [{ start }] } = await session.query('SELECT now() AS start');
        await app.query(`SELECT pg_sleep(0.01)`); // later than the transaction's start
        await session.query('SELECT sio_deliver(0)');
        assert.deepEqual(await deliverer(), { state: `session ${pid} delivers`, by: pid, since: start });
        assert.deepEqual(await deliverer(session), { state: `session ${pid} delivers`, by: pid, since: start });
        await session.query(end);
        await untilNobody();
      }
    });

    it('shows it although messages wait, and the worker for it', async () => {
      await session.query('BEGIN; SELECT sio_deliver(0)');
      await app.query(numbered(1));
      const now = await status(admin);
      assert.deepEqual([now.worker_state, now.queued], [`session ${pid} delivers`, '1']);
      await session.query('COMMIT');
      if (!preload) await admin.query('SELECT sio_deliver()');
      await delivered(admin);
      await untilNobody();
    });

    it('shows a transaction that was prepared after it', async () => {
      await session.query(`BEGIN; SELECT sio_deliver(0); PREPARE TRANSACTION 'held'`);
      const { rows: [{ prepared }] } = await admin.query('SELECT prepared FROM pg_prepared_xacts');
      assert.deepEqual(await deliverer(), { state: 'a prepared transaction delivers', by: null, since: prepared });
      await admin.query(`ROLLBACK PREPARED 'held'`);
      await untilNobody();
    });

    it('shows it when the server was started again', async () => {
      await session.query(`BEGIN; SELECT sio_deliver(0); PREPARE TRANSACTION 'held'`);
      const { rows: [{ prepared }] } = await admin.query('SELECT prepared FROM pg_prepared_xacts');
      await postgres.restart();
      [admin, session, app] = [await postgres.connect(), await postgres.connect(), await queueing(postgres)];
      ({ rows: [{ pid }] } = await session.query('SELECT pg_backend_pid() AS pid'));
      assert.deepEqual(await deliverer(), { state: 'a prepared transaction delivers', by: null, since: prepared });
    });

    it('shows no session of another database, and no other lock', async () => {
      await postgres.createDatabase('other');
      const other = await postgres.connect({ database: 'other' });
      await other.query('CREATE EXTENSION socketio_emitter; BEGIN; SELECT sio_deliver(0)');
      await session.query('BEGIN; LOCK TABLE _sio.queue IN SHARE MODE');
      assert.deepEqual([(await deliverer()).by, (await deliverer()).since], [null, null]);
      await session.query('ROLLBACK');
      await other.end();
    });

    it('shows all of it to who monitors', async () => {
      await admin.query('CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor');
      const monitor = await postgres.connect({ user: 'monitor' });
      await session.query('BEGIN; SELECT sio_deliver(0)');
      const { rows: [{ start }] } = await session.query('SELECT now() AS start');
      assert.deepEqual(await deliverer(monitor), { state: `session ${pid} delivers`, by: pid, since: start });
      await session.query('ROLLBACK');
    });
  });
}
