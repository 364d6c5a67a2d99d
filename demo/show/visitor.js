// Runs SQL that a visitor typed. It comes from anyone, so Postgres runs it as a role that may change orders and nothing else
// (show.sql). What a role can't be denied is bounded here: time, what is sent back, and how many at once.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';

export const ROLE = 'socketio_demo';
const PHOTOS = new URL('../photos/', import.meta.url);
// Of its sessions. It may set all but the last one anew, for good, too: so time is bounded here as well, and what it has set is set back.
const SETTINGS = { statement_timeout: '3s', lock_timeout: '2s', idle_in_transaction_session_timeout: '3s', temp_file_limit: '64MB' };
// What of the role itself may change: its password, and its settings in all databases.
const LOOK = `
  SELECT jsonb_build_array(rolpassword, (SELECT jsonb_agg(s ORDER BY setdatabase) FROM pg_db_role_setting s WHERE setrole = r.oid))::text AS look
    FROM pg_authid r WHERE rolname = '${ROLE}'`;
const RESETS = `
  SELECT format('ALTER ROLE %I IN DATABASE %I RESET ALL', '${ROLE}', datname) AS reset
    FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE setrole = '${ROLE}'::regrole`;
const MOST = { characters: 20_000, milliseconds: 5_000, bytes: 1_000_000, rows: 20, cells: 12, text: 200, commands: 50, atOnce: 4 };

export class Visitor {
  #connectionString;
  #pool;
  #delivery;
  #running = 0;
  #password = randomBytes(24).toString('hex'); // which nobody else knows
  #look; // at the role, when it was as it has to be
  #photos;
  /** Why there is none, or null. */
  why = null;

  constructor(connectionString, pool, delivery) {
    this.#connectionString = connectionString;
    this.#pool = pool;
    this.#delivery = delivery;
    const names = readdirSync(PHOTOS).map((file) => file.replace('.png', ''));
    this.#photos = new Map(names.map((name) => [name, readFileSync(new URL(`${name}.png`, PHOTOS), 'base64')]));
  }

  /** Makes the role ready, and tries it. */
  async prepare() {
    try {
      const url = new URL(this.#connectionString);
      url.username = ROLE;
      url.password = this.#password;
      for (const name of ['user', 'password']) url.searchParams.delete(name);
      if (url.username !== ROLE) throw new Error('give the database as postgres://USER@HOST:PORT/DATABASE');
      this.#connectionString = url.href;
      await this.#secure();
      const client = await this.#connect('try');
      const { rows: [{ is_other: isOther }] } = await client.query(
        `SELECT session_user <> '${ROLE}' OR rolsuper AS is_other FROM pg_roles WHERE rolname = session_user`,
      );
      await client.end();
      if (isOther) throw new Error('Postgres takes it for another one');
    } catch (error) {
      this.why = `There is no SQL from this page, as nobody can connect as the role ${ROLE}: ${error.message}. Use psql.`;
    }
  }

  /**
   * Runs one or some statements in a session of their own: → { commands: [{ command, count, columns, rows }], error, note }. Never throws
   * for what the SQL does.
   */
  async run(sql, run) {
    const problem = this.#problem(sql);
    if (problem) return { commands: [], error: { message: problem } };
    this.#running += 1;
    try {
      return await this.#runIn(await this.#connect(run), sql);
    } catch (error) {
      return { commands: [], error: told(error) };
    } finally {
      this.#running -= 1;
      await this.#secure().catch((error) => console.error(`the role ${ROLE}: ${error.message}`));
    }
  }

  // A role may alter its own password and settings.
  async #secure() {
    const look = async () => (await this.#pool.query(LOOK)).rows[0]?.look;
    if (this.#look && await look() === this.#look) return;
    const { rows } = await this.#pool.query(RESETS);
    await this.#pool.query([
      ...rows.map(({ reset }) => reset),
      `ALTER ROLE ${ROLE} RESET ALL`,
      `ALTER ROLE ${ROLE} PASSWORD '${this.#password}'`,
      ...Object.entries(SETTINGS).map(([name, value]) => `ALTER ROLE ${ROLE} SET ${name} = '${value}'`),
    ].join('; '));
    this.#look = await look();
  }

  #problem(sql) {
    if (this.why) return this.why;
    if (typeof sql !== 'string' || sql.trim() === '') return 'there is no SQL';
    if (sql.length > MOST.characters) return `more than ${MOST.characters} characters`;
    if (sql.includes('\0')) return 'SQL has no null characters';
    if (this.#running >= MOST.atOnce) return `${MOST.atOnce} others are running: try again`;
    return undefined;
  }

  async #connect(run) {
    const client = new pg.Client({
      connectionString: this.#connectionString,
      application_name: `demo ${run}`,
      options: `-c socketio_emitter.delivery=${this.#delivery.mode}`,
      connectionTimeoutMillis: MOST.milliseconds,
    });
    client.on('error', () => {}); // the query's own fails, too
    await client.connect();
    return client;
  }

  async #runIn(client, sql) {
    const { stream } = client.connection;
    let reason;
    // Also of what no cancellation stops. Postgres sees a connection that is gone only when it writes: so both.
    const end = (why) => {
      reason ??= why;
      this.#pool.query('SELECT pg_terminate_backend($1)', [client.processID]).catch(() => {}).finally(() => stream.destroy());
    };
    const timer = setTimeout(() => end(`ended after ${MOST.milliseconds / 1000} s`), MOST.milliseconds);
    let bytes = 0;
    stream.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes <= MOST.bytes) return;
      stream.pause();
      end(`ended after more than ${MOST.bytes / 1e6} MB of results`);
    });
    let answer;
    try {
      answer = await resultsOf(client, this.#withPhotos(sql));
    } finally {
      clearTimeout(timer);
      stream.resume();
      await Promise.race([client.end().catch(() => {}), new Promise((ended) => setTimeout(ended, 1_000).unref())]);
      stream.destroy();
    }
    if (reason) answer.error = { message: `${reason}: that is the demo's limit` };
    return answer;
  }

  // As psql does after \set mug `base64 -w 0 photos/mug.png`.
  #withPhotos(sql) {
    return sql.replace(/:'(\w+)'/g, (text, name) => (this.#photos.has(name) ? `'${this.#photos.get(name)}'` : text));
  }
}

// What each command returned, up to an error. As the protocol tells it: pg itself keeps all rows, and after an error no result.
function resultsOf(client, text) {
  return new Promise((resolve) => {
    const commands = [];
    let columns = [];
    let rows = [];
    client.connection.on('rowDescription', ({ fields }) => {
      columns = fields.slice(0, MOST.cells).map(({ name }) => name);
    });
    client.connection.on('dataRow', ({ fields }) => {
      if (rows.length < MOST.rows) rows.push(fields.slice(0, MOST.cells).map((value) => value?.slice(0, MOST.text) ?? null));
    });
    client.connection.on('commandComplete', ({ text: tag }) => {
      const [, command, count] = /^(\D*?)(?: \d+)*?(?: (\d+))?$/.exec(tag);
      if (commands.length < MOST.commands) commands.push({ command, count: count ? Number(count) : null, columns, rows });
      columns = [];
      rows = [];
    });
    let isOpen = false;
    client.connection.prependListener('readyForQuery', ({ status }) => {
      isOpen = status !== 'I';
    });
    const note = () => (isOpen ? { note: 'The transaction was left open, so it is rolled back.' } : {});
    const query = new pg.Query({ text });
    query.on('row', () => {}); // so that pg keeps none
    query.on('error', (error) => resolve({ commands, error: told(error) }));
    query.on('end', () => resolve({ commands, ...note() }));
    client.query(query);
  });
}

/** An error as the page shows it. */
function told({ code, message, detail, hint }) {
  const short = (text) => text?.slice(0, 500);
  return { sqlstate: /^[0-9A-Z]{5}$/.test(code) ? code : undefined, message: short(message), detail: short(detail), hint: short(hint) };
}
