// Databases that aren't in UTF8: text arrives right in both forms, or is refused.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { connectClient, received } from '../../harness/clients.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { createRoles, EMITTER_ROLE, prepareDatabase, SERVERS_ROLE } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';

// Each with a text that it has, how many bytes that takes there, and bytes that are no text there or have no form in UTF-8.
const ENCODINGS = {
  LATIN1: { text: 'Größe é ÿ ¡', bytes: 11 },
  LATIN9: { text: 'Œuvre 5 €', bytes: 9 },
  WIN1252: { text: '“5 €” — Œ™', bytes: 10, unconvertible: '81' },
  EUC_JP: { text: '日本語カタカナ', bytes: 14, unconvertible: 'a9a1' },
  SQL_ASCII: { text: 'Größe 5 € 日本語 😀', bytes: 28, unconvertible: 'ff' },
  UTF8: { text: 'Größe 5 € 日本語 😀', bytes: 28 },
};

describe('a database in', () => {
  let postgres;

  before(async () => {
    postgres = await startPostgres({ name: 'encodings' });
    const admin = await postgres.connect();
    await createRoles(admin, EMITTER_ROLE, SERVERS_ROLE);
    await admin.end();
  });

  after(async () => postgres?.stop());

  for (const [encoding, { text, bytes, unconvertible }] of Object.entries(ENCODINGS)) {
    describe(encoding, () => {
      const database = encoding.toLowerCase();
      let admin, app, listener, servers, clients;

      before(async () => {
        await postgres.createDatabase(database, { encoding });
        admin = await prepareDatabase(postgres, { database, roles: false });
        app = await postgres.connect({ database, user: EMITTER_ROLE });
        listener = await listen(postgres, { database });
        servers = await startServers(postgres, { database, count: 2, namespaces: ['/', `/${text}`] });
        clients = [await connectClient(servers[0], { rooms: [text] }), await connectClient(servers[1], { rooms: ['other'] })];
      });

      after(async () => {
        await closeAll(clients ?? [], servers ?? []);
        await listener?.close();
      });

      beforeEach(async () => listener.texts());
      afterEach(async () => app.query('ROLLBACK; RESET ALL'));

      it('is what the test says', async () => {
        const { rows } = await app.query(
          `SELECT octet_length($1::text) AS bytes, current_setting('server_encoding') AS encoding`, [text],
        );
        assert.deepEqual(rows, [{ bytes, encoding }]);
      });

      for (const [form, threshold] of [['by NOTIFY', 8000], ['through the table', 1]]) {
        it(`delivers rooms, events, keys and values ${form}`, async () => {
          await app.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
          const payload = { [text]: [text, { [`${text}${text}`]: text }], a: 'b' };
          await app.query(
            `SELECT sio_emit('/', ARRAY[$1], $1, $2),
                    sio_emit_args('/', ARRAY[$1], $1, ARRAY[$2::jsonb, to_jsonb($1::text)], except_rooms => ARRAY[$1 || 'x'])`,
            [text, payload],
          );
          await app.query('RESET ALL');
          assert.deepEqual(await received(app, clients), [[[text, payload], [text, payload, text]], []]);
        });

        it(`delivers to a namespace ${form}`, async () => {
          for (const server of servers) server.heard.length = 0;
          const inside = await connectClient(servers[0].hear(text, `/${text}`), { nsp: `/${text}` });
          await app.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
          await app.query(
            `SELECT sio_emit($1, '{}', $1, to_jsonb($1::text)), sio_server_side_emit($1, $1, to_jsonb($1::text))`, [text],
          );
          await app.query('RESET ALL');
          assert.deepEqual(await received(app, [inside], { nsp: text }), [[[text, text]]]);
          assert.deepEqual(servers[0].heard[0], [`/${text}`, text, text]);
          await inside.close();
        });

        it(`makes sockets join and leave rooms ${form}`, async () => {
          await app.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
          await app.query(
            `SELECT sio_sockets_join('/', '{other}', ARRAY[$1]),
                    sio_sockets_leave('/', ARRAY[$1], ARRAY[$1], except_rooms => '{other}')`,
            [text],
          );
          await app.query('RESET ALL');
          await received(app, clients);
          await app.query(`SELECT sio_emit('/', ARRAY[$1], 'moved')`, [text]);
          assert.deepEqual(await received(app, clients), [[], [['moved']]]);
          await app.query( // back to where they were
            `SELECT sio_sockets_join('/', '{}', ARRAY[$1], except_rooms => '{other}'),
                    sio_sockets_leave('/', '{other}', ARRAY[$1])`,
            [text],
          );
          await received(app, clients);
        });
      }

      it('has its sizes counted as it counts them', async () => {
        const count = `SELECT bytes, attachment FROM sio_encode('/', '{}', 'e', to_jsonb($1::text))`;
        const { rows: [empty] } = await app.query(count, ['']);
        const { rows: [one] } = await app.query(count, [text]);
        assert.equal(one.bytes - empty.bytes, bytes);
        const room = 7_999 - empty.bytes;
        const full = text.repeat(Math.floor(room / bytes)) + 'x'.repeat(room % bytes);
        assert.deepEqual((await app.query(count, [full])).rows, [{ bytes: 7_999, attachment: false }]);
        assert.equal((await app.query(count, [`${full}x`])).rows[0].attachment, true);
        for (const each of [full, `${full}x`]) await app.query(`SELECT sio_emit('/', '{}', 'e', to_jsonb($1::text))`, [each]);
        const [first, second] = await listener.messages();
        assert.deepEqual([first.data.packet.data[1], second.type, typeof second.attachmentId], [full, 3, 'string']);
        const events = await received(app, clients);
        assert.deepEqual(events, Array(2).fill([['e', full], ['e', `${full}x`]]));
      });

      it('has its channel\'s name cut between characters', async () => {
        const namespace = `/${text.repeat(10)}`;
        const long = await listen(postgres, { database, channel: `socket.io#${namespace}` });
        await app.query(`SELECT sio_emit($1, '{}', 'e')`, [namespace]);
        assert.deepEqual((await long.messages()).map(({ nsp }) => nsp), [namespace]);
        await long.close();
      });

      it('may have a channel_prefix of its characters', async () => {
        const prefix = text.replaceAll(' ', '');
        const other = await listen(postgres, { database, channel: `${prefix}#/` });
        await app.query('SELECT set_config(\'socketio_emitter.channel_prefix\', $1, false)', [prefix]);
        await app.query(`SELECT sio_emit('/', '{}', 'e')`);
        assert.equal((await other.texts()).length, 1);
        await other.close();
      });

      if (unconvertible) {
        it('refuses what UTF-8 has no form for, in both forms, wherever it stands', async () => {
          // Made in the server: no client could send it.
          await admin.query(`
            CREATE FUNCTION wrong() RETURNS text IMMUTABLE LANGUAGE sql
                AS $$ SELECT convert_from(decode('${unconvertible}', 'hex'), '${encoding}') $$;
            GRANT EXECUTE ON FUNCTION wrong() TO ${EMITTER_ROLE}`);
          const calls = {
            ns: `sio_emit(wrong(), '{}', 'e')`,
            rooms: `sio_emit('/', ARRAY[wrong()], 'e')`,
            event: `sio_emit('/', '{}', wrong())`,
            except_rooms: `sio_emit('/', '{}', 'e', except_rooms => ARRAY[wrong()])`,
            payload: `sio_emit('/', '{}', 'e', to_jsonb(wrong()))`,
            args: `sio_emit_args('/', '{}', 'e', ARRAY[jsonb_build_object(wrong(), 1)])`,
            join_rooms: `sio_sockets_join('/', '{}', ARRAY[wrong()])`,
            leave_rooms: `sio_sockets_leave('/', '{}', ARRAY[wrong()])`,
          };
          for (const threshold of [8000, 1]) {
            await app.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
            for (const [parameter, call] of Object.entries(calls)) {
              await refused(app, `SELECT ${call}`, '22021', { says: parameter });
            }
            await refused(app, `SELECT sio_emit_binary('/', '{}', wrong(), '\\x00')`, '22021', { says: 'event' });
            await refused(app, `SELECT sio_server_side_emit('/', wrong())`, '22021', { says: 'event' });
            await refused(app, `SELECT sio_encode('/', '{}', wrong())`, '22021', { says: 'event' });
          }
          assert.deepEqual(await listener.texts(), []);
        });
      }

      it('may name the attachments table with its characters', async () => {
        const table = `"${text}"."${text}"`;
        await admin.query(`CREATE SCHEMA "${text}";
          CREATE TABLE ${table} (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea)`);
        await admin.query(`SELECT set_config('socketio_emitter.table_name', $1, false)`, [table]);
        await admin.query(`SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`);
        await admin.query('RESET socketio_emitter.table_name');
        const { rows } = await admin.query(`SELECT count(*)::int FROM ${table}`);
        assert.deepEqual(rows, [{ count: 1 }]);
      });

      it('shows its text in errors, or an escaped form of it, and never another error', async () => {
        await refused(app, { text: `SELECT sio_emit('/', ARRAY[$1, NULL], $1)`, values: [text] }, '22004', { says: 'rooms' });
        await admin.query(`SELECT set_config('socketio_emitter.table_name', $1, false)`, [`"${text} "`]);
        await refused(admin, `SELECT sio_emit_binary('/', '{}', 'e', '\\x41')`, '42P01', { says: 'attachments table' });
        await refused(
          admin, { text: `SELECT set_config('socketio_emitter.table_name', $1, false)`, values: [`"${text}"."${text}".x`] },
          '22023', { says: 'socketio_emitter.table_name' },
        );
        await admin.query('RESET socketio_emitter.table_name');
      });

      it('keeps long rooms apart that differ at their end, whatever they take in it', async () => {
        // Up to 65,536 bytes of UTF-8; an é takes two, and three in EUC_JP.
        const letter = encoding === 'EUC_JP' ? 'é' : [...text][0];
        const long = letter.repeat(Math.floor(65_000 / Buffer.byteLength(letter)));
        await admin.query(`CREATE TABLE rooms (room text); SELECT sio_watch('rooms', rooms => '{$room}', level => 'statement')`);
        await admin.query('INSERT INTO rooms VALUES ($1), ($2)', [`${long}1`, `${long}2`]);
        const rooms = (await listener.fullMessages()).map(({ data }) => data.opts.rooms);
        assert.deepEqual(rooms.map(([room]) => room.slice(-1)), ['1', '2']);
        await admin.query('DROP TABLE rooms');
      });

      it('keeps filters and functions of a watch that are written in it', async () => {
        const name = `"${text}"`;
        await admin.query(`CREATE TABLE noted (${name} text); CREATE FUNCTION ${name}(noted) RETURNS text LANGUAGE sql AS 'SELECT $1.${name}'`);
        await admin.query(`SELECT sio_watch('noted', rooms => ARRAY['\${${text}()}'], columns => ARRAY[$1], filter => $2)`, [text, `${name} = '${text}'`]);
        await admin.query('INSERT INTO noted VALUES ($1), (NULL)', [text]);
        const sent = (await listener.fullMessages()).map(({ data }) => [data.opts.rooms, data.packet.data[1]]);
        assert.deepEqual(sent, [[[text], { [text]: text }]]);
        const { rows } = await admin.query(`SELECT filter FROM sio_watches WHERE table_name = 'noted'::regclass`);
        assert.ok(rows[0].filter.includes(text), rows[0].filter);
        await admin.query('DROP TABLE noted CASCADE');
      });

      it('gave the servers no cause to report an error', () => {
        assert.deepEqual(servers.flatMap((server) => server.errors), []);
      });
    });
  }
});
