// Starting programs, and leaving none behind.
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';

/** Runs a program to its end. A failure isn't thrown: look at `code` (which is the signal's name after a signal). */
export async function capture(command, args, { input = '', ...options } = {}) {
  const child = spawn(command, args, { ...options, stdio: 'pipe' });
  child.stdin.on('error', () => {}); // it may end without reading its input
  child.stdin.end(input);
  const exited = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  const [code, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

/** The command line of a process, empty if there is none. */
export function commandOf(pid) {
  return processes().find((process) => process.pid === Number(pid))?.command ?? '';
}

/** The children of a process, as pids. */
export function childrenOf(pid) {
  return processes().filter((process) => process.parent === pid).map((process) => process.pid);
}

/** The state of a process, as `ps` names it ('T' is stopped by a signal), with more letters about it; undefined if there is none. */
export function stateOf(pid) {
  return processes().find((process) => process.pid === Number(pid))?.state;
}

/** How many files a process holds open. */
export function filesOf(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Whether any of the pids is still running; a zombie is not. */
export function anyRunning(pids) {
  return processes().some((process) => pids.includes(process.pid));
}

function processes() {
  const table = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' });
  return [...table.matchAll(/^ *(\d+) +(\d+) +(\S+) +(.*)$/gm)]
    .map(([, pid, parent, state, command]) => ({ pid: Number(pid), parent: Number(parent), state, command }))
    .filter(({ state }) => !state.startsWith('Z'));
}

const cleanups = new Set();

/**
 * Registers a synchronous function that is called when this process ends: by itself, by an exception, or by
 * SIGINT, SIGTERM or SIGHUP. Returns a function that takes it back.
 */
export function onExit(cleanup) {
  if (cleanups.size === 0) {
    process.on('exit', runCleanups);
    for (const signal of Object.keys(SIGNALS)) process.on(signal, exitOnSignal);
  }
  cleanups.add(cleanup);
  return () => {
    cleanups.delete(cleanup);
    if (cleanups.size > 0) return;
    process.off('exit', runCleanups);
    for (const signal of Object.keys(SIGNALS)) process.off(signal, exitOnSignal);
  };
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };

function exitOnSignal(signal) {
  // A program that handles the signal itself ends when it wants to; the exit hook runs then.
  if (process.listenerCount(signal) === 1) process.exit(128 + SIGNALS[signal]);
}

function runCleanups() {
  // Last in, first out: what was started later may need what was started before.
  for (const cleanup of [...cleanups].reverse()) {
    try {
      cleanup();
    } catch (error) {
      process.stderr.write(`cleaning up: ${error.stack}\n`);
      process.exitCode ||= 1;
    }
  }
}
