// Knex's migrations in a database with the extension. Knex doesn't look at what is in the database, so there is nothing to tell it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Application } from '../../harness/application.js';
import { startPostgres } from '../../harness/postgres.js';
import { createRoles, SERVERS_ROLE } from '../../harness/roles.js';

const KNEXFILE = `export default { client: 'pg', connection: process.env.DATABASE_URL, migrations: { directory: './migrations' } };`;

for (const schema of ['sio', 'public']) {
  describe(`Knex, with the extension in ${schema},`, () => {
    let postgres, application;

    before(async () => {
      postgres = await startPostgres({ name: `knex-${schema}` });
      const admin = await postgres.connect();
      await createRoles(admin, SERVERS_ROLE, 'owner');
      application = await Application.create(postgres, { database: 'app', schema, user: 'owner' });
      application.write('knexfile.js', KNEXFILE);
    });

    after(async () => {
      await application?.close();
      await postgres?.stop();
    });

    const migration = (number, up, down) => application.write(`migrations/${number}.js`, `
      export const up = async (knex) => { ${up} };
      export const down = async (knex) => { ${down} };`);
    const watch = (column) => `await knex.raw(\`SELECT ${schema}.sio_watch('orders', rooms => '{customer:$${column}}', event => 'order:$op')\`);`;

    async function knex(...args) {
      await application.run('knex', args);
      await application.assertUntouched();
    }

    it('an owner who is no superuser migrates, and a watch goes along', async () => {
      migration(1, `await knex.schema.createTable('orders', (table) => { table.integer('id').primary(); table.integer('customer_id'); }); ${watch('customer_id')}`,
        `await knex.schema.dropTable('orders');`);
      await knex('migrate:latest');
      assert.deepEqual(await application.events('customer:1', `INSERT INTO orders VALUES (1, 1);
        SELECT ${schema}.sio_emit_binary('/', '{customer:1}', 'binary', '\\x41')`),
      [['order:insert', { id: 1, customer_id: 1 }], ['binary', Buffer.from('A')]]);

      migration(2, `await knex.schema.alterTable('orders', (table) => table.text('note')); await knex.schema.createTable('notes', (table) => table.increments());`,
        `await knex.schema.alterTable('orders', (table) => table.dropColumn('note')); await knex.schema.dropTable('notes');`);
      await knex('migrate:latest');
      assert.deepEqual(await application.columns(), ['notes.id', 'orders.id', 'orders.customer_id', 'orders.note']);
      await knex('migrate:rollback');
      assert.deepEqual(await application.columns(), ['orders.id', 'orders.customer_id']);

      migration(2, `await knex.schema.alterTable('orders', (table) => table.renameColumn('customer_id', 'client_id')); ${watch('client_id')}`,
        `await knex.schema.alterTable('orders', (table) => table.renameColumn('client_id', 'customer_id')); ${watch('customer_id')}`);
      await knex('migrate:latest');
      assert.deepEqual(await application.events('customer:2', 'INSERT INTO orders VALUES (2, 2)'), [['order:insert', { id: 2, client_id: 2 }]]);
    });

    it('a rollback of everything and a new start leave the extension alone', async () => {
      await knex('migrate:rollback', '--all');
      assert.deepEqual(await application.columns(), []);
      await knex('migrate:latest');
      assert.deepEqual(await application.events('customer:3', 'INSERT INTO orders VALUES (3, 3)'), [['order:insert', { id: 3, client_id: 3 }]]);
    });
  });
}
