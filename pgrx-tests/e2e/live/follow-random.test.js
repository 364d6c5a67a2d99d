// Random transactions, in both deliveries, while lists follow them through servers of two adapters, whose pools are busy at times
// and whose clients lose their connections: in the end, each list has the table's rows. FOLLOW_RUNS=1000 for longer,
// FOLLOW_SEED=… to repeat a run's choices.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { byId, followRows, IMPATIENT, leave, serveLists, settle, untilLive } from '../../harness/follow.js';
import { startPostgres } from '../../harness/postgres.js';
import { PRELOAD } from '../../harness/queue.js';
import { randomBy } from '../../harness/random.js';
import { prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { elapse } from '../../harness/wait.js';

const RUNS = Number(process.env.FOLLOW_RUNS ?? 24);
const SEED = Number(process.env.FOLLOW_SEED ?? Date.now() % 1_000_000);
const ADAPTERS = ['0.3.1', '0.5.0'];
const WRITERS = 3;
const IDS = 8;
const LEVELS = ['row', 'statement'];
const EXPECTED = ['40P01', '23505']; // a deadlock; two transactions that insert the same key

describe(`lists that follow random transactions (seed ${SEED})`, () => {
  let postgres, admin, servers, pools, sessions, followers;

  before(async () => {
    postgres = await startPostgres({ name: 'follow-random', conf: { ...PRELOAD, ...IMPATIENT } });
    admin = await prepareDatabase(postgres);
    for (const level of LEVELS) {
      await admin.query(`
        CREATE TABLE by_${level} (id int PRIMARY KEY, customer int NOT NULL, note text NOT NULL);
        SELECT sio_watch('by_${level}', rooms => '{customer:$customer,all}', event => '${level}:$op', left_event => '${level}:left',
                         level => '${level}', ops => '{insert,update,delete,truncate}', batch => 3)`);
    }
    servers = (await Promise.all(ADAPTERS.map((adapter) => startServers(postgres, { count: 1, adapter })))).flat();
    pools = servers.map((server) => serveLists(postgres, server, ({ level, customer }) => ({ values: [customer], text: `
      SELECT sio_snapshot() AS snapshot, coalesce(jsonb_agg(sio_row(t)), '[]') AS rows
        FROM by_${level} t WHERE $1::int IS NULL OR customer = $1` })));
    sessions = await Promise.all(Array.from({ length: WRITERS }, () => postgres.connect()));
    // The last one's messages wait in the queue.
    for (const [i, session] of sessions.entries()) {
      await session.query(`SET socketio_emitter.delivery = ${i === WRITERS - 1 ? 'queue' : 'notify'}`);
    }
  });

  after(async () => {
    leave(...(followers ?? []));
    for (const pool of pools ?? []) await pool.end();
    await closeAll(servers);
    await postgres?.stop();
  });

  it(`have the table's rows at the end of each of ${RUNS} runs`, async (t) => {
    let [stale, lists] = [0, 0];
    for (let run = 0; run < RUNS; run += 1) {
      await oneRun(randomBy(SEED + run), run);
      lists += followers.length;
      stale += followers.filter(({ isStale }) => isStale).length;
    }
    t.diagnostic(`${lists} lists were right; ${stale} would have been stale with list.set()`);
  });

  async function oneRun(random, run) {
    const level = random.pick(LEVELS);
    const table = `by_${level}`;
    const truncates = random.chance(0.25); // which rooms of a customer don't hear of
    await admin.query(`TRUNCATE ${table}`);
    const add = (server) => {
      const customer = truncates ? null : random.pick([1, 2, null]);
      const follower = followRows(server, { events: level, rooms: [customer ? `customer:${customer}` : 'all', 'marks'], argument: { level, customer } });
      return Object.assign(follower, { customer });
    };
    followers = servers.map(add);
    let isOver = false;
    const disturbing = disturb(random, () => isOver);
    const writing = sessions.map((session) => write(session, random, table, truncates));
    for (const server of servers) {
      await elapse(random.below(30), 'a client comes while others write');
      followers.push(add(server));
    }
    await Promise.all(writing);
    isOver = true;
    await disturbing;
    await Promise.all(followers.map(untilLive));
    await settle(sessions.slice(-2), 'marks', followers);
    const { rows } = await admin.query(`SELECT id, customer, note FROM ${table} ORDER BY id`);
    for (const follower of followers) {
      const { list, naive, customer, errors } = follower;
      const truth = rows.filter((row) => customer === null || row.customer === customer);
      assert.equal(list.state, 'live');
      assert.deepEqual(errors, []);
      assert.deepEqual(short(byId(list.rows)), short(truth), `run ${run}, seed ${SEED + run}, ${table}, customer ${customer}`);
      follower.isStale = JSON.stringify(byId(naive)) !== JSON.stringify(truth);
    }
    leave(...followers);
  }

  /** Keeps the servers' pools busy for a while, and takes a connection away, until it is over. */
  async function disturb(random, isOver) {
    while (!isOver()) {
      const busy = await random.pick(servers).pool.connect();
      await elapse(random.below(15), 'the pool of a server is busy');
      busy.release();
      await elapse(random.below(5), 'and is not');
      const { socket } = random.pick(followers);
      if (!socket.connected || !random.chance(0.1)) continue;
      const lost = once(socket, 'disconnect');
      socket.io.engine.close();
      await lost;
    }
  }

  async function write(session, random, table, truncates) {
    for (let transactions = random.between(2, 5); transactions > 0; transactions -= 1) {
      try {
        await session.query('BEGIN');
        for (let statements = random.between(1, 4); statements > 0; statements -= 1) {
          await session.query(statement(random, table, truncates));
          if (random.chance(0.2)) await session.query(`SAVEPOINT s; ${statement(random, table, truncates)}; ${random.pick(['ROLLBACK TO s', 'RELEASE s'])}`);
          if (random.chance(0.2)) await elapse(random.below(10), 'a transaction takes its time');
        }
        await session.query(random.chance(0.9) ? 'COMMIT' : 'ROLLBACK');
      } catch (error) {
        await session.query('ROLLBACK');
        if (!EXPECTED.includes(error.code)) throw error;
      }
    }
  }

  function statement(random, table, truncates) {
    const id = random.between(1, IDS);
    const customer = random.between(1, 3);
    const note = random.chance(0.4) ? `repeat(md5(random()::text), 300)` : `md5(random()::text)`;
    const some = random.pick([`id = ${id}`, `id = ${id}`, `id <= ${id}`, `customer = ${customer}`]);
    return random.weighted({
      [`INSERT INTO ${table} VALUES (${id}, ${customer}, ${note}) ON CONFLICT DO NOTHING`]: 3,
      [`INSERT INTO ${table} VALUES (${id}, ${customer}, ${note}) ON CONFLICT (id) DO UPDATE SET note = excluded.note`]: 2,
      [`UPDATE ${table} SET note = ${note} WHERE ${some}`]: 6,
      [`UPDATE ${table} SET customer = ${customer} WHERE ${some}`]: 2,
      [`DELETE FROM ${table} WHERE ${some}`]: 2,
      [truncates ? `TRUNCATE ${table}` : `SELECT`]: 0.5,
    });
  }
});

/** Rows with the beginning of their notes: a difference is then shown as one. */
function short(rows) {
  return rows.map(({ id, customer, note }) => [id, customer, note.length, note.slice(0, 32)]);
}
