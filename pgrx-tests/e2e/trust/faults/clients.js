// What clients do: transactions at random, one after the other.
import assert from 'node:assert/strict';
import { used } from '../../../harness/memory.js';
import { filesOf } from '../../../harness/processes.js';
import { randomBy } from '../../../harness/random.js';
import { EMITTER_ROLE } from '../../../harness/roles.js';
import { elapse } from '../../../harness/wait.js';
import { PIECES, unused } from './transactions.js';

const WEIGHTS = Object.fromEntries(Object.entries(PIECES).map(([name, [weight]]) => [name, weight]));
const ENDS = { COMMIT: 20, ROLLBACK: 3, 'PREPARE TRANSACTION': 2, disconnect: 1 };

/**
 * A client that is never satisfied. One that is `lasting` stays connected, and nobody terminates it. It counts what it
 * does, and adds to `acknowledged` what transactions emitted whose COMMIT was answered.
 */
export function newClient(postgres, { seed, counts, acknowledged, lasting = false }) {
  const random = randomBy(seed);
  const application_name = lasting ? 'lasting' : 'client';
  let session;

  async function connect() {
    session = await postgres.connect({ user: EMITTER_ROLE, application_name });
    session.isGone = false;
    const { connection } = session;
    connection.once('end', () => { if (session?.connection === connection) session.isGone = true; });
    session.on('error', () => {});
  }

  async function transaction() {
    const t = { queued: random.chance(0.6), noted: [] };
    await session.query(`BEGIN; SET LOCAL socketio_emitter.delivery = '${t.queued ? 'queue' : 'notify'}'`);
    for (let piece = random.between(1, 3); piece > 0; piece--) {
      const name = random.weighted(WEIGHTS);
      counts.add(`piece: ${name}`);
      await session.query(PIECES[name][1](t, random));
    }
    const end = random.weighted(ENDS);
    if (end === 'disconnect' && !lasting) {
      session.connection.stream.destroy();
      return;
    } else if (end === 'PREPARE TRANSACTION') {
      const name = `t${unused()}`;
      const { command } = await session.query(`PREPARE TRANSACTION '${name}'`);
      if (command === 'ROLLBACK') return;
      await session.query(`${random.chance(0.8) ? 'COMMIT' : 'ROLLBACK'} PREPARED '${name}'`);
      counts.add('two-phase transactions');
    } else {
      // Of a failed transaction's COMMIT, this is ROLLBACK.
      const { command } = await session.query(end === 'disconnect' ? 'COMMIT' : end);
      counts.add(`answered: ${command}`);
      if (command === 'COMMIT') for (const key of t.noted) acknowledged.add(key);
    }
  }

  async function tryTransaction() {
    try {
      if (!session || session.isGone) await connect();
      await transaction();
    } catch (error) {
      counts.add(`error: ${error.code ?? error.message}`);
      if (error.code === 'XX000') counts.add(`internal error: ${error.message}`);
      if (lasting) assert.ok(!session.isGone, 'nobody terminates this session');
      // An error may come after the commit, too, and by now is about nothing: then this is a WARNING.
      await session?.query('ROLLBACK').catch(() => {
        if (session.isGone || !lasting) session = undefined;
      });
      if (!session) await elapse(random.between(1, 20), 'a server that is down is not asked all the time');
    }
  }

  return {
    async work(going) {
      while (going()) await tryTransaction();
    },
    /** What of it remains, when it does nothing. */
    async holds() {
      const { contexts, resident } = await used(session);
      const { rows } = await session.query('SELECT pg_backend_pid() AS pid');
      return { contexts, resident, files: filesOf(rows[0].pid) };
    },
  };
}
