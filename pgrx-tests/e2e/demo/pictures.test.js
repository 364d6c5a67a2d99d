// The README's pictures of the demo, taken as a visitor would see it. To retake them:
//
//   SCREENSHOT=docs/live-tables.png ANIMATION=docs/demo.webp make test FILE=demo/pictures
import assert from 'node:assert/strict';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { animate, decoded, difference, record } from '../../harness/animation.js';
import { openDemo } from '../../harness/demo-page.js';
import { ROOT } from '../../harness/setup.js';
import { elapse, until } from '../../harness/wait.js';

const place = (variable, name) => path.resolve(ROOT, process.env[variable] ?? `.work/${name}`);
const SCREENSHOT = place('SCREENSHOT', 'live-tables.png');
const ANIMATION = place('ANIMATION', 'demo.webp');
// A reader needs time to see what happened; a test only needs that it does.
const [PACE, EVERY] = process.env.ANIMATION ? [1, 120] : [0.2, 400];
const VIEW = { viewport: { width: 1120, height: 800 }, colorScheme: 'light' };

describe('the pictures of the demo', () => {
  let demo;

  before(async () => {
    demo = await openDemo({ name: 'demo-pictures', view: VIEW });
    for (const file of [SCREENSHOT, ANIMATION]) await mkdir(path.dirname(file), { recursive: true });
  });
  after(() => demo?.close());

  const shown = () => until('it is shown', async () => (await demo.transactions())[0]?.took.some(Boolean));

  it('show ten seconds of it: an order comes, gets a photo, and moves; a thousand change; a rollback; a server stops', async () => {
    const look = (ms) => elapse(ms * PACE, 'a reader needs it to see what happened');
    const pictures = await record(demo.page, async () => {
      await look(700);
      for (const button of ['Insert', 'Add photo', 'Move', 'Update 1,000']) {
        await demo.click(button);
        await shown();
        await look(1_200);
      }
      await demo.click('Roll back');
      await look(1_300);
      const name = (await demo.page.locator('#customer-2 .connection').textContent()).at(-1);
      await demo.click(`Stop server ${name}`);
      await demo.page.locator('#customer-2 .connection', { hasText: name === 'A' ? 'server B' : 'server A' }).waitFor();
      await look(1_000);
    }, { every: EVERY });
    const { file, frames, duration } = await animate(demo.browser, pictures);
    await writeFile(ANIMATION, file);
    const { last, ...size } = await decoded(demo.page, file);
    assert.deepEqual(size, { ...VIEW.viewport, frames });
    // 32 shades: half of a step.
    assert.ok(await difference(demo.page, last, pictures.at(-1).png) <= 4, 'it ends with the last picture');
    assert.ok(frames >= (process.env.ANIMATION ? 40 : 6), `${frames} frames`);
    assert.ok(duration > 8_000 * PACE && duration < 30_000, `${duration} ms`);
    assert.ok(file.length < 1e6, `${file.length} bytes`);
  });

  it('show what a visitor sees after some clicks', async () => {
    await demo.look({ ...VIEW, deviceScaleFactor: 1.5 });
    for (const button of ['Insert', 'Add photo', 'Move', 'Update 1,000']) {
      await demo.click(button);
      await shown();
    }
    await demo.page.locator('.server[data-state=running]').nth(1).waitFor();
    await until('nothing moves', () => demo.page.evaluate(() => document.getAnimations().length === 0));
    await demo.page.mouse.move(0, 0);
    await demo.page.evaluate(() => document.activeElement.blur());
    await demo.page.screenshot({ path: SCREENSHOT });
    const { size } = await stat(SCREENSHOT);
    assert.ok(size > 20_000 && size < 400_000, `${size} bytes`);
    assert.deepEqual(demo.errors.filter((error) => !/WebSocket connection to/.test(error)), []);
  });
});
