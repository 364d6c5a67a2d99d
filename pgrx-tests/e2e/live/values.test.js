// What live tables send of a row is what to_jsonb makes of it: every type, by NOTIFY and through the table, at both levels.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { OWNER_ROLE, rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { startPostgres } from '../../harness/postgres.js';
import { createRoles, EMITTER_ROLE, SERVERS_ROLE } from '../../harness/roles.js';

// Type → values as SQL. What a type needs stands in TYPES, settings in SETTINGS.
const VALUES = {
  smallint: ['-32768', '0', '32767'],
  integer: ['-2147483648', '0', '2147483647'],
  bigint: ['-9223372036854775808', '9007199254740993', '9223372036854775807', '0'],
  numeric: [
    `'NaN'`, `'Infinity'`, `'-Infinity'`, '0', '0.00', '-0.5', '12.50', '1e-20', '123456789012345678901234567890.123456789012345678901234567890',
    '1e130', `('9' || repeat('8', 400))::numeric`, '-0.000000000000000000000000000000001',
  ],
  'numeric(10, 2)': ['12.5', '0', '-99999999.99', `'NaN'`],
  real: [`'NaN'`, `'Infinity'`, `'-Infinity'`, '0', `'-0'`, '1e-45', '3.4028235e38', '0.1', '16777217', '1e10', '-1.5'],
  'double precision': [
    `'NaN'`, `'Infinity'`, `'-Infinity'`, '0', `'-0'`, `'5e-324'`, `'1.7976931348623157e308'`, '0.1', '1e21', '1e-7', '123456789012345680', '1e15', '1e16',
  ],
  boolean: ['true', 'false'],
  text: [`''`, `'é 😀 日本'`, `E'"\\\\ \\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u2028'`, `'null'`, `'{"a": 1}'`, `repeat('é', 3000)`],
  'varchar(20)': [`'abc'`, `'abc  '`],
  'char(5)': [`'ab'`, `''`, `'éé'`],
  name: [`'a name'`],
  '"char"': [`'x'`, `''`],
  bytea: [`'\\x00ff10'`, `''`],
  uuid: [`'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`],
  json: [
    'null', `'null'`, `' {"b" : [1, {"c": 1.50}],  "a":{"x": null}} '`, `'{"a": 1, "a": 2}'`, `'"text"'`, `'[]'`, `'1e3'`, `'"\\u00e9 \\ud83d\\ude00 \\/"'`,
    `E'[1,\n 2]'`, `'{"a": 12345678901234567890.10}'`, `'true'`, `'{"": {}}'`,
  ],
  jsonb: ['null', `'null'`, `'{"bb": [1, {"c": 1.50}], "a": {"x": null}}'`, `'{"a": 1, "a": 2}'`, `'"text"'`, `'[]'`, `'1e3'`, `'{}'`, `'-0.0'`],
  'integer[]': [`'{}'`, `'{1,NULL,3}'`, `'{{1,2},{3,4}}'`, `'[2:3]={1,2}'`, `'{{{1},{2}},{{3},{4}}}'`, 'null'],
  'text[]': [`'{"a b","NULL",NULL,"",é}'`, `'{{a},{b}}'`],
  'jsonb[]': [`ARRAY['{"a": [1]}', 'null', NULL]::jsonb[]`],
  'json[]': [`ARRAY['{"a":  [1]}', NULL]::json[]`],
  'timestamptz[]': [`'{2026-01-02 03:04:05+00,infinity}'`],
  pair: [`'(1,"a b")'`, `'(,)'`, `'(5,)'`],
  'pair[]': [`ARRAY[(1,'x'), NULL, (NULL,NULL)]::pair[]`],
  nested: [`ROW(ROW(1, 'x'), ARRAY[ROW(2, 'y')::pair], '2026-01-02')::nested`, `ROW(NULL, NULL, NULL)::nested`],
  shrunk: [`ROW(1, 3)::shrunk`],
  positive: ['1', '2147483647'],
  label: [`'a label'`],
  deeper: ['7'],
  stamp: [`'2026-01-02 03:04:05.600+00'`],
  numbers: [`'{1,2}'`],
  pair_domain: [`'(1,x)'`],
  'positive[]': [`'{1,2}'`],
  cast_to_text: [`'x'`],
  mood: [`'sad'`, `'very "happy"'`],
  'mood[]': [`'{sad}'`],
  cast_to_json: [`'red'`, `'green'`],
  'cast_to_json[]': [`'{red,green}'`],
  int4range: [`'[1,5)'`, `'empty'`, `'(,)'`],
  numrange: [`'(1.50,2.0]'`],
  tstzrange: [`'[2026-01-02 03:04:05+00,)'`],
  int4multirange: [`'{[1,3),[5,7)}'`, `'{}'`],
  inet: [`'192.168.0.1'`, `'192.168.0.1/24'`, `'::1'`],
  cidr: [`'10.0.0.0/8'`],
  macaddr: [`'08:00:2b:01:02:03'`],
  macaddr8: [`'08:00:2b:01:02:03:04:05'`],
  'bit(5)': [`B'10101'`],
  'bit varying': [`B'101'`, `B''`],
  money: [`'12.34'`, `'-1234567.89'`],
  xml: [`'<a b="c">é&amp;</a>'`],
  tsvector: [`'a:1 fat:2A cat:3'`],
  tsquery: [`'fat & (rat | cat)'`],
  point: [`'(1.5,-2)'`],
  box: [`'((0,0),(1,1))'`],
  polygon: [`'((0,0),(1,1),(2,0))'`],
  oid: ['0', '4294967295'],
  regclass: [`'pg_class'`],
  regtype: [`'integer'`],
  pg_lsn: [`'16/B374D848'`],
  tid: [`'(1,2)'`],
  xid8: [`'18446744073709551615'`],
  jsonpath: [`'$.a[*]'`],
  date: [`'2026-01-02'`, `'0044-03-15 BC'`, `'infinity'`, `'-infinity'`, `'5874897-12-31'`],
  time: [`'03:04:05.600'`, `'24:00:00'`],
  'time with time zone': [`'03:04:05.6+05:30'`],
  timestamp: [`'2026-01-02 03:04:05.600'`, `'0044-03-15 01:02:03 BC'`, `'infinity'`, `'-infinity'`, `'2026-01-02'`, `'294276-12-31 23:59:59.999999'`],
  'timestamp with time zone': [
    `'2026-01-02 03:04:05.600+00'`, `'2026-07-02 03:04:05+00'`, `'0044-03-15 01:02:03+00 BC'`, `'infinity'`, `'-infinity'`, `'1880-01-01 00:00:00+00'`,
  ],
  interval: [`'1 year 2 mons 3 days 04:05:06.7'`, `'-1 day +00:00:01'`, `'0'`],
};

const TYPES = `
  CREATE TYPE pair AS (a int, b text);
  CREATE TYPE nested AS (one pair, more pair[], "the day" date);
  CREATE TYPE shrunk AS (a int, b int, c int); ALTER TYPE shrunk DROP ATTRIBUTE b;
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE DOMAIN label AS text;
  CREATE DOMAIN deeper AS positive;
  CREATE DOMAIN stamp AS timestamptz;
  CREATE DOMAIN numbers AS int[];
  CREATE DOMAIN pair_domain AS pair;
  CREATE TYPE mood AS ENUM ('sad', 'very "happy"');
  CREATE TYPE cast_to_json AS ENUM ('red', 'green');
  CREATE FUNCTION as_json(cast_to_json) RETURNS json IMMUTABLE LANGUAGE sql
    AS $$ SELECT format('{"colour":  "%s", "n": 1.50}', $1::text)::json $$;
  CREATE CAST (cast_to_json AS json) WITH FUNCTION as_json(cast_to_json);
  CREATE TYPE cast_to_text AS ENUM ('x');
  CREATE FUNCTION as_text(cast_to_text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'the text' $$;
  CREATE CAST (cast_to_text AS text) WITH FUNCTION as_text(cast_to_text);`;

// What changes how values look.
const SETTINGS = {
  date: [['DateStyle', 'SQL, DMY'], ['TimeZone', 'Asia/Kolkata'], ['IntervalStyle', 'iso_8601']],
  time: [['DateStyle', 'German'], ['TimeZone', 'America/New_York'], ['TimeZone', 'Europe/Berlin'], ['IntervalStyle', 'sql_standard']],
  interval: [['IntervalStyle', 'iso_8601'], ['IntervalStyle', 'sql_standard'], ['IntervalStyle', 'postgres_verbose']],
  tstzrange: [['TimeZone', 'Asia/Kolkata'], ['DateStyle', 'German']],
  stamp: [['TimeZone', 'Asia/Kolkata'], ['DateStyle', 'German']],
  bytea: [['bytea_output', 'escape']],
  real: [['extra_float_digits', '-5'], ['extra_float_digits', '0']],
  double: [['extra_float_digits', '-5'], ['extra_float_digits', '0']],
  xml: [['xmloption', 'document']],
};

describe('a live row shows', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-values', clients: { all: [] } });
    await live.admin.query(`GRANT CREATE ON SCHEMA public TO ${OWNER_ROLE}`);
    await live.app.query(`SET search_path = public; ${TYPES}`);
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  /** Of the table t: for each row, for each statement, and, if it has a column v, with a template of it. */
  const triggers = ({ template } = {}) => [
    rowTrigger('t', 'UPDATE', ['event=row'], { name: 'live_row' }),
    statementTriggers('t', 'UPDATE', ['event=rows']),
    ...(template ? [rowTrigger('t', 'UPDATE', ['room=<$v>', 'event=text', 'payload=key'], { name: 'live_text' })] : []),
  ].join(';');

  /** That an UPDATE of t, which changes no value, sends its rows as to_jsonb shows them, and templates as ::text does. */
  async function assertLikeToJsonb({ update = 'UPDATE t SET v = v', template = false, settings = '' } = {}) {
    const { rows } = await live.app.query(`
      SELECT to_jsonb(t)::text AS json, ${template ? 'CASE WHEN v IS DISTINCT FROM NULL THEN v::text END' : 'NULL'} AS text FROM t ORDER BY id`);
    assert.ok(rows.length > 0);
    // A number too large for a double is null at the client: the server writes its JSON anew.
    const expected = rows.map(({ json }) => JSON.parse(JSON.stringify(JSON.parse(json))));
    for (const threshold of [8_000, 1]) {
      await live.app.query(`SET socketio_emitter.payload_threshold = ${threshold}; ${update}; RESET socketio_emitter.payload_threshold`);
      const texts = await live.texts();
      const { all } = await live.got();
      for (const name of ['row', 'rows']) {
        const got = all.filter(([event]) => event === name).flatMap(([, arg]) => arg);
        assert.deepEqual(got.sort((a, b) => a.id - b.id), expected, `${name}, threshold ${threshold}, ${settings}`);
      }
      if (threshold === 8_000) await assertTexts(texts, rows, settings);
    }
  }

  /** What JSON.parse loses, as it travelled: the digits of numbers, which jsonb keeps; and rooms. */
  async function assertTexts(texts, expected, settings) {
    const messages = texts.map((text) => ({ text, ...JSON.parse(text) }));
    if (messages.some(({ attachmentId }) => attachmentId)) return;
    const of = (name) => messages.filter(({ data }) => data.packet.data[0] === name);
    for (const [name, path] of [['row', 'message #> $2'], ['rows', 'jsonb_array_elements(message #> $2)']]) {
      const { rows } = await live.app.query(
        `SELECT item::text AS json FROM (SELECT ${path} AS item FROM unnest($1::jsonb[]) message) i ORDER BY (item ->> 'id')::int`,
        [of(name).map(({ text }) => text), ['data', 'packet', 'data', '1']],
      );
      assert.deepEqual(rows.map(({ json }) => json), expected.map(({ json }) => json), `${name}, as text, ${settings}`);
    }
    const rooms = of('text').map(({ data }) => data.opts.rooms[0]);
    const shown = expected.filter(({ text }) => text !== null).map(({ text }) => `<${text}>`);
    assert.deepEqual(rooms.sort(), shown.sort(), `rooms, ${settings}`);
  }

  for (const [type, values] of Object.entries(VALUES)) {
    it(`${type} as to_jsonb does, in templates as ::text does`, { skip: type === 'xml' && lacks('xml') }, async () => {
      await live.app.query(`CREATE TABLE t (id serial PRIMARY KEY, v ${type})`);
      const all = [...values, 'NULL'].map((value) => `INSERT INTO t (v) VALUES (${value})`);
      await live.app.query(`${all.join(';')}; ${triggers({ template: true })}`);
      await assertLikeToJsonb({ template: true });
      const more = Object.keys(SETTINGS).filter((each) => type.startsWith(each)).flatMap((each) => SETTINGS[each]);
      for (const [setting, value] of more) {
        await live.app.query(`SET ${setting} = '${value}'`);
        await assertLikeToJsonb({ template: true, settings: `${setting} = ${value}` });
        await live.app.query('RESET ALL');
      }
    });
  }

  it('generated, identity, dropped, later added columns, and oddly named ones, as to_jsonb does', async () => {
    await live.app.query(`
      CREATE TABLE t (gone int, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, also_gone text,
                      double_a int GENERATED ALWAYS AS (a * 2) STORED, "odd ""name" text, "Größe" text, "\\" text);
      INSERT INTO t (gone, a, also_gone, "odd ""name", "Größe") VALUES (1, 5, 'x', 'y', 'z'), (2, NULL, NULL, NULL, NULL);
      ALTER TABLE t DROP gone, DROP also_gone, ADD later text DEFAULT 'the default', ADD much_later int[] DEFAULT '{1,2}',
                    ADD nothing date; ${triggers()}`);
    await assertLikeToJsonb({ update: 'UPDATE t SET a = a' });
    const { rows } = await live.app.query('SELECT to_jsonb(t) AS row FROM t WHERE a = 5');
    assert.equal(rows[0].row.later, 'the default');
  });

  it('columns added since the rows were stored, in deletes and old rows, too', async () => {
    await live.app.query(`CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 2), (2, 3);
      ALTER TABLE t ADD later text DEFAULT 'x', ADD more int DEFAULT 7;
      ${rowTrigger('t', 'UPDATE OR DELETE', ['payload=change', 'old=full'])}; UPDATE t SET a = 0 WHERE id = 1; DELETE FROM t WHERE id = 2`);
    const { all } = await live.got();
    const row = (id, a) => ({ id, a, later: 'x', more: 7 });
    assert.deepEqual(all.map(([, change]) => [change.record, change.old_record]), [[row(1, 0), row(1, 2)], [null, row(2, 3)]]);
  });

  for (const storage of ['EXTERNAL', 'EXTENDED', 'MAIN']) {
    it(`values that are stored ${storage}, changed, unchanged and deleted, as to_jsonb does`, async () => {
      const big = 'CREATE TABLE t (id serial PRIMARY KEY, n int, big text, doc jsonb, list text[], p pair)';
      await live.app.query(`${big}; ${['big', 'doc', 'list'].map((each) => `ALTER TABLE t ALTER ${each} SET STORAGE ${storage}`).join(';')};
        INSERT INTO t (n, big, doc, list, p) SELECT i, s, jsonb_build_object('k', s, 'n', i), ARRAY[s, NULL, s], ROW(i, s)::pair
          FROM (VALUES (1, repeat('abc', 20000)), (2, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 3000) i)), (3, 'short')) v (i, s);
        ${triggers()}`);
      await assertLikeToJsonb({ update: 'UPDATE t SET n = n' });
      await live.app.query(`DROP TRIGGER live_row ON t; ${rowTrigger('t', 'UPDATE OR DELETE', ['payload=change', 'old=full'])}`);
      await live.app.query('DROP TRIGGER live_update ON t');
      const { rows } = await live.app.query('SELECT to_jsonb(t) AS row FROM t ORDER BY id');
      await live.app.query('UPDATE t SET n = -n; DELETE FROM t');
      const { all } = await live.got();
      // By their op and id: short messages may overtake long ones.
      const changes = (op) => all.map(([, change]) => change).filter(({ operation }) => operation === op)
        .sort((a, b) => a.old_record.id - b.old_record.id);
      const changed = rows.map(({ row }) => ({ ...row, n: -row.n }));
      assert.deepEqual(changes('UPDATE').map(({ record }) => record), changed);
      assert.deepEqual(changes('UPDATE').map(({ old_record: old }) => old), rows.map(({ row }) => row));
      assert.deepEqual(changes('DELETE').map(({ old_record: old }) => old), changed);
    });
  }

  it('a table of 1,000 columns as to_jsonb does', async () => {
    const columns = Array.from({ length: 999 }, (_, i) => `c${i} ${['int', 'text', 'numeric'][i % 3]} DEFAULT ${i}`);
    await live.app.query(`CREATE TABLE t (id int PRIMARY KEY, ${columns}); INSERT INTO t (id) VALUES (1); ${triggers()}`);
    await assertLikeToJsonb({ update: 'UPDATE t SET id = id' });
  });

  it('in a room, an event or a key what column::text gives, under the session\'s settings', async () => {
    await live.app.query(`CREATE TABLE t (id timestamptz PRIMARY KEY, v float8, n numeric, b bytea, c char(4), f bool);
      ${rowTrigger('t', 'INSERT', ['room=${id}|$v|$n|$b|$c|$f', 'payload=key'])};
      SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'German'; SET bytea_output = 'escape'; SET extra_float_digits = 0;
      INSERT INTO t VALUES ('2026-01-02 03:04:05+00', 0.1::float8 + 0.2, 1.50, 'a\\000', 'x', false)`);
    const { rows } = await live.app.query(`SELECT concat_ws('|', id::text, v::text, n::text, b::text, c::text, f::text) AS room, to_jsonb(t) - '{v,n,b,c,f}'::text[] AS key FROM t`);
    await live.app.query('RESET ALL');
    const [{ rooms, args }] = await live.sent();
    assert.deepEqual([rooms, args], [[rows[0].room], [rows[0].key]]);
  });
});

describe('a live table in a LATIN1 database', () => {
  let live;
  const TEXT = 'Größe é ÿ ¡';

  before(async () => {
    const cluster = await startPostgres({ name: 'live-latin1' });
    const admin = await cluster.connect();
    await createRoles(admin, EMITTER_ROLE, SERVERS_ROLE);
    await cluster.createDatabase('latin1', { encoding: 'LATIN1' });
    live = await startLive({ cluster, database: 'latin1', clients: { inside: [`à ${TEXT}`], other: [] } });
  });

  after(async () => {
    await live?.close();
    await live?.postgres.stop();
  });

  beforeEach(async () => live.reset());

  for (const threshold of [8_000, 1]) {
    for (const level of ['row', 'statement']) {
      it(`sends names, values, rooms and events, at ${level} level, threshold ${threshold}`, async () => {
        const args = ['room=à $größe', 'event=${größe}: é', 'columns=größe,"Ü b",j,l'];
        await live.app.query(`CREATE TABLE "Tête" (id int, größe text, "Ü b" text, j jsonb, l text[], k json);
          ${level === 'row' ? rowTrigger('"Tête"', 'INSERT', args) : statementTriggers('"Tête"', 'INSERT', args)};
          SET socketio_emitter.payload_threshold = ${threshold}`);
        await live.app.query(`INSERT INTO "Tête" VALUES (1, $1, $1 || 'x', jsonb_build_object($1::text, $1::text), ARRAY[$1])`, [TEXT]);
        await live.app.query('RESET ALL');
        const row = { größe: TEXT, 'Ü b': `${TEXT}x`, j: { [TEXT]: TEXT }, l: [TEXT] };
        assert.deepEqual(await live.got(), { inside: [[`${TEXT}: é`, level === 'row' ? row : [row]]] });
      });
    }
  }
});
