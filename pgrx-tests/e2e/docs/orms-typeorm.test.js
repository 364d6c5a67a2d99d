// docs/orms.md, TypeORM: its migrations and its transaction.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { assertTransactional, assertTried, openShop, PAGE, save, shell, startShop, versionOf, watchesOf } from '../../harness/orms.js';
import { openPage } from '../../harness/page.js';

describe('docs/orms.md, TypeORM:', () => {
  const page = openPage(PAGE, { section: 'TypeORM' });
  const WATCHED = [['orders', ['customer:${customerId}']]];
  let postgres, shop, source, migrate, dataSource;

  before(async () => {
    postgres = await startShop('typeorm');
    shop = await openShop(postgres);
  });

  after(async () => {
    await dataSource?.destroy();
    await shop?.close();
    await postgres?.stop();
  });

  const typeorm = (command, options) => shop.run('typeorm', [command, '--dataSource', 'data-source.js'], options);
  const generate = (name, options) =>
    shop.run('typeorm', ['migration:generate', '--dataSource', 'data-source.js', '--outputJs', '--esm', `migrations/${name}`], options);

  it('a migration of its own has the watch, there and back', async () => {
    assertTried(page, 'TypeORM', versionOf('typeorm'));
    source = page.next('js', 'new DataSource');
    save(shop, source);
    await shell(shop, page.next('sh', 'migration:generate'));
    const [orders, made] = shop.list('migrations');
    assert.match(orders, /-Orders\.js$/);
    const watch = page.next('js', 'sio_watch');
    save(shop, watch.replaceAll(/1795849225177/g, /^(\d+)-Watch\.js$/.exec(made)[1]));
    assert.deepEqual(shop.list('migrations'), [orders, made]);
    migrate = page.next('sh', 'migration:run');
    await shell(shop, migrate);
    assert.deepEqual(await watchesOf(shop), WATCHED);
    await typeorm('migration:revert');
    assert.deepEqual(await watchesOf(shop), []);
    await shell(shop, migrate);
    assert.deepEqual(await shop.events('customer:1', 'INSERT INTO orders ("customerId") VALUES (1), (2)'),
      [['order:insert', { id: '1', customerId: '1', note: null }]]);
  });

  it('an emit is part of its transaction, and rows have strings where events have', async () => {
    process.env.DATABASE_URL = shop.url;
    const { Order, default: connection } = await import(path.join(shop.folder, 'data-source.js'));
    dataSource = await connection.initialize();
    await assertTransactional(shop, {
      code: page.next('js', 'manager.save'), bindings: { dataSource, Order }, room: 'customer:1',
      expected: [['order:insert', { id: '3', customerId: '1', note: null }], ['thanks', { order: '3' }]],
    });
    assert.deepEqual(await dataSource.getRepository(Order).findBy({ id: '3' }), [{ id: '3', customerId: '1', note: null }]);
  });

  it('a schema that is in sync needs no migration, and `schema:sync` leaves the watch alone', async () => {
    assert.match(await generate('None', { fails: true }), /No changes in database schema were found/);
    await typeorm('schema:sync');
    assert.deepEqual(await watchesOf(shop), WATCHED);
    await shop.assertUntouched();
  });

  it('another type drops the column, which the watch refuses, unless the type is altered', async () => {
    await shop.admin.query('DELETE FROM orders'); // or NOT NULL fails first
    shop.write('data-source.js', source.replace(`customerId: { type: 'bigint' }`, `customerId: { type: 'integer' }`));
    assert.match(await typeorm('schema:sync', { fails: true }), /cannot drop column "customerId" .* because watch "sio_watch" depends on it/);
    await generate('Changed');
    const file = `migrations/${shop.list('migrations').at(-1)}`;
    assert.match(shop.read(file), /DROP COLUMN "customerId"/);
    assert.match(await typeorm('migration:run', { fails: true }), /cannot drop column "customerId"/);
    rmSync(path.join(shop.folder, file));

    const [alter] = /ALTER COLUMN "customerId" TYPE integer/.exec(page.text);
    await shop.admin.query(`ALTER TABLE orders ${alter}`);
    assert.match(await generate('None', { fails: true }), /No changes in database schema were found/);
    assert.deepEqual(await watchesOf(shop), WATCHED);
    await shop.admin.query(`ALTER TABLE orders ${alter.replace('integer', 'bigint')}`);
  });

  it('a renamed property is a renamed column, which the watch follows', async () => {
    shop.write('data-source.js', source.replace('customerId:', 'clientId:'));
    await generate('Renamed');
    await typeorm('migration:run');
    assert.deepEqual(await watchesOf(shop), [['orders', ['customer:${clientId}']]]);
    await typeorm('migration:revert');
    rmSync(path.join(shop.folder, `migrations/${shop.list('migrations').at(-1)}`));
    assert.deepEqual(await watchesOf(shop), WATCHED);
  });

  it('`schema:drop` drops watches and leaves the extension', async () => {
    await typeorm('schema:drop');
    assert.deepEqual(await watchesOf(shop), []);
    await shop.assertUntouched();
    await shell(shop, migrate);
    assert.deepEqual(await watchesOf(shop), WATCHED);
  });

  it('no block is left', () => page.assertAllTaken());
});
