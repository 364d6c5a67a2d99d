// Every refusal of live tables: its SQLSTATE, that it names the trigger, or sio_watch's parameter, and that nothing is left
// of the statement. Missing transition tables: statements.test.js.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { rowTrigger, startLive, statementTriggers, watched } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text DEFAULT 'new');`;
const KEYLESS = 'CREATE TABLE orders (id int, customer_id int, status text);';
const ROOM = 'room=customer:$customer_id';

describe('a live table refuses', () => {
  let live;

  before(async () => {
    live = await startLive({ name: 'live-errors', clients: {} });
  });

  after(async () => live?.close());
  beforeEach(async () => live.reset());

  afterEach(async () => {
    assert.deepEqual(await live.sent(), [], 'nothing was sent');
    const { rows } = await live.admin.query('SELECT count(*)::int AS n FROM socket_io_attachments WHERE octet_length(payload) > 220');
    assert.equal(rows[0].n, 0, 'nothing was stored');
  });

  const NAMED = /^trigger "live(_\w+)?" of table "shop\.orders": /;
  const OPS = 'INSERT OR UPDATE OR DELETE';

  // A trigger's arguments; SQLSTATE; what the message has beside trigger and table. With a table of its own if the fourth says so.
  const WRONG = {
    'a key that there isn\'t': [['rom=x'], '22023', 'rom'],
    'a key in capitals': [['Room=x'], '22023', 'Room'],
    'an argument without =': [['room'], '22023', 'room'],
    'an empty argument': [[''], '22023', []],
    'an empty key': [['=x'], '22023', []],
    'a key twice: ns': [['ns=/', 'ns=/'], '22023', 'ns'],
    'a key twice: event': [['event=a', 'event=b'], '22023', 'event'],
    'a key twice: payload': [['payload=row', 'payload=row'], '22023', 'payload'],
    'a key twice: old': [['payload=change', 'old=key', 'old=full'], '22023', 'old'],
    'a key twice: columns': [['columns=id', 'columns=status'], '22023', 'columns'],
    'a key twice: except_columns': [['except_columns=id', 'except_columns=status'], '22023', 'except_columns'],
    'a key twice: left_event': [[ROOM, 'left_event=a', 'left_event=b'], '22023', 'left_event'],
    'a key twice: batch': [['batch=1', 'batch=2'], '22023', 'batch'],
    'a key twice: unchanged': [['unchanged=send', 'unchanged=skip'], '22023', 'unchanged'],
    'a payload that there isn\'t': [['payload=rows'], '22023', ['payload', 'rows']],
    'an old that there isn\'t': [['payload=change', 'old=all'], '22023', ['old', 'all']],
    'an unchanged that there isn\'t': [['unchanged=no'], '22023', ['unchanged', 'no']],
    'old without payload=change': [['old=full'], '22023', 'old'],
    'old with payload=row': [['old=key', 'payload=row'], '22023', 'old'],
    'a batch of 0': [['batch=0'], '22023', ['batch', '0']],
    'a negative batch': [['batch=-1'], '22023', ['batch', '-1']],
    'a batch that is no number': [['batch=many'], '22023', ['batch', 'many']],
    'a batch too large for any number': [['batch=99999999999999999999'], '22023', 'batch'],
    'a batch with a fraction': [['batch=1.5'], '22023', 'batch'],
    'an empty batch': [['batch='], '22023', 'batch'],
    'columns and except_columns': [['columns=id', 'except_columns=status'], '22023', ['columns', 'except_columns']],
    'columns with payload=key': [['payload=key', 'columns=id'], '22023', 'columns'],
    'except_columns with payload=key': [['payload=key', 'except_columns=status'], '22023', 'except_columns'],
    'columns that are no list': [['columns=id,,status'], '22023', 'columns'],
    'columns with an open quote': [['columns=id,"status'], '22023', 'columns'],
    'columns that leave no key for old_record': [['payload=change', 'columns=status'], '22023', 'id'],
    'except_columns that leave no key for old_record': [['payload=change', 'except_columns=id'], '22023', 'id'],
    'columns that leave no key for left_event': [[ROOM, 'left_event=left', 'columns=status'], '22023', 'id'],
    'except_columns that leave no key for left_event': [[ROOM, 'left_event=left', 'except_columns=id'], '22023', 'id'],
    'left_event without a room': [['left_event=left'], '22023', 'left_event'],
    'left_event with no column in a room': [['room=staff', 'room=$table', 'left_event=left'], '22023', 'left_event'],
    'a reserved event': [['event=connect'], '22023', ['event', 'connect']],
    'a reserved left_event': [[ROOM, 'left_event=disconnect'], '22023', ['left_event', 'disconnect']],
    'a lone $ at the end': [['room=cost$'], '22023', 'room'],
    'a $ before a digit': [['room=$1'], '22023', 'room'],
    'a $ before a blank': [['event=$ id'], '22023', 'event'],
    'a $ before a sign': [['event=$-'], '22023', 'event'],
    'an open brace': [['room=${id'], '22023', 'room'],
    'empty braces': [['room=x${}'], '22023', 'room'],
    'an open quote in braces': [['room=${"id}'], '22023', 'room'],
    'something after a quoted name in braces': [['room=${"id"x}'], '22023', 'room'],
    'an unknown column in a room': [['room=$custmer_id'], '42703', ['room', 'custmer_id']],
    'an unknown column in a second room': [[ROOM, 'room=${Status}'], '42703', ['room', 'Status']],
    'an unknown column in the event': [['event=order:$state'], '42703', ['event', 'state']],
    'an unknown column in braces': [['room=${customer id}'], '42703', ['room', 'customer id']],
    'a variable\'s name in quotes where there is no such column': [['room=${"op"}'], '42703', ['room', 'op']],
    'a system column': [['room=$ctid'], '42703', ['room', 'ctid']],
    'an unknown column in columns': [['columns=id,state'], '42703', ['columns', 'state']],
    'an unknown column in except_columns': [['except_columns=secret'], '42703', ['except_columns', 'secret']],
    'a quoted column in another case': [['columns="ID"'], '42703', ['columns', 'ID']],
    'payload=key without a primary key': [['payload=key'], '55000', ['payload'], KEYLESS],
    'payload=change with old=key without a primary key': [['payload=change'], '55000', ['payload'], KEYLESS],
    'left_event without a primary key': [[ROOM, 'left_event=left'], '55000', ['left_event'], KEYLESS],
  };

  for (const [what, [args, code, says, table = ORDERS]] of Object.entries(WRONG)) {
    it(`${what}: ${args.join(', ')}`, async () => {
      const words = { says: [NAMED, ...[says].flat()], hint: /\w+/ };
      await live.app.query(`${table} ${rowTrigger('orders', OPS, args)}`);
      await refused(live.app, 'INSERT INTO orders VALUES (1, 1)', code, words);
      assert.equal(await live.count('orders'), 0);
      // Again, for what is kept of a trigger from its first firing; and at statement level.
      await refused(live.app, 'INSERT INTO orders VALUES (1, 1)', code, words);
      await live.app.query(`DROP TRIGGER live ON orders; ${statementTriggers('orders', 'UPDATE', args)};
                            INSERT INTO orders VALUES (1, 1), (2, NULL)`);
      await refused(live.app, 'UPDATE orders SET status = NULL', code, words);
      assert.equal(await live.count('orders WHERE status IS NOT NULL'), table === ORDERS ? 2 : 0);
    });
  }

  it('what only a row shows: an event that becomes a reserved name', async () => {
    await live.app.query(`${ORDERS} ${rowTrigger('orders', 'INSERT', ['event=$status'])}`);
    for (const event of ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener']) {
      const insert = `INSERT INTO orders VALUES (1, 1, '${event}')`;
      await refused(live.app, insert, '22023', { says: [NAMED, 'event', event], hint: /./ });
    }
    await live.app.query(`DROP TRIGGER live ON orders; ${statementTriggers('orders', 'INSERT', ['event=$status'])}`);
    await refused(live.app, `INSERT INTO orders VALUES (1, 1, 'fine'), (2, 1, 'connect')`, '22023', { says: [NAMED, 'event', 'connect'] });
    assert.equal(await live.count('orders'), 0);
  });

  it('what only an operation shows: an event with a column, on TRUNCATE', async () => {
    await live.app.query(`${ORDERS} ${statementTriggers('orders', 'TRUNCATE', ['event=$status'])}; INSERT INTO orders VALUES (1, 1)`);
    await refused(live.app, 'TRUNCATE orders', '22023', { says: [NAMED, 'event'], hint: /./ });
    assert.equal(await live.count('orders'), 1);
  });

  it('no primary key where none is needed', async () => {
    await live.app.query(`${KEYLESS} ${rowTrigger('orders', 'INSERT', ['payload=change'])}; BEGIN; INSERT INTO orders VALUES (1); ROLLBACK`);
  });

  it('BEFORE and INSTEAD OF triggers', async () => {
    await live.app.query(`${ORDERS} ${rowTrigger('orders', 'INSERT').replace('AFTER', 'BEFORE')};
      CREATE VIEW v AS SELECT 1 AS id; ${rowTrigger('v', 'INSERT').replace('AFTER', 'INSTEAD OF')}`);
    await refused(live.app, 'INSERT INTO orders VALUES (1)', '39P01', { says: NAMED, hint: /AFTER/ });
    await refused(live.app, 'INSERT INTO v VALUES (1)', '39P01', { says: /^trigger "live" of table "shop\.v": /, hint: /AFTER/ });
    await live.app.query(`DROP TRIGGER live ON orders; ${statementTriggers('orders', 'INSERT', [], { referencing: '' }).replace('AFTER', 'BEFORE')}`);
    await refused(live.app, 'INSERT INTO orders VALUES (1)', '39P01', { says: NAMED, hint: /AFTER/ });
    assert.equal(await live.count('orders'), 0);
  });

  it('what a partition does, in the name of the table that was declared', async () => {
    await live.app.query(`CREATE TABLE orders (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF orders DEFAULT;
                          ${rowTrigger('orders', 'INSERT', ['room=$missing'])}`);
    await refused(live.app, 'INSERT INTO part VALUES (1)', '42703', { says: NAMED, hint: /Columns are: id/ });
  });

  it('to watch the table of attachments', async () => {
    await live.admin.query('ALTER TABLE socket_io_attachments OWNER TO app');
    try {
      await refused(live.app, `SELECT sio_watch('socket_io_attachments', everyone => true)`, '22023', { says: 'table_name', hint: /messages themselves/ });
    } finally {
      await live.admin.query('ALTER TABLE socket_io_attachments OWNER TO CURRENT_USER');
    }
  });

  it('to be called outside a trigger', async () => {
    await assert.rejects(live.app.query('SELECT sio_emit_changes()'), ({ code }) => ['0A000', '39P01'].includes(code));
  });

  it('the others of a statement, too, leaving its transaction as it was before', async () => {
    await live.app.query(`${ORDERS} CREATE TABLE fine (id int); ${rowTrigger('fine', 'INSERT', ['event=fine'])};
      ${rowTrigger('orders', 'INSERT', ['event=$status', 'room=staff'])}; BEGIN; INSERT INTO fine VALUES (1); SAVEPOINT a`);
    await refused(live.app, `INSERT INTO orders VALUES (1, 1, 'e'), (2, 2, 'connect')`, '22023');
    await live.app.query(`ROLLBACK TO a; INSERT INTO orders VALUES (3, 3, 'good'); COMMIT`);
    assert.deepEqual((await live.sent()).map(({ event }) => event), ['fine', 'good']);
  });

  it('in words that fit on a screen, however long the names', async () => {
    const long = 'n'.repeat(63);
    await live.app.query(`CREATE TABLE "${long}" (id int); ${rowTrigger(`"${long}"`, 'INSERT', [`room=$${'x'.repeat(5_000)}`], { name: `"${long}"` })}`);
    await refused(live.app, `INSERT INTO "${long}" VALUES (1)`, '42703', { says: [`trigger "${long}" of table "shop.${long}"`, 'room'] });
  });

  describe('in sio_watch', () => {
    // Parameters, as SQL; SQLSTATE; the parameter that the message names.
    const WRONG_CALLS = [
      ...['rooms', 'event', 'ns', 'payload', 'level', 'ops', 'old', 'batch', 'meta', 'everyone', 'keys', 'bigints'].map((each) => [`${each} => NULL`, '22004', each]),
      ['rooms => ARRAY[NULL]', '22004', 'rooms'],
      [`rooms => '{{a},{b}}'`, '2202E', 'rooms'],
      [`columns => '{id,NULL}'`, '22004', 'columns'],
      [`except_columns => '{NULL}'`, '22004', 'except_columns'],
      [`ops => '{insert,NULL}'`, '22004', 'ops'],
      [`ops => '{}'`, '22023', 'ops'],
      [`ops => '{insert,upsert}'`, '22023', 'ops'],
      [`level => 'table'`, '22023', 'level'],
      [`payload => 'rows'`, '22023', 'payload'],
      [`payload => 'change', old => 'all'`, '22023', 'old'],
      [`old => 'full'`, '22023', 'old'],
      ['batch => 0', '22023', 'batch'],
      ['batch => -5', '22023', 'batch'],
      [`rooms => '{customer:$custmer_id}'`, '42703', 'rooms'],
      [`rooms => '{cost$}'`, '22023', 'rooms'],
      [`event => '$state'`, '42703', 'event'],
      [`event => 'connect'`, '22023', 'event'],
      [`columns => '{state}'`, '42703', 'columns'],
      [`columns => '{ID}'`, '42703', 'columns'],
      [`except_columns => '{state}'`, '42703', 'except_columns'],
      [`columns => '{id}', except_columns => '{id}'`, '22023', 'except_columns'],
      [`payload => 'key', columns => '{id}'`, '22023', 'columns'],
      [`payload => 'change', columns => '{status}'`, '22023', 'columns'],
      [`rooms => '{staff}', left_event => 'left'`, '22023', 'left_event'],
      [`left_event => 'left'`, '22023', 'left_event'],
      [`rooms => '{$customer_id}', left_event => 'connect'`, '22023', 'left_event'],
      [`event => '$status', ops => '{insert,truncate}'`, '22023', 'event'],
    ];
    // Their messages say already what to give.
    const SELF_EXPLANATORY = /NULL|^ops|^level|\{\{/;
    const made = async () =>
      (await live.app.query(`SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal`)).rows;

    for (const [parameters, code, parameter] of WRONG_CALLS) {
      it(parameters, async () => {
        await live.app.query(ORDERS);
        await refused(live.app, `SELECT sio_watch('orders'${watched(parameters)})`, code, { says: parameter, hint: SELF_EXPLANATORY.test(parameters) ? undefined : /\w/ });
        assert.deepEqual(await made(), []);
        // Nor does it touch what an earlier call made.
        await live.app.query(`SELECT sio_watch('orders', everyone => true, ops => '{insert}')`);
        await refused(live.app, `SELECT sio_watch('orders'${watched(parameters)})`, code, { says: parameter });
        assert.deepEqual(await made(), [{ tgname: 'sio_watch' }]);
      });
    }

    for (const [parameters, wayOut] of [
      [`payload => 'key'`, /payload=row/], [`payload => 'change'`, /payload=row/], [`rooms => '{$customer_id}', left_event => 'left'`, /leave left_event out/],
    ]) {
      it(`${parameters} without a primary key`, async () => {
        await live.app.query(KEYLESS);
        for (const level of ['row', 'statement']) {
          await refused(live.app, `SELECT sio_watch('orders', level => '${level}'${watched(parameters)})`, '55000', { hint: wayOut });
        }
        assert.deepEqual(await made(), []);
      });
    }

    it('no table', async () => {
      await refused(live.app, 'SELECT sio_watch(NULL)', '22004', { says: 'table_name' });
      await refused(live.app, `SELECT sio_watch('nowhere', everyone => true)`, '42P01', { says: 'nowhere' });
      await refused(live.app, 'SELECT sio_unwatch(NULL)', '22004', { says: 'table_name' });
    });

    it('what isn\'t a table that may have such triggers', async () => {
      await live.app.query(`CREATE VIEW v AS SELECT 1 AS id; CREATE MATERIALIZED VIEW m AS SELECT 1 AS id; CREATE SEQUENCE s;
                            CREATE TABLE i (id int PRIMARY KEY)`);
      for (const each of ['v', 'm', 's', 'i_pkey', 'pg_catalog.pg_class']) {
        await assert.rejects(live.app.query(`SELECT sio_watch('${each}', everyone => true)`), ({ code }) => ['42809', '42501'].includes(code), each);
      }
    });

    it('require_rooms without a room', async () => {
      await live.app.query(`${ORDERS} SET socketio_emitter.require_rooms = on`);
      await refused(live.app, `SELECT sio_watch('orders', everyone => true)`, '22023', { says: ['rooms', 'require_rooms'] });
      await live.app.query(`SELECT sio_watch('orders', '{staff}')`);
    });

    it('a name longer than a trigger\'s, which would be cut', async () => {
      await live.app.query(ORDERS);
      await refused(live.app, `SELECT sio_watch('orders', everyone => true, name => repeat('n', 64))`, '22023', { says: 'name' });
      await refused(live.app, `SELECT sio_watch('orders', everyone => true, name => repeat('n', 60), level => 'statement')`, '22023', { says: 'name' });
      await refused(live.app, `SELECT sio_watch('orders', everyone => true, name => '')`, '22023', { says: 'name' });
    });
  });
});
