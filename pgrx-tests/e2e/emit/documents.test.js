// What is encoded decodes to what was given: any JSON, by NOTIFY and as MessagePack, judged by Postgres, JSON.parse and
// the servers' own @msgpack/msgpack.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { decode } from '@msgpack/msgpack';
import { CHOSEN, randomDocuments } from '../../harness/documents.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { prepareDatabase } from '../../harness/roles.js';

const SEED = Number(process.env.DOCUMENT_SEED ?? 20_261_122);
const RANDOM = 3_000;

describe(`JSON documents (DOCUMENT_SEED=${SEED})`, () => {
  let postgres, admin, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'documents' });
    admin = await prepareDatabase(postgres);
    listener = await listen(postgres);
    await admin.query('CREATE TABLE documents (id int PRIMARY KEY, doc jsonb)');
    await admin.query(
      'INSERT INTO documents SELECT n, doc::jsonb FROM unnest($1::text[]) WITH ORDINALITY d (doc, n)',
      [[...CHOSEN, ...randomDocuments(RANDOM, SEED)]],
    );
  });

  after(async () => postgres?.stop());
  beforeEach(async () => admin.query('RESET socketio_emitter.payload_threshold; TRUNCATE socket_io_attachments'));

  /** The documents' texts as Postgres prints them, which is what plain pg_notify would send. */
  async function sources(where = 'true') {
    const { rows } = await admin.query(`SELECT id, doc::text AS text FROM documents WHERE ${where} ORDER BY id`);
    return rows;
  }

  /** One event per document, with its id as the event's name. */
  async function emitEach(where, payload = 'doc', more = '') {
    await admin.query(
      `DO $$ DECLARE d record; BEGIN
         FOR d IN SELECT id, doc FROM documents WHERE ${where} ORDER BY id LOOP
           PERFORM sio_emit('/', '{}', d.id::text, ${payload.replaceAll('doc', 'd.doc')} ${more});
         END LOOP;
       END $$`,
    );
  }

  async function attachments() {
    const headers = await listener.messages();
    assert.ok(headers.every((header) => header.attachmentId), 'everything went through the table');
    const { rows } = await admin.query('SELECT id, payload FROM socket_io_attachments ORDER BY id');
    assert.deepEqual(headers.map(({ attachmentId }) => attachmentId), rows.map(({ id }) => id));
    return rows.map(({ payload }) => decode(payload));
  }

  it('travel by NOTIFY digit for digit', async () => {
    const small = 'octet_length(doc::text) < 7500';
    await emitEach(small);
    const texts = await listener.texts();
    const expected = await sources(small);
    assert.ok(expected.length > 2_500);
    assert.equal(texts.length, expected.length);
    const { rows } = await admin.query(
      `SELECT d.doc::text AS wanted, m.text AS got
         FROM unnest($1::text[]) m (text) JOIN documents d ON d.id = (m.text::json #>> '{data,packet,data,0}')::int
        WHERE (m.text::jsonb #> '{data,packet,data,1}')::text IS DISTINCT FROM d.doc::text`,
      [texts],
    );
    assert.deepEqual(rows, []);
    for (const [i, text] of texts.entries()) {
      assert.deepStrictEqual(JSON.parse(text).data.packet.data, [String(expected[i].id), JSON.parse(expected[i].text)]);
    }
  });

  it('decode from MessagePack to what JSON.parse gives', async () => {
    await admin.query('SET socketio_emitter.payload_threshold = 1');
    await emitEach('true');
    const messages = await attachments();
    const expected = await sources();
    assert.equal(messages.length, expected.length);
    for (const [i, message] of messages.entries()) {
      assert.deepStrictEqual(message.data.packet.data, [String(expected[i].id), JSON.parse(expected[i].text)]);
    }
  });

  it('decode beside a binary, with nothing mistaken for its placeholder', async () => {
    // Documents with a placeholder of their own are refused there: errors.test.js.
    const where = `doc::text NOT LIKE '%"_placeholder": true%' AND id % 3 = 0`;
    await emitEach(where, 'jsonb_build_array(doc, sio_buffer(0), doc)', `, binaries => ARRAY['\\x00ff'::bytea]`);
    const messages = await attachments();
    const expected = await sources(where);
    assert.equal(messages.length, expected.length);
    for (const [i, message] of messages.entries()) {
      const [first, binary, second] = message.data.packet.data[1];
      const document = JSON.parse(expected[i].text);
      assert.deepStrictEqual([first, second], [document, document]);
      assert.deepEqual(binary, Buffer.from('00ff', 'hex'));
    }
  });

  it('are shown by sio_encode as they are sent, in both forms', async () => {
    const where = 'id % 7 = 0';
    for (const threshold of [8000, 1]) {
      await admin.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
      const { rows } = await admin.query(
        `SELECT d.id, e.channel, e.message::text, e.bytes, e.attachment
           FROM documents d, sio_encode('/', '{a,"é"}', d.id::text, d.doc, '{b}', true, false) e WHERE ${where} ORDER BY d.id`,
      );
      const { rows: ids } = await admin.query(`SELECT id FROM documents WHERE ${where} ORDER BY id`);
      // Each in a transaction of its own, as sio_encode supposes: the message's number is part of it.
      for (const { id } of ids) {
        await admin.query(`SELECT sio_emit('/', '{a,"é"}', id::text, doc, '{b}', true, false) FROM documents WHERE id = ${id}`);
      }
      const texts = await listener.texts();
      assert.equal(texts.length, rows.length);
      for (const [i, text] of texts.entries()) {
        const sent = JSON.parse(text);
        assert.equal(rows[i].channel, 'socket.io#/');
        assert.equal(rows[i].attachment, sent.attachmentId !== undefined);
        if (sent.attachmentId) {
          const { rows: [row] } = await admin.query(
            'SELECT length(payload) AS bytes FROM socket_io_attachments WHERE id = $1', [sent.attachmentId],
          );
          assert.equal(rows[i].bytes, row.bytes);
          assert.deepStrictEqual(await listener.attachment(sent), JSON.parse(rows[i].message));
        } else {
          assert.equal(rows[i].bytes, Buffer.byteLength(text));
          const { rows: [{ same }] } = await admin.query('SELECT $1::jsonb = $2::jsonb AS same', [text, rows[i].message]);
          assert.ok(same, `sio_encode shows ${rows[i].message}, sent was ${text}`);
        }
      }
    }
  });

  it('are shown by sio_encode with placeholders for their binaries', async () => {
    const call = `('/', '{}', 'file', jsonb_build_object('a', sio_buffer(1), 'b', sio_buffer(0)),
                   binaries => ARRAY['\\x01', '\\x0203']::bytea[])`;
    const { rows: [shown] } = await admin.query(`SELECT * FROM sio_encode${call}`);
    await admin.query(`SELECT sio_emit${call}`);
    const [sent] = await attachments();
    assert.deepEqual(sent.data.packet.data[1], { a: Buffer.of(2, 3), b: Buffer.of(1) });
    const placeholders = { a: { _placeholder: true, num: 1 }, b: { _placeholder: true, num: 0 } };
    assert.deepEqual(shown.message.data.packet.data, ['file', placeholders]);
    sent.data.packet.data[1] = placeholders;
    assert.deepEqual(shown.message, sent);
    const { rows: [row] } = await admin.query('SELECT length(payload) AS bytes FROM socket_io_attachments');
    assert.deepEqual([shown.attachment, shown.bytes], [true, row.bytes]);
  });
});
