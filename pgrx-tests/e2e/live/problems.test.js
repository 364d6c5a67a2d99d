// What sio_watches shows as a watch's problem, and what sio_check raises: whatever was written into a trigger.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive, statementTriggers } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

const ORDERS = 'CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text)';

/** Arguments that no change gets past, and the error that changes fail with. */
const WRONG = [
  [['room=$gone'], /argument "room=\$gone" refers to column "gone"/],
  [['columns=id,gone'], /argument "columns" refers to column "gone"/],
  [['columns=,'], /is not a list of columns/],
  [['event=$'], /has a \$ without a name/],
  [['event=connect'], /reserved event name "connect"/],
  [['unknown=1'], /"unknown" is not recognized/],
  [['nothing'], /"nothing" has no equals sign/],
  [['batch=0'], /must be an integer/],
  [['payload=key', 'columns=id'], /cannot be combined with payload=key/],
  [['room=$customer_id', 'left_event=left', 'columns=status'], /excludes "id", a column of the primary key/],
  [Array(1001).fill('room=a'), /more than 1000 rooms/],
  [[`room=${'x'.repeat(262_144)}`], /longer than 262144 bytes/],
];

describe('a watch\'s problem', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-problems', clients: {} });
    await live.admin.query('GRANT SELECT ON sio_watches TO app');
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  const problems = async () => (await live.app.query('SELECT name, problem FROM sio_watches ORDER BY name')).rows;

  it('is NULL if all is well, and sio_check counts what it has checked', async () => {
    assert.deepEqual((await live.app.query('SELECT sio_check()')).rows, [{ sio_check: 0 }]);
    await live.app.query(`${ORDERS}; CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF parts DEFAULT;
      SELECT sio_watch('orders', '{$customer_id}', left_event => 'left'); SELECT sio_watch('parts', '{staff}');
      SELECT sio_watch('orders', '{staff}', level => 'statement', payload => 'change', name => 'bulk', ops => '{insert,update,delete,truncate}');
      ${rowTrigger('orders', 'INSERT', ['room=staff'])}; ${statementTriggers('orders', ['INSERT', 'DELETE'], ['room=staff'], { name: 'more' })}`);
    assert.deepEqual(await problems(), ['bulk', 'sio_watch', 'sio_watch'].map((name) => ({ name, problem: null })));
    assert.deepEqual((await live.app.query('SELECT sio_check()')).rows, [{ sio_check: 6 }]);
  });

  for (const [args, says] of WRONG) {
    it(`is the error that changes fail with: ${says}`, async () => {
      await live.app.query(`${ORDERS}; ${rowTrigger('orders', 'INSERT', ['watch=w', ...args])}`);
      const error = await live.app.query('INSERT INTO orders VALUES (1)').catch((raised) => raised);
      assert.match(error.message, says);
      assert.deepEqual(await problems(), [{ name: 'w', problem: error.message.replace('trigger "live" of table "shop.orders": ', '') }]);
      await refused(live.app, 'SELECT sio_check()', '55000', { says: [/^watch "w" of table "shop.orders": /, says], hint: /./ });
    });
  }

  it('is told of a trigger of a kind that cannot work, and of one of no watch', async () => {
    for (const [sql, says] of [
      [rowTrigger('orders', 'INSERT').replace('AFTER', 'BEFORE'), /must be called by an AFTER trigger/],
      [statementTriggers('orders', 'INSERT', [], { referencing: '' }), /transition table NEW TABLE/],
      [statementTriggers('orders', 'DELETE', [], { referencing: '' }), /transition table OLD TABLE/],
      [statementTriggers('orders', 'UPDATE', ['payload=change'], { referencing: 'REFERENCING NEW TABLE AS n' }), /transition table OLD TABLE/],
      [statementTriggers('orders', 'TRUNCATE', ['event=$status']), /TRUNCATE has no row/],
    ]) {
      await live.app.query(`${ORDERS}; ${sql}`);
      await refused(live.app, 'SELECT sio_check()', '55000', { says: [/^trigger "live\w*" of table "shop.orders": /, says], hint: /./ });
      await live.app.query('DROP TABLE orders');
    }
  });

  it('is any trigger\'s of a watch, and only that watch\'s', async () => {
    await live.app.query(`${ORDERS}; SELECT sio_watch('orders', '{staff}', level => 'statement', name => 'fine');
      SELECT sio_watch('orders', '{staff}', level => 'statement', payload => 'change', name => 'keyed')`);
    await live.admin.query('ALTER EVENT TRIGGER sio_dropped DISABLE; ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey; ALTER EVENT TRIGGER sio_dropped ENABLE ALWAYS');
    const [fine, keyed] = await problems();
    assert.equal(fine.problem, null);
    assert.match(keyed.problem, /requires a primary key/);
    await refused(live.app, 'SELECT sio_check()', '55000', { says: 'keyed', hint: /primary key/ });
    // Its trigger for inserts works; that is no news of the others.
    await live.app.query('INSERT INTO orders VALUES (1)');
  });

  it('is told in a transaction that goes on, read-only too, and keeps no lock', async () => {
    await live.app.query(`${ORDERS}; ${rowTrigger('orders', 'INSERT', ['watch=w', 'room=$gone'])}`);
    await live.app.query('BEGIN READ ONLY');
    assert.equal((await problems()).length, 1);
    const { rows } = await live.app.query(`SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = to_regclass('shop.orders')`);
    assert.deepEqual(rows, []);
    await live.app.query('COMMIT');
  });

  it('isn\'t looked for by who doesn\'t ask: a locked table holds up nobody', async () => {
    await live.app.query(`${ORDERS}; SELECT sio_watch('orders', '{staff}')`);
    await live.app.query('BEGIN; LOCK orders');
    await live.admin.query(`SET lock_timeout = '10ms'`);
    assert.equal((await live.admin.query('SELECT table_name, name, rooms FROM sio_watches')).rowCount, 1);
    await refused(live.admin, 'SELECT problem FROM sio_watches', '55P03');
    await live.admin.query('RESET ALL');
    await live.app.query('COMMIT');
  });

  it('with socketio_emitter.require_rooms is that there is none', async () => {
    await live.app.query(`${ORDERS}; SELECT sio_watch('orders', everyone => true); SET socketio_emitter.require_rooms = on`);
    assert.match((await problems())[0].problem, /"room" is missing/);
  });

  it('of an OID that is none of these triggers\' is NULL', async () => {
    const { rows } = await live.app.query('SELECT _sio.problem(0) AS a, _sio.problem(NULL) AS b, _sio.problem(4294967295) AS c');
    assert.deepEqual(rows, [{ a: null, b: null, c: null }]);
  });
});
