// What a sound server never writes into its log, whatever its clients do.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ALARMS = new RegExp([
  'PANIC: ', 'TRAP: ', 'terminated by signal \\d+', 'all server processes terminated', 'database system was interrupted',
  // Rust's own last words.
  'panicked at', 'non-unwinding panic', 'memory allocation of \\d+ bytes failed', 'overflowed its stack',
  // Postgres's, about what a transaction or a process has left behind, or a memory context's owner written over.
  'reference leak', 'refcount leak', 'file leak', 'memory leak:', 'still active', 'non-empty SPI stack',
  'you don\'t own a lock', 'problem in alloc set', 'detected write past', 'bogus aset link', 'AbortTransaction while', 'AbortSubTransaction while',
  'transaction was not closed', 'ERRORDATA_STACK_SIZE', 'lock .* already held', 'stuck spinlock',
].join('|'));

// A server without memory may find none for what the end of a savepoint takes; it then says so and undoes it all the same.
const WITHOUT_MEMORY = /AbortSubTransaction while in COMMIT state/;
const MEMORYLESS = /^out-of-memory/;

const BY_SIGKILL = /terminated by signal 9\b|all server processes terminated|database system was interrupted/;

/** Its lines that tell of something wrong with the server. `killed`: that somebody has used SIGKILL is no news. */
export function alarms(log, { killed = false } = {}) {
  return log.split('\n').filter((line) => ALARMS.test(line) && !(killed && BY_SIGKILL.test(line)));
}

/** The same of all logs in the folder: lines, each with its file's name. */
export function alarmsIn(folder, options) {
  return readdirSync(folder).filter((name) => name.endsWith('.log')).sort()
    .flatMap((name) => alarms(readFileSync(path.join(folder, name), 'utf8'), options)
      .filter((line) => !(MEMORYLESS.test(name) && WITHOUT_MEMORY.test(line)))
      .map((line) => `${name}: ${line}`));
}
