// What a live table costs beyond the change itself: the row trigger beside one written in PL/pgSQL, the statement
// trigger beside the row trigger, in time and in memory. 100,000 rows in one statement and transaction, the commit
// included.
import { peakGrowth } from '../harness/memory.js';
import { median, play, table, time, verdict } from './measure.js';

const ROWS = 100_000;
const ROOMS = 100;
const ROUNDS = 9;

const SETUP = `
-- The README's table, and a wide one.
CREATE TABLE orders_source AS
  SELECT i AS id, i % ${ROOMS} AS customer_id, 'paid' AS status, (i * 1.25)::numeric(10, 2) AS total
    FROM generate_series(1, ${ROWS}) i;
CREATE TABLE wide_source AS
  SELECT i AS id, i % ${ROOMS} AS customer_id, 'paid' AS status, 'EUR' AS currency,
         (i * 1.25)::numeric(10, 2) AS total, (i * 0.25)::numeric(10, 2) AS tax,
         'note number ' || i || ' with some text' AS note, ARRAY['gift', 'express'] AS tags,
         'customer' || i || '@example.com' AS email, i || ' Long Street, Building ' || i % 7 AS address,
         'Amsterdam' AS city, 'NL' AS country, i % 2 = 0 AS paid,
         now() AS shipped_at, now() AS updated_at, now() AS created_at
    FROM generate_series(1, ${ROWS}) i;

-- The same message, as one would write it by hand.
CREATE FUNCTION by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('socket.io#/', jsonb_build_object(
    'uid', 'emitter', 'nsp', '/', 'type', 3,
    'data', jsonb_build_object(
      'packet', jsonb_build_object(
        'type', 2, 'data', jsonb_build_array(TG_TABLE_NAME || ':' || lower(TG_OP), to_jsonb(NEW)), 'nsp', '/'),
      'opts', jsonb_build_object(
        'rooms', jsonb_build_array('customer:' || NEW.customer_id), 'except', '[]'::jsonb, 'flags', '{}'::jsonb)))::text);
  RETURN NULL;
END
$$;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
`;

const INSERT = 'INSERT INTO changed SELECT * FROM source';
const UPDATE = `UPDATE changed SET status = 'sent'`;
const BY_ROW = `FOR EACH ROW EXECUTE FUNCTION sio_emit_changes('room=customer:$customer_id')`;
const EACH_STATEMENT = 'REFERENCING NEW TABLE AS sio_new FOR EACH STATEMENT';
const BY_STATEMENT = `${EACH_STATEMENT} EXECUTE FUNCTION sio_emit_changes('room=customer:$customer_id')`;
const WATCHED = `REFERENCING OLD TABLE AS sio_old NEW TABLE AS sio_new FOR EACH STATEMENT
  EXECUTE FUNCTION sio_emit_changes('room=customer:$customer_id', 'unchanged=skip', 'watch=sio_watch')`;

export async function benchTriggers(cluster) {
  const client = await cluster.connect();
  await client.query(SETUP);
  const orders = await benchTable(client, 'orders');
  await benchTable(client, 'wide');
  await client.query('DROP TABLE orders_source, wide_source; DROP FUNCTION by_hand, nothing');
  await client.end();
  const more = await benchMemory(cluster);
  return [
    verdict('inserting, the row trigger costs ≤ 0.5 × the PL/pgSQL trigger', orders.byHand, orders.byHand <= 0.5),
    verdict('updating, the statement trigger costs ≥ 4 × less than the row trigger', orders.bulk, orders.bulk >= 4),
    verdict('rows that the statement trigger holds beyond its batches ≤ 200', more, more <= 200),
  ];
}

/**
 * Rows of 1 kB into 100 rooms: with 50,000 of them every batch of 500 is full just before it goes out, so that 100,000
 * need no more memory. → the difference of the session's peaks, in rows. A session's memory is a matter of some
 * 1,000 such rows more or less from run to run, hence the median of many.
 */
async function benchMemory(cluster) {
  const BYTES = 1000;
  const client = await cluster.connect();
  await client.query(`
    CREATE TABLE held (id int PRIMARY KEY, room int, note text) WITH (fillfactor = 45);
    ALTER TABLE held ALTER note SET STORAGE PLAIN`);
  const peak = async (rows) => {
    await client.query(`TRUNCATE held;
      INSERT INTO held SELECT i, i % ${ROOMS}, repeat('x', ${BYTES}) FROM generate_series(1, ${rows}) i;
      CREATE TRIGGER live AFTER UPDATE ON held REFERENCING NEW TABLE AS sio_new FOR EACH STATEMENT
        EXECUTE FUNCTION sio_emit_changes('room=r:$room')`);
    const own = await cluster.connect();
    await own.query('UPDATE held SET room = room WHERE id <= 200'); // what is loaded once
    const growth = await peakGrowth(own, () => own.query('UPDATE held SET room = room'));
    await own.end();
    await client.query('DROP TRIGGER live ON held; TRUNCATE socket_io_attachments');
    return growth;
  };
  const rounds = await play(ROUNDS, { full: () => peak(ROOMS * 500), twice: () => peak(2 * ROOMS * 500) });
  await client.query('DROP TABLE held');
  await client.end();
  table('Peak of the session’s memory in a bulk update, rows of 1 kB into 100 rooms', ['rows', 'MB'], [
    ['50,000', (median(rounds.map(({ full }) => full)) / 1e6).toFixed(1)],
    ['100,000', (median(rounds.map(({ twice }) => twice)) / 1e6).toFixed(1)],
  ]);
  return median(rounds.map(({ full, twice }) => (twice - full) / BYTES));
}

async function benchTable(client, name) {
  await client.query(`
    ALTER TABLE ${name}_source RENAME TO source;
    CREATE TABLE changed (LIKE source) WITH (fillfactor = 45);
    ALTER TABLE changed ADD PRIMARY KEY (id)`);
  const { rows } = await client.query('SELECT avg(octet_length(to_jsonb(source)::text))::int AS bytes FROM source');
  const insert = await play(ROUNDS, {
    none: () => change(client, INSERT),
    row: () => change(client, INSERT, `AFTER INSERT ON changed ${BY_ROW}`),
    byHand: () => change(client, INSERT, `AFTER INSERT ON changed FOR EACH ROW EXECUTE FUNCTION by_hand()`),
  });
  const update = await play(ROUNDS, {
    none: () => change(client, UPDATE),
    row: () => change(client, UPDATE, `AFTER UPDATE ON changed ${BY_ROW}`),
    statement: () => change(client, UPDATE, `AFTER UPDATE ON changed ${BY_STATEMENT}`),
    // As sio_watch makes it: with the old rows, to pass over those that didn't change.
    watch: () => change(client, UPDATE, `AFTER UPDATE ON changed ${WATCHED}`),
    // What Postgres itself takes to gather the rows of a statement.
    gathering: () => change(client, UPDATE, `AFTER UPDATE ON changed ${EACH_STATEMENT} EXECUTE FUNCTION nothing()`),
  });
  await client.query(`DROP TABLE changed; ALTER TABLE source RENAME TO ${name}_source`);

  // The change itself varies more from round to round than a trigger costs: medians first, then the difference.
  const spent = (rounds, contender) => median(rounds.map((values) => values[contender]));
  const beyond = (rounds, contender) => spent(rounds, contender) - spent(rounds, 'none');
  const cells = (rounds, contender) => [spent(rounds, 'none'), beyond(rounds, contender)]
    .map((milliseconds) => ((milliseconds * 1000) / ROWS).toFixed(2));
  table(
    `Triggers: ${ROWS.toLocaleString('en')} rows of ${rows[0].bytes} bytes as JSON, ${ROOMS} rooms, with the commit`,
    ['', 'µs per row without', 'µs per row beyond'],
    [
      ['insert, row trigger', ...cells(insert, 'row')],
      ['insert, PL/pgSQL trigger', ...cells(insert, 'byHand')],
      ['update, row trigger', ...cells(update, 'row')],
      ['update, statement trigger', ...cells(update, 'statement')],
      [`update, sio_watch's statement trigger`, ...cells(update, 'watch')],
      ['update, statement trigger that does nothing', ...cells(update, 'gathering')],
    ],
  );
  return {
    byHand: beyond(insert, 'row') / beyond(insert, 'byHand'),
    bulk: beyond(update, 'row') / beyond(update, 'statement'),
  };
}

/** Milliseconds that the statement and its commit take, on a table as good as new, with the trigger if there is one. */
async function change(client, sql, trigger) {
  await client.query('TRUNCATE changed');
  if (sql !== INSERT) await client.query(INSERT);
  if (trigger) await client.query(`CREATE TRIGGER live ${trigger}`);
  await client.query('CHECKPOINT');
  const spent = await time(async () => {
    await client.query('BEGIN');
    await client.query(sql);
    await client.query('COMMIT');
  });
  if (trigger) await client.query('DROP TRIGGER live ON changed');
  await client.query('TRUNCATE socket_io_attachments');
  return spent;
}
