// The load of the demo, and the switch between NOTIFY and the queue.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Load } from '../../../demo/show/load.js';
import { makeCommitsFlush } from '../../harness/demo.js';
import { NOTHING, one, openDemo } from '../../harness/demo-page.js';
import { until } from '../../harness/wait.js';

describe('the load of the demo', () => {
  let demo, page, admin;

  before(async () => {
    demo = await openDemo({ name: 'demo-load' });
    page = demo.page;
    admin = await demo.postgres.connect();
    await makeCommitsFlush(demo.postgres);
  });
  after(() => demo?.close());

  const segments = (mode) => page.locator(`#plot line.${mode}`).count();
  const choose = (mode) => page.getByLabel(mode, { exact: true }).check();

  async function connections() {
    const { rows } = await admin.query(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'demo load'`);
    return rows[0].n;
  }

  /** Of what is shown: [NOTIFY, queue], as numbers. */
  async function rates() {
    return page.evaluate(() => ['notify', 'queue'].map((mode) => (
      Number(document.querySelector(`#rates .${mode} b`)?.textContent.replaceAll(',', '')))));
  }

  it('commits on 16 connections, and plots how often: with the queue more than twice as often as with NOTIFY', async () => {
    await demo.click('Start 20 s of load');
    await until('there are 16 connections', async () => (await connections()) === 16);
    await until('NOTIFY is plotted', async () => (await segments('notify')) >= 5);
    assert.equal(await segments('queue'), 0);
    await choose('queue');
    await until('the queue is plotted', async () => (await segments('queue')) >= 5);
    // Of a few samples the mean says little, beside other programs: it gets better for as long as the load runs.
    await until('the queue has more than twice as many commits', async () => {
      const [notify, queue] = await rates();
      return notify > 0 && queue > 2 * notify;
    });
    assert.match(await page.locator('#plot').getAttribute('aria-label'), /^Commits per second: NOTIFY [\d,]+, queue [\d,]+; the queue [\d.]+ times as many$/);
    assert.match(await page.locator('#load-sql').textContent(), /^SET socketio_emitter\.delivery = 'queue';\nUPDATE show\.load /);
    assert.match(await page.locator('#delivery-why').textContent(), /^Here Postgres waits 2 ms at each flush/);
  });

  it('is delivered: the worker leaves nothing of it in the queue', async () => {
    await demo.click('Stop the load');
    await page.getByRole('button', { name: 'Start 20 s of load' }).waitFor();
    await until('no connection is left', async () => (await connections()) === 0);
    const { rows: [row] } = await admin.query(`SELECT sum(count)::int AS commits, sio_wait_delivered() AS is_delivered FROM show.load`);
    assert.ok(row.is_delivered && row.commits > 0);
    const { rows: [{ delivered }] } = await admin.query('SELECT delivered_total::int AS delivered FROM sio_status');
    assert.ok(delivered > 0 && delivered <= row.commits);
  });

  it('has a switch that holds for the statements of the page, too', async () => {
    for (const [mode, sent] of [['queue', 2], ['NOTIFY', 0]]) {
      await choose(mode);
      const before = (await admin.query('SELECT delivered_total::int AS n FROM sio_status')).rows[0].n;
      const sql = `UPDATE orders SET quantity = quantity + 1 WHERE item = 'Stamps' /* ${mode} */`;
      // The switch itself is there at once; this comes from the show, when it has it.
      await page.locator('#load-sql', { hasText: `delivery = '${mode.toLowerCase()}'` }).waitFor();
      await demo.type(sql);
      await demo.received(sql, [NOTHING, one('order:update')]);
      await until(`${sent} and more messages have gone through the queue`, async () => {
        const { rows: [{ n }] } = await admin.query('SELECT delivered_total::int AS n FROM sio_status');
        return sent === 0 ? n === before : n - before >= sent;
      });
    }
  });

  it('ends by itself, and runs once at a time', async () => {
    const delivery = { mode: 'notify', queued: async () => 0 };
    const pool = { query: (sql) => admin.query(sql) };
    const load = new Load(demo.postgres.url(), pool, delivery);
    const samples = [];
    load.on('sample', (sample) => samples.push(sample));
    load.seconds = 1;
    await load.start();
    await load.start();
    assert.equal(await connections(), 16);
    await until('it is over', () => !load.isRunning);
    assert.equal(await connections(), 0);
    assert.ok(samples.every(({ mode }) => mode === 'notify'), JSON.stringify(samples));
    // Not in each: a slow disk's flush may take longer than a sample.
    assert.ok(samples.some(({ rate }) => rate > 0), JSON.stringify(samples));
    assert.equal(load.error, null);
  });

  it('says why it ended early, and leaves no connection', async () => {
    const { rows: [{ limit }] } = await admin.query(`SELECT current_setting('max_connections')::int AS limit`);
    const others = [];
    try {
      while (others.length < limit - 20) others.push(await demo.postgres.connect());
      await demo.click('Start 20 s of load');
      await page.locator('#delivery-why', { hasText: 'The load ended: sorry, too many clients already.' }).waitFor();
      await until('no connection is left', async () => (await connections()) === 0);
    } finally {
      await Promise.all(others.map((client) => client.end()));
    }
  });

  it('ends when nobody watches it', async () => {
    demo.show.load.seconds = 600; // not by itself
    await demo.click('Start 20 s of load');
    await until('it runs', async () => (await connections()) === 16);
    await demo.answered();
    await page.goto('about:blank');
    await until('no connection is left', async () => (await connections()) === 0);
    assert.deepEqual(demo.errors, []);
  });
});

describe('the switch of the demo, without a preloaded library,', () => {
  let demo;
  before(async () => {
    demo = await openDemo({ name: 'demo-not-preloaded', conf: {} });
  });
  after(() => demo?.close());

  it('says why there is no queue, and all else works', async () => {
    const queue = demo.page.getByLabel('queue', { exact: true });
    await demo.page.locator('#delivery-why', { hasText: 'add socketio_emitter to shared_preload_libraries and restart Postgres' }).waitFor();
    assert.equal(await queue.isDisabled(), true);
    const answer = await demo.page.request.post(`${demo.show.url}/show/delivery`, { data: { mode: 'queue' } });
    assert.equal(answer.status(), 200);
    assert.equal(await demo.page.locator('#delivery input:checked').getAttribute('value'), 'notify');
    await demo.click('Insert');
    await demo.received(`INSERT INTO orders (customer_id, item) VALUES (1, 'Coffee mug');`, [one('order:insert'), NOTHING]);
    await demo.click('Start 20 s of load');
    await until('it is plotted', async () => (await demo.page.locator('#plot line.notify').count()) > 1);
    await demo.click('Stop the load');
    assert.deepEqual(demo.errors, []);
  });
});
