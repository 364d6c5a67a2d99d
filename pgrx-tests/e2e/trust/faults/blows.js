// What befalls clients, worker and launcher.
import { EMITTER_ROLE } from '../../../harness/roles.js';
import { elapse } from '../../../harness/wait.js';

// Each comes in every run, if it's short.
export const BLOWS = ['client backend', 'socketio_emitter worker', 'socketio_emitter launcher']
  .flatMap((backend) => ['cancel', 'terminate'].map((blow) => [blow, backend]));

/** Cancels and terminates whom it meets. A `sparing` one leaves the worker its life. */
export async function strike(postgres, { random, going, counts, sparing }) {
  const session = await postgres.connect();
  session.on('error', () => {});
  const never = () => BLOWS.find(([blow, backend]) => !counts.of(`${blow}: ${backend}`) && !(sparing && blow === 'terminate'));
  while (going()) {
    await elapse(random.between(2, 30), 'until the next blow');
    const backend = never()?.[1] ?? random.weighted({ 'client backend': 14, 'socketio_emitter worker': 6, 'socketio_emitter launcher': 0.6 });
    const { rows } = await session.query(`
      SELECT pid, application_name = 'lasting' AS lasting FROM pg_stat_activity
       WHERE backend_type = $1 AND (usename = '${EMITTER_ROLE}' OR backend_type <> 'client backend') ORDER BY backend_start`, [backend]);
    if (rows.length === 0) continue;
    const { pid, lasting } = random.pick(rows);
    const spared = lasting || (sparing && backend === 'socketio_emitter worker');
    const blow = spared ? 'cancel' : never()?.[0] ?? (random.chance(0.6) ? 'cancel' : 'terminate');
    await session.query(`SELECT pg_${blow}_backend($1)`, [pid]);
    counts.add(`${blow}: ${backend}`);
  }
  await session.end();
}

/** Ends prepared transactions whose clients couldn't: they hold locks that others wait for. */
export async function resolve(session, counts, going = () => false) {
  do {
    await elapse(100, 'clients end what they can themselves');
    const { rows } = await session.query(`SELECT gid FROM pg_prepared_xacts WHERE prepared < clock_timestamp() - interval '200 ms'`);
    for (const { gid } of rows) {
      const ended = await session.query(`COMMIT PREPARED '${gid}'`).then(() => 1, () => 0); // it was just being ended
      counts.add('prepared transactions left behind', ended);
    }
  } while (going());
}

/** Holds locks that emits and the worker need, now and then, for moments. */
export async function block(postgres, { random, going, counts }) {
  const session = await postgres.connect();
  session.on('error', () => {});
  await session.query(`SET lock_timeout = '100ms'`);
  while (going()) {
    await elapse(random.between(20, 100), 'until the next lock');
    const lock = random.pick([
      ...Array(4).fill('ALTER SEQUENCE _sio.queue_id CACHE 1'), // ids are taken where nothing else can fail
      'LOCK TABLE _sio.queue', 'LOCK TABLE _sio.sent', 'LOCK TABLE _sio.totals', 'LOCK TABLE socket_io_attachments', 'LOCK TABLE orders, stock',
    ]);
    try {
      await session.query(`BEGIN; ${lock}`);
      await elapse(random.between(5, 40), 'the lock is held');
      counts.add('locks held');
    } catch (error) {
      if (!error.code) break; // the server has gone; others tell
    }
    await session.query('ROLLBACK').catch(() => {});
  }
  await session.end().catch(() => {});
}
