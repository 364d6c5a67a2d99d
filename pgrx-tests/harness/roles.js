// The two roles of a deployment, with exactly what docs/privileges.md tells its readers to grant.

/** Whom the Socket.IO servers connect as. */
export const SERVERS_ROLE = 'socketio_servers';

/** Who emits in the tests: an ordinary role. */
export const EMITTER_ROLE = 'app';

/** The table as the documentation of the servers' adapter creates it. */
export const OFFICIAL_TABLE = `
CREATE TABLE socket_io_attachments (
    id          bigserial UNIQUE,
    created_at  timestamptz DEFAULT NOW(),
    payload     bytea
)`;

/** All that the servers need, no less: each line is needed by one of their statements (e2e/trust/grants.test.js). */
export const SERVER_GRANTS = `
GRANT SELECT, INSERT, DELETE ON socket_io_attachments TO socketio_servers;
GRANT USAGE ON SEQUENCE socket_io_attachments_id_seq TO socketio_servers;
`.trim();

/** The same for an extension that isn't in `public`, which every role may use. */
export function serverGrantsIn(schema) {
  return [
    `GRANT USAGE ON SCHEMA ${schema} TO ${SERVERS_ROLE};`,
    SERVER_GRANTS.replaceAll('socket_io_attachments', `${schema}.socket_io_attachments`),
  ].join('\n');
}

export async function createRoles(admin, ...roles) {
  for (const role of roles) await admin.query(`CREATE ROLE ${role} LOGIN`);
}

/** Grants every function of the extension, and nothing else, to the role. */
export async function grantExecute(admin, role) {
  const { rows } = await admin.query(MEMBER_FUNCTIONS);
  if (rows.length === 0) throw new Error('the extension has no functions');
  for (const { signature } of rows) await admin.query(`GRANT EXECUTE ON FUNCTION ${signature} TO ${role}`);
}

/** Each function that belongs to the extension: name, signature (qualified when it has to be). */
export const MEMBER_FUNCTIONS = `
  SELECT CASE p.pronamespace WHEN to_regnamespace('_sio') THEN '_sio.' ELSE '' END || p.proname AS name, p.oid::regprocedure::text AS signature, p.oid
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid
   WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
     AND d.deptype = 'e' AND e.extname = 'socketio_emitter' AND p.prokind = 'f'
   ORDER BY 1, 2`;

/** A database as most tests want it: the extension in `public`, both roles with their grants. → the superuser's client */
export async function prepareDatabase(cluster, { database = 'postgres', roles = true } = {}) {
  const admin = await cluster.connect({ database });
  await admin.query('CREATE EXTENSION socketio_emitter');
  if (roles) await createRoles(admin, SERVERS_ROLE, EMITTER_ROLE);
  await admin.query(SERVER_GRANTS);
  await grantExecute(admin, EMITTER_ROLE);
  return admin;
}
