// Every refusal of a question's arguments: its SQLSTATE, its words, and that nobody was asked.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { untilNothingIsLeft } from '../../harness/asking.js';
import { call, QUESTIONS } from '../../harness/functions.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

const NAMES = Object.keys(QUESTIONS);
const having = (parameter) => NAMES.filter((name) => parameter in QUESTIONS[name]);

describe('a question\'s refusals', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-errors' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(() => postgres?.stop());

  afterEach(async () => {
    await app.query('ROLLBACK; RESET ALL');
    await untilNothingIsLeft(admin);
    assert.deepEqual(await listener.texts(), [], 'nobody was asked');
  });

  it('don\'t meet the calls that these tests make wrong', async () => {
    for (const name of NAMES) await app.query(call(name));
    const types = (await listener.messages()).map(({ type }) => type);
    // Roll calls (1) and questions; sio_is_online puts its own first.
    assert.deepEqual(types, [1, 1, 7, 1, 7, 7, 1, 1, 9]);
  });

  for (const name of NAMES) {
    const parameters = Object.keys(QUESTIONS[name]).filter((parameter) => parameter !== 'servers');
    it(`meet null for each parameter of ${name} that needs a value: ${parameters.join(', ')}`, async () => {
      for (const parameter of parameters) {
        await refused(app, call(name, { [parameter]: 'NULL' }), '22004', { says: parameter });
      }
    });
  }

  it('meet a null among rooms, and a matrix of them', async () => {
    for (const parameter of ['rooms', 'except_rooms']) {
      for (const name of having(parameter)) {
        await refused(app, call(name, { [parameter]: `ARRAY['a', NULL]` }), '22004', { says: parameter });
        await refused(app, call(name, { [parameter]: `'{{a,b}}'::text[]` }), '2202E', { says: parameter });
      }
    }
  });

  it('meet a time or a number below zero', async () => {
    for (const parameter of ['timeout', 'settle']) {
      for (const name of having(parameter)) {
        await refused(app, call(name, { [parameter]: `'-1 ms'` }), '22023', { says: [parameter, 'zero or greater'] });
      }
    }
    for (const name of having('servers')) await refused(app, call(name, { servers: '-1' }), '22023', { says: 'servers' });
  });

  it('meet the names that servers reserve, and a placeholder of JSON is none', async () => {
    for (const event of ['connect', 'connection', 'new_namespace']) {
      await refused(app, call('sio_server_side_emit_with_ack', { event: `'${event}'` }), '22023', { says: event });
    }
  });

  it('meet an empty list of rooms only where it was not meant, under require_rooms', async () => {
    await app.query('SET socketio_emitter.require_rooms = on');
    await refused(app, call('sio_is_online', { rooms: `'{}'` }), '22023', { says: 'rooms' });
    await app.query(call('sio_fetch_sockets', { rooms: `'{}'`, servers: '0' }));
    await listener.texts();
  });

  it('meet a long question where there is no table for it, and no short one', async () => {
    await app.query(call('sio_fetch_sockets', { servers: '0' }));
    await listener.texts();
    await admin.query(`ALTER ROLE ${EMITTER_ROLE} SET socketio_emitter.table_name = 'missing'`);
    const other = await postgres.connect({ user: EMITTER_ROLE });
    await refused(other, call('sio_server_side_emit_with_ack', { args: `ARRAY[to_jsonb(repeat('x', 9000))]` }), '42P01', { says: 'missing' });
    await other.query(call('sio_server_side_emit_with_ack', { servers: '0' }));
    await other.end();
    await listener.texts();
  });

  it('meet who has no privilege, function by function', async () => {
    await createRoles(admin, 'nobody');
    const nobody = await postgres.connect({ user: 'nobody' });
    for (const name of NAMES) await refused(nobody, call(name), '42501', { says: name });
    await admin.query('GRANT EXECUTE ON FUNCTION sio_fetch_sockets TO nobody');
    await nobody.query(call('sio_fetch_sockets', { servers: '0' }));
    await refused(nobody, call('sio_fetch_sockets_with_handshake'), '42501');
    await nobody.end();
    await listener.texts();
  });

  it('don\'t depend on the caller\'s search path', async () => {
    await app.query('SET search_path = nowhere');
    for (const name of NAMES) await app.query(call(name, { ...(QUESTIONS[name].servers && { servers: '0' }) }));
    await listener.texts();
  });
});
