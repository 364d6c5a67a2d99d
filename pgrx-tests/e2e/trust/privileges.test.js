// Each line of docs/privileges.md: what the privilege lets a role do that has nothing else, and what it doesn't.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { MEMBER_FUNCTIONS } from '../../harness/roles.js';
import { fromRoot } from '../../harness/setup.js';
import { ATTACHMENTS, Deployment, OWN_TABLES, VIEWS } from './privileges/deployment.js';
import functions from './privileges/functions.js';
import relations from './privileges/relations.js';
import settings from './privileges/settings.js';

const page = readFileSync(fromRoot('docs/privileges.md'), 'utf8');
/** The first cells of its tables. */
const LINES = [...page.matchAll(/^\| (.+?) \| (.+) \|$/gm)].map(([, line]) => line).filter((line) => !['privilege', 'who'].includes(line) && !/^-+$/.test(line));

/** By line: what shows that it is right. */
const TESTS = { ...functions, ...relations, ...settings };

describe('docs/privileges.md', () => {
  const deployment = new Deployment();

  before(() => deployment.start());
  after(() => deployment.stop());
  beforeEach(() => deployment.createSomeone());
  afterEach(() => deployment.dropSomeone());

  for (const line of LINES) {
    it(`is right about ${line}`, async () => {
      assert.ok(TESTS[line], 'a line without a test');
      await TESTS[line](deployment);
    });
  }

  it('has a line for each test', () => {
    assert.ok(LINES.length > 25);
    assert.deepEqual(Object.keys(TESTS).filter((line) => !LINES.includes(line)), []);
    assert.equal(new Set(LINES).size, LINES.length);
  });

  it('has a line for each function and each relation of the extension', async () => {
    const { admin } = deployment;
    const { rows: members } = await admin.query(`SELECT DISTINCT name FROM (${MEMBER_FUNCTIONS}) f WHERE name !~ '^_'`);
    const { rows: made } = await admin.query(`SELECT CASE relnamespace WHEN '_sio'::regnamespace THEN '_sio.' ELSE '' END || relname AS name FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
      JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'socketio_emitter' WHERE d.deptype = 'e'`);
    assert.ok(members.length > 15 && made.length >= 8);
    for (const { name } of [...members, ...made]) assert.ok(LINES.some((line) => line.includes(`\`${name}\``)), name);
  });

  it('is right that nothing is granted, whatever the default privileges say', async () => {
    const { postgres } = deployment;
    await postgres.createDatabase('generous');
    const other = await postgres.connect({ database: 'generous' });
    await other.query(`ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO someone; ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
      ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO someone; CREATE EXTENSION socketio_emitter`);
    const { rows } = await other.query(`
      SELECT name FROM (${MEMBER_FUNCTIONS}) f WHERE has_function_privilege('someone', f.oid, 'EXECUTE')
      UNION ALL SELECT relname FROM pg_class, aclexplode(relacl) a WHERE (relname ~ '^(sio|socket_io)' OR relnamespace = '_sio'::regnamespace) AND relkind <> 'i'
        AND a.grantee <> relowner AND a.grantee::regrole::text <> 'pg_monitor' ORDER BY 1`);
    // For who may read sio_watches, and for event triggers.
    assert.deepEqual(rows.map(({ name }) => name), ['_sio.altered', '_sio.declaration', '_sio.dropped', '_sio.problem', '_sio.protect']);
    await other.query('DROP OWNED BY someone');
    await other.end();
    await postgres.dropDatabase('generous');
  });

  it('is right about the usual mistake, and how it is mended', async () => {
    const { admin } = deployment;
    const all = [...VIEWS, ATTACHMENTS];
    const readable = async () => (await admin.query(`SELECT name FROM unnest($1::text[]) name WHERE has_table_privilege('someone', name, 'SELECT')`, [all])).rows.map(({ name }) => name);
    const [, sql] = /^```sql\n(CREATE ROLE app_user;.*?)^```$/ms.exec(page);
    const [create, mistake, mend] = sql.trim().split('\n');
    assert.match(create, /CREATE ROLE/);
    await admin.query(mistake.replace('app_user', 'someone'));
    assert.deepEqual(await readable(), all);
    await admin.query(mend.replace('app_user', 'someone'));
    assert.deepEqual(await readable(), []);
  });
});
