// sio_watches reads triggers that somebody else has written: whatever is in them, it shows what the parser makes of it.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles } from '../../harness/roles.js';
import { within } from '../../harness/wait.js';

const MB = 1024 * 1024;
const DEFAULTS = {
  ns: '/', rooms: [], event: '$table:$op', payload: 'row', old: 'key', columns: null, except_columns: null, left_event: null, batch: 500,
};

/** Arguments beside `watch=x`, and what of them differs from the defaults. */
const DECLARATIONS = [
  [[], {}],
  [['room=a', 'room=b', 'room=a'], { rooms: ['a', 'b', 'a'] }],
  [['room=', 'event=', 'ns='], { rooms: [''], event: '' }],
  [['ns=chat'], { ns: '/chat' }],
  [['room=a=b', 'event=$op = $$'], { rooms: ['a=b'], event: '$op = $$' }],
  [['columns=id'], { columns: ['id'] }],
  [['columns=ID, "ID" ,"a, b","a ""b"""'], { columns: ['id', 'ID', 'a, b', 'a "b"'] }],
  [['columns="with = sign","日本語"'], { columns: ['with = sign', '日本語'] }],
  [['except_columns= id ,\tnote\n'], { except_columns: ['id', 'note'] }],
  [['columns="open'], { columns: null }],
  [['columns=a,,b'], { columns: null }],
  [['columns=,'], { columns: null }],
  [['columns=""'], { columns: null }],
  [['columns="a"b'], { columns: null }],
  [['batch=7'], { batch: 7 }],
  [['batch=many'], { batch: null }],
  [['batch=0'], { batch: null }],
  [['batch=-1'], { batch: null }],
  [['batch=99999999999999999999'], { batch: null }],
  [['batch='], { batch: null }],
  [['nonsense', '=', '=x', 'unknown=y', ''], {}],
  [['payload=anything', 'old=other', 'left_event=left = $$'], { payload: 'anything', old: 'other', left_event: 'left = $$' }],
  [['room=\\x41', 'room=\\\\', 'room=it\'s'], { rooms: ['\\x41', '\\\\', `it's`] }],
  [['unchanged=perhaps'], {}],
];

describe('sio_watches', () => {
  let postgres, admin;

  before(async () => {
    postgres = await startPostgres({ name: 'watches-declarations', conf: { jit: 'off' } });
    admin = await postgres.connect();
    await admin.query('CREATE EXTENSION socketio_emitter');
    await createRoles(admin, 'reader');
    await admin.query('GRANT SELECT ON sio_watches TO reader');
  });

  after(() => postgres?.stop());

  afterEach(() => admin.query('RESET ALL; DROP TABLE IF EXISTS notes, other'));

  const trigger = (name, args, table = 'notes') => `CREATE TRIGGER ${name} AFTER INSERT ON ${table} FOR EACH ROW
    EXECUTE FUNCTION sio_emit_changes(${args.map((arg) => admin.escapeLiteral(arg)).join(', ')})`;
  const shown = async (client = admin) => (await client.query('SELECT * FROM sio_watches ORDER BY name')).rows;
  const declared = async () => (await shown()).map(({ ns, rooms, event, payload, old, columns, except_columns, left_event, batch }) =>
    ({ ns, rooms, event, payload, old, columns, except_columns, left_event, batch }));

  for (const [args, changes] of DECLARATIONS) {
    it(`shows what was written by hand: ${JSON.stringify(args)}`, async () => {
      await admin.query(`CREATE TABLE notes (id int); ${trigger('t', ['watch=x', ...args])}`);
      assert.deepEqual(await declared(), [{ ...DEFAULTS, ...changes }]);
    });
  }

  it('shows no trigger without a watch', async () => {
    await admin.query(`CREATE TABLE notes (id int); ${trigger('t', ['room=staff', 'watch'])}; ${trigger('u', [])}`);
    assert.deepEqual(await shown(), []);
  });

  it('shows columns as sio_watch took them', async () => {
    await admin.query(`CREATE TABLE notes (id int, "Odd, ""col" int, "a=b" int, "日本語" int, " lead" int)`);
    const columns = ['Odd, "col', 'a=b', '日本語', ' lead'];
    await admin.query('SELECT sio_watch($1, columns => $2, everyone => true)', ['notes', columns]);
    assert.deepEqual((await shown()).map((row) => row.columns), [columns]);
    await admin.query('SELECT sio_watch($1, except_columns => $2, everyone => true)', ['notes', columns]);
    assert.deepEqual((await shown()).map((row) => row.except_columns), [columns]);
  });

  // Twice the length that a trigger's arguments may have in order to be followed; what is longer isn't read.
  const READ = 2 * 262_144;

  /** The view's rows, in time: that of what isn't linear would be hours. */
  async function shownInTime(args) {
    await admin.query(`CREATE TABLE other (id int); ${trigger('t', ['watch=ours'], 'other')}`);
    await admin.query(`CREATE TABLE notes (id int); ${trigger('huge', ['watch=x', ...args])}`);
    const reader = await postgres.connect({ user: 'reader' });
    await reader.query(`SET statement_timeout = '30s'`);
    const rows = await within('it is shown', shown(reader), 60_000);
    await reader.end();
    return rows;
  }

  for (const [what, args, check] of [
    ['1,000 rooms of 500 bytes', () => Array.from({ length: 1_000 }, (_, i) => `room=${String(i).padStart(500, 'x')}`), ({ rooms }) => {
      assert.deepEqual(rooms, Array.from({ length: 1_000 }, (_, i) => String(i).padStart(500, 'x')));
    }],
    ['a long list of columns', () => [`columns=${'"a ""b""",'.repeat(52_000)}last`], ({ columns }) => {
      assert.deepEqual(columns, [...Array(52_000).fill('a "b"'), 'last']);
    }],
    ['a long room', () => [`room=${'y'.repeat(READ - 20)}`], ({ rooms }) => assert.deepEqual(rooms, ['y'.repeat(READ - 20)])],
    ['an event of backslashes', () => [`event=${'\\'.repeat(READ - 20)}`], ({ event }) => assert.equal(event, '\\'.repeat(READ - 20))],
  ]) {
    it(`reads half a megabyte of arguments: ${what}`, async () => {
      const rows = await shownInTime(args());
      assert.deepEqual(rows.map(({ name }) => name), ['ours', 'x']);
      check(rows[1]);
    });
  }

  for (const [what, args] of [
    ['32,000 rooms of 500 bytes', () => Array.from({ length: 32_000 }, (_, i) => `room=${String(i).padStart(500, 'x')}`)],
    ['a list of 16 MB of columns', () => [`columns=${'"a ""b""",'.repeat(16 * MB / 10)}last`]],
    ['a room of 16 MB', () => [`room=${'y'.repeat(16 * MB)}`]],
  ]) {
    it(`passes over what is too long to be followed, and shows all others: ${what}`, async () => {
      assert.deepEqual((await shownInTime(args())).map(({ name }) => name), ['ours']);
      await refused(admin, 'INSERT INTO notes VALUES (1)', '22023', { says: 'huge' });
    });
  }

  it('shows text of a database in another encoding', async () => {
    await postgres.createDatabase('latin', { encoding: 'LATIN1' });
    const latin = await postgres.connect({ database: 'latin' });
    await latin.query(`CREATE EXTENSION socketio_emitter; CREATE TABLE notes ("é" int); ${trigger('t', ['watch=ä', 'room=ß', 'columns="é"'])}`);
    const [{ name, rooms, columns }] = await shown(latin);
    assert.deepEqual([name, rooms, columns], ['ä', ['ß'], ['é']]);
    await latin.end();
  });
});
