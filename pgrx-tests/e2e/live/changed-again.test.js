// Rows that are changed once more before the watch tells of the first change: by an AFTER trigger whose name comes first, by a function
// of the statement, by a cascade. In the order of `seq`, a list ends as the table does, in every room.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';

const ROOMS = ['a', 'b', 'c'];

describe('a row that is changed again before its event', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-changed-again', clients: { a: ['a'] } });
  });

  after(async () => live?.close());

  beforeEach(async () => {
    await live.reset();
    await live.app.query('CREATE TABLE items (id int PRIMARY KEY, room text, note text, parent int)');
    await live.watch(`rooms => '{$room}', left_event => 'items:left'`, 'items');
  });

  /** An AFTER trigger that fires before the watch, and not again for what it does itself. */
  const meddle = (events, body) => live.app.query(`
    CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; RETURN NULL; END $$;
    CREATE TRIGGER a_meddler AFTER ${events} ON items FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION meddle()`);

  const inOrder = async () => {
    const events = await live.sent('/', { meta: true });
    return events.sort((x, y) => Number(BigInt(x.args[1].seq) - BigInt(y.args[1].seq)));
  };

  /** Room → id → row: what clients have who apply the events in their order, after what the room had `before`. */
  function listsAfter(events, before = {}) {
    return Object.fromEntries(ROOMS.map((room) => {
      const list = new Map((before[room] ?? []).map((row) => [row.id, row]));
      for (const { event, args: [row], rooms, except } of events) {
        if (!rooms.includes(room) || except.includes(room)) continue;
        if (event === 'items:insert' || event === 'items:update') list.set(row.id, row);
        else list.delete(row.id);
      }
      return [room, [...list.values()].sort((x, y) => x.id - y.id)];
    }));
  }

  async function table() {
    const { rows } = await live.app.query('SELECT id, room, note, parent FROM items ORDER BY id');
    return Object.fromEntries(ROOMS.map((room) => [room, rows.filter((row) => row.room === room)]));
  }

  /** Runs the statement, and asserts that lists end as the table does. → the events, in their order */
  async function follows(sql) {
    const before = await table();
    await live.sent();
    await live.app.query(sql);
    const events = await inOrder();
    assert.deepEqual(listsAfter(events, before), await table(), JSON.stringify(events));
    return events;
  }

  const fill = () => live.app.query(`INSERT INTO items VALUES (1, 'a', 'one'), (2, 'a', 'two'), (3, 'b', 'three')`);

  it('by an AFTER trigger with another note comes last as it is, inserted and updated', async () => {
    await meddle('INSERT OR UPDATE', `UPDATE items SET note = NEW.note || '!' WHERE id = NEW.id`);
    const inserted = await follows(`INSERT INTO items VALUES (1, 'a', 'one')`);
    assert.deepEqual(inserted.map(({ event, args: [{ note }] }) => [event, note]), [['items:update', 'one!'], ['items:insert', 'one!']]);
    const updated = await follows(`UPDATE items SET note = 'two'`);
    assert.deepEqual(updated.map(({ args: [{ note }] }) => note), ['two!', 'two!']);
  });

  it('by an AFTER trigger to another room is where it is, and has left where it was', async () => {
    await fill();
    await meddle('INSERT OR UPDATE', `UPDATE items SET room = 'c' WHERE id = NEW.id`);
    await follows(`UPDATE items SET room = 'b' WHERE id = 1`); // a → b → c
    await follows(`UPDATE items SET note = 'x' WHERE id = 2`); // a → a → c
    await follows(`UPDATE items SET room = 'a' WHERE id = 1`); // c → a → c
    await follows(`INSERT INTO items VALUES (4, 'b', 'four')`);
  });

  it('by an AFTER trigger that deletes it is gone everywhere', async () => {
    await fill();
    await meddle('INSERT OR UPDATE', 'DELETE FROM items WHERE id = NEW.id');
    assert.deepEqual((await follows(`UPDATE items SET room = 'b' WHERE id = 1`)).map(({ event, rooms }) => [event, rooms]), [['items:delete', ['b']], ['items:left', ['a']]]);
    assert.deepEqual((await follows(`UPDATE items SET note = 'x' WHERE id = 2`)).map(({ event }) => event), ['items:delete']);
    assert.deepEqual((await follows(`INSERT INTO items VALUES (4, 'b', 'four')`)).map(({ event }) => event), ['items:delete']);
  });

  it('several times comes last as it is', async () => {
    await fill();
    await live.app.query(`
      CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE items SET note = NEW.note || '!', room = (ARRAY['b', 'c', 'a'])[pg_trigger_depth()] WHERE id = NEW.id; RETURN NULL; END $$;
      CREATE TRIGGER a_meddler AFTER UPDATE ON items FOR EACH ROW WHEN (pg_trigger_depth() < 3) EXECUTE FUNCTION meddle()`);
    await follows(`UPDATE items SET note = 'x'`);
    assert.deepEqual((await table()).a.map(({ note }) => note), ['x!!!', 'x!!!', 'x!!!']);
  });

  it('in a subtransaction that is rolled back is as it was', async () => {
    await fill();
    await meddle('UPDATE', `
      BEGIN UPDATE items SET note = 'undone', room = 'c' WHERE id = NEW.id; RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END;
      PERFORM FROM items WHERE id = NEW.id FOR UPDATE`);
    const events = await follows(`UPDATE items SET note = 'kept', room = 'b' WHERE id = 1`);
    assert.deepEqual(events.map(({ event, args: [row] }) => [event, row.note]), [['items:left', undefined], ['items:update', 'kept']]);
  });

  it('in a subtransaction that locked it first is as it is', async () => {
    await fill();
    await meddle('UPDATE', `
      PERFORM FROM items WHERE id = NEW.id FOR KEY SHARE;
      BEGIN UPDATE items SET note = 'again', room = 'c' WHERE id = NEW.id; EXCEPTION WHEN raise_exception THEN NULL; END`);
    await follows(`UPDATE items SET note = 'first', room = 'b' WHERE id = 1`);
    assert.deepEqual((await table()).c.map(({ note }) => note), ['again']);
  });

  it('by a function of the statement comes last as it is', async () => {
    await fill();
    await live.app.query(`
      CREATE FUNCTION previous(int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
        BEGIN UPDATE items SET note = 'by the function', room = 'c' WHERE id = $1 - 1; RETURN 'by the statement'; END $$`);
    await follows('UPDATE items SET note = previous(id)');
    assert.deepEqual((await table()).c.map(({ note }) => note), ['by the function', 'by the function']);
  });

  it('by a foreign key of its own table comes last as it is', async () => {
    await fill();
    await live.app.query(`ALTER TABLE items ADD UNIQUE (id, room), ADD FOREIGN KEY (parent) REFERENCES items ON UPDATE CASCADE;
                          UPDATE items SET parent = id WHERE id = 1`);
    await live.sent();
    await live.app.query('UPDATE items SET id = 7 WHERE id = 1');
    const events = await inOrder();
    assert.deepEqual(events.at(-1).args[0], { id: 7, room: 'a', note: 'one', parent: 7 });
  });

  it('with a filter leaves it if the last row is outside', async () => {
    await fill();
    await live.watch(`rooms => '{$room}', left_event => 'items:left', filter => $$ note <> 'hidden' $$`, 'items');
    await meddle('UPDATE', `UPDATE items SET note = 'hidden' WHERE id = NEW.id`);
    await live.sent();
    await live.app.query(`UPDATE items SET note = 'shown', room = 'b' WHERE id = 1`);
    const lists = listsAfter(await inOrder(), { a: [{ id: 1 }] });
    assert.deepEqual([lists.a, lists.b], [[], []]);
  });

  it('in a partition comes last as it is, and where it moves away nobody is told of it twice', async () => {
    await live.app.query(`
      CREATE TABLE parts (id int, room text, note text, PRIMARY KEY (id, room)) PARTITION BY LIST (room);
      CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b');
      CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE parts SET note = NEW.note || '!', room = CASE NEW.note WHEN 'move' THEN 'b' ELSE room END WHERE id = NEW.id; RETURN NULL; END $$;
      CREATE TRIGGER a_meddler AFTER UPDATE ON parts FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION meddle();
      INSERT INTO parts VALUES (1, 'a', 'one'), (2, 'a', 'two')`);
    await live.watch(`rooms => '{$room}', left_event => 'items:left', event => 'items:$op'`, 'parts');
    await live.app.query(`UPDATE parts SET note = 'x' WHERE id = 1`);
    assert.deepEqual((await inOrder()).at(-1).args[0], { id: 1, room: 'a', note: 'x!' });
    await live.app.query(`UPDATE parts SET note = 'move' WHERE id = 2`);
    const lists = listsAfter(await inOrder(), { a: [{ id: 2 }] });
    assert.deepEqual([lists.a, lists.b], [[], [{ id: 2, room: 'b', note: 'move!' }]]);
  });

  it('is told as each change left it without meta, and by a trigger that may be deferred', async () => {
    await fill();
    await meddle('UPDATE', `UPDATE items SET note = NEW.note || '!' WHERE id = NEW.id`);
    await live.watch(`rooms => '{$room}', meta => false`, 'items');
    await live.sent();
    await live.app.query(`UPDATE items SET note = 'x' WHERE id = 1`);
    assert.deepEqual((await live.sent()).map(({ args: [{ note }] }) => note), ['x!', 'x']);
    await live.unwatch(`'items'`);
    await live.app.query(`
      CREATE CONSTRAINT TRIGGER live AFTER UPDATE ON items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        EXECUTE FUNCTION public.sio_emit_changes('room=$room', 'event=e', 'meta=on')`);
    await live.app.query(`BEGIN; UPDATE items SET note = 'y' WHERE id = 1; COMMIT`);
    assert.deepEqual((await live.sent()).map(({ args: [{ note }] }) => note), ['y', 'y!']);
  });
});
