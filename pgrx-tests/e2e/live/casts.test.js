// Casts of users to text, in rooms: what they answer is what value::text answers, and what they raise reaches the client as
// they raised it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE, SERVERS_ROLE } from '../../harness/roles.js';
import { survives } from '../../harness/survival.js';

const LEVELS = { row: rowTrigger, statement: statementTriggers };

const MOOD = `CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"', 'back\\slash')`;
const MOODS = [`'sad'`, `'it''s "fine"'`, `'back\\slash'`, 'NULL'];
const POINT = 'CREATE TYPE spot AS (x int, y text)';
const SPOTS = [`ROW(1, 'a')`, `ROW(NULL, 'it''s "b"')`, 'NULL', 'ROW(NULL, NULL)'];

// format() writes a value as its type does, without the cast.
const CASTS = {
  'any': ['concat("any")'],
  'anyelement, in SQL': ['own(anyelement)', `CREATE FUNCTION own(anyelement) RETURNS text LANGUAGE sql AS $$ SELECT format('own %s: %L', pg_typeof($1), $1) $$`],
  'anyelement, in PL/pgSQL': ['own(anyelement)', `CREATE FUNCTION own(anyelement) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN format('own %s: %L', pg_typeof($1), $1); END $$`],
  'anycompatible': ['own(anycompatible)', `CREATE FUNCTION own(anycompatible) RETURNS text LANGUAGE sql AS $$ SELECT format('%s %L', pg_typeof($1), $1) $$`],
  'anynonarray, strictly': ['own(anynonarray)', `CREATE FUNCTION own(anynonarray) RETURNS text STRICT LANGUAGE sql AS $$ SELECT format('%L', $1) $$`],
  'the type itself, with its modifier': ['own(TYPE, int, boolean)', `CREATE FUNCTION own(TYPE, int, boolean) RETURNS text LANGUAGE sql AS $$ SELECT format('%L %s %s', $1, $2, $3) $$`],
  'the type itself, and may answer null': ['own(TYPE)', `CREATE FUNCTION own(TYPE) RETURNS text LANGUAGE sql AS $$ SELECT nullif(format('%s', $1), 'sad') $$`],
  'the type itself, and is answered varchar': ['own(TYPE)', `CREATE FUNCTION own(TYPE) RETURNS varchar LANGUAGE sql AS $$ SELECT format('%L', $1)::varchar $$`],
  // It is select quote_literal($1::text), which calls itself again.
  'anyelement, quote_literal, which never ends': ['quote_literal(anyelement)'],
};
const TYPES = { mood: [MOOD, MOODS], spot: [POINT, SPOTS] };

describe('a cast to text in a room', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'casts', clients: { all: ['all'] } });
  });

  after(() => live?.close());
  beforeEach(() => live.reset());

  for (const [level, trigger] of Object.entries(LEVELS)) {
    for (const [type, [create, values]] of Object.entries(TYPES)) {
      for (const [what, [signature, define = '']] of Object.entries(CASTS)) {
        it(`whose function takes ${what}, of ${type} at ${level} level, makes the room that value::text is`, async () => {
          await live.app.query(`${create}; ${define.replaceAll('TYPE', type)};
            CREATE CAST (${type} AS text) WITH FUNCTION ${signature.replaceAll('TYPE', type)};
            CREATE TABLE t (id serial, v ${type}); ${trigger('t', 'INSERT', ['room=r:$v', 'columns=id'])}`);
          const insert = `INSERT INTO t (v) VALUES ${values.map((value) => `(${value}::${type})`).join(', ')}`;
          const plain = await live.app.query(`SELECT DISTINCT v::text AS text FROM (${insert.replace('INSERT INTO t (v) ', '')}) t (v)
            WHERE v IS DISTINCT FROM NULL`).catch(({ code }) => code); // a column that is null makes no room
          if (typeof plain === 'string') {
            await survives(live.postgres, live.app, () => refused(live.app, insert, plain));
            return;
          }
          await live.app.query(insert);
          const rooms = (await live.sent()).flatMap((message) => message.rooms);
          const texts = plain.rows.map(({ text }) => text).filter((text) => text !== null);
          assert.ok(texts.length > 0);
          assert.deepEqual([...new Set(rooms)].sort(), texts.map((text) => `r:${text}`).sort());
        });
      }
    }
  }
});

// Some are read when rows come, for their domains' conditions run code: as the type reads them, all the same.
describe('a literal in a filter', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'casts-literals', clients: { all: ['all'] } });
    await live.admin.query('GRANT SELECT ON sio_watches TO app');
  });

  after(() => live?.close());
  beforeEach(() => live.reset());

  const LITERALS = {
    'a row': ['pair', '(1,"it is \\\\ b")', '(5,x)'],
    'a domain over a row': ['known', '(1,b)', '(5,x)', 'pair'],
    'an array of a domain': ['small[]', '{1,NULL}', '{5}'],
    'an array of rows': ['pair[]', '{"(1,b)"}', '{"(5,x)"}'],
    'a domain over an array': ['list', '{1}', '{5}', 'small[]'],
    'a range': ['span', '[1,3)', '[5,6)'],
    'a multirange': ['spans', '{[1,3)}', '{[5,6)}'],
    'a domain over a range': ['age', '[1,3)', '[5,6)', 'span'],
    'an enum': ['mood', 'sad', 'glad'],
  };
  const DEFINE = `CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE TYPE pair AS (a small, b text); CREATE DOMAIN known AS pair CHECK ((VALUE).a < 10);
    CREATE DOMAIN list AS small[] CHECK (cardinality(VALUE) < 10); CREATE TYPE span AS RANGE (subtype = small, multirange_type_name = spans);
    CREATE DOMAIN age AS span CHECK (lower(VALUE) < 10); CREATE TYPE mood AS ENUM ('sad', 'glad')`;

  for (const [what, [type, literal, other, base = type]] of Object.entries(LITERALS)) {
    for (const by of ['sio_watch', 'CREATE TRIGGER']) {
      it(`is read as its type reads it, whatever casts from text there are, also once a column is renamed: ${what}, by ${by}`, async () => {
        await live.app.query(`${DEFINE}; CREATE TABLE t (id int PRIMARY KEY, v ${type});
          CREATE FUNCTION other(text) RETURNS ${base} IMMUTABLE LANGUAGE sql AS $$SELECT '${other}'::shop.${base}$$; CREATE CAST (text AS ${base}) WITH FUNCTION other(text)`);
        const filter = `v = '${literal}'::shop.${type}`;
        if (by === 'sio_watch') await live.app.query({ text: `SELECT sio_watch('t', '{all}', columns => '{id}', filter => $1, name => 'live')`, values: [filter] });
        else await live.app.query(rowTrigger('t', 'INSERT', ['room=all', 'columns=id', `filter=${filter}`, 'watch=live']));
        const texts = [];
        for (const [number, rename] of ['SELECT', 'ALTER TABLE t RENAME v TO w', 'ALTER TABLE t RENAME w TO v', 'ALTER TABLE t RENAME v TO w', 'ALTER TABLE t RENAME w TO v'].entries()) {
          await live.app.query(rename);
          await live.app.query(`INSERT INTO t VALUES (${2 * number}, '${literal}'), (${2 * number + 1}, '${other}')`);
          assert.deepEqual((await live.sent()).map(({ args: [{ id }] }) => id), [2 * number], rename);
          await live.app.query('SELECT sio_check()');
          texts.push((await live.app.query('SELECT filter FROM sio_watches')).rows[0].filter);
        }
        assert.equal(texts[3], texts[1]);
        assert.equal(texts[4], texts[2]);
        assert.ok(texts[4].includes(`::shop.${type})`), texts[4]);
      });
    }
  }
});

for (const encoding of ['UTF8', 'LATIN1']) {
  describe(`what a cast to text raises, in a database of ${encoding},`, () => {
    let cluster, live;

    before(async () => {
      cluster = await startPostgres({ name: `casts-errors-${encoding}` });
      const admin = await cluster.connect();
      await createRoles(admin, SERVERS_ROLE, EMITTER_ROLE);
      await admin.end();
      await cluster.createDatabase('here', { encoding });
      live = await startLive({ cluster, database: 'here', clients: {} });
    });

    after(async () => {
      await live?.close();
      await cluster?.stop();
    });

    beforeEach(() => live.reset());

    const RAISES = {
      'a message': `RAISE EXCEPTION 'Übler Fehler: %', $1`,
      'with all that an error has': `RAISE EXCEPTION 'Übler Fehler' USING DETAIL = 'Détail äöü', HINT = 'Tüp: ß', ERRCODE = 'ZZ123'`,
      'marks of a format': `RAISE EXCEPTION '%', '100 % sure: %s %n %1$s %m' USING DETAIL = '%s%s%s', HINT = '%d', ERRCODE = 'ABCDE'`,
      'several lines': `RAISE EXCEPTION E'first\\nsécond' USING DETAIL = E'a\\n\\tb', ERRCODE = '0A000'`,
      'a long one': `RAISE EXCEPTION '%', repeat('ä', 20000) USING DETAIL = repeat('ö', 20000), HINT = repeat('ü', 20000), ERRCODE = 'P0002'`,
      'a class only': `RAISE SQLSTATE 'ZZ000'`,
      'what looks like an internal error': `RAISE EXCEPTION 'é' USING ERRCODE = 'XX000'`,
      'a hint alone': `RAISE EXCEPTION '' USING HINT = 'ü', ERRCODE = '22012'`,
      'an error of Postgres\'s own': `PERFORM 'é'::int`,
      'one with a detail of Postgres\'s own': `INSERT INTO shop.ones VALUES ('é'), ('é')`,
      'one after another that was caught': `BEGIN RAISE EXCEPTION 'first: é' USING DETAIL = 'old', HINT = 'old'; EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION 'sécond' USING ERRCODE = 'ZZ124'; END`,
      'one that was caught and raised again': `BEGIN RAISE EXCEPTION 'agäin' USING DETAIL = 'détail', ERRCODE = 'ZZ125'; EXCEPTION WHEN OTHERS THEN RAISE; END`,
      'a warning before': `RAISE WARNING 'wärning' USING DETAIL = 'of the warning', ERRCODE = 'ZZ126'; RAISE EXCEPTION 'érror' USING ERRCODE = 'ZZ127'`,
    };
    const fields = (error) => Object.fromEntries(['code', 'message', 'detail', 'hint', 'severity'].map((field) => [field, error[field]]));
    const errorOf = (sql) => live.app.query(sql).then(() => assert.fail('it should raise'), fields);

    for (const [level, trigger] of Object.entries(LEVELS)) {
      for (const [what, raise] of Object.entries(RAISES)) {
        it(`at ${level} level, reaches the client as from a plain call: ${what}`, async () => {
          await live.app.query(`CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE ones (v text UNIQUE);
            CREATE FUNCTION as_text(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN ${raise}; RETURN ''; END $$;
            CREATE CAST (mood AS text) WITH FUNCTION as_text(mood);
            CREATE TABLE in_room (v mood); ${trigger('in_room', 'INSERT', ['room=$v'])};
            CREATE TABLE in_event (v mood); ${trigger('in_event', 'INSERT', ['room=a', 'event=$v'])};
            CREATE FUNCTION as_json(mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN ${raise}; RETURN '1'; END $$;
            CREATE CAST (mood AS json) WITH FUNCTION as_json(mood);
            CREATE TABLE in_payload (v mood); ${trigger('in_payload', 'INSERT', ['room=a'])}`);
          const plain = await errorOf(`SELECT as_text('sad')`);
          for (const table of ['in_room', 'in_event', 'in_payload']) {
            assert.deepEqual(await errorOf(`INSERT INTO ${table} VALUES ('sad')`), plain, table);
            // So it is for who handles it in SQL.
            const { rows } = await live.app.query(`SELECT * FROM handled($$INSERT INTO ${table} VALUES ('sad')$$)`).catch(async () => {
              await live.app.query(`CREATE FUNCTION handled(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text) LANGUAGE plpgsql AS $$
                BEGIN EXECUTE statement; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                  detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT; END $$`);
              return live.app.query(`SELECT * FROM handled($$INSERT INTO ${table} VALUES ('sad')$$)`);
            });
            assert.deepEqual(rows, [{ code: plain.code, message: plain.message, detail: plain.detail ?? '', hint: plain.hint ?? '' }], table);
          }
        });
      }
    }
  });
}
