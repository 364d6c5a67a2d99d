// Who queues waits for nobody who has locked the attachments table, or an index of it: that is left to the worker.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { delivered, numbered, numberedBinary, numbers, queued, queueing, startQueue, status, upTo } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE } from '../../harness/roles.js';

// A statement of the table's owner, whose locks are held until the end of the transaction.
const HOLDERS = {
  'remakes its index': 'REINDEX INDEX socket_io_attachments_id_key',
  'remakes all of its indexes': 'REINDEX TABLE socket_io_attachments',
  'moves its index': 'ALTER INDEX socket_io_attachments_id_key SET TABLESPACE elsewhere',
  'makes another index': 'CREATE INDEX another ON socket_io_attachments (created_at)',
  'drops its index': 'ALTER TABLE socket_io_attachments DROP CONSTRAINT socket_io_attachments_id_key',
  'rewrites it': 'CLUSTER socket_io_attachments USING socket_io_attachments_id_key',
  'alters it': 'ALTER TABLE socket_io_attachments ADD note text',
  'has locked it against writers': 'LOCK TABLE socket_io_attachments IN SHARE MODE',
  'has locked it against everybody': 'LOCK TABLE socket_io_attachments IN ACCESS EXCLUSIVE MODE',
};

describe('a session that queues commits, and its messages arrive later, while another session', () => {
  let postgres, admin, holder, listener;

  before(async () => {
    ({ postgres, admin, listener } = await startQueue({ name: 'queue-locks' }));
    holder = await postgres.connect();
    await admin.query('SET allow_in_place_tablespaces = on');
    await admin.query(`CREATE TABLESPACE elsewhere LOCATION ''`);
  });

  after(() => postgres?.stop());

  beforeEach(async () => {
    await holder.query('ROLLBACK');
    await admin.query('SELECT sio_discard()');
    await delivered(admin);
    await listener.texts();
  });

  for (const [what, statement] of Object.entries(HOLDERS)) {
    it(what, async () => {
      // One has used the table before and remembers it, one hasn't looked at it yet, and one has to look again.
      const [knows, looks, looksAgain] = await Promise.all(upTo(3).map(() => queueing(postgres)));
      const waits = await postgres.connect({ user: EMITTER_ROLE });
      await looksAgain.query(numberedBinary(1));
      await admin.query('ALTER TABLE socket_io_attachments SET (fillfactor = 100)');
      await knows.query(numberedBinary(2));
      await delivered(admin);
      assert.deepEqual(await numbers(listener), [1, 2]);

      await holder.query(`BEGIN; ${statement}`);
      await waits.query(`SET lock_timeout = '50ms'`);
      await refused(waits, numberedBinary(0), '55P03');
      for (const session of [knows, looks, looksAgain]) await session.query(`SET lock_timeout = '5s'`);
      await knows.query(numberedBinary(3));
      await looks.query(`BEGIN; ${numbered(4)}; ${numberedBinary(5)}; ${numbered(6)}; COMMIT`);
      await looksAgain.query(numberedBinary(7));
      assert.equal(await queued(admin), 5);

      await holder.query('ROLLBACK');
      await delivered(admin);
      assert.deepEqual(await numbers(listener), [3, 4, 5, 6, 7]);
      assert.equal((await status(admin)).failed, '0');
      for (const session of [knows, looks, looksAgain, waits]) await session.end();
    });
  }
});
