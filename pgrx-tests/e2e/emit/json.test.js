// A payload of type json, as row_to_json() returns it: CALL takes it, and SELECT says so. Whatever was a call of the function before still
// is one: literals, parameters of no type yet, texts of any type, and its name alone.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { lacks } from '../../harness/features.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

describe('a payload of type json', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'emit-json' });
    admin = await prepareDatabase(postgres);
    await createRoles(admin, 'nobody');
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());
  beforeEach(async () => listener.texts());

  const packets = async () => (await listener.messages()).map(({ data: { packet, opts } }) => ({ data: packet.data, opts }));
  const data = async () => (await packets()).map((packet) => packet.data);

  it('is a matter for CALL, which the hint of the error says', async () => {
    await admin.query('CREATE TABLE orders (id int, note text); GRANT ALL ON orders TO app');
    for (const payload of ['row_to_json(orders)', 'payload => row_to_json(orders)', 'NULL::json']) {
      await refused(app, `SELECT sio_emit('/', '{}', 'order', ${payload}) FROM orders`, '42809', { says: /is a procedure/, hint: /^To call a procedure, use CALL\.$/ });
    }
    // As somebody would write it, and write it again.
    await admin.query(`
      CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM sio_emit('/', '{staff}', 'order', row_to_json(NEW)); RETURN NULL; END $$;
      CREATE TRIGGER announce AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION announce()`);
    await refused(app, `INSERT INTO orders VALUES (1, 'a')`, '42809', { hint: /use CALL/ });
    await admin.query(`
      CREATE OR REPLACE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN CALL sio_emit('/', '{staff}', 'order', row_to_json(NEW)); RETURN NULL; END $$`);
    await app.query(`INSERT INTO orders VALUES (1, 'a')`);
    const [{ data: args, opts }] = await packets();
    assert.deepEqual([args, opts.rooms], [['order', { id: 1, note: 'a' }], ['staff']]);
  });

  it('is emitted as its jsonb is, with all that the function takes', async () => {
    await app.query(`CALL sio_emit('chat', ARRAY['a', 'b'], 'e', '{"b": 1, "a": [1.50, null]}'::json, '{c}', true, false)`);
    await app.query(`CALL sio_emit(ns => '/', rooms => '{}', event => 'e', payload => json_build_object('file', sio_buffer(0)), binaries => ARRAY['\\x41'::bytea])`);
    const chat = await listen(postgres, { channel: 'socket.io#/chat' });
    await app.query(`CALL sio_emit('chat', '{a,b}', 'e', '{"b": 1, "a": [1.50, null]}'::json, '{c}', true, false);
                     SELECT sio_emit('chat', '{a,b}', 'e', '{"b": 1, "a": [1.50, null]}'::jsonb, '{c}', true, false)`);
    const [called, selected] = (await chat.texts()).map((text) => text.replace(/,"n":.*$/, ''));
    assert.equal(called, selected);
    assert.match(called, /1\.50/);
    await chat.close();
    assert.equal((await listener.messages()).length, 1);
  });

  it('that is NULL is no argument', async () => {
    await app.query(`CALL sio_emit('/', '{}', 'e', NULL::json); CALL sio_emit('/', '{}', 'e', 'null'::json)`);
    assert.deepEqual(await data(), [['e'], ['e', null]]);
  });

  it('needs EXECUTE on the function, and nothing else', async () => {
    const nobody = await postgres.connect({ user: 'nobody' });
    const call = `CALL sio_emit('/', '{}', 'e', '1'::json)`;
    await refused(nobody, call, '42501', { says: /permission denied for function sio_emit/ });
    await admin.query('GRANT EXECUTE ON FUNCTION sio_emit TO nobody');
    await nobody.query(call);
    assert.deepEqual(await data(), [['e', 1]]);
    await admin.query('REVOKE EXECUTE ON FUNCTION sio_emit FROM nobody');
    await nobody.end();
  });

  it('calls the function of the extension, whatever is on the search path', async () => {
    await admin.query(`CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO app;
      CREATE FUNCTION evil.sio_emit(text, text[], text, jsonb, text[], boolean, boolean, bytea[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$`);
    await app.query(`SET search_path = evil, pg_catalog; CALL public.sio_emit('/', '{}', 'e', '1'::json); RESET search_path`);
    assert.deepEqual(await data(), [['e', 1]]);
    await admin.query('DROP SCHEMA evil CASCADE');
  });

  describe('leaves calls of the function what they are:', () => {
    const CALLS = [
      `'/', '{}', 'e', '{"a": 1}'`, `'/', '{}', 'e', NULL`, `'/', '{}', 'e'`, `'/', '{}', 'e', '{}', volatile => true`,
      `ns => '/', rooms => '{}', event => 'e', payload => '{"a": 1}'`, `payload => '1', event => 'e', rooms => '{}', ns => '/'`,
      `'/', '{}', 'e', volatile => true`, `'/'::text, '{}'::text[], 'e'::text, '{"a": 1}'`, `'/'::varchar, '{}', 'e'::varchar, '{"a": 1}'`,
      `'/'::name, '{}', 'e'::name, '{"a": 1}'`, `'/'::char(1), ARRAY['a'], 'e'::char(1), '{"a": 1}'`, `'/'::"char", '{}', 'e', '{"a": 1}'`,
      `'/'::information_schema.character_data, '{}'::varchar[], 'e', '{"a": 1}'`, `'/', '{}', 'e', '{}'::jsonb`, `'/', '{}', 'e', NULL::jsonb`,
      `current_setting('socketio_emitter.channel_prefix'), ARRAY[current_user], 'e', '{"a": 1}'`,
    ];
    for (const args of CALLS) it(`sio_emit(${args})`, async () => app.query(`SELECT sio_emit(${args})`));

    it(`sio_emit('/'::citext, '{}', 'e'::citext, '{"a": 1}')`, { skip: lacks('citext') }, async () => {
      await admin.query('CREATE EXTENSION citext');
      await app.query(`SELECT sio_emit('/'::citext, '{}', 'e'::citext, '{"a": 1}')`);
    });

    it('parameters of no type', async () => {
      for (const text of ['SELECT sio_emit($1, $2, $3, $4)', 'SELECT sio_emit(ns => $1, rooms => $2, event => $3, payload => $4)']) {
        await app.query({ text, values: ['/', ['a'], 'e', { a: 1 }] });
        await app.query({ text, values: ['/', [], 'e', null] });
      }
      assert.deepEqual(await data(), [['e', { a: 1 }], ['e'], ['e', { a: 1 }], ['e']]);
      // The types that drivers ask for: JDBC says varchar of texts.
      await app.query(`PREPARE one AS SELECT sio_emit($1, $2, $3, $4); PREPARE two(varchar, unknown, varchar, unknown) AS SELECT sio_emit($1, $2, $3, $4)`);
      const { rows } = await app.query('SELECT parameter_types::text AS types FROM pg_prepared_statements ORDER BY name');
      assert.deepEqual(rows.map(({ types }) => types), ['{text,text[],text,jsonb}', '{"character varying",text[],"character varying",jsonb}']);
    });

    it('in grants and comments, by the name alone', async () => {
      await admin.query(`GRANT EXECUTE ON FUNCTION sio_emit TO nobody; REVOKE EXECUTE ON FUNCTION sio_emit FROM nobody`);
    });
  });
});
