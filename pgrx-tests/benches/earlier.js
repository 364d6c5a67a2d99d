// What a watch costs beside the same one of an earlier release: two servers, each with its own library, take turns. 50,000 rows in one
// statement and transaction, the commit included. What is counted is the session's time on a processor, as Linux counts it, which depends
// less on what else the machine does. scripts/bench-earlier builds the earlier release, and says where its Postgres is.
import { readFileSync } from 'node:fs';
import { startPostgres } from '../harness/postgres.js';
import { describeMachine, median, play, table, verdict } from './measure.js';

const ROWS = 50_000;
const ROUNDS = Number(process.env.ROUNDS ?? 31);

const SETUP = `
CREATE EXTENSION socketio_emitter;
CREATE TABLE watched_source AS
  SELECT i AS id, i % 100 AS customer_id, CASE i % 2 WHEN 0 THEN 'paid' ELSE 'new' END AS status, (i * 1.25)::numeric(10, 2) AS total
    FROM generate_series(1, ${ROWS}) i;
CREATE TABLE watched (LIKE watched_source) WITH (fillfactor = 45);
ALTER TABLE watched ADD PRIMARY KEY (id)`;

const INSERT = 'INSERT INTO watched SELECT * FROM watched_source';
const UPDATE = `UPDATE watched SET status = CASE status WHEN 'new' THEN 'open' ELSE 'done' END`;

/** The statement that is measured, and parameters of the watch that both releases have. */
const CASES = {
  'insert by row': [INSERT, `level => 'row'`],
  'insert by statement': [INSERT, `level => 'statement'`],
  'update by row': [UPDATE, `level => 'row'`],
  'update by statement': [UPDATE, `level => 'statement'`],
};

const bin = process.env.EARLIER_PG_BIN;
if (!bin) throw new Error('run scripts/bench-earlier, which sets EARLIER_PG_BIN');

// As on a server: with fsync.
const conf = { fsync: 'on', full_page_writes: 'on', max_wal_size: '4GB' };
const servers = [await startPostgres({ name: 'bench-earlier', bin, conf }), await startPostgres({ name: 'bench-now', conf })];
try {
  const [earlier, now] = await Promise.all(servers.map((server) => server.connect()));
  for (const client of [earlier, now]) await client.query(SETUP);
  await describeMachine(now);
  const { rows: [{ extversion: version }] } = await earlier.query(`SELECT extversion FROM pg_extension WHERE extname = 'socketio_emitter'`);
  const rounds = await play(ROUNDS, Object.fromEntries(Object.entries(CASES).flatMap(([name, [sql, parameters]]) => [
    [`${name}, ${version}`, () => change(earlier, sql, parameters)],
    [name, () => change(now, sql, `${parameters}, meta => false`)],
    [`${name}, meta`, () => change(now, sql, parameters)],
  ])));
  const perRow = (name) => ((median(rounds.map((values) => values[name])) * 1000) / ROWS).toFixed(2);
  const ratio = (name, of) => median(rounds.map((values) => values[name] / values[`${of}, ${version}`]));
  table(`Watches beside those of ${version}: µs of a processor per row, with the change and the commit`, ['', version, 'now', 'now, meta'],
    Object.keys(CASES).map((name) => [name, perRow(`${name}, ${version}`), perRow(name), perRow(`${name}, meta`)]));
  const claim = (text, value, most) => verdict(`${text} beside ${version} ≤ ${most.toFixed(2)}`, value, value <= most);
  const met = Object.keys(CASES).flatMap((name) => [claim(name, ratio(name, name), 1.05), claim(`${name}, meta`, ratio(`${name}, meta`, name), 1.15)]);
  process.exitCode = met.every(Boolean) ? 0 : 1;
} finally {
  for (const server of servers) await server.stop();
}

/** Milliseconds on a processor that the statement and its commit take, on a table as good as new, with the watch. */
async function change(client, sql, parameters) {
  await client.query(`SELECT sio_unwatch(c.oid) FROM pg_class c WHERE relname = 'watched'; TRUNCATE watched`);
  if (sql !== INSERT) await client.query(INSERT);
  await client.query(`SELECT sio_watch('watched', '{customer:$customer_id}', ${parameters})`);
  await client.query('CHECKPOINT');
  const { rows: [{ pid }] } = await client.query('SELECT pg_backend_pid() AS pid');
  // Nanoseconds come first (Documentation/scheduler/sched-stats.rst of Linux).
  const onProcessor = () => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  const before = onProcessor();
  await client.query('BEGIN');
  await client.query(sql);
  await client.query('COMMIT');
  const spent = onProcessor() - before;
  await client.query('TRUNCATE socket_io_attachments');
  return spent;
}
