// docs/orms.md, Drizzle: its migrations and its transaction.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { assertTransactional, assertTried, openShop, PAGE, save, shell, startShop, versionOf, watchesOf } from '../../harness/orms.js';
import { openPage } from '../../harness/page.js';

describe('docs/orms.md, Drizzle:', () => {
  const page = openPage(PAGE, { section: 'Drizzle' });
  let postgres, shop, schema, db;

  before(async () => {
    postgres = await startShop('drizzle');
    shop = await openShop(postgres);
  });

  after(async () => {
    await db?.$client.end();
    await shop?.close();
    await postgres?.stop();
  });

  it('a migration of its own has the watch', async () => {
    assertTried(page, 'Drizzle', versionOf('drizzle-orm'));
    schema = page.next('ts', 'pgTable');
    save(shop, schema);
    save(shop, page.next('ts', 'defineConfig'));
    await shell(shop, page.next('sh', 'generate'));
    const watch = page.next('sql', 'sio_watch');
    assert.deepEqual(shop.list('drizzle').filter((file) => file.endsWith('.sql')).map((file) => file.slice(4)), ['_orders.sql', '_watch.sql']);
    assert.doesNotMatch(shop.read('drizzle/0001_watch.sql'), /^[^-]/m);
    assert.equal(save(shop, watch), 'drizzle/0001_watch.sql');
    await shell(shop, page.next('sh', 'migrate'));
    assert.deepEqual(await shop.events('customer:1', 'INSERT INTO orders (customer_id) VALUES (1), (2)'),
      [['order:insert', { id: '1', customerId: '1', note: null }]]);
    await shop.assertUntouched();
  });

  it('an emit is part of its transaction', async () => {
    shop.write('schema.mjs', schema);
    const { orders } = await import(path.join(shop.folder, 'schema.mjs'));
    db = drizzle(shop.url);
    db.$client.on('error', () => {}); // a connection may see that we drop the database before its own end
    await assertTransactional(shop, {
      code: page.next('js', 'tx.execute'), bindings: { db, orders, sql }, room: 'customer:1',
      expected: [['order:insert', { id: '3', customerId: '1', note: null }], ['thanks', { order: '3' }]],
    });
    for (const rooms of [['customer:1'], ['customer:1', 'staff'], []]) await assert.rejects(db.execute(sql`SELECT sio.sio_emit('/', ${rooms}, 'thanks')`));
  });

  it('a renamed property is followed if Drizzle is told that it is one, and refused otherwise', async () => {
    save(shop, schema.replace(`'customer_id'`, `'client_id'`));
    const generate = (name, keys) => shop.run('drizzle-kit', ['generate', '--name', name], { answers: [[/created or renamed from another column/, keys]] });
    await generate('created', '\r');
    await shop.admin.query('DELETE FROM orders'); // or NOT NULL fails first
    // drizzle-kit ends with 1 and does not say why.
    assert.doesNotMatch(await shop.run('drizzle-kit', ['migrate'], { fails: true }), /error|watch/i);
    await assert.rejects(migrate(db, { migrationsFolder: path.join(shop.folder, 'drizzle') }),
      ({ cause }) => cause.code === '2BP01' && /"customer_id"/.test(cause));
    for (const file of ['0002_created.sql', 'meta/0002_snapshot.json']) rmSync(path.join(shop.folder, 'drizzle', file));
    const journal = JSON.parse(shop.read('drizzle/meta/_journal.json'));
    journal.entries.pop();
    shop.write('drizzle/meta/_journal.json', JSON.stringify(journal));
    await generate('renamed', '\x1b[B\r');
    await shop.run('drizzle-kit', ['migrate']);
    assert.deepEqual(await watchesOf(shop), [['orders', ['customer:$client_id']]]);
  });

  it('`push` has nothing to do, and `pull` writes tables without watches', async () => {
    assert.match(await shop.run('drizzle-kit', ['push']), /No changes detected/);
    shop.write('pull.config.ts', shop.read('drizzle.config.ts').replace('./drizzle', './pulled'));
    await shop.run('drizzle-kit', ['pull', '--config', 'pull.config.ts']);
    assert.match(shop.read('pulled/schema.ts'), /pgTable\("orders"/);
    assert.doesNotMatch(shop.read('pulled/schema.ts'), /sio_|socket_io/);
    await shop.assertUntouched();
  });

  it('no block is left', () => page.assertAllTaken());
});
