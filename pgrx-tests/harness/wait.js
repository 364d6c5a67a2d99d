// Waiting for conditions. A test never sleeps for a while and hopes: it waits for what it needs, up to a bound that
// only a failure reaches; or it says what must not happen, and for how long. `make lint` finds other sleeps in e2e/.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** How many times slower than usual the server is: under valgrind, or with its caches off. */
export const SLOWNESS = Number(process.env.HARNESS_SLOWNESS ?? 1);

// Milliseconds. After a first failure less: with something broken, hundreds of waits would take an hour to say so.
let patience = 30_000 * SLOWNESS;
const IMPATIENCE = 2_000 * SLOWNESS;

function inVain(what, timeout) {
  patience = IMPATIENCE;
  return new Error(`Waited ${timeout / 1000} s in vain until ${what}`);
}

/** Resolves with the first truthy value of `condition`, and rejects naming `what` when none came. */
export async function until(what, condition, { timeout = patience, every } = {}) {
  const value = await firstValue(condition, timeout, every);
  if (!value) throw inVain(what, timeout);
  return value;
}

/** The first truthy value of `condition` in so many milliseconds, else the last one. */
export async function firstValue(condition, timeout, every = 10) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value || Date.now() > deadline) return value;
    await sleep(every);
  }
}

/**
 * Asserts that the condition, which names what must not happen, isn't true at any moment of so many milliseconds. For
 * what can't be told from outside: that something would have happened by now.
 */
export async function never(what, condition, { during }) {
  const begin = Date.now();
  const value = await firstValue(condition, during, Math.min(50, during / 5));
  if (value) assert.fail(`It must not happen that ${what}, and it did after ${Date.now() - begin} ms: ${JSON.stringify(value)}`);
}

/** Lets so many milliseconds go by, for a test in which `why` takes just that: time. */
export async function elapse(ms, why) {
  assert.ok(why, 'a reason');
  await sleep(ms);
}

/** The promise's outcome, or an error naming `what`, a text or what returns one by then, when there was none in time. */
export async function within(what, promise, timeout = patience) {
  const abort = new AbortController();
  const late = sleep(timeout, undefined, { signal: abort.signal }).then(() => {
    throw inVain(typeof what === 'function' ? what() : what, timeout);
  });
  late.catch(() => {}); // ours to reject, or aborted below
  try {
    return await Promise.race([promise, late]);
  } finally {
    abort.abort();
  }
}
