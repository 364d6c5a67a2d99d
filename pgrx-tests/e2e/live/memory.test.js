// Live tables in sessions that live for months, and under statements that change many rows.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { rowTrigger, statementTriggers } from '../../harness/live.js';
import { measureRounds, NOISE, peakGrowth, startAndEnd, TOLERANCE } from '../../harness/memory.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

const ALL_OPS = ['INSERT', 'UPDATE', 'DELETE'];
const MB = 1024 * 1024;

describe('the memory of a session with live tables', () => {
  let postgres, admin, session, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'live-memory', conf: { autovacuum: 'off' } });
    admin = await prepareDatabase(postgres);
    await admin.query(`GRANT pg_read_all_stats TO ${EMITTER_ROLE}; CREATE SCHEMA shop AUTHORIZATION ${EMITTER_ROLE};
                       ALTER ROLE ${EMITTER_ROLE} SET search_path = shop, public`);
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    session = await postgres.connect({ user: EMITTER_ROLE });
    await session.query(`CREATE TABLE items (id int PRIMARY KEY, room text, n numeric, tags text[], doc jsonb, note text)`);
  });

  afterEach(async () => {
    await session.query('ROLLBACK; DROP TABLE items CASCADE');
    await session.end();
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  const insert = (count) => `INSERT INTO items SELECT i, 'room ' || i % 100, i / 7.0, ARRAY['a', 'b' || i], jsonb_build_object('i', i), repeat('x', 100)
                               FROM generate_series(1, ${count}) i;`;

  it('is flat over 200,000 firings of a row trigger', async (t) => {
    await session.query(rowTrigger('items', ALL_OPS.join(' OR '),
      ['room=$room', 'room=staff:${n}', 'event=$table:$op:$id', 'payload=change', 'old=full', 'left_event=left']));
    await measureRounds(t, session, {
      rounds: 100,
      calls: 2_000,
      work: () => session.query(`${insert(500)} UPDATE items SET room = 'x' || id; UPDATE items SET note = 'y'; DELETE FROM items`),
    });
    assert.equal((await listener.texts()).length, 100 * 2_500, '500 of each round left rooms');
  });

  for (const [level, trigger] of Object.entries({ row: rowTrigger, statement: statementTriggers })) {
    it(`is flat over filters, functions and arrays at ${level} level`, async (t) => {
      await session.query(`CREATE FUNCTION title(items) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN upper($1.note); END';
        CREATE FUNCTION rooms(items) RETURNS text[] STABLE LANGUAGE sql AS 'SELECT ARRAY[$1.room, $1.id::text]'`);
      const args = ['room=tag:${tags[]}', 'room=${shop.rooms()}', 'event=$op', 'columns=*,shop.title()', 'left_event=left', 'unchanged=event', 'meta=on', 'bigints=text',
        "filter=doc ->> 'i' <> '3' AND shop.title(new) IS NOT NULL"];
      await session.query(level === 'row' ? trigger('items', ALL_OPS.join(' OR '), args) : trigger('items', ALL_OPS, args));
      await measureRounds(t, session, {
        rounds: 60,
        calls: level === 'row' ? 1_000 : 60,
        work: () => session.query(`${insert(20)} UPDATE items SET room = 'x' || id; DELETE FROM items;`.repeat(20)),
      });
    });
  }

  it('is flat over 6,000 statement triggers', async (t) => {
    await session.query(statementTriggers('items', ALL_OPS, ['room=$room', 'payload=change', 'old=full', 'left_event=left', 'batch=10']));
    await measureRounds(t, session, {
      rounds: 100,
      calls: 60,
      work: () => session.query(`${insert(3)} UPDATE items SET room = 'x' || id; DELETE FROM items;`.repeat(20)),
    });
  });

  it('is flat over 20,000 firings that fail, at both levels', async (t) => {
    await session.query(`
      CREATE TABLE failing_rows (id int, event text); CREATE TABLE failing_statements (LIKE failing_rows); CREATE TABLE wrong (id int);
      ${rowTrigger('failing_rows', 'INSERT', ['event=$event'])}; ${statementTriggers('failing_statements', 'INSERT', ['event=$event'])};
      ${rowTrigger('wrong', 'INSERT', ['room=$missing'])};
      CREATE PROCEDURE fail(sql text) LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE sql; RAISE 'it succeeded';
      EXCEPTION WHEN invalid_parameter_value OR undefined_column OR raise_exception THEN
        IF SQLERRM = 'it succeeded' THEN RAISE; END IF;
      END $$`);
    await measureRounds(t, session, {
      rounds: 40,
      calls: 500,
      work: () => session.query(`DO $$ BEGIN
        FOR i IN 1..125 LOOP
          CALL fail('INSERT INTO failing_rows VALUES (1, ''fine''), (2, ''connect'')');
          CALL fail('INSERT INTO failing_statements SELECT i, CASE i WHEN 50 THEN ''connect'' ELSE ''e'' || i END FROM generate_series(1, 50) i');
          CALL fail('INSERT INTO wrong VALUES (1)');
          CALL fail('INSERT INTO failing_statements VALUES (1, ''disconnect'')');
        END LOOP;
      END $$`),
    });
    assert.deepEqual(await listener.texts(), []);
    await session.query('DROP TABLE failing_rows, failing_statements, wrong; DROP PROCEDURE fail');
  });

  it('is flat over 1,000 times ALTER TABLE and a firing', async (t) => {
    await session.query(`${rowTrigger('items', ALL_OPS.join(' OR '), ['room=$room', 'event=$op:$id'])};
                         ${statementTriggers('items', ALL_OPS, ['room=$room', 'event=$op:$id'])}`);
    // Columns added are counted for ever, so a default is altered instead, and the trigger replaced.
    await measureRounds(t, session, {
      rounds: 100,
      calls: 10,
      work: (round) => session.query(Array.from({ length: 10 }, (_, i) => `
        ALTER TABLE items ALTER note SET DEFAULT '${round} ${i}';
        CREATE OR REPLACE ${rowTrigger('items', 'INSERT', [`event=e${round}.${i}`, 'room=$room'], { name: 'another' }).replace('CREATE', '')};
        INSERT INTO items (id, room) VALUES (1, 'x'); DELETE FROM items`).join(';')),
    });
  });

  it('grows over 500 tables made, changed and dropped by what Postgres itself keeps, and no more', async (t) => {
    const growth = async (trigger) => {
      const own = await postgres.connect({ user: EMITTER_ROLE });
      const { start, end } = await startAndEnd(own, {
        rounds: 25,
        work: () => own.query(Array.from({ length: 20 }, (_, i) => `
          CREATE TABLE passing_${i} (id int PRIMARY KEY, room text); ${trigger(`passing_${i}`)};
          INSERT INTO passing_${i} VALUES (1, 'x'); UPDATE passing_${i} SET room = 'y'; DROP TABLE passing_${i}`).join(';')),
      });
      await own.end();
      t.diagnostic(JSON.stringify({ start, end }));
      return { contexts: end.contexts - start.contexts, resident: end.resident - start.resident };
    };
    const plain = await growth(() => '');
    const watched = await growth((table) => rowTrigger(table, 'INSERT OR UPDATE', ['room=$room', 'payload=change', 'left_event=left']));
    for (const kind of ['contexts', 'resident']) {
      const more = watched[kind] - plain[kind];
      assert.ok(more <= NOISE + TOLERANCE * 440, `${kind} grew by ${more} bytes more over 440 tables`);
    }
  });

  // `few`: as many rows as fill the batches of 100 rooms, which is the most that is held at once.
  for (const [what, few, many, batch, args] of [
    ['rows', 60_000, 240_000, 500, []],
    ['changes with whole old rows, unchanged ones skipped', 20_000, 120_000, 100, ['payload=change', 'old=full', 'unchanged=skip']],
  ]) {
    it(`doesn't grow with the rows of one statement into 100 rooms: ${what}`, async (t) => {
      const peak = async (count) => {
        const own = await postgres.connect({ user: EMITTER_ROLE });
        await own.query(`TRUNCATE items; SET work_mem = '64kB'; ${insert(count)}`);
        await own.query(statementTriggers('items', 'UPDATE', ['room=$room', `batch=${batch}`, ...args]));
        await own.query('UPDATE items SET n = n + 1 WHERE id <= 100'); // code and catalogs are loaded
        const growth = await peakGrowth(own, () => own.query('UPDATE items SET n = n + 1'));
        await own.query('DROP TRIGGER live_update ON items');
        await own.end();
        assert.equal((await listener.texts()).length, 100 + 100 * Math.ceil(count / 100 / batch));
        return growth;
      };
      const [start, end] = [await peak(few), await peak(many)];
      t.diagnostic(`peaks: ${start} and ${end} bytes`);
      // The additional rows have 20 MB of JSON, and more.
      assert.ok(end - start <= 6 * MB, `${few} rows took ${start} bytes, ${many} took ${end}`);
    });
  }

  for (const [what, few, many, room, note] of [
    ['rows that reach nobody', 20_000, 400_000, 'nobody:$room:$id', `'x'`],
    ['rooms with long names', 700, 4_000, '$note', `repeat('x', 50000) || i`],
  ]) {
    it(`doesn't grow with the rows of one statement: ${what}`, async (t) => {
      const peak = async (count) => {
        const own = await postgres.connect({ user: EMITTER_ROLE });
        await own.query(`TRUNCATE items; SET work_mem = '64kB'; ${statementTriggers('items', 'INSERT', [`room=${room}`, 'columns=id'])}`);
        const growth = await peakGrowth(own, () => own.query(
          `BEGIN; INSERT INTO items (id, note) SELECT i, ${note} FROM generate_series(1, ${count}) i; ROLLBACK`));
        await own.query('DROP TRIGGER live_insert ON items');
        await own.end();
        return growth;
      };
      const [start, end] = [await peak(few), await peak(many)];
      t.diagnostic(`peaks: ${start} and ${end} bytes`);
      // What waits is limited to 64 MB; the texts of the rooms have 200 MB, those of the rows for nobody 100.
      assert.ok(end - start <= 64 * MB, `${few} rows took ${start} bytes, ${many} took ${end}`);
    });
  }

  it('doesn\'t grow with the rows of one statement into as many rooms, beyond what their notifications take', async (t) => {
    const peak = async (trigger) => {
      const own = await postgres.connect({ user: EMITTER_ROLE });
      await own.query(`TRUNCATE items; ${trigger}; INSERT INTO items (id, note) VALUES (0, 'x')`);
      // Rolled back, for all is held before the commit, and 200 MB needn't travel.
      const growth = await peakGrowth(own, () => own.query(
        `BEGIN; INSERT INTO items (id, note) SELECT i, repeat('x', 6000) FROM generate_series(1, 30000) i; ROLLBACK`,
      ));
      await own.query('DROP TRIGGER live ON items');
      await own.end();
      assert.ok(growth > 180 * MB, `the notifications are part of the ${growth} bytes`);
      return growth;
    };
    const args = ['room=user:$id'];
    const rows = await peak(rowTrigger('items', 'INSERT', args));
    const statement = await peak(statementTriggers('items', 'INSERT', args).replace('live_insert', 'live'));
    t.diagnostic(`peaks: row level ${rows}, statement level ${statement} bytes`);
    // The rows have 180 MB; what waits for a batch to fill is limited to 64.
    assert.ok(statement - rows <= 100 * MB, `row level took ${rows} bytes, statement level ${statement}`);
  });
});
