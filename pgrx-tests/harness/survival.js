// Whether a server lives on: a process of it that crashes takes the sessions of all with it.
import assert from 'node:assert/strict';

/**
 * Does the work and asserts that no process of the server crashed and that the session, unharmed, still emits. →
 * what the work answers.
 */
export async function survives(postgres, session, work) {
  const seen = (await postgres.log()).length;
  const started = async () => (await session.query(
    `SELECT pg_backend_pid() AS pid, (SELECT min(backend_start) FROM pg_stat_activity WHERE backend_type = 'checkpointer') AS start`)).rows[0];
  const before = await started();
  const result = await work();
  await session.query('ROLLBACK');
  assert.deepEqual(await started(), before, 'the same session in the same server');
  await session.query(`BEGIN; SELECT public.sio_emit('/', '{}', 'alive'), public.sio_emit_binary('/', '{}', 'alive', '\\x41'); ROLLBACK`);
  const log = (await postgres.log()).slice(seen);
  assert.doesNotMatch(log, /terminated by signal|exited with exit code|all server processes|PANIC|leak|panicked/);
  return result;
}

/** How many memory contexts of ours the session has, and how large they are. */
export async function ourContexts(session) {
  const { rows } = await session.query(`SELECT count(*)::int AS count, coalesce(sum(total_bytes), 0)::int AS bytes
    FROM pg_backend_memory_contexts WHERE name LIKE 'socketio_emitter%'`);
  return rows[0];
}
