// A complete answer or an error: servers that are busy, silent, killed or closing, and none at all.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { askedAgain, pretendServers, rowsOf, uidOf, untilNothingIsLeft } from '../../harness/asking.js';
import { connectClient } from '../../harness/clients.js';
import { startLoneServer } from '../../harness/lone-server.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { elapse, until, within } from '../../harness/wait.js';

describe('an answer', () => {
  let postgres, admin, app, servers = [], lone = [], clients = [];

  before(async () => {
    postgres = await startPostgres({ name: 'ask-completeness' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
  });

  afterEach(async () => {
    await closeAll(clients, servers, lone);
    servers = [];
    lone = [];
    clients = [];
    await until('nobody listens any more', async () => (await rowsOf(app, 'SELECT FROM sio_servers()')).length === 0);
    await untilNothingIsLeft(admin);
  });

  after(() => postgres?.stop());

  const start = async (options) => {
    servers = await startServers(postgres, options);
    clients = await Promise.all(servers.map((server) => connectClient(server, { rooms: ['room'] })));
  };

  const online = async (rooms, timeout = '1 s') => (
    await rowsOf(app, `SELECT sio_is_online('/', $1, $2) AS online`, [rooms, timeout]))[0].online;

  it('of nobody is no row, and no error', async () => {
    assert.deepEqual(await rowsOf(app, 'SELECT * FROM sio_servers()'), []);
    assert.deepEqual(await rowsOf(app, `SELECT * FROM sio_fetch_sockets('/')`), []);
    assert.deepEqual(await rowsOf(app, `SELECT * FROM sio_server_side_emit_with_ack('/', 'e')`), []);
    assert.equal(await online(['room']), false);
  });

  it('of nobody is an error for who knows that somebody is there', async () => {
    await refused(app, `SELECT sio_fetch_sockets('/', servers => 2, timeout => '1 s')`, '58000', { says: ['0 of 2 servers answered'] });
    assert.deepEqual(await rowsOf(app, `SELECT * FROM sio_fetch_sockets('/', servers => 0)`), []);
  });

  for (const adapter of ['0.1.1', '0.3.1', '0.5.0']) {
    it(`that lacks a server's, on adapter ${adapter}, is an error, or partial with a warning`, async () => {
      await start({ adapter });
      // It has no JSON form, so its server never answers.
      servers[1].io.of('/').sockets.get(clients[1].id).data.big = 1n;
      const sql = (options) => `SELECT server FROM sio_fetch_sockets('/', servers => 3, timeout => '2 s'${options})`;
      await refused(app, sql(''), '58000', { says: ['2 of 3 servers answered'], hint: /partial => true/ });
      const warnings = [];
      const rows = await rowsOf(app, sql(', partial => true'), [], warnings);
      assert.deepEqual(rows.map(({ server }) => server).sort(), [uidOf(servers[0]), uidOf(servers[2])].sort());
      assert.equal(warnings.length, 1);
      assert.match(warnings[0], /^2 of 3 servers answered/);
      // Somebody is there, whoever is missing; nobody is known to be nowhere.
      await askedAgain(async () => assert.equal(await online(['room']), true));
      await askedAgain(async () => assert.equal(await online([clients[1].id]), null));
      servers.map((server) => server.errors.splice(0));
    });
  }

  it('of a handler that doesn\'t acknowledge, or isn\'t there, is missing', async () => {
    await start();
    servers[0].io.on('ask', (done) => done(1));
    servers[1].io.on('ask', () => {});
    const warnings = [];
    const rows = await rowsOf(app, `SELECT * FROM sio_server_side_emit_with_ack('/', 'ask', servers => 3, timeout => '2 s', partial => true)`, [], warnings);
    assert.deepEqual(rows, [{ server: uidOf(servers[0]), answer: 1 }]);
    assert.match(warnings[0], /^1 of 3 servers answered/);
    await refused(app, `SELECT sio_server_side_emit_with_ack('/', 'ask', servers => 3, timeout => '2 s')`, '58000', { says: ['1 of 3 servers answered'] });
  });

  it('can be caught in PL/pgSQL, and leaves nothing behind', async () => {
    const caught = [];
    const note = ({ message }) => caught.push(message);
    app.on('notice', note);
    await app.query(`DO $$ BEGIN
      PERFORM sio_fetch_sockets('/', servers => 1, timeout => '100 ms');
    EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'caught %', SQLSTATE; END $$`);
    app.off('notice', note);
    assert.deepEqual(caught, ['caught 58000']);
  });

  it('comes from a server that is busy for less than the timeout, if the caller knows that it is there', async () => {
    lone = await Promise.all([startLoneServer(postgres), startLoneServer(postgres)]);
    clients = [await connectClient(lone[0]), await connectClient(lone[1])];
    await lone[1].block(700);
    const rows = await rowsOf(app, `SELECT server FROM sio_fetch_sockets('/', timeout => '10 s', servers => 2)`);
    assert.deepEqual(rows.map(({ server }) => server).sort(), lone.map(({ uid }) => uid).sort());
  });

  it('has a server that was heard after it was busy, given time to settle', async () => {
    lone = [await startLoneServer(postgres)];
    await lone[0].block(2_000); // longer than the process of the first question needs to start
    const quick = await rowsOf(app, `SELECT uid FROM sio_servers('/', '50 ms')`);
    assert.deepEqual(quick, []);
    const rows = await rowsOf(app, `SELECT uid, answered_after > '100 ms' AS late FROM sio_servers('/', '5 s')`);
    assert.deepEqual(rows.map(({ uid }) => uid), [lone[0].uid]);
  });

  it('has no server that was killed', async () => {
    lone = await Promise.all([startLoneServer(postgres), startLoneServer(postgres)]);
    await askedAgain(async () => assert.equal((await rowsOf(app, 'SELECT FROM sio_servers()')).length, 2));
    await lone[1].kill();
    await until('Postgres knows that it has gone', async () => (
      await admin.query(`SELECT FROM pg_stat_activity WHERE usename = 'socketio_servers'`)).rowCount <= 3);
    await askedAgain(async () => assert.deepEqual(await rowsOf(app, 'SELECT uid FROM sio_servers()'), [{ uid: lone[0].uid }]));
    assert.deepEqual(await rowsOf(app, `SELECT FROM sio_fetch_sockets('/')`), []);
  });

  it('has no server that says goodbye while it is waited for', async () => {
    await start();
    const [, closing] = servers;
    closing.io.of('/').sockets.get(clients[1].id).data.big = 1n;
    const asked = rowsOf(app, `SELECT server FROM sio_fetch_sockets('/', timeout => '20 s')`);
    await until('its error shows that it was asked', () => closing.errors.length > 0);
    closing.errors.length = 0;
    await closing.close();
    servers.splice(1, 1);
    const rows = await within('the answer is complete without it', asked);
    assert.deepEqual(rows.map(({ server }) => server).sort(), servers.map((server) => uidOf(server)).sort());
  });

  it('has no sockets of a server that says goodbye after it has answered', async () => {
    const sockets = (uid, requestId) => ({ uid, type: 8, data: { requestId, sockets: [{ id: `socket of ${uid}`, rooms: [] }] } });
    const fake = await pretendServers(postgres, '/', (requestId, say) => say(
      sockets('leaves', requestId), { uid: 'leaves', type: 13 }, sockets('stays', requestId),
    ));
    await askedAgain(async () => (
      assert.deepEqual(await rowsOf(app, `SELECT id, server FROM sio_fetch_sockets('/')`), [{ id: 'socket of stays', server: 'stays' }])));
    await fake.end();
  });

  it('comes while two thousand events a second pass by', async () => {
    await start();
    let running = true;
    const emitter = await postgres.connect({ user: EMITTER_ROLE });
    const emitting = (async () => {
      let sent = 0;
      while (running) {
        await emitter.query(`SELECT count(sio_emit('/', '{nowhere}', 'e', to_jsonb(i))) FROM generate_series(1, 100) i`);
        sent += 100;
        await elapse(50, 'a hundred at a time, twenty times a second');
      }
      return sent;
    })();
    for (let round = 0; round < 10; round++) {
      assert.equal((await rowsOf(app, `SELECT FROM sio_fetch_sockets('/', servers => 3, timeout => '10 s')`)).length, 3);
    }
    running = false;
    assert.ok(await emitting > 0);
    await emitter.end();
  });
});
