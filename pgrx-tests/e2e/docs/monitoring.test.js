// The files of monitoring/, and what docs/operation.md says of them: a real exporter asks a real Postgres, a real Prometheus scrapes it,
// evaluates the alerts, and runs each expression of the dashboard.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { lacksPrograms } from '../../harness/features.js';
import { monitoringProgram, startExporter, startPrometheus } from '../../harness/monitoring.js';
import { openPage } from '../../harness/page.js';
import { capture } from '../../harness/processes.js';
import { delivered, numbered, numberedBinary, startQueue, untilWorker, whileWorkerStands } from '../../harness/queue.js';
import { fromRoot } from '../../harness/setup.js';
import { until } from '../../harness/wait.js';

const page = openPage('docs/operation.md');
const read = (name) => readFileSync(fromRoot('monitoring', name), 'utf8');
const dashboard = JSON.parse(read('dashboard.json'));
const ALERTS = [...read('alerts.yml').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
const EXPRESSIONS = dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })));

describe('the metrics of monitoring/sql-exporter.yml', { skip: lacksPrograms('prometheus-sql-exporter', 'prometheus') }, () => {
  let folder, postgres, admin, app, exporter, prometheus;

  before(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-monitoring.'));
    ({ postgres, admin, app } = await startQueue({ name: 'monitoring', conf: {
      'socketio_emitter.cleanup_interval': 0, max_logical_replication_workers: 0, max_prepared_transactions: 2,
    } }));
    await admin.query('CREATE TABLE orders (id int, customer_id int)');
    await admin.query(`SELECT sio_watch('orders', rooms => '{customer:$customer_id}', event => 'order:$op')`);
    await admin.query(page.take('sql', 'CREATE ROLE monitor'));

    // As the page says, but for the ports, and sooner.
    const [, url, file] = /MONITOR_URL='(.*)' prometheus-sql-exporter -config\.file (\S+)/.exec(page.take('sh', 'MONITOR_URL'));
    const config = path.join(folder, 'sql-exporter.yml');
    writeFileSync(config, readFileSync(fromRoot(file), 'utf8').replace('interval: 15s', 'interval: 100ms'));
    exporter = await startExporter(config, { MONITOR_URL: url.replace(':5432', `:${postgres.port}`) });
    const prometheusConfig = path.join(folder, 'prometheus.yml');
    cpSync(fromRoot('monitoring/alerts.yml'), path.join(folder, 'alerts.yml'));
    writeFileSync(prometheusConfig, `global: {scrape_interval: 500ms, evaluation_interval: 500ms}\n${
      page.take('yaml', 'scrape_configs').replace(':9237', `:${exporter.port}`)}`);
    prometheus = await startPrometheus(prometheusConfig, path.join(folder, 'data'));
  });

  after(async () => {
    await prometheus?.close();
    await exporter?.close();
    await postgres?.stop();
    if (folder) rmSync(folder, { recursive: true });
  });

  /** Waits until the exporter shows these values: numbers, or conditions. */
  const untilShown = async (values) => {
    for (const [col, value] of Object.entries(values)) {
      const is = typeof value === 'function' ? value : (shown) => shown === value;
      let shown;
      await until(`${col} is ${value}`, async () => is(Number(shown = await exporter.metric(col)))).catch((error) => {
        throw new Error(`${error.message}: it is ${shown}; ${exporter.log().split('\n').slice(-3).join('\n')}`);
      });
    }
  };

  it('are all there at rest, and nothing is wrong', async () => {
    await untilWorker(admin);
    await untilShown({
      queued: 0, oldest_queued_seconds: 0, failed: 0, delivered_total: 0, failed_total: 0, worker_expected: 1, worker_running: 1,
      session_delivers_seconds: 0, attachments: 0, attachment_bytes: 0, oldest_attachment_seconds: 0, notification_queue_usage: 0,
      watches: 1, broken_watches: 0, versions_differ: 0, queue_bytes: (bytes) => bytes > 0,
    });
    assert.match(await exporter.metrics(), /^sql_exporter_last_scrape_failed\{[^}]*query="socketio_emitter"[^}]*\} 0$/m);
    await until('the state is idle', async () => /^sql_socketio_emitter_info\{.*worker_state="idle"\} 1$/m.test(await exporter.metrics()));
  });

  it('show what waits and for how long, and count what was sent', async () => {
    await whileWorkerStands(admin, async () => {
      await app.query(`${numbered(1)}; ${numbered(2)}; ${numbered(3)}`);
      await untilShown({ queued: 3, oldest_queued_seconds: (age) => age > 1, delivered_total: 0 });
    });
    await untilShown({ queued: 0, oldest_queued_seconds: 0, delivered_total: 3, batches_total: (batches) => batches >= 1 });
  });

  it('show attachments, their bytes and the age of the oldest', async () => {
    await app.query(numberedBinary(4));
    await delivered(admin);
    await untilShown({ attachments: 1, attachment_bytes: (bytes) => bytes > 50, oldest_attachment_seconds: (age) => age > 0.5 });
    await admin.query(`SELECT sio_cleanup('0')`);
    await untilShown({ attachments: 0, attachment_bytes: 0, oldest_attachment_seconds: 0 });
  });

  it('show failed messages, and Prometheus raises the alert', async () => {
    await app.query(`BEGIN; ${numberedBinary(5)}`);
    await admin.query('ALTER TABLE socket_io_attachments ADD CONSTRAINT no CHECK (false) NOT VALID');
    await app.query('COMMIT');
    await untilShown({ failed: 1, failed_total: 1 });
    const firing = async () => (await prometheus.query('ALERTS{alertname="SocketioEmitterFailedMessages", alertstate="firing"}')).data.result.length;
    await until('the alert fires', firing);
    await admin.query('ALTER TABLE socket_io_attachments DROP CONSTRAINT no; SELECT sio_discard()');
    await untilShown({ failed: 0, failed_total: 1 });
    await until('the alert is over', async () => (await firing()) === 0);
  });

  it('show listening servers, watches that are broken, versions that differ, and a session that delivers', async () => {
    const listeners = Number(await exporter.metric('listeners'));
    const server = await postgres.connect();
    await server.query('LISTEN "socket.io#/custom"');
    await untilShown({ listeners: listeners + 1 });
    await server.end();
    await untilShown({ listeners });
    await admin.query('ALTER TABLE orders DISABLE TRIGGER ALL');
    await untilShown({ watches: 1, broken_watches: 1 });
    await admin.query('ALTER TABLE orders ENABLE TRIGGER ALL');
    await admin.query(`UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'socketio_emitter'`);
    await untilShown({ broken_watches: 0, versions_differ: 1 });
    const { rows } = await admin.query('SELECT library_version FROM sio_status');
    await admin.query(`UPDATE pg_extension SET extversion = '${rows[0].library_version}' WHERE extname = 'socketio_emitter'`);
    await admin.query('BEGIN; SELECT sio_deliver(0)');
    await untilShown({ versions_differ: 0, session_delivers_seconds: (age) => age > 0.5 });
    await until('the state has no pid', async () => /worker_state="session delivers"\} 1$/m.test(await exporter.metrics()));
    await admin.query('COMMIT');
    await untilShown({ session_delivers_seconds: 0 });
  });

  it('are what the dashboard asks for: each of its expressions has values', async () => {
    await app.query(numbered(6)); // for the rates
    assert.ok(EXPRESSIONS.length >= 16);
    for (const { title, expr } of EXPRESSIONS) {
      const ran = expr.replaceAll('$database', '.*').replaceAll('$__rate_interval', '1m');
      assert.ok(!ran.includes('$'), `${title}: ${ran}`);
      const { result } = await until(`"${title}" has a value`, async () => {
        const { status, data, error } = await prometheus.query(ran);
        assert.equal(status, 'success', `${ran}: ${error}`);
        return data.result.length > 0 && data;
      });
      for (const { value: [, value] } of result) assert.ok(Number.isFinite(Number(value)), `${title}: ${value}`);
    }
    for (const expression of page.take('promql', 'delivered_total').trim().split('\n')) {
      // A series that is scraped late once has no value meanwhile.
      await until(`${expression} has a value`, async () => {
        const { status, data: { result } } = await prometheus.query(expression);
        assert.equal(status, 'success', expression);
        return result.length === 1;
      });
    }
    const asked = new Set(EXPRESSIONS.flatMap(({ expr }) => [...expr.matchAll(/col="(\w+)"/g)].map(([, col]) => col)));
    const columns = [...read('sql-exporter.yml').matchAll(/^ {10}- (\w+)$/gm)].map(([, col]) => col);
    const alerted = new Set([...read('alerts.yml').matchAll(/col="(\w+)"/g)].map(([, col]) => col));
    assert.deepEqual(columns.filter((col) => !asked.has(col) && !alerted.has(col) && !/_version$|_state$/.test(col)), [], 'metrics for nobody');
  });

  it('show that a worker is missing where one should be, after the exporter has come back to a server that was restarted', async () => {
    const { data } = await prometheus.api('rules');
    const rules = data.groups.flatMap((group) => group.rules);
    assert.deepEqual(rules.map(({ name, health }) => [name, health]), ALERTS.map((name) => [name, 'ok']));
    await admin.query('ALTER SYSTEM SET max_worker_processes = 1'); // for the launcher
    await postgres.restart();
    await untilShown({ worker_expected: 1, worker_running: 0 });
    await until('the alert is pending', async () =>
      (await prometheus.query('ALERTS{alertname="SocketioEmitterNoWorker", alertstate="pending"}')).data.result.length > 0);
    await postgres.configure({ shared_preload_libraries: '' });
    await postgres.restart();
    await untilShown({ worker_expected: 0, worker_running: 0 });
  });

  it('tell when the query fails, in which case they stay what they were', async () => {
    admin = await postgres.connect();
    await admin.query('REVOKE SELECT ON sio_watches FROM monitor');
    await until('it is told', async () => /^sql_exporter_last_scrape_failed\{[^}]*query="socketio_emitter"[^}]*\} 1$/m.test(await exporter.metrics()));
    assert.equal(await exporter.metric('watches'), '1');
    await until('the alert is pending', async () =>
      (await prometheus.query('ALERTS{alertname="SocketioEmitterNotMeasured", alertstate="pending"}')).data.result.length > 0);
  });
});

describe('monitoring/alerts.yml', { skip: lacksPrograms('promtool') }, () => {
  const promtool = async (...args) => {
    const { code, stdout, stderr } = await capture(monitoringProgram('promtool'), args, { cwd: fromRoot('monitoring') });
    assert.equal(code, 0, stdout + stderr);
  };

  it('is correct', () => promtool('check', 'rules', 'alerts.yml'));
  it('raises each alert after its time, and none when all is well', () => promtool('test', 'rules', 'alerts.test.yml'));
});

it('docs/operation.md explains each alert of monitoring/alerts.yml, in its order', () => {
  assert.deepEqual([...page.text.matchAll(/^\| `(SocketioEmitter\w+)` \|/gm)].map(([, name]) => name), ALERTS);
});

describe('monitoring/dashboard.json', () => {
  it('is a dashboard by the types that Grafana publishes', async () => {
    mkdirSync(fromRoot('pgrx-tests/node_modules/.cache'), { recursive: true });
    const cache = mkdtempSync(fromRoot('pgrx-tests/node_modules/.cache/dashboard-'));
    try {
      // JSON has no enums: their values are meant.
      writeFileSync(path.join(cache, 'dashboard.ts'), `
        import type { Dashboard } from '@grafana/schema';
        type Json<T> = T extends string ? \`\${T}\` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
        export const dashboard: Json<Dashboard> = ${read('dashboard.json')};`);
      const { code, stdout } = await capture(fromRoot('pgrx-tests/node_modules/.bin/tsc'), [
        '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '', path.join(cache, 'dashboard.ts'),
      ], { cwd: cache });
      assert.equal(code, 0, stdout);
    } finally {
      rmSync(cache, { recursive: true });
    }
  });

  it('has panels that do not overlap, each with a title, a description and a number of its own', () => {
    const taken = new Set();
    for (const { id, title, description, gridPos: { x, y, w, h } } of dashboard.panels) {
      assert.ok(title && description && x + w <= 24, title);
      for (let column = x; column < x + w; column++) {
        for (let row = y; row < y + h; row++) {
          assert.ok(!taken.has(`${column} ${row}`), `${title} lies over another`);
          taken.add(`${column} ${row}`);
        }
      }
      assert.equal(dashboard.panels.filter((panel) => panel.id === id).length, 1, title);
    }
  });
});
