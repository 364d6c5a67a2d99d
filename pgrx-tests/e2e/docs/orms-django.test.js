// docs/orms.md, Django: its migrations, its tests and its transaction.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { administration, assertTried, openShop, PAGE, PYTHON, save, shell, startShop, watchesOf } from '../../harness/orms.js';
import { openPage } from '../../harness/page.js';

const WATCHED = [['orders_order', ['customer:$customer_id']]];

describe('docs/orms.md, Django:', () => {
  const page = openPage(PAGE, { section: 'Django' });
  let postgres, shop, model, migrate;

  before(async () => {
    postgres = await startShop('django');
    shop = await openShop(postgres);
    await python('-m', 'django', 'startproject', 'shop', '.');
    await python('manage.py', 'startapp', 'orders');
    shop.write('shop/settings.py', `${shop.read('shop/settings.py')}
INSTALLED_APPS = ['orders'] # the usual ones have 18 migrations
DATABASES = {'default': {
    'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop', 'USER': 'owner', 'HOST': '${postgres.host}', 'PORT': ${postgres.port},
    'TEST': {${/`'TEST': \{(.*?)\}`/.exec(page.text)[1]}},
}}
`);
    shop.write('shop/urls.py', 'urlpatterns = []\n');
  });

  after(async () => {
    await shop?.close();
    await postgres?.stop();
  });

  const python = (...args) => shop.run(PYTHON, args);
  const manage = (...args) => python('manage.py', ...args);

  it('a migration of its own has the watch, there and back', async () => {
    assertTried(page, 'Django', (await python('-m', 'django', '--version')).trim());
    model = page.next('python', 'models.Model');
    save(shop, model);
    await shell(shop, page.next('sh', 'makemigrations'));
    const made = shop.list('orders/migrations');
    save(shop, page.next('python', 'RunSQL'));
    assert.deepEqual(shop.list('orders/migrations'), made);
    migrate = page.next('sh', 'migrate');
    await shell(shop, migrate);
    assert.deepEqual(await watchesOf(shop), WATCHED);
    await manage('migrate', 'orders', '0001');
    assert.deepEqual(await watchesOf(shop), []);
    await shell(shop, migrate);
    assert.deepEqual(await shop.events('customer:1', 'INSERT INTO orders_order (customer_id) VALUES (1), (2)'),
      [['order:insert', { id: 1, customer_id: 1, note: null }]]);
  });

  it('an emit is part of its transaction', async () => {
    const code = page.next('python', 'transaction.atomic');
    assert.deepEqual(await shop.events('customer:1', () => manage('shell', '--command', code)),
      [['order:insert', { id: 3, customer_id: 1, note: null }], ['thanks', { order: 3 }]]);
    const failing = `${code}    raise Exception('undone')\n`;
    assert.deepEqual(await shop.events('customer:1', () => assert.rejects(manage('shell', '--command', failing), /undone/)), []);
  });

  it('there is no drift, and what a migration runs is shown', async () => {
    assert.match(await manage('makemigrations', '--check'), /No changes detected/);
    assert.match(await manage('sqlmigrate', 'orders', '0002'), /SELECT sio\.sio_watch\('orders_order'/);
    await shop.assertUntouched();
  });

  it('`inspectdb` writes models of all tables on the search path', async () => {
    assert.doesNotMatch(await manage('inspectdb'), /watch|sio_|SocketIo/);
    assert.match(await shop.run(PYTHON, ['manage.py', 'inspectdb'], { env: { PGOPTIONS: '-c search_path=public,sio' } }), /socket_io_attachments/);
  });

  it('tests run in a database from a template with the extension, and in no other', async () => {
    shop.write('orders/tests.py', `from django.db import connection
from django.test import TransactionTestCase


class Watches(TransactionTestCase):
    def test_watched(self):
        with connection.cursor() as cursor:
            cursor.execute('SELECT rooms FROM sio.sio_watches')
            self.assertEqual(cursor.fetchall(), [(['customer:$customer_id'],)])
`);
    await shop.admin.query('ALTER ROLE owner CREATEDB');
    await assert.rejects(manage('test'), /shop_template/);
    await postgres.createDatabase('shop_template');
    const admin = await postgres.connect({ database: 'shop_template' });
    await admin.query(`${administration()} ALTER DATABASE shop_template IS_TEMPLATE true`);
    await admin.end();
    assert.match(await manage('test'), /Ran 1 test .*\s+OK/);
    shop.write('shop/settings.py', `${shop.read('shop/settings.py')}\nDATABASES['default']['TEST'] = {}\n`);
    await assert.rejects(manage('test'), /schema "sio" does not exist/);
  });

  it('a renamed field is followed', async () => {
    save(shop, model.replace('customer_id', 'client_id'));
    await shop.run(PYTHON, ['manage.py', 'makemigrations', 'orders', '--name', 'renamed'], { answers: [[/Was order\.customer_id renamed/, 'y\r']] });
    await shell(shop, migrate);
    assert.deepEqual(await watchesOf(shop), [['orders_order', ['customer:$client_id']]]);
  });

  it('a removed field takes its watch along, unless the watch no longer names it', async () => {
    save(shop, model.replace(/^ +customer_id.*\n/m, ''));
    await manage('makemigrations', 'orders', '--name', 'removed');
    await shop.admin.query('DELETE FROM orders_order'); // or there is no way back
    assert.match(await manage('sqlmigrate', 'orders', '0004'), /DROP COLUMN "client_id" CASCADE/);
    await shell(shop, migrate);
    assert.deepEqual(await watchesOf(shop), []);
    await manage('migrate', 'orders', '0003');

    await shop.admin.query(`SELECT sio.sio_watch('orders_order', rooms => '{customer:$client_id}')`);
    const removed = 'orders/migrations/0004_removed.py';
    shop.write(removed, shop.read(removed).replace('operations = [', `operations = [\n        migrations.RunSQL("SELECT sio.sio_watch('orders_order', rooms => '{staff}')"),`));
    await shell(shop, migrate);
    assert.deepEqual(await watchesOf(shop), [['orders_order', ['staff']]]);
  });

  it('no block is left', () => page.assertAllTaken());
});
