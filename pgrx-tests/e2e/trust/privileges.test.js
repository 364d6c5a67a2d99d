// Each line of docs/privileges.md: what the privilege lets a role do that has nothing else, and what it doesn't.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { PRELOAD, untilWorker } from '../../harness/queue.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, MEMBER_FUNCTIONS, prepareDatabase, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';
import { until } from '../../harness/wait.js';

const page = readFileSync(fromRoot('docs/privileges.md'), 'utf8');
/** The first cells of its tables. */
const LINES = [...page.matchAll(/^\| (.+?) \| (.+) \|$/gm)].map(([, line]) => line).filter((line) => !['privilege', 'who'].includes(line) && !/^-+$/.test(line));

const ATTACHMENTS = 'socket_io_attachments';
const VIEWS = ['sio_status', 'sio_failed', 'sio_watches'];
const OWN_TABLES = ['_sio_queue', '_sio_sent', '_sio_failed', '_sio_totals'];

const binary = (event = 'e') => `SELECT sio_emit_binary('/', '{}', '${event}', '\\x41')`;

describe('docs/privileges.md', () => {
  let postgres, admin, app, someone, listener, server, client;

  before(async () => {
    postgres = await startPostgres({ name: 'privileges', conf: { 'socketio_emitter.payload_threshold': 8000 } });
    admin = await prepareDatabase(postgres);
    await admin.query(`CREATE TABLE notes (id int PRIMARY KEY, room text)`);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
    [server] = await startServers(postgres, { count: 1 });
    client = await connectClient(server, { rooms: ['inside'] });
  });

  after(async () => {
    await closeAll(client, server);
    await postgres?.stop();
  });

  beforeEach(async () => {
    await admin.query(`CREATE ROLE someone LOGIN; TRUNCATE ${ATTACHMENTS}, notes`);
    someone = await postgres.connect({ user: 'someone' });
    await received(app, [client]);
    await listener.texts();
  });

  afterEach(async () => {
    await someone.end();
    await admin.query('ROLLBACK; RESET ALL; DROP OWNED BY someone CASCADE; DROP ROLE someone; SELECT sio_deliver(), sio_discard()');
  });

  const grant = (...privileges) => admin.query(privileges.map((each) => `GRANT ${each} TO someone`).join(';'));
  const may = (sql) => someone.query(sql);
  const mayNot = (sql, code = '42501') => refused(someone, sql, code);
  const arrived = async () => (await received(app, [client]))[0];

  /** Each of the functions is refused until it is granted; then `check` does its work. */
  async function executes(calls, check) {
    for (const call of Object.values(calls)) await mayNot(call);
    await grant(...Object.keys(calls).map((name) => `EXECUTE ON FUNCTION ${name}`));
    for (const call of Object.values(calls)) await may(call);
    await check?.();
  }

  /** Two messages that were set aside: [id]. */
  async function fail() {
    await admin.query(`CREATE TABLE extra (id bigserial, created_at timestamptz, payload bytea); BEGIN; SET LOCAL socketio_emitter.delivery = 'queue';
      SET LOCAL socketio_emitter.table_name = 'extra'; ${binary('one')}; ${binary('two')}; DROP TABLE extra; COMMIT`);
    await admin.query('SELECT sio_deliver()');
    return (await admin.query('SELECT id FROM sio_failed ORDER BY 1')).rows.map(({ id }) => id);
  }

  /** An attachment that waits for its servers, which don't know of it. */
  const attach = async () => {
    await admin.query(`BEGIN; ${binary()}; COMMIT`);
    return (await admin.query(`SELECT id FROM ${ATTACHMENTS} ORDER BY id DESC LIMIT 1`)).rows[0].id;
  };

  const TESTS = {
    '`EXECUTE` on `sio_emit`, `sio_emit_args`, `sio_emit_binary`': () => executes({
      sio_emit: `SELECT sio_emit('/', '{inside}', 'one', '1')`,
      sio_emit_args: `SELECT sio_emit_args('/', '{inside}', 'two', '{1,2}')`,
      sio_emit_binary: `SELECT sio_emit_binary('/', '{}', 'three', '\\x41')`,
    }, async () => {
      assert.deepEqual(await arrived(), [['one', 1], ['two', 1, 2], ['three', Buffer.from('A')]]);
      await mayNot(`SELECT * FROM ${ATTACHMENTS}`);
    }),

    '`EXECUTE` on `sio_server_side_emit`, `sio_server_side_emit_args`': async () => {
      server.hear('between');
      await executes({
        sio_server_side_emit: `SELECT sio_server_side_emit('/', 'between', '1')`,
        sio_server_side_emit_args: `SELECT sio_server_side_emit_args('/', 'between', '{1,2}')`,
      }, async () => {
        await arrived();
        assert.deepEqual(server.heard, [['/', 'between', 1], ['/', 'between', 1, 2]]);
      });
    },

    '`EXECUTE` on `sio_sockets_join`, `sio_sockets_leave`': () => executes({
      sio_sockets_join: `SELECT sio_sockets_join('/', '{inside}', '{secret}')`,
      sio_sockets_leave: `SELECT sio_sockets_leave('/', '{nobody}', '{secret}')`,
    }, async () => {
      await app.query(`SELECT sio_emit('/', '{secret}', 'secret')`);
      assert.deepEqual(await arrived(), [['secret']]);
    }),

    '`EXECUTE` on `sio_disconnect_sockets`': async () => {
      const victim = await connectClient(server, { rooms: ['victims'] });
      await executes({ sio_disconnect_sockets: `SELECT sio_disconnect_sockets('/', '{victims}', true)` }, () => victim.gone);
    },

    '`EXECUTE` on `sio_watch`, `sio_unwatch`': async () => {
      await may('CREATE TEMP TABLE mine (id int)');
      await executes({ sio_unwatch: `SELECT sio_unwatch('mine')` });
      await grant('EXECUTE ON FUNCTION sio_watch');
      await mayNot(`SELECT sio_watch('mine', '{staff}')`);
      await grant('EXECUTE ON FUNCTION sio_emit_changes');
      await may(`SELECT sio_watch('mine', '{staff}')`);
      await mayNot(`SELECT sio_watch('notes', '{staff}')`);
      await grant('TRIGGER ON notes');
      await may(`SELECT sio_watch('notes', '{staff}')`);
      await mayNot(`SELECT sio_unwatch('notes')`);
      await admin.query(`SELECT sio_unwatch('notes')`);
    },

    '`EXECUTE` on `sio_emit_changes`': async () => {
      const trigger = 'CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION sio_emit_changes()';
      await grant('TRIGGER ON notes');
      await mayNot(trigger);
      await grant('EXECUTE ON FUNCTION sio_emit_changes');
      await may(trigger);
      await mayNot('SELECT * FROM notes');
      await admin.query(`INSERT INTO notes VALUES (1, 'x')`);
      assert.deepEqual(await arrived(), [['notes:insert', { id: 1, room: 'x' }]]);
      await admin.query('DROP TRIGGER t ON notes');
    },

    '`EXECUTE` on `sio_buffer`, `sio_encode`': () => executes({
      sio_buffer: 'SELECT sio_buffer(0)', sio_encode: `SELECT * FROM sio_encode('/', '{}', 'e', '1')`,
    }, async () => assert.deepEqual(await listener.texts(), [])),

    '`EXECUTE` on `sio_deliver`': async () => {
      await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'queued'); COMMIT`);
      await executes({ sio_deliver: 'SELECT sio_deliver()' }, async () => assert.deepEqual(await arrived(), [['queued']]));
      await may('BEGIN; SELECT sio_deliver(0)');
      await refused(admin, `SET lock_timeout = '10ms'; SELECT sio_deliver()`, '55P03');
      await may('COMMIT');
    },

    '`EXECUTE` on `sio_wait_delivered`': async () => {
      await executes({ sio_wait_delivered: 'SELECT sio_wait_delivered()' });
      await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'queued'); COMMIT`);
      assert.deepEqual((await may(`SELECT sio_wait_delivered('0') AS none`)).rows, [{ none: false }]);
      await mayNot('SELECT * FROM _sio_queue');
    },

    '`EXECUTE` on `sio_retry`, `sio_discard`': async () => {
      const [one, two] = await fail();
      await executes({ sio_retry: `SELECT sio_retry(${one})`, sio_discard: `SELECT sio_discard(${two})` });
      assert.equal((await admin.query('SELECT FROM sio_failed')).rowCount, 0);
      assert.equal((await admin.query('SELECT FROM _sio_queue')).rowCount, 1);
      await mayNot('SELECT * FROM sio_failed');
    },

    '`EXECUTE` on `sio_cleanup`': async () => {
      await attach();
      await executes({ sio_cleanup: `SELECT sio_cleanup('0')` });
      assert.equal((await admin.query(`SELECT FROM ${ATTACHMENTS}`)).rowCount, 0);
    },

    '`TRIGGER` on a table': async () => {
      await grant('TRIGGER ON notes');
      await mayNot('CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION sio_emit_changes()');
    },

    '`SELECT` on `sio_status`': async () => {
      await mayNot('SELECT * FROM sio_status');
      await grant('SELECT ON sio_status');
      await mayNot('SELECT * FROM sio_status');
      await grant('EXECUTE ON FUNCTION _sio_worker, _sio_waiting, _sio_attachments');
      assert.equal((await may('SELECT * FROM sio_status')).rowCount, 1);
      await admin.query('CREATE ROLE monitor LOGIN IN ROLE pg_monitor');
      const monitor = await postgres.connect({ user: 'monitor' });
      assert.equal((await monitor.query('SELECT * FROM sio_status')).rowCount, 1);
      for (const other of ['sio_failed', 'sio_watches', ...OWN_TABLES, ATTACHMENTS]) await refused(monitor, `SELECT * FROM ${other}`, '42501');
      await monitor.end();
      await admin.query('DROP ROLE monitor');
    },

    '`SELECT` on `sio_failed`': async () => {
      await fail();
      await mayNot('SELECT * FROM sio_failed');
      await grant('SELECT ON sio_failed');
      const { rows, fields } = await may('SELECT * FROM sio_failed');
      assert.equal(rows.length, 2);
      assert.deepEqual(fields.map(({ name }) => name), ['id', 'queued_at', 'failed_at', 'sqlstate', 'error', 'channel', 'bytes']);
      await mayNot('SELECT message, payload FROM _sio_failed');
    },

    '`SELECT` on `sio_watches`': async () => {
      await admin.query(`SELECT sio_watch('notes', '{staff}')`);
      await mayNot('SELECT * FROM sio_watches');
      await grant('SELECT ON sio_watches');
      assert.deepEqual((await may('SELECT table_name::text AS name, rooms FROM sio_watches')).rows, [{ name: 'notes', rooms: ['staff'] }]);
      await mayNot('SELECT * FROM notes');
      await admin.query(`SELECT sio_unwatch('notes')`);
    },

    '`INSERT`, `UPDATE`, `DELETE` on the views': async () => {
      await fail();
      await grant(...VIEWS.map((view) => `ALL ON ${view}`), 'EXECUTE ON FUNCTION _sio_worker, _sio_waiting, _sio_attachments');
      for (const view of VIEWS) {
        const { rows: [{ column }] } = await admin.query(`SELECT attname AS column FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1`, [view]);
        for (const attempt of [`DELETE FROM ${view}`, `UPDATE ${view} SET ${column} = NULL`, `INSERT INTO ${view} DEFAULT VALUES`]) await mayNot(attempt, '55000');
      }
      assert.equal((await admin.query('SELECT FROM sio_failed')).rowCount, 2);
    },

    '`SELECT` on `socket_io_attachments`': async () => {
      const id = await attach();
      await mayNot(`SELECT payload FROM ${ATTACHMENTS}`);
      await grant(`SELECT ON ${ATTACHMENTS}`);
      const { rows } = await may(`SELECT payload FROM ${ATTACHMENTS} WHERE id = ${id}`);
      assert.ok(rows[0].payload.includes(Buffer.from('A')));
      await mayNot(`DELETE FROM ${ATTACHMENTS}`);
    },

    '`INSERT` on `socket_io_attachments`': async () => {
      await app.query(binary('forged'));
      const { rows: [{ payload }] } = await admin.query(`SELECT payload FROM ${ATTACHMENTS} ORDER BY id DESC LIMIT 1`);
      await arrived();
      await mayNot(`INSERT INTO ${ATTACHMENTS} (payload) VALUES ('')`);
      await grant(`INSERT ON ${ATTACHMENTS}`);
      await someone.query(`INSERT INTO ${ATTACHMENTS} (id, payload) VALUES (-7, $1)`, [payload]);
      await may(`SELECT pg_notify('socket.io#/', '{"uid":"emitter","type":3,"attachmentId":"-7"}')`);
      assert.deepEqual(await arrived(), [['forged', Buffer.from('A')]]);
    },

    '`UPDATE` on `socket_io_attachments`': async () => {
      await attach();
      await mayNot(`UPDATE ${ATTACHMENTS} SET payload = ''`);
      await grant(`UPDATE ON ${ATTACHMENTS}`);
      await may(`UPDATE ${ATTACHMENTS} SET payload = ''`);
      assert.deepEqual((await admin.query(`SELECT DISTINCT payload FROM ${ATTACHMENTS}`)).rows, [{ payload: Buffer.alloc(0) }]);
    },

    '`DELETE`, `TRUNCATE` on `socket_io_attachments`': async () => {
      for (const [privilege, statement] of [['DELETE', `DELETE FROM ${ATTACHMENTS}`], ['TRUNCATE', `TRUNCATE ${ATTACHMENTS}`]]) {
        await attach();
        await mayNot(statement);
        await grant(`${privilege} ON ${ATTACHMENTS}`);
        await may(statement);
        assert.equal((await admin.query(`SELECT FROM ${ATTACHMENTS}`)).rowCount, 0);
      }
    },

    '`TRIGGER`, `REFERENCES` on `socket_io_attachments`': async () => {
      await grant(`TRIGGER, REFERENCES ON ${ATTACHMENTS}`, 'CREATE ON SCHEMA public');
      await may(`
        CREATE TABLE seen (who text); GRANT INSERT ON seen TO PUBLIC;
        CREATE TABLE pins (id bigint REFERENCES ${ATTACHMENTS} (id)); GRANT SELECT ON pins TO postgres;
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (current_user); RETURN NEW; END $$;
        CREATE TRIGGER a BEFORE INSERT ON ${ATTACHMENTS} FOR EACH ROW EXECUTE FUNCTION see();
        CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON ${ATTACHMENTS} FOR EACH STATEMENT EXECUTE FUNCTION see()`);
      const seen = async () => (await may('SELECT DISTINCT who FROM seen')).rows.map(({ who }) => who);
      await app.query(binary());
      await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; ${binary()}; COMMIT`);
      await admin.query('SELECT sio_deliver()');
      await may(`INSERT INTO pins SELECT min(last_value) FROM ${ATTACHMENTS}_id_seq`).catch(() => {}); // it may not read the sequence
      assert.deepEqual(await arrived(), Array(2).fill(['e', Buffer.from('A')]));
      await app.query(`SELECT sio_cleanup('0')`);
      assert.deepEqual(await seen(), [], 'the extension runs none of it');
      const servers = await postgres.connect({ user: SERVERS_ROLE });
      await servers.query(`INSERT INTO ${ATTACHMENTS} (id, payload) VALUES (-1, '')`);
      assert.deepEqual(await seen(), [SERVERS_ROLE], 'the servers do');
      await may('INSERT INTO pins VALUES (-1)');
      await refused(servers, `DELETE FROM ${ATTACHMENTS}`, '23503');
      await servers.end();
      await app.query(`SELECT sio_cleanup('0')`);
      assert.equal((await admin.query(`SELECT FROM ${ATTACHMENTS}`)).rowCount, 0, 'the extension heeds no foreign key');
    },

    '`USAGE` on `socket_io_attachments_id_seq`': async () => {
      await mayNot(`SELECT nextval('${ATTACHMENTS}_id_seq')`);
      await grant(`USAGE ON SEQUENCE ${ATTACHMENTS}_id_seq`);
      await may(`SELECT nextval('${ATTACHMENTS}_id_seq')`);
      await app.query(binary());
      assert.deepEqual(await arrived(), [['e', Buffer.from('A')]]);
    },

    '`UPDATE` on `socket_io_attachments_id_seq`': async () => {
      const id = await attach();
      await mayNot(`SELECT setval('${ATTACHMENTS}_id_seq', ${id}, false)`);
      await grant(`UPDATE ON SEQUENCE ${ATTACHMENTS}_id_seq`);
      await may(`SELECT setval('${ATTACHMENTS}_id_seq', ${id}, false)`);
      await refused(app, binary(), '23505');
      await app.query(binary()); // the next id is free again
    },

    '`SELECT`, `INSERT`, `UPDATE`, `DELETE` on `_sio_queue`, `_sio_sent`, `_sio_failed`, `_sio_totals`': async () => {
      await fail();
      await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'kept'); COMMIT`);
      for (const table of OWN_TABLES) {
        await mayNot(`SELECT * FROM ${table}`);
        await grant(`SELECT, INSERT, UPDATE, DELETE ON ${table}`);
        assert.equal((await may(`SELECT * FROM ${table}`)).rowCount, 0, table);
        assert.equal((await may(`DELETE FROM ${table}`)).rowCount, 0, table);
        await mayNot(`INSERT INTO ${table} DEFAULT VALUES`);
      }
      await mayNot(`INSERT INTO _sio_queue (xid, id, queued_at, channel, message) VALUES (pg_current_xact_id(), 0, now(), 'socket.io#/', '')`);
      assert.equal((await may(`UPDATE _sio_queue SET message = ''`)).rowCount, 0);
      await admin.query('SELECT sio_deliver()');
      assert.deepEqual(await arrived(), [['kept']]);
      assert.equal((await admin.query('SELECT FROM sio_failed')).rowCount, 2);
    },

    '`TRUNCATE` on them': async () => {
      await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'lost'); COMMIT`);
      await mayNot('TRUNCATE _sio_queue');
      await grant('TRUNCATE ON _sio_queue');
      await may('TRUNCATE _sio_queue');
      await admin.query('SELECT sio_deliver()');
      assert.deepEqual(await arrived(), []);
    },

    '`TRIGGER`, `REFERENCES` on them': async () => {
      await grant(...OWN_TABLES.map((table) => `ALL ON ${table}`), 'CREATE ON SCHEMA public');
      await may(`
        CREATE TABLE seen (who text); GRANT INSERT ON seen TO PUBLIC;
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (current_user); RETURN NULL; END $$;
        ${OWN_TABLES.map((table) => `CREATE TRIGGER see BEFORE INSERT OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION see()`).join(';')}`);
      await fail();
      await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'kept'); COMMIT`);
      await admin.query('SELECT sio_deliver(), sio_discard()');
      assert.deepEqual(await arrived(), [['kept']]);
      assert.equal((await may('SELECT * FROM seen')).rowCount, 0);
    },

    'any privilege on `_sio_queue_id`': async () => {
      await mayNot(`SELECT nextval('_sio_queue_id')`);
      await grant('ALL ON SEQUENCE _sio_queue_id');
      const emit = (event) => app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', '${event}'); COMMIT`);
      await may(`SELECT setval('_sio_queue_id', 1000)`);
      await emit('first');
      await may(`SELECT setval('_sio_queue_id', 500)`);
      await emit('second');
      await admin.query('SELECT sio_deliver()');
      assert.deepEqual(await arrived(), [['second'], ['first']]);
    },

    'any role that may connect': async () => {
      await may('LISTEN "socket.io#/"');
      const overheard = [];
      someone.on('notification', ({ payload }) => overheard.push(JSON.parse(payload)));
      await app.query(`SELECT sio_emit('/', '{}', 'confidential', '"text"')`);
      await until('it is overheard', () => overheard.length > 0);
      assert.deepEqual(overheard[0].data.packet.data, ['confidential', 'text']);
      // With contents in the table, this is what shows.
      await app.query(`SET socketio_emitter.payload_threshold = 1; SELECT sio_emit('/', '{room}', 'confidential', '"text"'); RESET ALL`);
      await until('it is overheard', () => overheard.length > 1);
      assert.deepEqual(overheard[1], { uid: 'emitter', type: 3, attachmentId: overheard[1].attachmentId });
      await mayNot(`SELECT payload FROM ${ATTACHMENTS}`);
      assert.deepEqual(await arrived(), [['confidential', 'text']]);
    },

    'any role that may connect, too': async () => {
      const { rows: [{ message }] } = await app.query(`SELECT message::text FROM sio_encode('/', '{}', 'forged', '1')`);
      await someone.query(`SELECT pg_notify('socket.io#/', $1)`, [message]);
      assert.deepEqual(await arrived(), [['forged', 1]]);
    },

    'anyone, of `channel_prefix`, `payload_threshold`, `require_rooms`, `max_binaries`, `delivery`': async () => {
      await grant('EXECUTE ON FUNCTION sio_emit');
      await may(`SELECT sio_emit('/', '{}', 'e')`);
      await arrived();
      for (const [name, value] of Object.entries({ channel_prefix: 'mine', payload_threshold: 1, require_rooms: 'on', max_binaries: 0, delivery: 'queue' })) {
        await may(`SET socketio_emitter.${name} = '${value}'`);
      }
      await may(`RESET ALL; SET socketio_emitter.channel_prefix = 'mine'; SELECT sio_emit('/', '{}', 'e')`);
      assert.deepEqual(await arrived(), []);
    },

    'superuser, of `table_name`, `cleanup_interval`, `restart_delay`': async () => {
      await grant('EXECUTE ON FUNCTION sio_buffer');
      await may('SELECT sio_buffer(0)');
      for (const name of ['table_name', 'cleanup_interval', 'restart_delay']) {
        await mayNot(`SET socketio_emitter.${name} = DEFAULT`);
        await admin.query(`SELECT sio_buffer(0); SET socketio_emitter.${name} = DEFAULT`);
      }
    },

    '`GRANT SET ON PARAMETER`': async () => {
      await grant('EXECUTE ON FUNCTION sio_buffer', 'SET ON PARAMETER socketio_emitter.table_name');
      await may(`SELECT sio_buffer(0); SET socketio_emitter.table_name = 'another'`);
      await mayNot('SET socketio_emitter.cleanup_interval = 0');
    },

    'superuser, of `shared_preload_libraries`': async () => {
      await mayNot(`ALTER SYSTEM SET shared_preload_libraries = 'socketio_emitter'`);
      await refused(admin, `SET shared_preload_libraries = 'socketio_emitter'`, '55P02');
      const preloaded = await startPostgres({ name: 'privileges-preloaded', conf: PRELOAD });
      const boss = await preloaded.connect();
      await boss.query('CREATE EXTENSION socketio_emitter');
      await untilWorker(boss);
      await preloaded.stop();
    },
  };

  for (const line of LINES) {
    it(`is right about ${line}`, async () => {
      assert.ok(TESTS[line], 'a line without a test');
      await TESTS[line]();
    });
  }

  it('has a line for each test', () => {
    assert.ok(LINES.length > 25);
    assert.deepEqual(Object.keys(TESTS).filter((line) => !LINES.includes(line)), []);
    assert.equal(new Set(LINES).size, LINES.length);
  });

  it('has a line for each function and each relation of the extension', async () => {
    const { rows: functions } = await admin.query(`SELECT DISTINCT name FROM (${MEMBER_FUNCTIONS}) f WHERE name !~ '^_'`);
    const { rows: relations } = await admin.query(`SELECT c.relname AS name FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
      JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'socketio_emitter' WHERE d.deptype = 'e'`);
    assert.ok(functions.length > 15 && relations.length >= 8);
    for (const { name } of [...functions, ...relations]) assert.ok(LINES.some((line) => line.includes(`\`${name}\``)), name);
  });

  it('is right that nothing is granted, whatever the default privileges say', async () => {
    await postgres.createDatabase('generous');
    const other = await postgres.connect({ database: 'generous' });
    await other.query(`ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO someone; ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
      ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO someone; CREATE EXTENSION socketio_emitter`);
    const { rows } = await other.query(`
      SELECT name FROM (${MEMBER_FUNCTIONS}) f WHERE has_function_privilege('someone', f.oid, 'EXECUTE')
      UNION ALL SELECT relname FROM pg_class, aclexplode(relacl) a WHERE relname ~ '^(_sio|sio|socket_io)' AND relkind <> 'i'
        AND a.grantee <> relowner AND a.grantee::regrole::text <> 'pg_monitor'`);
    // It takes texts apart, for who may read sio_watches.
    assert.deepEqual(rows, [{ name: '_sio_declaration' }]);
    await other.query('DROP OWNED BY someone');
    await other.end();
    await postgres.dropDatabase('generous');
  });

  it('is right about the usual mistake, and how it is mended', async () => {
    const all = [...OWN_TABLES, ...VIEWS, ATTACHMENTS];
    const readable = async () => (await admin.query(`SELECT name FROM unnest($1::text[]) name WHERE has_table_privilege('someone', name, 'SELECT')`, [all])).rows.map(({ name }) => name);
    const [, sql] = /^```sql\n(CREATE ROLE app_user;.*?)^```$/ms.exec(page);
    const [create, mistake, mend] = sql.trim().split('\n');
    assert.match(create, /CREATE ROLE/);
    await admin.query(mistake.replace('app_user', 'someone'));
    assert.deepEqual(await readable(), all);
    await admin.query(mend.replace('app_user', 'someone'));
    assert.deepEqual(await readable(), []);
  });
});
