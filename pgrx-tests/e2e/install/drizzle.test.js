// Drizzle's migrations in a database with the extension: nothing of it is theirs to drop or to change.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Application } from '../../harness/application.js';
import { startPostgres } from '../../harness/postgres.js';
import { createRoles, SERVERS_ROLE } from '../../harness/roles.js';

const config = (filter) => `
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql', schema: './schema.ts', out: './drizzle', dbCredentials: { url: process.env.DATABASE_URL! },
  ${filter ? `tablesFilter: ${JSON.stringify(filter)},` : ''}
});
`;

const tables = ({ columns, more = '' }) => `
import { integer, pgSequence, pgTable, text } from 'drizzle-orm/pg-core';
export const orders = pgTable('orders', { id: integer().primaryKey(), ${columns} });
${more}`;
const NOTES = `export const notes = pgTable('notes', { id: integer().primaryKey(), text: text().notNull() });\n`;

// What docs/install.md tells Drizzle's users, by the extension's schema: `push` looks at tables, views and sequences of `public`.
const PLACES = {
  sio: { more: '' },
  public: { filter: ['!socket_io_attachments', '!sio_*'], more: `export const attachmentIds = pgSequence('socket_io_attachments_id_seq');\n` },
};

for (const [schema, { filter, more: always }] of Object.entries(PLACES)) {
  describe(`Drizzle, with the extension in ${schema},`, () => {
    let postgres;

    before(async () => {
      postgres = await startPostgres({ name: `drizzle-${schema}` });
      const admin = await postgres.connect();
      await createRoles(admin, SERVERS_ROLE, 'owner');
    });

    after(() => postgres?.stop());

    /** Does the work with an application in a database of its own. */
    async function withApplication({ user, told = true }, work) {
      const application = await Application.create(postgres, { database: 'app', schema, user });
      application.write('drizzle.config.ts', config(told && filter));
      try {
        await work(application);
      } finally {
        await application.close();
      }
    }

    const watch = (column) => `SELECT ${schema}.sio_watch('orders', rooms => '{customer:$${column}}', event => 'order:$op');`;
    const arrives = async (application, customer, column) => {
      const sent = await application.events(`customer:${customer}`, `INSERT INTO orders VALUES (${customer}, ${customer});
        SELECT ${schema}.sio_emit_binary('/', '{customer:${customer}}', 'binary', '\\x41')`);
      assert.deepEqual(sent, [['order:insert', { id: customer, [column]: customer }], ['binary', Buffer.from('A')]]);
    };

    it('`push` makes, alters, renames and drops the application\'s tables alone, under a watch', () => withApplication({}, async (application) => {
      /** Pushes the schema, twice: there is nothing to do any more. → what it executed the first time */
      async function push(schemaText, options) {
        application.write('schema.ts', schemaText);
        const said = await application.run('drizzle-kit', ['push', '--verbose', '--force'], options);
        assert.doesNotMatch(said, /sio_|socket_io/);
        assert.match(await application.run('drizzle-kit', ['push', '--verbose']), /No changes detected/);
        await application.assertUntouched();
        return said;
      }

      const first = tables({ columns: 'customer_id: integer().notNull()', more: always });
      assert.match(await push(first), /CREATE TABLE "orders"/);
      await application.admin.query(watch('customer_id'));
      await arrives(application, 1, 'customer_id');
      assert.match(await push(tables({ columns: 'customer_id: integer().notNull(), note: text()', more: `${always}${NOTES}` })), /ADD COLUMN "note"/);
      assert.match(await push(first), /DROP TABLE "notes"[^]*DROP COLUMN "note"/);
      const renamed = tables({ columns: 'client_id: integer().notNull()', more: always });
      const asked = await push(renamed, { answers: [[/created or renamed from another column/, '\x1b[B\r']] });
      assert.match(asked, /RENAME COLUMN "customer_id" TO "client_id"/);
      await application.admin.query(watch('client_id'));
      await arrives(application, 2, 'client_id');
    }));

    it('`generate` and `migrate`, by an owner who is no superuser, go on, with a watch in a migration', () => withApplication({ user: 'owner' }, async (application) => {
      async function migrate(name, { schemaText, sql, answers }) {
        if (schemaText) application.write('schema.ts', schemaText);
        await application.run('drizzle-kit', ['generate', '--name', name, ...(sql ? ['--custom'] : [])], { answers });
        const file = `drizzle/${application.list('drizzle').filter((each) => each.endsWith('.sql')).at(-1)}`;
        assert.match(file, new RegExp(`_${name}\\.sql$`));
        if (sql) application.write(file, sql);
        if (!sql) assert.doesNotMatch(application.read(file), /sio_|socket_io/);
        await application.run('drizzle-kit', ['migrate']);
        await application.assertUntouched();
      }

      const first = tables({ columns: 'customer_id: integer().notNull()' });
      await migrate('first', { schemaText: first });
      await migrate('watch', { sql: watch('customer_id') });
      await arrives(application, 1, 'customer_id');
      await migrate('add', { schemaText: tables({ columns: 'customer_id: integer().notNull(), note: text()', more: NOTES }) });
      await migrate('drop', { schemaText: first });
      assert.deepEqual(await application.columns(), ['orders.id', 'orders.customer_id']);
      await migrate('rename', {
        schemaText: tables({ columns: 'client_id: integer().notNull()' }), answers: [[/created or renamed from another column/, '\x1b[B\r']],
      });
      await migrate('watch_again', { sql: watch('client_id') });
      await arrives(application, 2, 'client_id');
      assert.match(await application.run('drizzle-kit', ['check']), /Everything's fine/);
    }));

    if (schema === 'public') {
      it('`push` wants to drop the extension\'s views and sequence unless told of them', () => withApplication({ told: false }, async (application) => {
        application.write('schema.ts', tables({ columns: 'customer_id: integer().notNull()' }));
        const asked = await application.run('drizzle-kit', ['push', '--verbose', '--force'], { answers: [[/Is orders table created or renamed/, '\r']] });
        assert.match(asked, /socket_io_attachments › orders/);
        application.write('drizzle.config.ts', config(['!socket_io_attachments']));
        const said = await application.run('drizzle-kit', ['push', '--verbose', '--force']); // which ends with 0, whatever happened
        assert.match(said, /DROP VIEW "public"."sio_watches"[^]*DROP SEQUENCE "public"."socket_io_attachments_id_seq"/);
        assert.match(said, /cannot drop view sio_watches because extension socketio_emitter requires it/);
        await application.assertUntouched();
      }));
    }
  });
}
