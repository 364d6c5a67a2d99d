// Every refusal of an argument, for each function that it applies to, as an ordinary role: its SQLSTATE, its words, and
// that nothing was sent or stored. The others: refused-tables.test.js, encodings.test.js, standby.test.js.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { call, CALLS, FUNCTIONS, having, SENDERS } from '../../harness/functions.js';
import { listen } from '../../harness/listener.js';
import { startPostgres } from '../../harness/postgres.js';
import { refused } from '../../harness/refusals.js';
import { EMITTER_ROLE, prepareDatabase } from '../../harness/roles.js';

const BROADCASTS = having('event').map(([name]) => name).filter((name) => !name.startsWith('sio_server_side'));
const SERVER_SIDE = having('event').map(([name]) => name).filter((name) => name.startsWith('sio_server_side'));

describe('a call\'s refusals', () => {
  let postgres, admin, app, listener;

  before(async () => {
    postgres = await startPostgres({ name: 'errors' });
    admin = await prepareDatabase(postgres);
    app = await postgres.connect({ user: EMITTER_ROLE });
    listener = await listen(postgres);
  });

  after(async () => postgres?.stop());

  afterEach(async () => {
    await app.query('ROLLBACK; RESET ALL');
    assert.deepEqual(await listener.texts(), [], 'nothing was sent');
    const { rows } = await admin.query('SELECT count(*)::int AS n FROM socket_io_attachments');
    assert.equal(rows[0].n, 0, 'nothing was stored');
  });

  it('don\'t meet the calls that these tests make wrong', async () => {
    for (const name of FUNCTIONS) await app.query(call(name));
    assert.equal((await listener.texts()).length, SENDERS.length);
    await admin.query('TRUNCATE socket_io_attachments');
  });

  describe('of null', () => {
    for (const name of FUNCTIONS) {
      const optional = name === 'sio_emit_binary' ? ['compress'] : ['compress', 'payload'];
      const parameters = Object.keys(CALLS[name]).filter((parameter) => !optional.includes(parameter));
      it(`meet each parameter of ${name} that needs a value: ${parameters.join(', ')}`, async () => {
        for (const parameter of parameters) {
          await refused(app, call(name, { [parameter]: 'NULL' }), '22004', { says: parameter });
        }
      });
    }

    it('meet a null among rooms or binaries', async () => {
      for (const [name, parameter] of having('rooms', 'except_rooms', 'join_rooms', 'leave_rooms', 'binaries')) {
        const type = parameter === 'binaries' ? 'bytea[]' : 'text[]';
        for (const list of ['NULL', `'x', NULL`, `NULL, 'x'`]) {
          await refused(app, call(name, { [parameter]: `ARRAY[${list}]::${type}` }), '22004', { says: parameter });
        }
      }
    });

    it('say how to reach everyone, when rooms are null', async () => {
      for (const [name] of having('rooms')) {
        await refused(app, call(name, { rooms: 'NULL' }), '22004', { says: 'rooms', hint: /'\{\}'/ });
      }
    });

    it('don\'t meet a null payload, compress or element of args', async () => {
      const nothing = { payload: 'NULL', compress: 'NULL', binaries: undefined };
      await app.query('BEGIN');
      for (const name of ['sio_emit', 'sio_encode']) await app.query(call(name, nothing));
      await app.query(call('sio_server_side_emit', { payload: 'NULL', binaries: undefined }));
      for (const [name] of having('args')) await app.query(call(name, { args: 'ARRAY[NULL]::jsonb[]', binaries: undefined }));
      await app.query('ROLLBACK');
    });
  });

  it('meet lists of more than one dimension', async () => {
    for (const [name, parameter] of having('rooms', 'except_rooms', 'join_rooms', 'leave_rooms', 'args', 'binaries')) {
      const type = { args: 'jsonb[]', binaries: 'bytea[]' }[parameter] ?? 'text[]';
      for (const list of ['{{1,2},{3,4}}', '{{1}}', '{{{1}}}']) {
        await refused(app, call(name, { [parameter]: `'${list}'::${type}` }), '2202E', { says: parameter });
      }
      // The lower bound is no dimension.
      await app.query('BEGIN');
      const shifted = {
        args: `'[7:7]={"{\\"_placeholder\\": true, \\"num\\": 0}"}'::jsonb[]`,
        binaries: `'[7:7]={x}'::bytea[]`,
      };
      await app.query(call(name, { [parameter]: shifted[parameter] ?? `'[7:8]={x,y}'::text[]` }));
      await app.query('ROLLBACK');
    }
  });

  describe('of an event', () => {
    const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];
    const BETWEEN_SERVERS = ['connect', 'connection', 'new_namespace'];
    const named = (name, event) => call(name, { event: `'${event}'` });

    it('meet what Socket.IO reserves in broadcasts', async () => {
      for (const name of BROADCASTS) {
        for (const event of RESERVED) await refused(app, named(name, event), '22023', { says: ['event', event] });
      }
    });

    it('meet what Socket.IO reserves between servers', async () => {
      for (const name of SERVER_SIDE) {
        for (const event of BETWEEN_SERVERS) await refused(app, named(name, event), '22023', { says: ['event', event] });
      }
    });

    it('don\'t meet what is only similar', async () => {
      await app.query('BEGIN');
      for (const event of ['Connect', 'connection', 'connect ', '']) {
        for (const name of BROADCASTS) await app.query(named(name, event));
      }
      for (const event of ['disconnect', 'Connection', '']) {
        for (const name of SERVER_SIDE) await app.query(named(name, event));
      }
      await app.query('ROLLBACK');
    });
  });

  it('meet an empty list of rooms under require_rooms, and only there', async () => {
    await app.query('SET socketio_emitter.require_rooms = on; BEGIN; SAVEPOINT a');
    for (const [name] of having('rooms')) {
      await refused(app, call(name, { rooms: `'{}'` }), '22023', { says: ['rooms', 'require_rooms'], hint: /every client/ });
      await app.query('ROLLBACK TO a');
      await app.query(call(name));
      await app.query(call(name, { except_rooms: `'{}'` }));
    }
    await app.query('SET LOCAL socketio_emitter.require_rooms = off');
    for (const [name] of having('rooms')) await app.query(call(name, { rooms: `'{}'` }));
    await app.query('ROLLBACK');
  });

  describe('of placeholders', () => {
    const one = `ARRAY['\\x00'::bytea]`;
    const two = `ARRAY['\\x00'::bytea, '\\x01']`;
    const buffer = (num, more = '') => `{"_placeholder": true, "num": ${num}${more}}`;
    // The payload, the binaries, and what the message says.
    const WRONG = {
      'that name no binary': [buffer(1), one, 'num 1'],
      'that name a binary before the first': [buffer(-1), one, 'num -1'],
      'with a number far too large': [buffer('9'.repeat(3_000)), one, 'num'],
      'with a fraction': [buffer(0.5), one, 'num'],
      'with a text for a number': [`{"_placeholder": true, "num": "${'x'.repeat(3_000)}"}`, one, 'num'],
      'without a number': ['{"_placeholder": true}', one, 'num'],
      'with more than a number': [buffer(0, ', "name": "x"'), one, 'other keys'],
      'that leave a binary unnamed': [buffer(0), two, 'element 2'],
      'that aren\'t there': ['{"a": 1}', one, 'element 1'],
      'that say they are none': ['{"_placeholder": false, "num": 0}', one, 'element 1'],
      'deep inside': [`{"a": [1, {"b": [${buffer(0)}, ${buffer(2)}]}]}`, two, 'num 2'],
    };

    for (const [what, [payload, binaries, says]] of Object.entries(WRONG)) {
      it(`meet those ${what}`, async () => {
        for (const [name] of having('binaries')) {
          const parameter = 'args' in CALLS[name] ? 'args' : 'payload';
          const value = parameter === 'args' ? `ARRAY['1', '${payload}']::jsonb[]` : `'${payload}'`;
          const words = { says: ['placeholder', parameter, says], hint: /sio_buffer\(0\)/ };
          await refused(app, call(name, { [parameter]: value, binaries }), '22023', words);
        }
      });
    }

    it('meet binaries without a payload', async () => {
      for (const [name] of having('binaries')) {
        const nothing = 'args' in CALLS[name] ? { args: `'{}'` } : { payload: 'NULL' };
        await refused(app, call(name, nothing), '22023', { says: 'binaries' });
      }
    });

    it('don\'t meet the same binary twice, nor placeholders where there is no binary', async () => {
      await app.query('BEGIN');
      for (const [name] of having('binaries')) {
        const json = (text) => ('args' in CALLS[name] ? { args: `ARRAY['${text}']::jsonb[]` } : { payload: `'${text}'` });
        await app.query(call(name, { ...json(`[${buffer(0)}, ${buffer(0)}]`), binaries: one }));
        await app.query(call(name, { ...json(buffer(7)), binaries: `'{}'` }));
      }
      await app.query('ROLLBACK');
    });

    it('meet a negative number already in sio_buffer', async () => {
      await refused(app, 'SELECT sio_buffer(-1)', '22023', { says: ['num', '-1'] });
    });
  });

  it('meet JSON more than 512 levels deep, in both forms', async () => {
    const deep = (levels) => `repeat('[', ${levels}) || repeat(']', ${levels})`;
    for (const threshold of [8_000, 1]) {
      await app.query(`SET socketio_emitter.payload_threshold = ${threshold}`);
      for (const [name, parameter] of having('payload', 'args').filter(([each]) => each !== 'sio_emit_binary')) {
        const value = (levels) => ({
          [parameter]: parameter === 'args' ? `ARRAY[(${deep(levels)})::jsonb]` : `(${deep(levels)})::jsonb`,
          binaries: `'{}'`,
        });
        await app.query(`BEGIN; ${call(name, value(512))}; ROLLBACK`);
        await refused(app, call(name, value(513)), '54000', { says: [parameter, '512'] });
        await refused(app, call(name, value(5_000)), '54000', { says: [parameter, '512'] });
      }
    }
  });

  it('meet the key __proto__ in what goes through the table, where no server could decode it', async () => {
    const json = '{"a": [{"__proto__": 1}]}';
    for (const [name, parameter] of having('payload', 'args').filter(([each]) => each !== 'sio_emit_binary')) {
      const [value, withBuffer] = parameter === 'args'
        ? [`ARRAY['${json}']::jsonb[]`, `ARRAY['${json}', sio_buffer(0)]`]
        : [`'${json}'`, `jsonb_build_array('${json}'::jsonb, sio_buffer(0))`];
      await app.query(`BEGIN; ${call(name, { [parameter]: value, binaries: undefined })}; ROLLBACK`);
      await refused(app, call(name, { [parameter]: withBuffer }), '22023', { says: [parameter, '__proto__'] });
      await app.query('SET socketio_emitter.payload_threshold = 1');
      await refused(app, call(name, { [parameter]: value, binaries: undefined }), '22023', { says: [parameter, '__proto__'] });
      await app.query('RESET socketio_emitter.payload_threshold');
    }
  });

  it('meet a negative age in sio_cleanup', async () => {
    for (const age of ['-1 second', '-1 day', '-1 month', '1 day -25 hours']) {
      await refused(app, call('sio_cleanup', { max_age: `'${age}'` }), '22023', { says: 'max_age' });
    }
    await app.query(call('sio_cleanup', { max_age: `'0'` }));
  });

  it('leave the transaction\'s other emits as they were', async () => {
    await app.query(`BEGIN; SELECT sio_emit('/', '{}', 'one'); SAVEPOINT a`);
    for (const [name, changes, code] of [
      ['sio_emit', { rooms: 'NULL' }, '22004'],
      ['sio_emit_binary', { event: `'connect'` }, '22023'],
      ['sio_emit', { binaries: `'{x,y}'` }, '22023'],
    ]) {
      await refused(app, call(name, changes), code);
      await app.query('ROLLBACK TO a');
    }
    await app.query(`SELECT sio_emit_binary('/', '{}', 'two', '\\x00'); COMMIT`);
    const events = (await listener.fullMessages()).map(({ data }) => data.packet.data[0]);
    assert.deepEqual(events, ['one', 'two']);
    await admin.query('TRUNCATE socket_io_attachments');
  });
});
