// An emit is part of its transaction.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

describe('transactions', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'transactions', conf: { max_prepared_transactions: 2 } });
    admin = await prepareDatabase(postgres);
    await admin.query(`CREATE SCHEMA app AUTHORIZATION ${EMITTER_ROLE}`);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());

  beforeEach(async () => {
    await app.query('ROLLBACK; RESET ALL');
    await admin.query('TRUNCATE socket_io_attachments');
    await listener.texts();
  });

  /** [event, ...arguments] of what was committed, attachments included. */
  const events = async () =>
    (await listener.fullMessages()).map(({ data }) => data.packet.data.map((arg) => (Buffer.isBuffer(arg) ? String(arg) : arg)));
  const names = async () => (await events()).map(([name]) => name);

  const text = (name) => `SELECT sio_emit('/', '{}', '${name}')`;
  const binary = (name) => `SELECT sio_emit_binary('/', '{}', '${name}', '\\x41')`;

  describe('decide', () => {
    it('that clients get an event at the commit, not before', async () => {
      const servers = await startServers(postgres, { count: 1 });
      const client = await connectClient(servers[0]);
      const other = await postgres.connect({ user: EMITTER_ROLE });
      await app.query(`BEGIN; ${text('text')}; ${binary('binary')}`);
      assert.deepEqual(await received(other, [client]), [[]]);
      await app.query('COMMIT');
      assert.deepEqual(await received(other, [client]), [[['text'], ['binary', Buffer.from('A')]]]);
      await closeAll(client, servers);
      await other.end();
    });

    it('that nobody gets it after a rollback', async () => {
      await app.query(`BEGIN; ${text('text')}; ${binary('binary')}; ROLLBACK`);
      await assert.rejects(app.query(`${text('text')}; ${binary('binary')}; SELECT 1 / 0`), { code: '22012' });
      assert.deepEqual(await names(), []);
      assert.equal(await attachmentCount(), 0);
    });

    it('that nobody gets it after the connection is lost', async () => {
      const lost = await postgres.connect({ user: EMITTER_ROLE });
      await lost.query(`BEGIN; ${text('text')}; ${binary('binary')}`);
      const { rows } = await lost.query('SELECT pg_backend_pid() AS pid');
      lost.on('error', () => {});
      await admin.query('SELECT pg_terminate_backend($1, 10000)', [rows[0].pid]);
      assert.deepEqual(await names(), []);
      assert.equal(await attachmentCount(), 0);
    });

    it('for each savepoint', async () => {
      await app.query(`
        BEGIN; ${text('1')}; ${binary('2')};
        SAVEPOINT a; ${text('lost')}; ${binary('lost')};
          SAVEPOINT b; ${text('lost')}; RELEASE b;
        ROLLBACK TO a; ${text('3')}; ${binary('4')};
        SAVEPOINT c; ${text('5')}; ${binary('6')}; RELEASE c; ${text('7')}; COMMIT`);
      assert.deepEqual(await names(), ['1', '2', '3', '4', '5', '6', '7']);
      assert.equal(await attachmentCount(), 3);
    });

    it('for each exception block of PL/pgSQL', async () => {
      await app.query(`DO $$ BEGIN
        PERFORM sio_emit('/', '{}', 'before');
        BEGIN
          PERFORM sio_emit('/', '{}', 'lost'), sio_emit_binary('/', '{}', 'lost', '\\x41');
          RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN PERFORM sio_emit('/', '{}', 'handled');
        END;
        BEGIN
          PERFORM sio_emit('/', NULL, 'refused');
        EXCEPTION WHEN null_value_not_allowed THEN PERFORM sio_emit_binary('/', '{}', 'refusal handled', '\\x41');
        END;
      END $$`);
      assert.deepEqual(await names(), ['before', 'handled', 'refusal handled']);
      assert.equal(await attachmentCount(), 1);
    });

    it('in the order of the calls, text and binary mixed', async () => {
      const all = Array.from({ length: 60 }, (_, i) => `${i}`);
      await app.query(['BEGIN', ...all.map((name, i) => (i % 3 === 1 ? binary(name) : text(name))), 'COMMIT'].join(';'));
      assert.deepEqual(await names(), all);
    });

    it('in the order of the commits', async () => {
      const other = await postgres.connect({ user: EMITTER_ROLE });
      await app.query(`BEGIN; ${text('first call')}`);
      await other.query(text('first commit'));
      await app.query('COMMIT');
      await other.end();
      assert.deepEqual(await names(), ['first commit', 'first call']);
    });
  });

  describe('keep equal emits apart', () => {
    const FORMS = [
      ['text', `sio_emit('/', '{}', 'e', '1')`, ['e', 1]],
      ['binary', `sio_emit_binary('/', '{}', 'e', '\\x41')`, ['e', 'A']],
    ];

    for (const [form, call, event] of FORMS) {
      it(`50 of ${form} in one statement`, async () => {
        await app.query(`SELECT ${call} FROM generate_series(1, 50)`);
        assert.deepEqual(await events(), Array(50).fill(event));
      });

      it(`50 of ${form} in as many statements`, async () => {
        await app.query(`BEGIN; ${`SELECT ${call};`.repeat(50)} COMMIT`);
        assert.deepEqual(await events(), Array(50).fill(event));
      });

      it(`of ${form} before, in and after savepoints`, async () => {
        await app.query(`BEGIN; SELECT ${call}; SAVEPOINT a; SELECT ${call}; ROLLBACK TO a; SELECT ${call};
                         SAVEPOINT b; SELECT ${call}; RELEASE b; SELECT ${call}; COMMIT`);
        assert.deepEqual(await events(), Array(4).fill(event));
      });

      it(`of ${form} on both sides of a COMMIT inside a procedure`, async () => {
        await app.query(`DO $$ BEGIN
          FOR i IN 1..5 LOOP PERFORM ${call}, ${call}; IF i % 2 = 0 THEN COMMIT; END IF; END LOOP;
        END $$`);
        assert.deepEqual(await events(), Array(10).fill(event));
      });
    }

    it('of every other kind', async () => {
      const calls = [
        `sio_sockets_join('/', '{}', '{a}')`, `sio_sockets_leave('/', '{}', '{a}')`, `sio_disconnect_sockets('/', '{a}')`,
        `sio_server_side_emit('/', 'e')`, `sio_emit_args('/', '{}', 'e', '{}')`, `sio_server_side_emit_args('/', 'e', '{}')`,
      ];
      for (const call of calls) await app.query(`SELECT ${call}, ${call} FROM generate_series(1, 3)`);
      const types = (await listener.messages()).map(({ type }) => type);
      assert.deepEqual(types, [4, 5, 6, 9, 3, 9].flatMap((type) => Array(6).fill(type)));
    });
  });

  describe('include', () => {
    before(async () => {
      await app.query(`
        CREATE TABLE app.orders (id int PRIMARY KEY, state text);
        CREATE FUNCTION app.announce() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          PERFORM public.sio_emit('/', ARRAY['order:' || NEW.id], TG_ARGV[0], to_jsonb(NEW));
          PERFORM public.sio_emit_binary('/', '{}', TG_ARGV[0], convert_to(NEW.state, 'UTF8'));
          RETURN NULL;
        END $$;
        CREATE TRIGGER row_trigger AFTER INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION app.announce('order');
        CREATE CONSTRAINT TRIGGER deferred AFTER UPDATE ON app.orders DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION app.announce('deferred');
        CREATE PROCEDURE app.work() LANGUAGE plpgsql AS $$ BEGIN
          PERFORM public.sio_emit('/', '{}', '1'); COMMIT;
          PERFORM public.sio_emit_binary('/', '{}', 'lost', '\\x41'), public.sio_emit('/', '{}', 'lost'); ROLLBACK;
          PERFORM public.sio_emit_binary('/', '{}', '2', '\\x41'); COMMIT;
          PERFORM public.sio_emit('/', '{}', '3');
        END $$`);
    });

    it('triggers', async () => {
      await app.query(`INSERT INTO app.orders VALUES (1, 'new'), (2, 'new')`);
      const row = (id) => [['order', { id, state: 'new' }], ['order', 'new']];
      assert.deepEqual(await events(), [...row(1), ...row(2)]);
      await assert.rejects(app.query(`INSERT INTO app.orders VALUES (3, 'new'), (1, 'twice')`), { code: '23505' });
      assert.deepEqual(await events(), []);
    });

    it('deferred triggers, which run at the commit', async () => {
      await app.query(`BEGIN; UPDATE app.orders SET state = 'sent' WHERE id = 1; ${text('after the update')}; COMMIT`);
      assert.deepEqual(await events(), [['after the update'], ['deferred', { id: 1, state: 'sent' }], ['deferred', 'sent']]);
    });

    it('procedures that commit and roll back', async () => {
      await app.query('CALL app.work()');
      assert.deepEqual(await names(), ['1', '2', '3']);
    });

    it('cursors that outlive it and emit while they are materialized at the commit', async () => {
      await app.query(`BEGIN; DECLARE c CURSOR WITH HOLD FOR ${binary('held')}; COMMIT`);
      assert.deepEqual(await names(), ['held']);
      await app.query('CLOSE c');
    });

    it('emits in a subquery, a CTE and a RETURNING', async () => {
      await app.query(`WITH one AS (SELECT sio_emit('/', '{}', 'cte'))
                       SELECT count(*), (SELECT sio_emit('/', '{}', 'sub')) FROM one`);
      await app.query(`UPDATE app.orders SET state = state RETURNING sio_emit('/', '{}', 'returned ' || id)`);
      const got = await names();
      assert.deepEqual(got.filter((name) => name !== 'deferred').sort(), ['cte', 'returned 1', 'returned 2', 'sub']);
    });
  });

  it('go on after DISCARD ALL', async () => {
    await app.query(`${text('1')}; ${binary('2')}`);
    await app.query('DISCARD ALL');
    await app.query(`${text('3')}; ${binary('4')}`);
    assert.deepEqual(await names(), ['1', '2', '3', '4']);
  });

  it('can\'t be prepared for a two-phase commit once they emitted, as Postgres says', async () => {
    for (const emit of [text('e'), binary('e')]) {
      await app.query(`BEGIN; ${emit}`);
      await assert.rejects(app.query(`PREPARE TRANSACTION 'two phases'`), { code: '0A000', message: /NOTIFY/ });
      await app.query('ROLLBACK');
    }
    assert.deepEqual(await names(), []);
    assert.equal(await attachmentCount(), 0);
  });

  async function attachmentCount() {
    const { rows } = await admin.query('SELECT count(*)::int AS n FROM socket_io_attachments');
    return rows[0].n;
  }
});
