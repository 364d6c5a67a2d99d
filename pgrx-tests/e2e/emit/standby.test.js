// Where nothing can be sent: on a standby and in a read-only transaction, said clearly and for text and binary alike.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { call, SENDERS } from '../../harness/functions.js';
import { listen } from '../../harness/listener.js';
import { startPostgres, startStandby } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const WRITERS = [...SENDERS, 'sio_cleanup'];

describe('nothing can be sent by', () => {
  let primary, standby, admin;

  before(async () => {
    primary = await startPostgres({ name: 'primary' });
    admin = await prepareDatabase(primary);
    standby = await startStandby(primary, { name: 'standby' });
  });

  after(async () => {
    await standby?.stop();
    await primary?.stop();
  });

  it('a standby', async () => {
    const app = await standby.connect({ user: EMITTER_ROLE });
    for (const name of WRITERS) await refused(app, call(name), '25006', { says: [name, 'recovery'] });
    await app.end();
  });

  it('a standby, until it is promoted', async () => {
    const app = await standby.connect({ user: EMITTER_ROLE });
    await refused(app, call('sio_emit'), '25006');
    const boss = await standby.connect();
    await boss.query('SELECT pg_promote()');
    await until('the standby is promoted', async () => (await boss.query('SELECT NOT pg_is_in_recovery() AS done')).rows[0].done);
    const listener = await listen(standby);
    for (const name of WRITERS) await app.query(call(name));
    assert.equal((await listener.texts()).length, SENDERS.length);
    await Promise.all([app, boss, listener.client].map((client) => client.end()));
  });

  it('a read-only transaction', async () => {
    const listener = await listen(primary);
    const app = await primary.connect({ user: EMITTER_ROLE });
    for (const name of WRITERS) {
      await app.query('BEGIN READ ONLY');
      await refused(app, call(name), '25006', { says: [name, 'read-only'] });
      await app.query('ROLLBACK');
    }
    await app.query('SET default_transaction_read_only = on');
    for (const name of WRITERS) await refused(app, call(name), '25006', { says: [name, 'read-only'] });
    // Read-only from here on, not from the start: what was sent before goes.
    await app.query(`BEGIN READ WRITE; SELECT sio_emit('/', '{}', 'before'); SET TRANSACTION READ ONLY; COMMIT`);
    assert.equal((await listener.texts()).length, 1);
    await app.end();
    const { rows } = await admin.query('SELECT count(*)::int AS n FROM socket_io_attachments');
    assert.equal(rows[0].n, 0);
  });

  it('a read-only transaction, in which sio_encode and sio_buffer work', async () => {
    const app = await primary.connect({ user: EMITTER_ROLE });
    await app.query('SET default_transaction_read_only = on');
    for (const name of ['sio_encode', 'sio_buffer']) await app.query(call(name));
    await app.end();
  });
});
