// Live tables under every statement that changes rows, and under partitions.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { OWNER_ROLE, rowTrigger, startLive, statementTriggers } from '../../harness/live.js';

const ALL_OPS = ['INSERT', 'UPDATE', 'DELETE'];
const ITEMS = 'CREATE TABLE items (id int PRIMARY KEY, room text, n int);';

describe('a live table', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-sql', clients: { x: ['x'], y: ['y'], staff: ['staff'] } });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const triggers = (level, table, args) =>
    level === 'row' ? rowTrigger(table, ALL_OPS.join(' OR '), args) : statementTriggers(table, ALL_OPS, args);

  /** What the client got as [event, row] for each row, whether rows came alone or in arrays. */
  const rowsOf = (events = []) => events.flatMap(([event, arg]) => [arg].flat().map((row) => [event, row]));
  /** In an order of its own, for where Postgres promises none. */
  const sorted = (list) => [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const gotRows = async () =>
    Object.fromEntries(Object.entries(await live.got()).map(([name, events]) => [name, rowsOf(events)]));

  for (const level of ['row', 'statement']) {
    describe(`at ${level} level follows`, () => {
      const key = (event, ...ids) => ids.map((id) => [event, { id }]);

      /** The table with triggers and rows 1 to 3 in room x, which nobody heard of. */
      const items = async (...args) => {
        await live.app.query(`${ITEMS} INSERT INTO items VALUES (1, 'x', 1), (2, 'x', 2), (3, 'x', 3)`);
        await live.app.query(triggers(level, 'items', ['room=$room', 'payload=key', ...args]));
      };

      it('COPY', async () => {
        await items();
        const lines = Array.from({ length: 1_500 }, (_, i) => `${i + 10}\t${'xy'[i % 2]}\t\\N\n`).join('');
        const { code, stderr } = await live.postgres.psql(`COPY shop.items FROM STDIN;\n${lines}\\.\n`, { user: OWNER_ROLE });
        assert.deepEqual([code, stderr], [0, '']);
        const { x, y } = await gotRows();
        const ids = (start) => Array.from({ length: 750 }, (_, i) => start + 2 * i);
        assert.deepEqual([x, y], [key('items:insert', ...ids(10)), key('items:insert', ...ids(11))]);
      });

      it('INSERT … SELECT', async () => {
        await items();
        await live.app.query(`INSERT INTO items SELECT id + 10, 'y', n FROM items`);
        assert.deepEqual(await gotRows(), { y: key('items:insert', 11, 12, 13) });
      });

      it('INSERT … ON CONFLICT DO UPDATE: inserted and updated rows each under their own name', async () => {
        await items();
        await live.app.query(`INSERT INTO items VALUES (3, 'y', 0), (4, 'x', 0), (1, 'x', 9), (5, 'x', 0), (2, 'x', 7)
          ON CONFLICT (id) DO UPDATE SET n = excluded.n, room = excluded.room WHERE excluded.n <> 7`);
        const { x, y, ...others } = await gotRows();
        assert.deepEqual([sorted(x), y, others], [
          [...key('items:insert', 4, 5), ...key('items:update', 1)], key('items:update', 3), {},
        ]);
      });

      it('INSERT … ON CONFLICT DO NOTHING', async () => {
        await items();
        await live.app.query(`INSERT INTO items VALUES (1, 'x'), (4, 'x') ON CONFLICT DO NOTHING`);
        assert.deepEqual(await gotRows(), { x: key('items:insert', 4) });
      });

      it('MERGE', async () => {
        await items();
        await live.app.query(`MERGE INTO items USING (VALUES (1, 5), (2, -1), (7, 7), (3, 0)) source (id, n) ON items.id = source.id
          WHEN MATCHED AND source.n < 0 THEN DELETE WHEN MATCHED AND source.n > 0 THEN UPDATE SET n = source.n
          WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (source.id, 'y', source.n)`);
        const { x, y } = await gotRows();
        assert.deepEqual([sorted(x), y], [[...key('items:delete', 2), ...key('items:update', 1)], key('items:insert', 7)]);
      });

      it('data-modifying CTEs', async () => {
        await items();
        await live.app.query(`CREATE TABLE archive (id int PRIMARY KEY, room text); ${triggers(level, 'archive', ['room=y', 'payload=key'])};
          WITH moved AS (DELETE FROM items WHERE id < 3 RETURNING id, room), one AS (INSERT INTO items VALUES (8, 'x')),
               two AS (INSERT INTO items VALUES (9, 'x'))
          INSERT INTO archive SELECT * FROM moved`);
        const { x, y } = await gotRows();
        assert.deepEqual(sorted(x), [...key('items:delete', 1, 2), ...key('items:insert', 8, 9)]);
        if (level === 'statement') assert.deepEqual((await live.sent()).length, 3, 'both INSERTs into items in one event');
        assert.deepEqual(y, key('archive:insert', 1, 2));
      });

      it('UPDATE … FROM and DELETE … USING', async () => {
        await items();
        await live.app.query(`UPDATE items SET n = v.n FROM (VALUES (1, 5), (1, 6), (3, 7)) v (id, n) WHERE items.id = v.id;
                              DELETE FROM items USING (VALUES (3), (3)) v (id) WHERE items.id = v.id`);
        const { x } = await gotRows();
        assert.deepEqual(x, [...key('items:update', 1, 3), ...key('items:delete', 3)]);
      });

      it('an UPDATE of 1,000 rows in a PL/pgSQL loop', async () => {
        await items();
        await live.app.query(`DO $$ BEGIN FOR i IN 1..1000 LOOP UPDATE items SET n = i WHERE id = 1; END LOOP; END $$`);
        const { x } = await gotRows();
        assert.deepEqual(x, Array(1_000).fill(['items:update', { id: 1 }]));
      });

      it('what a BEFORE trigger makes of a row, or keeps out', async () => {
        await live.app.query(`${ITEMS}
          CREATE FUNCTION adjust() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.n = 0 THEN RETURN NULL; END IF; NEW.n := NEW.n * 2; NEW.room := 'y'; RETURN NEW; END $$;
          CREATE TRIGGER adjust BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION adjust();
          ${triggers(level, 'items', ['room=$room', 'columns=n'])}; INSERT INTO items VALUES (1, 'x', 0), (2, 'x', 4)`);
        assert.deepEqual(await gotRows(), { y: [['items:insert', { n: 8 }]] });
      });

      it('a trigger function of the user\'s that changes the table again', async () => {
        await items();
        await live.app.query(`CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.n < 3 THEN UPDATE items SET n = NEW.n + 1 WHERE id = NEW.id; END IF; RETURN NULL; END $$;
          CREATE TRIGGER again AFTER UPDATE ON items FOR EACH ROW EXECUTE FUNCTION again();
          UPDATE items SET n = 0 WHERE id = 1`);
        const { x } = await gotRows();
        assert.deepEqual(x, key('items:update', 1, 1, 1, 1));
      });

      it('ON DELETE CASCADE, ON UPDATE CASCADE and ON DELETE SET NULL', async () => {
        await live.app.query(`CREATE TABLE customers (id int PRIMARY KEY);
          CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
                               seller_id int REFERENCES customers ON DELETE SET NULL);
          INSERT INTO customers VALUES (1), (2), (3), (4); INSERT INTO orders VALUES (1, 1, 4), (2, 1, NULL), (3, 2, NULL), (4, 3, NULL)`);
        await live.app.query(triggers(level, 'orders', ['room=staff']));
        const rows = async (sql) => {
          await live.app.query(sql);
          const { staff } = await gotRows();
          return staff.map(([event, { id, customer_id: customer, seller_id: seller }]) => [event, id, customer, seller]).sort((a, b) => a[1] - b[1]);
        };
        assert.deepEqual(await rows('UPDATE customers SET id = 10 WHERE id = 1'), [
          ['orders:update', 1, 10, 4], ['orders:update', 2, 10, null],
        ]);
        assert.deepEqual(await rows('DELETE FROM customers WHERE id = 4'), [['orders:update', 1, 10, null]]);
        assert.deepEqual(await rows('DELETE FROM customers WHERE id IN (10, 2)'), [
          ['orders:delete', 1, 10, null], ['orders:delete', 2, 10, null], ['orders:delete', 3, 2, null],
        ]);
      });
    });
  }

  it('follows deferred constraint triggers: at the commit, with the rows as they were', async () => {
    await live.app.query(`${ITEMS}
      CREATE CONSTRAINT TRIGGER live AFTER INSERT OR UPDATE OR DELETE ON items DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=$room', 'left_event=left');
      BEGIN; INSERT INTO items VALUES (1, 'x', 1); UPDATE items SET n = 2, room = 'y'; SELECT sio_emit('/', '{x}', 'direct'); COMMIT`);
    const row = (room, n) => ({ id: 1, room, n });
    assert.deepEqual(await live.got(), {
      x: [['direct'], ['items:insert', row('x', 1)], ['left', { id: 1 }]], y: [['items:update', row('y', 2)]],
    });
    await live.app.query('BEGIN; DELETE FROM items; ROLLBACK; BEGIN; DELETE FROM items; SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE items ADD c int; COMMIT');
    assert.deepEqual(await live.got(), { y: [['items:delete', row('y', 2)]] });
  });

  describe('of partitions', () => {
    // A sub-partition, and one whose columns stand elsewhere, after dropped ones.
    const MEASURES = `
      CREATE TABLE measures (id int, room text, n int, PRIMARY KEY (id, n)) PARTITION BY RANGE (n);
      CREATE TABLE low PARTITION OF measures FOR VALUES FROM (0) TO (10);
      CREATE TABLE middle PARTITION OF measures FOR VALUES FROM (10) TO (20) PARTITION BY LIST (n);
      CREATE TABLE middle_11 PARTITION OF middle FOR VALUES IN (11, 12);
      CREATE TABLE middle_rest PARTITION OF middle DEFAULT;
      CREATE TABLE high (gone1 int, n int NOT NULL, gone2 text, room text, id int NOT NULL, gone3 int);
      ALTER TABLE high DROP gone1, DROP gone2, DROP gone3;
      ALTER TABLE measures ATTACH PARTITION high FOR VALUES FROM (20) TO (30);`;
    const measures = (level, ...args) => live.app.query(`${MEASURES} ${triggers(level, 'measures', ['room=$room', ...args])}`);
    const VALUES = `(1, 'x', 5), (2, 'x', 11), (3, 'x', 25)`;
    const rows = [{ id: 1, room: 'x', n: 5 }, { id: 2, room: 'x', n: 11 }, { id: 3, room: 'x', n: 25 }];

    it('sends every partition\'s rows alike, under the name of the table with the trigger', async () => {
      await measures('row');
      await live.app.query(`INSERT INTO measures VALUES ${VALUES}; UPDATE measures SET room = 'y'; DELETE FROM measures`);
      const moved = rows.map((row) => ({ ...row, room: 'y' }));
      assert.deepEqual(await live.got(), {
        x: rows.map((row) => ['measures:insert', row]),
        y: ['measures:update', 'measures:delete'].flatMap((event) => moved.map((row) => [event, row])),
      });
    });

    it('with columns, keys, left events and unchanged=skip, wherever they stand in the partition', async () => {
      await measures('row', 'columns=n,id', 'payload=change', 'left_event=left', 'unchanged=skip');
      await live.app.query(`INSERT INTO measures VALUES ${VALUES}`);
      await live.got();
      await live.app.query(`UPDATE measures SET room = room; UPDATE measures SET room = 'y'`);
      const { x, y } = await live.got();
      assert.deepEqual(x, rows.map(({ id, n }) => ['left', { id, n }]));
      assert.deepEqual(y, rows.map(({ id, n }) => ['measures:update', {
        operation: 'UPDATE', schema: 'shop', table: 'measures', record: { id, n }, old_record: { id, n },
      }]));
    });

    it('also what is written into the partition itself', async () => {
      await measures('row', 'event=$schema.$table:$op', 'columns=id');
      await live.app.query(`INSERT INTO high (id, room, n) VALUES (3, 'x', 25); INSERT INTO middle_11 VALUES (2, 'x', 11)`);
      assert.deepEqual(await live.got(), { x: [['shop.measures:insert', { id: 3 }], ['shop.measures:insert', { id: 2 }]] });
    });

    it('and of a trigger of one partition under its own name', async () => {
      await live.app.query(`CREATE TABLE p (id int, n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
        CREATE TABLE p2 PARTITION OF p DEFAULT; ${rowTrigger('p1', 'INSERT', ['room=x'])}; INSERT INTO p VALUES (7, 1), (8, 2)`);
      assert.deepEqual(await live.got(), { x: [['p1:insert', { id: 7, n: 1 }]] });
    });

    it('sends a row that moves to another as a delete and an insert', async () => {
      await measures('row', 'columns=id,n', 'left_event=left');
      await live.app.query(`INSERT INTO measures VALUES ${VALUES}`);
      await live.got();
      await live.app.query(`UPDATE measures SET n = 26, room = 'y' WHERE id = 1`);
      assert.deepEqual(await live.got(), {
        x: [['measures:delete', { id: 1, n: 5 }]], y: [['measures:insert', { id: 1, n: 26 }]],
      });
    });

    it('follows partitions that are attached later, and detached', async () => {
      await measures('row', 'columns=id');
      await live.app.query(`CREATE TABLE later (room text, x int, id int NOT NULL, n int NOT NULL); ALTER TABLE later DROP x;
        ALTER TABLE measures ATTACH PARTITION later FOR VALUES FROM (30) TO (40); INSERT INTO measures VALUES (4, 'x', 35)`);
      assert.deepEqual(await live.got(), { x: [['measures:insert', { id: 4 }]] });
      await live.app.query(`ALTER TABLE measures DETACH PARTITION later; INSERT INTO later VALUES ('x', 5, 36)`);
      assert.deepEqual(await live.got(), {});
    });

    it('groups all partitions\' rows of a statement', async () => {
      await measures('statement');
      await live.app.query(`INSERT INTO measures VALUES ${VALUES}; UPDATE measures SET room = 'y' WHERE id <> 2; DELETE FROM measures`);
      const moved = rows.map((row) => (row.id === 2 ? row : { ...row, room: 'y' }));
      assert.deepEqual(await live.got(), {
        x: [['measures:insert', rows], ['measures:delete', [moved[1]]]],
        y: [['measures:update', [moved[0], moved[2]]], ['measures:delete', [moved[0], moved[2]]]],
      });
    });

    it('sends a row that moves to another within the update of its statement, old and new row paired', async () => {
      await measures('statement', 'payload=change', 'old=full', 'left_event=left');
      await live.app.query(`INSERT INTO measures VALUES ${VALUES}, (4, 'x', 6), (5, 'x', 12)`);
      await live.got();
      await live.app.query(`UPDATE measures SET n = (n + 10) % 30, room = 'y' WHERE id <> 4`);
      const { x, y } = await live.got();
      assert.deepEqual(x.map(([event]) => event), ['left']);
      assert.deepEqual(x[0][1].map(({ id }) => id).sort(), [1, 2, 3, 5]);
      assert.deepEqual(y.map(([event]) => event), ['measures:update']);
      const pairs = y[0][1].map(({ record, old_record: old }) => [old, record]).sort(([a], [b]) => a.id - b.id);
      assert.deepEqual(pairs.map(([old]) => old), [...rows, { id: 5, room: 'x', n: 12 }]);
      for (const [old, record] of pairs) assert.deepEqual(record, { id: old.id, room: 'y', n: (old.n + 10) % 30 });
    });

    it('never pairs rows that don\'t belong together, when one is moved and kept out', async () => {
      await measures('statement', 'payload=change', 'old=full', 'unchanged=skip');
      await live.app.query(`INSERT INTO measures VALUES (1, 'x', 5), (2, 'x', 6), (3, 'x', 7);
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON high FOR EACH ROW EXECUTE FUNCTION refuse()`);
      await live.got();
      // Row 1 is deleted from its partition and not inserted into the other, so that there are more old rows than new ones.
      await live.app.query('UPDATE measures SET n = CASE id WHEN 1 THEN 25 ELSE n + 1 END');
      const { x } = await live.got();
      const changes = x.flatMap(([, list]) => list);
      assert.deepEqual(changes.map(({ record }) => record.id), [2, 3]);
      for (const { record, old_record: old } of changes) assert.ok(old === null || old.id === record.id, `${old?.id} → ${record.id}`);
    });
  });
});
