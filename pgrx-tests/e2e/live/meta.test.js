// What each event of a watch tells of itself: its transaction, and its place among all events.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { isMeta, rowTrigger, startLive } from '../../harness/live.js';
import { delivered, PRELOAD } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';

const ITEMS = 'CREATE TABLE items (id int PRIMARY KEY, room text, note text);';

for (const delivery of ['notify', 'queue']) {
  describe(`an event's meta, with delivery = ${delivery},`, () => {
    let live;

    before(async () => {
      live = await startLive({
        name: `live-meta-${delivery}`, conf: { ...PRELOAD, 'socketio_emitter.delivery': delivery }, clients: { a: ['a'], b: ['b'] },
      });
    });

    after(async () => live?.close());
    beforeEach(async () => live.reset());

    /** What was sent, once all of it has been: { event, args, attached }. */
    async function sent() {
      await delivered(live.admin);
      return live.sent('/', { meta: true });
    }

    const xid = async () => (await live.app.query('SELECT pg_current_xact_id()::text AS xid')).rows[0].xid;
    const metas = (events) => events.map(({ args }) => args.at(-1));
    const rising = (events) => {
      const numbers = metas(events).map(({ seq }) => BigInt(seq));
      numbers.forEach((seq, i) => assert.ok(i === 0 || seq > numbers[i - 1], `${numbers}`));
    };

    for (const level of ['row', 'statement']) {
      it(`comes second in every event, at ${level} level`, async () => {
        await live.app.query(ITEMS);
        await live.watch(`rooms => '{$room}', left_event => 'left', level => '${level}'`, 'items');
        await live.app.query('BEGIN');
        const own = await xid();
        await live.app.query(`INSERT INTO items VALUES (1, 'a'), (2, 'a'); UPDATE items SET room = 'b' WHERE id = 1;
                              SAVEPOINT s; DELETE FROM items; COMMIT`);
        const events = await sent();
        assert.deepEqual(new Set(events.map(({ event }) => event)), new Set(['items:insert', 'left', 'items:update', 'items:delete']));
        for (const { args } of events) assert.ok(args.length === 2 && isMeta(args[1]), JSON.stringify(args));
        assert.deepEqual(new Set(metas(events).map((meta) => meta.xid)), new Set([own]), 'of the transaction, not of its savepoint');
        rising(events);
        const { a: [first] } = await live.got({ meta: true });
        assert.ok(first.length === 3 && isMeta(first[2]));
      });
    }

    it('travels with long events as with short ones', async () => {
      await live.app.query(ITEMS);
      await live.watch(`rooms => '{a}'`, 'items');
      await live.app.query(`INSERT INTO items VALUES (1, 'a', repeat('x', 20000)); INSERT INTO items VALUES (2, 'a', 'short')`);
      const events = await sent();
      assert.deepEqual(events.map(({ attached }) => attached), [true, false]);
      rising(events);
      for (const meta of metas(events)) assert.ok(isMeta(meta), JSON.stringify(meta));
    });

    it('comes behind a null where TRUNCATE has no argument', async () => {
      await live.app.query(ITEMS);
      for (const payload of ['row', 'change']) {
        await live.watch(`rooms => '{a}', ops => '{truncate}', payload => '${payload}'`, 'items');
        await live.app.query('TRUNCATE items');
        const [{ args }] = await sent();
        assert.equal(args.length, 2);
        assert.equal(args[0]?.operation, payload === 'row' ? undefined : 'TRUNCATE');
        assert.equal(args[0] === null, payload === 'row');
        assert.ok(isMeta(args[1]));
      }
    });

    it('numbers a row\'s events in the order of its changes, whatever the sessions do', async () => {
      await live.app.query(`${ITEMS} INSERT INTO items VALUES (1, 'a', 'start'), (2, 'a', 'start')`);
      await live.watch(`rooms => '{a}'`, 'items');
      const change = (session, id, note) => session.query(`UPDATE shop.items SET note = $1 WHERE id = $2`, [note, id]);
      await live.as('postgres', (first) => live.as('postgres', async (second) => {
        await first.query('BEGIN');
        await change(first, 1, 'first');
        const waits = change(second, 1, 'second'); // until the first commits
        await change(first, 2, 'first');
        await first.query('COMMIT');
        await waits;
        await change(second, 2, 'second');
      }));
      const events = await sent();
      for (const id of [1, 2]) {
        const of = events.filter(({ args: [row] }) => row.id === id).sort((x, y) => Number(BigInt(x.args[1].seq) - BigInt(y.args[1].seq)));
        assert.deepEqual(of.map(({ args: [{ note }] }) => note), ['first', 'second'], `row ${id}`);
      }
    });

    it('tells with a snapshot which events a list contains already', async () => {
      await live.app.query(ITEMS);
      await live.watch(`rooms => '{a}'`, 'items');
      await live.app.query(`INSERT INTO items VALUES (1, 'a')`);
      await live.as('postgres', async (open) => {
        await open.query(`BEGIN; INSERT INTO shop.items VALUES (2, 'a')`);
        await live.app.query(`INSERT INTO items VALUES (3, 'a')`);
        const { rows } = await live.app.query('SELECT id, pg_current_snapshot()::text AS snapshot FROM items ORDER BY id');
        await open.query('COMMIT');
        await live.app.query(`INSERT INTO items VALUES (4, 'a')`);
        const events = await sent();
        assert.equal(events.length, 4);
        for (const { args: [{ id }, meta] } of events) {
          const { rows: [{ seen }] } = await live.app.query('SELECT pg_visible_in_snapshot($1::xid8, $2::pg_snapshot) AS seen', [meta.xid, rows[0].snapshot]);
          assert.equal(seen, rows.some((row) => row.id === id), `row ${id}`);
        }
      });
    });

    it('takes one number for an event', async () => {
      await live.app.query(`${ITEMS} INSERT INTO items SELECT i, 'a' FROM generate_series(1, 100) i`);
      await live.watch(`rooms => '{a}'`, 'items');
      await live.app.query(`UPDATE items SET note = 'x'`);
      const numbers = metas(await sent()).map(({ seq }) => Number(seq));
      assert.equal(numbers.length, 100);
      assert.equal(numbers.at(-1) - numbers[0], 99);
    });

    it('is left out with meta => false, and by a trigger that doesn\'t declare it', async () => {
      await live.app.query(`${ITEMS} ${rowTrigger('items', 'INSERT', ['room=a'])}; ${rowTrigger('items', 'INSERT', ['room=b', 'meta=off'], { name: 'off' })}`);
      await live.watch(`rooms => '{a}', meta => false`, 'items');
      await live.app.query(`INSERT INTO items VALUES (1, 'a')`);
      assert.deepEqual((await sent()).map(({ args }) => args.length), [1, 1, 1]);
      await live.app.query(`${rowTrigger('items', 'INSERT', ['room=b', 'meta=on'], { name: 'with_meta' })}; DELETE FROM items`);
      await sent();
      await live.app.query(`INSERT INTO items VALUES (1, 'a')`);
      assert.deepEqual((await sent()).map(({ args }) => args.length).sort(), [1, 1, 1, 2]);
    });
  });
}

describe('the parameter meta', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-meta', clients: { a: ['a'] } });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  it('must be true or false, and on or off by hand', async () => {
    await live.app.query(ITEMS);
    await refused(live.app, `SELECT sio_watch('items', '{a}', meta => NULL)`, '22004', { says: 'meta' });
    await live.app.query(rowTrigger('items', 'INSERT', ['room=a', 'meta=maybe']));
    await refused(live.app, `INSERT INTO items VALUES (1)`, '22023', { says: ['meta=maybe', 'live'], hint: /off, on/ });
  });

  it('needs a queue to take numbers from', async () => {
    await live.postgres.createDatabase('older');
    const session = await live.postgres.connect({ database: 'older' });
    await session.query(`CREATE EXTENSION socketio_emitter VERSION '0.2.0'; CREATE TABLE items (id int);
      ${rowTrigger('items', 'INSERT', ['room=a', 'meta=on'])}`);
    await refused(session, 'INSERT INTO items VALUES (1)', '55000', { says: ['0.3.0', 'live'], hint: /ALTER EXTENSION socketio_emitter UPDATE/ });
    await session.end();
    await live.postgres.dropDatabase('older');
  });
});
