// What a call costs: sio_emit beside a bare pg_notify of the payload, and beside the ways to build the same message
// in SQL. 20,000 calls in one transaction, each with another row.
import { table, takeTurns, time, verdict } from './measure.js';

const CALLS = 20_000;
const ROUNDS = 9;

const SETUP = `
-- Rows of three widths, as jsonb: what to_jsonb(NEW) hands to a trigger.
CREATE TABLE narrow AS
  SELECT to_jsonb(r) AS j FROM (
    SELECT i AS id, i % 100 AS customer_id, 'paid' AS status, (i * 1.25)::numeric(10, 2) AS total,
           'note number ' || i AS note, now() AS created_at
      FROM generate_series(1, ${CALLS}) i) r;
CREATE TABLE usual AS
  SELECT to_jsonb(r) AS j FROM (
    SELECT i AS id, i % 100 AS customer_id, 'paid' AS status, 'EUR' AS currency,
           (i * 1.25)::numeric(10, 2) AS total, (i * 0.25)::numeric(10, 2) AS tax,
           'note number ' || i || ' with some text' AS note, ARRAY['gift', 'express'] AS tags,
           'customer' || i || '@example.com' AS email, i || ' Long Street, Building ' || i % 7 AS address,
           'Amsterdam' AS city, 'NL' AS country, i % 2 = 0 AS paid,
           now() AS shipped_at, now() AS updated_at, now() AS created_at
      FROM generate_series(1, ${CALLS}) i) r;
CREATE TABLE wide AS
  SELECT j || jsonb_build_object('description', repeat('lorem ipsum dolor sit amet ', 25)) AS j FROM usual;

CREATE FUNCTION message(ns text, rooms text[], event text, payload jsonb) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'uid', 'emitter', 'nsp', ns, 'type', 3,
    'data', jsonb_build_object(
      'packet', jsonb_build_object('type', 2, 'data', jsonb_build_array(event, payload), 'nsp', ns),
      'opts', jsonb_build_object('rooms', to_jsonb(rooms), 'except', '[]'::jsonb, 'flags', '{}'::jsonb)))::text
$$;
CREATE FUNCTION emit_sql(ns text, rooms text[], event text, payload jsonb) RETURNS void LANGUAGE sql AS $$
  SELECT pg_notify('socket.io#' || ns, message(ns, rooms, event, payload))
$$;
CREATE FUNCTION emit_plpgsql(ns text, rooms text[], event text, payload jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('socket.io#' || ns, jsonb_build_object(
    'uid', 'emitter', 'nsp', ns, 'type', 3,
    'data', jsonb_build_object(
      'packet', jsonb_build_object('type', 2, 'data', jsonb_build_array(event, payload), 'nsp', ns),
      'opts', jsonb_build_object('rooms', to_jsonb(rooms), 'except', '[]'::jsonb, 'flags', '{}'::jsonb)))::text);
END
$$;
`;

const WAYS = {
  'pg_notify of the payload alone': `pg_notify('socket.io#/', j::text)`,
  sio_emit: `sio_emit('/', '{room1}', 'order', j)`,
  'the message in an SQL function': `emit_sql('/', '{room1}', 'order', j)`,
  'the message in PL/pgSQL': `emit_plpgsql('/', '{room1}', 'order', j)`,
};
const [, EMIT, SQL, PLPGSQL] = Object.keys(WAYS); // the first is what the others are compared with

export async function benchEncode(client) {
  await client.query(SETUP);
  const met = [];
  for (const width of ['narrow', 'usual', 'wide']) {
    const { rows } = await client.query(`SELECT avg(octet_length(j::text))::int AS bytes FROM ${width}`);
    const times = await takeTurns(ROUNDS, Object.fromEntries(
      Object.entries(WAYS).map(([name, call]) => [name, () => statement(client, call, width)]),
    ));
    const cells = ({ median, ratio }) => [((median * 1000) / CALLS).toFixed(2), ratio.toFixed(2)];
    table(
      `A row of ${rows[0].bytes} bytes as JSON (${width})`,
      ['', 'µs per call', '× pg_notify', 'with the commit', '× pg_notify'],
      Object.keys(WAYS).map((name) => [name, ...cells(times[name].calls), ...cells(times[name].all)]),
    );
    if (width !== 'usual') continue;
    const ratio = (name) => times[name].calls.ratio;
    met.push(
      verdict('sio_emit ≤ 1.2 × pg_notify of the payload alone', ratio(EMIT), ratio(EMIT) <= 1.2),
      verdict('≥ 4 × faster than PL/pgSQL', ratio(PLPGSQL) / ratio(EMIT), ratio(PLPGSQL) / ratio(EMIT) >= 4),
      verdict('≥ 2 × faster than an SQL function', ratio(SQL) / ratio(EMIT), ratio(SQL) / ratio(EMIT) >= 2),
    );
  }
  return met;
}

/** The time of the calls, and of all: with the commit, which writes the longer messages that are no bare payloads. */
async function statement(client, call, width) {
  const spent = {};
  spent.all = await time(async () => {
    await client.query('BEGIN');
    spent.calls = await time(() => client.query(`SELECT count(*) FROM (SELECT ${call} FROM ${width} OFFSET 0) calls`));
    await client.query('COMMIT');
  });
  return spent;
}
