// docs/orms.md, Prisma: its migrations, the shadow database, and its transaction.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PrismaPg } from '@prisma/adapter-pg';
import { assertTransactional, assertTried, openShop, PAGE, shell, startShop, versionOf, watchesOf } from '../../harness/orms.js';
import { openPage } from '../../harness/page.js';
import { Prisma } from '../../harness/prisma.js';

describe('docs/orms.md, Prisma:', () => {
  const page = openPage(PAGE, { section: 'Prisma' });
  const model = page.next('prisma', 'model Order');
  let postgres, shop, tool, prisma;

  before(async () => {
    postgres = await startShop('prisma');
    shop = await openShop(postgres, { user: 'postgres' });
    tool = new Prisma(shop);
  });

  after(async () => {
    await prisma?.$disconnect();
    await shop?.close();
    await postgres?.stop();
  });

  it('a migration of its own has the watch, and Prisma sees no drift', async () => {
    assertTried(page, 'Prisma', versionOf('prisma'));
    tool.model(model);
    const [orders, watch] = page.next('sh', 'migrate dev').trim().split('\n');
    await shell(shop, orders);
    assert.match(await shell(shop, watch, { fails: true }), /null pointer passed to rust/); // it is the WebAssembly module's
    const file = `prisma/migrations/${tool.migrations()[1]}/migration.sql`;
    assert.match(file, /_watch/);
    assert.doesNotMatch(shop.read(file), /^[^-]/m);
    shop.write(file, page.next('sql', 'sio_watch'));
    await shell(shop, page.next('sh', 'migrate deploy'));
    assert.equal(await tool.inSync(), true);
    assert.deepEqual(await shop.events('customer:1', 'INSERT INTO "Order" ("customerId") VALUES (1), (2)'),
      [['order:insert', { id: '1', customerId: '1', note: null }]]);
    await shop.assertUntouched();
  });

  it('an emit is part of its transaction', async () => {
    const { PrismaClient } = createRequire(import.meta.url)(path.join(shop.folder, 'generated'));
    prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: shop.url }) });
    await assertTransactional(shop, {
      code: page.next('js', '$executeRaw'), bindings: { prisma }, room: 'customer:1',
      expected: [['order:insert', { id: '3', customerId: '1', note: null }], ['thanks', { order: '3' }]],
    });
    await assert.rejects(prisma.$queryRaw`SELECT sio.sio_emit('/', '{}', 'thanks')`, /deserialize column of type 'void'/);
  });

  it('`db pull` writes models without watches, and `migrate reset` creates these again', async () => {
    const pulled = await shop.run('prisma', ['db', 'pull', '--print']);
    assert.match(pulled, /model Order/);
    assert.doesNotMatch(pulled, /sio_|socket_io/);
    await shop.run('prisma', ['migrate', 'reset', '--force', '--skip-generate']);
    assert.deepEqual(await watchesOf(shop), [['"Order"', ['customer:${customerId}']]]);
    await shop.assertUntouched();
  });

  it('an owner deploys, but cannot create a shadow database with the extension', async () => {
    await shop.admin.query('ALTER ROLE owner CREATEDB');
    const owned = await openShop(postgres, { database: 'owned' });
    await tool.deploy({ url: owned.url });
    assert.deepEqual(await watchesOf(owned), [['"Order"', ['customer:${customerId}']]]);
    const dev = await shop.run('prisma', ['migrate', 'dev', '--skip-generate'], { url: owned.url, fails: true });
    assert.match(dev, /P3006[^]*permission denied to create extension "socketio_emitter"/);
    await owned.close();
  });

  it('a renamed field is a dropped column, which the watch refuses, unless it keeps or renames the column', async () => {
    const push = (options) => shop.run('prisma', ['db', 'push', '--skip-generate', '--accept-data-loss'], options);
    tool.model(model.replace('customerId', 'clientId'));
    assert.match(await push({ fails: true }), /cannot drop column "customerId" .* because watch "sio_watch" depends on it/);
    tool.model(model.replace('customerId BigInt', 'clientId BigInt @map("customerId")'));
    assert.match(await push(), /already in sync/);
    tool.model(model.replace('customerId', 'clientId'));
    const [rename] = /ALTER TABLE "Order" RENAME .*?(?=`)/.exec(page.text);
    tool.writeMigration('rename', `${rename};\n`);
    await tool.deploy();
    assert.equal(await tool.inSync(), true);
    assert.deepEqual(await watchesOf(shop), [['"Order"', ['customer:${clientId}']]]);
  });

  it('no block is left', () => page.assertAllTaken());
});
