// A program from a page of the documentation, in a process of its own and a folder where packages have their real names.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { LATEST } from './adapters.js';
import { onExit } from './processes.js';
import { fromRoot } from './setup.js';
import { within } from './wait.js';

const packages = (adapter) => ({
  pg: 'pg',
  'socket.io': 'socket.io',
  'socket.io-client': 'socket.io-client',
  '@socket.io/cluster-adapter': '@socket.io/cluster-adapter',
  '@socket.io/postgres-adapter': `adapter-${adapter}`,
});

/**
 * Runs a module of Node with more in its environment: { output(), exited, close() }. `exited` resolves with its code. `adapter`: the
 * release that it gets.
 */
export function startProgram(text, env = {}, { adapter = LATEST } = {}) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-program.'));
  for (const [name, installed] of Object.entries(packages(adapter))) {
    const link = path.join(folder, 'node_modules', name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(fromRoot('pgrx-tests/node_modules', installed), link);
  }
  writeFileSync(path.join(folder, 'program.mjs'), text);
  const child = spawn(process.execPath, ['program.mjs'], { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => { output += chunk; });
  const forget = onExit(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit').then(([code]) => {
    forget();
    rmSync(folder, { recursive: true });
    return code;
  });
  return {
    output: () => output,
    exited,
    async close() {
      child.kill('SIGTERM');
      await within('the program ended', exited);
    },
  };
}
