// sio_watch where triggers of its names exist already: its own are replaced, those of others are left alone.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text DEFAULT 'new');`;

describe('sio_watch', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-watch-collisions', clients: { one: ['customer:1'], staff: ['staff'] } });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  describe('beside the triggers of others', () => {
    const PARTITIONED = `
      CREATE TABLE parted (id int PRIMARY KEY, r text) PARTITION BY RANGE (id);
      CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10);
      CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';`;

    for (const [what, own] of [
      ['a watch of its own', `SELECT sio_watch('part', rooms => '{secret:$r}')`],
      ['a trigger by hand', 'CREATE TRIGGER sio_watch AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION mine()'],
    ]) {
      it(`doesn't overwrite what a partition has: ${what}`, async () => {
        await live.app.query(`${PARTITIONED} ${own}`);
        const before = await live.triggers('part');
        await refused(live.app, `SELECT sio_watch('parted', everyone => true)`, '42710', { says: 'part', hint: /name =>/ });
        assert.deepEqual(await live.triggers('part'), before);
        await live.app.query(`SELECT sio_watch('parted', name => 'other', everyone => true)`);
        assert.deepEqual(await live.triggerNames('part'), ['other', 'sio_watch']);
      });
    }

    it('replaces its own of a partitioned table, copies included', async () => {
      await live.app.query(`${PARTITIONED} SELECT sio_watch('parted', everyone => true), sio_watch('parted', rooms => '{staff}');
                            INSERT INTO parted VALUES (1, 'x')`);
      assert.deepEqual(Object.keys(await live.got()), ['staff']);
    });

    const MINE = `CREATE TRIGGER sio_watch AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION mine()`;

    it('sees one that another session has just made', async () => {
      await live.app.query(`${ORDERS} ${PARTITIONED}`);
      await live.as(EMITTER_ROLE, async (other) => {
        await other.query(`BEGIN; ${MINE}`);
        const waiting = refused(live.app, `SELECT sio_watch('orders', everyone => true)`, '42710', { hint: /name =>/ });
        await until('sio_watch waits', async () => {
          const { rowCount } = await live.admin.query(
            `SELECT FROM pg_locks WHERE NOT granted AND relation = 'shop.orders'::regclass`);
          return rowCount > 0;
        });
        await other.query('COMMIT');
        await waiting;
      });
      assert.match((await live.triggers()).sio_watch, /mine/);
    });

    it('sees one that is younger than its snapshot', async () => {
      await live.app.query(`${ORDERS} ${PARTITIONED}`);
      await live.app.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM orders');
      await live.as(EMITTER_ROLE, (other) => other.query(MINE));
      await refused(live.app, `SELECT sio_watch('orders', everyone => true)`, '42710', { hint: /name =>/ });
      await live.app.query('ROLLBACK');
      assert.match((await live.triggers()).sio_watch, /mine/);
    });
  });

  describe('leaves alone', () => {
    it('triggers that it didn\'t make: whatever their function, at both levels, for each op', async () => {
      await live.app.query(`CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`);
      for (const [level, name, op] of [
        ['row', 'sio_watch', 'INSERT'], ['statement', 'sio_watch_insert', 'INSERT'], ['statement', 'sio_watch_delete', 'DELETE'],
        ['row', 'sio_watch_truncate', 'TRUNCATE'],
      ]) {
        for (const call of ['mine()', `mine('watch=sio_watch')`, 'public.sio_emit_changes()', `public.sio_emit_changes('watch=another')`]) {
          await live.app.query(`${ORDERS} CREATE TRIGGER ${name} AFTER ${op} ON orders FOR EACH STATEMENT EXECUTE FUNCTION ${call}`);
          const start = await live.triggers();
          const attempt = `SELECT sio_watch('orders', level => '${level}', ops => '{insert,update,delete,truncate}', everyone => true)`;
          await refused(live.app, attempt, '42710', { says: name, hint: /name/ });
          assert.deepEqual(await live.triggers(), start);
          await live.app.query(`SELECT sio_watch('orders', name => 'other', level => '${level}', everyone => true)`);
          assert.equal(await live.unwatch(`'orders', 'other'`), 1);
          assert.equal(await live.unwatch(`'orders', 'sio_watch', true`), 0);
          assert.deepEqual(await live.triggers(), start);
          await live.app.query('DROP TABLE orders');
        }
      }
    });

    it('what a partition has of the partitioned table\'s watch', async () => {
      await live.app.query(`CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE rest PARTITION OF parts DEFAULT`);
      await live.watch(`rooms => '{staff}'`, 'parts');
      await live.watch(`rooms => '{staff}', columns => '{id}'`, 'parts'); // replaced there, too
      await refused(live.app, `SELECT sio_watch('rest', everyone => true)`, '42710', { says: 'sio_watch', hint: /name/ });
      assert.equal(await live.unwatch(`'rest'`), 0);
      await live.watch(`rooms => '{customer:1}', name => 'own'`, 'rest');
      await live.app.query('INSERT INTO parts VALUES (1)');
      assert.deepEqual(await live.got(), { staff: [['parts:insert', { id: 1 }]], one: [['rest:insert', { id: 1 }]] });
    });

    it('a watch whose name it would make a part of its own', async () => {
      await live.app.query(ORDERS);
      await live.watch(`name => 'a_insert'`);
      await refused(live.app, `SELECT sio_watch('orders', name => 'a', level => 'statement', everyone => true)`, '42710', { says: 'a_insert', hint: /name/ });
      assert.deepEqual(await live.triggerNames(), ['a_insert']);
    });
  });
});
