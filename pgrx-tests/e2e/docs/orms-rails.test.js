// docs/orms.md, Rails: Active Record's migrations, its two kinds of schema files, and its transaction.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { lacksGems, RUBY } from '../../harness/features.js';
import { administration, assertTried, openShop, PAGE, save, shell, startShop, watchesOf } from '../../harness/orms.js';
import { openPage } from '../../harness/page.js';
import { PG_BIN } from '../../harness/setup.js';

const TRIED = ['6.1.7', '7.2.2']; // of Debian 12 and 13
const WATCHED = [['orders', ['customer:$customer_id']]];

/** `bin/rails db:…` without the rest of Rails: the same tasks, and `config`, whose settings Rails hands on to Active Record. */
const RAKEFILE = `
require 'active_record'
config = Struct.new(:active_record).new(ActiveRecord::VERSION::MAJOR < 7 ? ActiveRecord::Base : ActiveRecord)
eval File.read('config/application.rb') unless ENV['UNCONFIGURED']
load 'config/initializers/structure.rb'

include ActiveRecord::Tasks
DatabaseTasks.root = Dir.pwd
DatabaseTasks.env = 'production'
DatabaseTasks.db_dir = 'db'
DatabaseTasks.migrations_paths = ActiveRecord::Migrator.migrations_paths = ['db/migrate']
configurations = { 'production' => { 'url' => ENV['DATABASE_URL'], 'template' => ENV['TEMPLATE'] } }
ActiveRecord::Base.configurations = DatabaseTasks.database_configuration = configurations
task(:environment) { ActiveRecord::Base.establish_connection(:production) }
load 'active_record/railties/databases.rake'
`;

const PREPARE = `
require 'active_record'
ActiveRecord::Base.establish_connection(ENV['DATABASE_URL'])
class Order < ActiveRecord::Base; end
`;

const skip = lacksGems('activerecord', 'pg');
const version = skip ? '' : execFileSync(RUBY, ['-e', `require 'active_record/version'; print ActiveRecord.version`], { encoding: 'utf8' });
const untried = !TRIED.some((tried) => version.startsWith(`${tried}.`)) && `this machine has Active Record ${version}`;

describe('docs/orms.md, Rails:', () => {
  const page = openPage(PAGE, { section: 'Rails' });
  let postgres, shop, migrate;

  before(async () => {
    postgres = await startShop('rails');
    shop = await openShop(postgres);
    shop.write('Rakefile', RAKEFILE);
  });

  after(async () => {
    await shop?.close();
    await postgres?.stop();
  });

  const env = { PATH: `${PG_BIN}:${process.env.PATH}` }; // for pg_dump and psql
  const rails = (task, options) => shell(shop, `bin/rails ${task}`, { ...options, env: { ...env, ...options?.env } });
  const ruby = (code) => shop.run(RUBY, ['-e', `${PREPARE}${code}`]);
  const migration = (number, name, change) => shop.write(`db/migrate/${number}_${name.toLowerCase()}.rb`,
    `class ${name} < ActiveRecord::Migration[6.1]\n  def change\n    ${change}\n  end\nend\n`);

  it('it is a version that the page names', { skip: skip || untried }, () => assertTried(page, 'Rails', TRIED.join(', ')));

  it('a migration has the table and the watch, there and back', { skip }, async () => {
    for (const words of ['schema_format', 'structure_dump_flags']) save(shop, page.next('ruby', words));
    save(shop, page.next('ruby', 'create_table'));
    migrate = page.next('sh', 'db:migrate');
    await shell(shop, migrate, { env });
    assert.deepEqual(await watchesOf(shop), WATCHED);
    await rails('db:rollback');
    assert.deepEqual(await watchesOf(shop), []);
    await shell(shop, migrate, { env });
    assert.deepEqual(await shop.events('customer:1', 'INSERT INTO orders (customer_id) VALUES (1), (2)'),
      [['order:insert', { id: 1, customer_id: 1, note: null }]]);
    await shop.assertUntouched();
  });

  it('an emit is part of its transaction, and an empty list of rooms is an error', { skip }, async () => {
    const code = page.next('ruby', 'Order.transaction');
    assert.deepEqual(await shop.events('customer:1', () => ruby(code)),
      [['order:insert', { id: 3, customer_id: 1, note: null }], ['thanks', { order: 3 }]]);
    const failing = code.replace(/end\n$/, `raise 'undone'\nend\n`);
    assert.deepEqual(await shop.events('customer:1', () => assert.rejects(ruby(failing), /undone/)), []);
    await assert.rejects(ruby(code.replace(`['customer:1']`, '[]')), /parameter "rooms" must not contain nulls/);
  });

  it('structure.sql has the watch, and an owner loads it into a database from a template', { skip }, async () => {
    const structure = shop.read('db/structure.sql');
    assert.match(structure, /CREATE TRIGGER sio_watch/);
    assert.doesNotMatch(structure, /CREATE (SCHEMA|EXTENSION)/);
    await shop.admin.query('ALTER ROLE owner CREATEDB');
    await postgres.createDatabase('shop_template');
    const admin = await postgres.connect({ database: 'shop_template' });
    await admin.query(`${administration()} ALTER DATABASE shop_template IS_TEMPLATE true`);
    await admin.end();
    const url = shop.url.replace(/shop$/, 'shop_test');
    await rails('db:create', { url, env: { TEMPLATE: 'shop_template' } });
    await rails('db:schema:load', { url });
    const loaded = await postgres.connect({ database: 'shop_test' });
    assert.deepEqual((await loaded.query('SELECT table_name::text, rooms FROM sio.sio_watches')).rows, [{ table_name: 'orders', rooms: WATCHED[0][1] }]);
    await loaded.end();
  });

  it('schema.rb has no watch, and takes every table on the search path', { skip }, async () => {
    await rails('db:schema:dump', { env: { UNCONFIGURED: '1' } });
    assert.match(shop.read('db/schema.rb'), /create_table "orders"/);
    assert.doesNotMatch(shop.read('db/schema.rb'), /sio_|trigger|create_table "socket_io/);
    await rails('db:schema:dump', { url: `${shop.url}?schema_search_path=public,sio`, env: { UNCONFIGURED: '1' } });
    assert.match(shop.read('db/schema.rb'), /create_table "socket_io_attachments"/);
  });

  it('what is renamed is followed, and a column that a watch names is not removed', { skip }, async () => {
    migration('20261128120001', 'Renamed', 'rename_column :orders, :customer_id, :client_id; rename_table :orders, :purchases');
    await shell(shop, migrate, { env });
    assert.deepEqual(await watchesOf(shop), [['purchases', ['customer:$client_id']]]);
    await rails('db:rollback');
    assert.deepEqual(await watchesOf(shop), WATCHED);
    migration('20261128120001', 'Renamed', 'remove_column :orders, :customer_id, :bigint');
    assert.match(await rails('db:migrate', { fails: true }), /cannot drop column "customer_id" .* because watch "sio_watch" depends on it/);
    assert.deepEqual(await watchesOf(shop), WATCHED);
  });

  it('no block is left', { skip }, () => page.assertAllTaken());
});
