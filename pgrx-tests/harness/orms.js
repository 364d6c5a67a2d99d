// docs/orms.md, a section of it: an application of a tool's, in a database that an administrator has set up as the page says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Application } from './application.js';
import { evaluate, openPage } from './page.js';
import { startPostgres } from './postgres.js';
import { createRoles, SERVERS_ROLE } from './roles.js';
import { fromRoot } from './setup.js';

export const PAGE = 'docs/orms.md';

/** The section that every other one builds on. */
export const FIRST = 'Before the first migration';

/** What the page has the administrator run. */
export const administration = () => openPage(PAGE, { section: FIRST }).take('sql', 'CREATE EXTENSION');

/** A server with the roles that the page names. */
export async function startShop(name) {
  const postgres = await startPostgres({ name: `orms-${name}` });
  const admin = await postgres.connect();
  await createRoles(admin, SERVERS_ROLE, 'owner', 'app');
  await admin.end();
  return postgres;
}

/** A database of the role `owner`, after the page's first section; the tool connects as `user`. */
export async function openShop(postgres, { database = 'shop', user = 'owner' } = {}) {
  await postgres.createDatabase(database);
  const admin = await postgres.connect({ database });
  await admin.query(`ALTER DATABASE ${database} OWNER TO owner; ${administration()}`);
  const shop = new Application(postgres, { database, schema: 'sio', user, admin });
  await shop.grantServers();
  return shop;
}

/** Writes a block to the file that its first line names in a comment. → the file's path */
export function save(shop, block) {
  const [, file] = /^(?:\/\/|#|--) (\S+)(?: \(.*\))?\n/.exec(block) ?? assert.fail(`no file is named:\n${block}`);
  shop.write(file, block);
  return file;
}

/** Python with Django, as `scripts/setup` installs it. */
export const PYTHON = fromRoot('.work/django/bin/python');

/** Runs a block's commands, each `npx TOOL …`, `python …` or `bin/rails TASK`, whose tasks are Rake's. → what they said */
export async function shell(shop, block, options) {
  let said = '';
  for (const line of block.trim().split('\n')) {
    const [program, ...args] = line.split(' ');
    const tool = { npx: () => args.shift(), python: () => PYTHON, 'bin/rails': () => '/usr/bin/rake' }[program]?.();
    assert.ok(tool, line);
    said += await shop.run(tool, args, options);
  }
  return said;
}

/**
 * That a fragment of JavaScript, a transaction of the tool's, sends with its commit what `expected` has, and nothing if it fails at
 * its end. Its last line must end the transaction's function.
 */
export async function assertTransactional(shop, { code, bindings, room, expected }) {
  assert.deepEqual(await shop.events(room, () => evaluate(code, bindings)), expected);
  const failing = code.replace(/\}\);\n$/, 'throw new Error(\'undone\');\n});\n');
  assert.notEqual(failing, code);
  assert.deepEqual(await shop.events(room, () => assert.rejects(evaluate(failing, bindings), /undone/)), []);
}

/** The version of an npm package that is installed. */
export const versionOf = (name) => JSON.parse(readFileSync(fromRoot('pgrx-tests/node_modules', name, 'package.json'), 'utf8')).version;

/** That the page's table says the tool was tried in that version. */
export function assertTried(page, tool, version) {
  assert.ok(page.text.includes(`| [${tool}](#${tool.toLowerCase()}) | ${version} |`), `${PAGE} says of ${tool} another version than ${version}`);
}

/** The watches as `sio_watches` shows them: [[table, rooms]] */
export async function watchesOf(shop) {
  const { rows } = await shop.admin.query('SELECT table_name::text AS name, rooms FROM sio.sio_watches ORDER BY 1, 2');
  return rows.map(({ name, rooms }) => [name, rooms]);
}
