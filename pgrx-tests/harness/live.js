// Live tables under observation: a database with the extension, a schema `shop` that an ordinary role owns, a server,
// and clients in rooms.
import { connectClient, received } from './clients.js';
import { listen } from './listener.js';
import { startPostgres } from './postgres.js';
import { createRoles, EMITTER_ROLE, prepareDatabase, SERVERS_ROLE } from './roles.js';
import { closeAll, startServers } from './servers.js';

const BROADCAST = 3;

/** Who owns `shop` and its tables in the tests. It may execute the functions, and has no other right. */
export const OWNER_ROLE = EMITTER_ROLE;

/**
 * `clients` names them: name → rooms, or { nsp, rooms }. With `cluster` it is another database on that server, which
 * then isn't stopped by close().
 */
export async function startLive({ name, cluster, database = 'postgres', conf, namespaces = ['/'], clients }) {
  const live = new Live();
  live.postgres = cluster ?? (await startPostgres({ name, conf }));
  live.ownsCluster = !cluster;
  live.database = database;
  try {
    const first = await live.postgres.connect();
    if (!cluster) await createRoles(first, SERVERS_ROLE, EMITTER_ROLE);
    await first.query(`GRANT CREATE ON DATABASE ${database} TO ${OWNER_ROLE};
                       ALTER ROLE ${OWNER_ROLE} IN DATABASE ${database} SET search_path = shop, public`);
    await first.end();
    live.admin = await prepareDatabase(live.postgres, { database, roles: false });
    live.app = await live.postgres.connect({ database, user: OWNER_ROLE });
    live.listeners = new Map();
    for (const nsp of namespaces) {
      live.listeners.set(nsp, await listen(live.postgres, { database, channel: `socket.io#${nsp}` }));
    }
    [live.server] = await startServers(live.postgres, { count: 1, database, namespaces });
    live.clients = new Map();
    for (const [client, spec] of Object.entries(clients)) await live.join(client, spec);
    await live.reset();
  } catch (error) {
    await live.close();
    throw error;
  }
  return live;
}

class Live {
  /** Another client, until `leave`. */
  async join(name, spec) {
    const { nsp = '/', rooms } = Array.isArray(spec) ? { rooms: spec } : spec;
    this.clients.set(name, { nsp, client: await connectClient(this.server, { nsp, rooms }) });
  }

  async leave(...names) {
    for (const name of names) {
      await this.clients.get(name)?.client.close();
      this.clients.delete(name);
    }
  }

  /** An empty `shop`, no transaction, no settings, nothing under way: what each test begins with. */
  async reset() {
    await this.app.query('ROLLBACK; RESET ALL');
    await this.app.query('DROP SCHEMA IF EXISTS shop CASCADE');
    await this.app.query('CREATE SCHEMA shop');
    await this.got();
    for (const listener of this.listeners.values()) await listener.texts();
    await this.admin.query('TRUNCATE socket_io_attachments');
  }

  /**
   * What clients received since the last call: name → [event, ...arguments][]. Who got nothing isn't in it. With `meta`, also
   * what events tell of themselves.
   */
  async got({ meta = false } = {}) {
    const all = {};
    for (const nsp of this.listeners.keys()) {
      const here = [...this.clients].filter(([, each]) => each.nsp === nsp);
      const lists = await received(this.app, here.map(([, { client }]) => client), { nsp }).catch(async (error) => {
        error.message += `; ${await this.#underWay(nsp)}`;
        throw error;
      });
      here.forEach(([name], i) => lists[i].length > 0 && (all[name] = meta ? lists[i] : lists[i].map(withoutMeta)));
    }
    return all;
  }

  /** Where messages that don't arrive may have got to, for an error. */
  async #underWay(nsp) {
    const { pool: { totalCount, idleCount, waitingCount }, errors, packets } = this.server;
    const { rows } = await this.admin.query('SELECT state, wait_event, query FROM pg_stat_activity WHERE usename = $1', [SERVERS_ROLE])
      .catch(({ message }) => ({ rows: message }));
    return JSON.stringify({
      notified: (await this.listeners.get(nsp).texts()).slice(-3),
      servers: { totalCount, idleCount, waitingCount, errors, sessions: rows },
      handedToConnections: packets.slice(-3).map(({ data }) => String(data).slice(0, 200)),
      connected: [...this.clients].map(([name, { client }]) => [name, client.socket.connected]),
    });
  }

  /**
   * What was notified since the last call, whoever may hear it, in order: { event, args, rooms, except, attached }. The
   * harness's own marks are left out. With `meta`, also what events tell of themselves.
   */
  async sent(nsp = '/', { meta = false } = {}) {
    const all = [];
    const listener = this.listeners.get(nsp);
    for (const message of await listener.messages()) {
      if (message.type !== BROADCAST) continue; // a probe of the harness
      const attached = message.attachmentId !== undefined;
      const { data: { packet, opts } } = attached ? await listener.attachment(message) : message;
      const [event, ...args] = meta ? packet.data : withoutMeta(packet.data);
      if (!event.startsWith('harness:')) all.push({ event, args, rooms: opts.rooms, except: opts.except, attached });
    }
    return all;
  }

  /** The texts of the notifications, as they travelled. */
  async texts() {
    return (await this.listeners.get('/').texts()).filter((text) => !text.includes('"harness:'));
  }

  /** Runs `work` with a connection of that role. */
  async as(user, work, options) {
    const session = await this.postgres.connect({ database: this.database, user, ...options });
    try {
      return await work(session);
    } finally {
      await session.end();
    }
  }

  /** sio_watch by the owner, with these further parameters. Without rooms among them, everyone is meant. */
  async watch(parameters = '', table = 'orders') {
    await this.app.query(`SELECT sio_watch('${table}'${watched(parameters)})`);
  }

  /** sio_unwatch by the owner: how many watches it says that it removed. */
  async unwatch(parameters = `'orders'`) {
    return (await this.app.query(`SELECT sio_unwatch(${parameters}) AS n`)).rows[0].n;
  }

  /** name → definition, of the table's triggers. */
  async triggers(table = 'orders') {
    const { rows } = await this.app.query(`
      SELECT tgname AS name, pg_get_triggerdef(oid) AS definition FROM pg_trigger
       WHERE tgrelid = '${table}'::regclass AND NOT tgisinternal ORDER BY 1`);
    return Object.fromEntries(rows.map(({ name, definition }) => [name, definition]));
  }

  /** The names of the table's triggers, in order. */
  async triggerNames(table) {
    return Object.keys(await this.triggers(table));
  }

  /** How many rows a query of the owner's finds. */
  async count(from) {
    return (await this.app.query(`SELECT FROM ${from}`)).rowCount;
  }

  async close() {
    await closeAll([...(this.clients?.values() ?? [])].map(({ client }) => client), this.server);
    if (this.ownsCluster) await this.postgres.stop();
    else await Promise.all([this.admin, this.app, ...[...(this.listeners?.values() ?? [])].map(({ client }) => client)]
      .filter(Boolean).map((session) => session.end()));
  }
}

/** Parameters of sio_watch behind the table. Without rooms among them, everyone is meant. */
export function watched(parameters) {
  const hasRooms = /^'|^ARRAY|\brooms =>|\beveryone =>/.test(parameters);
  return `${parameters && `, ${parameters}`}${hasRooms ? '' : ', everyone => true'}`;
}

/** Whether that is what an event of a watch tells of itself. */
export const isMeta = (arg) => typeof arg?.xid === 'string' && typeof arg.seq === 'string' && Object.keys(arg).length === 2;

/** An event and its arguments, without what it tells of itself. */
export const withoutMeta = (event) => (isMeta(event.at(-1)) ? event.slice(0, -1) : event);

/** CREATE TRIGGER `name` … FOR EACH ROW, with these arguments. */
export function rowTrigger(table, ops, args = [], { name = 'live', more = '' } = {}) {
  return `CREATE TRIGGER ${name} AFTER ${ops} ON ${table} FOR EACH ROW ${more} EXECUTE FUNCTION ${call(args)}`;
}

const TRANSITION_TABLES = {
  INSERT: 'REFERENCING NEW TABLE AS added',
  UPDATE: 'REFERENCING OLD TABLE AS before NEW TABLE AS after',
  DELETE: 'REFERENCING OLD TABLE AS gone',
  TRUNCATE: '',
};

/** CREATE TRIGGER live_insert … FOR EACH STATEMENT and so on, with all transition tables unless told. */
export function statementTriggers(table, ops, args = [], { name = 'live', referencing } = {}) {
  const one = (op) => `
    CREATE TRIGGER ${name}_${op.toLowerCase()} AFTER ${op} ON ${table} ${referencing ?? TRANSITION_TABLES[op]}
      FOR EACH STATEMENT EXECUTE FUNCTION ${call(args)}`;
  return [ops].flat().map(one).join(';');
}

function call(args) {
  return `public.sio_emit_changes(${args.map((arg) => `'${arg.replaceAll("'", "''")}'`).join(', ')})`;
}
