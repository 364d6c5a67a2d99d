// What a list does with what it fetches, and with each kind of event.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { follow } from '../follow.js';
import { answer, calls, changes, errors, fetcher, FakeSocket, list, meta, settled, SNAPSHOT, socket, start, startWith } from './support.js';

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
    const connected = Object.assign(new FakeSocket(), { connected: true });
    const server = fetcher();
    follow(connected, { events: 'order', fetch: server.fetch });
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
