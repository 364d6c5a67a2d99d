// What a transaction may consist of: pieces of SQL, each noting in the table `log` what it emits.

let next = 1;

/** A number that nobody has used. */
export const unused = () => next++;

// Of two tables: where each row is emitted, too, an error hits that, and never what gathers a statement's rows.
export const WATCHES = `
  SELECT sio_watch('orders', everyone => true, event => 'row:$op');
  SELECT sio_watch('stock', event => 'bulk:$op', level => 'statement', rooms => '{customer:$customer}', batch => 50)`;

/** `count` numbers that nobody has used, as SQL, with the note that they are emitted as `event`. */
function take(transaction, count, ...events) {
  const from = next;
  next += count;
  const series = `generate_series(${from}, ${from + count - 1}) n`;
  const noted = events.map((event) => {
    for (let n = from; n < from + count; n++) transaction.noted.push(`${event} ${n}`);
    return `INSERT INTO log SELECT '${event}', n, ${transaction.queued} FROM ${series};`;
  });
  return { series, noted: noted.join(' ') };
}

const short = (n) => `sio_emit('/', '{}', 'e', to_jsonb(${n}))`;
const long = (n) => `sio_emit('/', '{}', 'long', jsonb_build_object('n', ${n}, 'text', repeat('x', 9000)))`;
const binary = (n) => `sio_emit_binary('/', '{}', 'binary', convert_to((${n})::text, 'UTF8'))`;
const both = (n) => `sio_emit('/', '{}', 'both', jsonb_build_object('n', ${n}, 'b', sio_buffer(0)), binaries => ARRAY['\\x00'::bytea])`;

function emits(transaction, event, emit, count) {
  const { series, noted } = take(transaction, count, event);
  return `${noted} SELECT ${emit('n')} FROM ${series}`;
}

function inserts(transaction, count) {
  const rows = take(transaction, count, 'row:insert');
  const bulk = take(transaction, count, 'bulk:insert');
  return `
    ${bulk.noted} INSERT INTO stock SELECT n, n % 5, 'new' FROM ${bulk.series};
    ${rows.noted} INSERT INTO orders SELECT n, n % 5, 'new' FROM ${rows.series}`;
}

/** Numbers that are emitted, but not for long. */
const lost = () => short(`${-unused()}`);

const REFUSED = [
  `sio_emit('/', NULL, 'e')`, `sio_emit('/', '{}', 'connect')`, `sio_emit('/', '{}', 'e', '[1, 2]', binaries => ARRAY['\\x00'::bytea])`,
  `sio_emit('/', '{}', 'e', (repeat('[', 600) || repeat(']', 600))::jsonb)`,
];

// By name: how likely, and what. Each is SQL within a transaction.
export const PIECES = {
  short: [10, (t, r) => emits(t, 'e', short, r.between(1, 5))],
  long: [4, (t, r) => emits(t, 'long', long, r.between(1, 3))],
  binary: [4, (t, r) => emits(t, 'binary', binary, r.between(1, 3))],
  both: [2, (t) => emits(t, 'both', both, 1)],
  bulk: [2, (t, r) => emits(t, 'e', short, r.between(100, 1_000))],
  rows: [8, (t, r) => inserts(t, r.between(1, 20))],
  'many rows': [1, (t, r) => inserts(t, r.between(500, 2_000))],
  changes: [4, (t, r) => ['orders', 'stock'].map((table) => `
    UPDATE ${table} SET status = '${r.below(1000)}', customer = (customer + 1) % 5
      WHERE n IN (SELECT n FROM ${table} ORDER BY n DESC OFFSET ${r.below(50)} LIMIT 20);
    DELETE FROM ${table} WHERE n IN (SELECT n FROM ${table} ORDER BY n LIMIT ${r.between(1, 200)})`).join(';')],
  truncate: [0.2, () => 'TRUNCATE orders, stock'],
  watches: [0.3, () => WATCHES],
  savepoints: [4, (t, r) => `
    SAVEPOINT a; SELECT ${lost()}, ${lost()}; ROLLBACK TO a; ${emits(t, 'e', short, 1)};
    SAVEPOINT b; ${emits(t, 'e', short, 2)}; RELEASE b; RELEASE a`],
  'caught errors': [3, (t, r) => `
    DO $$ BEGIN
      PERFORM ${lost()}; INSERT INTO ${r.pick(['orders', 'stock'])} VALUES (${-unused()}, 1, 'lost'); PERFORM ${r.pick(REFUSED)};
    EXCEPTION WHEN invalid_parameter_value OR null_value_not_allowed OR program_limit_exceeded THEN NULL; END $$;
    ${emits(t, 'e', short, 1)}`],
  refused: [1, (t, r) => `SELECT ${lost()}; SELECT ${r.pick(REFUSED)}`],
  'lock timeout': [6, (t, r) => `SET LOCAL lock_timeout = '${r.between(1, 10)}ms'; ${r.pick([
    () => inserts(t, 20), () => inserts(t, 1), () => emits(t, 'e', short, 3), () => emits(t, 'binary', binary, 2),
    () => `SELECT sio_deliver(100)`, () => 'SELECT sio_cleanup()',
  ])()}`],
  'caught lock timeout': [3, (t, r) => `SET LOCAL lock_timeout = '${r.between(1, 10)}ms';
    DO $$ BEGIN
      INSERT INTO ${r.pick(['orders', 'stock'])} SELECT -n, n % 2, 'lost' FROM generate_series(${next}, ${(next += 200)}) n;
      PERFORM ${lost()}; RAISE lock_not_available;
    EXCEPTION WHEN lock_not_available THEN NULL; END $$;
    SET LOCAL lock_timeout = 0; ${emits(t, 'e', short, 1)}`],
  'statement timeout': [2, (t, r) => `SET LOCAL statement_timeout = '${r.between(1, 20)}ms'; ${r.pick([
    () => emits(t, 'e', short, 2_000), () => inserts(t, 2_000), () => emits(t, 'long', long, 50),
  ])()}`],
  deliver: [2, (t, r) => `SELECT sio_deliver(${r.pick([1, 100, 10_000])})`],
  retry: [1, () => 'SELECT sio_retry()'],
  'clean up': [1, () => 'SELECT sio_cleanup()'],
  status: [1, () => 'SELECT * FROM sio_status'],
};
