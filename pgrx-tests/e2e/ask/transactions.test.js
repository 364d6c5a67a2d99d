// A question is no part of the caller's transaction: where it works, what it sees, and what it waits for.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askedAgain, rowsOf, untilNothingIsLeft } from '../../harness/asking.js';
import { call, QUESTIONS } from '../../harness/functions.js';
import { listen } from '../../harness/listener.js';
import { startPostgres, startStandby } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

describe('a question asked', () => {
  let postgres, standby, admin, app, servers;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-transactions', conf: { max_prepared_transactions: 2 } });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    servers = await startServers(postgres, { count: 2 });
    await admin.query(`CREATE TABLE notes (id int); GRANT ALL ON notes TO ${EMITTER_ROLE}, ${SERVERS_ROLE}`);
    for (const server of servers) {
      server.io.on('count', async (done) => done((await server.pool.query('SELECT count(*)::int AS n FROM notes')).rows[0].n));
    }
  });

  after(async () => {
    await untilNothingIsLeft(admin);
    await closeAll(servers ?? []);
    await standby?.stop();
    await postgres?.stop();
  });

  const count = `SELECT answer FROM sio_server_side_emit_with_ack('/', 'count', servers => 2)`;

  for (const begin of ['BEGIN READ ONLY', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE', 'BEGIN ISOLATION LEVEL REPEATABLE READ']) {
    it(`in ${begin.slice(6)} works`, async () => {
      await app.query(`${begin}; SELECT count(*) FROM notes`);
      await askedAgain(async () => assert.equal((await rowsOf(app, 'SELECT FROM sio_servers()')).length, 2));
      assert.deepEqual(await rowsOf(app, count), [{ answer: 0 }, { answer: 0 }]);
      assert.deepEqual(await rowsOf(app, `SELECT sio_is_online('/', '{a}') AS online`), [{ online: false }]);
      await app.query('COMMIT');
    });
  }

  it('in a trigger, in a function and for each row of a query works', async () => {
    await admin.query(`
      CREATE TABLE asked (n int);
      CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN NEW.n := (SELECT count(*) FROM sio_servers('/', '1 s')); RETURN NEW; END $$;
      CREATE TRIGGER ask BEFORE INSERT ON asked FOR EACH ROW EXECUTE FUNCTION ask();
      GRANT ALL ON asked TO ${EMITTER_ROLE}`);
    assert.deepEqual(await rowsOf(app, 'INSERT INTO asked VALUES (NULL), (NULL) RETURNING n'), [{ n: 2 }, { n: 2 }]);
    const rows = await rowsOf(app, `SELECT room, sio_is_online('/', ARRAY[room]) AS online FROM unnest(ARRAY['a', 'b', 'c']) room`);
    assert.deepEqual(rows.map(({ online }) => online), [false, false, false]);
  });

  it('in a transaction that rolls back was asked all the same, and sees nothing of it', async () => {
    await app.query('BEGIN; INSERT INTO notes VALUES (1)');
    assert.deepEqual(await rowsOf(app, count), [{ answer: 0 }, { answer: 0 }]);
    await app.query('ROLLBACK');
  });

  it('sees what was committed before', async () => {
    await app.query('INSERT INTO notes VALUES (1)');
    assert.deepEqual(await rowsOf(app, count), [{ answer: 1 }, { answer: 1 }]);
    await app.query('DELETE FROM notes');
  });

  it('of a handler that needs the caller\'s lock waits until the timeout', async () => {
    await app.query('BEGIN; LOCK notes');
    await refused(app, `SELECT sio_server_side_emit_with_ack('/', 'count', servers => 2, timeout => '1 s')`, '58000', { says: ['0 of 2 servers answered'] });
    await app.query('ROLLBACK');
  });

  it('sends nothing with the caller\'s transaction, and keeps what that sends for its commit', async () => {
    const listener = await listen(postgres);
    await app.query(`BEGIN; SELECT sio_emit('/', '{}', 'before')`);
    await rowsOf(app, `SELECT FROM sio_servers('/', '50 ms')`);
    const types = (await listener.messages()).map(({ type }) => type);
    assert.deepEqual(types, [1]);
    await app.query('COMMIT');
    assert.deepEqual((await listener.messages()).map(({ type }) => type), [3]);
    await listener.close();
  });

  it('before PREPARE TRANSACTION hinders that no more than it ends', async () => {
    await app.query('BEGIN; INSERT INTO notes VALUES (1)');
    await rowsOf(app, `SELECT FROM sio_servers('/', '50 ms')`);
    await app.query(`PREPARE TRANSACTION 'p'`);
    await app.query(`ROLLBACK PREPARED 'p'`);
  });

  it('on a standby is refused, and after its promotion is not', async () => {
    standby = await startStandby(postgres, { name: 'ask-standby' });
    const there = await standby.connect({ user: EMITTER_ROLE });
    for (const name of Object.keys(QUESTIONS)) await refused(there, call(name), '25006', { says: [name, 'recovery'] });
    const boss = await standby.connect();
    await boss.query('SELECT pg_promote()');
    assert.deepEqual(await rowsOf(there, 'SELECT * FROM sio_servers()'), []);
    await Promise.all([there.end(), boss.end()]);
  });
});
