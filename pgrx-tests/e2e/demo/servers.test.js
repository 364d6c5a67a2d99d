// The demo's two Socket.IO servers, in its page: one is stopped, the other goes on, and no change is lost.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { io } from 'socket.io-client';
import { NOTHING, one, openDemo } from '../../harness/demo-page.js';
import { until } from '../../harness/wait.js';

describe('the servers of the demo', () => {
  let demo, page;

  before(async () => {
    demo = await openDemo({ name: 'demo-servers' });
    page = demo.page;
    await page.evaluate(() => { window.isTheSame = true; }); // a reload would lose it
  });
  after(() => demo?.close());

  const card = (name) => page.locator('.server', { hasText: `Server ${name}` });
  const untilState = (name, text) => card(name).locator('.state', { hasText: text }).waitFor();
  const through = (customer) => page.locator(`#customer-${customer} .connection`).textContent();

  it('share the customers, and the page shows who is connected to which', async () => {
    // The show tells which, by another connection than those of the customers.
    await until('each customer is with another server', async () => (
      [await through(1), await through(2)].sort().join() === 'live through server A,live through server B'));
    for (const customer of [1, 2]) await untilState((await through(customer)).at(-1), new RegExp(`^running, customer ${customer}$`));
  });

  it('are two processes with an adapter each, which both hear of everything', async () => {
    const listening = await demo.postgres.connect();
    const { rows } = await listening.query(`SELECT FROM pg_stat_activity WHERE query = 'LISTEN "socket.io#/"'`);
    assert.equal(rows.length, 2);
    const [one, other] = ['A', 'B'].map((name) => demo.show.servers.get(name));
    assert.notEqual(one.process.pid, other.process.pid);
  });

  it('take over the clients of one that is stopped, and nothing is lost meanwhile', async () => {
    const name = (await through(1)).at(-1);
    const other = name === 'A' ? 'B' : 'A';
    const { pid } = demo.show.servers.get(name).process;
    await demo.click(`Stop server ${name}`);
    await demo.psql(`INSERT INTO orders (customer_id, item) VALUES (1, 'While it was away');`);
    await untilState(name, /^stopped, back in \d s$/);
    await until('customer 1 is with the other one', async () => (await through(1)) === `live through server ${other}`);
    await until('the list is right', async () => (await demo.lists())[0][0][0] === 'While it was away');
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });

    await untilState(name, /^running/);
    assert.notEqual(demo.show.servers.get(name).process.pid, pid);
    assert.equal(await page.evaluate(() => window.isTheSame), true);
  });

  it('may both be away: the lists say so, and are right again without a reload', async () => {
    // Some of the rows came as events, others with the list.
    await demo.psql(`UPDATE orders SET quantity = 2 WHERE item = 'Envelopes';`);
    await demo.received(`UPDATE orders SET quantity = 2 WHERE item = 'Envelopes';`, [NOTHING, one('order:update')]);
    await demo.drawn();
    const before = await demo.lists();
    demo.show.servers.back = 600_000;
    for (const name of ['A', 'B']) await demo.click(`Stop server ${name}`);
    for (const customer of [1, 2]) await page.locator(`#customer-${customer} [data-connection=offline]`).waitFor();
    await demo.psql(`DELETE FROM orders WHERE item = 'While it was away'; UPDATE orders SET quantity = 7 WHERE item = 'Stamps';
                     UPDATE orders SET customer_id = 2 WHERE item = 'Ink, blue'`);
    assert.deepEqual(await demo.lists(), before);
    await demo.click('Start server A'); // sooner than by itself
    await demo.live();
    await demo.drawn();
    const [first, second] = before;
    const expected = [first.slice(2, 5), [['Ink, blue', '2', 'paid'], ...second.map((order) => (order[0] === 'Stamps' ? ['Stamps', '7', 'paid'] : order)).slice(0, 4)]];
    const [now1, now2] = await demo.lists();
    assert.deepEqual([now1.slice(0, 3), now2], expected);
    // What changed meanwhile is marked as the latest change is.
    assert.deepEqual(await page.locator('#customer-2 .orders li.changed .item').allTextContents(), ['Ink, blue', 'Stamps']);
    assert.equal(await page.evaluate(() => window.isTheSame), true);
    await demo.click('Start server B');
    await untilState('B', /^running/);
  });

  it('come back by themselves when they end by themselves', async () => {
    const { pid } = demo.show.servers.get('B').process;
    process.kill(pid, 'SIGKILL');
    // Not by the page, which shows for a second only that it is stopped.
    await until('there is another process', () => ![undefined, pid].includes(demo.show.servers.get('B').process?.pid));
    await untilState('B', /^running/);
  });

  it('serve clients of any kind behind the one address, polling included', async () => {
    const clients = ['one', 'two', 'three', 'four'].map((client) => (
      io(demo.show.url, { forceNew: true, auth: { customer: 3 }, transports: ['polling'], query: { client } })));
    const admin = await demo.postgres.connect();
    try {
      for (const client of clients) {
        const { rows } = await client.timeout(10_000).emitWithAck('orders:list');
        assert.deepEqual(rows, []);
      }
      const { rows: [{ servers }] } = await admin.query(`SELECT count(DISTINCT server)::int AS servers FROM sio_fetch_sockets('/', '{customer:3}', servers => 2)`);
      assert.equal(servers, 2);
    } finally {
      for (const client of clients) client.disconnect();
    }
  });

  it('are not needed by a page that is opened when none of them runs: it waits for them', async () => {
    for (const name of ['A', 'B']) await demo.click(`Stop server ${name}`);
    await Promise.all(['A', 'B'].map((name) => untilState(name, /^stopped/)));
    await demo.answered();
    await page.reload();
    for (const customer of [1, 2]) await page.locator(`#customer-${customer} [data-connection=offline]`).waitFor();
    await demo.click('Start server B');
    await demo.live();
    await demo.drawn();
    assert.equal((await demo.lists())[1][0][0], 'Ink, blue');
  });

  it('have caused no errors in the browser but of connections that were lost', () => {
    assert.deepEqual(demo.errors.filter((error) => !/WebSocket connection to|503|502|Failed to load resource/.test(error)), []);
  });
});
