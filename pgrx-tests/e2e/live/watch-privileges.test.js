// What sio_watch and sio_unwatch need of who calls them.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { OWNER_ROLE, startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE } from '../../harness/roles.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text DEFAULT 'new');`;

describe('sio_watch', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-watch-privileges', clients: { staff: ['staff'] } });
    await createRoles(live.admin, 'helper', 'nobody');
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  describe('needs', () => {
    it('the TRIGGER right on the table, and for what it drops, the table\'s ownership', async () => {
      await live.app.query(`${ORDERS} GRANT USAGE ON SCHEMA shop TO helper; GRANT INSERT ON orders TO helper`);
      await live.admin.query('GRANT EXECUTE ON FUNCTION sio_watch, sio_unwatch, sio_emit_changes TO helper');
      await live.as('helper', async (helper) => {
        await refused(helper, `SELECT sio_watch('shop.orders', everyone => true)`, '42501', { says: 'orders' });
        await live.app.query('GRANT TRIGGER ON orders TO helper');
        await helper.query(`SELECT sio_watch('shop.orders', '{staff}'); SELECT sio_watch('shop.orders', '{staff}', ops => '{insert,delete}')`);
        await helper.query('INSERT INTO shop.orders VALUES (1)');
        assert.deepEqual(Object.keys(await live.got()), ['staff']);
        await refused(helper, `SELECT sio_watch('shop.orders', '{staff}', level => 'statement')`, '42501');
        await refused(helper, `SELECT sio_unwatch('shop.orders')`, '42501');
        assert.deepEqual(await live.triggerNames(), ['sio_watch']);
      });
    });

    it('EXECUTE on itself, and on the trigger function', async () => {
      await live.app.query('GRANT ALL ON SCHEMA shop TO nobody');
      await live.as('nobody', async (nobody) => {
        await nobody.query('CREATE TABLE shop.mine (id int)');
        await refused(nobody, `SELECT sio_watch('shop.mine', everyone => true)`, '42501', { says: 'sio_watch' });
        await refused(nobody, `SELECT sio_unwatch('shop.mine')`, '42501', { says: 'sio_unwatch' });
        await refused(nobody, 'SELECT * FROM sio_watches', '42501', { says: 'sio_watches' });
        await live.admin.query('GRANT EXECUTE ON FUNCTION sio_watch TO nobody');
        await refused(nobody, `SELECT sio_watch('shop.mine', everyone => true)`, '42501', { says: 'sio_emit_changes' });
        assert.deepEqual(await live.triggerNames('mine'), []);
        await live.admin.query('REVOKE EXECUTE ON FUNCTION sio_watch FROM nobody');
      });
    });

    it('no search_path, nor is misled by one', async () => {
      await live.app.query(`${ORDERS} CREATE SCHEMA shop_fake; CREATE TABLE shop_fake.orders (id int);
        CREATE FUNCTION shop_fake.sio_emit_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fake'; END $$;
        CREATE FUNCTION shop_fake.quote_literal(text) RETURNS text LANGUAGE sql AS $$ SELECT 'fake' $$;
        CREATE FUNCTION shop_fake.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'fake' $$;
        CREATE FUNCTION shop_fake.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'fake' $$;
        CREATE FUNCTION shop_fake.equal(text, text) RETURNS bool LANGUAGE sql AS $$ SELECT true $$;
        CREATE OPERATOR shop_fake.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shop_fake.equal);
        CREATE VIEW shop_fake.pg_trigger AS SELECT 1 AS oid; CREATE VIEW shop_fake.pg_class AS SELECT 1 AS oid`);
      try {
        for (const path of ['shop_fake, pg_catalog, public', 'shop_fake', '']) {
          for (const level of ['row', 'statement']) {
            await live.app.query(`SELECT set_config('search_path', $1, false)`, [path]);
            await live.app.query(`SELECT public.sio_watch('shop.orders', '{staff}', level => '${level}', columns => '{id}');
                                  INSERT INTO shop.orders VALUES (1); DELETE FROM shop.orders`);
            const { rows } = await live.app.query('SELECT pg_catalog.current_setting(\'search_path\') AS path');
            assert.equal(rows[0].path, path, 'the path is as it was');
            await live.app.query('RESET ALL');
            assert.deepEqual(Object.keys(await live.got()), ['staff']);
            assert.deepEqual(await live.triggerNames('shop_fake.orders'), []);
          }
        }
      } finally {
        await live.app.query('RESET ALL; DROP SCHEMA shop_fake CASCADE');
      }
    });
  });

  it('leaves dropping to the owner', async () => {
    await live.app.query(`${ORDERS} SELECT sio_watch('orders', everyone => true)`);
    await live.admin.query('GRANT USAGE ON SCHEMA shop TO helper; GRANT EXECUTE ON FUNCTION sio_unwatch TO helper');
    await live.as('helper', (helper) => refused(helper, `SELECT sio_unwatch('shop.orders')`, '42501', { says: 'orders' }));
    assert.deepEqual(await live.triggerNames(), ['sio_watch']);
  });

  it('lets the owner alone remove a watch: sio_unwatch', async () => {
    await live.app.query(`${ORDERS} GRANT USAGE ON SCHEMA shop TO helper; GRANT ALL ON orders TO helper`);
    await live.admin.query('GRANT EXECUTE ON FUNCTION sio_unwatch TO helper');
    await live.watch();
    await live.as('helper', (helper) => refused(helper, `SELECT sio_unwatch('shop.orders')`, '42501', { says: 'orders' }));
    assert.equal(await live.unwatch(), 1);
  });

  it(`is called here as ${OWNER_ROLE}, who is no superuser`, async () => {
    const { rows } = await live.app.query('SELECT rolsuper FROM pg_roles WHERE rolname = current_user');
    assert.deepEqual([rows, OWNER_ROLE], [[{ rolsuper: false }], EMITTER_ROLE]);
  });
});
