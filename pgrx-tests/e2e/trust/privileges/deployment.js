// A deployment, and a role in it that has nothing: what the tests of docs/privileges.md work with.
import { connectClient, received } from '../../../harness/clients.js';
import { listen } from '../../../harness/listener.js';
import { startPostgres } from '../../../harness/postgres.js';
import { refused } from '../../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase } from '../../../harness/roles.js';
import { closeAll, startServers } from '../../../harness/servers.js';

export const ATTACHMENTS = 'socket_io_attachments';
export const VIEWS = ['sio_status', 'sio_failed', 'sio_watches'];
export const OWN_TABLES = ['_sio.queue', '_sio.sent', '_sio.failed', '_sio.totals'];

export const binary = (event = 'e') => `SELECT sio_emit_binary('/', '{}', '${event}', '\\x41')`;

/** Sessions of a superuser, of one who emits, and of `someone`, who gets a new role for each test. */
export class Deployment {
  async start() {
    this.postgres = await startPostgres({ name: 'privileges', conf: { 'socketio_emitter.payload_threshold': 8000 } });
    this.admin = await prepareDatabase(this.postgres);
    await this.admin.query(`CREATE TABLE notes (id int PRIMARY KEY, room text)`);
    this.app = await this.postgres.connect({ user: EMITTER_ROLE });
    this.listener = await listen(this.postgres);
    [this.server] = await startServers(this.postgres, { count: 1 });
    this.client = await connectClient(this.server, { rooms: ['inside'] });
  }

  async stop() {
    await closeAll(this.client, this.server);
    await this.postgres?.stop();
  }

  async createSomeone() {
    await this.admin.query(`CREATE ROLE someone LOGIN; TRUNCATE ${ATTACHMENTS}, notes`);
    this.someone = await this.postgres.connect({ user: 'someone' });
    await this.arrived();
    await this.listener.texts();
  }

  async dropSomeone() {
    await this.someone.end();
    await this.admin.query('ROLLBACK; RESET ALL; DROP OWNED BY someone CASCADE; DROP ROLE someone; SELECT sio_deliver(), sio_discard()');
  }

  grant = (...privileges) => this.admin.query(privileges.map((each) => `GRANT ${each} TO someone`).join(';'));
  may = (sql) => this.someone.query(sql);
  mayNot = (sql, code = '42501') => refused(this.someone, sql, code);
  arrived = async () => (await received(this.app, [this.client]))[0];

  /** Each of the functions is refused until it is granted; then `check` does its work, with the result of each call. */
  executes = async (calls, check) => {
    for (const call of Object.values(calls)) await this.mayNot(call);
    await this.grant(...Object.keys(calls).map((name) => `EXECUTE ON FUNCTION ${name}`));
    const results = {};
    for (const [name, call] of Object.entries(calls)) results[name] = await this.may(call);
    await check?.(results);
  };

  /** Two messages that were set aside: [id]. */
  fail = async () => {
    await this.admin.query(`CREATE TABLE extra (id bigserial, created_at timestamptz, payload bytea); BEGIN; SET LOCAL socketio_emitter.delivery = 'queue';
      SET LOCAL socketio_emitter.table_name = 'extra'; ${binary('one')}; ${binary('two')}; DROP TABLE extra; COMMIT`);
    await this.admin.query('SELECT sio_deliver()');
    return (await this.admin.query('SELECT id FROM sio_failed ORDER BY 1')).rows.map(({ id }) => id);
  };

  /** An attachment that waits for its servers, which don't know of it. */
  attach = async () => {
    await this.admin.query(`BEGIN; ${binary()}; COMMIT`);
    return (await this.admin.query(`SELECT id FROM ${ATTACHMENTS} ORDER BY id DESC LIMIT 1`)).rows[0].id;
  };
}
