// filter: what its text means, where something else than the declaration could decide that.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

const NOTES = 'CREATE TABLE notes (id int PRIMARY KEY, text text, at date, took interval, share float8, words text[]);';

// What sessions may have set otherwise: each decides how a value is read, or how Postgres writes one.
const SETTINGS = [
  ['standard_conforming_strings', 'on', 'off'], ['datestyle', 'SQL, DMY', 'ISO, MDY'], ['datestyle', 'German', 'SQL, MDY'],
  ['intervalstyle', 'sql_standard', 'postgres'], ['intervalstyle', 'postgres', 'sql_standard'], ['extra_float_digits', '-10', '3'],
  ['array_nulls', 'on', 'off'], ['quote_all_identifiers', 'on', 'off'], ['transform_null_equals', 'off', 'on'],
];

describe('the text of a filter', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-filter-text', clients: { staff: ['staff'] } });
    await live.admin.query('GRANT SELECT ON sio_watches TO app');
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const ids = async () => (await live.sent()).map(({ args: [{ id }] }) => id);

  it('is no list of columns', async () => {
    await live.app.query(NOTES);
    for (const filter of ['*', 'ALL *']) {
      await refused(live.app, `SELECT sio_watch('notes', '{staff}', filter => '${filter}')`, '22023', { says: ['parameter "filter"', 'one expression'] });
    }
    await live.app.query(rowTrigger('notes', 'INSERT', ['filter=*']));
    await refused(live.app, 'INSERT INTO notes VALUES (1)', '22023', { says: ['filter=*', 'one expression'].map((part) => new RegExp(part.replace('*', '\\*'))) });
  });

  it('can name the table with its schema, and the row', async () => {
    await live.app.query(NOTES);
    await live.watch(`rooms => '{staff}', columns => '{id}', filter => 'shop.notes.id > 1 AND notes.id > 2 AND new.id > 3 AND id > 4'`, 'notes');
    await live.app.query('INSERT INTO notes SELECT generate_series(1, 5)');
    assert.deepEqual(await ids(), [5]);
  });

  for (const [setting, here, elsewhere] of SETTINGS) {
    it(`means under ${setting} = ${elsewhere} what it meant under ${here}`, async () => {
      await live.app.query(NOTES);
      const rows = String.raw`(1, E'a\\b', '2026-02-01', '-1 day -02:03', 0.12345678901234567, ARRAY['x', NULL]),
        (2, E'a\b', '2026-01-02', '-1 day +02:03', 0.1234567, ARRAY['x', 'NULL']), (3, E'\\', '2026-02-01', '1 day', 0.5, NULL)`;
      await live.app.query(`SET ${setting} = '${here}'`);
      const value = (type, of) => live.app.query(`SELECT quote_literal(${of}::${type}) AS text`).then(({ rows: [{ text }] }) => text);
      const backslash = setting === 'standard_conforming_strings' ? String.raw`'a\b'` : String.raw`E'a\\b'`;
      const filter = [
        `text = ${backslash}`, String.raw`text <> E'\\'`, `text IS NOT NULL`, `at = ${await value('date', `date '2026-02-01'`)}`,
        `took = ${await value('interval', `make_interval(days => -1, hours => -2, mins => -3)`)}`, `share = '0.12345678901234567'::float8`,
        `words IS NOT DISTINCT FROM '{x,NULL}'`,
      ].join(' AND ');
      await live.app.query('SELECT sio_watch($1, $2, columns => $3, filter => $4)', ['notes', ['staff'], ['id'], filter]);
      await live.as('postgres', (other) => other.query(`SET escape_string_warning = off; SET ${setting} = '${elsewhere}';
        INSERT INTO shop.notes VALUES ${rows}`));
      assert.deepEqual(await ids(), [1]);
      await live.app.query(`SET ${setting} = '${here}'; DELETE FROM notes`);
      assert.deepEqual(await ids(), [1]);
    });
  }

  it('is refused where it compares by an operator that it can\'t name', async () => {
    await live.app.query(`${NOTES} CREATE FUNCTION same(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT pg_catalog.lower($1) OPERATOR(pg_catalog.=) pg_catalog.lower($2)';
      CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = same)`);
    try {
      await live.app.query('SET search_path = shop, public, pg_catalog');
      for (const filter of [`text IS DISTINCT FROM 'A'`, `text IS NOT DISTINCT FROM 'A'`, `NULLIF(text, 'A') IS NULL`, `CASE text WHEN 'A' THEN true END`, `NOT (id > 0 AND text IS DISTINCT FROM 'A')`]) {
        await refused(live.app, `SELECT sio_watch('notes', '{staff}', filter => $$${filter}$$)`, '22023', { says: ['parameter "filter"', 'operator'], hint: /a = b/ });
      }
      assert.deepEqual(await live.triggerNames('notes'), []);
      await live.watch(`rooms => '{staff}', columns => '{id}', filter => $$text = 'A' AND text IN ('A', 'B') AND id IS DISTINCT FROM 2$$`, 'notes');
    } finally {
      await live.app.query('RESET search_path');
    }
    await live.app.query(`INSERT INTO notes VALUES (1, 'a'), (2, 'a'), (3, 'c'), (4, 'A')`);
    assert.deepEqual(await ids(), [1, 4]);
  });

  it('calls no function and no operator that others could take the place of', async () => {
    await live.app.query(`${NOTES} CREATE FUNCTION any_of(anyelement) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
      CREATE FUNCTION more(text, int DEFAULT 1) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $2 = 1';
      CREATE FUNCTION one(word text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
      CREATE FUNCTION many(VARIADIC text[]) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
      CREATE FUNCTION pair(anyelement, anyelement) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
      CREATE OPERATOR === (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = pair);
      CREATE FUNCTION pair(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
      CREATE OPERATOR ~=~ (LEFTARG = text, RIGHTARG = text, FUNCTION = pair)`);
    for (const filter of ['any_of(id)', `more(text)`, `one(word => text)`, 'id === 1', 'id === ANY (ARRAY[1])', 'id > 0 AND NOT any_of(text)']) {
      await refused(live.app, `SELECT sio_watch('notes', '{staff}', filter => $$${filter}$$)`, '22023', { says: ['parameter "filter"', 'take its place'], hint: /types/ });
    }
    await live.watch(`rooms => '{staff}', columns => '{id}', filter => $$one(text::varchar) AND more(text, 1) AND many('a', text) AND one(text) AND text::varchar ~=~ 'x' AND text ~=~ ANY ('{x}')$$`, 'notes');
    // Better matches for what was written, by somebody who may create functions in the same schema.
    await live.app.query(`CREATE FUNCTION never(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called as %', current_user; END $$;
      CREATE FUNCTION one(varchar) RETURNS boolean LANGUAGE sql AS 'SELECT shop.never($1)'; CREATE FUNCTION many(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT shop.never($1)';
      CREATE FUNCTION pair(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT shop.never($1)'; CREATE OPERATOR ~=~ (LEFTARG = varchar, RIGHTARG = text, FUNCTION = pair)`);
    await live.app.query(`INSERT INTO notes VALUES (1, 'a')`);
    assert.deepEqual(await ids(), [1]);
  });

  it('can be deep, and is refused at once when it is too deep', async () => {
    await live.app.query(`${NOTES} SET statement_timeout = '20s'`);
    await live.watch(`rooms => '{staff}', columns => '{id}', filter => 'id = ' || repeat('1 + ', 150) || '1'`, 'notes');
    await live.app.query('INSERT INTO notes VALUES (150), (151)');
    assert.deepEqual(await ids(), [151]);
    // Each level that an ERROR passes must not cost what depends on the depth.
    for (const depth of [1500, 4000]) {
      await live.app.query(`SELECT sio_watch('notes', '{staff}', filter => 'id = ' || repeat('1 + ', ${depth}) || '1')`).catch(({ code }) => assert.equal(code, '54001'));
    }
  });

  // Short texts, of which Postgres's parser makes twice as much with each level, or more.
  for (const [what, levels, innermost, around, condition = (value) => value] of [
    ['BETWEEN', 14, 'b', (inner) => `(${inner} BETWEEN false AND true)`],
    ['NOT BETWEEN', 14, 'b', (inner) => `(${inner} NOT BETWEEN false AND true)`],
    ['BETWEEN SYMMETRIC', 8, 'b', (inner) => `(${inner} BETWEEN SYMMETRIC false AND true)`],
    ['NOT BETWEEN SYMMETRIC, within its bounds', 14, 'b', (inner) => `(b NOT BETWEEN SYMMETRIC ${inner} AND true)`],
    ['IN', 14, 'b', (inner) => `(${inner} IN (b, NOT b))`],
    ['NOT IN, with one item', 300, 'b', (inner) => `(${inner} NOT IN (b))`],
    ['IN, of arrays and constants', 14, 'b', (inner) => `(ARRAY[${inner}] IN ('{t}', '{f}'))`],
    ['.*', 10, 'p', (inner) => `ROW((${inner}).*)::shop.two`, (value) => `${value} IS NOT NULL`],
    ['.* of a table with many columns', 60, 'b', (inner) => `ROW(new.*) IS NOT NULL AND ${inner}`],
  ]) {
    it(`is refused where Postgres would copy too much of it: ${what}`, async () => {
      const columns = Array.from({ length: 200 }, (_, index) => `c${index} int`);
      await live.app.query(`CREATE TYPE two AS (x int, y int); CREATE TABLE wide (id int PRIMARY KEY, b boolean, p two, ${columns})`);
      const [deep, flat] = [levels, 1].map((count) => condition(Array(count).fill(around).reduce((inner, next) => next(inner), innermost)));
      const quoted = deep.replaceAll(`'`, `''`);
      await refused(live.app, `SELECT sio_watch('wide', '{staff}', filter => '${quoted}')`, '54001', { says: ['parameter "filter"', 'BETWEEN'], hint: /function of the row/ });
      await live.app.query(rowTrigger('wide', 'INSERT', ['room=staff', `filter=${deep}`]));
      await refused(live.app, 'INSERT INTO wide VALUES (1)', '54001', { says: ['trigger "live"', 'BETWEEN'] });
      await refused(live.admin, 'SELECT sio_check()', '55000', { says: 'BETWEEN' });
      await live.app.query(`DROP TRIGGER live ON wide; INSERT INTO wide VALUES (1, true)`);
      await live.app.query({ text: `SELECT sio_watch('wide', '{staff}', filter => $1)`, values: [flat] });
      await live.app.query(`UPDATE wide SET b = false`);
    });
  }

  it('is refused where each of its many calls has many functions to look at', async () => {
    await live.app.query(`${NOTES}; DO $$ BEGIN FOR i IN 1..400 LOOP
      EXECUTE format('CREATE DOMAIN d%s AS int; CREATE FUNCTION many(d%s) RETURNS boolean IMMUTABLE LANGUAGE sql AS ''SELECT true''', i, i); END LOOP; END $$;
      CREATE FUNCTION many(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'`);
    const calls = (count) => Array(count).fill('many(id)').join(' OR ');
    await refused(live.app, `SELECT sio_watch('notes', '{staff}', filter => '${calls(3000)}')`, '54001', { says: ['parameter "filter"', 'functions of its name'] });
    await live.app.query(`SELECT sio_watch('notes', '{staff}', filter => '${calls(100)}')`);
  });

  it('can have such copies where they are few, or written', async () => {
    await live.app.query(NOTES);
    const many = (count, each) => Array.from({ length: count }, (_, index) => each(index));
    for (const filter of [
      many(3000, (index) => `id BETWEEN ${index} AND ${index + 1}`).join(' OR '),
      `lower(text) IN (${many(5000, (index) => `'t${index}'`)}) OR id IN (${many(5000, (index) => index + 1)})`,
      `id IN (${many(400, (index) => `id + ${index}`)})`,
      `(((id > 0) BETWEEN false AND true) BETWEEN SYMMETRIC true AND false) IN (id > 0, id < 0)`,
    ]) {
      await live.app.query({ text: `SELECT sio_watch('notes', '{staff}', columns => '{id}', filter => $1)`, values: [filter] });
      await live.app.query(`SELECT sio_watch(table_name, rooms, columns => columns, filter => filter) FROM sio_watches`);
      await live.app.query(`INSERT INTO notes VALUES (1, 'T1'); DELETE FROM notes`);
      assert.deepEqual(await ids(), [1, 1], filter.slice(0, 100));
    }
  });

  it('can have any form that Postgres writes as it reads it', async () => {
    await live.app.query(`CREATE TYPE place AS (street text, zip varchar(5)); CREATE DOMAIN share AS numeric(5, 2) CHECK (VALUE < 100);
      CREATE TABLE things (id bigint PRIMARY KEY, small smallint, code varchar(10), name char(5), n numeric(10, 2), f float8, r float4, b boolean, d date, t time,
        ts timestamp(3), tz timestamptz, i interval, u uuid, a int[], m text[], doc jsonb, j json, x xml, p place, s share, bits bit(3), bin bytea, ip inet, price money, span int4range)`);
    for (const filter of [
      'b', 'NOT b', 'b IS TRUE', 'b IS NOT UNKNOWN', 'id = -1', 'id > 5000000000 OR small = 1 AND code = \'x\'', `code IN ('a', 'b')`, `code NOT IN ('a', 'b')`, 'small IN (1, 2)',
      `name = 'abc'`, `code LIKE 'a%' ESCAPE '!'`, `code ~* '^a' AND code SIMILAR TO 'a|b'`, `code::varchar(3) = 'abc'`, 'n BETWEEN 1 AND 2.5', 'n BETWEEN SYMMETRIC 2 AND 1', 'f > 1.5 AND f < \'Infinity\'',
      'r = 0.1', `d = '2026-01-01' AND d < current_date`, `t > '10:00' AND ts < '2026-01-01 10:00' AND tz > now() - interval '1 day 02:00'`, `tz AT TIME ZONE 'UTC' > '2026-01-01'`, `extract(year from d) = 2026`,
      `u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`, 'a[1] = 1 AND a[1:2] = ARRAY[1, 2]', '1 = ANY (a) AND 2 <> ALL (a)', `m && ARRAY['a', 'b'] AND m = '{}'`, `doc->>'a' = 'b' AND doc @> '{"a": 1}' AND doc ? 'c'`,
      `(doc->'n')::int = 1`, '(p).zip = \'12345\' AND (p).street IS NOT NULL', 'p IS NOT NULL', 's > 1', 'ROW(id, small) < ROW(1, 2)', 'ROW(id, small) = ROW(1, 2)', '(id, small) IN ((1, 2), (3, 4))',
      'COALESCE(b, false)', 'NULLIF(small, 1) = 2', 'GREATEST(small, 1) = 1 AND LEAST(id, 2) = 2', 'CASE WHEN b THEN small ELSE 2 END = 1', `CASE code WHEN 'a' THEN true WHEN 'b' THEN false END`,
      `code COLLATE "C" < 'x'`, `bits = B'101'`, `bin = '\\x00ff'`, `ip << '10.0.0.0/8'`, `price > '12.34'::money`, `span @> 3`, `current_user = 'app'`, `x IS DOCUMENT`, 'things IS NOT NULL',
      `f::int = 1 AND id::text = '1' AND cast(n AS int) = 2`, `substring(code from 2 for 1) = 'a' AND trim(both from code) = 'b' AND position('a' in code) = 1 AND overlay(code placing 'x' from 1) = 'y'`,
      `(ts, ts) OVERLAPS (ts, interval '1 day')`, 'id IS NOT DISTINCT FROM small', `code || 'x' = 'ax'`, '-id < 0 AND @ small = 1 AND small ^ 2 = 4 AND id % 2 = 0', `format('%s', id) = '1'`, `to_jsonb(things) ? 'id'`,
      `'now'::timestamptz > tz`, `jsonb_build_object('a', id) <> doc`, `concat(VARIADIC m) = 'ab'`, `make_interval(days => small) > i`, `code = 'a' AND (small = 1 AND (b OR id = 2) OR NOT (b AND id = 3))`, 'true', 'NULL', `'a' = NULL`,
      `length(code::text) = 3`, `'things'::regclass = 1`, `(a || 1)[1] = 1`, `xpath('/a', x) IS NULL`, `doc #>> '{a,b}' = 'c'`, `doc['a'] = '1'`, `code IS NORMALIZED`,
    ]) {
      await live.watch(`rooms => '{staff}', filter => $f$${filter}$f$`, 'things');
    }
  });
});
