// A row of the queue says what carries it to the servers: nothing, which is NOTIFY, or an outlet of a later version.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { delivered, numbered, numbers, startQueue, status, untilWorker } from '../../harness/queue.js';
import { until } from '../../harness/wait.js';

const CARRIED = '{"uid":"emitter","carried":true}';

describe('a message for an outlet that this library does not know', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-outlets' }));
    await untilWorker(admin);
    await admin.query(`
      INSERT INTO _sio.queue (xid, id, queued_at, channel, message, outlet)
      VALUES (pg_current_xact_id(), nextval('_sio.queue_id'), now(), 'socket.io#/', '{}', 'carrier pigeon')`);
  });

  after(() => postgres?.stop());

  it('waits, and keeps no other waiting', async () => {
    await app.query(numbered(1));
    await app.query(numbered(2));
    const come = [];
    await until('both have come', async () => come.push(...(await numbers(listener))) === 2);
    assert.deepEqual(come, [1, 2]);
    const { queued, failed } = await status(admin);
    assert.deepEqual([queued, failed], ['1', '0']);
  });

  it('is not sent by sio_deliver either', async () => {
    assert.deepEqual((await admin.query('SELECT sio_deliver()')).rows, [{ sio_deliver: '0' }]);
    assert.equal((await status(admin)).queued, '1');
  });

  it('goes out once it is for NOTIFY', async () => {
    await admin.query(`
      WITH taken AS (DELETE FROM _sio.queue WHERE outlet = 'carrier pigeon' RETURNING id)
      INSERT INTO _sio.queue (xid, id, queued_at, channel, message)
      SELECT pg_current_xact_id(), id, now(), 'socket.io#/', $1 FROM taken`, [CARRIED]);
    // Nothing of ours has told the worker.
    await app.query(numbered(3));
    await delivered(admin);
    assert.ok((await listener.texts()).includes(CARRIED));
  });
});
