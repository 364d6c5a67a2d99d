// The demo's page on a phone, a tablet and a desktop, light and dark, by keyboard, and for assistive technology.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { one, NOTHING, openDemo, VIEWS } from '../../harness/demo-page.js';
import { until } from '../../harness/wait.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe('the page of the demo', () => {
  let demo;
  before(async () => {
    demo = await openDemo({ name: 'demo-screens' });
    await demo.psql(`DELETE FROM orders WHERE item = 'Postcard' AND id > 100`); // axe looks at each dot
  });
  after(() => demo?.close());

  const box = (selector) => demo.page.locator(selector).first().boundingBox();

  for (const [screen, view] of Object.entries(VIEWS)) {
    it(`has nothing that axe finds on a ${screen}, light or dark`, async () => {
      await demo.look({ ...view, colorScheme: 'light' });
      // With one of each part: rows, photos, an error, a result, a load, a server that is away.
      await demo.click('Insert');
      await demo.click('Add photo');
      await demo.type('SELECT id, item FROM orders LIMIT 2; DROP TABLE orders');
      await demo.page.locator('#transactions .error').first().waitFor();
      await demo.click('Start 20 s of load');
      await until('the load is plotted', async () => (await demo.page.locator('#plot line.notify').count()) > 0);
      await demo.click('Stop the load');
      demo.show.servers.back = 600_000;
      await demo.click('Stop server B');
      for (const colorScheme of ['light', 'dark']) {
        await demo.page.emulateMedia({ colorScheme });
        await demo.page.locator('.server[data-state=stopped]').waitFor();
        // What is under way has colours between two.
        await until('nothing moves', () => demo.page.evaluate(() => document.getAnimations().length === 0));
        await demo.page.evaluate(AXE);
        const { violations, passes } = await demo.page.evaluate(() => globalThis.axe.run(document));
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`)]), []);
        assert.ok(passes.find(({ id }) => id === 'color-contrast').nodes.length > 50);
      }
      await demo.click('Start server B');
      await demo.page.locator('.server[data-state=running]').nth(1).waitFor();
    });

    it(`fits a ${screen}: nothing is cut off, and buttons are large enough for a finger`, async () => {
      await demo.look({ ...view, colorScheme: 'light' });
      const width = view.viewport.width;
      assert.equal(await demo.page.evaluate(() => document.documentElement.scrollWidth), width);
      const sizes = await demo.page.locator('button:visible').evaluateAll((all) => all.map((each) => each.getBoundingClientRect()).map(
        ({ left, right, height }) => ({ left, right, height }),
      ));
      assert.equal(sizes.length, 11);
      for (const { left, right, height } of sizes) assert.ok(left >= 0 && right <= width && height >= (view.hasTouch ? 44 : 36));
      const [one, other] = [await box('#customer-1'), await box('#customer-2')];
      assert.ok(one.y === other.y && one.x + one.width < other.x, 'the customers are side by side');
      // No empty band: what follows begins where the columns end.
      const [stage, console_, log, load] = [await box('.stage'), await box('.console'), await box('.log'), await box('.load')];
      const beside = screen === 'desktop';
      assert.equal(console_.x + console_.width < stage.x, beside);
      const ends = (each) => Math.round(each.y + each.height);
      if (beside) assert.deepEqual([ends(log), Math.round(load.y)], [ends(stage), ends(stage) + 16]);
      else assert.deepEqual([stage, log, load].map(({ y }) => Math.round(y)), [console_, stage, log].map((each) => ends(each) + 16));
      const customers = await box('.customers');
      if (screen !== 'phone') assert.equal(ends(customers), ends(stage));
      // Whoever presses a button sees what it does, without scrolling.
      assert.ok(one.y + 150 < view.viewport.height, `the customers begin at ${one.y}`);
    });
  }

  it('can be used by keyboard alone, in the order in which it is read', async () => {
    await demo.look({ ...VIEWS.desktop, colorScheme: 'light' });
    const order = [];
    for (let i = 0; i < 16; i++) {
      await demo.page.keyboard.press('Tab');
      order.push(await demo.page.evaluate(() => {
        const { activeElement: element } = document;
        const { outlineStyle } = getComputedStyle(element.matches('input') ? element.nextElementSibling : element);
        return `${element.getAttribute('aria-label') ?? (element.value || element.textContent).slice(0, 22)}${outlineStyle === 'none' ? ' without an outline' : ''}`;
      }));
    }
    assert.deepEqual(order, [
      'socketio_emitter', 'Insert', 'Update', 'Add photo', 'Move', 'Delete', 'Update 1,000', 'Roll back',
      'UPDATE orders SET stat', 'Run', 'Stop server A', 'Stop server B', 'Transactions and the events they caused', 'notify', 'Start 20 s of load', 'socketio_emitter',
    ].slice(0, 15).concat(order[15]));
    await demo.page.getByLabel('NOTIFY', { exact: true }).focus();
    await demo.page.keyboard.press('ArrowRight');
    await until('the queue is chosen', () => demo.show && demo.page.getByLabel('queue', { exact: true }).isChecked());
  });

  it('moves nothing for those who want no motion', async () => {
    await demo.look({ ...VIEWS.desktop, reducedMotion: 'reduce' });
    await demo.page.evaluate(() => {
      window.animated = 0;
      const { animate } = Element.prototype;
      Element.prototype.animate = function count(...args) {
        window.animated += 1;
        return animate.apply(this, args);
      };
    });
    const sql = `INSERT INTO orders (customer_id, item) VALUES (1, 'Still')`;
    await demo.type(sql);
    await demo.received(sql, [one('order:insert'), NOTHING]);
    await demo.drawn();
    assert.equal((await demo.lists())[0][0][0], 'Still');
    assert.equal(await demo.page.evaluate(() => window.animated + document.getAnimations().length), 0);
  });

  it('has caused no errors in the browser', () => {
    assert.deepEqual(demo.errors.filter((error) => !/WebSocket connection to|503/.test(error)), []);
  });
});
