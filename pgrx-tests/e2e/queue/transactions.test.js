// A queued message belongs to its transaction, two-phase commit included. Nobody asks for the delivery here: what arrives, arrives
// because the commit woke the worker.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { listen } from '../../harness/listener.js';
import { delivered, events, names, numbered, numberedBinary, numbers, queued, queueing, startQueue, untilIdle, upTo } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const text = (name) => `SELECT sio_emit('/', '{}', '${name}')`;
const binary = (name) => `SELECT sio_emit_binary('/', '{}', '${name}', '\\x41')`;

describe('a transaction that queued', () => {
  let postgres, admin, app, listener;

  before(async () => {
    // Without cleanups, nothing but a commit wakes the worker for a minute.
    const conf = { max_prepared_transactions: 4, 'socketio_emitter.cleanup_interval': 0 };
    ({ postgres, admin, app, listener } = await startQueue({ name: 'queue-transactions', conf }));
    await admin.query(`CREATE SCHEMA app AUTHORIZATION ${EMITTER_ROLE}`);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await app.query(`ROLLBACK; RESET ALL; SET socketio_emitter.delivery = 'queue'`);
    await delivered(admin);
    await listener.texts();
    await untilIdle(admin);
  });

  /** The names of the next events, which nobody but a commit has called for. */
  const arrive = async (count) => (await listener.take(count)).map((each) => JSON.parse(each).data?.packet.data[0]);

  /** All events that are committed by now. */
  const all = async () => {
    await delivered(admin);
    return names(listener);
  };

  describe('is delivered', () => {
    it('once it commits, not before', async () => {
      await app.query(`BEGIN; ${text('a')}; ${binary('b')}`);
      assert.deepEqual(await all(), []);
      assert.equal(await queued(admin), 0);
      await app.query('COMMIT');
      assert.equal((await listener.take(2)).length, 2);
    });

    for (const [what, ...statements] of [
      ['by a statement alone', text('e')],
      ['by COMMIT', `BEGIN; ${text('e')}; COMMIT`],
      ['by COMMIT AND CHAIN', `BEGIN; ${text('e')}; COMMIT AND CHAIN; ROLLBACK`],
      ['with asynchronous commit', `BEGIN; SET LOCAL synchronous_commit = off; ${text('e')}; COMMIT`],
      ['after a savepoint was released', `BEGIN; SAVEPOINT a; ${text('e')}; RELEASE a; COMMIT`],
      ['after a savepoint was rolled back', `BEGIN; ${text('e')}; SAVEPOINT a; ${text('lost')}; ROLLBACK TO a; COMMIT`],
      ['after an earlier one was rolled back', `BEGIN; ${text('lost')}; ROLLBACK; ${text('e')}`],
      ['by a block of PL/pgSQL', `DO $$ BEGIN PERFORM sio_emit('/', '{}', 'e'); END $$`],
      ['by a COMMIT in PL/pgSQL', `DO $$ BEGIN PERFORM sio_emit('/', '{}', 'e'); COMMIT; PERFORM pg_sleep(0.1); END $$`],
      ['by a block with an exception handler', `DO $$ BEGIN BEGIN PERFORM sio_emit('/', '{}', 'e'); EXCEPTION WHEN others THEN NULL; END; END $$`],
      ['by a cursor that is materialized at the commit', `BEGIN; DECLARE c CURSOR WITH HOLD FOR ${text('e')}; COMMIT; CLOSE c`],
      ['under REPEATABLE READ', `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class; ${text('e')}; COMMIT`],
      ['under SERIALIZABLE', `BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM pg_class; ${text('e')}; COMMIT`],
      ['after DISCARD ALL', 'DISCARD ALL', `SET socketio_emitter.delivery = 'queue'; ${text('e')}`],
    ]) {
      it(what, async () => {
        for (const statement of statements) await app.query(statement);
        assert.deepEqual(await arrive(1), ['e']);
        assert.deepEqual(await all(), []);
      });
    }

    it('each time, however short after the last one', async () => {
      for (let i = 0; i < 200; i++) {
        await app.query(numbered(i));
        const [message] = await listener.take(1);
        assert.equal(JSON.parse(message).data.packet.data[1], i);
      }
    });

    it('by a deferred trigger, which runs at the commit', async () => {
      await app.query(`
        CREATE TABLE app.orders (id int PRIMARY KEY);
        CREATE FUNCTION app.announce() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM public.sio_emit('/', '{}', 'deferred'); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON app.orders DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION app.announce()`);
      await app.query('INSERT INTO app.orders VALUES (1)');
      assert.deepEqual(await arrive(1), ['deferred']);
    });

    it('however long before the commit it emitted', async () => {
      const early = await queueing(postgres);
      await early.query(`BEGIN; ${text('early')}; ${binary('early, binary')}`);
      for (let i = 0; i < 20; i++) await app.query(numbered(i));
      assert.deepEqual(await all(), Array(20).fill('e'));
      await admin.query('SELECT pg_sleep(1.2)');
      await early.query('COMMIT');
      assert.equal((await listener.take(2)).length, 2);
      await early.end();
    });
  });

  describe('is not, after', () => {
    it('a rollback', async () => {
      await app.query(`BEGIN; ${text('a')}; ${binary('b')}; ROLLBACK`);
      await assert.rejects(app.query(`${text('a')}; ${binary('b')}; SELECT 1 / 0`), { code: '22012' });
      assert.deepEqual(await all(), []);
      assert.equal(await queued(admin), 0);
    });

    it('a deferred constraint that fails', async () => {
      await app.query('CREATE TABLE app.keys (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)');
      await assert.rejects(app.query(`BEGIN; INSERT INTO app.keys VALUES (1), (1); ${text('a')}; COMMIT`), { code: '23505' });
      await app.query('ROLLBACK');
      assert.deepEqual(await all(), []);
    });

    it('a serialization failure', async () => {
      const other = await queueing(postgres);
      await app.query('CREATE TABLE app.account (n int); INSERT INTO app.account VALUES (0)');
      await admin.query(`GRANT ALL ON app.account TO ${EMITTER_ROLE}`);
      await app.query(`BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT * FROM app.account; ${text('first')}`);
      await other.query(`BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT * FROM app.account; ${text('second')}; UPDATE app.account SET n = 1`);
      await app.query('INSERT INTO app.account VALUES (2)');
      await app.query('COMMIT');
      await assert.rejects(other.query('COMMIT'), { code: '40001' });
      assert.deepEqual(await all(), ['first']);
      await other.end();
    });

    it('the end of its connection', async () => {
      const lost = await queueing(postgres);
      await lost.query(`BEGIN; ${text('a')}; ${binary('b')}`);
      const { rows } = await lost.query('SELECT pg_backend_pid() AS pid');
      lost.on('error', () => {});
      await admin.query('SELECT pg_terminate_backend($1, 10000)', [rows[0].pid]);
      assert.deepEqual(await all(), []);
      assert.equal(await queued(admin), 0);
    });
  });

  describe('keeps of its savepoints what they keep:', () => {
    it('each alone', async () => {
      await app.query(`
        BEGIN; ${text('1')}; ${binary('2')};
        SAVEPOINT a; ${text('lost')}; ${binary('lost')};
          SAVEPOINT b; ${text('lost')}; RELEASE b;
        ROLLBACK TO a; ${text('3')}; ${binary('4')};
        SAVEPOINT c; ${text('5')}; ${binary('6')}; RELEASE c; ${text('7')}; COMMIT`);
      assert.deepEqual(await all(), ['1', '2', '3', '4', '5', '6', '7']);
    });

    it('the only one, in a transaction without any other emit', async () => {
      await app.query(`BEGIN; SAVEPOINT a; SAVEPOINT b; ${text('kept')}; RELEASE b; RELEASE a; SAVEPOINT c; ${text('lost')}; ROLLBACK TO c; COMMIT`);
      assert.deepEqual(await arrive(1), ['kept']);
    });

    it('thousands, one after the other, each third rolled back', async () => {
      await app.query(`DO $$ BEGIN
        FOR i IN 0..2999 LOOP
          BEGIN
            PERFORM sio_emit('/', '{}', 'e', to_jsonb(i));
            IF i % 3 = 0 THEN RAISE EXCEPTION 'back'; END IF;
          EXCEPTION WHEN raise_exception THEN NULL; END;
        END LOOP;
      END $$`);
      await delivered(admin);
      assert.deepEqual(await numbers(listener), upTo(3_000).filter((i) => i % 3 !== 0));
    });

    it('two hundred, one within the other', async () => {
      const deep = upTo(200).map((i) => `SAVEPOINT s${i}; ${i % 10 ? numbered(i) : numberedBinary(i)}`).join(';');
      await app.query(`BEGIN; ${deep}; ROLLBACK TO s150; RELEASE s100; COMMIT`);
      await delivered(admin);
      assert.deepEqual(await numbers(listener), upTo(150));
    });
  });

  it('keeps equal messages apart, in every form', async () => {
    for (const call of [`sio_emit('/', '{}', 'e', '1')`, `sio_emit_binary('/', '{}', 'e', '\\x41')`, `sio_sockets_join('/', '{}', '{a}')`]) {
      await app.query(`BEGIN; SELECT ${call} FROM generate_series(1, 20); SELECT ${call}; SAVEPOINT a; SELECT ${call}; RELEASE a; COMMIT`);
      await app.query(`SELECT ${call}`);
      await app.query(`SELECT ${call}`);
      await delivered(admin);
      assert.equal((await listener.messages()).length, 24, call);
    }
  });

  describe('can be prepared for a two-phase commit:', () => {
    // Or it would see what is committed when it deletes what it has sent.
    beforeEach(async () => {
      await until('the worker sleeps', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
      await untilIdle(admin);
    });

    const prepare = async (gid, ...emits) => {
      await app.query(['BEGIN', ...emits, `PREPARE TRANSACTION '${gid}'`].join(';'));
    };

    it('it arrives at once after COMMIT PREPARED, not before', async () => {
      await prepare('a', text('text'), binary('binary'));
      assert.deepEqual(await all(), []);
      await app.query(`COMMIT PREPARED 'a'`);
      assert.equal((await listener.take(2)).length, 2);
      assert.deepEqual(await all(), []);
    });

    it('also when another session commits it, which never emitted', async () => {
      await prepare('b', text('e'));
      await app.end();
      const stranger = await postgres.connect();
      await stranger.query(`COMMIT PREPARED 'b'`);
      assert.deepEqual(await arrive(1), ['e']);
      await stranger.end();
      app = await queueing(postgres);
    });

    it('it is gone after ROLLBACK PREPARED', async () => {
      await prepare('c', text('lost'), binary('lost'));
      await app.query(`ROLLBACK PREPARED 'c'`);
      await app.query(text('next'));
      assert.deepEqual(await arrive(1), ['next']);
      assert.equal(await queued(admin), 0);
    });

    it('the session that prepared it goes on with what is its own', async () => {
      await prepare('d', `SAVEPOINT s; ${text('lost')}; ROLLBACK TO s; ${text('prepared')}`);
      await app.query(text('meanwhile'));
      assert.deepEqual(await arrive(1), ['meanwhile']);
      await app.query(`COMMIT PREPARED 'd'`);
      assert.deepEqual(await arrive(1), ['prepared']);
    });

    it('after a restart of the server, too', async () => {
      await prepare('e', text('text'), binary('binary'));
      await postgres.restart({ mode: 'fast' });
      ({ admin, app, listener } = await reconnect());
      assert.deepEqual(await all(), []);
      await app.query(`COMMIT PREPARED 'e'`);
      assert.equal((await listener.take(2)).length, 2);
    });

    it('not if it notified as well, as Postgres says', async () => {
      await app.query(`BEGIN; ${text('queued')}; SET LOCAL socketio_emitter.delivery = 'notify'; ${text('notified')}`);
      await refused(app, `PREPARE TRANSACTION 'f'`, '0A000', { says: 'NOTIFY' });
      await app.query('ROLLBACK');
      assert.deepEqual(await all(), []);
    });

    async function reconnect() {
      return { admin: await postgres.connect(), app: await queueing(postgres), listener: await listen(postgres) };
    }
  });

  it('leaves nothing behind', async () => {
    assert.deepEqual(await events(listener), []);
    // The worker keeps for a second what it has sent.
    await until('the queue is empty', async () => (await admin.query('SELECT FROM _sio.queue')).rows.length === 0);
    assert.deepEqual((await admin.query('SELECT * FROM sio_failed')).rows, []);
  });
});
