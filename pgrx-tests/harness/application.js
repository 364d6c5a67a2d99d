// An application whose tables are made by a migration tool: its folder, its database, and what the tool has left alone there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { connectClient, received } from './clients.js';
import { withoutMeta } from './live.js';
import { capture } from './processes.js';
import { serverGrantsIn } from './roles.js';
import { closeAll, startServers } from './servers.js';
import { fromRoot } from './setup.js';
import { until } from './wait.js';

const MODULES = fromRoot('pgrx-tests/node_modules');

/** Every object of the extension and all that belongs to its relations, by oid, with the transaction that wrote it last. */
const OURS = `
  WITH members AS (
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
     WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'socketio_emitter'
  ), relations AS (SELECT objid AS oid FROM members WHERE classid = 'pg_class'::regclass)
  SELECT kind, oid::int, xmin::text FROM (
    SELECT 'class' AS kind, oid, xmin FROM pg_class WHERE oid IN (SELECT oid FROM relations)
    UNION ALL SELECT 'index', indexrelid, xmin FROM pg_index WHERE indrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT 'column', attrelid, xmin FROM pg_attribute WHERE attrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT 'default', oid, xmin FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT 'constraint', oid, xmin FROM pg_constraint WHERE conrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT 'trigger', oid, xmin FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT 'sequence', seqrelid, xmin FROM pg_sequence WHERE seqrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT 'function', oid, xmin FROM pg_proc WHERE oid IN (SELECT objid FROM members WHERE classid = 'pg_proc'::regclass)
    UNION ALL SELECT 'schema', oid, xmin FROM pg_namespace WHERE oid IN (SELECT objid FROM members WHERE classid = 'pg_namespace'::regclass)
  ) o ORDER BY 1, 2, 3`;

/** What the role needs that runs migrations, if they make watches. */
export const ownerGrants = (schema, role) => `GRANT USAGE ON SCHEMA ${schema} TO ${role};
  GRANT EXECUTE ON FUNCTION ${schema}.sio_watch, ${schema}.sio_unwatch, ${schema}.sio_check, ${schema}.sio_emit_changes TO ${role}`;

export class Application {
  #before;

  /** With the extension in `schema` of a new database, as an administrator sets it up; the tool connects as `user`. */
  static async create(cluster, { database, schema, user = 'postgres' }) {
    await cluster.createDatabase(database);
    const admin = await cluster.connect({ database });
    const application = new Application(cluster, { database, schema, user, admin });
    await admin.query(`ALTER DATABASE ${database} OWNER TO ${user}; CREATE SCHEMA IF NOT EXISTS ${schema};
      CREATE EXTENSION socketio_emitter SCHEMA ${schema}; ${ownerGrants(schema, user)}`);
    await application.grantServers();
    return application;
  }

  constructor(cluster, { database, schema, user, admin }) {
    Object.assign(this, { cluster, database, schema, admin });
    this.url = cluster.url({ database, user });
    // Node and the tools look for packages from here on up.
    this.folder = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-application.'));
    symlinkSync(MODULES, path.join(this.folder, 'node_modules'));
    this.write('package.json', '{ "private": true, "type": "module" }');
  }

  async close() {
    await this.admin.end();
    await this.cluster.dropDatabase(this.database);
    rmSync(this.folder, { recursive: true });
  }

  write(file, text) {
    const full = path.join(this.folder, file);
    mkdirSync(path.dirname(full), { recursive: true });
    writeFileSync(full, text);
  }

  read(file) {
    return readFileSync(path.join(this.folder, file), 'utf8');
  }

  list(folder) {
    return readdirSync(path.join(this.folder, folder)).sort();
  }

  /**
   * Runs a tool of node_modules, or a program by its path, which must succeed unless `fails`. → what it said, on both channels,
   * without colours
   */
  async run(tool, args, { fails = false, url = this.url, answers, env: more } = {}) {
    const env = { ...process.env, DATABASE_URL: url, NO_COLOR: '1', CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1', CI: '', ...more };
    const program = path.resolve(MODULES, '.bin', tool);
    const { code, output } = answers
      ? await inTerminal([program, ...args], { cwd: this.folder, env, answers })
      : await capture(program, args, { cwd: this.folder, env }).then(({ code: exit, stdout, stderr }) => ({ code: exit, output: stdout + stderr }));
    const said = plain(output);
    if (fails) assert.notEqual(code, 0, said);
    else assert.equal(code, 0, said);
    return said;
  }

  /** Grants the servers their privileges. From now on, what the extension has is what it must have. */
  async grantServers() {
    await this.admin.query(serverGrantsIn(this.schema));
    this.#before = (await this.admin.query(OURS)).rows;
    assert.ok(this.#before.length > 50);
  }

  /** That nothing of the extension was dropped, made anew or altered. */
  async assertUntouched() {
    assert.deepEqual((await this.admin.query(OURS)).rows, this.#before);
  }

  /** The names of the application's tables and their columns: 'orders.id' */
  async columns() {
    const { rows } = await this.admin.query(`
      SELECT c.relname || '.' || a.attname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
         AND c.relname !~ 'socket_io|migrations' ORDER BY c.relname, a.attnum`);
    return rows.map(({ name }) => name);
  }

  /**
   * What a browser in the room receives, and one in another room does not, while `work` is done: SQL, run by the administrator, or a
   * function. Binary goes the way through the extension's table.
   */
  async events(room, work) {
    const servers = await startServers(this.cluster, {
      count: 2, database: this.database, options: { tableName: `${this.schema}.socket_io_attachments` },
    });
    const clients = [await connectClient(servers[1], { rooms: [room] }), await connectClient(servers[0], { rooms: [`not ${room}`] })];
    try {
      if (typeof work === 'function') await work();
      else await this.admin.query(work);
      const [events, elsewhere] = await received(this.admin, clients, { schema: this.schema });
      assert.deepEqual(servers.flatMap((server) => server.errors), []);
      assert.deepEqual(elsewhere, [], 'events arrived in another room, too');
      return events.map(withoutMeta);
    } finally {
      await closeAll(clients, servers);
    }
  }
}

/** Runs a program in a terminal, where tools ask before they lose data. `answers`: [what it asks, the keys], in order. */
async function inTerminal(command, { cwd, env, answers }) {
  const line = command.map((word) => `'${word.replaceAll('\'', `'\\''`)}'`).join(' ');
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], { cwd, env: { ...env, TERM: 'xterm' }, stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { output += data; });
  const exited = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  let from = 0;
  const answered = (async () => {
    for (const [question, keys] of answers) {
      await until(`it asks ${question}`, () => {
        const at = plain(output).slice(from).search(question);
        if (at >= 0) from += at + 1;
        return at >= 0 || child.exitCode !== null;
      });
      if (child.exitCode !== null) break;
      child.stdin.write(keys);
    }
  })();
  await answered;
  const code = await exited;
  return { code, output };
}

const plain = (output) => output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '');
