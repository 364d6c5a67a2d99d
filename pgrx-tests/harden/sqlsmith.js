// sqlsmith as an ordinary role that may do all that the extension offers: whatever SQL it thinks of, the server stays up, and no
// code of ours panics. It rolls each of its statements back; commits are e2e/trust/faults.test.js's.
//
// HARDEN_MINUTES: for how long. SEED: to make the same choices again.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { alarms } from '../harness/alarms.js';
import { capture } from '../harness/processes.js';
import { PRELOAD, queueing } from '../harness/queue.js';
import { startPostgres } from '../harness/postgres.js';
import { EMITTER_ROLE, grantExecute, MEMBER_FUNCTIONS, prepareDatabase } from '../harness/roles.js';

const MINUTES = Number(process.env.HARDEN_MINUTES ?? 5);
const SEED = Number(process.env.SEED ?? randomInt(2 ** 31));
const FEWEST = 100; // statements that succeed, per half

const TABLES = `
CREATE TABLE words (id int PRIMARY KEY, nsp text, word text, words text[], many text[]);
INSERT INTO words SELECT i,
    (ARRAY['/', '/chat', '', 'a', NULL])[1 + i % 5],
    (ARRAY['e', 'room', '', 'connect', '$n', '\${op}', repeat('x', 9000), 'é✓', E'\\x01', '$table:$op', NULL])[1 + i % 11],
    (ARRAY['{}', '{a,b}', '{a,NULL}', '{{a,b},{c,d}}', '[5:6]={x,y}', NULL, '{insert,update}', '{n,doc}'])[1 + i % 8]::text[],
    array_fill('room'::text, ARRAY[i * 3])
  FROM generate_series(1, 33) i;

CREATE TABLE documents (id int PRIMARY KEY, doc jsonb, docs jsonb[], bin bytea, bins bytea[], span interval, big bigint, at timestamptz, yes bool);
INSERT INTO documents SELECT i,
    CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN '{"a": {"_placeholder": true, "num": 0}}' WHEN 2 THEN '[1, 2.5, 1e400, null]'
               WHEN 3 THEN (repeat('[', 600) || repeat(']', 600))::jsonb WHEN 4 THEN to_jsonb(repeat('y', 9000))
               WHEN 5 THEN jsonb_build_object('b', public.sio_buffer(i % 3)) WHEN 6 THEN '"\\u00e9"' WHEN 7 THEN '{}'
               ELSE jsonb_build_object('i', i) END,
    CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN ARRAY[NULL, '1'] WHEN 3 THEN ARRAY[ARRAY['1', '2'], ARRAY['3', '4']]
               ELSE ARRAY['{"a": 1}', '[]'] END::jsonb[],
    CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN '\\x00ff' ELSE convert_to(repeat('z', 20000), 'UTF8') END::bytea,
    CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN ARRAY['\\x00', NULL] ELSE ARRAY['\\x01', '\\x02'] END::bytea[],
    (ARRAY['1 second', '-1 day', '0', '1000000 years', NULL])[1 + i % 5]::interval,
    (ARRAY[0, 1, -1, 9223372036854775807, NULL])[1 + i % 5], now(), i % 2 = 0
  FROM generate_series(1, 18) i;

CREATE TABLE orders (id int PRIMARY KEY, customer text, doc jsonb, tags text[], price numeric, bin bytea, parent int REFERENCES words);
INSERT INTO orders SELECT i, 'c' || i % 7, jsonb_build_object('i', i), ARRAY['a', i::text], i / 7.0, '\\x41', 1 + i % 33
  FROM generate_series(1, 40) i;
CREATE TABLE parts (id int, customer text, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE parts_new PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT i, 'c' || i % 7, date '2019-12-01' + i FROM generate_series(1, 20) i;

-- What it is allowed to name must not run out of other values than NULL.
SELECT sio_watch('orders', rooms => '{customer:$customer,staff}', left_event => 'left');
SELECT sio_watch('orders', rooms => '{customer:$customer}', level => 'statement', name => 'bulk', payload => 'change', old => 'full', batch => 7);
SELECT sio_watch('orders', rooms => '{$price}', event => '$tags', payload => 'key', name => 'odd');
CREATE FUNCTION room_of(orders) RETURNS text STABLE LANGUAGE sql AS 'SELECT word FROM smith.words WHERE id = $1.parent';
CREATE FUNCTION tags_of(orders) RETURNS text[] LANGUAGE plpgsql AS 'BEGIN RETURN $1.tags || $1.customer; END';
SELECT sio_watch('orders', rooms => ARRAY['\${room_of()}', '\${tags_of()}', 'tag:\${tags[]}'], columns => '{*,room_of(),tags_of()}', name => 'computed',
  filter => 'price > 1 AND tags_of(new) IS NOT NULL', left_event => 'left', keys => 'camel', bigints => 'text');
SELECT sio_watch('orders', rooms => ARRAY['\${room_of()}'], columns => '{*,tags_of()}', name => 'computed_bulk', level => 'statement', changed => '{price}', batch => 7);
SELECT sio_watch('parts', rooms => '{$customer}', left_event => 'left', filter => $$customer <> 'c1'$$, name => 'filtered');
SELECT sio_watch('parts', rooms => '{$customer}', left_event => 'left');
SELECT sio_watch('parts', rooms => '{$customer}', level => 'statement', name => 'bulk');
SELECT sio_watch('words', everyone => true, columns => '{id,word}', event => '$word');
SELECT sio_watch('documents', everyone => true, except_columns => '{big}', level => 'statement');

CREATE TABLE regclasses (id int PRIMARY KEY, relation regclass);
INSERT INTO regclasses SELECT row_number() OVER (), oid FROM pg_class
  WHERE relname IN ('orders', 'parts', 'parts_old', 'words', 'orders_pkey', 'sio_status', 'pg_class', 'socket_io_attachments', 'queue');

-- Random arguments are mostly refused. These aren't, or not all: what is random is where they are called, and how often.
CREATE FUNCTION accepted(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  calls text[] := ARRAY[
    $q$sio_emit('/', '{}', 'e', '{"a": 1}')$q$, $q$sio_emit('/chat', '{a,b}', 'e', to_jsonb(repeat('x', 9000)), '{c}', true, false)$q$,
    $q$sio_emit('/', '{}', 'e', jsonb_build_object('b', sio_buffer(0)), binaries => ARRAY['\\x00'::bytea])$q$,
    $q$sio_emit_binary('/', '{}', 'e', '\\x00ff')$q$, $q$sio_emit_args('/', '{a}', 'e', ARRAY['1', NULL, '{}']::jsonb[])$q$,
    $q$sio_server_side_emit('/', 'e', '{}')$q$, $q$sio_server_side_emit_args('/', 'e', ARRAY['1']::jsonb[])$q$,
    $q$sio_sockets_join('/', '{a}', '{b}')$q$, $q$sio_sockets_leave('/', '{a}', '{b}')$q$, $q$sio_disconnect_sockets('/', '{a}')$q$,
    $q$sio_cleanup()$q$, $q$sio_cleanup('0')$q$, $q$sio_deliver(10)$q$, $q$sio_retry()$q$, $q$sio_discard()$q$, $q$sio_wait_delivered('1 ms')$q$,
    $q$sio_watch('smith.words', rooms => '{$word}', level => 'statement', name => 'new')$q$,
    $q$sio_watch('smith.parts', everyone => true, ops => '{insert,truncate}', payload => 'change')$q$,
    $q$sio_unwatch('smith.orders')$q$, $q$sio_unwatch('smith.parts', 'bulk')$q$,
    $q$(SELECT s FROM public.sio_status s)$q$, $q$(SELECT count(*) FROM public.sio_watches)$q$, $q$(SELECT count(*) FROM public.sio_failed)$q$,
    $q$(SELECT e FROM sio_encode('/', '{a}', 'e', '1') e)$q$];
  answer text;
BEGIN
  EXECUTE 'SELECT ' || calls[1 + abs(n::bigint) % cardinality(calls)] INTO answer;
  RETURN answer;
END $$;

-- sqlsmith leaves functions out that return sets.
CREATE FUNCTION encoded(nsp text, rooms text[], event text, data jsonb) RETURNS text LANGUAGE sql
  AS 'SELECT e::text FROM public.sio_encode($1, $2, $3, $4) e';
-- A trigger that comes back to the extension, and errors that are caught around it.
CREATE FUNCTION caught(nsp text, rooms text[], event text, data jsonb) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  PERFORM public.sio_emit(nsp, rooms, event, data);
  INSERT INTO smith.orders VALUES (-1, event, data);
  RETURN 1;
EXCEPTION WHEN OTHERS THEN
  PERFORM public.sio_emit('/', '{}', 'caught', to_jsonb(SQLERRM));
  RETURN 2;
END $$;
`;

// sqlsmith asks for "pg_proc" and "pg_type" without a schema, and finds these first. The functions are ours, and a few that make
// arguments for them: of the 2,700 that there are, it would hardly ever choose one of ours. And most of its errors are about
// anyrange, which it takes for a type.
const CHOSEN_FUNCTIONS = `
CREATE VIEW smith.pg_proc AS
SELECT * FROM pg_catalog.pg_proc p
 WHERE p.proname LIKE 'sio\\_%' OR p.pronamespace = 'smith'::regnamespace OR (
   p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.oid::int8 % 23 = 0
   AND p.prorettype = ANY ('{text,text[],jsonb,jsonb[],bytea,bytea[],bool,int4,int8,interval,numeric,timestamptz}'::regtype[])
   AND p.proargtypes::oid[] <@ '{text,text[],jsonb,bytea,bool,int4,int8,interval,numeric,timestamptz,anyarray,anyelement}'::regtype[]::oid[]
   AND p.proname !~ '^(pg_|lo|set_config|setval|query_to|database_to|schema_to|table_to|cursor_to|repeat$|.pad$)');
CREATE VIEW smith.pg_type AS
SELECT t.oid, coalesce(r.name, t.typname) AS typname, coalesce(r.kind, t.typtype) AS typtype, t.typnamespace, t.typdelim, t.typrelid, t.typelem, t.typarray
  FROM pg_catalog.pg_type t
  LEFT JOIN (VALUES ('anyrange', name 'int4range', "char" 'r'), ('anymultirange', 'int4multirange', 'm'),
                    ('anycompatiblerange', 'int4range', 'r'), ('anycompatiblemultirange', 'int4multirange', 'm')) r (pseudo, name, kind)
    ON r.pseudo = t.typname;
GRANT SELECT ON smith.pg_proc, smith.pg_type TO smith`;

const postgres = await startPostgres({
  name: 'sqlsmith',
  conf: {
    ...PRELOAD, track_functions: 'all', track_activity_query_size: '256kB', log_line_prefix: '%m [%p] %b %e ',
    log_error_verbosity: 'verbose', log_min_error_statement: 'panic', work_mem: '8MB', temp_file_limit: '1GB',
  },
});
let sound = true;
try {
  const admin = await prepareDatabase(postgres);
  await admin.query(`CREATE ROLE smith LOGIN; CREATE SCHEMA smith AUTHORIZATION smith;
                     GRANT SELECT ON sio_status, sio_failed, sio_watches TO smith;
                     ALTER ROLE smith SET search_path = smith, pg_catalog, public`);
  await grantExecute(admin, 'smith');
  const owner = await postgres.connect({ user: 'smith' });
  await owner.query(TABLES);
  await owner.end();
  await admin.query(CHOSEN_FUNCTIONS);
  for (const delivery of ['notify', 'queue']) {
    sound = (await run(admin, delivery)) && sound;
  }
} finally {
  await postgres.stop();
}
process.exitCode = sound ? 0 : 1;

/** Half the time in that mode of delivery. → whether all was well */
async function run(admin, delivery) {
  const seed = SEED + (delivery === 'queue' ? 1 : 0);
  const logged = (await postgres.log()).length;
  admin.on('error', () => {}); // of a crash, the log tells
  await admin.query(`ALTER ROLE smith SET socketio_emitter.delivery = '${delivery}'; SELECT pg_stat_reset()`);
  console.log(`sqlsmith, delivery by ${delivery}, ${MINUTES / 2} minutes, seed ${seed}`);
  let going = true;
  const feeding = feed(() => going);
  const target = `host=${postgres.host} port=${postgres.port} user=smith dbname=postgres`;
  const { stderr } = await capture(
    'sqlsmith', [`--target=${target}`, '--exclude-catalog', '--verbose', `--seed=${seed}`],
    { env: { PATH: process.env.PATH }, timeout: MINUTES * 30_000 },
  );
  going = false;
  await feeding;

  const log = (await postgres.log()).slice(logged);
  const complaints = alarms(log).concat(ours(log));
  // A character for each: a dot, or e for an error, t for a timeout, S for bad syntax, C for a connection that is lost.
  const marks = stderr.match(/^[.etSC]+$/gm)?.join('') ?? '';
  const succeeded = marks.replaceAll(/[^.]/g, '').length;
  console.log(`  ${marks.length} statements, ${succeeded} of them without an error`);
  if (succeeded < FEWEST) complaints.push(`only ${succeeded} statements succeeded\n${stderr.slice(-2_000)}`);
  if (alarms(log).length === 0) {
    const { rows } = await admin.query(`
      SELECT f.name, sum(coalesce(pg_stat_get_function_calls(f.oid), 0))::int AS calls FROM (${MEMBER_FUNCTIONS}) f
       WHERE f.name NOT LIKE '\\_%' GROUP BY 1 ORDER BY 1`);
    // sio_encode by a wrapper, the trigger function by its triggers, and the rest of emits by those that are committed beside it.
    console.log(`  calls that returned: ${rows.map(({ name, calls }) => `${name} ${calls}`).join(', ')}`);
  }
  for (const line of complaints.slice(0, 40)) console.log(`  ${line.slice(0, 2_000)}`);
  return complaints.length === 0;
}

/** Messages that are committed meanwhile: for the worker, and for sio_deliver. */
async function feed(going) {
  while (going()) {
    try {
      const session = await queueing(postgres, { user: EMITTER_ROLE });
      session.on('error', () => {});
      while (going()) {
        await session.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb(i)), sio_emit_binary('/', '{}', 'e', '\\x00')
                               FROM generate_series(1, 20) i`);
        await sleep(50);
      }
      await session.end();
    } catch {
      await sleep(500); // the server restarts
    }
  }
}

/** Internal errors that come from Rust, each once, with how often: `LOCATION:  function, file:line`. */
function ours(log) {
  const found = new Map();
  for (const [, message, location] of log.matchAll(/ XX\d{3} ERROR:  XX\d{3}: (.*)\n(?:.*(?:DETAIL|HINT|CONTEXT|QUERY): .*\n(?:\t.*\n)*)*.*LOCATION: +(.*\.rs:\d+)/g)) {
    const key = `${message} (${location})`;
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return [...found].map(([key, times]) => `${times} × ${key}`);
}
