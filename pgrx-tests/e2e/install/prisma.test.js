// Prisma's migrations in a database with the extension: nothing of it is theirs to drop or to change.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Application, ownerGrants } from '../../harness/application.js';
import { startPostgres } from '../../harness/postgres.js';
import { Prisma } from '../../harness/prisma.js';
import { createRoles, SERVERS_ROLE } from '../../harness/roles.js';

const ORDERS = (...columns) => `model orders {\n  id Int @id\n  ${columns.join('\n  ')}\n}\n`;
const NOTES = 'model notes {\n  id Int @id\n  text String\n}\n';

// What docs/install.md tells Prisma's users, by the extension's schema.
const PLACES = {
  sio: {},
  public: { external: ['public.socket_io_attachments'] },
};

for (const [schema, told] of Object.entries(PLACES)) {
  describe(`Prisma, with the extension in ${schema},`, () => {
    let postgres, application, prisma;

    before(async () => {
      postgres = await startPostgres({ name: `prisma-${schema}` });
      const admin = await postgres.connect();
      await createRoles(admin, SERVERS_ROLE, 'owner');
      application = await Application.create(postgres, { database: 'app', schema });
      prisma = new Prisma(application, told);
    });

    after(async () => {
      await application?.close();
      await postgres?.stop();
    });

    const watch = `SELECT ${schema}.sio_watch('orders', rooms => '{customer:$customer_id}', event => 'order:$op');`;
    const extension = `${schema === 'public' ? '' : `CREATE SCHEMA IF NOT EXISTS ${schema};\n`}CREATE EXTENSION IF NOT EXISTS socketio_emitter SCHEMA ${schema};\n`;

    const settled = async () => {
      assert.equal(await prisma.inSync(), true);
      await application.assertUntouched();
    };

    it('`migrate dev` makes the application\'s tables, and sees no drift', async () => {
      prisma.model(ORDERS('customer_id Int'));
      const sql = await prisma.develop('first');
      assert.match(sql, /CREATE TABLE "orders"/);
      assert.doesNotMatch(sql, /sio|socket/);
      await settled();
    });

    it('a migration makes a watch, and its events arrive', async () => {
      prisma.writeMigration('watch', `${extension}${watch}\n`);
      await prisma.deploy();
      await settled();
      const sent = await application.events('customer:1', `INSERT INTO orders VALUES (1, 1), (2, 2);
        SELECT ${schema}.sio_emit_binary('/', '{customer:1}', 'binary', '\\x41')`);
      assert.deepEqual(sent, [['order:insert', { id: 1, customer_id: 1 }], ['binary', Buffer.from('A')]]);
    });

    it('`migrate dev` adds and drops columns and tables', async () => {
      prisma.model(ORDERS('customer_id Int', 'note String?') + NOTES);
      assert.match(await prisma.develop('add'), /ADD COLUMN +"note"[^]*CREATE TABLE "notes"/);
      await settled();
      assert.deepEqual(await application.columns(), ['notes.id', 'notes.text', 'orders.id', 'orders.customer_id', 'orders.note']);
      await application.admin.query(`UPDATE orders SET note = 'lost'`);
      prisma.model(ORDERS('customer_id Int'));
      const sql = await prisma.develop('drop', { answers: [[/Are you sure you want to create and apply this migration/, 'y\r']] });
      assert.match(sql, /DROP COLUMN "note"[^]*DROP TABLE "notes"/);
      assert.doesNotMatch(sql, /sio|socket/);
      await settled();
      assert.deepEqual(await application.columns(), ['orders.id', 'orders.customer_id']);
    });

    it('a renamed column that a watch names is watched anew in the same migration', async () => {
      prisma.model(ORDERS('client_id Int'));
      prisma.writeMigration('rename', `ALTER TABLE orders RENAME COLUMN customer_id TO client_id;\n${watch.replace('$customer_id', '$client_id')}\n`);
      await prisma.deploy();
      await settled();
      const sent = await application.events('customer:3', 'INSERT INTO orders VALUES (3, 3)');
      assert.deepEqual(sent, [['order:insert', { id: 3, client_id: 3 }]]);
    });

    it('`migrate deploy` by an owner who is no superuser, where an administrator has made the extension', async () => {
      const production = await Application.create(postgres, { database: 'production', schema, user: 'owner' });
      await prisma.deploy({ url: production.url });
      await production.assertUntouched();
      assert.match(await application.run('prisma', ['migrate', 'status'], { url: production.url }), /up to date/);
      assert.deepEqual(await production.events('customer:1', 'INSERT INTO orders VALUES (1, 1)'), [['order:insert', { id: 1, client_id: 1 }]]);
      await production.close();
    });

    it('`migrate dev` by an owner who is no superuser, whose shadow database has the extension from template1', async () => {
      const template = await postgres.connect({ database: 'template1' });
      await template.query(`${extension} ${ownerGrants(schema, 'owner')}; ALTER ROLE owner CREATEDB`);
      await template.end();
      const owned = await Application.create(postgres, { database: 'owned', schema, user: 'owner' });
      await prisma.deploy({ url: owned.url });
      assert.equal(await prisma.inSync({ url: owned.url }), true);
      await owned.assertUntouched();
      await owned.close();
      const again = await postgres.connect({ database: 'template1' });
      await again.query(`DROP EXTENSION socketio_emitter${schema === 'public' ? '' : `; DROP SCHEMA ${schema}`}`);
      await again.end();
    });

    it('`db push` changes the application\'s tables alone', async () => {
      const prototype = await Application.create(postgres, { database: 'prototype', schema });
      for (const models of [ORDERS('a Int') + NOTES, ORDERS('a Int', 'b Int?'), ORDERS('b Int?')]) {
        prisma.model(models);
        await application.run('prisma', ['db', 'push', '--skip-generate', '--accept-data-loss'], { url: prototype.url });
        await prototype.assertUntouched();
      }
      assert.deepEqual(await prototype.columns(), ['orders.id', 'orders.b']);
      prisma.model(ORDERS('client_id Int'));
      await prototype.close();
    });

    it(`\`migrate reset\` ${schema === 'public' ? 'drops the extension with its schema, and the migrations make it' : 'leaves the extension alone'}`, async () => {
      const oid = async () => (await application.admin.query(`SELECT oid FROM pg_extension WHERE extname = 'socketio_emitter'`)).rows[0].oid;
      const first = await oid();
      await application.run('prisma', ['migrate', 'reset', '--force', '--skip-generate']);
      if (schema === 'public') {
        assert.notEqual(await oid(), first);
        await application.grantServers(); // USAGE on the schema, too: PUBLIC has none on the new one
      }
      await settled();
      assert.deepEqual(await application.events('customer:4', 'INSERT INTO orders VALUES (4, 4)'), [['order:insert', { id: 4, client_id: 4 }]]);
    });

    if (schema === 'public') {
      it('wants to drop the servers\' table unless told that it is external', async () => {
        const untold = await Application.create(postgres, { database: 'untold', schema });
        const naive = new Prisma(untold);
        naive.model(ORDERS('customer_id Int'));
        const dev = await untold.run('prisma', ['migrate', 'dev', '--skip-generate'], { fails: true });
        assert.match(dev, /Drift detected[^]*- socket_io_attachments/);
        const push = await untold.run('prisma', ['db', 'push', '--skip-generate'], { fails: true });
        assert.match(push, /cannot drop table socket_io_attachments because extension socketio_emitter requires it/);
        naive.writeMigration('first', 'CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL);');
        assert.match(await naive.deploy({ fails: true }), /P3005/);
        await untold.assertUntouched();
        await untold.close();
      });
    }
  });
}
