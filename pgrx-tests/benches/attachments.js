// What the table costs: a long jsonb through it, beside inserting a bytea of that size.
import { table, takeTurns, time, verdict } from './measure.js';

const ROUNDS = 15;
const COUNT = 10; // messages per transaction

const SETUP = `
-- 1 MB of rows, as jsonb_agg gives them.
CREATE TABLE long AS
  SELECT jsonb_agg(r) AS j FROM (
    SELECT i AS id, i % 100 AS customer_id, md5(i::text) AS token, (i * 1.25)::numeric(10, 2) AS total,
           'note number ' || i AS note, i % 2 = 0 AS paid, now() AS created_at
      FROM generate_series(1, 6900) i) r;
-- The very bytes that a server would read, in a table as the adapter's documentation creates it, and in one that is
-- compressed as ours is.
CREATE TABLE plain (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea);
CREATE TABLE quick (LIKE socket_io_attachments INCLUDING ALL);
SELECT sio_emit('/', '{room1}', 'orders', j) FROM long;
CREATE TABLE encoded AS SELECT payload AS bytes FROM socket_io_attachments;
TRUNCATE socket_io_attachments;
`;

const insert = (name) => `WITH stored AS (
     INSERT INTO ${name} (payload) SELECT bytes || ''::bytea FROM encoded, generate_series(1, ${COUNT}) RETURNING id)
   SELECT count(*) FROM stored`;

const WAYS = {
  'INSERT of a bytea': insert('plain'),
  'INSERT of a bytea, compressed as ours': insert('quick'),
  sio_emit: `SELECT count(*) FROM (
     SELECT sio_emit('/', '{room1}', 'orders', j) FROM long, generate_series(1, ${COUNT}) OFFSET 0) calls`,
};

export async function benchAttachments(client) {
  await client.query(SETUP);
  const { rows } = await client.query(
    'SELECT octet_length(j::text) AS json, octet_length(bytes) AS bytes FROM long, encoded',
  );
  const times = await takeTurns(ROUNDS, Object.fromEntries(
    Object.entries(WAYS).map(([name, sql]) => [name, async () => {
      const spent = await time(() => client.query(sql)); // commits by itself
      await client.query('TRUNCATE plain, quick, socket_io_attachments');
      return { spent };
    }]),
  ));
  table(
    `${rows[0].json} bytes of JSON through the table, as ${rows[0].bytes} bytes of MessagePack`,
    ['', 'ms each', '× INSERT'],
    Object.keys(WAYS).map((name) => {
      const { median, ratio } = times[name].spent;
      return [name, (median / COUNT).toFixed(2), ratio.toFixed(2)];
    }),
  );
  const { ratio } = times.sio_emit.spent;
  return [verdict('a long jsonb through the table ≤ 1.2 × inserting a bytea of its size', ratio, ratio <= 1.2)];
}
