// What a list does with each kind of event, fetch and connection.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { follow } from '../follow.js';
import { FakeClock, fetcher, FakeSocket, meta, settled } from './support.js';

// Transactions below 100 are contained in it, and 101; 100 and those from 102 on are not.
const SNAPSHOT = '100:102:100';

let socket, calls, list, changes, errors, clock;

function start(options = {}) {
  socket = new FakeSocket();
  const server = fetcher();
  calls = server.calls;
  [changes, errors] = [[], []];
  list = follow(socket, { events: 'order', fetch: server.fetch, ...options })
    .on('change', (change) => changes.push(change))
    .on('error', (error) => errors.push(error));
}

async function answer(rows, snapshot = SNAPSHOT) {
  calls.shift().answer({ snapshot, rows });
  await settled();
  changes.splice(0);
}

/** A list that is live, with these rows. */
async function startWith(rows, options) {
  start(options);
  socket.connect();
  await answer(rows);
}

const lamp = { id: 1, item: 'lamp' };
const book = { id: 2, item: 'book' };

describe('a list that is fetched', () => {
  it('is empty until it is, and live then', async () => {
    start();
    const states = [];
    list.on('state', (state) => states.push(state));
    assert.deepEqual([list.rows, list.state, calls.length], [[], 'offline', 0]);
    socket.connect();
    assert.deepEqual([list.rows, list.state, calls.length], [[], 'loading', 1]);
    calls.shift().answer({ snapshot: SNAPSHOT, rows: [book, lamp] });
    await settled();
    assert.deepEqual(list.rows, [book, lamp]);
    assert.deepEqual(changes, [{ reset: true, set: [book, lamp], removed: [] }]);
    assert.deepEqual(states, ['loading', 'live']);
  });

  it('has no rows that the watch does not see', async () => {
    await startWith([null, lamp]);
    assert.deepEqual(list.rows, [lamp]);
  });

  it('is fetched at once on a socket that is connected already', () => {
    socket = new FakeSocket();
    socket.connected = true;
    const server = fetcher();
    list = follow(socket, { events: 'order', fetch: server.fetch });
    assert.equal(server.calls.length, 1);
  });

  it('keeps what arrives while it is fetched, unless it contains that', async () => {
    start();
    socket.connect();
    socket.emit('order:update', { id: 1, item: 'old' }, meta(99, 5)); // below xmin
    socket.emit('order:update', { id: 2, item: 'old' }, meta(101, 6)); // between, and not running
    socket.emit('order:update', { id: 3, item: 'running' }, meta(100, 7));
    socket.emit('order:insert', { id: 4, item: 'later' }, meta(102, 8));
    socket.emit('order:delete', { id: 5, item: 'deleted later' }, meta(103, 9));
    assert.deepEqual(changes, []);
    await answer([lamp, book, { id: 3, item: 'before' }, { id: 5, item: 'still there' }]);
    assert.deepEqual(list.rows, [lamp, book, { id: 3, item: 'running' }, { id: 4, item: 'later' }]);
  });

  it('keeps a truncation that arrives while it is fetched, and what came after it', async () => {
    start();
    socket.connect();
    socket.emit('order:insert', { id: 4, item: 'after' }, meta(103, 8));
    socket.emit('order:truncate', meta(102, 7));
    await answer([lamp]);
    assert.deepEqual(list.rows, [{ id: 4, item: 'after' }]);
  });

  it('passes over a truncation that it contains', async () => {
    start();
    socket.connect();
    socket.emit('order:truncate', meta(99, 7));
    await answer([lamp]);
    assert.deepEqual(list.rows, [lamp]);
  });

  it('passes over what it contains when that arrives afterwards, too', async () => {
    await startWith([lamp]);
    socket.emit('order:update', { id: 1, item: 'old' }, meta(99, 5));
    socket.emit('order:truncate', meta(101, 6));
    assert.deepEqual([list.rows, changes], [[lamp], []]);
  });

  it('compares numbers of any length', async () => {
    start();
    socket.connect();
    await answer([lamp], '9007199254740992:9007199254740994:9007199254740993');
    socket.emit('order:update', { id: 1, item: 'contained' }, meta('9007199254740992', '9007199254740995'));
    assert.deepEqual(list.rows, [lamp]);
    socket.emit('order:update', { id: 1, item: 'newer' }, meta('9007199254740993', '9007199254740995'));
    socket.emit('order:update', { id: 1, item: 'older' }, meta('9007199254740993', '9007199254740994'));
    assert.deepEqual(list.rows, [{ id: 1, item: 'newer' }]);
  });
});

describe('a list that is live', () => {
  it('follows inserts, updates and deletes', async () => {
    await startWith([lamp]);
    socket.emit('order:insert', book, meta(200, 1));
    socket.emit('order:update', { id: 1, item: 'desk lamp' }, meta(201, 2));
    assert.deepEqual(list.rows, [{ id: 1, item: 'desk lamp' }, book]);
    socket.emit('order:delete', book, meta(202, 3));
    assert.deepEqual(list.rows, [{ id: 1, item: 'desk lamp' }]);
    assert.deepEqual(changes, [
      { reset: false, set: [book], removed: [] },
      { reset: false, set: [{ id: 1, item: 'desk lamp' }], removed: [] },
      { reset: false, set: [], removed: [book] },
    ]);
  });

  it('takes an event of another order, for the row alone that it is about', async () => {
    await startWith([lamp, book]);
    socket.emit('order:update', { id: 1, item: 'second' }, meta(201, 12));
    socket.emit('order:update', { id: 1, item: 'first' }, meta(200, 11));
    socket.emit('order:update', { id: 2, item: 'earlier' }, meta(199, 10));
    assert.deepEqual(list.rows, [{ id: 1, item: 'second' }, { id: 2, item: 'earlier' }]);
    assert.equal(changes.length, 2);
  });

  it('takes an event that comes twice once', async () => {
    await startWith([lamp]);
    socket.emit('order:delete', lamp, meta(200, 11));
    socket.emit('order:delete', lamp, meta(200, 11));
    assert.equal(changes.length, 1);
  });

  it('does not bring back a row by an update that its delete overtook', async () => {
    await startWith([lamp]);
    socket.emit('order:delete', lamp, meta(201, 12));
    socket.emit('order:update', { id: 1, item: 'late' }, meta(200, 11));
    assert.deepEqual(list.rows, []);
  });

  it('takes a row back that was deleted and inserted again, or has left and returned', async () => {
    await startWith([lamp, book]);
    socket.emit('order:delete', { id: 1 }, meta(200, 11));
    socket.emit('order:insert', { id: 1, item: 'new' }, meta(201, 13));
    socket.emit('order:update', { id: 2, item: 'returned' }, meta(203, 15)); // before its `left`
    socket.emit('order:left', { id: 2 }, meta(202, 14));
    assert.deepEqual(list.rows, [{ id: 2, item: 'returned' }, { id: 1, item: 'new' }]);
  });

  it('follows a row that leaves', async () => {
    await startWith([lamp, book]);
    socket.emit('order:left', { id: 1 }, meta(200, 11));
    assert.deepEqual(list.rows, [book]);
    assert.deepEqual(changes, [{ reset: false, set: [], removed: [lamp] }]);
  });

  it('follows a batch, as one change', async () => {
    await startWith([lamp]);
    socket.emit('order:insert', [book, { id: 3, item: 'pen' }], meta(200, 11));
    socket.emit('order:update', [{ id: 3, item: 'late' }], meta(199, 10));
    socket.emit('order:delete', [lamp, book, { id: 9 }], meta(201, 12));
    assert.deepEqual(list.rows, [{ id: 3, item: 'pen' }]);
    assert.deepEqual(changes, [
      { reset: false, set: [book, { id: 3, item: 'pen' }], removed: [] },
      { reset: false, set: [], removed: [lamp, book] },
    ]);
  });

  it('follows a truncation, which is later than some events and earlier than others', async () => {
    await startWith([lamp]);
    socket.emit('order:insert', book, meta(203, 13));
    socket.emit('order:truncate', meta(202, 12)); // as rows, it has no argument
    socket.emit('order:update', { id: 1, item: 'before' }, meta(201, 11));
    assert.deepEqual(list.rows, [book]);
    assert.deepEqual(changes.at(-1), { reset: false, set: [], removed: [lamp] });
    socket.emit('order:truncate', null, meta(204, 14));
    assert.deepEqual(list.rows, []);
  });

  it('finds a row by its key, number or text', async () => {
    await startWith([lamp]);
    socket.emit('order:update', { id: '1', item: 'desk lamp' }, meta(200, 1));
    assert.deepEqual(list.rows, [{ id: '1', item: 'desk lamp' }]);
    for (const key of [1, 1n, '1', { id: 1 }]) assert.equal(list.get(key), list.rows[0]);
    assert.equal(list.get(2), undefined);
  });

  it('takes any trailing argument, as servers with connection state recovery append one', async () => {
    await startWith([lamp]);
    socket.emit('order:delete', lamp, meta(200, 1), 'offset');
    socket.emit('order:truncate', meta(201, 2), 'offset');
    assert.deepEqual([list.rows, errors], [[], []]);
  });

  it('returns the same array until something changes', async () => {
    await startWith([lamp]);
    const { rows } = list;
    socket.emit('order:update', { id: 1, item: 'old' }, meta(99, 1));
    assert.equal(list.rows, rows);
    socket.emit('order:insert', book, meta(200, 1));
    assert.notEqual(list.rows, rows);
    assert.deepEqual(rows, [lamp]);
  });

  it('says what it cannot understand', async () => {
    await startWith([lamp]);
    socket.emit('order:update', { item: 'no key' }, meta(200, 1));
    assert.match(errors[0].message, /^order:update: a row has no id$/);
    assert.deepEqual(list.rows, [lamp]);
  });

  it('follows no longer once it is closed', async () => {
    await startWith([lamp]);
    list.close();
    assert.deepEqual([list.state, list.rows], ['offline', [lamp]]);
    socket.emit('order:delete', lamp, meta(200, 1));
    socket.connect();
    assert.deepEqual([list.rows, calls.length, socket.eventNames()], [[lamp], 0, []]);
  });

  it('is closed by a listener, too', async () => {
    start();
    list.on('change', () => list.close());
    socket.connect();
    await answer([lamp]);
    assert.equal(list.state, 'offline');
  });

  it('calls no listener that was taken off', async () => {
    start();
    const listener = () => assert.fail('called');
    list.on('state', listener).off('state', listener).off('change', listener);
    socket.connect();
    await answer([]);
    assert.equal(list.state, 'live');
  });
});

describe('the list of some of a table\'s rows', () => {
  const options = { where: ({ customer }) => customer === 1 };

  it('has those that fit, whatever the rooms bring', async () => {
    await startWith([{ id: 1, customer: 1 }, { id: 2, customer: 2 }], options);
    socket.emit('order:insert', [{ id: 3, customer: 1 }, { id: 4, customer: 2 }], meta(200, 1));
    assert.deepEqual(list.rows.map(({ id }) => id), [1, 3]);
  });

  it('loses one that fits no longer, for good', async () => {
    await startWith([{ id: 1, customer: 1 }], options);
    socket.emit('order:update', { id: 1, customer: 2 }, meta(201, 2));
    socket.emit('order:update', { id: 1, customer: 1 }, meta(200, 1));
    assert.deepEqual(list.rows, []);
    assert.deepEqual(changes, [{ reset: false, set: [], removed: [{ id: 1, customer: 1 }] }]);
  });
});

describe('the list of a watch with its own names and forms', () => {
  it('has a key of several columns', async () => {
    const options = { key: ['order', 'line'] };
    await startWith([{ order: 1, line: 11 }, { order: 11, line: 1 }], options);
    socket.emit('order:left', { line: '1', order: '11' }, meta(200, 1));
    assert.deepEqual(list.rows, [{ order: 1, line: 11 }]);
    assert.equal(list.get({ order: 1, line: 11 }), list.rows[0]);
  });

  it('has events of any names, and as few as the watch sends', async () => {
    await startWith([lamp], { events: { insert: 'order', update: 'order', delete: 'gone' } });
    socket.emit('order', book, meta(200, 1));
    socket.emit('gone', lamp, meta(201, 2));
    socket.emit('order:left', book, meta(202, 3));
    assert.deepEqual([list.rows, changes.length], [[book], 2]);
  });

  const change = (operation, record, old = null) => ({ operation, schema: 'public', table: 'orders', record, old_record: old });

  it('follows changes', async () => {
    await startWith([lamp], { payload: 'change', events: { change: 'orders', left: 'left' } });
    socket.emit('orders', change('INSERT', book), meta(200, 1));
    socket.emit('orders', change('UPDATE', { id: 2, item: 'diary' }, { id: 2 }), meta(201, 2));
    socket.emit('orders', change('DELETE', null, { id: 1 }), meta(202, 3));
    assert.deepEqual(list.rows, [{ id: 2, item: 'diary' }]);
    socket.emit('orders', [change('INSERT', { id: 3 }), change('INSERT', { id: 4 })], meta(203, 4));
    socket.emit('left', { id: 3 }, meta(204, 5));
    assert.deepEqual(list.rows, [{ id: 2, item: 'diary' }, { id: 4 }]);
    socket.emit('orders', change('TRUNCATE', null), meta(205, 6));
    assert.deepEqual(list.rows, []);
  });

  it('follows changes of the key, also from one row to the next', async () => {
    await startWith([lamp, book], { payload: 'change' });
    socket.emit('order:update', [
      change('UPDATE', { id: 2, item: 'lamp' }, { id: 1 }), change('UPDATE', { id: 3, item: 'book' }, { id: 2 }),
    ], meta(200, 1));
    assert.deepEqual(list.rows, [{ id: 2, item: 'lamp' }, { id: 3, item: 'book' }]);
  });
});

describe('a list whose events tell too little', () => {
  beforeEach(() => {
    clock = new FakeClock();
  });
  afterEach(() => clock.restore());

  it('is fetched anew for keys alone, once for many', async () => {
    await startWith([lamp], { payload: 'key' });
    socket.emit('order:update', { id: 1 }, meta(99, 1)); // contained
    clock.tick(1_000);
    assert.equal(calls.length, 0);
    socket.emit('order:update', { id: 1 }, meta(200, 2));
    socket.emit('order:insert', [{ id: 2 }], meta(201, 3));
    clock.tick(1_000);
    assert.equal(calls.length, 1);
    socket.emit('order:delete', { id: 1 }, meta(202, 4)); // that is all there is to know
    await answer([{ id: 1, item: 'desk lamp' }, book], '202:202:');
    assert.deepEqual(list.rows, [book]);
    clock.tick(1_000);
    assert.equal(calls.length, 0);
  });

  it('is fetched once more when one arrives while it is', async () => {
    await startWith([lamp], { payload: 'key' });
    socket.emit('order:update', { id: 1 }, meta(200, 2));
    clock.tick(1_000);
    socket.emit('order:update', { id: 1 }, meta(201, 3));
    await answer([{ id: 1, item: 'first' }], '201:201:');
    clock.tick(1_000);
    await answer([{ id: 1, item: 'second' }], '202:202:');
    assert.deepEqual([list.rows, calls.length], [[{ id: 1, item: 'second' }], 0]);
  });

  it('is fetched anew for events without their transaction', async () => {
    await startWith([lamp]);
    for (const args of [[], [undefined], [null], ['offset'], [{}]]) socket.emit('order:update', { id: 1, item: 'which?' }, ...args);
    socket.emit('order:truncate', 'offset');
    assert.deepEqual(list.rows, [lamp]);
    clock.tick(1_000);
    await answer([book]);
    assert.deepEqual([list.rows, calls.length, errors], [[book], 0, []]);
  });

  it('is fetched anew rather than remember more than 20,000 rows that are gone', async () => {
    await startWith([]);
    const gone = (from, count) => Array.from({ length: count }, (_, i) => ({ id: from + i }));
    socket.emit('order:delete', gone(0, 10_000), meta(200, 1));
    clock.tick(1_000);
    assert.equal(calls.length, 0);
    socket.emit('order:delete', gone(10_000, 10_001), meta(201, 2));
    clock.tick(1_000);
    assert.equal(calls.length, 1);
    await answer([], '300:300:');
    socket.emit('order:delete', gone(0, 10_000), meta(300, 3));
    clock.tick(1_000);
    assert.equal(calls.length, 0);
  });
});

describe('the connection of a list', () => {
  beforeEach(() => {
    clock = new FakeClock();
  });
  afterEach(() => clock.restore());

  it('keeps the rows while it is lost, and fetches at each connect', async () => {
    await startWith([lamp]);
    socket.disconnect();
    assert.deepEqual([list.rows, list.state], [[lamp], 'offline']);
    socket.connect();
    assert.deepEqual([list.rows, list.state], [[lamp], 'loading']);
    socket.emit('order:insert', { id: 3, item: 'pen' }, meta(300, 9));
    assert.deepEqual(list.rows, [lamp, { id: 3, item: 'pen' }]);
    await answer([book], '300:300:');
    assert.deepEqual([list.rows, list.state], [[book, { id: 3, item: 'pen' }], 'live']);
  });

  it('drops a fetch that was started before it', async () => {
    start();
    socket.connect();
    const [first] = calls.splice(0);
    socket.disconnect();
    socket.connect();
    first.answer({ snapshot: '50:50:', rows: [lamp] });
    await settled();
    assert.deepEqual([list.rows, list.state], [[], 'loading']);
    await answer([book]);
    assert.deepEqual([list.rows, list.state], [[book], 'live']);
  });

  it('says nothing of a fetch that fails because it is lost', async () => {
    start();
    socket.connect();
    socket.disconnect();
    calls.shift().fail(new Error('socket has been disconnected'));
    await settled();
    clock.tick(100_000);
    assert.deepEqual([errors, calls.length, list.state], [[], 0, 'offline']);
  });

  it('forgets with it what was known of the rows that are gone', async () => {
    await startWith([lamp]);
    socket.emit('order:delete', lamp, meta(500, 50));
    socket.disconnect();
    socket.connect();
    await answer([lamp], '600:600:'); // inserted again since
    assert.deepEqual(list.rows, [lamp]);
  });

  it('has a fetch that failed repeated, later each time', async () => {
    start();
    socket.connect();
    for (const least of [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      calls.shift().fail(new Error('no'));
      await settled();
      assert.equal(list.state, 'loading');
      clock.tick(least - 1);
      assert.equal(calls.length, 0);
      clock.tick(least + 1);
      assert.equal(calls.length, 1);
    }
    assert.deepEqual(errors.map(({ message }) => message), Array(8).fill('no'));
    await answer([lamp]);
    assert.deepEqual([list.rows, list.state], [[lamp], 'live']);
  });

  it('takes an answer without a snapshot for a failure', async () => {
    start();
    socket.connect();
    for (const wrong of [undefined, { rows: [] }, { snapshot: '1:2', rows: [] }, { snapshot: '1:1:' }, { error: 'denied' }, [{ id: 1 }]]) {
      calls.shift().answer(wrong);
      await settled();
      assert.match(errors.pop().message, /^fetch returned no \{ snapshot, rows \}/);
      clock.tick(30_000);
    }
    calls.shift().answer({ snapshot: '1:1:', rows: [{ name: 'no key' }] });
    await settled();
    assert.match(errors.pop().message, /^a row has no id$/);
    clock.tick(30_000);
    assert.equal(calls.length, 1);
  });

  it('has failures on the console if nobody listens', async () => {
    const shown = mock.method(console, 'error', () => {});
    socket = new FakeSocket();
    list = follow(socket, { events: 'order', fetch: () => { throw new Error('no'); } });
    socket.connect();
    await settled();
    assert.equal(shown.mock.calls[0].arguments[0].message, 'no');
    shown.mock.restore();
    list.close();
  });

  it('fetches anew on request, once', async () => {
    await startWith([lamp]);
    list.refetch();
    list.refetch();
    assert.deepEqual([calls.length, list.state], [1, 'live']);
    await answer([book]);
    assert.deepEqual(list.rows, [book]);
    clock.tick(1_000);
    assert.equal(calls.length, 1); // the second request may have been for what the first didn't see
    await answer([book]);
    socket.disconnect();
    list.refetch();
    assert.equal(calls.length, 0);
  });
});
