// sio_typescript: what it declares is what arrives, in the eyes of the TypeScript compiler.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';
import { capture } from '../../harness/processes.js';
import { refused } from '../../harness/refusals.js';
import { fromRoot } from '../../harness/setup.js';

const TYPES = `
  CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'happy');
  CREATE TYPE part AS (name text, weight numeric, tags text[]);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);`;

// A column of each kind that JSON knows, NULL and not.
const COLUMNS = {
  id: ['bigint PRIMARY KEY', '9007199254740993'],
  flag: ['boolean NOT NULL', 'true'],
  small: ['smallint', 'NULL'],
  whole: ['positive NOT NULL', '7'],
  real: ['double precision NOT NULL', '1.5'],
  price: ['numeric(10, 2)', '12.50'],
  name: ['text NOT NULL', `'Ann'`],
  code: ['char(3)', `'a'`],
  at: ['timestamptz NOT NULL', 'now()'],
  day: ['date', 'NULL'],
  span: ['int4range', `'[1,3)'`],
  feeling: ['mood', `'so "so"'`],
  doc: ['jsonb NOT NULL', `'{"a": [1, null]}'`],
  text_doc: ['json', 'NULL'],
  raw: ['bytea', `'\\x41'`],
  tags: ['text[] NOT NULL', `'{a,NULL}'`],
  grid: ['int[][]', `'{{1,2},{3,NULL}}'`],
  big_list: ['bigint[]', `'{9007199254740993}'`],
  moods: ['mood[]', `'{sad}'`],
  piece: ['part', `ROW('bolt', 1.5, '{x}')`],
  pieces: ['part[]', `ARRAY[ROW('nut', NULL, NULL)::part, NULL]`],
  '"Odd name"': ['uuid', 'gen_random_uuid()'],
};

describe('sio_typescript', () => {
  let live, folder;

  before(async () => {
    live = await startLive({ name: 'live-typescript', clients: { all: ['all'] } });
    await live.admin.query(`GRANT EXECUTE ON FUNCTION sio_typescript TO ${live.app.user}`);
  });

  after(async () => live?.close());
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  beforeEach(async () => {
    await live.reset();
    // Below pgrx-tests, where the compiler finds socket.io-client.
    mkdirSync(fromRoot('pgrx-tests/node_modules/.cache'), { recursive: true });
    folder = mkdtempSync(fromRoot('pgrx-tests/node_modules/.cache/typescript-'));
  });

  const module = async (...args) => (await live.app.query(`SELECT sio_typescript(${args.join(', ')}) AS text`)).rows[0].text;

  /** What the compiler says of a program beside the module. */
  async function compile(events, program) {
    writeFileSync(path.join(folder, 'events.ts'), events);
    writeFileSync(path.join(folder, 'program.ts'), `import type * as all from './events.js';\nimport type { ServerToClientEvents } from './events.js';\n${program}`);
    const { code, stdout } = await capture(fromRoot('pgrx-tests/node_modules/.bin/tsc'), [
      '--strict', '--noEmit', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck', 'program.ts',
    ], { cwd: folder });
    return { code, stdout };
  }

  async function compiles(events, program) {
    const { code, stdout } = await compile(events, program);
    assert.equal(code, 0, `${stdout}\n${events}\n${program}`);
  }

  /** Events as a program in which each must be what the module says. */
  const asProgram = (events) => events.map(({ event, args }, i) => `
    const event${i}: Parameters<ServerToClientEvents[${JSON.stringify(event)}]> = ${JSON.stringify(args)};`).join('');

  const declared = Object.entries(COLUMNS).map(([name, [type]]) => `${name} ${type}`).join(', ');
  const values = Object.values(COLUMNS).map(([, value]) => value).join(', ');
  const nulls = Object.values(COLUMNS).map(([type, value]) => /NOT NULL|PRIMARY KEY/.test(type) ? value.replace(/993$/, '992') : 'NULL').join(', ');

  for (const level of ['row', 'statement']) {
    for (const [what, options] of Object.entries({
      'rows': '', 'keys': `, payload => 'key'`, 'changes': `, payload => 'change'`, 'changes with all of the old row': `, payload => 'change', old => 'full'`,
      'rows without meta': `, meta => false`, 'rows in camel case, large numbers as texts': `, keys => 'camel', bigints => 'text'`,
      'a payload of their own': `, payload => 'whole()'`, 'computed columns': `, columns => '{id,upper_name(),amounts()}', bigints => 'text'`,
    })) {
      it(`declares what arrives: ${what}, at ${level} level`, async () => {
        await live.app.query(`${TYPES} CREATE TABLE things (${declared});
          CREATE FUNCTION whole(things) RETURNS jsonb LANGUAGE sql AS 'SELECT CASE WHEN $1.code IS NULL THEN NULL ELSE to_jsonb($1.id) END';
          CREATE FUNCTION upper_name(things) RETURNS text LANGUAGE sql AS 'SELECT upper($1.code)';
          CREATE FUNCTION amounts(things) RETURNS bigint[] LANGUAGE sql AS 'SELECT ARRAY[$1.id]'`);
        await live.watch(`rooms => '{all,one:$name}', left_event => 'thing:left', ops => '{insert,update,delete,truncate}', event => 'thing:$op',
          level => '${level}'${options}`, 'things');
        await live.app.query(`INSERT INTO things VALUES (${values}), (${nulls});
          UPDATE things SET name = 'Bob'; DELETE FROM things WHERE small IS NULL AND code IS NULL; TRUNCATE things`);
        const events = await live.sent('/', { meta: true });
        assert.deepEqual([...new Set(events.map(({ event }) => event))].sort(),
          ['thing:delete', 'thing:insert', 'thing:left', 'thing:truncate', 'thing:update']);
        await compiles(await module(), asProgram(events));
      });
    }
  }

  it('is what Socket.IO\'s types take, and finds mistakes', async () => {
    await live.app.query(`${TYPES} CREATE TABLE things (id bigint PRIMARY KEY, feeling mood NOT NULL, note text);`);
    await live.watch(`rooms => '{all}', event => 'thing:$op'`, 'things');
    await live.watch(`rooms => '{all}', event => 'mood:$feeling', name => 'other', payload => 'key', meta => false`, 'things');
    await compiles(await module(), `
      import { io, type Socket } from 'socket.io-client';
      const socket: Socket<ServerToClientEvents> = io();
      socket.on('thing:insert', (row, meta) => {
        const id: number = row.id;
        const feeling: 'sad' | 'so "so"' | 'happy' = row.feeling;
        const note: string | null = row.note;
        const xid: string = meta.xid;
        // @ts-expect-error it may be null
        const text: string = row.note;
        // @ts-expect-error there is no such column
        row.absent;
      });
      socket.on('mood:sad', (key) => { const id: number = key.id; });
      // @ts-expect-error there is no such event
      socket.on('thing:gone', () => {});
      const named: all.Things = { id: 1, feeling: 'sad', note: null };`);
  });

  it('declares one type for what arrives under one name, of several tables and by patterns', async () => {
    await live.app.query('CREATE TABLE a (id int PRIMARY KEY, name text NOT NULL); CREATE TABLE b (id int PRIMARY KEY, size int NOT NULL)');
    await live.watch(`rooms => '{all}', event => 'both'`, 'a');
    await live.watch(`rooms => '{all}', event => 'both'`, 'b');
    await live.watch(`rooms => '{all}', event => 'named:$name', name => 'by-name', payload => 'key'`, 'a');
    await live.watch(`rooms => '{all}', event => 'named:x', name => 'by-name'`, 'b');
    await live.app.query(`INSERT INTO a VALUES (1, 'x'), (2, 'y'); INSERT INTO b VALUES (1, 2)`);
    await compiles(await module(), asProgram(await live.sent('/', { meta: true })));
  });

  it('follows a namespace, triggers written by hand, and partitions once', async () => {
    await live.app.query(`CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
      CREATE TRIGGER hand AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=all', 'event=hand', 'ns=chat')`);
    await live.watch(`rooms => '{all}'`, 'p');
    assert.match(await module(), /"p:insert": \(row: P, meta: Meta\)/);
    assert.equal((await module()).match(/p1/g), null);
    assert.doesNotMatch(await module(), /"hand"/);
    for (const ns of [`'/chat'`, `'chat'`]) assert.match(await module(ns), /\{\n {2}"hand": \(row: P\) => void;\n\}\n$/);
    assert.equal(await module(`'/nobody'`), 'export interface ServerToClientEvents {\n}\n');
  });

  it('leaves out what can\'t be followed, with a WARNING', async () => {
    await live.app.query(`CREATE TABLE t (id int);
      CREATE TRIGGER odd AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=all', 'nonsense');
      CREATE TRIGGER keyless AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=all', 'payload=key')`);
    const warnings = [];
    const hear = ({ severity, message }) => severity === 'WARNING' && warnings.push(message);
    live.app.on('notice', hear);
    assert.equal(await module(), 'export interface ServerToClientEvents {\n}\n');
    live.app.off('notice', hear);
    assert.deepEqual(warnings.sort(), ['keyless', 'odd'].map((name) => `leaving out trigger ${name} on shop.t, which cannot be followed`));
  });

  it('can be cancelled, however long the names are that it compares', async () => {
    await live.app.query(`CREATE TABLE t (id int); DO $$ BEGIN FOR i IN 1..4 LOOP EXECUTE format(
      'CREATE TRIGGER t%s AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION sio_emit_changes(''room=all'', %L)',
      i, 'event=' || repeat('a', 200000 + i) || '$id'); END LOOP; END $$; SET statement_timeout = 500`);
    await refused(live.app, 'SELECT sio_typescript()', '57014');
  });

  it('refuses NULL', () => refused(live.app, 'SELECT sio_typescript(NULL)', '22004', { says: 'ns' }));
});
