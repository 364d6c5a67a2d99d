// What memory a session holds.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';

/** What may remain per call, in bytes: below what the smallest thing that leaks would take. */
export const TOLERANCE = 20;
/** What the process may gain or lose without a leak: pages that malloc keeps, caches. */
export const NOISE = 256 * 1024;

/** What Postgres's own contexts hold, and what the process has beside shared memory, both in bytes. */
export async function used(session) {
  const { rows } = await session.query(
    'SELECT sum(total_bytes)::int AS contexts, pg_backend_pid() AS pid FROM pg_backend_memory_contexts',
  );
  return { contexts: rows[0].contexts, resident: resident(rows[0].pid) };
}

/**
 * Runs `work` for some of the rounds to warm up, then for the rest, which mustn't leave anything.
 *
 * What leaks does so in each half of the rounds. A heap that malloc extends once, late, does so in one of them, and is no leak.
 */
export async function measureRounds(t, session, { rounds, calls, work }) {
  const { start, middle, end, measured } = await startAndEnd(session, { rounds, work });
  for (const kind of ['contexts', 'resident']) {
    const growth = 2 * Math.min(middle[kind] - start[kind], end[kind] - middle[kind]);
    t.diagnostic(`${kind}: ${start[kind]} → ${middle[kind]} → ${end[kind]} bytes over ${measured * calls} calls`);
    assert.ok(growth <= NOISE + TOLERANCE * measured * calls, `${kind} grew by ${growth} bytes over ${measured * calls} calls`);
  }
}

/** What is held after a tenth of the rounds, halfway from there, and at the end. */
export async function startAndEnd(session, { rounds, work }) {
  // One round isn't enough, however long it is: caches and malloc's heap take their size over the first few, and the
  // question itself loads catalogs. What malloc gives back and takes again is no leak, so of these rounds the highest counts.
  const warmUp = Math.max(3, Math.ceil(rounds / 10));
  let start = { contexts: 0, resident: 0 };
  for (let round = 0; round < warmUp; round++) {
    await work(round);
    const { contexts, resident } = await used(session);
    start = { contexts, resident: Math.max(start.resident, resident) };
  }
  const halfway = Math.floor((warmUp + rounds) / 2);
  for (let round = warmUp; round < halfway; round++) await work(round);
  const middle = await used(session);
  for (let round = halfway; round < rounds; round++) await work(round);
  return { start, middle, end: await used(session), measured: rounds - warmUp };
}

/** By how many bytes the process of the session grows at most while it does the `work`. */
export async function peakGrowth(session, work) {
  const { rows: [{ pid }] } = await session.query('SELECT pg_backend_pid() AS pid');
  const start = resident(pid);
  let peak = start;
  const sampling = setInterval(() => (peak = Math.max(peak, resident(pid))), 1);
  try {
    await work();
  } finally {
    clearInterval(sampling);
  }
  return Math.max(peak, resident(pid)) - start;
}

/** What the process has beside shared memory, in bytes. */
export function resident(pid) {
  const status = `/proc/${pid}/status`;
  return existsSync(status) ? Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(status, 'utf8'))[1]) * 1024 : 0;
}
