// When a list is fetched anew, and what becomes of it meanwhile.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { follow } from '../follow.js';
import { answer, calls, errors, FakeClock, FakeSocket, list, meta, settled, socket, start, startWith } from './support.js';

let clock;

const lamp = { id: 1, item: 'lamp' };
const book = { id: 2, item: 'book' };

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
      assert.match(errors.pop().message, wrong?.error ? /^the server answered fetch with an error: "denied"$/ : /^fetch returned no \{ snapshot, rows \}/);
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
    const lonely = new FakeSocket();
    const unheard = follow(lonely, { events: 'order', fetch: () => { throw new Error('no'); } });
    lonely.connect();
    await settled();
    assert.equal(shown.mock.calls[0].arguments[0].message, 'no');
    shown.mock.restore();
    unheard.close();
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
