// docs/reference/functions.md against the catalog: it has every function with its signature, its comment and what NULL does; and its
// examples do what it says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runSql, statementsOf, tableRows } from '../../harness/blocks.js';
import { connectClient, received } from '../../harness/clients.js';
import { lacks } from '../../harness/features.js';
import { openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until, within } from '../../harness/wait.js';

const page = openPage('docs/reference/functions.md');
const withoutCron = lacks('pg_cron');
const byCron = page.take('sql', 'cron.schedule'); // here, for the test of it may be skipped

/** By heading of the second level: the text below, and the functions there as { name, signature, text }. */
const GROUPS = page.text.split(/^## /m).slice(1).map((text) => ({
  title: text.split('\n')[0],
  text,
  functions: [...text.matchAll(/^### ((?:CALL )?sio_\w+)\n\n```text\n(.*?)^```\n\n(.*?)(?=^##|$(?![^]))/gms)].map(([, name, signature, below]) => (
    { name, signature: signature.replaceAll(/\s+/g, ' ').trim(), text: below.replaceAll('\n', ' ') })),
}));
const FUNCTIONS = GROUPS.flatMap(({ functions }) => functions);

const CATALOG = `
  SELECT CASE prokind WHEN 'p' THEN 'CALL ' ELSE '' END || p.proname AS name, pg_get_function_result(p.oid) AS result,
         replace(replace(pg_get_function_arguments(p.oid), 'IN ', ''), '_sio.namespace', 'text') AS arguments,
         obj_description(p.oid, 'pg_proc') AS comment, p.pronargs - p.pronargdefaults AS required,
         array(SELECT p.proargnames[i] || ' ' || replace(format_type(p.proargtypes[i - 1], NULL), '_sio.namespace', 'text') FROM generate_series(1, p.pronargs) i) AS parameters
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid
   WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'socketio_emitter'
     AND p.pronamespace <> '_sio'::regnamespace ORDER BY 1`;

/** A value for each parameter without a default. */
const SAMPLES = {
  ns: `'/'`, rooms: `'{r}'`, event: `'e'`, args: `'{}'::jsonb[]`, payload: `'\\x00'::bytea`, num: '0', join_rooms: `'{j}'`, leave_rooms: `'{l}'`,
  table_name: `'watched'`, record: 'w', json: `'{}'::json`,
};

describe('docs/reference/functions.md', () => {
  let postgres, admin, functions;

  before(async () => {
    const preload = withoutCron ? 'socketio_emitter' : 'pg_cron, socketio_emitter';
    postgres = await startPostgres({ name: 'docs-functions', conf: { shared_preload_libraries: preload, 'socketio_emitter.restart_delay': 0 } });
    admin = await prepareDatabase(postgres);
    await admin.query(`CREATE TABLE watched (id int PRIMARY KEY); SELECT sio_watch('watched', '{r}'); INSERT INTO watched VALUES (1)`);
    ({ rows: functions } = await admin.query(CATALOG));
  });
  after(() => postgres?.stop());

  it('has every function of the extension, and no other', () => {
    assert.deepEqual(FUNCTIONS.map(({ name }) => name).sort(), functions.map(({ name }) => name).sort());
  });

  it('has the signature and the comment of each', () => {
    for (const { name, arguments: list, result, comment } of functions) {
      const { signature, text } = FUNCTIONS.find((described) => described.name === name);
      const expected = name.startsWith('CALL ') ? `${name.slice(5)}(${list})` : `${name}(${list}) → ${result}`;
      assert.equal(signature, expected.replaceAll(/::[a-z]+(\[\])?/g, ''));
      assert.ok(text.startsWith(`${comment}.`), `${name}: ${comment}`);
    }
  });

  it('has every parameter, and is right about NULL', async () => {
    for (const { title, text, functions: described } of GROUPS) {
      const rows = new Map(tableRows(text, 3).map(([parameter, , whenNull]) => [parameter.replaceAll('`', ''), whenNull]));
      const used = new Set();
      for (const { name } of described) {
        const { parameters, required } = functions.find((each) => each.name === name);
        for (const parameter of parameters) {
          assert.ok(rows.has(parameter), `"${title}" lacks ${parameter} of ${name}`);
          used.add(parameter);
          const says = rows.get(parameter);
          const code = await errorOfNull(name, parameters, required, parameter);
          assert.equal(code === '22004', says.startsWith('error'), `${name}: ${parameter} is NULL: ${says}; but ${code}`);
        }
      }
      assert.deepEqual([...rows.keys()].filter((parameter) => !used.has(parameter)), [], title);
    }
  });

  // The SQLSTATE of a call with NULL for that parameter, if it is an error.
  async function errorOfNull(name, parameters, required, parameter) {
    const given = parameters.filter((each, i) => i < required || each === parameter || each.startsWith('rooms '));
    const values = given.map((each) => {
      const [argument] = each.split(' ');
      const sample = each === 'payload json' ? SAMPLES.json : SAMPLES[argument];
      return `${argument} => ${each === parameter ? `NULL${each === 'payload json' ? '::json' : ''}` : sample}`;
    });
    await admin.query('BEGIN');
    try {
      const call = `${name}(${values.join(', ')})`;
      await admin.query(name.startsWith('CALL ') ? call : `SELECT ${call} FROM watched w`);
      return undefined;
    } catch (error) {
      return error.code;
    } finally {
      await admin.query('ROLLBACK');
    }
  }

  describe('its examples', () => {
    let servers, clients;

    before(async () => {
      servers = await startServers(postgres, { count: 1, namespaces: ['/', '/chat'] });
      clients = {
        room1: await connectClient(servers[0], { rooms: ['room1'] }),
        own: await connectClient(servers[0], { rooms: ['Xh2j9TQvS0cRmC3GAAAB'] }),
        talking: await connectClient(servers[0], { nsp: '/chat' }),
        muted: await connectClient(servers[0], { nsp: '/chat', rooms: ['muted'] }),
        user: await connectClient(servers[0], { rooms: ['user:7'] }),
      };
    });
    after(() => closeAll(Object.values(clients), servers));

    it('reach the clients that they name', async () => {
      await runSql(postgres, page.next('sql', 'private'));
      // What travels through the table may be overtaken by what is sent after it.
      const first = await received(admin, [clients.room1, clients.own, clients.user]);
      const call = page.next('sql', 'CALL sio_emit');
      await runSql(postgres, call);
      await assert.rejects(admin.query(call.replace('CALL', 'SELECT')), { code: '42809', hint: 'To call a procedure, use CALL.' });
      await runSql(postgres, page.next('sql', 'muted'));
      assert.deepEqual(first, [
        [['hello', { a: 1 }], ['image', { name: 'dot', data: Buffer.from('89504e47', 'hex') }]], [['private', 'for you']], [],
      ]);
      assert.deepEqual(await received(admin, [clients.room1, clients.own, clients.user]), [[['hello', { a: 2 }]], [], []]);
      assert.deepEqual(await received(admin, [clients.talking, clients.muted], { nsp: '/chat' }), [[['message', 'hello', { from: 'db' }]], []]);
    });

    it('show what would be sent', async () => {
      const { stdout } = await runSql(postgres, page.next('sql', 'sio_encode'));
      assert.match(stdout, /^socket\.io#\/\|\d+\|f$/);
    });

    it('reach the servers', async () => {
      const [server] = servers;
      server.hear('prices changed');
      await runSql(postgres, page.next('sql', 'sio_server_side_emit'));
      await until('the server has heard it', () => server.heard.length > 0);
      assert.deepEqual(server.heard, [['/', 'prices changed', { currency: 'EUR' }]]);
    });

    it('move sockets', async () => {
      const [join, leave, disconnect] = statementsOf(page.next('sql', 'sio_sockets_join'));
      const [[id]] = [[...servers[0].io.of('/').adapter.rooms.get('user:7')]];
      const rooms = () => servers[0].io.of('/').sockets.get(id)?.rooms;
      await runSql(postgres, join);
      await until('it has joined', () => rooms().has('project:12'));
      await runSql(postgres, leave);
      await until('it has left', () => !rooms().has('project:12'));
      await runSql(postgres, disconnect);
      await within('it is disconnected', clients.user.gone);
      assert.deepEqual(await received(admin, [clients.room1]), [[]]);
    });

    it('clean up every minute', { skip: withoutCron }, async () => {
      await runSql(postgres, byCron);
      assert.deepEqual((await admin.query('SELECT schedule, command FROM cron.job')).rows, [{ schedule: '* * * * *', command: 'SELECT sio_cleanup()' }]);
    });

    it('are all run', () => {
      page.assertAllTaken();
    });
  });
});
