// The demo's page in a headless Chromium, while psql changes rows.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { io } from 'socket.io-client';
import { sqlOf } from '../../harness/demo.js';
import { bytesOf, NOTHING, one, openDemo } from '../../harness/demo-page.js';
import { until, within } from '../../harness/wait.js';

const MUG = bytesOf('mug');

describe('the page of the demo, while psql changes the table,', () => {
  let demo, page;
  let marks = 0;

  before(async () => {
    demo = await openDemo({ name: 'demo-psql' });
    page = demo.page;
  });
  after(() => demo?.close());

  /**
   * Runs it in psql: → the lists, once both customers have what it caused. `expected` is what they received of it. The mark that
   * comes after it has arrived at both then, so what they haven't received won't come.
   */
  async function change(sql, expected) {
    await demo.psql(sql);
    marks += 1;
    const mark = `UPDATE orders SET quantity = ${1000 + marks} WHERE item = 'Postcard' AND id IN (1, 2);`;
    await demo.psql(mark);
    await demo.received(mark, [one('order:update'), one('order:update')]);
    await demo.received(sql, expected);
    await demo.drawn();
    return demo.lists();
  }

  it('shows the one call, and what it is the demo of', async () => {
    const call = page.locator('#call');
    await call.locator('b').first().waitFor();
    assert.match(await call.textContent(), /^SELECT sio_watch\('orders',/);
    assert.ok((await sqlOf('schema.sql')).includes(await call.textContent()));
    const link = page.getByRole('link', { name: 'socketio_emitter' });
    const response = await page.request.get(new URL(await link.getAttribute('href'), demo.show.url).href);
    assert.match(await response.text(), /^# socketio_emitter\n/);
  });

  it('shows each customer what is there already, photos included', async () => {
    assert.deepEqual(await demo.lists(), [
      [
        ['Ink, blue', '2', 'paid'], ['Letter paper', '100', 'new'], ['Wall clock', '1', 'paid'],
        ['Fountain pen', '1', 'new'], ['Pencils', '12', 'shipped'],
      ],
      [
        ['Stamps', '50', 'paid'], ['Envelopes', '50', 'new'], ['House plant', '1', 'paid'],
        ['Notebook', '3', 'shipped'], ['Postcard', '1', 'new'],
      ],
    ]);
    assert.deepEqual(await demo.others(), [501, 499]);
    assert.equal(await demo.photo(1, 'Wall clock'), 96);
    for (const item of ['Notebook', 'House plant']) assert.equal(await demo.photo(2, item), 96);
    assert.equal(await page.locator('.photo img').count(), 3);
  });

  it('shows a letter for an order without a photo, and its number apart from its quantity', async () => {
    const order = page.locator('#customer-1 li:has-text("Letter paper")');
    assert.equal(await order.locator('.photo').textContent(), 'L');
    const [quantity, id] = await Promise.all(['.quantity', '.id'].map((part) => order.locator(part).boundingBox()));
    assert.ok(id.x - (quantity.x + quantity.width) >= 8);
  });

  it('shows a new order to its customer alone', async () => {
    const before = await demo.lists();
    const sql = `INSERT INTO orders (customer_id, item, quantity) VALUES (1, 'Ruler', 4);`;
    assert.deepEqual(await change(sql, [one('order:insert'), NOTHING]), [[['Ruler', '4', 'new'], ...before[0].slice(0, 4)], before[1]]);
  });

  it('shows a change to its customer alone', async () => {
    const before = await demo.lists();
    const sql = `UPDATE orders SET status = 'paid', quantity = 5 WHERE item = 'Stamps';`;
    assert.deepEqual(await change(sql, [NOTHING, one('order:update')]), [before[0], [['Stamps', '5', 'paid'], ...before[1].slice(1)]]);
  });

  it('hears nothing of an update that changes nothing, nor of what is rolled back', async () => {
    const before = await demo.lists();
    assert.deepEqual(await change(`UPDATE orders SET status = 'paid' WHERE item = 'Stamps';`, [NOTHING, NOTHING]), before);
    const sql = `DELETE FROM orders WHERE item = 'Stamps';`;
    await demo.psql(`BEGIN; ${sql} ROLLBACK;`);
    await change(`UPDATE orders SET status = 'paid' WHERE item = 'Stamps' AND true;`, [NOTHING, NOTHING]);
    assert.deepEqual(await demo.lists(), before);
    assert.ok(!(await demo.transactions()).some((transaction) => transaction.sql.includes('DELETE')));
  });

  it('moves an order from one customer to the other, and shows no more of one that was deleted', async () => {
    const [first, second] = await demo.lists();
    const move = `UPDATE orders SET customer_id = 2 WHERE item = 'Ruler';`;
    assert.deepEqual(await change(move, [one('order:left'), one('order:update')]), [
      [...first.slice(1), ['Pencils', '12', 'shipped']], [first[0], ...second.slice(0, 4)],
    ]);
    assert.deepEqual((await change(`DELETE FROM orders WHERE item = 'Ruler';`, [NOTHING, one('order:delete')]))[1], second);
  });

  it('shows an order of no customer to nobody, until it has one', async () => {
    const before = await demo.lists();
    assert.deepEqual(await change(`INSERT INTO orders (item, photo) VALUES ('Secret', '\\x00'), ('Secret', NULL);`, [NOTHING, NOTHING]), before);
    await change(`UPDATE orders SET customer_id = 2 WHERE item = 'Secret' AND photo IS NULL;`, [NOTHING, one('order:update')]);
    await change(`UPDATE orders SET customer_id = NULL WHERE item = 'Secret';`, [NOTHING, one('order:left')]);
    assert.deepEqual(await change(`DELETE FROM orders WHERE item = 'Secret';`, [NOTHING, NOTHING]), before);
  });

  it('shows a photo that arrives as binary, and follows it to the other customer', async () => {
    const literal = `decode('${MUG.toString('base64')}', 'base64')`;
    await demo.psql(`INSERT INTO orders (customer_id, item, photo) VALUES (1, 'Mug', ${literal});`);
    const sql = `INSERT INTO orders (customer_id, item, photo) VALUES (1, 'Mug', decode('iVBORw0KGgoA…', 'base64'));`;
    await demo.received(sql, [[...one('order:insert'), 'order:photo 1 event'], NOTHING]);
    assert.equal(await demo.photo(1, 'Mug'), 96);
    await demo.psql(`UPDATE orders SET customer_id = 2 WHERE item = 'Mug';`);
    await demo.received(`UPDATE orders SET customer_id = 2 WHERE item = 'Mug';`, [
      one('order:left'), [...one('order:update'), 'order:photo 1 event'],
    ]);
    assert.equal(await demo.photo(2, 'Mug'), 96);
    await change(`UPDATE orders SET photo = NULL WHERE item = 'Mug';`, [NOTHING, one('order:update')]);
    assert.equal(await page.locator('li:not([inert]):has-text("Mug") img').count(), 0);
    await change(`DELETE FROM orders WHERE item = 'Mug';`, [NOTHING, one('order:delete')]);
  });

  it('credits each event to its own transaction when SQL is pasted as one block', async () => {
    // Photos take a detour, and arrive when later statements have arrived already.
    const statements = Array.from({ length: 8 }, (_, i) => (
      `INSERT INTO orders (customer_id, item, photo) VALUES (${1 + (i % 2)}, 'Pasted ${i}', decode('${MUG.toString('base64')}', 'base64'));`));
    const both = `BEGIN; UPDATE orders SET quantity = 3 WHERE item = 'Pasted 0'; UPDATE orders SET quantity = 4 WHERE item = 'Pasted 1'; COMMIT;`;
    const [first, second] = both.split('; ').slice(1, 3).map((sql) => `${sql};`);
    await demo.psql([...statements, ...both.split('; ').map((sql) => (sql.endsWith(';') ? sql : `${sql};`))].join('\n'));
    const photo = [...one('order:insert'), 'order:photo 1 event'];
    for (let i = 0; i < statements.length; i++) {
      const sql = `INSERT INTO orders (customer_id, item, photo) VALUES (${1 + (i % 2)}, 'Pasted ${i}', decode('iVBORw0KGgoA…', 'base64'));`;
      await demo.received(sql, i % 2 ? [NOTHING, photo] : [photo, NOTHING]);
    }
    // One transaction, whatever its statements.
    await demo.received(`${first}\n${second}`, [one('order:update'), one('order:update')]);
    await change(`DELETE FROM orders WHERE item LIKE 'Pasted%';`, [['order:delete 1 event, 4 rows'], ['order:delete 1 event, 4 rows']]);
  });

  it('says how many bytes came, and how long after the commit', async () => {
    const client = io(demo.show.url, { transports: ['websocket'], auth: { customer: 2 } });
    await within('a client is connected', once(client, 'connect'));
    const event = once(client, 'order:insert');
    const before = Date.now();
    const sql = `INSERT INTO orders (customer_id, item) VALUES (2, 'Ärmel');`;
    await demo.psql(sql);
    const { took } = await demo.received(sql, [NOTHING, one('order:insert')]);
    // 42 is how Socket.IO begins an event's frame.
    const frame = `42${JSON.stringify(['order:insert', ...await within('it got the event', event)])}`;
    client.disconnect();
    assert.match(frame, /Ärmel/);
    const { received } = (await demo.transactions()).find((transaction) => transaction.sql === sql);
    assert.deepEqual(received[1], [`order:insert 1 event, 1 row, ${Buffer.byteLength(frame)} bytes`]);
    assert.equal(took[0], '');
    const [, ms] = /^([\d,.]+) ms$/.exec(took[1]);
    assert.ok(Number(ms.replace(',', '')) > 0 && Number(ms.replace(',', '')) <= Date.now() - before, ms);
    await change(`DELETE FROM orders WHERE item = 'Ärmel';`, [NOTHING, one('order:delete')]);
  });

  it('shows HTML as the text that it is', async () => {
    const [first, second] = await demo.lists();
    const image = '<img src=x onerror=alert(1)>';
    const sql = `INSERT INTO orders (customer_id, item, status) VALUES (1, '<b>x</b>', '${image}');`;
    assert.deepEqual(await change(sql, [one('order:insert'), NOTHING]), [[['<b>x</b>', '1', image], ...first.slice(0, 4)], second]);
    assert.equal(await page.locator('.orders b, .status img, #transactions img').count(), 0);
    await change(`DELETE FROM orders WHERE item = '<b>x</b>';`, [one('order:delete'), NOTHING]);
  });

  it('gets a statement of many rows in batches', async () => {
    const others = await demo.others();
    const insert = `INSERT INTO orders (customer_id, item) SELECT 2, 'Many' FROM generate_series(1, 1200);`;
    await demo.psql(insert);
    await demo.received(insert, [NOTHING, ['order:insert 3 events, 1,200 rows']]);
    await until('they are dots', async () => (await demo.others())[1] === others[1] + 1200);
    await demo.psql(`DELETE FROM orders WHERE item = 'Many';`);
    await demo.received(`DELETE FROM orders WHERE item = 'Many';`, [NOTHING, ['order:delete 3 events, 1,200 rows']]);
    await until('they are gone', async () => (await demo.others())[1] === others[1]);
  });

  it('shows what the demo tells its visitors to try', async () => {
    const photo = 'order:photo 1 event';
    const expected = [
      [one('order:insert'), NOTHING],
      [one('order:update'), NOTHING],
      [one('order:delete'), NOTHING],
      [[...one('order:update'), photo], NOTHING],
      [one('order:left'), [...one('order:update'), photo]],
      [NOTHING, NOTHING],
      [['order:update 1 event, 2 rows'], ['order:update 1 event, 3 rows']],
    ];
    const blocks = (await sqlOf('try.sql')).trimEnd().split('\n\n');
    assert.equal(blocks.length, expected.length);
    for (const [i, block] of blocks.entries()) {
      await demo.psql(block);
      const sql = block.split('\n').at(-1).replace(`:'mug'`, `'${MUG.toString('base64').slice(0, 12)}…'`);
      await demo.received(sql, expected[i]);
    }
    await until('the lists are right', async () => (await demo.lists())[1][0][0] === 'Coffee mug');
    assert.equal(await demo.photo(2, 'Coffee mug'), 96);
  });

  it('has caused no errors in the browser', () => assert.deepEqual(demo.errors, []));
});
