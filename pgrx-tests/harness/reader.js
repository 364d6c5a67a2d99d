// A reader of the documentation: a folder, into which they write what a page shows, and what they start there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { LATEST } from './adapters.js';
import { capture, onExit } from './processes.js';
import { fromRoot } from './setup.js';
import { until, within } from './wait.js';

const PACKAGES = ['pg', 'socket.io', 'socket.io-client', '@socket.io/cluster-adapter'];

export class Reader {
  folder = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-reader.'));
  #programs = [];
  #forget = onExit(() => rmSync(this.folder, { recursive: true, force: true }));

  write(file, text) {
    writeFileSync(path.join(this.folder, file), text);
  }

  /** What pages have their readers install, as `npm install` would leave it; a version of the adapter. */
  linkPackages({ adapter = LATEST } = {}) {
    const installedAs = [...PACKAGES.map((name) => [name, name]), ['@socket.io/postgres-adapter', `adapter-${adapter}`]];
    for (const [name, installed] of installedAs) {
      const link = path.join(this.folder, 'node_modules', name);
      mkdirSync(path.dirname(link), { recursive: true });
      symlinkSync(fromRoot('pgrx-tests/node_modules', installed), link);
    }
  }

  has(name) {
    return existsSync(path.join(this.folder, 'node_modules', name, 'package.json'));
  }

  /** Runs a block of shell commands to their end: → what they print. */
  async shell(commands, env = {}) {
    const { code, stdout, stderr } = await capture('bash', ['-euc', commands], { cwd: this.folder, env: { ...process.env, ...env } });
    if (code !== 0) throw new Error(`${commands}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Starts `node FILE`, with arguments: → { output, printed(text): waits until it has printed that, ended(): waits for its code, stop() }. */
  start(file, env = {}, args = []) {
    const program = new Program(file, spawn(process.execPath, [file, ...args], { cwd: this.folder, env: { ...process.env, ...env }, stdio: 'pipe' }));
    this.#programs.push(program);
    return program;
  }

  async close() {
    await Promise.all(this.#programs.map((program) => program.stop()));
    this.#forget();
    rmSync(this.folder, { recursive: true });
  }
}

/** A program that a page shows whole, in a process of its own: { output(), ended(): waits for its code, close() }. `adapter`: the release that it gets. */
export function startProgram(text, env, { adapter } = {}) {
  const reader = new Reader();
  reader.linkPackages({ adapter });
  reader.write('program.mjs', text);
  const program = reader.start('program.mjs', env);
  return { output: () => program.output, ended: () => program.ended(), close: () => reader.close() };
}

class Program {
  output = '';
  #file;
  #child;
  #ended;
  #forget;

  constructor(file, child) {
    this.#file = file;
    this.#child = child;
    this.#ended = once(child, 'exit'); // now: it may have ended when it is stopped
    this.#forget = onExit(() => child.kill('SIGKILL'));
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => { this.output += chunk; });
  }

  async printed(text) {
    await until(`${this.#file} has printed ${text}`, () => {
      if (this.#child.exitCode !== null) throw new Error(`${this.#file} has ended:\n${this.output}`);
      return this.output.includes(text);
    });
  }

  async ended() {
    const [code] = await within(`${this.#file} has ended`, this.#ended);
    this.#forget();
    return code;
  }

  async stop() {
    this.#child.kill();
    await this.ended();
  }
}
