// What the parts of a watch cost per row: its default beside that of 0.4.0, `meta`, a filter and a function of the row, the
// last two beside a trigger in PL/pgSQL that does the same. 50,000 rows in one statement and transaction, the commit included.
import { median, play, table, time, verdict } from './measure.js';

const ROWS = 50_000;
const ROUNDS = 9;

const SETUP = `
CREATE TABLE watched_source AS
  SELECT i AS id, i % 100 AS customer_id, CASE i % 2 WHEN 0 THEN 'paid' ELSE 'new' END AS status, (i * 1.25)::numeric(10, 2) AS total
    FROM generate_series(1, ${ROWS}) i;
CREATE TABLE watched (LIKE watched_source) WITH (fillfactor = 45);
ALTER TABLE watched ADD PRIMARY KEY (id);
CREATE FUNCTION room_of(watched) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT 'customer:' || $1.customer_id$$;
CREATE FUNCTION room_by_plpgsql(watched) RETURNS text STABLE LANGUAGE plpgsql AS $$BEGIN RETURN 'customer:' || $1.customer_id; END$$;

-- The same messages, as one would write them by hand.
CREATE FUNCTION message(event text, room text, payload jsonb) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT jsonb_build_object('uid', 'emitter', 'nsp', '/', 'type', 3, 'data', jsonb_build_object(
    'packet', jsonb_build_object('type', 2, 'data', jsonb_build_array(event, payload), 'nsp', '/'),
    'opts', jsonb_build_object('rooms', jsonb_build_array(room), 'except', '[]'::jsonb, 'flags', '{}'::jsonb)))::text$$;
CREATE FUNCTION by_hand_filter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status = 'paid' AND NEW.total > 1 THEN
    PERFORM pg_notify('socket.io#/', message(TG_TABLE_NAME || ':' || lower(TG_OP), 'customer:' || NEW.customer_id, to_jsonb(NEW)));
  END IF;
  RETURN NULL;
END
$$;
CREATE FUNCTION by_hand_sql() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('socket.io#/', message(TG_TABLE_NAME || ':' || lower(TG_OP), room_of(NEW), to_jsonb(NEW)));
  RETURN NULL;
END
$$;
CREATE FUNCTION by_hand_plpgsql() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('socket.io#/', message(TG_TABLE_NAME || ':' || lower(TG_OP), room_by_plpgsql(NEW), to_jsonb(NEW)));
  RETURN NULL;
END
$$;
`;

const INSERT = 'INSERT INTO watched SELECT * FROM watched_source';
const UPDATE = `UPDATE watched SET status = CASE status WHEN 'new' THEN 'open' ELSE 'done' END`;
const ROOM = 'room=customer:$customer_id';

const call = (...args) => `EXECUTE FUNCTION sio_emit_changes(${args.map((arg) => `'${arg.replaceAll(`'`, `''`)}'`).join(', ')})`;
const byRow = (op, ...args) => `AFTER ${op} ON watched FOR EACH ROW ${call(...args)}`;
const byStatement = (...args) => `AFTER UPDATE ON watched REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT ${call(...args)}`;
const byHand = (name) => `AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION ${name}()`;

/** Triggers, and the statement that fires them. */
const CONTENDERS = {
  'insert, no trigger': [INSERT],
  'update, no trigger': [UPDATE],
  'update by row, as 0.4.0': [UPDATE, byRow('UPDATE', ROOM, 'unchanged=skip')],
  'update by row': [UPDATE, byRow('UPDATE', ROOM, 'unchanged=event')],
  'update by row, meta': [UPDATE, byRow('UPDATE', ROOM, 'unchanged=event', 'meta=on')],
  'update by statement, as 0.4.0': [UPDATE, byStatement(ROOM, 'unchanged=skip')],
  'update by statement': [UPDATE, byStatement(ROOM, 'unchanged=event')],
  'update by statement, meta': [UPDATE, byStatement(ROOM, 'unchanged=event', 'meta=on')],
  'insert, filter': [INSERT, byRow('INSERT', ROOM, `filter=status = 'paid' AND total > 1`)],
  'insert, filter in PL/pgSQL': [INSERT, byHand('by_hand_filter')],
  'insert, SQL function': [INSERT, byRow('INSERT', 'room=${public.room_of()}')],
  'insert, SQL function in PL/pgSQL': [INSERT, byHand('by_hand_sql')],
  'insert, PL/pgSQL function': [INSERT, byRow('INSERT', 'room=${public.room_by_plpgsql()}')],
  'insert, PL/pgSQL function in PL/pgSQL': [INSERT, byHand('by_hand_plpgsql')],
};

export async function benchWatches(cluster) {
  const client = await cluster.connect();
  await client.query(SETUP);
  const rounds = await play(ROUNDS, Object.fromEntries(
    Object.entries(CONTENDERS).map(([name, [sql, trigger]]) => [name, () => change(client, sql, trigger)]),
  ));
  await client.query(`DROP TABLE watched, watched_source CASCADE; DROP FUNCTION message, by_hand_filter, by_hand_sql, by_hand_plpgsql`);
  await client.end();
  const spent = (name) => median(rounds.map((values) => values[name]));
  const beyond = (name) => spent(name) - spent(name.startsWith('insert') ? 'insert, no trigger' : 'update, no trigger');
  // With the change itself, as whoever watches a table pays for both.
  const ratio = (name, other) => median(rounds.map((values) => values[name] / values[other]));
  table(`Watches: ${ROWS.toLocaleString('en')} rows, with the commit`, ['', 'µs per row', 'µs per row beyond the change'],
    Object.keys(CONTENDERS).map((name) => [name, ...[spent(name), beyond(name)].map((ms) => ((ms * 1000) / ROWS).toFixed(2))]));
  const claim = (text, value, most) => verdict(`${text} ≤ ${most.toFixed(2)}`, value, value <= most);
  const byHandRatio = (name) => beyond(name) / beyond(`${name} in PL/pgSQL`);
  return [
    claim('a watch beside one of 0.4.0, by row', ratio('update by row', 'update by row, as 0.4.0'), 1.05),
    claim('a watch beside one of 0.4.0, by statement', ratio('update by statement', 'update by statement, as 0.4.0'), 1.05),
    claim('a watch with meta beside one of 0.4.0, by row', ratio('update by row, meta', 'update by row, as 0.4.0'), 1.15),
    claim('a watch with meta beside one of 0.4.0, by statement', ratio('update by statement, meta', 'update by statement, as 0.4.0'), 1.15),
    claim('a filter costs of what PL/pgSQL costs', byHandRatio('insert, filter'), 0.7),
    claim('a room by an SQL function costs of what PL/pgSQL costs', byHandRatio('insert, SQL function'), 0.7),
    claim('a room by a PL/pgSQL function costs of what PL/pgSQL costs', byHandRatio('insert, PL/pgSQL function'), 0.7),
  ];
}

/** Milliseconds that the statement and its commit take, on a table as good as new, with the trigger if there is one. */
async function change(client, sql, trigger) {
  await client.query('TRUNCATE watched');
  if (sql !== INSERT) await client.query(INSERT);
  if (trigger) await client.query(`CREATE TRIGGER live ${trigger}`);
  await client.query('CHECKPOINT');
  const spent = await time(async () => {
    await client.query('BEGIN');
    await client.query(sql);
    await client.query('COMMIT');
  });
  if (trigger) await client.query('DROP TRIGGER live ON watched');
  await client.query('TRUNCATE socket_io_attachments');
  return spent;
}
