// filter: which rows of a table are seen, and what becomes of those that come and go.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { PG_MAJOR } from '../../harness/postgres.js';
import { delivered, PRELOAD } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';

const ORDERS = 'CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text, deleted_at timestamptz);';
const PAID = `filter => $$ status = 'paid' AND deleted_at IS NULL $$`;

for (const delivery of ['notify', 'queue']) {
  for (const level of ['row', 'statement']) {
    describe(`a filter at ${level} level, with delivery = ${delivery},`, () => {
      let live;

      before(async () => {
        live = await startLive({
          name: `live-filter-${level}-${delivery}`, conf: { ...PRELOAD, 'socketio_emitter.delivery': delivery },
          clients: { one: ['customer:1'], two: ['customer:2'], roomless: [] },
        });
      });

      after(async () => live?.close());
      beforeEach(async () => live.reset());

      /** What was sent by the SQL: [event, rooms, ids]. */
      async function sent(sql) {
        await live.app.query(sql);
        await delivered(live.admin);
        return (await live.sent()).map(({ event, rooms, args: [rows] }) => [event, [...rooms].sort(), [rows].flat().map(({ id }) => id)]);
      }

      /** Events for single rows at row level; for the rows of a statement together at statement level. */
      const each = (event, rooms, ids) => (level === 'row' ? ids.map((id) => [event, rooms, [id]]) : [[event, rooms, ids]]);
      const watch = (parameters) => live.watch(`level => '${level}', event => '$op', ${parameters}`);

      it('sees inserted and deleted rows that meet it, and no others', async () => {
        await live.app.query(ORDERS);
        await watch(`rooms => '{customer:$customer_id}', ${PAID}`);
        assert.deepEqual(await sent(`INSERT INTO orders VALUES (1, 1, 'new', NULL), (2, 1, 'paid', NULL), (3, 1, NULL, NULL), (4, 1, 'paid', NULL), (5, 1, 'paid', now())`),
          each('insert', ['customer:1'], [2, 4]));
        assert.deepEqual(await sent('DELETE FROM orders'), each('delete', ['customer:1'], [2, 4]));
      });

      it('sends an update of rows inside, and nothing of those outside', async () => {
        await live.app.query(`${ORDERS} INSERT INTO orders VALUES (1, 1, 'new'), (2, 1, 'paid')`);
        await watch(`rooms => '{customer:$customer_id}', left_event => 'left', ${PAID}`);
        assert.deepEqual(await sent('UPDATE orders SET id = id + 10'), each('update', ['customer:1'], [12]));
      });

      it('tells the old rooms of a row that leaves it, with left_event', async () => {
        await live.app.query(`${ORDERS} INSERT INTO orders VALUES (1, 1, 'paid'), (2, 2, 'paid')`);
        await watch(`rooms => '{customer:$customer_id,staff}', left_event => 'left', ${PAID}`);
        assert.deepEqual(await sent(`UPDATE orders SET status = 'new', customer_id = 3 WHERE id = 1`), [['left', ['customer:1', 'staff'], [1]]]);
        assert.deepEqual(await sent('UPDATE orders SET deleted_at = now() WHERE id = 2'), [['left', ['customer:2', 'staff'], [2]]]);
        assert.deepEqual(await sent('UPDATE orders SET customer_id = 5'), []);
      });

      it('sends nothing of a row that leaves it, without left_event', async () => {
        await live.app.query(`${ORDERS} INSERT INTO orders VALUES (1, 1, 'paid')`);
        await watch(`rooms => '{customer:$customer_id}', ${PAID}`);
        assert.deepEqual(await sent(`UPDATE orders SET status = NULL`), []);
      });

      it('sends an update to the rooms of a row that comes into it, even if nothing that travels has changed', async () => {
        await live.app.query(`${ORDERS} INSERT INTO orders VALUES (1, 1, 'new')`);
        await watch(`rooms => '{customer:$customer_id}', left_event => 'left', columns => '{id}', ${PAID}`);
        assert.deepEqual(await sent(`UPDATE orders SET status = 'paid'`), [['update', ['customer:1'], [1]]]);
        assert.deepEqual(await sent(`UPDATE orders SET customer_id = 2`), [['left', ['customer:1'], [1]], ['update', ['customer:2'], [1]]]);
      });

      it('works for everyone, and in rooms that are fixed', async () => {
        await live.app.query(`${ORDERS} INSERT INTO orders VALUES (1, 1, 'paid')`);
        await watch(`left_event => 'left', ${PAID}`);
        assert.deepEqual(await sent(`UPDATE orders SET status = 'new'; UPDATE orders SET status = 'paid'`), [['left', [], [1]], ['update', [], [1]]]);
        assert.deepEqual((await live.got()).roomless.map(([event]) => event), ['left', 'update']);
        await watch(`rooms => '{staff}', left_event => 'left', ${PAID}`);
        assert.deepEqual(await sent(`UPDATE orders SET status = 'new'`), [['left', ['staff'], [1]]]);
      });

      it('follows partitions whose columns lie elsewhere', async () => {
        await live.app.query(`CREATE TABLE orders (id int, customer_id int, gone int, status text, deleted_at timestamptz, PRIMARY KEY (id, customer_id)) PARTITION BY LIST (customer_id);
          CREATE TABLE one (deleted_at timestamptz, waste int, status text, customer_id int NOT NULL, gone int, id int NOT NULL);
          ALTER TABLE one DROP waste; ALTER TABLE orders ATTACH PARTITION one FOR VALUES IN (1);
          CREATE TABLE rest PARTITION OF orders DEFAULT; ALTER TABLE orders DROP gone`);
        await watch(`rooms => '{customer:$customer_id}', left_event => 'left', ${PAID}`);
        assert.deepEqual((await sent(`INSERT INTO orders VALUES (1, 1, 'new'), (2, 1, 'paid'), (3, 2, 'paid'), (4, 2, 'new')`)).sort(),
          [...each('insert', ['customer:1'], [2]), ...each('insert', ['customer:2'], [3])]);
        assert.deepEqual(await sent(`UPDATE orders SET status = 'new' WHERE id = 2`), [['left', ['customer:1'], [2]]]);
        if (level === 'row') assert.deepEqual(await sent(`INSERT INTO one (id, customer_id, status) VALUES (5, 1, 'paid')`), [['insert', ['customer:1'], [5]]]);
      });

      it('sends nothing of what is rolled back', async () => {
        await live.app.query(ORDERS);
        await watch(`rooms => '{customer:$customer_id}', ${PAID}`);
        assert.deepEqual(await sent(`BEGIN; INSERT INTO orders VALUES (1, 1, 'paid'); SAVEPOINT s; INSERT INTO orders VALUES (2, 1, 'paid'); ROLLBACK TO s; COMMIT`),
          [['insert', ['customer:1'], [1]]]);
      });

      it('can be any condition: functions of the row, of users, of time, on arrays and documents', async () => {
        await live.app.query(`CREATE TABLE things (id int PRIMARY KEY, tags text[], doc jsonb);
          CREATE FUNCTION wanted(things) RETURNS boolean LANGUAGE sql AS 'SELECT $1.doc @> ''{"wanted": true}''';
          CREATE FUNCTION even(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 % 2 = 0; END'`);
        for (const filter of [`'x' = ANY (tags)`, `doc->>'wanted' = 'true'`, 'wanted(things)', 'wanted(new)', 'things.doc ? \'wanted\'', 'even(id) AND id > 0',
          'CASE WHEN id = 2 THEN now() > \'-infinity\' END', `COALESCE(array_length(tags, 1), 0) > 0 -- comment`]) {
          await live.watch(`level => '${level}', event => '$op', rooms => '{customer:1}', filter => $f$${filter}$f$`, 'things');
          assert.deepEqual(await sent(`INSERT INTO things VALUES (1, NULL, NULL), (2, '{x}', '{"wanted": true}'), (3, NULL, '{}')`),
            [['insert', ['customer:1'], [2]]], filter);
          await sent('DELETE FROM things');
        }
      });
    });
  }
}

describe('the parameter filter', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-filter', clients: { staff: ['staff'] } });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  it('refuses what is no condition over the row', async () => {
    await live.app.query(`${ORDERS} CREATE FUNCTION many(orders) RETURNS SETOF boolean LANGUAGE sql AS 'SELECT true'`);
    for (const [filter, code, says] of [
      ['', '22023', 'one expression'], ['id >', '42601', 'syntax'], ['id', '42804', 'boolean'], ['state = 1', '42703', 'state'], ['nothing(id)', '42883', 'nothing'],
      ['id = $1', '42P02', 'parameter'], ['EXISTS (SELECT FROM orders)', '0A000', 'subquery'], ['count(*) > 1', '42803', 'aggregate'],
      ['row_number() OVER () = 1', '42P20', 'window'], ['many(orders)', '0A000', 'set-returning'], ['others.id = 1', '42P01', 'others'],
      ['true, false', '22023', 'filter'], ['true AS x', '22023', 'filter'], ['true x', '22023', 'filter'], ['true; SELECT true', '22023', 'filter'],
      ['true FROM orders', '22023', 'filter'], ['true WHERE true', '22023', 'filter'], ['true UNION SELECT false', '22023', 'filter'],
      ['DISTINCT true', '22023', 'filter'], ['true LIMIT 1', '22023', 'filter'], ['true ORDER BY 1', '22023', 'filter'],
      [`'app'::regrole IS NOT NULL`, '22023', 'regrole'], [`current_user::regrole = ANY ('{app,postgres}'::regrole[])`, '22023', 'regrole'],
      ...(PG_MAJOR >= 16 ? [['JSON_ARRAY(SELECT id FROM orders) IS NOT NULL', '22023', 'subquery']] : []),
      ['ctid IS NOT NULL', '22023', 'system column'], ['tableoid = 1', '22023', 'system column'],
    ]) {
      await refused(live.app, `SELECT sio_watch('orders', '{staff}', filter => $f$${filter}$f$)`, code, { says: ['parameter "filter"', says] });
    }
    assert.deepEqual(await live.triggerNames(), []);
  });

  it('refuses a condition that is so deep that a change of the table might not be able to follow it', async () => {
    await live.app.query(ORDERS);
    const deep = (levels) => `id${' + 1'.repeat(levels - 2)} > 0`;
    for (const levels of [501, 5000]) {
      await refused(live.app, { text: `SELECT sio_watch('orders', '{a}', filter => $1)`, values: [deep(levels)] }, '54001', {
        says: /^parameter "filter": ".*" is nested more than 500 levels deep$/s, hint: /IN \('new', 'paid'\)/,
      });
    }
    assert.deepEqual(await live.triggerNames(), []);
    // Lists of any length aren't deep.
    await live.app.query({ text: `SELECT sio_watch('orders', '{a}', filter => $1)`, values: [`${deep(499)} AND (${Array(3000).fill('id > 0').join(' OR ')})`] });
    await live.app.query('INSERT INTO orders (id) VALUES (1)');
    assert.equal((await live.sent()).length, 1);
    await live.app.query(rowTrigger('orders', 'UPDATE', [`filter=${deep(5000)}`]));
    await refused(live.app, 'UPDATE orders SET id = 2', '54001', { says: /^trigger "live" of table "shop\.orders": argument "filter=.*" is nested more than 500 levels deep/s });
    await refused(live.app, 'SELECT sio_check()', '55000', { says: /500 levels/ });
  });

  it('means the same for everybody, whatever their search_path, and is shown so', async () => {
    await live.app.query(`${ORDERS} CREATE FUNCTION is_paid(text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = ''paid''';
      CREATE TYPE state AS ENUM ('new', 'paid')`);
    await live.watch(`rooms => '{staff}', filter => $$is_paid(status) AND status::state = 'paid' AND id <> 3$$`);
    await live.admin.query('GRANT SELECT ON sio_watches TO app');
    const { rows: [{ filter }] } = await live.app.query('SELECT filter FROM sio_watches');
    assert.equal(filter, `(shop.is_paid(status) AND ((status)::shop.state = 'paid'::shop.state) AND (id <> 3))`);
    await live.app.query(`CREATE SCHEMA evil; CREATE FUNCTION evil.is_paid(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
      CREATE FUNCTION evil.ne(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
      CREATE OPERATOR evil.<> (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.ne)`);
    try {
      await live.as('postgres', (other) => other.query(`SET search_path = evil, pg_catalog; INSERT INTO shop.orders VALUES (1, 1, 'new'), (2, 1, 'paid'), (3, 1, 'paid')`));
      await live.app.query(`SET search_path = ''; INSERT INTO shop.orders VALUES (4, 1, 'paid')`);
      assert.deepEqual((await live.sent()).map(({ args: [{ id }] }) => id), [2, 4]);
      await live.app.query('RESET search_path');
      await live.app.query(`SELECT sio_watch(table_name, rooms, filter => filter) FROM sio_watches`);
      assert.equal((await live.app.query('SELECT filter FROM sio_watches')).rows[0].filter, filter);
    } finally {
      await live.app.query('DROP SCHEMA evil CASCADE');
    }
  });

  it('can be written by hand, in names of pg_catalog or qualified ones', async () => {
    await live.app.query(`${ORDERS} ${rowTrigger('orders', 'INSERT OR UPDATE', ['room=staff', `filter=status = 'paid'`, 'unchanged=event'])}`);
    await live.app.query(`INSERT INTO orders VALUES (1, 1, 'new'), (2, 1, 'paid'); UPDATE orders SET id = id`);
    assert.deepEqual((await live.sent()).map(({ args: [{ id }] }) => id), [2]);
    await live.app.query(`DROP TRIGGER live ON orders; ${statementTriggers('orders', 'UPDATE', ['filter=true'], { referencing: 'REFERENCING NEW TABLE AS n' })}`);
    await refused(live.app, 'UPDATE orders SET id = id', '39P01', { says: 'OLD TABLE', hint: /filter/ });
  });

  it('is refused in a trigger as a watch is: what no watch can depend on, and parameters of any number', async () => {
    await live.app.query(ORDERS);
    for (const [filter, code, says] of [
      [`current_user::regrole = 'app'::regrole`, '22023', 'regrole'], [`'{app}'::regrole[] IS NOT NULL`, '22023', 'regrole'],
      ['id = $1', '42P02', 'parameter'],
      // -1, as Postgres 15 reads it.
      [`$4294967295 = 'x'`, PG_MAJOR >= 18 ? '42601' : '42P02', 'parameter'],
    ]) {
      await live.app.query(`DROP TRIGGER IF EXISTS live ON orders; ${rowTrigger('orders', 'INSERT', ['room=staff', `filter=${filter}`])}`);
      await refused(live.app, 'INSERT INTO orders VALUES (1)', code, { says: ['trigger "live" of table "shop.orders": argument "filter', says].map((part) => new RegExp(part)) });
    }
    for (const filter of [`current_user = 'app'`, `current_user::regrole::text = 'app'`, `current_user::regrole::oid > 0`]) {
      await live.app.query(`DROP TRIGGER live ON orders`);
      await live.watch(`rooms => '{staff}', filter => $$${filter}$$`);
      await live.app.query(`INSERT INTO orders VALUES (1); DELETE FROM orders; DROP TRIGGER sio_watch ON orders; ${rowTrigger('orders', 'INSERT', ['room=staff'])}`);
      assert.equal((await live.sent()).length, 2, filter);
    }
  });

  it('names the trigger when the table has changed under it', async () => {
    await live.app.query(`CREATE TABLE notes (id int, state text); ${rowTrigger('notes', 'INSERT', ['room=staff', `filter=status = 'paid'`])}`);
    await refused(live.app, 'INSERT INTO notes VALUES (1)', '42703', { says: ['trigger "live" of table "shop.notes": argument "filter"', 'status'] });
  });

  it('is looked at with each change of the table', async () => {
    await live.app.query(`${ORDERS}`);
    await live.watch(`rooms => '{staff}', filter => 'id > 1'`);
    await live.app.query('INSERT INTO orders VALUES (1), (2)');
    await live.app.query('ALTER TABLE orders ALTER id TYPE bigint; INSERT INTO orders VALUES (0), (3000000000)');
    await live.app.query('ALTER TABLE orders DROP customer_id, ADD more int; INSERT INTO orders VALUES (-1), (4)');
    assert.deepEqual((await live.sent()).map(({ args: [{ id }] }) => id), [2, 3000000000, 4]);
  });
});
