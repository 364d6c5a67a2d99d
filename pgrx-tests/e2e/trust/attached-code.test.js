// What others attach to the attachments table is never run by an emit, a delivery, a refresh or a cleanup, all of which
// work with its owner's rights, or a superuser's: it concerns the servers' own statements only.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { delivered, numbered, numberedBinary, numbers, PRELOAD, queueing, status, untilNoWorker, untilWorker, whileWorkerStands } from '../../harness/queue.js';
import { createRoles, EMITTER_ROLE, grantExecute, OFFICIAL_TABLE, SERVER_GRANTS, SERVERS_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const TABLE = 'public.socket_io_attachments';
const OPS = ['INSERT', 'UPDATE', 'DELETE'];
const ANY = OPS.join(' OR ');
const trigger = (when, level, { name = 'evil', on = TABLE, more = '', kind = '' } = {}) =>
  `CREATE ${kind} TRIGGER ${name} ${when} ON ${on} ${more} FOR EACH ${level} EXECUTE FUNCTION evil.run()`;
const TRANSITIONS = {
  INSERT: 'REFERENCING NEW TABLE AS n', UPDATE: 'REFERENCING OLD TABLE AS o NEW TABLE AS n', DELETE: 'REFERENCING OLD TABLE AS o',
};
const QUEUE_TABLES = ['_sio.queue', '_sio.sent', '_sio.failed', '_sio.totals'];

// Who attaches it, how, and a statement that runs it, if it isn't the servers' INSERT.
const ATTACHED = {
  'a BEFORE trigger for each row, which would swallow it': { by: EMITTER_ROLE, sql: trigger(`BEFORE ${ANY}`, 'ROW') },
  'an AFTER trigger for each row': { by: EMITTER_ROLE, sql: trigger(`AFTER ${ANY}`, 'ROW') },
  'a BEFORE trigger for each statement': { by: EMITTER_ROLE, sql: trigger(`BEFORE ${ANY}`, 'STATEMENT') },
  'AFTER triggers for each statement, with transition tables': {
    by: EMITTER_ROLE,
    sql: OPS.map((op) => trigger(`AFTER ${op}`, 'STATEMENT', { name: `evil_${op}`, more: TRANSITIONS[op] })).join(';'),
  },
  'a constraint trigger that is deferred to the commit': {
    by: EMITTER_ROLE,
    sql: trigger(`AFTER ${ANY}`, 'ROW', { kind: 'CONSTRAINT', more: 'DEFERRABLE INITIALLY DEFERRED' }),
  },
  'a trigger that fires always, also in replicas': {
    by: 'table_owner', sql: `${trigger(`AFTER ${ANY}`, 'ROW')}; ALTER TABLE ${TABLE} ENABLE ALWAYS TRIGGER evil`,
  },
  'a foreign key from a table of an attacker\'s, which deletes there': {
    by: EMITTER_ROLE,
    sql: `CREATE TABLE evil.refs (id bigint REFERENCES ${TABLE} (id) ON UPDATE CASCADE ON DELETE CASCADE);
          ${trigger(`AFTER ${ANY}`, 'ROW', { on: 'evil.refs', name: 'evil_refs' })};
          ALTER TABLE evil.refs DISABLE TRIGGER evil_refs;
          INSERT INTO evil.refs SELECT id FROM ${TABLE};
          ALTER TABLE evil.refs ENABLE TRIGGER evil_refs`,
    again: `ALTER TABLE evil.refs DISABLE TRIGGER evil_refs;
            INSERT INTO evil.refs SELECT id FROM ${TABLE} EXCEPT SELECT id FROM evil.refs;
            ALTER TABLE evil.refs ENABLE TRIGGER evil_refs`,
    control: `INSERT INTO ${TABLE} VALUES (-1, now(), '\\x00'); INSERT INTO evil.refs VALUES (-1); DELETE FROM ${TABLE} WHERE id = -1`,
    controlBy: 'postgres',
  },
  'rules': {
    by: 'table_owner',
    sql: OPS.map((op) => `CREATE RULE evil_${op} AS ON ${op} TO ${TABLE} DO ALSO INSERT INTO evil.ran VALUES ('${op}' || evil.become())`).join(';'),
  },
  'policies, with row security forced on the owner, too': {
    by: 'table_owner',
    sql: `ALTER TABLE ${TABLE} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
          CREATE POLICY evil ON ${TABLE} USING (evil.become() = '') WITH CHECK (evil.become() = '')`,
  },
  'row security without a policy, by which nobody may write': {
    by: 'table_owner', sql: `ALTER TABLE ${TABLE} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`, control: null,
  },
  'triggers of the queue\'s own tables': {
    by: EMITTER_ROLE,
    sql: QUEUE_TABLES.flatMap((on) => [
      trigger(`AFTER ${ANY}`, 'STATEMENT', { on, name: 'evil_s' }), trigger(`BEFORE ${ANY}`, 'ROW', { on, name: 'evil_r' }),
    ]).join(';'),
    control: 'DELETE FROM _sio.failed',
    controlBy: 'postgres',
  },
};

// Postgres runs an immutable function of constants as soon as it takes up the index, with the rights of whoever does.
const INDEXES = {
  'in its predicate': `CREATE INDEX evil ON ${TABLE} (id) WHERE evil.is(1)`,
  'in its expression': `CREATE INDEX evil ON ${TABLE} ((id + evil.one(1)))`,
  'in the predicate of a unique one': `CREATE UNIQUE INDEX evil ON ${TABLE} (id) WHERE evil.is(1)`,
  'in the expression of a unique one': `CREATE UNIQUE INDEX evil ON ${TABLE} ((id + evil.one(1)), created_at)`,
  'in the predicate of an exclusion constraint': `ALTER TABLE ${TABLE} ADD CONSTRAINT evil EXCLUDE USING btree (id WITH =) WHERE (evil.is(1))`,
  'in the expression of a hash index': `CREATE INDEX evil ON ${TABLE} USING hash ((evil.one(1)))`,
};

describe('nothing that is attached to the table is run:', () => {
  let postgres, admin, listener;
  const emitters = {};
  const sessions = {};

  before(async () => {
    postgres = await startPostgres({ name: 'owners', conf: { ...PRELOAD, 'socketio_emitter.cleanup_interval': '100ms' } });
    admin = await postgres.connect();
    await createRoles(admin, 'table_owner', EMITTER_ROLE, SERVERS_ROLE, 'somebody');
    await admin.query('GRANT CREATE ON SCHEMA public TO table_owner');
    sessions.table_owner = await postgres.connect({ user: 'table_owner' });
    // The servers were here first, and made their table.
    await sessions.table_owner.query(OFFICIAL_TABLE);
    await sessions.table_owner.query(SERVER_GRANTS);
    await admin.query('CREATE EXTENSION socketio_emitter');
    for (const role of [EMITTER_ROLE, 'somebody']) await grantExecute(admin, role);
    await admin.query(`GRANT ALL ON ALL TABLES IN SCHEMA public, _sio TO ${EMITTER_ROLE}; GRANT USAGE ON SCHEMA _sio TO ${EMITTER_ROLE}`);
    for (const role of [EMITTER_ROLE, SERVERS_ROLE]) sessions[role] = await postgres.connect({ user: role });
    sessions.postgres = admin;
    for (const role of [EMITTER_ROLE, 'somebody', 'postgres']) {
      emitters[role] = await postgres.connect({ user: role });
    }
    listener = await listen(postgres);
    await untilWorker(admin);
  });

  after(() => postgres?.stop());

  beforeEach(async () => {
    await delivered(admin);
    await admin.query(`DROP SCHEMA IF EXISTS evil CASCADE;
      ALTER TABLE ${TABLE} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; TRUNCATE ${TABLE};
      CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC;
      CREATE TABLE evil.ran (what text); GRANT ALL ON evil.ran TO PUBLIC;
      CREATE FUNCTION evil.become() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO evil.ran VALUES (current_user);
        BEGIN ALTER ROLE ${EMITTER_ROLE} SUPERUSER; EXCEPTION WHEN OTHERS THEN END;
        BEGIN ALTER ROLE table_owner SUPERUSER; EXCEPTION WHEN OTHERS THEN END;
        RETURN ''; END $$;
      CREATE FUNCTION evil.run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.become(); RETURN NULL; END $$`);
    await listener.texts();
  });

  async function nothingRan(when) {
    assert.deepEqual((await admin.query('SELECT * FROM evil.ran')).rows, [], when);
    const { rows } = await admin.query('SELECT rolname FROM pg_roles WHERE rolsuper');
    assert.deepEqual(rows, [{ rolname: 'postgres' }], when);
  }

  const rowsLeft = async () => (await admin.query(`SELECT FROM ${TABLE}`)).rowCount;

  for (const [what, { by, sql, again, control = `INSERT INTO ${TABLE} (payload) VALUES ('\\x00')`, controlBy = SERVERS_ROLE }] of Object.entries(ATTACHED)) {
    it(what, async () => {
      // Together, because the worker deletes the old row as soon as it sees it.
      await admin.query(`BEGIN; INSERT INTO ${TABLE} VALUES (0, now() - interval '1 hour', '\\x00'); SET LOCAL ROLE ${by}; ${sql}; COMMIT`);
      await until('the worker has deleted the old row', async () => (await rowsLeft()) === 0);
      await nothingRan('the worker\'s cleanup');

      let n = 0;
      for (const [role, session] of Object.entries(emitters)) {
        await session.query(numberedBinary(++n));
        await nothingRan(`an emit of ${role}'s`);
      }
      assert.deepEqual(await numbers(listener), [1, 2, 3]);

      const { postgres: root, [EMITTER_ROLE]: app } = emitters;
      await root.query(`BEGIN; ${numberedBinary(4)}; SELECT pg_sleep(1.1); COMMIT`);
      await nothingRan('the refresh');
      const { rows } = await admin.query(`SELECT max(created_at) - min(created_at) > interval '1 second' AS fresh FROM ${TABLE}`);
      assert.deepEqual(rows, [{ fresh: true }]);

      const queue = await queueing(postgres);
      await queue.query(`${numberedBinary(5)}; ${numbered(6)}`);
      await delivered(admin);
      await nothingRan('the worker');
      await whileWorkerStands(admin, async () => {
        await queue.query(numberedBinary(7));
        assert.deepEqual((await root.query('SELECT sio_deliver()::int AS n')).rows, [{ n: 1 }]);
      });
      await nothingRan('sio_deliver');
      await queue.end();
      assert.deepEqual(await numbers(listener), [4, 5, 6, 7]);

      if (again) await app.query(again);
      assert.deepEqual((await root.query(`SELECT sio_cleanup('0')::int AS n`)).rows, [{ n: 6 }]);
      await nothingRan('sio_cleanup');

      // Or this test would see nothing.
      if (control) {
        await sessions[controlBy].query(control);
        assert.ok((await admin.query('SELECT FROM evil.ran')).rowCount > 0, 'a statement does run it');
        await admin.query(`ALTER ROLE ${EMITTER_ROLE} NOSUPERUSER; ALTER ROLE table_owner NOSUPERUSER`);
      }
    });
  }

  it('a row that somebody references is deleted by the cleanup all the same', async () => {
    await sessions[EMITTER_ROLE].query(`CREATE TABLE evil.refs (id bigint REFERENCES ${TABLE} (id) ON DELETE RESTRICT)`);
    await sessions[EMITTER_ROLE].query(numberedBinary(1));
    await sessions[EMITTER_ROLE].query(`INSERT INTO evil.refs SELECT id FROM ${TABLE}`);
    assert.deepEqual((await admin.query(`SELECT sio_cleanup('0')::int AS n`)).rows, [{ n: 1 }]);
    assert.equal(await rowsLeft(), 0);
    await listener.texts();
  });

  it('a publication without a replica identity, by which Postgres refuses updates and deletes, hinders nothing', async () => {
    await admin.query('CREATE PUBLICATION every_table FOR ALL TABLES');
    try {
      // The row isn't refreshed: a subscriber would stop at an update without a key.
      await admin.query(`BEGIN; ${numberedBinary(1)}; SELECT pg_sleep(1.1); COMMIT; SELECT sio_cleanup('0')`);
      assert.equal(await rowsLeft(), 0);
      assert.equal((await listener.texts()).length, 1);
      await assert.rejects(admin.query(`BEGIN; ${numberedBinary(1)}; DELETE FROM ${TABLE}`), { code: '55000' }, 'or this test sees nothing');
    } finally {
      await admin.query('ROLLBACK; DROP PUBLICATION every_table');
    }
  });
});
