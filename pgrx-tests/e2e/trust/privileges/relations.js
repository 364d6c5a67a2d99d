// docs/privileges.md, of views, tables and sequences.
import assert from 'node:assert/strict';
import { refused } from '../../../harness/refusals.js';
import { SERVERS_ROLE } from '../../../harness/roles.js';
import { ATTACHMENTS, binary, OWN_TABLES, VIEWS } from './deployment.js';

const USAGE = 'USAGE ON SCHEMA _sio';

export default {
  '`USAGE` on the schema `_sio`': async ({ grant, mayNot }) => {
    await mayNot('CREATE TABLE _sio.queue2 ()');
    await mayNot('SELECT * FROM _sio.worker()');
    await grant(USAGE);
    await mayNot('CREATE TABLE _sio.queue2 ()');
    await mayNot('SELECT * FROM _sio.worker()');
    for (const table of OWN_TABLES) await mayNot(`SELECT * FROM ${table}`);
  },

  '`SELECT` on `sio_status`': async ({ postgres, admin, grant, may, mayNot }) => {
    await mayNot('SELECT * FROM sio_status');
    await grant('SELECT ON sio_status');
    await mayNot('SELECT * FROM sio_status');
    await grant('EXECUTE ON FUNCTION _sio.worker, _sio.waiting, _sio.attachments, _sio.library_version');
    assert.equal((await may('SELECT * FROM sio_status')).rowCount, 1);
    await admin.query('CREATE ROLE monitor LOGIN IN ROLE pg_monitor');
    const monitor = await postgres.connect({ user: 'monitor' });
    assert.equal((await monitor.query('SELECT * FROM sio_status')).rowCount, 1);
    for (const other of ['sio_failed', 'sio_watches', ...OWN_TABLES, ATTACHMENTS]) await refused(monitor, `SELECT * FROM ${other}`, '42501');
    await monitor.end();
    await admin.query('DROP ROLE monitor');
  },

  '`SELECT` on `sio_failed`': async ({ grant, may, mayNot, fail }) => {
    await fail();
    await mayNot('SELECT * FROM sio_failed');
    await grant('SELECT ON sio_failed');
    const { rows, fields } = await may('SELECT * FROM sio_failed');
    assert.equal(rows.length, 2);
    assert.deepEqual(fields.map(({ name }) => name), ['id', 'queued_at', 'failed_at', 'sqlstate', 'error', 'channel', 'bytes']);
    await mayNot('SELECT message, payload FROM _sio.failed');
    await grant(USAGE);
    await mayNot('SELECT message, payload FROM _sio.failed');
  },

  '`SELECT` on `sio_watches`': async ({ admin, grant, may, mayNot }) => {
    await admin.query(`SELECT sio_watch('notes', '{staff}')`);
    await mayNot('SELECT * FROM sio_watches');
    await grant('SELECT ON sio_watches');
    assert.deepEqual((await may('SELECT table_name::text AS name, rooms FROM sio_watches')).rows, [{ name: 'notes', rooms: ['staff'] }]);
    await mayNot('SELECT * FROM notes');
    await admin.query(`SELECT sio_unwatch('notes')`);
  },

  '`INSERT`, `UPDATE`, `DELETE` on the views': async ({ admin, grant, mayNot, fail }) => {
    await fail();
    await grant(...VIEWS.map((view) => `ALL ON ${view}`), 'EXECUTE ON FUNCTION _sio.worker, _sio.waiting, _sio.attachments, _sio.library_version');
    for (const view of VIEWS) {
      const { rows: [{ column }] } = await admin.query(`SELECT attname AS column FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1`, [view]);
      for (const attempt of [`DELETE FROM ${view}`, `UPDATE ${view} SET ${column} = NULL`, `INSERT INTO ${view} DEFAULT VALUES`]) await mayNot(attempt, '55000');
    }
    assert.equal((await admin.query('SELECT FROM sio_failed')).rowCount, 2);
  },

  '`SELECT` on `socket_io_attachments`': async ({ grant, may, mayNot, attach }) => {
    const id = await attach();
    await mayNot(`SELECT payload FROM ${ATTACHMENTS}`);
    await grant(`SELECT ON ${ATTACHMENTS}`);
    const { rows } = await may(`SELECT payload FROM ${ATTACHMENTS} WHERE id = ${id}`);
    assert.ok(rows[0].payload.includes(Buffer.from('A')));
    await mayNot(`DELETE FROM ${ATTACHMENTS}`);
  },

  '`INSERT` on `socket_io_attachments`': async ({ admin, app, someone, grant, may, mayNot, arrived }) => {
    await app.query(binary('forged'));
    const { rows: [{ payload }] } = await admin.query(`SELECT payload FROM ${ATTACHMENTS} ORDER BY id DESC LIMIT 1`);
    await arrived();
    await mayNot(`INSERT INTO ${ATTACHMENTS} (payload) VALUES ('')`);
    await grant(`INSERT ON ${ATTACHMENTS}`);
    await someone.query(`INSERT INTO ${ATTACHMENTS} (id, payload) VALUES (-7, $1)`, [payload]);
    await may(`SELECT pg_notify('socket.io#/', '{"uid":"emitter","type":3,"attachmentId":"-7"}')`);
    assert.deepEqual(await arrived(), [['forged', Buffer.from('A')]]);
  },

  '`UPDATE` on `socket_io_attachments`': async ({ admin, grant, may, mayNot, attach }) => {
    await attach();
    await mayNot(`UPDATE ${ATTACHMENTS} SET payload = ''`);
    await grant(`UPDATE ON ${ATTACHMENTS}`);
    await may(`UPDATE ${ATTACHMENTS} SET payload = ''`);
    assert.deepEqual((await admin.query(`SELECT DISTINCT payload FROM ${ATTACHMENTS}`)).rows, [{ payload: Buffer.alloc(0) }]);
  },

  '`DELETE`, `TRUNCATE` on `socket_io_attachments`': async ({ admin, grant, may, mayNot, attach }) => {
    for (const [privilege, statement] of [['DELETE', `DELETE FROM ${ATTACHMENTS}`], ['TRUNCATE', `TRUNCATE ${ATTACHMENTS}`]]) {
      await attach();
      await mayNot(statement);
      await grant(`${privilege} ON ${ATTACHMENTS}`);
      await may(statement);
      assert.equal((await admin.query(`SELECT FROM ${ATTACHMENTS}`)).rowCount, 0);
    }
  },

  '`TRIGGER`, `REFERENCES` on `socket_io_attachments`': async ({ postgres, admin, app, grant, may, arrived }) => {
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

  '`USAGE` on `socket_io_attachments_id_seq`': async ({ app, grant, may, mayNot, arrived }) => {
    await mayNot(`SELECT nextval('${ATTACHMENTS}_id_seq')`);
    await grant(`USAGE ON SEQUENCE ${ATTACHMENTS}_id_seq`);
    await may(`SELECT nextval('${ATTACHMENTS}_id_seq')`);
    await app.query(binary());
    assert.deepEqual(await arrived(), [['e', Buffer.from('A')]]);
  },

  '`UPDATE` on `socket_io_attachments_id_seq`': async ({ app, grant, may, mayNot, attach }) => {
    const id = await attach();
    await mayNot(`SELECT setval('${ATTACHMENTS}_id_seq', ${id}, false)`);
    await grant(`UPDATE ON SEQUENCE ${ATTACHMENTS}_id_seq`);
    await may(`SELECT setval('${ATTACHMENTS}_id_seq', ${id}, false)`);
    await refused(app, binary(), '23505');
    await app.query(binary()); // the next id is free again
  },

  '`SELECT`, `INSERT`, `UPDATE`, `DELETE` on `_sio.queue`, `_sio.sent`, `_sio.failed`, `_sio.totals`': async ({ admin, app, grant, may, mayNot, arrived, fail }) => {
    await fail();
    await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'kept'); COMMIT`);
    for (const table of OWN_TABLES) {
      await mayNot(`SELECT * FROM ${table}`);
      await grant(USAGE, `SELECT, INSERT, UPDATE, DELETE ON ${table}`);
      assert.equal((await may(`SELECT * FROM ${table}`)).rowCount, 0, table);
      assert.equal((await may(`DELETE FROM ${table}`)).rowCount, 0, table);
      await mayNot(`INSERT INTO ${table} DEFAULT VALUES`);
    }
    await mayNot(`INSERT INTO _sio.queue (xid, id, queued_at, channel, message) VALUES (pg_current_xact_id(), 0, now(), 'socket.io#/', '')`);
    assert.equal((await may(`UPDATE _sio.queue SET message = ''`)).rowCount, 0);
    await admin.query('SELECT sio_deliver()');
    assert.deepEqual(await arrived(), [['kept']]);
    assert.equal((await admin.query('SELECT FROM sio_failed')).rowCount, 2);
  },

  '`TRUNCATE` on them': async ({ admin, app, grant, may, mayNot, arrived }) => {
    await app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', 'lost'); COMMIT`);
    await mayNot('TRUNCATE _sio.queue');
    await grant(USAGE, 'TRUNCATE ON _sio.queue');
    await may('TRUNCATE _sio.queue');
    await admin.query('SELECT sio_deliver()');
    assert.deepEqual(await arrived(), []);
  },

  '`TRIGGER`, `REFERENCES` on them': async ({ admin, app, grant, may, arrived, fail }) => {
    await grant(USAGE, ...OWN_TABLES.map((table) => `ALL ON ${table}`), 'CREATE ON SCHEMA public');
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

  'any privilege on `_sio.queue_id`': async ({ admin, app, grant, may, mayNot, arrived }) => {
    await mayNot(`SELECT nextval('_sio.queue_id')`);
    await grant(USAGE, 'ALL ON SEQUENCE _sio.queue_id');
    const emit = (event) => app.query(`BEGIN; SET LOCAL socketio_emitter.delivery = 'queue'; SELECT sio_emit('/', '{}', '${event}'); COMMIT`);
    await may(`SELECT setval('_sio.queue_id', 1000)`);
    await emit('first');
    await may(`SELECT setval('_sio.queue_id', 500)`);
    await emit('second');
    await admin.query('SELECT sio_deliver()');
    assert.deepEqual(await arrived(), [['second'], ['first']]);
  },
};
