// Watches under the migrations of Knex, Drizzle and Prisma: what the tools rename is followed, what they would break is refused.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Application } from '../../harness/application.js';
import { startPostgres } from '../../harness/postgres.js';
import { Prisma } from '../../harness/prisma.js';
import { createRoles, SERVERS_ROLE } from '../../harness/roles.js';

const WATCH = `SELECT sio.sio_watch('orders', rooms => '{customer:$customer_id}', event => 'order:$op', columns => '{id,customer_id}', meta => false)`;
const CHECK = 'SELECT sio.sio_check()';

describe('a watched table under migrations', () => {
  let postgres;

  before(async () => {
    postgres = await startPostgres({ name: 'migrated-watches' });
    const admin = await postgres.connect();
    await createRoles(admin, SERVERS_ROLE, 'owner');
  });

  after(() => postgres?.stop());

  async function withApplication(options, work) {
    const application = await Application.create(postgres, { database: 'app', schema: 'sio', ...options });
    try {
      await application.grantServers();
      await work(application);
      await application.assertUntouched();
    } finally {
      await application.close();
    }
  }

  let id = 0;
  const arrives = async (application, column, table = 'orders') => {
    id += 1;
    const sent = await application.events('customer:1', `INSERT INTO ${table} (id, ${column}) VALUES (${id}, 1)`);
    assert.deepEqual(sent, [['order:insert', { id, [column]: 1 }]]);
    await application.admin.query(CHECK);
  };

  it('of Knex: renames, adds, drops, other types, another name, another schema, and back', () => withApplication({ user: 'owner' }, async (application) => {
    application.write('knexfile.js', `export default { client: 'pg', connection: process.env.DATABASE_URL, migrations: { directory: './migrations' } };`);
    const migration = (number, up, down = '') => application.write(`migrations/${number}.js`, `
      export const up = async (knex) => { ${up}; await knex.raw('${CHECK}'); };
      export const down = async (knex) => { ${down} };`);
    const alter = (work, table = 'orders') => `await knex.schema.alterTable('${table}', (table) => { ${work} })`;
    const latest = (options) => application.run('knex', ['migrate:latest'], options);

    migration(1, `await knex.schema.createTable('orders', (table) => { table.integer('id').primary(); table.integer('customer_id'); table.text('note'); });
      await knex.raw(\`${WATCH}\`)`, `await knex.schema.dropTable('orders')`);
    await latest();
    await arrives(application, 'customer_id');
    migration(2, alter(`table.renameColumn('customer_id', 'client_id')`), alter(`table.renameColumn('client_id', 'customer_id')`));
    migration(3, alter(`table.dropColumn('note'); table.text('remark'); table.bigInteger('client_id').alter()`), alter(`table.text('note'); table.dropColumn('remark')`));
    await latest();
    await arrives(application, 'client_id');
    migration(4, alter(`table.dropColumn('client_id')`));
    assert.match(await latest({ fails: true }), /cannot drop column "client_id" of table "public.orders" because watch "sio_watch" depends on it/);
    await arrives(application, 'client_id');
    migration(4, `await knex.raw('ALTER TABLE orders ALTER client_id TYPE jsonb USING to_jsonb(client_id)')`);
    assert.match(await latest({ fails: true }), /cannot alter type of column "client_id" of table "public.orders" because watch "sio_watch" depends on it/);
    migration(4, `await knex.schema.renameTable('orders', 'purchases')`, `await knex.schema.renameTable('purchases', 'orders')`);
    migration(5, `await knex.raw('CREATE SCHEMA shop; ALTER TABLE purchases SET SCHEMA shop')`, `await knex.raw('ALTER TABLE shop.purchases SET SCHEMA public; DROP SCHEMA shop')`);
    await latest();
    await arrives(application, 'client_id', 'shop.purchases');
    await application.run('knex', ['migrate:rollback', '--all']);
    await latest();
    await arrives(application, 'client_id', 'shop.purchases');
  }));

  it('of Drizzle\'s push: renames, other types; what a watch needs is kept', () => withApplication({}, async (application) => {
    application.write('drizzle.config.ts', `import { defineConfig } from 'drizzle-kit';
      export default defineConfig({ dialect: 'postgresql', schema: './schema.ts', dbCredentials: { url: process.env.DATABASE_URL! } });`);
    const push = async (columns, options) => {
      application.write('schema.ts', `import { bigint, integer, pgTable, text } from 'drizzle-orm/pg-core';
        export const orders = pgTable('orders', { id: integer().primaryKey(), ${columns} });`);
      return application.run('drizzle-kit', ['push', '--verbose', '--force'], options);
    };
    await push('customer_id: integer()');
    await application.admin.query(`SET search_path = public, sio; ${WATCH}`);
    await push('client_id: integer()', { answers: [[/created or renamed from another column/, '\x1b[B\r']] });
    await arrives(application, 'client_id');
    await push(`client_id: bigint({ mode: 'number' }), note: text()`);
    await arrives(application, 'client_id');
    assert.match(await push('note: text()'), /cannot drop column "client_id"/);
    await arrives(application, 'client_id');
  }));

  it('of Prisma: a renamed column, one that is dropped in its place, and a reset', () => withApplication({}, async (application) => {
    const prisma = new Prisma(application, {});
    const model = (column) => prisma.model(`model orders {\n  id Int @id\n  ${column}\n}\n`);
    model('customer_id Int?');
    await prisma.develop('first');
    prisma.writeMigration('watch', `CREATE SCHEMA IF NOT EXISTS sio; CREATE EXTENSION IF NOT EXISTS socketio_emitter SCHEMA sio; ${WATCH};\n`);
    prisma.writeMigration('x_rename', `ALTER TABLE orders RENAME COLUMN customer_id TO client_id; ${CHECK};\n`);
    await prisma.deploy();
    await arrives(application, 'client_id');
    model('client_id BigInt?');
    assert.match(await prisma.develop('retype'), /ALTER COLUMN "client_id" SET DATA TYPE BIGINT/);
    await arrives(application, 'client_id');
    prisma.writeMigration('drop', 'ALTER TABLE orders DROP COLUMN client_id, ADD COLUMN buyer_id INTEGER;\n');
    assert.match(await prisma.deploy({ fails: true }), /cannot drop column .*client_id/);
    await arrives(application, 'client_id');
    rmSync(path.join(application.folder, 'prisma/migrations', prisma.migrations().at(-1)), { recursive: true });
    await application.run('prisma', ['migrate', 'reset', '--force', '--skip-generate', '--skip-seed']);
    await arrives(application, 'client_id');
  }));
});
