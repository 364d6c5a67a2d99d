// Postgres's clock, as the browser knows it: a phone's own may be minutes off.
import { ask } from './dom.js';

const LOOKS = 8; // the quickest answer is the most exact one
const AGAIN = 60_000; // milliseconds

let offset = 0;

const here = () => performance.timeOrigin + performance.now();

/** Milliseconds since 1970. */
export const now = () => here() + offset;

async function look() {
  const before = here();
  const { now: there } = await ask('clock');
  const after = here();
  return { offset: there - (before + after) / 2, error: (after - before) / 2 };
}

/** Looks at it now, and again each minute. */
export async function followClock() {
  try {
    let best;
    for (let i = 0; i < LOOKS; i++) {
      const one = await look();
      if (!best || one.error < best.error) best = one;
    }
    // On one machine both are the same clock, and the estimate would only add its error.
    offset = Math.abs(best.offset) <= best.error ? 0 : best.offset;
  } catch {
    // the show is away: next time
  }
  setTimeout(followClock, AGAIN);
}
