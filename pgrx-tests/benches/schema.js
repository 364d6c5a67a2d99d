// What the event triggers add to a command that alters a table, with 1,000 watches in the database: beside the same commands with the
// event triggers disabled.
import { play, median, table, time, verdict } from './measure.js';

const WATCHES = 1_000;
const ROUNDS = 7;
const TIMES = 20; // of each command, in one measurement
const MOST = 5; // milliseconds

/** Commands in pairs that leave everything as it was. */
const COMMANDS = {
  'rename a watched column': ['ALTER TABLE watched_1 RENAME a TO z', 'ALTER TABLE watched_1 RENAME z TO a'],
  'alter a watched column\'s type': ['ALTER TABLE watched_2 ALTER a TYPE bigint', 'ALTER TABLE watched_2 ALTER a TYPE int'],
  'add and drop a column beside it': ['ALTER TABLE watched_3 ADD more int', 'ALTER TABLE watched_3 DROP more'],
  'add and drop a column of another table': ['ALTER TABLE plain ADD more int', 'ALTER TABLE plain DROP more'],
  'create and drop a table': ['CREATE TABLE other (id int)', 'DROP TABLE other'],
  'create and drop a function': [`CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'`, 'DROP FUNCTION f'],
};

export async function benchSchema(cluster) {
  await cluster.createDatabase('moving');
  const client = await cluster.connect({ database: 'moving' });
  await client.query('CREATE EXTENSION socketio_emitter; CREATE TABLE plain (id int)');
  for (let i = 0; i < WATCHES; i += 50) {
    await client.query(Array.from({ length: 50 }, (_, n) => `CREATE TABLE watched_${i + n} (id int PRIMARY KEY, a int, b text);
      SELECT sio_watch('watched_${i + n}', '{room:$a}', left_event => 'left', columns => '{id,b}')`).join(';'));
  }
  const set = (to) => client.query(['sio_altered', 'sio_begun', 'sio_dropped'].map((name) => `ALTER EVENT TRIGGER ${name} ${to}`).join(';'));
  const rows = [];
  let worst = 0;
  for (const [what, commands] of Object.entries(COMMANDS)) {
    const each = async (to) => {
      await set(to);
      // A server's own moments aside: in a transaction that isn't kept.
      await client.query('BEGIN');
      const took = await time(async () => {
        for (let i = 0; i < TIMES; i++) for (const command of commands) await client.query(command);
      });
      await client.query('ROLLBACK');
      return took / TIMES / commands.length;
    };
    const played = await play(ROUNDS, { without: () => each('DISABLE'), with: () => each('ENABLE ALWAYS') });
    const added = median(played.map((round) => round.with - round.without));
    worst = Math.max(worst, added);
    rows.push([what, ...['without', 'with'].map((name) => median(played.map((round) => round[name])).toFixed(2)), added.toFixed(2)]);
  }
  const check = await time(() => client.query('SELECT sio_check()'));
  await client.end();
  await cluster.dropDatabase('moving');
  table(`Altering a schema with ${WATCHES} watches, milliseconds for a command`, ['', 'without event triggers', 'with', 'added'], rows);
  console.log(`sio_check() of ${WATCHES} watches: ${check.toFixed(0)} ms`);
  return [verdict(`event triggers add ≤ ${MOST} ms to a command with ${WATCHES} watches`, worst, worst <= MOST)];
}
