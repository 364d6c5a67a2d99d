// sio_emit_changes FOR EACH STATEMENT: one event per set of rooms, with arrays of rows.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive, statementTriggers } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

const ITEMS = 'CREATE TABLE items (id int PRIMARY KEY, a text, b text, n int);';
const OPS = ['INSERT', 'UPDATE', 'DELETE'];

describe('a statement trigger', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-statements', clients: { x: ['x'], y: ['y'], z: ['z'], staff: ['staff'], roomless: [] } });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  /** The table with statement triggers for insert, update and delete. */
  const items = (...args) => live.app.query(`${ITEMS} ${statementTriggers('items', OPS, args)}`);
  /** Runs SQL that isn't to be seen. */
  const unseen = (sql) => live.app.query(
    `ALTER TABLE items DISABLE TRIGGER USER; ${sql}; ALTER TABLE items ENABLE TRIGGER USER`);
  const ids = (messages) => messages.map(({ args: [rows] }) => rows.map(({ id }) => id));
  const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  it('sends an array of what a row trigger would send, for each op', async () => {
    await items('room=staff');
    await live.app.query(`INSERT INTO items VALUES (1, 'p', NULL, 5), (2, 'q', 'r', 6); UPDATE items SET n = 7; DELETE FROM items`);
    const rows = (...n) => [{ id: 1, a: 'p', b: null, n: n[0] }, { id: 2, a: 'q', b: 'r', n: n[1] }];
    assert.deepEqual(await live.got(), {
      staff: [['items:insert', rows(5, 6)], ['items:update', rows(7, 7)], ['items:delete', rows(7, 7)]],
    });
  });

  it('sends an array of one for one row, and to everyone without rooms', async () => {
    await items('payload=key', 'event=e');
    await live.app.query('INSERT INTO items VALUES (1)');
    const all = await live.got();
    assert.deepEqual(Object.keys(all), ['x', 'y', 'z', 'staff', 'roomless']);
    assert.deepEqual(all.x, [['e', [{ id: 1 }]]]);
  });

  it('sends nothing for a statement that meets no row', async () => {
    for (const payload of ['payload=row', 'payload=change']) {
      await items(payload, 'left_event=left', 'room=$a');
      await live.app.query(`UPDATE items SET n = 1; DELETE FROM items; INSERT INTO items SELECT 1 WHERE false;
                            INSERT INTO items VALUES (1, 'x'); UPDATE items SET n = 2 WHERE id = 2`);
      assert.equal((await live.sent()).length, 1, 'the one INSERT');
      await live.app.query('DROP TABLE items');
    }
  });

  describe('groups rows', () => {
    it('by their set of rooms, whatever the order and number of their names', async () => {
      await items('room=$a', 'room=$b', 'payload=key');
      await live.app.query(`INSERT INTO items VALUES
        (1, 'x', 'y'), (2, 'z', 'z'), (3, 'y', 'x'), (4, 'x', NULL), (5, NULL, 'z'), (6, NULL, NULL), (7, 'x', 'x'), (8, 'x', 'y')`);
      const sent = await live.sent();
      assert.deepEqual(ids(sent), [[1, 3, 8], [2, 5], [4, 7]], 'in the order of first appearance');
      assert.deepEqual(sent.map(({ rooms }) => [...rooms].sort()), [['x', 'y'], ['z'], ['x']]);
      const keys = (...list) => ['items:insert', list.map((id) => ({ id }))];
      assert.deepEqual(await live.got(), { x: [keys(1, 3, 8), keys(4, 7)], y: [keys(1, 3, 8)], z: [keys(2, 5)] });
    });

    it('whose names differ only in where they are cut', async () => {
      await items('room=$a', 'room=$b', 'payload=key');
      await live.app.query(`INSERT INTO items VALUES (1, 'xy', 'z'), (2, 'x', 'yz'), (3, 'x,y', 'z'), (4, 'x', 'y,z'), (5, '', 'xyz'), (6, NULL, 'xyz'),
        (7, 'xyz', NULL), (8, 'xyz', ''), (9, E'x\\x01y', NULL), (10, 'x', 'y')`);
      assert.deepEqual(ids(await live.sent()), [[1], [2], [3], [4], [5, 8], [6, 7], [9], [10]]);
    });

    it('by their event, too', async () => {
      await items('room=staff', 'event=item:$a', 'payload=key');
      await live.app.query(`INSERT INTO items VALUES (1, 'x'), (2, 'y'), (3, 'x'), (4, NULL)`);
      assert.deepEqual(await live.got(), { staff: [['item:x', [{ id: 1 }, { id: 3 }]], ['item:y', [{ id: 2 }]]] });
    });

    it('and sends those without a room to nobody', async () => {
      await items('room=$a', 'payload=key');
      await live.app.query('INSERT INTO items VALUES (1), (2); UPDATE items SET n = 1; DELETE FROM items');
      assert.deepEqual([await live.got(), await live.sent()], [{}, []]);
    });

    it('of 1,000 sets of rooms', async () => {
      await items('room=$a', 'payload=key');
      await live.app.query(`INSERT INTO items SELECT i, CASE i % 1000 WHEN 7 THEN 'x' ELSE 'room ' || i % 1000 END FROM generate_series(1, 5000) i`);
      const sent = await live.sent();
      assert.deepEqual([sent.length, sent.reduce((sum, { args: [rows] }) => sum + rows.length, 0)], [1_000, 5_000]);
      assert.deepEqual(await live.got(), { x: [['items:insert', [7, 1007, 2007, 3007, 4007].map((id) => ({ id }))]] });
    });
  });

  describe('cuts arrays', () => {
    for (const [count, lengths] of [[1, [1]], [500, [500]], [501, [500, 1]], [1_200, [500, 500, 200]]]) {
      it(`of ${count} rows into ${lengths.join(' + ')}`, async () => {
        await items('room=staff');
        for (const sql of [`INSERT INTO items SELECT i FROM generate_series(1, ${count}) i`, 'UPDATE items SET n = 1', 'DELETE FROM items']) {
          await live.app.query(sql);
          // As sent: a short message may arrive before an earlier one that the server has to fetch.
          const sent = await live.sent();
          assert.deepEqual(sent.map(({ args: [rows] }) => rows.length), lengths, sql);
          assert.deepEqual(ids(sent).flat(), range(1, count), sql);
          const { staff } = await live.got();
          assert.deepEqual(staff.flatMap(([, rows]) => rows.map(({ id }) => id)).sort((a, b) => a - b), range(1, count), sql);
        }
      });
    }

    it('into batch=3, each set of rooms for itself', async () => {
      await items('room=$a', 'batch=3', 'payload=key');
      await live.app.query(`INSERT INTO items SELECT i, CASE i % 2 WHEN 0 THEN 'x' ELSE 'y' END FROM generate_series(1, 13) i`);
      const arrays = ([, rows]) => rows.map(({ id }) => id);
      const { x, y } = await live.got();
      assert.deepEqual(x.map(arrays), [[2, 4, 6], [8, 10, 12]]);
      assert.deepEqual(y.map(arrays), [[1, 3, 5], [7, 9, 11], [13]]);
    });

    it('into batch=1, and left events, too', async () => {
      await items('room=$a', 'batch=1', 'payload=key', 'left_event=left');
      await live.app.query(`INSERT INTO items VALUES (1, 'x'), (2, 'x'); UPDATE items SET a = 'y'`);
      const { x, y } = await live.got();
      assert.deepEqual(x, [['items:insert', [{ id: 1 }]], ['items:insert', [{ id: 2 }]], ['left', [{ id: 1 }]], ['left', [{ id: 2 }]]]);
      assert.deepEqual(y, [['items:update', [{ id: 1 }]], ['items:update', [{ id: 2 }]]]);
    });

    it('into batches of their own for each statement', async () => {
      await items('room=staff', 'payload=key');
      await live.app.query('BEGIN; INSERT INTO items VALUES (1); INSERT INTO items VALUES (2); COMMIT');
      assert.deepEqual(ids(await live.sent()), [[1], [2]]);
    });
  });

  describe('pairs the old row with the new one', () => {
    it('in payload=change', async () => {
      await items('room=staff', 'payload=change');
      await live.app.query(`INSERT INTO items VALUES (1, 'p'), (2, 'q'); UPDATE items SET id = id + 10, n = id; DELETE FROM items`);
      const row = (id, a, n) => ({ id, a, b: null, n });
      const change = (operation, record, old) => ({ operation, schema: 'shop', table: 'items', record, old_record: old });
      assert.deepEqual((await live.got()).staff.map(([, list]) => list), [
        [change('INSERT', row(1, 'p', null), null), change('INSERT', row(2, 'q', null), null)],
        [change('UPDATE', row(11, 'p', 1), { id: 1 }), change('UPDATE', row(12, 'q', 2), { id: 2 })],
        [change('DELETE', null, { id: 11 }), change('DELETE', null, { id: 12 })],
      ]);
    });

    it('and tells the rooms that rows left apart from those of changes, even under one name', async () => {
      await items('room=$a', 'columns=id,n', 'event=e', 'left_event=e');
      await unseen(`INSERT INTO items VALUES (1, 'x', NULL, 5), (2, 'x', NULL, 6), (3, 'x', NULL, 7)`);
      await live.app.query(`UPDATE items SET a = CASE id WHEN 2 THEN 'x' END`);
      assert.deepEqual(await live.got(), { x: [['e', [{ id: 1 }, { id: 3 }]], ['e', [{ id: 2, n: 6 }]]] });
    });

    it('in 3,000 rows of ten groups, old=full', async () => {
      await items('room=$a', 'room=staff', 'payload=change', 'old=full', 'batch=70');
      await unseen(`INSERT INTO items SELECT i, 'group ' || i % 10, 'b', i FROM generate_series(1, 3000) i`);
      await live.app.query(`UPDATE items SET id = -id, n = n * 2 WHERE id % 7 <> 0`);
      const changes = (await live.got()).staff.flatMap(([, list]) => list);
      assert.equal(changes.length, 3_000 - Math.floor(3_000 / 7));
      for (const { record, old_record: old } of changes) {
        assert.deepEqual(record, { ...old, id: -old.id, n: old.n * 2 });
      }
    });

    it('to skip what isn\'t changed', async () => {
      await items('room=staff', 'payload=change', 'unchanged=skip');
      await unseen('INSERT INTO items SELECT i, NULL, NULL, i % 3 FROM generate_series(1, 9) i');
      await live.app.query('UPDATE items SET n = 0');
      const { staff: [[, changes]] } = await live.got();
      assert.deepEqual(changes.map(({ record, old_record: old }) => [record.id, old.id]), [[1, 1], [2, 2], [4, 4], [5, 5], [7, 7], [8, 8]]);
      await live.sent();
      await live.app.query('UPDATE items SET n = 0');
      assert.deepEqual(await live.sent(), []);
    });

    it('and sends the rooms that rows left an array of keys, nobody who still sees them', async () => {
      await items('room=$a', 'room=$b', 'columns=id', 'left_event=left');
      await live.join('both', ['x', 'y']);
      await unseen(`INSERT INTO items VALUES (1, 'x', NULL), (2, 'x', NULL), (3, 'x', 'z'), (4, 'y', NULL), (5, NULL, NULL), (6, 'x', NULL)`);
      await live.app.query(`UPDATE items SET id = id + 10, a = CASE WHEN id < 6 THEN 'y' END`);
      const updated = (...list) => ['items:update', list.map((id) => ({ id }))];
      const left = (...list) => ['left', list.map((id) => ({ id }))];
      const all = await live.got();
      await live.leave('both');
      assert.deepEqual(Object.keys(all), ['x', 'y', 'z', 'both']);
      assert.deepEqual(all.y, [updated(11, 12, 14, 15), updated(13)]);
      assert.deepEqual(all.z, [updated(13)]);
      // In x, rows 1 and 2 left for y, 3 for y and z, 6 for nowhere: three sets of rooms that still see them.
      assert.deepEqual(all.x.flatMap(([event, keys]) => keys.map(({ id }) => [event, id])).sort(), [1, 2, 3, 6].map((id) => ['left', id]));
      assert.deepEqual(all.both.filter(([event]) => event === 'left'), [left(6)]);
      assert.deepEqual(all.both.filter(([event]) => event !== 'left'), [updated(11, 12, 14, 15), updated(13)]);
    });
  });

  describe('without the transition table that it needs', () => {
    const OLD = 'REFERENCING OLD TABLE AS o';
    const NEW = 'REFERENCING NEW TABLE AS n';
    for (const [op, referencing, ...args] of [
      ['INSERT', ''], ['UPDATE', ''], ['DELETE', ''], ['UPDATE', OLD],
      ['UPDATE', NEW, 'payload=change'], ['UPDATE', NEW, 'left_event=left'], ['UPDATE', NEW, 'unchanged=skip'],
    ]) {
      it(`fails with a hint: ${op} ${referencing} ${args.join()}`, async () => {
        await live.app.query(`${ITEMS} INSERT INTO items VALUES (1, 'x');
                              ${statementTriggers('items', op, ['room=$a', ...args], { referencing })}`);
        const statement = { INSERT: 'INSERT INTO items VALUES (2)', UPDATE: 'UPDATE items SET n = 1', DELETE: 'DELETE FROM items' }[op];
        await refused(live.app, statement, '39P01', { says: `trigger "live_${op.toLowerCase()}" of table "shop.items"`, hint: /REFERENCING/ });
        assert.equal(await live.count('items WHERE id = 1 AND n IS NULL'), 1);
        assert.deepEqual(await live.sent(), []);
      });
    }

    it('but with those that it needs works', async () => {
      await live.app.query(`${ITEMS} ${statementTriggers('items', 'UPDATE', ['room=$a', 'payload=key'], { referencing: NEW })};
                            INSERT INTO items VALUES (1, 'x'); UPDATE items SET n = 1`);
      assert.deepEqual(await live.got(), { x: [['items:update', [{ id: 1 }]]] });
    });
  });

  it('sends 20,000 rows whose transition tables spill to disk', async () => {
    await items('room=$a', 'payload=change', 'old=full', 'left_event=left');
    await unseen(`INSERT INTO items SELECT i, CASE i % 2 WHEN 0 THEN 'x' ELSE 'y' END, repeat('b', 100), i FROM generate_series(1, 20000) i`);
    await live.app.query(`SET work_mem = '64kB'; UPDATE items SET n = -n, a = CASE WHEN id % 2000 = 0 THEN 'z' ELSE a END`);
    const { x, y, z } = await live.got();
    const left = x.filter(([event]) => event === 'left').flatMap(([, keys]) => keys.map(({ id }) => id));
    assert.deepEqual(left, range(1, 10).map((i) => i * 2_000));
    const changes = [...x, ...y, ...z].filter(([event]) => event !== 'left').flatMap(([, list]) => list);
    assert.deepEqual(changes.map(({ record }) => record.id).sort((a, b) => a - b), range(1, 20_000));
    for (const { record, old_record: old } of changes) assert.deepEqual([record.id, record.n, old.n], [old.id, -old.id, old.id]);
    assert.deepEqual(y.map(([, list]) => list.length), Array(20).fill(500));
  });
});
