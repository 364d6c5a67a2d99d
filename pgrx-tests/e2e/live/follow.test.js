// A list that a client fetches and follows, where events overtake each other: docs/live-tables.md, client/.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { byId, followRows, leave, serveLists, settle, untilLive } from '../../harness/follow.js';
import { startPostgres } from '../../harness/postgres.js';
import { delivered, PRELOAD } from '../../harness/queue.js';
import { prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until } from '../../harness/wait.js';

const LONG = 'x'.repeat(9_000);
const LIST = (customer) => ({ values: [customer], text: `
  SELECT sio_snapshot() AS snapshot, coalesce(jsonb_agg(sio_row(o) ORDER BY o.id), '[]') AS rows
    FROM orders o WHERE $1::bigint IS NULL OR o.customer_id = $1` });
const OPTIONS = { events: 'order', rooms: ['customer:1'], argument: 1 };

describe('a client that follows orders', () => {
  let postgres, admin, server, pool;
  const [clients, sessions] = [[], []];

  before(async () => {
    postgres = await startPostgres({ name: 'follow', conf: PRELOAD });
    admin = await prepareDatabase(postgres);
    await admin.query('CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, item text)');
    [server] = await startServers(postgres, { count: 1 });
    pool = serveLists(postgres, server, LIST);
  });

  afterEach(async () => {
    leave(...clients.splice(0));
    for (const session of sessions.splice(0)) await session.end();
  });

  after(async () => {
    await pool?.end();
    await closeAll(server);
    await postgres?.stop();
  });

  function join(options) {
    clients.push(followRows(server, options));
    return clients.at(-1);
  }

  async function connect() {
    sessions.push(await postgres.connect());
    return sessions.at(-1);
  }

  /** The owner's session, with a watch and some rows. */
  async function watched({ level = 'row', delivery = 'notify', rows = `(1, 1, 'lamp'), (2, 1, 'book'), (3, 2, 'pen')`, more = '' }) {
    const session = await connect();
    await session.query('SELECT sio_unwatch($1)', ['orders']);
    await session.query('TRUNCATE orders');
    await session.query(`INSERT INTO orders VALUES ${rows}`);
    await session.query(`SELECT sio_watch('orders', rooms => '{customer:$customer_id}', event => 'order:$op', left_event => 'order:left',
                                          level => '${level}'${more})`);
    await session.query(`SET socketio_emitter.delivery = '${delivery}'`);
    return session;
  }

  /** Does `work` while the adapter gets no connection for the long messages, which so arrive last. */
  async function withBusyPool(work) {
    const busy = await server.pool.connect();
    try {
      await work();
    } finally {
      busy.release();
    }
  }

  for (const level of ['row', 'statement']) {
    for (const delivery of ['notify', 'queue']) {
      describe(`at ${level} level, in delivery ${delivery}`, () => {
        it('ends with the short update that has overtaken the long one; list.set() ends with the long one, for good', async () => {
          const session = await watched({ level, delivery });
          const client = join( OPTIONS);
          await untilLive(client);
          await withBusyPool(async () => {
            await session.query(`UPDATE orders SET item = $1 WHERE id = 1`, [LONG]);
            await session.query(`UPDATE orders SET item = 'short' WHERE id = 1`);
            await until('the short one is there', () => client.list.get(1).item === 'short');
          });
          await settle([session], 'customer:1', [client]);
          assert.equal(client.events, 4, 'both events and two marks');
          assert.equal(client.list.get(1).item, 'short');
          assert.equal(client.naive.get(1).item, LONG);
        });

        it('loses a row that was deleted before its long update arrived', async () => {
          const session = await watched({ level, delivery });
          const client = join( OPTIONS);
          await untilLive(client);
          await withBusyPool(async () => {
            await session.query(`UPDATE orders SET item = $1 WHERE id = 1`, [LONG]);
            await session.query(`UPDATE orders SET item = 'short' WHERE id = 1`); // or its delete would be long, too
            await session.query(`DELETE FROM orders WHERE id = 1`);
            await session.query(`UPDATE orders SET item = $1 WHERE id = 2`, [LONG]);
            await session.query(`UPDATE orders SET customer_id = 2 WHERE id = 2`);
            await until('both are gone', () => client.list.rows.length === 0);
          });
          await settle([session], 'customer:1', [client]);
          assert.deepEqual(client.list.rows, []);
          assert.deepEqual([...client.naive.keys()].sort(), [1, 2]);
        });

        it('has each row once that was changed while it fetched', async () => {
          const session = await watched({ level, delivery });
          // Committed before the fetch, and arrives after it.
          const client = join( OPTIONS);
          await untilLive(client);
          await withBusyPool(async () => {
            await session.query(`UPDATE orders SET item = $1 WHERE id = 1`, [LONG]);
            if (delivery === 'queue') await delivered(session);
            client.socket.disconnect();
            client.socket.connect();
            await untilLive(client);
            await session.query(`UPDATE orders SET item = 'later' WHERE id = 2`);
          });
          await settle([session], 'customer:1', [client]);
          assert.deepEqual(client.list.rows.map(({ item }) => item), [LONG, 'later']);
        });
      });
    }
  }

  it('contains what a transaction has done that committed before the fetch, and follows what one does that did not', async () => {
    const session = await watched({});
    const open = await connect();
    await open.query(`BEGIN; UPDATE orders SET item = 'open' WHERE id = 1; SAVEPOINT s; UPDATE orders SET item = 'in it' WHERE id = 2`);
    const client = join( OPTIONS);
    await untilLive(client);
    assert.deepEqual(client.list.rows.map(({ item }) => item), ['lamp', 'book']);
    await open.query('COMMIT');
    await until('it follows', () => client.list.get(2).item === 'in it');
    assert.deepEqual(client.list.rows.map(({ item }) => item), ['open', 'in it']);
  });

  it('follows rows to and from its rooms, and a row that changes its key', async () => {
    const session = await watched({ more: `, payload => 'change'` });
    const client = join( { ...OPTIONS, payload: 'change' });
    await untilLive(client);
    await session.query(`UPDATE orders SET id = 10 WHERE id = 1`);
    await session.query(`UPDATE orders SET customer_id = 1 WHERE id = 3`);
    await session.query(`UPDATE orders SET customer_id = 2 WHERE id = 2`);
    await session.query(`DELETE FROM orders WHERE id = 3; INSERT INTO orders VALUES (3, 1, 'again')`);
    await settle([session], 'customer:1', [client]);
    assert.deepEqual(byId(client.list.rows).map(({ id, item }) => [id, item]), [[3, 'again'], [10, 'lamp']]);
  });

  it('follows a TRUNCATE that its rooms hear of', async () => {
    const session = await watched({ more: `, ops => '{insert,update,delete,truncate}'` });
    await session.query(`SELECT sio_watch('orders', rooms => '{customer:$customer_id,all}', event => 'order:$op',
                                          ops => '{insert,update,delete,truncate}')`);
    const client = join( { events: 'order', rooms: ['all'], argument: null });
    await untilLive(client);
    assert.equal(client.list.rows.length, 3);
    await session.query(`BEGIN; TRUNCATE orders; INSERT INTO orders VALUES (7, NULL, 'of nobody'); COMMIT`);
    await settle([session], 'all', [client]);
    assert.deepEqual(client.list.rows, [{ id: 7, customer_id: null, item: 'of nobody' }]);
  });

  it('fetches anew for keys alone', async () => {
    const session = await watched({ more: `, payload => 'key'` });
    const client = join( { ...OPTIONS, payload: 'key' });
    await untilLive(client);
    await session.query(`UPDATE orders SET item = $1 WHERE customer_id = 1`, [LONG]);
    await session.query(`INSERT INTO orders VALUES (4, 1, 'mug'); DELETE FROM orders WHERE id = 1`);
    await until('all is there', () => client.list.rows.map(({ item }) => item).join() === `${LONG},mug`);
  });

  it('has its own part of what its rooms bring', async () => {
    const session = await watched({});
    const client = join( {
      events: 'order', rooms: ['customer:1', 'customer:2'], argument: null, where: ({ customer_id: customer }) => customer === 1,
    });
    await untilLive(client);
    assert.deepEqual(client.list.rows.map(({ id }) => id), [1, 2]);
    await session.query('UPDATE orders SET customer_id = 3 - customer_id');
    await settle([session], 'customer:1', [client]);
    assert.deepEqual(client.list.rows, [{ id: 3, customer_id: 1, item: 'pen' }]);
  });
});
