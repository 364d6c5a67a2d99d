// What filters, arrays and functions of a row refer to, when the schema moves.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { rowTrigger, startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

const ORDERS = `CREATE TYPE mood AS ENUM ('sad', 'glad');
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text, members text[], mood mood, notes text)`;

describe('what a watch computes', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-expressions-altered', clients: { one: ['customer:1'], staff: ['staff'] } });
    await live.admin.query('GRANT SELECT ON sio_watches TO app');
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const works = (sql) => live.app.query(sql);
  const watch = (parameters) => live.watch(`${parameters}, columns => '{id}', event => '$op', meta => false`);
  const shown = async () => (await live.app.query('SELECT filter, rooms, changed, columns, problem FROM sio_watches')).rows[0];
  const ids = async (sql, client = 'staff') => {
    await works(sql);
    return ((await live.got())[client] ?? []).map(([event, { id }]) => [event, id]);
  };

  it('follows a column\'s name in its filter, and nothing else there', async () => {
    await works(`${ORDERS}; CREATE FUNCTION status(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'`);
    await watch(`rooms => '{staff}', filter => $$ status(status) = 'status' AND notes IS NULL OR mood = 'glad' $$`);
    await works('ALTER TABLE orders RENAME status TO "State Of"; ALTER TABLE orders RENAME mood TO status');
    const { filter, problem } = await shown();
    assert.equal(filter, `(((shop.status("State Of") = 'status'::text) AND (notes IS NULL)) OR (status = 'glad'::shop.mood))`);
    assert.equal(problem, null);
    assert.deepEqual(await ids(`INSERT INTO orders (id, "State Of", status) VALUES (1, 'status', 'sad'), (2, 'x', 'sad'), (3, NULL, 'glad')`), [['insert', 1], ['insert', 3]]);
  });

  it('follows it in a partition, whose columns lie in another order, and in a filter written by hand', async () => {
    await works(`CREATE TABLE parts (a int, b int) PARTITION BY LIST (a); CREATE TABLE p (b int, x int, a int); ALTER TABLE p DROP x;
      ALTER TABLE parts ATTACH PARTITION p FOR VALUES IN (1); CREATE TABLE orders (id int, status int);
      ${rowTrigger('orders', 'INSERT', ['room=staff', 'filter=new.status>1 and orders.status < 9'])}`);
    await live.watch(`'{staff}', filter => 'b > 1', event => '$op', meta => false`, 'parts');
    await works('ALTER TABLE parts RENAME b TO c; ALTER TABLE orders RENAME status TO state');
    await works('INSERT INTO parts VALUES (1, 1), (1, 2); INSERT INTO orders VALUES (1, 1), (2, 2)');
    assert.deepEqual((await live.got()).staff, [['insert', { a: 1, c: 2 }], ['orders:insert', { id: 2, state: 2 }]]);
    await live.app.query('SELECT sio_check()');
  });

  it('follows it in the elements of an array, in changed, and beside functions', async () => {
    await works(`${ORDERS}; CREATE FUNCTION members(orders) RETURNS text[] LANGUAGE sql AS $$ SELECT ARRAY['staff'] $$`);
    await live.watch(`rooms => ARRAY['user:\${members[]}', '\${members()}'], changed => '{status,members}', columns => '{id,members}'`);
    await works('ALTER TABLE orders RENAME members TO "Who"; ALTER TABLE orders RENAME status TO op');
    const { rooms, changed, columns, problem } = await shown();
    assert.deepEqual([rooms, changed, columns, problem], [['user:${Who[]}', '${shop.members()}'], ['op', 'Who'], ['id', 'Who'], null]);
  });

  for (const [what, parameters, sql, says] of [
    ['a filter\'s column', `'{staff}', filter => 'notes IS NULL'`, 'DROP notes', /column "notes"/],
    ['a column of changed', `'{staff}', changed => '{notes}'`, 'DROP notes', /column "notes"/],
    ['an array whose elements are rooms', `ARRAY['\${members[]}']`, 'DROP members', /column "members"/],
  ]) {
    it(`isn't dropped without CASCADE: ${what}`, async () => {
      await works(ORDERS);
      await watch(`rooms => ${parameters}`);
      await refused(live.app, `ALTER TABLE orders ${sql}`, '2BP01', { says });
      await works(`INSERT INTO orders VALUES (1); ALTER TABLE orders ${sql} CASCADE`);
      assert.deepEqual(await live.triggerNames(), []);
    });
  }

  it('lets a column be dropped whose name is only in a text', async () => {
    await works(ORDERS);
    await watch(`rooms => '{staff}', filter => $$ status = 'notes' $$`);
    await works('ALTER TABLE orders DROP notes');
    assert.deepEqual(await ids(`INSERT INTO orders (id, status) VALUES (1, 'notes'), (2, 'x')`), [['insert', 1]]);
  });

  for (const [what, parameters, fine, refusedType, says] of [
    ['a room\'s column', `'{customer:$customer_id}'`, 'customer_id TYPE bigint', 'customer_id TYPE jsonb USING to_jsonb(customer_id)', /"customer_id".*JSON document/],
    ['a room\'s column, which becomes an array', `'{customer:$customer_id}'`, 'customer_id TYPE text', 'customer_id TYPE text[] USING ARRAY[customer_id::text]', /array/],
    ['elements', `ARRAY['\${members[]}']`, 'members TYPE varchar[]', 'members TYPE text USING members::text', /not an array/],
    ['a filter\'s column', `'{staff}', filter => 'customer_id > 1'`, 'customer_id TYPE bigint', 'customer_id TYPE boolean USING true', /operator does not exist/],
  ]) {
    it(`gets other types as long as it can go on: ${what}`, async () => {
      await works(ORDERS);
      await watch(`rooms => ${parameters}`);
      await works(`ALTER TABLE orders ALTER ${fine}; INSERT INTO orders VALUES (1)`);
      await refused(live.app, `ALTER TABLE orders ALTER ${refusedType}`, '2BP01', { says: [/^cannot alter type of column/, says], hint: /sio_unwatch/ });
      await works('INSERT INTO orders VALUES (2)');
    });
  }

  it('follows the names of functions, types, enum values and schemas', async () => {
    await works(`${ORDERS}; CREATE FUNCTION room_of(orders) RETURNS text LANGUAGE sql AS $$ SELECT 'staff' $$; CREATE FUNCTION room_of(int) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
      CREATE FUNCTION seen(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1 = 'room_of' $$; CREATE DOMAIN short AS text; CREATE SCHEMA lib;
      GRANT USAGE ON SCHEMA lib TO PUBLIC`);
    await watch(`rooms => ARRAY['\${room_of()}'], filter => $$ seen(status::short) AND status <> 'glad' AND mood = 'glad' $$`);
    let id = 0;
    for (const sql of [
      'ALTER FUNCTION room_of(orders) RENAME TO "Room"', 'ALTER FUNCTION "Room"(orders) SET SCHEMA lib', 'ALTER ROUTINE seen(text) RENAME TO "select"', 'ALTER FUNCTION "select" SET SCHEMA lib',
      'ALTER DOMAIN short RENAME TO brief', 'ALTER DOMAIN brief SET SCHEMA lib', 'ALTER TYPE lib.brief RENAME TO "Brief"', 'ALTER SCHEMA lib RENAME TO "order"',
      `ALTER TYPE mood RENAME VALUE 'glad' TO 'it''s'`, 'ALTER TYPE mood RENAME TO feeling', 'ALTER TYPE feeling SET SCHEMA "order"', 'ALTER TABLE orders RENAME TO purchases',
      'ALTER TABLE purchases RENAME TO orders', `ALTER TYPE "order".feeling ADD VALUE 'new'`, 'ALTER FUNCTION room_of(int) RENAME TO other',
    ]) {
      await works(sql);
      await live.app.query('SELECT sio_check()');
      id += 1;
      const glad = (await works(`SELECT enumlabel FROM pg_enum WHERE enumlabel IN ('glad', 'it''s')`)).rows[0].enumlabel.replace(`'`, `''`);
      const table = sql.endsWith('purchases') ? 'purchases' : 'orders';
      assert.deepEqual(await ids(`INSERT INTO ${table} (id, status, mood) VALUES (${id}, 'room_of', '${glad}'), (-${id}, 'x', '${glad}')`), [['insert', id]], sql);
    }
    const { rooms, filter } = await shown();
    assert.deepEqual(rooms, ['${order.Room()}']);
    assert.match(filter, /<> 'glad'::text/);
    await refused(live.app, 'DROP FUNCTION "order"."Room"', '2BP01');
  });

  describe('is protected by Postgres, as what a view refers to:', () => {
    const FUNCTIONS = `CREATE FUNCTION room_of(o orders) RETURNS text LANGUAGE sql AS $$ SELECT 'customer:' || o.customer_id $$;
      CREATE FUNCTION seen(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR ### (RIGHTARG = text, FUNCTION = seen);
      CREATE DOMAIN short AS text; CREATE DOMAIN count AS int; CREATE FUNCTION number(mood) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
      CREATE CAST (mood AS int) WITH FUNCTION number(mood); CREATE CAST (mood AS interval) WITH INOUT AS IMPLICIT`;

    for (const [what, parameters, drop] of [
      ['a function that names a room', `ARRAY['\${room_of()}']`, 'FUNCTION room_of(orders)'],
      ['a function that names an event', `'{staff}', event => '\${room_of()}'`, 'FUNCTION room_of(orders)'],
      ['a computed column', `'{staff}', columns => '{id,room_of()}'`, 'FUNCTION room_of'],
      ['a function in a filter', `'{staff}', filter => 'seen(status)'`, 'FUNCTION seen(text)'],
      ['an operator in a filter', `'{staff}', filter => '### status'`, 'OPERATOR ### (NONE, text)'],
      ['a type in a filter', `'{staff}', filter => 'status::short IS NOT NULL'`, 'DOMAIN short'],
      ['a cast in a filter', `'{staff}', filter => 'mood::int > 0'`, 'CAST (mood AS int)'],
      ['a cast to a domain', `'{staff}', filter => 'mood::count > 0'`, 'CAST (mood AS int)'],
      ['a cast of an array\'s elements', `'{staff}', filter => $$ARRAY[mood]::int[] = '{1}'$$`, 'CAST (mood AS int)'],
      ['a cast by the types\' texts, which is not written', `'{staff}', filter => 'now() - mood < now()'`, 'CAST (mood AS interval)'],
    ]) {
      for (const level of ['row', 'statement']) {
        it(`${what}, at ${level} level`, async () => {
          await works(`${ORDERS}; ${FUNCTIONS}; SELECT sio_watch('orders', ${parameters}, level => '${level}')`);
          await works(`SELECT sio_watch('orders', ${parameters}, level => '${level}')`); // replaced
          await refused(live.app, `DROP ${drop}`, '2BP01', { says: 'depend' });
          await works(`INSERT INTO orders VALUES (1); ALTER TABLE orders ALTER status TYPE varchar(20); ALTER TABLE orders RENAME status TO state; INSERT INTO orders VALUES (2)`);
          await refused(live.app, `DROP ${drop}`, '2BP01', { says: 'depend' });
          await works(`DROP ${drop} CASCADE; INSERT INTO orders VALUES (3)`);
          assert.deepEqual(await live.triggerNames(), []);
        });
      }
    }

    it('a cast that changes nothing', async () => {
      await live.admin.query(`CREATE TYPE shop.num; CREATE FUNCTION shop.num_in(cstring) RETURNS shop.num IMMUTABLE STRICT LANGUAGE internal AS 'int4in';
        CREATE FUNCTION shop.num_out(shop.num) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'int4out'; CREATE TYPE shop.num (INPUT = shop.num_in, OUTPUT = shop.num_out, LIKE = int4);
        CREATE CAST (shop.num AS int) WITHOUT FUNCTION; CREATE CAST (int AS shop.num) WITHOUT FUNCTION`);
      await works('CREATE DOMAIN count AS int; CREATE TABLE orders (id int PRIMARY KEY, n num)');
      for (const filter of ['n::int > 0', 'n::count > 0', 'ARRAY[n]::int[] = \'{1}\'']) {
        await live.watch(`'{staff}', filter => $$${filter}$$`);
        await refused(live.admin, 'DROP CAST (shop.num AS int)', '2BP01', { says: 'depend' });
        await live.admin.query('DROP CAST (int AS shop.num); CREATE CAST (int AS shop.num) WITHOUT FUNCTION');
      }
      await live.admin.query('DROP CAST (shop.num AS int) CASCADE');
      assert.deepEqual(await live.triggerNames(), []);
    });

    it('but not what a watch no longer refers to', async () => {
      await works(`${ORDERS}; ${FUNCTIONS}; SELECT sio_watch('orders', ARRAY['\${room_of()}'], filter => 'seen(status)'); SELECT sio_watch('orders', '{staff}')`);
      await works('DROP FUNCTION room_of; DROP OPERATOR ### (NONE, text); DROP FUNCTION seen; INSERT INTO orders VALUES (1)');
      assert.deepEqual(await live.triggerNames(), ['sio_watch']);
    });
  });

  for (const [what, filter, commands] of [
    ['an operator', `status ### 'x'`, ['ALTER OPERATOR ### (text, text) SET SCHEMA lib', 'ALTER OPERATOR lib.### (text, text) SET SCHEMA shop']],
    ['a collation', `status < 'zzz' COLLATE c`, ['ALTER COLLATION c RENAME TO "D d"', 'ALTER COLLATION "D d" SET SCHEMA lib', 'ALTER COLLATION lib."D d" RENAME TO c']],
    ['a text search configuration', `to_tsvector('words', notes) @@ 'glad'`,
      ['ALTER TEXT SEARCH CONFIGURATION words RENAME TO "a ""b"""', 'ALTER TEXT SEARCH CONFIGURATION "a ""b""" SET SCHEMA lib', 'ALTER SCHEMA lib RENAME TO "Lib"']],
    ['a text search dictionary', `ts_lexize('plain', notes) = '{glad}'`,
      ['ALTER TEXT SEARCH DICTIONARY plain RENAME TO bare', 'ALTER TEXT SEARCH DICTIONARY bare SET SCHEMA lib', 'ALTER SCHEMA lib RENAME TO "Lib"']],
    ['a table\'s row type', `ROW(id, notes)::other IS NOT NULL`, ['ALTER TABLE other RENAME TO others', 'ALTER TABLE others SET SCHEMA lib', 'ALTER TABLE lib.others RENAME TO other']],
    ['a table, by its OID', `'other'::regclass::oid > 0`, ['ALTER TABLE other RENAME TO others', 'ALTER TABLE others SET SCHEMA lib', 'ALTER INDEX lib.others RENAME TO "Other"']],
    ['a key\'s index, by its OID', `'orders_pkey'::regclass::oid > 0`, ['ALTER TABLE orders RENAME CONSTRAINT orders_pkey TO "Key"', 'ALTER INDEX "Key" RENAME TO orders_pkey']],
    ['a sequence and a schema, by their OIDs', `'counted'::regclass::oid > 0 AND 'lib'::regnamespace::oid > 0`, ['ALTER SEQUENCE counted RENAME TO counter', 'ALTER SCHEMA lib RENAME TO "Lib"', 'ALTER SEQUENCE counter SET SCHEMA "Lib"']],
  ]) {
    it(`follows names in filters: ${what}`, async () => {
      try {
        await works(`${ORDERS}; CREATE SCHEMA lib; CREATE FUNCTION same(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 = $2';
          CREATE OPERATOR ### (LEFTARG = text, RIGHTARG = text, FUNCTION = same); CREATE COLLATION c FROM "C"; CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
          CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = simple); CREATE TABLE other (a int, b text); CREATE SEQUENCE counted`);
        await watch(`rooms => '{staff}', filter => $$ ${filter} $$`);
        let id = 0;
        for (const sql of ['SELECT', ...commands]) {
          id += 1;
          await works(sql);
          await works('SELECT sio_check()');
          assert.deepEqual(await ids(`INSERT INTO orders (id, status, notes) VALUES (${id}, 'x', 'glad')`), [['insert', id]], sql);
        }
      } finally {
        await works('DROP SCHEMA IF EXISTS lib, "Lib" CASCADE');
      }
    });
  }

  it('follows an extension into another schema', { skip: lacks('citext') }, async () => {
    await live.admin.query('CREATE EXTENSION citext SCHEMA public; CREATE SCHEMA "Ext"; GRANT USAGE ON SCHEMA "Ext" TO PUBLIC');
    try {
      await works('CREATE TABLE orders (id int, email citext)');
      await watch(`rooms => '{staff}', filter => $$email = 'x' AND strpos(email, 'Y'::citext) = 0$$`);
      await live.admin.query('ALTER EXTENSION citext SET SCHEMA "Ext"');
      assert.deepEqual(await ids(`INSERT INTO orders VALUES (1, 'X'), (2, 'y')`), [['insert', 1]]);
      assert.match((await shown()).filter, /email OPERATOR\("Ext"\.=\) 'x'::"Ext"\.citext/);
      await works(`CREATE TABLE named (id int); ${rowTrigger('named', 'INSERT', ['room=staff', `filter=('{"\\"Ext\\".citext"}'::regtype[])[1] = 1`])}`);
      await live.admin.query('ALTER EXTENSION citext SET SCHEMA public; SELECT sio_check()');
      assert.deepEqual(await ids(`INSERT INTO orders VALUES (3, 'X'); INSERT INTO named VALUES (1)`), [['insert', 3]]);
    } finally {
      await live.admin.query('DROP EXTENSION citext CASCADE; DROP SCHEMA "Ext"');
    }
  });

  it('follows an extension that has a relation and its row type', { skip: lacks('pg_buffercache') }, async () => {
    await live.admin.query('CREATE EXTENSION pg_buffercache SCHEMA public; CREATE SCHEMA "Ext"; GRANT USAGE ON SCHEMA "Ext" TO PUBLIC');
    try {
      // From 17 on it has the type without being told.
      const { rowCount } = await live.admin.query(`SELECT FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND classid = 'pg_type'::regclass
        AND objid = 'pg_buffercache'::regtype AND deptype = 'e'`);
      if (rowCount === 0) await live.admin.query('ALTER EXTENSION pg_buffercache ADD TYPE public.pg_buffercache');
      await works('CREATE TABLE orders (id int)');
      await watch(`rooms => '{staff}', filter => $$'pg_buffercache'::regclass IS NOT NULL$$`);
      await live.admin.query('ALTER EXTENSION pg_buffercache SET SCHEMA "Ext"');
      assert.deepEqual(await ids('INSERT INTO orders VALUES (1)'), [['insert', 1]]);
      assert.match((await shown()).filter, /'"Ext"\.pg_buffercache'::regclass/);
    } finally {
      await live.admin.query('DROP EXTENSION pg_buffercache CASCADE; DROP SCHEMA "Ext"');
    }
  });

  it('follows what a filter that was written by hand names in a way of its own', async () => {
    await works(`CREATE TABLE orders (id int, status text); ${rowTrigger('orders', 'INSERT', ['room=staff', 'event=insert', 'filter=orders.id > 0'])}`);
    await works('ALTER TABLE orders RENAME TO purchases');
    assert.deepEqual(await ids('INSERT INTO purchases VALUES (1), (-1)'), [['insert', 1]]);
  });

  it('locks nobody\'s table for the name of another function', async () => {
    await live.admin.query('CREATE ROLE dev LOGIN');
    await works(`${ORDERS}; CREATE FUNCTION room_of(orders) RETURNS text LANGUAGE sql AS $$ SELECT 'staff' $$; GRANT USAGE, CREATE ON SCHEMA shop TO dev`);
    await watch(`rooms => ARRAY['\${room_of()}']`);
    await live.as('dev', async (dev) => {
      await dev.query(`BEGIN; CREATE FUNCTION shop.room_of(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION shop.room_of(int) RENAME TO other`);
      await works(`SET lock_timeout = '100ms'`);
      assert.deepEqual(await ids('INSERT INTO orders VALUES (1)'), [['insert', 1]]);
      const { rows } = await dev.query(`SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'shop.orders'::regclass`);
      assert.deepEqual(rows, []);
      await dev.query('ROLLBACK');
    });
    await live.admin.query('DROP OWNED BY dev; DROP ROLE dev');
  });

  for (const [what, args, renamed] of [
    ['its table has no key', ['payload=key', 'filter=(moving.seen(id))'], ['payload=key', 'filter=moved.noticed(id)']],
    ['its function isn\'t there', ['filter=(moving.gone(id))']],
    ['a later part of its filter has become ambiguous', ['filter=(moving.seen(id) and shop.vague(NULL))']],
  ]) {
    it(`keeps nobody from giving other names where it didn't work before: ${what}`, async () => {
      await live.admin.query(`CREATE SCHEMA moving; GRANT USAGE ON SCHEMA moving TO PUBLIC;
        CREATE FUNCTION moving.seen(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'`);
      try {
        await works(`CREATE TABLE loose (id int); CREATE FUNCTION vague(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
          ${rowTrigger('loose', 'INSERT', ['room=staff', ...args])};
          CREATE FUNCTION vague(point) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'`);
        await live.admin.query('ALTER SCHEMA moving RENAME TO moved; ALTER FUNCTION moved.seen(int) RENAME TO noticed');
        const written = (renamed ?? args).map((arg) => `'${arg}'`).join(', ');
        assert.ok((await live.triggers('loose')).live.endsWith(`sio_emit_changes('room=staff', ${written})`), (await live.triggers('loose')).live);
      } finally {
        await live.admin.query('DROP SCHEMA IF EXISTS moving, moved CASCADE');
      }
    });
  }

  it('means the same function under a name that others have, too', async () => {
    await works(`${ORDERS}; CREATE FUNCTION seen(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 IS NULL';
      CREATE FUNCTION noticed(point) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT false';
      ${rowTrigger('orders', 'INSERT', ['room=staff', 'event=insert', 'filter=(shop.seen(NULL))'])}`);
    await works('ALTER FUNCTION seen(int) RENAME TO noticed');
    assert.deepEqual(await ids('INSERT INTO orders VALUES (1)'), [['insert', 1]]);
  });

  it('refuses a name that a literal has in it which isn\'t converted before a row comes', async () => {
    await works(`CREATE DOMAIN calm AS mood CHECK (VALUE <> 'sad'); CREATE TABLE orders (id int, moods calm[]);
      CREATE TABLE kinds (id int); CREATE TYPE kind AS (of regclass)`.replace('CREATE DOMAIN', `CREATE TYPE mood AS ENUM ('sad', 'glad', ''); CREATE DOMAIN`));
    await watch(`rooms => '{staff}', filter => $$ moods && '{glad}' AND ('(kinds)'::kind).of IS NOT NULL $$`);
    for (const [sql, name] of [[`ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'`, 'glad'], ['ALTER TABLE kinds RENAME TO sorts', 'kinds']]) {
      await refused(live.app, sql, '2BP01', { says: new RegExp(`a literal in its filter may name "${name}"`), hint: /sio_unwatch/ });
    }
    await refused(live.app, `ALTER TYPE mood RENAME VALUE '' TO 'none'`, '2BP01', { says: 'a literal in its filter' });
    await works(`ALTER TYPE mood RENAME VALUE 'sad' TO 'down'`);
    assert.deepEqual(await ids(`INSERT INTO orders VALUES (1, '{glad}'), (2, '{}')`), [['insert', 1]]);
  });

  it('follows an enum\'s value and a table\'s name in arrays', async () => {
    await works(`${ORDERS}; CREATE TABLE "the kinds" (id int)`);
    await watch(`rooms => '{staff}', filter => $$ mood = ANY ('{glad}') AND '{"\\"the kinds\\"",orders}'::regclass[] IS NOT NULL $$`);
    await works(`ALTER TYPE mood RENAME VALUE 'glad' TO 'as, ever'; ALTER TABLE "the kinds" RENAME TO "a ""kind"""; ALTER TABLE orders RENAME TO purchases;
      ALTER TABLE purchases RENAME TO orders; SELECT sio_check()`);
    assert.deepEqual(await ids(`INSERT INTO orders (id, mood) VALUES (1, 'as, ever'), (2, 'sad')`), [['insert', 1]]);
  });
});
