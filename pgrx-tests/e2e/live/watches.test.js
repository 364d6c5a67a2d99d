// The view sio_watches, and watches through the life of the extension: dump, restore, DROP EXTENSION.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive, watched } from '../../harness/live.js';
import { listen } from '../../harness/listener.js';
import { refused } from '../../harness/refusals.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, "Odd, ""col" text, status text DEFAULT 'new');`;
const DEFAULTS = {
  name: 'sio_watch', level: 'row', ops: ['insert', 'update', 'delete'], ns: '/', rooms: [], event: '$table:$op', payload: 'row',
  old: 'key', columns: null, except_columns: null, left_event: null, batch: 500, enabled: true,
  meta: true, everyone: true, filter: null, changed: null, keys: 'column', bigints: 'number', problem: null,
};

/** Calls of sio_watch, and how their rows in the view differ from the defaults. */
const CALLS = [
  ['', {}],
  [`'{customer:$customer_id,"a \\"b\\", c"}', event => 'x=$op', ns => '/shop'`,
    { rooms: ['customer:$customer_id', 'a "b", c'], everyone: false, event: 'x=$op', ns: '/shop' }],
  [`payload => 'key', level => 'statement', batch => 7`, { payload: 'key', level: 'statement', batch: 7 }],
  [`meta => false`, { meta: false }],
  [`filter => $$ customer_id>1 $$, changed => '{status,"Odd, \\"col"}', keys => 'camel', bigints => 'text'`,
    { filter: '(customer_id > 1)', changed: ['status', 'Odd, "col'], keys: 'camel', bigints: 'text' }],
  [`payload => 'change', old => 'full', ops => '{update}'`, { payload: 'change', old: 'full', ops: ['update'] }],
  [`columns => '{"Odd, \\"col",id}', ops => '{truncate,insert}'`, { columns: ['Odd, "col', 'id'], ops: ['insert', 'truncate'] }],
  [`except_columns => '{"Odd, \\"col"}', rooms => '{$customer_id}', left_event => 'left = $$'`,
    { except_columns: ['Odd, "col'], rooms: ['$customer_id'], everyone: false, left_event: 'left = $$' }],
  [`level => 'statement', ops => '{delete,truncate}', rooms => '{a,b,a}'`,
    { level: 'statement', ops: ['delete', 'truncate'], rooms: ['a', 'b'], everyone: false }],
];

describe('sio_watches', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-watches', clients: { staff: ['staff'] } });
    await live.admin.query('GRANT SELECT ON sio_watches TO app');
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const watches = async (where = '') =>
    (await live.app.query(`SELECT *, table_name::text AS table_name FROM sio_watches ${where} ORDER BY name`)).rows;

  const definitions = async () =>
    (await live.app.query(`SELECT tgrelid::regclass, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgname <> 'ignore_copies' ORDER BY 1, tgname`)).rows;

  it('shows what was written by hand, however it was', async () => {
    const args = ['watch=x', 'batch=many', 'columns=id, "Odd, ""col" ,STATUS'];
    await live.app.query(`${ORDERS} ${rowTrigger('orders', 'INSERT', args)}`);
    const { rows } = await live.admin.query(`SELECT name, batch, columns FROM sio_watches`);
    assert.deepEqual(rows, [{ name: 'x', batch: null, columns: ['id', 'Odd, "col', 'status'] }]);
  });

  it('leaves out at once what nobody could follow, however long it is', async () => {
    for (const session of [live.app, live.admin]) await session.query(`SET statement_timeout = '5s'`);
    for (const bytes of [`decode(repeat('00', 40000000), 'hex')`, `decode(repeat('6100', 20000000), 'hex')`, `convert_to(repeat('x', 40000000), 'UTF8')`,
      `convert_to('watch=a', 'UTF8') || '\\x00' || convert_to('room=' || repeat(',', 5000000), 'UTF8') || '\\x00'`]) {
      const { rows } = await live.admin.query(`SELECT name FROM _sio.declaration(${bytes})`);
      assert.deepEqual(rows, [{ name: null }], bytes);
    }
    // As long as arguments may be, and the worst of what they may be.
    for (const bytes of [`decode(repeat('00', 262144), 'hex')`, `convert_to('room=' || repeat(',', 262000), 'UTF8')`,
      `convert_to('columns=' || repeat('"', 262000), 'UTF8')`, `decode(repeat('ff00', 131072), 'hex')`]) {
      assert.equal((await live.admin.query(`SELECT * FROM _sio.declaration(${bytes})`)).rowCount, 1, bytes);
    }

    await live.app.query(`${ORDERS} SELECT sio_watch('orders', everyone => true)`);
    const long = Array.from({ length: 30_000 }, (_, i) => `${'x'.repeat(100)}${i}`);
    for (const [name, args] of Object.entries({
      many: long, wide: [`room=${'x'.repeat(3_000_000)}`], empty: Array(32_000).fill(''), named: ['watch=named', `columns=${long.join(',')}`],
    })) {
      await live.app.query(`CREATE TABLE by_hand_${name} (id int); ${rowTrigger(`by_hand_${name}`, 'INSERT', args)}`);
    }
    assert.deepEqual((await watches()).map(({ name }) => name), ['sio_watch']);
  });

  it('shows each watch with its parameters', async () => {
    await live.app.query(`${ORDERS} ${CALLS.map(([parameters], i) => `SELECT sio_watch('orders', name => 'w${i}'${watched(parameters.startsWith(`'`) ? `rooms => ${parameters}` : parameters)})`).join(';')}`);
    assert.deepEqual(await watches(), CALLS.map(([, changes], i) => ({ table_name: 'orders', ...DEFAULTS, name: `w${i}`, ...changes })));
  });

  it('has its columns in the contract\'s order, and types', async () => {
    const { rows } = await live.app.query(`SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
      WHERE attrelid = 'sio_watches'::regclass AND attnum > 0 ORDER BY attnum`);
    assert.deepEqual(rows.map(({ name, type }) => `${name} ${type}`), [
      'table_name regclass', 'name text', 'level text', 'ops text[]', 'ns text', 'rooms text[]', 'event text', 'payload text', 'old text',
      'columns text[]', 'except_columns text[]', 'left_event text', 'batch integer', 'enabled boolean', 'meta boolean',
      'everyone boolean', 'filter text', 'changed text[]', 'keys text', 'bigints text', 'problem text',
    ]);
  });

  it('gives rows that make the same watches when handed to sio_watch', async () => {
    await live.app.query(ORDERS);
    for (const [parameters] of CALLS) {
      await live.app.query(`SELECT sio_watch('orders'${watched(parameters)})`);
      const [start, rows] = [await definitions(), await watches()];
      const again = `SELECT sio_watch(table_name, rooms, event, ns, payload, columns, except_columns, left_event, level, ops, name, old, batch,
                         meta, everyone, filter, changed, keys, bigints)
                       FROM sio_watches`;
      await live.app.query(again);
      assert.deepEqual([await definitions(), await watches()], [start, rows], parameters);
      await live.app.query(`CREATE TABLE saved AS SELECT * FROM sio_watches; SELECT sio_unwatch('orders')`);
      assert.deepEqual(await definitions(), []);
      await live.app.query(again.replace('sio_watches', 'saved'));
      assert.deepEqual([await definitions(), await watches()], [start, rows], parameters);
      await live.app.query(`DROP TABLE saved; SELECT sio_unwatch('orders')`);
    }
  });

  it('shows neither triggers of others nor the clones on partitions', async () => {
    await live.app.query(`${ORDERS} ${rowTrigger('orders', 'INSERT', ['room=staff'])};
      CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE rest PARTITION OF parts DEFAULT; SELECT sio_watch('parts', everyone => true)`);
    assert.deepEqual((await watches()).map(({ table_name: table }) => table), ['parts']);
  });

  it('follows renaming, and tells whether the triggers are enabled', async () => {
    await live.app.query(`${ORDERS} SELECT sio_watch('orders', everyone => true, level => 'statement'); ALTER TABLE orders RENAME TO "New orders"`);
    const state = async () => (await watches()).map(({ table_name: table, enabled }) => [table, enabled]);
    assert.deepEqual(await state(), [['"New orders"', true]]);
    await live.app.query('ALTER TABLE "New orders" DISABLE TRIGGER USER');
    assert.deepEqual(await state(), [['"New orders"', false]]);
    await live.app.query('ALTER TABLE "New orders" ENABLE TRIGGER USER');
    assert.deepEqual(await state(), [['"New orders"', true]]);
  });

  it('isn\'t granted to PUBLIC', async () => {
    const { rows } = await live.admin.query(`SELECT has_table_privilege('socketio_servers', 'sio_watches', 'SELECT') AS granted`);
    assert.deepEqual(rows, [{ granted: false }]);
  });

  describe('are kept', () => {
    const options = (database) => ['--format=custom', `--file=${live.postgres.dataDir}/${database}.dump`, database];

    /** Two databases beside each other, the first with watched tables and rows; the second restored from a dump of the first. */
    async function dumpAndRestore(schema) {
      for (const each of ['dumped', 'restored']) await live.postgres.createDatabase(each);
      const first = await live.postgres.connect({ database: 'dumped' });
      await first.query(`CREATE SCHEMA IF NOT EXISTS ${schema}; CREATE EXTENSION socketio_emitter SCHEMA ${schema};
        SET search_path = public, ${schema}; ${ORDERS} SELECT sio_watch('orders', '{staff,"it''s: \\\\ $customer_id"}', left_event => 'left');
        CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE rest PARTITION OF parts DEFAULT;
        SELECT sio_watch('parts', '{staff}'); SELECT sio_watch('parts', '{staff}', level => 'statement', name => 'bulk', ops => '{insert,truncate}');
        INSERT INTO orders SELECT i, i FROM generate_series(1, 1000) i; INSERT INTO parts SELECT * FROM generate_series(1, 1000);
        ${rowTrigger('orders', 'INSERT', ['room=staff', 'event=by hand'], { name: 'by_hand' }).replace('public.', `${schema}.`)}`);
      const state = async (session) => (await session.query(`SELECT *, table_name::text FROM ${schema}.sio_watches ORDER BY 1, 2`)).rows;
      const expected = await state(first);
      await first.end();
      const listener = await listen(live.postgres, { database: 'restored' });
      const dump = await live.postgres.run('pg_dump', options('dumped'));
      assert.deepEqual([dump.code, dump.stderr], [0, '']);
      const restore = await live.postgres.run('pg_restore', ['--dbname=restored', '--exit-on-error', `${live.postgres.dataDir}/dumped.dump`]);
      assert.deepEqual([restore.code, restore.stderr], [0, '']);
      const copy = await live.postgres.connect({ database: 'restored' });
      return { copy, listener, expected, restored: await state(copy) };
    }

    for (const schema of ['public', '"Odd schema"']) {
      it(`by dump and restore, which emits nothing; the extension in ${schema}`, async () => {
        const { copy, listener, expected, restored } = await dumpAndRestore(schema);
        try {
          assert.equal(expected.length, 3);
          assert.deepEqual(restored, expected);
          assert.deepEqual(await listener.texts(), [], 'restoring 2,000 rows emitted nothing');
          await copy.query(`INSERT INTO orders VALUES (2000, 5); INSERT INTO parts VALUES (5000)`);
          const sent = (await listener.messages()).map(({ data }) => [data.packet.data[0], [...data.opts.rooms].sort()]);
          assert.deepEqual(sent.sort(), [
            ['by hand', ['staff']], ['orders:insert', [`it's: \\ 5`, 'staff']], ['parts:insert', ['staff']], ['parts:insert', ['staff']],
          ]);
        } finally {
          await listener.close();
          await copy.end();
          for (const each of ['dumped', 'restored']) await live.postgres.dropDatabase(each);
        }
      });
    }

    it('from DROP EXTENSION, unless it is told CASCADE, and then only triggers are lost', async () => {
      await live.postgres.createDatabase('leaving');
      const session = await live.postgres.connect({ database: 'leaving' });
      await session.query(`CREATE EXTENSION socketio_emitter; ${ORDERS} SELECT sio_watch('orders', everyone => true); INSERT INTO orders VALUES (1)`);
      await refused(session, 'DROP EXTENSION socketio_emitter', '2BP01', { says: 'socketio_emitter' });
      await session.query('INSERT INTO orders VALUES (2); DROP EXTENSION socketio_emitter CASCADE; INSERT INTO orders VALUES (3)');
      const { rows } = await session.query('SELECT id FROM orders ORDER BY 1');
      assert.deepEqual(rows.map(({ id }) => id), [1, 2, 3]);
      assert.equal((await session.query(`SELECT FROM pg_trigger WHERE NOT tgisinternal AND tgname <> 'ignore_copies'`)).rowCount, 0);
      await session.query(`CREATE EXTENSION socketio_emitter; SELECT sio_watch('orders', '{staff}'); INSERT INTO orders VALUES (4)`);
      await session.query(`SELECT sio_unwatch('orders'); DROP EXTENSION socketio_emitter`);
      await session.end();
      await live.postgres.dropDatabase('leaving');
    });
  });
});
