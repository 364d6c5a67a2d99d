// docs/queued-delivery.md: its statements run in the order of the page, from a server that preloads something else, and do what it says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runSql } from '../../harness/blocks.js';
import { lacks } from '../../harness/features.js';
import { openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

const withoutCron = lacks('pg_cron');
const page = openPage('docs/queued-delivery.md');
const byCron = page.take('sql', 'cron.schedule'); // here, for the test of it may be skipped

describe('docs/queued-delivery.md', () => {
  let postgres, admin;

  before(async () => {
    postgres = await startPostgres({
      name: 'docs-queued-delivery',
      conf: { shared_preload_libraries: withoutCron ? '' : 'pg_cron', 'socketio_emitter.restart_delay': 0 },
    });
    admin = await prepareDatabase(postgres);
    // The trigger's function that the page alters: docs/start.md.
    await admin.query(`CREATE TABLE orders (id bigserial PRIMARY KEY, item text, customer_id bigint, status text);
      ${openPage('docs/start.md').take('sql', 'emit_paid').replace(/UPDATE orders.*/, '')}`);
  });
  after(() => postgres?.stop());

  const rows = async (sql) => (await admin.query(sql)).rows;

  it('has sessions queue, and a worker deliver', async () => {
    const sql = page.next('sql', 'ALTER SYSTEM SET shared_preload_libraries');
    const alter = `ALTER SYSTEM SET shared_preload_libraries = 'socketio_emitter';`;
    assert.ok(sql.includes(alter));
    // Another library is there: the page says what to do.
    await runSql(postgres, withoutCron ? sql : sql.replace(alter, `ALTER SYSTEM SET shared_preload_libraries = 'pg_cron', 'socketio_emitter';`));
    await postgres.restart();
    admin = await postgres.connect();
    await admin.query(`SELECT sio_emit('/', '{}', 'e')`);
    await admin.query('SELECT sio_wait_delivered()');
    const { stdout } = await runSql(postgres, page.next('sql', 'worker_state'));
    assert.match(stdout, /^queue\|(idle|delivering)\|0\|[1-9]\d*$/);
  });

  it('chooses the mode for a session, a role and a function', async () => {
    await runSql(postgres, page.next('sql', 'ALTER FUNCTION emit_paid()'));
    const settings = await rows(`SELECT rolconfig FROM pg_roles WHERE rolname = '${EMITTER_ROLE}' UNION ALL SELECT proconfig FROM pg_proc WHERE proname = 'emit_paid'`);
    for (const { rolconfig } of settings) assert.ok(rolconfig.includes('socketio_emitter.delivery=queue'));
  });

  it('delivers by a session, and by pg_cron', { skip: withoutCron }, async () => {
    await runSql(postgres, byCron);
    assert.deepEqual(await rows('SELECT command FROM cron.job'), [{ command: 'SELECT sio_deliver(1000000)' }]);
  });

  it('has SQL for who monitors, who waits, and who mends', async () => {
    await admin.query('CREATE ROLE monitor LOGIN IN ROLE pg_monitor'); // docs/operation.md
    assert.match((await runSql(postgres, page.take('sql', 'SELECT * FROM sio_status;'), { user: 'monitor' })).stdout, /^queue\|/);
    for (const sql of page.takeAll('sql')) await runSql(postgres, sql);
    page.assertAllTaken();
  });
});
