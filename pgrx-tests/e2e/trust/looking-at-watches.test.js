// Whoever looks at watches, or alters what they are about, runs no code of whoever has declared them: code that runs then would have the
// privileges of a superuser, or of a table's owner. Postgres runs functions while it plans (those of constants), and while it parses:
// domains check the literals of arrays, rows and ranges that contain them.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { PG_MAJOR, startPostgres } from '../../harness/postgres.js';
import { events } from '../../harness/queue.js';
import { createRoles, EMITTER_ROLE, grantExecute } from '../../harness/roles.js';

// Says who runs it. IMMUTABLE, so that Postgres is free to call it early.
const CODE = `
  CREATE FUNCTION evil.ran() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE NOTICE 'evil ran as %', current_user; RETURN true; END$$;
  CREATE FUNCTION evil.ran(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN evil.ran(); END$$;
  CREATE FUNCTION evil.inlined(evil.t) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT evil.ran()';
  CREATE FUNCTION evil.payload(evil.t) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$SELECT CASE WHEN evil.ran() THEN '{}'::jsonb END$$;
  CREATE FUNCTION evil.room(evil.t) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT evil.ran()::text';
  CREATE DOMAIN evil.checked AS int CHECK (evil.ran(VALUE));
  CREATE DOMAIN evil.constantly AS int CHECK (evil.ran());
  CREATE DOMAIN evil.list AS evil.checked[];
  CREATE TYPE evil.pair AS (a evil.checked, b text);
  CREATE TYPE evil.nested AS (pairs evil.pair[]);
  CREATE TYPE evil.range AS RANGE (subtype = evil.checked);`;

/** Declarations, as arguments of sio_watch. */
const DECLARED = {
  'a computed column, planned': `columns => '{*,evil.inlined()}'`,
  'a payload, planned': `payload => 'evil.payload()'`,
  'a room beside a computed column': `rooms => ARRAY['\${evil.room()}'], columns => '{id,evil.inlined()}'`,
};
/** Filters. */
const LITERALS = {
  'an array of a domain': `'{1}'::evil.checked[] IS NOT NULL`,
  'an array of a domain, compared': `list = '{1}'`,
  'an array of a domain, in an IN': `list IN ('{1}', '{2}')`,
  'an array of a domain, made from two': `list || '{1}' IS NOT NULL`,
  'a domain over such an array': `'{1}'::evil.list IS NOT NULL`,
  'an array of a domain whose condition is a constant': `'{1}'::evil.constantly[] IS NOT NULL`,
  'a row': `'(1,x)'::evil.pair IS NOT NULL`,
  'rows, compared': `pair IS NOT DISTINCT FROM '(1,x)'::evil.pair`,
  'rows in an array in a row': `'("{""(1,x)""}")'::evil.nested IS NOT NULL`,
  'a range': `'[1,2)'::evil.range IS NOT NULL`,
  'a multirange': `'{[1,2)}'::evil.multirange IS NOT NULL`,
  'an argument of a function': `cardinality(evil.same('{1}')) = 1`,
  ...(PG_MAJOR >= 17 && {
    'the default of JSON_VALUE': `JSON_VALUE(document, '$.b' RETURNING evil.checked[] DEFAULT '{1}' ON EMPTY) IS NOT NULL`,
    'the default of JSON_QUERY, cast': `JSON_QUERY(document, '$.b' RETURNING evil.checked[] DEFAULT '{1}'::evil.checked[] ON EMPTY) IS NOT NULL`,
  }),
};

/** What a superuser does. */
const LOOKS = {
  'sio_watches': 'SELECT * FROM sio_watches',
  'sio_check': 'SELECT sio_check()',
  'sio_doctor': 'SELECT * FROM sio_doctor()',
  'sio_typescript': 'SELECT sio_typescript()',
  'a column gets another type': 'ALTER TABLE evil.t ALTER COLUMN id TYPE bigint',
  'a column is renamed': 'ALTER TABLE evil.t RENAME COLUMN note TO remark',
  'a column is dropped': 'ALTER TABLE evil.t DROP COLUMN unused',
  'a schema is renamed': 'ALTER SCHEMA evil RENAME TO good',
  'a function is renamed': 'ALTER FUNCTION evil.ran(int) RENAME TO runs',
  'a type is moved': 'CREATE SCHEMA good; ALTER TYPE evil.pair SET SCHEMA good',
  'something is dropped': 'DROP FUNCTION evil.unused()',
  'a trigger is told of again': `SELECT _sio.protect(oid) FROM pg_trigger`,
};

describe('who looks at a watch of somebody else runs none of their code', () => {
  let postgres, admin, listener;
  const ran = [];

  before(async () => {
    postgres = await startPostgres({ name: 'looking' });
    admin = await postgres.connect();
    admin.on('notice', ({ message }) => message.startsWith('evil ran') && ran.push(message));
    await createRoles(admin, EMITTER_ROLE);
    await admin.query('CREATE EXTENSION socketio_emitter');
    await grantExecute(admin, EMITTER_ROLE);
    listener = await listen(postgres);
  });

  after(async () => {
    await listener?.close();
    await postgres?.stop();
  });

  beforeEach(async () => {
    await admin.query(`RESET ROLE; DROP SCHEMA IF EXISTS evil, good CASCADE; CREATE SCHEMA evil AUTHORIZATION ${EMITTER_ROLE}; SET ROLE ${EMITTER_ROLE};
      CREATE TABLE evil.t (id int PRIMARY KEY, note text, unused int, document jsonb); ${CODE};
      ALTER TABLE evil.t ADD list evil.checked[], ADD pair evil.pair;
      CREATE FUNCTION evil.same(evil.checked[]) RETURNS evil.checked[] LANGUAGE sql IMMUTABLE AS 'SELECT $1';
      CREATE FUNCTION evil.unused() RETURNS int LANGUAGE sql AS 'SELECT 1'; RESET ROLE`);
    ran.length = 0;
  });

  /** Looks in every way, each undone. */
  async function look() {
    for (const [how, sql] of Object.entries(LOOKS)) {
      await admin.query('BEGIN');
      // What can't be followed may be refused.
      await admin.query(sql).catch(({ code, message }) => assert.equal(code, '2BP01', `${how}: ${message}`));
      await admin.query('ROLLBACK');
      assert.deepEqual(ran, [], how);
    }
    await admin.query('DISCARD ALL');
    const again = await postgres.connect();
    again.on('notice', ({ message }) => message.startsWith('evil ran') && ran.push(message));
    const { rows } = await again.query('SELECT problem FROM sio_watches');
    assert.deepEqual(rows, [{ problem: null }]);
    assert.deepEqual(ran, [], 'in a new session');
    await again.end();
    await listener.messages(); // the doctor has asked who is there
  }

  for (const [name, declared] of Object.entries(DECLARED)) {
    it(`a function in ${name}`, async () => {
      await admin.query(`SET ROLE ${EMITTER_ROLE}; SELECT sio_watch('evil.t', ${declared.includes('rooms') ? '' : `'{r}',`} ${declared}); RESET ROLE`);
      ran.length = 0;
      await look();
      // Who changes the table runs it, as the functions of any trigger.
      await admin.query(`INSERT INTO evil.t (id) VALUES (1)`);
      assert.notEqual(ran.length, 0);
      assert.equal((await events(listener)).length, 1);
    });
  }

  for (const [name, filter] of Object.entries(LITERALS)) {
    it(`a filter with ${name}`, async () => {
      await admin.query(`SET ROLE ${EMITTER_ROLE}`);
      await admin.query(`SELECT sio_watch('evil.t', '{r}', filter => $1)`, [filter]);
      await admin.query('RESET ROLE');
      assert.notEqual(ran.length, 0, 'it would run');
      ran.length = 0;
      await look();
      await admin.query(`INSERT INTO evil.t (id, list, pair, document) VALUES (1, '{1}', '(1,x)', '{"a": null}')`);
      assert.deepEqual((await events(listener)).map(([event, row]) => [event, row.id]), [['t:insert', 1]]);
    });
  }

  it('triggers that were created without sio_watch', async () => {
    for (const filter of Object.values(LITERALS)) {
      await admin.query(`SET ROLE ${EMITTER_ROLE}; CREATE TRIGGER t AFTER INSERT ON evil.t FOR EACH ROW EXECUTE FUNCTION
        sio_emit_changes('room=r', 'watch=w', 'filter=(${filter.replaceAll("'", "''")})'); RESET ROLE`);
      ran.length = 0;
      await look();
      await admin.query('DROP TRIGGER t ON evil.t');
    }
  });
});
