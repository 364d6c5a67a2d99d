// Private Postgres servers for the demo, the tests and the benchmarks. They run the private copy of Postgres
// that `scripts/setup` made, and it alone: nothing of the machine's own Postgres is touched.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { anyRunning, capture, childrenOf, commandOf, onExit } from './processes.js';
import { PG_BIN, PG_CONFIG, PG_MAJOR, ROOT, SERVER_WORK } from './setup.js';
import { SLOWNESS } from './wait.js';

export { PG_BIN, PG_CONFIG, PG_MAJOR };

// Postgres and PgBouncer refuse to run as root. For root, this is whom they run as instead: options for spawn().
export const SERVER_USER = process.getuid() === 0 ? idsOf('postgres') : {};

const HOST = '127.0.0.1';
const TIMEOUT = 60_000 * SLOWNESS;
const READY = 'database system is ready to accept connections';
const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' };
// For scripts/harden: a program that each server runs under, and more options for its command line.
const UNDER = words(process.env.HARNESS_UNDER);
const OPTIONS = words(process.env.HARNESS_POSTGRES_OPTIONS);
// Of a test file that passes, no data stays; 80 clusters would be 10 GB.
const IS_TEST = Boolean(process.env.NODE_TEST_CONTEXT) && process.argv[1]?.endsWith('.test.js');
// Files run at the same time, and two of them may call a server the same: `settings` of worker/server.test.js is `settings.worker-server`.
const OF_FILE = IS_TEST ? `.${process.argv[1].split(path.sep).slice(-2).join('-').replace(/\.test\.js$/, '')}` : '';
const DEFAULTS = { listen_addresses: HOST, unix_socket_directories: '', fsync: 'off', full_page_writes: 'off' };

/** An empty folder for the servers' user, and for no other. What an earlier run left in it is deleted. */
export function emptyFolder(name) {
  const folder = path.join(SERVER_WORK, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.dirname(folder), { recursive: true });
  mkdirSync(folder, { mode: 0o700 });
  if (SERVER_USER.uid !== undefined) chownSync(folder, SERVER_USER.uid, SERVER_USER.gid);
  return folder;
}

/**
 * A port nobody listens on, and that no other process of the harness got before. It comes from below the range that outgoing
 * connections get theirs from (32768 and up on Linux), so that none of them can take it while a server restarts.
 */
export async function freePort() {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    if (!reserve(port)) continue;
    const probe = createServer();
    try {
      probe.listen({ host: HOST, port });
      await once(probe, 'listening');
      await new Promise((closed) => probe.close(closed));
      return port;
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error;
    }
  }
}

/** A server listens seconds after it got its port: until the process has ended, no other takes it. */
function reserve(port) {
  const folder = path.join(SERVER_WORK, 'ports');
  const file = path.join(folder, String(port));
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const holder = Number(readFileSync(file, 'utf8'));
    if (!holder || anyRunning([holder])) return false; // it may not have written its number yet
    writeFileSync(file, String(process.pid));
  }
  onExit(() => rmSync(file, { force: true }));
  return true;
}

/**
 * A running server with trust authentication on a free port of 127.0.0.1. `conf` holds settings for
 * postgresql.conf; `clean: false` goes on with the data that an earlier run left under the same name. `bin`: the programs of
 * another Postgres than that of setup.
 */
export async function startPostgres({ name = 'e2e', conf = {}, initdbArgs = [], clean = true, bin = PG_BIN } = {}) {
  const cluster = new Cluster(name, await freePort(), bin);
  if (clean || !existsSync(path.join(cluster.dataDir, 'PG_VERSION'))) {
    await cluster.initdb(initdbArgs);
  }
  await cluster.configure({ ...DEFAULTS, ...conf });
  await cluster.start();
  return cluster;
}

/** A running hot standby that streams from `primary`. */
export async function startStandby(primary, { name = 'standby', conf = {} } = {}) {
  const cluster = await takeBackup(primary, { name, args: ['--write-recovery-conf'] });
  await cluster.configure(conf);
  await cluster.start();
  return cluster;
}

/** A server that isn't running, whose data is a base backup of `primary`. */
export async function takeBackup(primary, { name, args = [] }) {
  const cluster = new Cluster(name, await freePort(), primary.bin);
  cluster.emptyData();
  await asServerUser(primary.bin, 'pg_basebackup', [
    '--dbname', primary.url(), '--pgdata', cluster.dataDir, '--checkpoint=fast', '--no-sync', ...args,
  ]);
  return cluster;
}

/** pg_upgrade of a stopped server, to the Postgres with the programs `bin`, in its quick mode: → the new one, running. */
export async function upgradePostgres(old, { name = 'upgraded', conf = {}, initdbArgs = [], bin = PG_BIN } = {}) {
  const cluster = new Cluster(name, await freePort(), bin);
  await cluster.initdb(initdbArgs);
  await cluster.configure({ ...DEFAULTS, ...conf });
  await asServerUser(bin, 'pg_upgrade', [
    '--old-bindir', old.bin, '--new-bindir', bin, '--old-datadir', old.dataDir, '--new-datadir', cluster.dataDir, '--username=postgres',
    '--old-port', String(await freePort()), '--new-port', String(await freePort()), '--link',
    '--socketdir', os.tmpdir(), // the path of a socket may have 107 bytes only
  ], { cwd: cluster.dataDir });
  await cluster.start();
  return cluster;
}

class Cluster {
  host = HOST;
  #postmaster;
  #clients = new Set();

  constructor(name, port, bin) {
    this.port = port;
    this.bin = bin;
    this.dataDir = path.join(SERVER_WORK, 'clusters', name + OF_FILE);
    this.logFile = `${this.dataDir}.log`;
    this.#refuseToShare();
    // Then the user that Postgres runs as couldn't enter the project, and a temporary folder stands in.
    const isElsewhere = !SERVER_WORK.startsWith(ROOT + path.sep);
    onExit(() => (isElsewhere || IS_TEST && !process.exitCode) && rmSync(this.dataDir, { recursive: true, force: true }));
  }

  get pid() {
    return this.#postmaster?.pid;
  }

  url({ database = 'postgres', user = 'postgres' } = {}) {
    return `postgres://${encodeURIComponent(user)}@${HOST}:${this.port}/${encodeURIComponent(database)}`;
  }

  /** A connected pg.Client. The caller may end it; stop() ends it otherwise. */
  async connect({ database = 'postgres', user = 'postgres', ...options } = {}) {
    const client = new pg.Client({ host: HOST, port: this.port, database, user, ssl: false, ...options });
    client.on('error', (error) => {
      // No news when we have stopped its server. Otherwise it is, if nobody else listens.
      if (this.#clients.has(client) && client.listenerCount('error') === 1) throw error;
    });
    client.once('end', () => this.#clients.delete(client));
    await client.connect();
    this.#clients.add(client);
    return client;
  }

  /** Runs psql on a script, up to its first error, or with arguments when given a list. */
  async psql(sqlOrArgs, { args = [], ...options } = {}) {
    const always = ['--no-psqlrc', '--set=ON_ERROR_STOP=1'];
    return Array.isArray(sqlOrArgs)
      ? this.run('psql', [...always, ...sqlOrArgs, ...args], options)
      : this.run('psql', [...always, '--file=-', ...args], { ...options, input: sqlOrArgs });
  }

  /** Runs a program of this Postgres, such as pg_dump, on this server: → { code, stdout, stderr }. */
  async run(tool, args = [], { database = 'postgres', user = 'postgres', input, cwd } = {}) {
    const env = { ...cleanEnv(), PGHOST: HOST, PGPORT: String(this.port), PGUSER: user, PGDATABASE: database };
    return capture(path.join(this.bin, tool), args, { env, input, cwd });
  }

  async createDatabase(name, { encoding = 'UTF8', locale = 'C' } = {}) {
    const args = ['--template=template0', `--encoding=${encoding}`, `--locale=${locale}`, name];
    succeed('createdb', await this.run('createdb', args));
  }

  /** Drops it under its users' feet. */
  async dropDatabase(name) {
    succeed('dropdb', await this.run('dropdb', ['--force', name]));
  }

  /** `args`: more options of the command line. */
  async start({ args: more = [] } = {}) {
    const log = openSync(this.logFile, 'a');
    const [command, ...args] = [
      // Should we be killed without a chance to stop it (SIGKILL), the kernel does it for us.
      ...(process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'INT', '--'] : []),
      ...UNDER, path.join(this.bin, 'postgres'), '-D', this.dataDir, '-p', String(this.port), ...OPTIONS, ...more,
    ];
    // `detached`: a Ctrl-C in the terminal is ours to handle, and isn't sent to the server too.
    const postmaster = spawn(command, args, {
      ...SERVER_USER, cwd: this.dataDir, env: cleanEnv(), stdio: ['ignore', log, log], detached: true,
    });
    closeSync(log);
    await once(postmaster, 'spawn');
    const forget = onExit(() => this.#stopNow(postmaster));
    this.#postmaster = postmaster;
    postmaster.once('exit', () => {
      forget();
      if (this.#postmaster === postmaster) this.#postmaster = undefined;
    });
    await this.#until('start', () => {
      if (!this.#postmaster) throw new Error(`Postgres ended instead of starting\n${this.#logTail()}`);
      const file = this.#pidFile();
      return file?.[0] === String(postmaster.pid) && file[7]?.trim() === 'ready';
    });
  }

  /** Does nothing when it isn't running. */
  async stop({ mode = 'fast' } = {}) {
    const postmaster = this.#postmaster;
    if (!postmaster) return;
    this.#postmaster = undefined;
    postmaster.kill(STOP_SIGNALS[mode]);
    const goodbyes = this.#releaseClients().map((client) => client.end());
    await this.#until('stop', () => postmaster.exitCode !== null || postmaster.signalCode !== null);
    await Promise.allSettled(goodbyes);
  }

  async restart(options) {
    await this.stop(options);
    await this.start(options);
  }

  /** Waits for its end by itself, which `cause` brings about: with restart_after_crash off, the death of a process. */
  async dies(cause) {
    this.#releaseClients();
    await cause();
    await this.#until('die', () => !this.#postmaster);
  }

  /** `cause` makes it restart by itself. Resolves when it answers again; the connections of before are lost. */
  async crashes(cause) {
    const before = (await this.log()).split(READY).length;
    this.#releaseClients();
    await cause();
    await this.#until('restart by itself', () => readFileSync(this.logFile, 'utf8').split(READY).length > before);
  }

  /** What a crash of the machine does to it: no process of the server gets to say goodbye. */
  async kill() {
    const postmaster = this.#postmaster;
    const { pid } = postmaster;
    process.kill(pid, 'SIGSTOP'); // or it would start new children
    const pids = [pid, ...childrenOf(pid)];
    this.#postmaster = undefined;
    this.#releaseClients();
    for (const each of pids) process.kill(each, 'SIGKILL');
    // Also to us: until we have asked after it, a dead child has a pid, and the next postmaster takes it for alive.
    await this.#until('die', () => !anyRunning(pids) && postmaster.signalCode !== null);
  }

  /** The text of the server's log since startPostgres(). */
  async log() {
    return readFile(this.logFile, 'utf8');
  }

  async configure(conf) {
    const lines = Object.entries(conf).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`);
    await appendFile(path.join(this.dataDir, 'postgresql.conf'), lines.join(''));
  }

  async initdb(args = []) {
    this.emptyData();
    await asServerUser(this.bin, 'initdb', [
      '--pgdata', this.dataDir, '--username=postgres', '--auth=trust', '--no-sync', '--no-instructions',
      // The C locale fits databases of every encoding, and its messages are English everywhere.
      '--encoding=UTF8', '--locale=C', ...args,
    ]);
  }

  emptyData() {
    rmSync(this.logFile, { force: true });
    emptyFolder(path.relative(SERVER_WORK, this.dataDir));
  }

  #releaseClients() {
    const clients = [...this.#clients];
    this.#clients.clear();
    return clients;
  }

  #refuseToShare() {
    const pid = this.#pidFile()?.[0];
    if (pid && commandOf(pid).includes(this.dataDir)) {
      throw new Error(`another run uses ${this.dataDir}: its Postgres is process ${pid}`);
    }
  }

  // Its eighth line is the server's state, as pg_ctl reads it (src/include/utils/pidfile.h).
  #pidFile() {
    const file = path.join(this.dataDir, 'postmaster.pid');
    try {
      return readFileSync(file, 'utf8').split('\n');
    } catch (error) {
      // Also between a look and the next: a server that starts removes what a crash has left.
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    }
  }

  #logTail() {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
  }

  async #until(what, condition) {
    const deadline = Date.now() + TIMEOUT;
    while (!condition()) {
      if (Date.now() > deadline) {
        throw new Error(`Postgres doesn't ${what} within ${TIMEOUT / 1000} s\n${this.#logTail()}`);
      }
      await sleep(10);
    }
  }

  // The exit hook, which can't await. An immediate shutdown takes milliseconds; its last act is to remove the pid
  // file (our child stays a zombie until we are gone, so its pid tells nothing).
  #stopNow(postmaster) {
    const deadline = Date.now() + 10_000;
    postmaster.kill('SIGQUIT');
    while (existsSync(path.join(this.dataDir, 'postmaster.pid'))) {
      if (Date.now() > deadline) {
        const pids = [postmaster.pid, ...childrenOf(postmaster.pid)];
        for (const pid of pids) process.kill(pid, 'SIGKILL');
        return;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

async function asServerUser(bin, tool, args, { cwd = SERVER_WORK } = {}) {
  const options = { ...SERVER_USER, cwd, env: cleanEnv() };
  succeed(tool, await capture(path.join(bin, tool), args, options));
}

function succeed(tool, { code, stdout, stderr }) {
  if (code !== 0) throw new Error(`${tool} failed (${code})\n${stdout}${stderr}`);
}

// The caller's PGHOST, PGOPTIONS, PGDATA… are meant for other servers, and with RUST_BACKTRACE each error through Rust
// would have a stack in its DETAIL.
function cleanEnv() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PG|RUST_)/.test(name)));
}

function words(text = '') {
  return text.split(/\s+/).filter(Boolean);
}

function idsOf(user) {
  const id = (kind) => Number(execFileSync('id', [kind, user], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
