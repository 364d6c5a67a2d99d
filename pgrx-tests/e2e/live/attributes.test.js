// Filters that look into a value of a composite type, or of another table's row type, and what becomes of its parts.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

describe('a filter that names a part of a value', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-attributes', clients: { a: ['a'] } });
  });

  after(async () => live?.close());

  beforeEach(async () => {
    await live.reset();
    await live.app.query(`
      CREATE TYPE address AS (city text, zip text);
      CREATE TABLE places (id int, country text);
      CREATE TABLE orders (id int PRIMARY KEY, shipping address, place places, city text)`);
    await live.watch(`'{a}', filter => $$ (shipping).city = 'Paris' AND (place).country = 'FR' $$`);
  });

  async function works(where = `ROW('Paris', '1')`) {
    await live.app.query(`INSERT INTO orders VALUES ((SELECT count(*) FROM orders), ${where}, ROW(1, 'FR')), (-1 - (SELECT count(*) FROM orders), NULL, NULL)`);
    assert.equal((await live.sent()).length, 1);
    assert.equal((await live.app.query('SELECT sio_check() AS n')).rows[0].n, 1);
  }

  it('follows its name', async () => {
    await live.app.query('ALTER TYPE address RENAME ATTRIBUTE city TO "Town"');
    await works();
    await live.app.query('ALTER TABLE places RENAME country TO land; ALTER TYPE address RENAME ATTRIBUTE "Town" TO city; ALTER TABLE orders RENAME place TO "At"');
    await works();
    const { rows: [{ filter }] } = await live.admin.query('SELECT filter FROM sio_watches');
    assert.equal(filter, `(((shipping).city = 'Paris'::text) AND (("At").land = 'FR'::text))`);
  });

  it('keeps that part from being dropped', async () => {
    for (const sql of ['ALTER TYPE address DROP ATTRIBUTE city', 'ALTER TABLE places DROP country', 'DROP TYPE address']) {
      await refused(live.app, sql, '2BP01');
    }
    await works();
    await live.app.query('ALTER TYPE address DROP ATTRIBUTE city CASCADE');
    assert.deepEqual(await live.triggerNames(), []);
  });

  it('does not care about other parts', async () => {
    await live.app.query(`ALTER TYPE address RENAME ATTRIBUTE zip TO code; ALTER TYPE address ADD ATTRIBUTE street text;
                          ALTER TABLE places RENAME id TO number; ALTER TABLE orders RENAME city TO town; ALTER TABLE places RENAME TO spots`);
    await works(`ROW('Paris', '1', NULL)`);
    await live.app.query('ALTER TYPE address DROP ATTRIBUTE code');
    await works(`ROW('Paris', NULL)`);
  });

  it('of its own columns and UPDATE OF are followed as ever', async () => {
    await live.app.query(`CREATE TRIGGER by_hand AFTER UPDATE OF city ON orders FOR EACH ROW EXECUTE FUNCTION public.sio_emit_changes('room=$city', 'event=e');
                          ALTER TABLE orders RENAME city TO town; UPDATE orders SET town = 'a'`);
    assert.match((await live.triggers()).by_hand, /UPDATE OF town .*'room=\$\{town\}'|UPDATE OF town .*room=\$town/);
  });
});
