// The SQL functions, with arguments that are right, so that a test can put a wrong one in its place.

const EMIT = { ns: `'/'`, rooms: `'{a}'`, event: `'e'` };
const OPTIONS = { except_rooms: `'{b}'`, volatile: 'false', compress: 'true' };
const BINARIES = { binaries: `ARRAY['\\x00'::bytea]` };

/** Function → parameter → an argument in SQL. Each call alone is right. */
export const CALLS = {
  sio_emit: { ...EMIT, payload: 'sio_buffer(0)', ...OPTIONS, ...BINARIES },
  sio_emit_args: { ...EMIT, args: 'ARRAY[sio_buffer(0)]', ...OPTIONS, ...BINARIES },
  sio_emit_binary: { ...EMIT, payload: `'\\x00'::bytea`, ...OPTIONS },
  sio_server_side_emit: { ns: `'/'`, event: `'e'`, payload: 'sio_buffer(0)', ...BINARIES },
  sio_server_side_emit_args: { ns: `'/'`, event: `'e'`, args: 'ARRAY[sio_buffer(0)]', ...BINARIES },
  sio_sockets_join: { ns: `'/'`, rooms: `'{a}'`, join_rooms: `'{c}'`, except_rooms: `'{b}'` },
  sio_sockets_leave: { ns: `'/'`, rooms: `'{a}'`, leave_rooms: `'{c}'`, except_rooms: `'{b}'` },
  sio_disconnect_sockets: { ns: `'/'`, rooms: `'{a}'`, close: 'true', except_rooms: `'{b}'` },
  sio_encode: { ...EMIT, payload: 'sio_buffer(0)', ...OPTIONS, ...BINARIES },
  sio_cleanup: { max_age: `'1 hour'` },
  sio_buffer: { num: '0' },
};

export const FUNCTIONS = Object.keys(CALLS);

/** Those of live tables, which need a table, with their parameters. */
export const LIVE_FUNCTIONS = {
  sio_emit_changes: [],
  sio_watch: [
    'table_name', 'rooms', 'event', 'ns', 'payload', 'columns', 'except_columns', 'left_event', 'level', 'ops', 'name', 'old', 'batch',
    'meta', 'everyone', 'filter', 'changed', 'keys', 'bigints',
  ],
  sio_unwatch: ['table_name', 'name', 'if_exists'],
  sio_row: ['record', 'watch'],
  sio_snapshot: [],
  sio_check: [],
  sio_typescript: ['ns'],
};

/** Those of queued delivery, with their parameters. */
export const QUEUE_FUNCTIONS = {
  sio_deliver: ['max_messages'],
  sio_wait_delivered: ['timeout'],
  sio_retry: ['id'],
  sio_discard: ['id'],
};

const WAIT = { timeout: `'1 s'`, servers: 'NULL', partial: 'false' };

/** Questions to the servers: as CALLS. */
export const QUESTIONS = {
  sio_servers: { ns: `'/'`, settle: `'0'` },
  sio_fetch_sockets: { ns: `'/'`, rooms: `'{a}'`, except_rooms: `'{b}'`, ...WAIT },
  sio_fetch_sockets_with_handshake: { ns: `'/'`, rooms: `'{a}'`, except_rooms: `'{b}'`, ...WAIT },
  sio_is_online: { ns: `'/'`, rooms: `'{a}'`, timeout: `'1 s'` },
  sio_server_side_emit_with_ack: { ns: `'/'`, event: `'e'`, args: `ARRAY['1'::jsonb]`, ...WAIT },
};

/** Those that send something. */
export const SENDERS = FUNCTIONS.filter((name) => !['sio_encode', 'sio_cleanup', 'sio_buffer'].includes(name));

/** The function called with right arguments but for `changes`; a parameter that is undefined there is left out. */
export function call(name, changes = {}, schema = 'public') {
  const parameters = Object.entries({ ...CALLS[name] ?? QUESTIONS[name], ...changes }).filter(([, value]) => value !== undefined);
  const list = parameters.map(([parameter, value]) => `${parameter} => ${value}`).join(', ');
  return `SELECT * FROM ${schema}.${name}(${list.replaceAll('sio_buffer', `${schema}.sio_buffer`)})`;
}

/** [function, parameter] for each function that has one of the parameters. */
export function having(...parameters) {
  return FUNCTIONS.flatMap((name) => parameters.filter((each) => each in CALLS[name]).map((each) => [name, each]));
}
