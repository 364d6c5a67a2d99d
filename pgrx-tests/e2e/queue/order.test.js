// In which order queued messages arrive.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { rowTrigger } from '../../harness/live.js';
import { delivered, numbered, numberedBinary, numbers, queueing, startQueue, upTo, whileWorkerStands } from '../../harness/queue.js';
import { EMITTER_ROLE } from '../../harness/roles.js';
import { closeAll } from '../../harness/servers.js';

describe('queued messages arrive in order', () => {
  let postgres, admin, app, listener;

  before(async () => {
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-order' }));
    await admin.query(`CREATE SCHEMA app AUTHORIZATION ${EMITTER_ROLE}`);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await app.query('ROLLBACK');
    await delivered(admin);
    await listener.texts();
  });

  const arrived = async () => {
    await delivered(admin);
    return numbers(listener);
  };

  const sessions = (count) => Promise.all(upTo(count).map(() => queueing(postgres)));

  const ascending = (list) => list.every((n, i) => i === 0 || list[i - 1] < n);

  it('of a transaction, short and binary mixed', async () => {
    await app.query(['BEGIN', ...upTo(600).map((i) => (i % 3 === 1 ? numberedBinary(i) : numbered(i))), 'COMMIT'].join(';'));
    assert.deepEqual(await arrived(), upTo(600));
  });

  it('of a transaction larger than a batch', async () => {
    await app.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb(i)) FROM generate_series(0, 24999) i`);
    await app.query(numbered(25_000));
    assert.deepEqual(await arrived(), upTo(25_001));
  });

  it('of a transaction with more bytes than a batch', async () => {
    await app.query(`SELECT sio_emit('/', '{}', i::text, to_jsonb(repeat('x', 1500000))) FROM generate_series(0, 29) i`);
    await delivered(admin);
    const order = [];
    for (const message of await listener.messages()) order.push(Number((await listener.attachment(message)).data.packet.data[0]));
    assert.deepEqual(order, upTo(30));
  });

  it('of transactions one after the other, whichever session they are in', async () => {
    const all = await sessions(6);
    for (const i of upTo(300)) await all[i % 6].query(i % 7 ? numbered(i) : numberedBinary(i));
    assert.deepEqual(await arrived(), upTo(300));
    await Promise.all(all.map((session) => session.end()));
  });

  it('also if all of it waited for the worker', async () => {
    const all = await sessions(4);
    await whileWorkerStands(admin, async () => {
      for (const i of upTo(100)) await all[i % 4].query(numbered(i));
    });
    assert.deepEqual(await arrived(), upTo(100));
    await Promise.all(all.map((session) => session.end()));
  });

  it('of a transaction that began when the other had committed, though a third is open since before', async () => {
    const [early, first, second] = await sessions(3);
    await early.query(`BEGIN; ${numbered(0)}`);
    await first.query(numbered(1));
    await second.query(numbered(2));
    await early.query(`${numbered(3)}; COMMIT`);
    const order = await arrived();
    assert.deepEqual(order.filter((n) => n === 1 || n === 2), [1, 2]);
    assert.deepEqual(order.filter((n) => n === 0 || n === 3), [0, 3]);
    await Promise.all([early, first, second].map((session) => session.end()));
  });

  it('of updates of one row by sixteen sessions, under load, also while others deliver', async () => {
    await app.query(`
      CREATE TABLE app.counter (id int PRIMARY KEY, n int); INSERT INTO app.counter VALUES (1, 0);
      ${rowTrigger('app.counter', 'UPDATE', ['room=all', 'event=n', 'columns=n'])}`);
    const all = await sessions(16);
    let busy = true;
    const work = all.map(async (session, i) => {
      for (const _ of upTo(60)) {
        // In some, other work comes before or after the update: the row's lock is what orders them.
        if (i % 4 === 0) await session.query('BEGIN; SELECT count(*) FROM pg_class; UPDATE app.counter SET n = n + 1; COMMIT');
        else if (i % 4 === 1) await session.query(`BEGIN; UPDATE app.counter SET n = n + 1; SELECT pg_sleep(0.001); COMMIT`);
        else await session.query('UPDATE app.counter SET n = n + 1');
      }
    });
    const deliverers = (await sessions(2)).map(async (session) => {
      while (busy) await session.query('SELECT sio_deliver(7)');
      await session.end();
    });
    await Promise.all(work);
    busy = false;
    await Promise.all(deliverers);
    await delivered(admin);
    const values = (await listener.messages()).map(({ data }) => data.packet.data[1].n);
    assert.deepEqual(values, upTo(960).map((n) => n + 1));
    await Promise.all(all.map((session) => session.end()));
  });

  it('of each session, while thirty-two emit at once, and once each', async () => {
    const all = await sessions(32);
    await Promise.all(all.map(async (session, i) => {
      for (const n of upTo(50)) {
        const number = i * 1_000 + n;
        await session.query(n % 10 === 0 ? numberedBinary(number) : numbered(number));
      }
    }));
    const order = await arrived();
    assert.equal(order.length, 32 * 50);
    for (const i of upTo(32)) {
      const own = order.filter((n) => Math.floor(n / 1_000) === i);
      assert.equal(own.length, 50);
      assert.ok(ascending(own), `session ${i}: ${own}`);
    }
    await Promise.all(all.map((session) => session.end()));
  });

  it('at every listener alike', async () => {
    const others = await Promise.all(upTo(3).map(() => listen(postgres)));
    const all = await sessions(4);
    await Promise.all(all.map(async (session, i) => {
      for (const n of upTo(50)) await session.query(numbered(i * 1_000 + n));
    }));
    const order = await arrived();
    assert.equal(order.length, 200);
    for (const other of others) assert.deepEqual(await numbers(other), order);
    await closeAll(others);
    await Promise.all(all.map((session) => session.end()));
  });
});
