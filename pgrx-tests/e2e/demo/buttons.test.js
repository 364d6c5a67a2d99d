// What a visitor does in the demo's page: its buttons, and SQL of their own.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NOTHING, one, openDemo } from '../../harness/demo-page.js';
import { never, until } from '../../harness/wait.js';

describe('the buttons of the demo', () => {
  let demo, page;

  before(async () => {
    demo = await openDemo({ name: 'demo-buttons' });
    page = demo.page;
  });
  after(() => demo?.close());

  /** Clicks, and waits until both customers have what it caused: → the transaction as it is shown. */
  async function press(button, expected) {
    await demo.click(button);
    const sql = await page.getByLabel('SQL', { exact: true }).inputValue();
    return demo.received(sql, expected);
  }

  it('insert an order, and show its SQL, what it did, and how soon', async () => {
    const { sql, outcome, took } = await press('Insert', [one('order:insert'), NOTHING]);
    assert.equal(sql, `INSERT INTO orders (customer_id, item) VALUES (1, 'Coffee mug');`);
    assert.deepEqual(outcome, ['INSERT 1']);
    assert.match(took[0], /^[\d,.]+ ms$/);
    assert.equal(took[1], '');
    await demo.drawn();
    assert.deepEqual((await demo.lists())[0][0], ['Coffee mug', '1', 'new']);
  });

  it('update it', async () => {
    const { sql } = await press('Update', [one('order:update'), NOTHING]);
    assert.equal(sql, `UPDATE orders SET status = 'paid', quantity = 2 WHERE id = 1011;`);
    await demo.drawn();
    assert.deepEqual((await demo.lists())[0][0], ['Coffee mug', '2', 'paid']);
  });

  it('add its photo', async () => {
    const { sql } = await press('Add a photo', [[...one('order:update'), 'order:photo 1 event'], NOTHING]);
    assert.equal(sql, `UPDATE orders SET photo = decode(:'mug', 'base64') WHERE id = 1011;`);
    assert.equal(await demo.photo(1, 'Coffee mug'), 96);
  });

  it('move it to the other customer, with its photo', async () => {
    const { sql } = await press('Move to other customer', [one('order:left'), [...one('order:update'), 'order:photo 1 event']]);
    assert.equal(sql, 'UPDATE orders SET customer_id = 2 WHERE id = 1011;');
    await demo.drawn();
    const [[first], [second]] = await demo.lists();
    assert.deepEqual([first, second], [['Ink, blue', '2', 'paid'], ['Coffee mug', '2', 'paid']]);
    assert.equal(await demo.photo(2, 'Coffee mug'), 96);
  });

  it('delete it', async () => {
    await press('Delete', [NOTHING, one('order:delete')]);
    await demo.drawn();
    assert.deepEqual((await demo.lists())[1][0], ['Stamps', '50', 'paid']);
  });

  it('update a thousand at once, in an event for each customer', async () => {
    const { sql, outcome } = await press('Update 1,000 at once', [['order:update 1 event, 500 rows'], ['order:update 1 event, 500 rows']]);
    assert.equal(sql, `UPDATE orders SET status = 'paid' WHERE item = 'Postcard';`);
    assert.deepEqual(outcome, ['UPDATE 1000']);
    await demo.drawn();
    const dots = await page.locator('.dots i').evaluateAll((all) => all.map((dot) => dot.dataset.status));
    assert.ok(dots.length === 998 && dots.every((status) => status === 'paid'));
    assert.match(await page.locator('#customer-1 .rest p').textContent(), /^and 500 older: 500 paid$/);
  });

  it('roll back, and nothing moves', async () => {
    const before = await demo.lists();
    await page.evaluate(() => {
      window.moved = [];
      const observer = new MutationObserver((changes) => window.moved.push(...changes.map(({ target }) => target.className)));
      for (const list of document.querySelectorAll('.orders, .dots')) observer.observe(list, { childList: true, subtree: true, attributes: true });
    });
    const { sql, outcome } = await press('Delete all, roll back', [NOTHING, NOTHING]);
    assert.equal(sql, 'BEGIN; DELETE FROM orders; ROLLBACK;');
    await until('its outcome is shown', async () => (await demo.transactions())[0].outcome[0] !== 'running');
    assert.deepEqual((await demo.transactions())[0].outcome, ['BEGIN', 'DELETE 1010', 'ROLLBACK']);
    await never('something moves', () => page.evaluate(() => window.moved.length > 0), { during: 500 });
    assert.deepEqual(await demo.lists(), before);
    assert.deepEqual(outcome.length > 0, true);
  });

  it('have something to do when there are no orders left', async () => {
    await demo.type('DELETE FROM orders');
    await demo.received('DELETE FROM orders', [['order:delete 2 events, 506 rows'], ['order:delete 2 events, 504 rows']]);
    await demo.drawn();
    assert.deepEqual(await demo.lists(), [[], []]);
    assert.equal(await page.locator('.rest:visible').count(), 0);
    const many = await press('Update 1,000 at once', [['order:insert 1 event, 500 rows'], ['order:insert 1 event, 500 rows']]);
    assert.match(many.sql, /^INSERT INTO orders .* generate_series\(1, 1000\) n;$/);
    await demo.drawn();
    assert.deepEqual(await demo.others(), [494, 494]);
  });
});

describe('SQL typed into the page of the demo', () => {
  let demo, page;

  before(async () => {
    demo = await openDemo({ name: 'demo-typed' });
    page = demo.page;
  });
  after(() => demo?.close());

  /** The newest transaction, once it has an outcome. */
  async function outcome() {
    await until('its outcome is shown', async () => !['running', undefined].includes((await demo.transactions())[0]?.outcome[0]));
    return (await demo.transactions())[0];
  }

  it('runs on Ctrl+Enter', async () => {
    await page.getByLabel('SQL', { exact: true }).fill(`UPDATE orders SET quantity = 3 WHERE item = 'Stamps'`);
    await page.keyboard.press('Control+Enter');
    await demo.received(`UPDATE orders SET quantity = 3 WHERE item = 'Stamps'`, [NOTHING, one('order:update')]);
  });

  it('shows rows that it returns', async () => {
    await demo.type(`SELECT item, photo FROM orders WHERE id IN (1009, 1010) ORDER BY id`);
    assert.deepEqual((await outcome()).outcome, ['SELECT 2']);
    const cells = await page.locator('#transactions > li:first-child').locator('th, td').allTextContents();
    assert.deepEqual(cells, ['item', 'photo', 'Stamps', 'NULL', 'Ink, blue', 'NULL']);
  });

  it('shows errors with SQLSTATE, announces them, and goes on', async () => {
    await demo.type('DROP TABLE orders');
    assert.deepEqual((await outcome()).outcome, ['ERROR 42501: must be owner of table orders']);
    await page.locator('#announcement', { hasText: 'Error: must be owner of table orders' }).waitFor({ state: 'attached' });
    await demo.type(`UPDATE orders SET quantity = 4 WHERE item = 'Stamps'`);
    await demo.received(`UPDATE orders SET quantity = 4 WHERE item = 'Stamps'`, [NOTHING, one('order:update')]);
  });

  it('may be several transactions, of which each is shown', async () => {
    await demo.type(`BEGIN; UPDATE orders SET quantity = 5 WHERE item = 'Stamps'; COMMIT; BEGIN; UPDATE orders SET quantity = 6 WHERE item = 'Pencils'; COMMIT;`);
    await until('both are shown', async () => {
      const [second, first] = await demo.transactions();
      return second.received[0][0].startsWith('order:update') && first.received[1][0].startsWith('order:update');
    });
  });

  it('announces what arrived, not more than once in two seconds', async () => {
    await page.evaluate(() => {
      window.announced = [];
      new MutationObserver(() => window.announced.push(document.querySelector('#announcement').textContent))
        .observe(document.querySelector('#announcement'), { childList: true });
    });
    for (let i = 0; i < 10; i++) await demo.psql(`UPDATE orders SET quantity = ${20 + i} WHERE item = 'Pencils';`);
    await demo.received(`UPDATE orders SET quantity = 29 WHERE item = 'Pencils';`, [one('order:update'), NOTHING]);
    await until('it is announced', () => page.evaluate(() => window.announced.length > 0));
    const announced = await page.evaluate(() => window.announced);
    assert.ok(announced.length <= 3, JSON.stringify(announced));
    assert.match(announced.at(-1), /^Customer 1 received 1 event, 1 row, \d+ bytes(, \d+ milliseconds after the commit)?\. Customer 2 received nothing\.$/);
    assert.equal(await page.locator('[role=status], [role=log], [aria-live]').count(), 1);
  });

  it('has caused no errors in the browser', () => assert.deepEqual(demo.errors, []));
});
