// What a visitor does in the demo's page: its buttons, and SQL of their own.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NOTHING, one, openDemo } from '../../harness/demo-page.js';
import { never, until } from '../../harness/wait.js';

let demo, page;

before(async () => {
  demo = await openDemo({ name: 'demo-visits' });
  page = demo.page;
});
after(() => demo?.close());

/** Clicks, and waits until both customers have what it caused: → the transaction as it is shown. */
async function press(button, expected) {
  await demo.click(button);
  const sql = await page.getByLabel('SQL', { exact: true }).inputValue();
  await demo.received(sql, expected);
  return outcomeOf(sql);
}

/** The newest transaction with that SQL, once it has an outcome: its events may arrive sooner. */
async function outcomeOf(sql) {
  return until('its outcome is shown', async () => {
    const found = (await demo.transactions()).find((transaction) => transaction.sql === sql);
    return found && ![undefined, 'running'].includes(found.outcome[0]) && found;
  });
}

describe('the buttons of the demo', () => {
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
    const { sql } = await press('Add photo', [[...one('order:update'), 'order:photo 1 event'], NOTHING]);
    assert.equal(sql, `UPDATE orders SET photo = decode(:'mug', 'base64') WHERE id = 1011;`);
    assert.equal(await demo.photo(1, 'Coffee mug'), 96);
  });

  it('move it to the other customer, with its photo', async () => {
    const { sql } = await press('Move', [one('order:left'), [...one('order:update'), 'order:photo 1 event']]);
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
    const { sql, outcome } = await press('Update 1,000', [['order:update 1 event, 500 rows'], ['order:update 1 event, 500 rows']]);
    assert.equal(sql, `UPDATE orders SET status = 'paid' WHERE item = 'Postcard';`);
    assert.deepEqual(outcome, ['UPDATE 1000']);
    await demo.drawn();
    const dots = await page.locator('.dots i').evaluateAll((all) => all.map((dot) => dot.dataset.status));
    assert.ok(dots.length === 1000 && dots.every((status) => ['paid', 'shipped'].includes(status)));
    assert.match(await page.locator('#customer-1 .rest p').textContent(), /^and 501 older: 500 paid, 1 shipped$/);
  });

  it('roll back, and nothing moves', async () => {
    const before = await demo.lists();
    await until('what left before is gone', async () => (await page.locator('[inert]').count()) === 0);
    await page.evaluate(() => {
      window.moved = [];
      const observer = new MutationObserver((changes) => window.moved.push(...changes.map(({ target }) => target.className)));
      for (const list of document.querySelectorAll('.orders, .dots')) observer.observe(list, { childList: true, subtree: true, attributes: true });
    });
    const { sql, outcome } = await press('Roll back', [NOTHING, NOTHING]);
    assert.equal(sql, 'BEGIN; DELETE FROM orders; ROLLBACK;');
    assert.deepEqual(outcome, ['BEGIN', 'DELETE 1010', 'ROLLBACK']);
    await never('something moves', () => page.evaluate(() => window.moved.length > 0), { during: 500 });
    assert.deepEqual(await demo.lists(), before);
  });

});

describe('SQL typed into the page of the demo', () => {
  it('runs on Ctrl+Enter', async () => {
    await page.getByLabel('SQL', { exact: true }).fill(`UPDATE orders SET quantity = 3 WHERE item = 'Stamps'`);
    await page.keyboard.press('Control+Enter');
    await demo.received(`UPDATE orders SET quantity = 3 WHERE item = 'Stamps'`, [NOTHING, one('order:update')]);
  });

  it('shows rows that it returns', async () => {
    const sql = `SELECT item, photo FROM orders WHERE id IN (1009, 1010) ORDER BY id`;
    await demo.type(sql);
    assert.deepEqual((await outcomeOf(sql)).outcome, ['SELECT 2']);
    const cells = await page.locator('#transactions > li:first-child').locator('th, td').allTextContents();
    assert.deepEqual(cells, ['item', 'photo', 'Stamps', 'NULL', 'Ink, blue', 'NULL']);
    assert.equal(await page.locator('#transactions > li:first-child dl').isVisible(), false);
  });

  it('shows errors with SQLSTATE, announces them, and goes on', async () => {
    await demo.type('DROP TABLE orders');
    assert.deepEqual((await outcomeOf('DROP TABLE orders')).outcome, ['ERROR 42501: must be owner of table orders']);
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
      const note = () => window.announced.push({ at: performance.now(), text: document.querySelector('#announcement').textContent });
      new MutationObserver(note).observe(document.querySelector('#announcement'), { childList: true });
    });
    for (let i = 0; i < 10; i++) await demo.psql(`UPDATE orders SET quantity = ${20 + i} WHERE item = 'Pencils';`);
    await demo.received(`UPDATE orders SET quantity = 29 WHERE item = 'Pencils';`, [one('order:update'), NOTHING]);
    const latest = /^Customer 1 received 1 event, 1 row, \d+ bytes(, \d+ milliseconds after the commit)?\. Customer 2 received nothing\.$/;
    const announced = await until('it is announced', async () => {
      const all = await page.evaluate(() => window.announced);
      return latest.test(all.at(-1)?.text) && all;
    });
    announced.slice(1).forEach(({ at }, i) => assert.ok(at - announced[i].at >= 1_900, JSON.stringify(announced)));
    assert.equal(await page.locator('[role=status], [role=log], [aria-live]').count(), 1);
  });

  it('may delete all orders, and the buttons still have something to do', async () => {
    await demo.type('DELETE FROM orders');
    await demo.received('DELETE FROM orders', [['order:delete 2 events, 506 rows'], ['order:delete 2 events, 504 rows']]);
    await demo.drawn();
    assert.deepEqual(await demo.lists(), [[], []]);
    assert.equal(await page.locator('.rest:visible').count(), 0);
    const many = await press('Update 1,000', [['order:insert 1 event, 500 rows'], ['order:insert 1 event, 500 rows']]);
    assert.match(many.sql, /^INSERT INTO orders .* generate_series\(1, 1000\) n;$/);
    await demo.drawn();
    assert.deepEqual(await demo.others(), [495, 495]);
  });

  it('has caused no errors in the browser', () => assert.deepEqual(demo.errors, []));
});
