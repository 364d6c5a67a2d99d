// Refusals for what is around a call: rights, the attachments table, settings.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { call, CALLS, FUNCTIONS, SENDERS } from '../../harness/functions.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

const STORING = [...SENDERS.filter((name) => 'binaries' in CALLS[name] || name === 'sio_emit_binary'), 'sio_cleanup'];

describe('a call\'s refusals for what surrounds it', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'tables' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());
  afterEach(async () => assert.deepEqual(await listener.texts(), [], 'nothing was sent'));

  /** A session of the role with a table_name that the superuser gave it. */
  async function withTable(table, work) {
    await admin.query(`ALTER ROLE ${EMITTER_ROLE} SET socketio_emitter.table_name = '${table}'`);
    const session = await postgres.connect({ user: EMITTER_ROLE });
    try {
      await work(session);
    } finally {
      await session.end();
    }
  }

  it('meet a role that may not execute the function', async () => {
    await createRoles(admin, 'nobody');
    const nobody = await postgres.connect({ user: 'nobody' });
    for (const name of FUNCTIONS) {
      const other = { payload: `'1'`, args: `'{}'`, binaries: `'{}'` }; // without a call of sio_buffer
      const changes = Object.fromEntries(Object.entries(other).filter(([parameter]) => parameter in CALLS[name]));
      await refused(nobody, call(name, changes), '42501', { says: name });
    }
    await nobody.end();
  });

  it('meet a missing table', async () => {
    for (const table of ['missing', 'missing.socket_io_attachments', 'public.missing']) {
      await withTable(table, async (session) => {
        for (const name of STORING) await refused(session, call(name), '42P01', { says: /missing/, hint: /table_name/ });
        await session.query(`BEGIN; ${call('sio_emit', { payload: `'1'`, binaries: undefined })}; ROLLBACK`);
      });
    }
  });

  it('meet a table of another shape, and what is no table', async () => {
    await admin.query(`
      CREATE TABLE no_payload (id bigserial UNIQUE, created_at timestamptz);
      CREATE TABLE text_payload (id bigserial UNIQUE, created_at timestamptz, payload text);
      CREATE TABLE no_created_at (id bigserial UNIQUE, payload bytea);
      CREATE TABLE naive_created_at (id bigserial UNIQUE, created_at timestamp, payload bytea);
      CREATE TABLE text_id (id text, created_at timestamptz, payload bytea);
      CREATE TABLE uuid_id (id uuid DEFAULT gen_random_uuid(), created_at timestamptz, payload bytea);
      CREATE VIEW a_view AS SELECT * FROM socket_io_attachments;
      CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM socket_io_attachments;
      CREATE SEQUENCE a_sequence; CREATE INDEX an_index ON no_payload (id);
      CREATE TYPE a_type AS (id bigint, created_at timestamptz, payload bytea)`);
    for (const [table, says] of Object.entries({
      no_payload: 'payload', text_payload: 'payload', no_created_at: 'created_at', naive_created_at: 'created_at',
      text_id: 'id', uuid_id: 'id', a_view: 'a_view', a_matview: 'a_matview', a_sequence: 'a_sequence', an_index: 'an_index',
      a_type: 'a_type',
    })) {
      await withTable(table, async (session) => {
        for (const name of STORING) await refused(session, call(name), '42809', { says: [says, new RegExp(table)] });
      });
    }
  });

  it('meet what has the right shape and is no ordinary table', async () => {
    await admin.query(`
      CREATE TABLE a_partitioned (id bigserial, created_at timestamptz DEFAULT now(), payload bytea) PARTITION BY RANGE (id);
      CREATE TABLE a_partition PARTITION OF a_partitioned DEFAULT;
      CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
      CREATE FOREIGN TABLE a_foreign (id bigint, created_at timestamptz, payload bytea) SERVER nowhere;
      CREATE VIEW a_whole_view AS SELECT * FROM socket_io_attachments WITH CHECK OPTION`);
    for (const table of ['a_partitioned', 'a_foreign', 'a_whole_view']) {
      await withTable(table, async (session) => {
        const words = { says: [new RegExp(`public\\.${table} is not an ordinary table`)], hint: /partitioned/ };
        for (const name of STORING) await refused(session, call(name), '42809', words);
        await session.query(`SET socketio_emitter.delivery = 'queue'`);
        await refused(session, call('sio_emit_binary'), '42809', words);
      });
    }
  });

  describe('meet a table that can\'t be written without running code,', () => {
    const shape = 'id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea';
    // The table, what is said of it, and how it is mended.
    const WRITTEN_BY_CODE = {
      'a check': [`(${shape}, CONSTRAINT small CHECK (length(payload) < 100))`, 'check constraint "small"', 'DROP CONSTRAINT small'],
      'a check that isn\'t valid yet': [
        `(${shape}); ALTER TABLE coded ADD CONSTRAINT small CHECK (length(payload) < 100) NOT VALID`, 'check constraint "small"',
        'DROP CONSTRAINT small',
      ],
      'a check of its parent\'s': [
        `(); DROP TABLE coded; CREATE TABLE parent (${shape}, CONSTRAINT small CHECK (id > 0)); CREATE TABLE coded () INHERITS (parent)`,
        'check constraint "small"', 'NO INHERIT parent; ALTER TABLE coded DROP CONSTRAINT small',
      ],
      'a default of a further column': [`(${shape}, note text DEFAULT 'x')`, 'default of column "note"', 'ALTER note DROP DEFAULT'],
      'a default that a new column has for old rows': [`(${shape}); ALTER TABLE coded ADD note int DEFAULT 7`, 'default of column "note"', 'DROP note'],
      'a second serial column': [`(n serial, ${shape})`, 'column "n"', 'DROP n'],
      'a second identity column': [`(n int GENERATED ALWAYS AS IDENTITY, ${shape})`, 'column "n"', 'DROP n'],
      'a further column that must not be null': [`(note text NOT NULL, ${shape})`, 'NOT NULL of column "note"', 'ALTER note DROP NOT NULL'],
      'a generated column': [`(${shape}, size int GENERATED ALWAYS AS (length(payload)) STORED)`, 'generated column "size"', 'DROP size'],
      'ids that no sequence makes': [
        `(id bigint DEFAULT (random() * 1e9)::bigint, created_at timestamptz, payload bytea)`, 'column "id"', 'ALTER id DROP DEFAULT, ALTER id ADD GENERATED ALWAYS AS IDENTITY',
        'ALTER id SET NOT NULL, ',
      ],
      'ids that nothing makes': [
        `(id bigint PRIMARY KEY, created_at timestamptz, payload bytea)`, 'column "id"', 'ALTER id ADD GENERATED ALWAYS AS IDENTITY',
      ],
      'ids that a sequence makes, and a calculation': [
        `(${shape}); ALTER TABLE coded ALTER id SET DEFAULT nextval('coded_id_seq') + 1000`, 'column "id"', `ALTER id SET DEFAULT nextval('coded_id_seq')`,
      ],
      'ids of a sequence that is looked up by name': [
        `(${shape}); ALTER TABLE coded ALTER id SET DEFAULT nextval('coded_id_seq'::text)`, 'column "id"', `ALTER id SET DEFAULT nextval('coded_id_seq')`,
      ],
    };
    // Seen only when a row is entered.
    const INDEXED_BY_CODE = {
      'an index on an expression': 'CREATE INDEX theirs ON coded ((length(payload)))',
      'an index on part of the rows': `CREATE INDEX theirs ON coded (created_at) WHERE id > 0`,
      'a constraint that is checked at the commit': 'ALTER TABLE coded ADD CONSTRAINT theirs UNIQUE (created_at) DEFERRABLE INITIALLY DEFERRED',
      'a constraint that may be deferred': 'ALTER TABLE coded ADD CONSTRAINT theirs UNIQUE (created_at) DEFERRABLE',
      'a constraint that excludes': 'ALTER TABLE coded ADD CONSTRAINT theirs EXCLUDE USING btree (created_at WITH =)',
    };

    afterEach(() => admin.query('DROP TABLE IF EXISTS coded; DROP TABLE IF EXISTS parent'));

    for (const [what, [definition, says, mend, before = '']] of Object.entries(WRITTEN_BY_CODE)) {
      it(what, async () => {
        await admin.query(`CREATE TABLE coded ${definition}`);
        await withTable('coded', async (session) => {
          const words = { says: [/public\.coded because of its /, new RegExp(says)], hint: /table_name/ };
          for (const name of STORING) await refused(session, call(name), '0A000', words);
          await session.query(`SET socketio_emitter.delivery = 'queue'`);
          await refused(session, call('sio_emit_binary'), '0A000', words);
          await session.query(`SET socketio_emitter.delivery = 'notify'`);
          assert.deepEqual((await admin.query('SELECT FROM coded')).rows, []);
          await admin.query(`ALTER TABLE coded ${before}${mend}`);
          await session.query(call('sio_emit_binary'));
          const [message] = await listener.fullMessages('coded');
          assert.equal(message.data.packet.data[0], 'e');
        });
      });
    }

    for (const [what, create] of Object.entries(INDEXED_BY_CODE)) {
      it(what, async () => {
        await admin.query(`CREATE TABLE coded (${shape}); ${create}`);
        await withTable('coded', async (session) => {
          const emit = call('sio_emit_binary');
          await refused(session, emit, '0A000', { says: [/public\.coded because of its /, 'index "theirs"'], hint: /table_name/ });
          assert.deepEqual((await admin.query('SELECT FROM coded')).rows, []);
          await admin.query(create.startsWith('CREATE') ? 'DROP INDEX theirs' : 'ALTER TABLE coded DROP CONSTRAINT theirs');
          await session.query(emit);
          assert.equal((await listener.texts()).length, 1);
        });
      });
    }

    // Types that a role has made, in what way, and which indexes on a column of it there may be. `domain`: refused without any.
    const DIFF = `CREATE FUNCTION diff(int, int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 - $2; END $$`;
    const RANGE = `${DIFF}; CREATE TYPE span AS RANGE (subtype = int, subtype_diff = diff, multirange_type_name = spans)`;
    const THEIR_TYPES = {
      'an enum': { sql: `CREATE TYPE mood AS ENUM ('sad')`, type: 'mood', indexes: ['(v)', 'USING hash (v)'] },
      'a composite type': { sql: 'CREATE TYPE pair AS (a int)', type: 'pair', indexes: ['(v)'] },
      'a range type with a subtype_diff': {
        sql: RANGE, type: 'span',
        indexes: ['(v)', 'USING gist (v)', 'USING spgist (v)', 'USING hash (v)', 'USING brin (v)', '(id, v DESC)', '(id) INCLUDE (v)'],
      },
      'its multirange type': { sql: RANGE, type: 'spans', indexes: ['(v)', 'USING gist (v)', 'USING hash (v)'] },
      'an array of it': { sql: RANGE, type: 'span[]', indexes: ['(v)', 'USING gin (v)'] },
      'an array of its multirange type': { sql: RANGE, type: 'spans[]', indexes: ['(v)', 'USING gin (v)'] },
      'a composite type with it': { sql: `${RANGE}; CREATE TYPE pair AS (a span)`, type: 'pair', indexes: ['(v)'] },
      'a domain over it': { sql: `${RANGE}; CREATE DOMAIN era AS span`, type: 'era', indexes: ['(v)', 'USING gist (v)'], domain: true },
      'an array of a domain over it': { sql: `${RANGE}; CREATE DOMAIN era AS span`, type: 'era[]', indexes: ['(v)'] },
      'a domain over an array of it': { sql: `${RANGE}; CREATE DOMAIN eras AS span[]`, type: 'eras', indexes: ['(v)', 'USING gin (v)'], domain: true },
      'a range type over a domain': { sql: 'CREATE DOMAIN day AS date; CREATE TYPE days AS RANGE (subtype = day)', type: 'days', indexes: ['(v)', 'USING gist (v)'] },
      'a range type with a canonical function': {
        by: 'postgres',
        sql: `CREATE TYPE span; CREATE FUNCTION canonical(span) RETURNS span LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
              CREATE TYPE span AS RANGE (subtype = int, canonical = canonical)`,
        type: 'span', indexes: ['(v)', 'USING gist (v)'],
      },
      'a range type with an operator class': {
        by: 'postgres',
        sql: `CREATE FUNCTION compare(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN sign($1 - $2); END $$;
              CREATE OPERATOR CLASS theirs FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compare(int, int);
              CREATE TYPE span AS RANGE (subtype = int, subtype_opclass = theirs)`,
        type: 'span', indexes: ['(v)', 'USING gist (v)'],
      },
    };

    for (const [what, { by = 'maker', sql, type, indexes, domain = false }] of Object.entries(THEIR_TYPES)) {
      it(`an index on a column of a role's own type: ${what}`, async () => {
        await admin.query(`DROP SCHEMA IF EXISTS made CASCADE; DROP ROLE IF EXISTS maker; CREATE ROLE maker; CREATE SCHEMA made AUTHORIZATION maker;
          CREATE TABLE coded (${shape}); GRANT USAGE ON SCHEMA made TO PUBLIC;
          SET search_path = made, public; SET ROLE ${by}; ${sql}; RESET ROLE; ALTER TABLE coded ADD v ${type}; RESET search_path`);
        await withTable('coded', async (session) => {
          const words = { says: [/public\.coded because of its /, domain ? 'domain as type of column "v"' : 'index "theirs"'], hint: /table_name/ };
          const emit = call('sio_emit_binary');
          for (const index of indexes) {
            await admin.query(`CREATE INDEX theirs ON coded ${index}`);
            for (const delivery of ['queue', 'notify']) {
              await session.query(`SET socketio_emitter.delivery = '${delivery}'`);
              for (const name of STORING) await refused(session, call(name), '0A000', words);
            }
            await admin.query('DROP INDEX theirs');
          }
          assert.deepEqual((await admin.query('SELECT FROM coded')).rows, []);
          if (domain) await refused(session, emit, '0A000', words);
          else await session.query(emit);
          assert.equal((await listener.texts()).length, domain ? 0 : 1);
        });
      });
    }

    it('a check that comes between two emits of a session', async () => {
      await admin.query(`CREATE TABLE coded (${shape})`);
      await withTable('coded', async (session) => {
        await session.query(call('sio_emit_binary'));
        await admin.query('ALTER TABLE coded ADD CONSTRAINT small CHECK (false) NOT VALID');
        await refused(session, call('sio_emit_binary'), '0A000', { says: 'small' });
        assert.equal((await listener.texts()).length, 1);
      });
    });
  });

  it('meet a partition, whose rows must be within its bounds', async () => {
    await admin.query(`CREATE TABLE whole (id bigserial, created_at timestamptz DEFAULT now(), payload bytea) PARTITION BY RANGE (id);
      CREATE TABLE a_part PARTITION OF whole FOR VALUES FROM (1) TO (3)`);
    await withTable('a_part', (session) => refused(session, call('sio_emit_binary'), '42809', { says: /public\.a_part/ }));
    await admin.query('ALTER TABLE whole DETACH PARTITION a_part');
    await withTable('a_part', (session) => session.query(call('sio_emit_binary')));
    assert.equal((await listener.texts()).length, 1);
  });

  it('meet a further column of a domain that has a default, a check or no nulls', async () => {
    for (const [i, constraint] of ['NOT NULL', 'CHECK (value IS NOT NULL)', 'DEFAULT 5'].entries()) {
      await admin.query(`CREATE DOMAIN strict_${i} AS int ${constraint};
        CREATE TABLE with_domain_${i} (id bigserial, created_at timestamptz, payload bytea, extra strict_${i})`);
      await withTable(`with_domain_${i}`, (session) => refused(session, call('sio_emit_binary'), '0A000', { says: /"extra"/ }));
    }
  });

  it('meet ids of a sequence that the table\'s owner may not use', async () => {
    await createRoles(admin, 'victim', 'thief');
    await admin.query(`CREATE SCHEMA vault AUTHORIZATION victim; CREATE SCHEMA den AUTHORIZATION thief; GRANT USAGE ON SCHEMA vault TO thief;
      SET ROLE victim; CREATE SEQUENCE vault.numbers;
      SET ROLE thief; CREATE TABLE den.loot (id bigint DEFAULT nextval('vault.numbers'), created_at timestamptz, payload bytea); RESET ROLE`);
    await withTable('den.loot', (session) => refused(session, call('sio_emit_binary'), '42501', { says: /numbers/ }));
    assert.deepEqual((await admin.query('SELECT is_called FROM vault.numbers')).rows, [{ is_called: false }]);
    await admin.query('GRANT USAGE ON SEQUENCE vault.numbers TO thief');
    await withTable('den.loot', (session) => session.query(call('sio_emit_binary')));
    assert.equal((await listener.texts()).length, 1);
  });

  it('meet ids that have passed the integer that the column is', async () => {
    await admin.query(`CREATE TABLE short (id integer UNIQUE, created_at timestamptz, payload bytea);
      CREATE SEQUENCE long_ids START 2147483647 OWNED BY short.id; ALTER TABLE short ALTER id SET DEFAULT nextval('long_ids')`);
    await withTable('short', async (session) => {
      await session.query(call('sio_emit_binary'));
      const [message] = await listener.messages();
      assert.equal(message.attachmentId, '2147483647');
      for (const name of STORING.filter((each) => each !== 'sio_cleanup')) {
        await refused(session, call(name), '22003', { says: ['id', /public\.short/, 'integer'], hint: /bigint/ });
      }
      assert.equal((await admin.query('SELECT FROM short')).rowCount, 1);
      await admin.query('ALTER TABLE short ALTER id TYPE bigint');
      await session.query(call('sio_emit_binary'));
      assert.ok(BigInt((await listener.messages())[0].attachmentId) > 2_147_483_647n);
    });
  });

  it('meet a sequence at its end, and a row that its unique index knows already', async () => {
    await admin.query(`CREATE TABLE ended (id bigserial UNIQUE, created_at timestamptz, payload bytea);
      ALTER SEQUENCE ended_id_seq MAXVALUE 2; INSERT INTO ended VALUES (1)`);
    await withTable('ended', async (session) => {
      await refused(session, call('sio_emit_binary'), '23505', { says: 'ended_id_key' });
      await session.query(call('sio_emit_binary'));
      assert.equal((await listener.texts()).length, 1);
      await refused(session, call('sio_emit_binary'), '2200H', { says: 'ended_id_seq' });
    });
  });

  it('meet a table that loses a column while sessions use it', async () => {
    await admin.query('CREATE TABLE changing (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea)');
    await withTable('changing', async (session) => {
      await session.query(call('sio_emit_binary'));
      await listener.texts();
      await admin.query('ALTER TABLE changing RENAME COLUMN payload TO body');
      await refused(session, call('sio_emit_binary'), '42809', { says: ['payload', /changing/] });
      await admin.query('ALTER TABLE changing RENAME COLUMN body TO payload');
      await session.query(call('sio_emit_binary'));
      assert.equal((await listener.texts()).length, 1);
    });
  });

  describe('of settings', () => {
    before(async () => app.query('SELECT sio_buffer(0)')); // loads the library
    const set = (setting, value) => ({ text: 'SELECT set_config($1, $2, false)', values: [`socketio_emitter.${setting}`, value] });

    it('meet a name that is no table\'s', async () => {
      await admin.query('SELECT sio_buffer(0)');
      for (const value of ['a.b.c', 'a b', '"', 'a.', '.a', 'a; DROP TABLE b']) {
        await refused(admin, set('table_name', value), '22023', { says: /table_name/ });
      }
      for (const value of ['', 'a', 'a.b', '"A b"."c.d"', 'É']) await admin.query(set('table_name', value));
      await admin.query('RESET socketio_emitter.table_name');
    });

    it('are short although the value is long', async () => {
      for (const setting of ['channel_prefix', 'table_name']) {
        await refused(admin, set(setting, 'x '.repeat(10_000)), '22023', { says: new RegExp(setting) });
      }
    });

    it('meet settings that don\'t exist', async () => {
      for (const setting of ['nope', 'channelprefix']) {
        await refused(app, `SET socketio_emitter.${setting} = 1`, '42602', { says: new RegExp(setting) });
      }
    });
  });
});
