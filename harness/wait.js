// Waiting for conditions. A test never sleeps for a while and hopes: it waits for what it needs, up to a bound that
// only a failure reaches.
import { setTimeout as sleep } from 'node:timers/promises';

export const PATIENCE = 30_000;

/** Resolves with the first truthy value of `condition`, and rejects naming `what` when none came. */
export async function until(what, condition, { timeout = PATIENCE, every = 10 } = {}) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`Waited ${timeout / 1000} s in vain until ${what}`);
    await sleep(every);
  }
}

/** The promise's outcome, or an error naming `what` when there was none in time. */
export async function within(what, promise, timeout = PATIENCE) {
  const abort = new AbortController();
  const late = sleep(timeout, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`Waited ${timeout / 1000} s in vain until ${what}`);
  });
  late.catch(() => {}); // ours to reject, or aborted below
  try {
    return await Promise.race([promise, late]);
  } finally {
    abort.abort();
  }
}
