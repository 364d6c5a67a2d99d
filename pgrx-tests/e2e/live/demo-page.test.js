// The demo as its visitors see it: its page in a headless Chromium, while psql changes rows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { chromium } from 'playwright-core';
import { startServer } from '../../../demo/app.js';
import { createOrders, psql, sqlOf, untilListening } from '../../harness/demo.js';
import { startPostgres } from '../../harness/postgres.js';
import { fromRoot, ROOT } from '../../harness/setup.js';
import { until } from '../../harness/wait.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
// docs/live-tables.png is made so: SCREENSHOT=docs/live-tables.png make test FILE=demo-page
const SCREENSHOT = path.resolve(ROOT, process.env.SCREENSHOT ?? '.work/live-tables.png');
const VIEW = { viewport: { width: 1080, height: 675 }, deviceScaleFactor: 10 / 9, colorScheme: 'light' };

const MARKER = `UPDATE orders SET quantity = quantity + 1 WHERE item = 'Marker';`;
const NOTHING = ['nothing'];
const one = (event) => [`${event} 1 event, 1 row`];

const bytesOf = (photo) => readFileSync(fromRoot('demo/photos', `${photo}.png`));
const MUG = bytesOf('mug');
const A_PHOTO = `order:photo 1 event, ${MUG.length.toLocaleString('en')} bytes`;

describe('the page of the demo', () => {
  let postgres, server, browser, page;
  const errors = [];

  before(async () => {
    postgres = await startPostgres({ name: 'demo-page' });
    await createOrders(postgres);
    await psql(postgres, `INSERT INTO orders (customer_id, item) VALUES (1, 'Marker'), (2, 'Marker')`);
    server = await startServer(postgres.url());
    await untilListening(postgres);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
    page = await browser.newPage(VIEW);
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(error.stack));
    await open();
  });

  after(async () => {
    await browser?.close();
    await server?.close();
    await postgres?.stop();
  });

  async function open() {
    await page.goto(server.url);
    await live();
  }

  async function live() {
    for (const customer of [1, 2]) await page.locator(`#customer-${customer} [data-connection=live]`).waitFor();
  }

  /** What both customers see, but for the markers: each order as [item, quantity, status], newest first. */
  function lists() {
    return page.evaluate(() => [1, 2].map((customer) => {
      const orders = [...document.querySelectorAll(`#customer-${customer} .orders li:not([inert])`)];
      return orders
        .map((order) => ['item', 'quantity', 'status'].map((name) => order.querySelector(`.${name}`).textContent))
        .filter(([item]) => item !== 'Marker');
    }));
  }

  /** The panel of SQL: each statement as { sql, received: what customer 1 got, and customer 2 }. */
  function statements() {
    return page.evaluate(() => [...document.querySelectorAll('#statements li')].map((statement) => ({
      sql: statement.querySelector('pre').textContent,
      received: [...statement.querySelectorAll('dd')].map((line) => (
        line.children.length === 0 ? [line.textContent] : [...line.children].map((event) => event.textContent)
      )),
    })));
  }

  /** Waits until the customers got this for the latest statement. */
  async function received(expected) {
    let latest;
    try {
      await until('the customers got their events', async () => {
        latest = (await statements()).at(-1);
        return isDeepStrictEqual(latest?.received, expected);
      });
    } catch {
      assert.deepEqual(latest, expected);
    }
  }

  /**
   * Runs it in psql: → what the two customers received of it, by the panel of SQL. The marker that comes after it has
   * arrived at both then, so what they haven't received won't come.
   */
  async function change(sql) {
    await psql(postgres, sql);
    await psql(postgres, MARKER);
    await until('the marker is shown', async () => (await statements()).at(-1)?.sql === MARKER);
    await received([one('order:update'), one('order:update')]);
    const statement = (await statements()).at(-2);
    assert.equal(statement.sql, sql);
    return statement.received;
  }

  /** Waits for the photo of an order: → its width in pixels. */
  async function photo(customer, item) {
    const image = page.locator(`#customer-${customer} li:has-text("${item}") img`);
    await image.waitFor();
    return image.evaluate(async (element) => {
      await element.decode();
      return element.naturalWidth;
    });
  }

  it('shows the one call', async () => {
    const call = page.locator('#call');
    await call.locator('b').first().waitFor();
    assert.match(await call.textContent(), /^SELECT sio_watch\('orders',/);
    assert.ok((await sqlOf('schema.sql')).includes(await call.textContent()));
  });

  it('shows each customer what is there already, photos included', async () => {
    assert.deepEqual(await lists(), [
      [
        ['Ink, blue', '2', 'paid'], ['Letter paper', '100', 'new'], ['Wall clock', '1', 'paid'],
        ['Fountain pen', '1', 'new'], ['Pencils', '12', 'shipped'], ['Desk lamp', '1', 'shipped'],
      ],
      [
        ['Stamps', '50', 'paid'], ['Envelopes', '50', 'new'], ['House plant', '1', 'paid'],
        ['Notebook', '3', 'shipped'],
      ],
    ]);
    assert.equal(await photo(1, 'Wall clock'), 96);
    assert.equal(await photo(2, 'Notebook'), 96);
    assert.equal(await page.locator('.photo img').count(), 4);
  });

  it('shows a new order to its customer alone', async () => {
    const before = await lists();
    const sql = `INSERT INTO orders (customer_id, item, quantity) VALUES (1, 'Ruler', 4);`;
    assert.deepEqual(await change(sql), [one('order:insert'), NOTHING]);
    assert.deepEqual(await lists(), [[['Ruler', '4', 'new'], ...before[0]], before[1]]);
  });

  it('shows a change to its customer alone', async () => {
    const before = await lists();
    const sql = `UPDATE orders SET status = 'paid', quantity = 5 WHERE item = 'Stamps';`;
    assert.deepEqual(await change(sql), [NOTHING, one('order:update')]);
    assert.deepEqual(await lists(), [before[0], [['Stamps', '5', 'paid'], ...before[1].slice(1)]]);
  });

  it('gets a bulk change as one event for each customer', async () => {
    const before = await lists();
    assert.deepEqual(await change(`UPDATE orders SET status = 'packed' WHERE item <> 'Marker';`), [
      ['order:update 1 event, 7 rows'], ['order:update 1 event, 4 rows'],
    ]);
    const packed = (list) => list.map(([item, quantity]) => [item, quantity, 'packed']);
    assert.deepEqual(await lists(), before.map(packed));
  });

  it('hears nothing of an update that changes nothing', async () => {
    const before = await lists();
    assert.deepEqual(await change(`UPDATE orders SET status = 'packed' WHERE item <> 'Marker';`), [NOTHING, NOTHING]);
    assert.deepEqual(await lists(), before);
  });

  it('moves an order from one customer to the other', async () => {
    const [first, second] = await lists();
    const sql = `UPDATE orders SET customer_id = 2 WHERE item = 'Ruler';`;
    assert.deepEqual(await change(sql), [one('order:left'), one('order:update')]);
    assert.deepEqual(await lists(), [first.slice(1), [first[0], ...second]]);
  });

  it('shows no more of an order that was deleted', async () => {
    const [first, second] = await lists();
    assert.deepEqual(await change(`DELETE FROM orders WHERE item = 'Ruler';`), [NOTHING, one('order:delete')]);
    assert.deepEqual(await lists(), [first, second.slice(1)]);
  });

  it('shows an order of no customer to nobody, until it has one', async () => {
    const before = await lists();
    const insert = `INSERT INTO orders (item, photo) VALUES ('Secret', '\\x00'), ('Secret', NULL);`;
    assert.deepEqual(await change(insert), [NOTHING, NOTHING]);
    assert.deepEqual(await change(`UPDATE orders SET quantity = 2 WHERE item = 'Secret';`), [NOTHING, NOTHING]);
    assert.deepEqual(await lists(), before);
    const give = `UPDATE orders SET customer_id = 2 WHERE item = 'Secret' AND photo IS NULL;`;
    assert.deepEqual(await change(give), [NOTHING, one('order:update')]);
    assert.deepEqual(await change(`UPDATE orders SET customer_id = NULL WHERE item = 'Secret';`), [
      NOTHING, one('order:left'),
    ]);
    assert.deepEqual(await change(`DELETE FROM orders WHERE item = 'Secret';`), [NOTHING, NOTHING]);
    assert.deepEqual(await lists(), before);
  });

  it('shows a photo that arrives as binary, and follows it to the other customer', async () => {
    const literal = `decode('${MUG.toString('base64')}', 'base64')`;
    await psql(postgres, `INSERT INTO orders (customer_id, item, photo) VALUES (1, 'Mug', ${literal});`);
    await received([[...one('order:insert'), A_PHOTO], NOTHING]);
    assert.equal(await photo(1, 'Mug'), 96);
    const { sql } = (await statements()).at(-1);
    assert.match(sql, /^INSERT INTO orders .* 'Mug', decode\('iVBORw0KGgoA…', 'base64'\)\);$/);

    await psql(postgres, `UPDATE orders SET customer_id = 2 WHERE item = 'Mug';`);
    await received([one('order:left'), [...one('order:update'), A_PHOTO]]);
    assert.equal(await photo(2, 'Mug'), 96);

    assert.deepEqual(await change(`UPDATE orders SET photo = NULL WHERE item = 'Mug';`), [
      NOTHING, one('order:update'),
    ]);
    assert.equal(await page.locator('li:has-text("Mug") img').count(), 0);
    assert.deepEqual(await change(`DELETE FROM orders WHERE item = 'Mug';`), [NOTHING, one('order:delete')]);
  });

  it('shows HTML as the text that it is', async () => {
    const [first, second] = await lists();
    const image = '<img src=x onerror=alert(1)>';
    const sql = `INSERT INTO orders (customer_id, item, status) VALUES (1, '<b>x</b>', '${image}');`;
    assert.deepEqual(await change(sql), [one('order:insert'), NOTHING]);
    assert.deepEqual(await lists(), [[['<b>x</b>', '1', image], ...first], second]);
    assert.equal(await page.locator('.orders b, .status img, #statements img').count(), 0);
  });

  it('gets a statement of many rows in batches', async () => {
    const sql = `INSERT INTO orders (customer_id, item) SELECT 2, 'Many' FROM generate_series(1, 1200);`;
    await psql(postgres, sql);
    await received([NOTHING, ['order:insert 3 events, 1,200 rows']]);
    await psql(postgres, `DELETE FROM orders WHERE item = 'Many';`);
    await received([NOTHING, ['order:delete 3 events, 1,200 rows']]);
    await until('they are gone', async () => (await lists())[1].length === 4);
  });

  it('shows what the demo tells its visitors to try', async () => {
    await psql(postgres, 'TRUNCATE orders RESTART IDENTITY');
    await psql(postgres, await sqlOf('orders.sql'));
    await open();
    const expected = [
      [one('order:insert'), NOTHING],
      [one('order:update'), NOTHING],
      [one('order:delete'), NOTHING],
      [[...one('order:update'), A_PHOTO], NOTHING],
      [one('order:left'), [...one('order:update'), A_PHOTO]],
      [NOTHING, NOTHING],
      [['order:update 1 event, 2 rows'], ['order:update 1 event, 3 rows']],
    ];
    const blocks = (await sqlOf('try.sql')).trimEnd().split('\n\n');
    assert.equal(blocks.length, expected.length);
    for (const [i, block] of blocks.entries()) {
      if (i === 3) await open(); // the picture has room for the last four
      await psql(postgres, block);
      const sql = block.split('\n').at(-1).replace(`:'mug'`, `'${MUG.toString('base64').slice(0, 12)}…'`);
      await until(`${sql} is shown`, async () => (await statements()).at(-1)?.sql === sql);
      await received(expected[i]);
    }
    assert.deepEqual(await lists(), [
      [
        ['Ink, blue', '2', 'shipped'], ['Letter paper', '100', 'new'], ['Wall clock', '1', 'shipped'],
        ['Pencils', '12', 'shipped'], ['Desk lamp', '1', 'shipped'],
      ],
      [
        ['Coffee mug', '2', 'shipped'], ['Stamps', '50', 'shipped'], ['Envelopes', '50', 'new'],
        ['House plant', '1', 'shipped'], ['Notebook', '3', 'shipped'],
      ],
    ]);
    for (const [customer, item] of [[1, 'Wall clock'], [1, 'Desk lamp'], [2, 'House plant'], [2, 'Notebook']]) {
      await photo(customer, item);
    }
    assert.equal(await photo(2, 'Coffee mug'), 96);
    await until('what left is gone', async () => (await page.locator('[inert]').count()) === 0);
    await mkdir(path.dirname(SCREENSHOT), { recursive: true });
    await page.screenshot({ path: SCREENSHOT, animations: 'disabled' });
  });

  it('has caused no errors in the browser', () => assert.deepEqual(errors, []));

  it('shows what changed while the server was away', async () => {
    const before = await lists();
    const port = Number(new URL(server.url).port);
    await server.close();
    for (const customer of [1, 2]) await page.locator(`#customer-${customer} [data-connection=offline]`).waitFor();
    await psql(postgres, `DELETE FROM orders WHERE item = 'Ink, blue'`);
    await psql(postgres, `UPDATE orders SET quantity = 7 WHERE item = 'Stamps'`);
    server = await startServer(postgres.url(), { port });
    await untilListening(postgres);
    await live();
    const [first, second] = before;
    assert.deepEqual(await lists(), [
      first.slice(1), second.map((order) => (order[0] === 'Stamps' ? ['Stamps', '7', 'shipped'] : order)),
    ]);
    assert.equal(await photo(2, 'Coffee mug'), 96);
  });

  it('has a server that takes another port when its own is taken', async () => {
    const other = await startServer(postgres.url(), { port: Number(new URL(server.url).port) });
    try {
      assert.notEqual(other.url, server.url);
      assert.equal((await fetch(`${other.url}/`)).status, 200);
      await untilListening(postgres, { servers: 2 });
    } finally {
      await other.close();
    }
  });
});
