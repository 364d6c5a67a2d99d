// docs/orms.md, Knex: its migrations and its transaction.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createRequire } from 'node:module';
import { assertTransactional, assertTried, openShop, PAGE, save, shell, startShop, versionOf, watchesOf } from '../../harness/orms.js';
import { openPage } from '../../harness/page.js';

const { knex: connect } = createRequire(import.meta.url)('knex');

describe('docs/orms.md, Knex:', () => {
  const page = openPage(PAGE, { section: 'Knex' });
  let postgres, shop, knex;

  before(async () => {
    postgres = await startShop('knex');
    shop = await openShop(postgres);
    knex = connect({ client: 'pg', connection: shop.url });
  });

  after(async () => {
    await knex?.destroy();
    await shop?.close();
    await postgres?.stop();
  });

  it('a migration creates the table and its watch', async () => {
    assertTried(page, 'Knex', versionOf('knex'));
    save(shop, page.next('js', 'knexfile'));
    save(shop, page.next('js', 'createTable'));
    await shop.run('knex', ['migrate:latest']);
    assert.deepEqual(await shop.events('customer:1', 'INSERT INTO orders (customer_id) VALUES (1), (2)'),
      [['order:insert', { id: '1', customer_id: '1', note: null }]]);
  });

  it('the next one renames a column and changes the watch, there and back', async () => {
    save(shop, page.next('js', 'renameColumn'));
    const latest = page.next('sh', 'migrate:latest');
    for (const again of [false, true]) {
      await shell(shop, latest);
      assert.deepEqual(await watchesOf(shop), [['orders', ['customer:$client_id', 'staff']]]);
      await shop.run('knex', ['migrate:rollback', ...(again ? ['--all'] : [])]);
      if (!again) assert.deepEqual(await watchesOf(shop), [['orders', ['customer:$customer_id']]]);
    }
    assert.deepEqual(await shop.columns(), []);
    await shell(shop, latest);
    assert.deepEqual(await shop.events('staff', 'INSERT INTO orders (client_id) VALUES (2)'), [['order:insert', { id: '1', client_id: '2', note: null }]]);
    await shop.assertUntouched();
  });

  it('an emit is part of its transaction', async () => {
    await assertTransactional(shop, {
      code: page.next('js', 'trx.raw'), bindings: { knex }, room: 'customer:1',
      expected: [['order:insert', { id: '2', client_id: '1', note: null }], ['thanks', { order: '2' }]],
    });
  });

  it('an emit through another connection is not', async () => {
    assert.deepEqual(await shop.events('customer:1', () => assert.rejects(knex.transaction(async () => {
      await knex.raw('SELECT sio.sio_emit(?, ?, ?)', ['/', ['customer:1'], 'early']);
      throw new Error('undone');
    }), /undone/)), [['early']]);
  });

  it('a question mark is a placeholder unless it is escaped', async () => {
    await assert.rejects(knex.raw(`SELECT '{"a": 1}'::jsonb ? 'a' AS has`), { code: '42601' });
    assert.deepEqual((await knex.raw(`SELECT '{"a": 1}'::jsonb \\? 'a' AS has`)).rows, [{ has: true }]);
  });

  it('no block is left', () => page.assertAllTaken());
});
