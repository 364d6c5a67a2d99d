// Values that jsonb, text or the database's encoding has no form for: one client, or one server, must not break every answer.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { rowsOf, untilNothingIsLeft } from '../../harness/asking.js';
import { connectClient } from '../../harness/clients.js';
import { startPostgres } from '../../harness/postgres.js';
import { EMITTER_ROLE, prepareDatabase, SERVER_GRANTS } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { grantExecute } from '../../harness/roles.js';

const LARGE = 'x'.repeat(9_000);
const deep = (levels) => { let value = []; for (let i = 1; i < levels; i++) value = [value]; return value; };

// name; what a handler acknowledges; what the answer is, short (JSON) and, where it differs, large (MessagePack).
const VALUES = [
  ['NUL', 'a\0b', 'a\uFFFDb'],
  ['half of a character', 'a\ud800b', 'a\uFFFDb', 'a\uFFFD\uFFFD\uFFFDb'],
  ['NUL in a key', { 'k\0': 1 }, { 'k\uFFFD': 1 }],
  ['a whole character of two halves', '😀', '😀'],
  ['a text of everything that JSON escapes', '"\\\b\f\n\r\t\u0001\u007f\u2028/', '"\\\b\f\n\r\t\u0001\u007f\u2028/'],
  ['a date', new Date('2026-11-28T12:34:56.789Z'), '2026-11-28T12:34:56.789Z'],
  ['a date long ago', new Date(-62_198_755_200_000), '-000001-01-01T00:00:00.000Z'],
  // The servers' encoder of MessagePack takes it for the first of all.
  ['no date', new Date(NaN), null, '1970-01-01T00:00:00.000Z'],
  ['undefined in an object', { a: undefined, b: 1 }, { b: 1 }, { a: null, b: 1 }],
  ['undefined in a list', [undefined], [null]],
  ['what is no number', [NaN, Infinity, -Infinity, -0], [null, null, null, 0]],
  ['numbers', [1.5, 1e21, 5e-324, Number.MAX_SAFE_INTEGER, -1], [1.5, 1e21, 5e-324, Number.MAX_SAFE_INTEGER, -1]],
];

describe('a value that is', () => {
  let postgres, admin, app, servers;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-odd-values' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    servers = await startServers(postgres, { count: 1 });
    servers[0].io.on('value', (index, isLarge, done) => done(isLarge ? [VALUES[index][1], LARGE] : [VALUES[index][1]]));
  });

  after(async () => {
    await closeAll(servers ?? []);
    await untilNothingIsLeft(admin);
    await postgres?.stop();
  });

  const answer = async (index, isLarge) => (await rowsOf(app, `
    SELECT answer -> 0 AS answer FROM sio_server_side_emit_with_ack('/', 'value', ARRAY[to_jsonb($1::int), to_jsonb($2::bool)], servers => 1)`,
  [index, isLarge]))[0].answer;

  for (const [index, [name, , short, large = short]] of VALUES.entries()) {
    it(`${name} arrives, in a short answer and in a large one`, async () => {
      assert.deepEqual(await answer(index, false), short);
      assert.deepEqual(await answer(index, true), large);
    });
  }

  it('a client\'s own, in its handshake, its rooms and its data, takes nobody else\'s away', async () => {
    const odd = await connectClient(servers[0], { auth: { token: 'a\0\ud800', rooms: ['r\0', '\udc00'] } });
    const other = await connectClient(servers[0], { rooms: ['other'] });
    servers[0].io.of('/').sockets.get(odd.id).data['k\0'] = '\ud800';
    const rows = await rowsOf(app, `SELECT * FROM sio_fetch_sockets_with_handshake('/', servers => 1)`);
    const row = rows.find(({ id }) => id === odd.id);
    assert.deepEqual(row.rooms, [odd.id, 'r\uFFFD', '\uFFFD']);
    assert.deepEqual(row.data, { 'k\uFFFD': '\uFFFD' });
    assert.equal(row.handshake.auth.token, 'a\uFFFD\uFFFD');
    assert.deepEqual(rows.find(({ id }) => id === other.id).rooms, [other.id, 'other']);
    await closeAll([odd, other]);
  });

  it('nested too deep is left out with a warning, and the socket is told', async () => {
    const [first, second] = await Promise.all([connectClient(servers[0]), connectClient(servers[0])]);
    const sockets = servers[0].io.of('/').sockets;
    sockets.get(first.id).data.deep = deep(511);
    sockets.get(second.id).data.deep = deep(512);
    const warnings = [];
    const rows = await rowsOf(app, `SELECT id, data IS NULL AS lacks FROM sio_fetch_sockets('/', servers => 1)`, [], warnings);
    assert.deepEqual(rows.map(({ id, lacks }) => [id, lacks]).sort(), [[first.id, false], [second.id, true]].sort());
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^1 values in the answer of server .* could not be read$/);
    await closeAll([first, second]);
  });

  it('not in the attachments table any more is missing, with a warning', async () => {
    servers[0].io.on('vanishing', (done) => done(LARGE));
    await admin.query(`CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM socket_io_attachments; RETURN NULL; END';
                       CREATE TRIGGER vanish AFTER INSERT ON socket_io_attachments EXECUTE FUNCTION vanish()`);
    const warnings = [];
    const rows = await rowsOf(app, `
      SELECT * FROM sio_server_side_emit_with_ack('/', 'vanishing', servers => 1, timeout => '2 s', partial => true)`, [], warnings);
    assert.deepEqual(rows, []);
    assert.match(warnings[0], /could not be read from row \d+ of the attachments table$/);
    assert.match(warnings[1], /^0 of 1 servers answered/);
    await admin.query('DROP FUNCTION vanish CASCADE');
  });

  it('in a table that messages can\'t be stored in is read all the same', async () => {
    servers[0].io.on('large', (done) => done(LARGE));
    await admin.query('ALTER TABLE socket_io_attachments ADD CONSTRAINT filled CHECK (length(payload) > 0)');
    const [{ answer: large }] = await rowsOf(app, `SELECT * FROM sio_server_side_emit_with_ack('/', 'large', servers => 1)`);
    assert.equal(large, LARGE);
    await admin.query('ALTER TABLE socket_io_attachments DROP CONSTRAINT filled');
  });

  it('found without an index, or by an integer id, is read all the same', async () => {
    for (const change of [
      'ALTER TABLE socket_io_attachments DROP CONSTRAINT socket_io_attachments_id_key',
      'ALTER TABLE socket_io_attachments ALTER COLUMN id TYPE int',
    ]) {
      await admin.query(change);
      const [{ answer: large }] = await rowsOf(app, `SELECT * FROM sio_server_side_emit_with_ack('/', 'large', servers => 1)`);
      assert.equal(large, LARGE);
    }
  });

  it('messages of strangers on the channel are passed over', async () => {
    servers[0].io.on('one', (done) => done(1));
    const stranger = await postgres.connect();
    const messages = [
      'hello', '{', '{}', '[]', '{"uid":1,"type":8}', '{"uid":"x"}', `{"uid":"emitter","type":10}`, '{"uid":"","type":2}',
      '{"uid":"\\ud800","type":2}',
    ];
    const asked = rowsOf(app, `SELECT answer FROM sio_server_side_emit_with_ack('/', 'one', servers => 1)`);
    for (const message of messages) await stranger.query('SELECT pg_notify($1, $2)', ['socket.io#/', message]);
    assert.deepEqual(await asked, [{ answer: 1 }]);
    await stranger.end();
  });
});

describe('in a database', () => {
  let postgres, admin;

  before(async () => {
    postgres = await startPostgres({ name: 'ask-encodings' });
    admin = await prepareDatabase(postgres);
  });

  after(() => postgres?.stop());

  for (const { encoding, own, short, large, euro } of [
    { encoding: 'UTF8', own: 'WIN1252', short: '日本', large: '日本😀', euro: '€' },
    { encoding: 'LATIN1', own: 'UTF8', short: 'é', large: 'é?', euro: '?' },
    { encoding: 'SQL_ASCII', own: 'WIN1252', short: 'é€', large: 'é€😀', euro: '€' },
    { encoding: 'EUC_JP', own: 'SJIS', short: '日本', large: '日本?', euro: '?' },
  ]) {
    it(`of encoding ${encoding}, with ${own} as client_encoding of its own, answers are text of it`, async () => {
      const name = `asked_${encoding.toLowerCase()}`;
      await postgres.createDatabase(name, { encoding });
      await admin.query(`ALTER DATABASE ${name} SET client_encoding = '${own}'`);
      const owner = await postgres.connect({ database: name });
      await owner.query(`SET client_encoding = 'UTF8'; CREATE EXTENSION socketio_emitter; ${SERVER_GRANTS}`);
      await grantExecute(owner, EMITTER_ROLE);
      const app = await postgres.connect({ user: EMITTER_ROLE, database: name });
      await app.query(`SET client_encoding = 'UTF8'`);
      const servers = await startServers(postgres, { count: 1, database: name });
      servers[0].io.on('value', (isLarge, done) => done(isLarge ? `${short}😀${LARGE}` : short));
      const ask = async (isLarge) => (await rowsOf(app, `
        SELECT answer #>> '{}' AS answer FROM sio_server_side_emit_with_ack('/', 'value', ARRAY[to_jsonb($1::bool)], servers => 1)`,
      [isLarge]))[0].answer;
      assert.equal(await ask(false), short);
      assert.equal(await ask(true), `${large}${LARGE}`);
      const client = await connectClient(servers[0], { rooms: [`${LARGE}€`] });
      const [{ room }] = await rowsOf(app, `SELECT replace(rooms[2], $1, '') AS room FROM sio_fetch_sockets('/', servers => 1)`, [LARGE]);
      assert.equal(room, euro);
      await closeAll([client], servers);
      await Promise.all([app.end(), owner.end()]);
    });
  }
});
