// docs/reference/{settings,views,errors}.md against the catalog and the code: nothing is missing, and nothing is there that is not.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runSql, tableRows } from '../../harness/blocks.js';
import { connectClient } from '../../harness/clients.js';
import { evaluate, openPage } from '../../harness/page.js';
import { PG_CONFIG, startPostgres } from '../../harness/postgres.js';
import { prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';
import { until, within } from '../../harness/wait.js';

const bare = (cell) => cell.replaceAll('`', '');

let postgres, admin;
before(async () => {
  postgres = await startPostgres({ name: 'docs-reference', conf: { shared_preload_libraries: 'socketio_emitter' } });
  admin = await prepareDatabase(postgres);
});
after(() => postgres?.stop());

describe('docs/reference/settings.md', () => {
  const page = openPage('docs/reference/settings.md');

  it('has every setting, with its default and who may set it', async () => {
    const SET_BY = { user: 'anyone', superuser: 'superuser', sighup: 'configuration file', postmaster: 'start of the server' };
    const { rows } = await admin.query(`SELECT name, context, source, current_setting(name) AS value FROM pg_settings WHERE name LIKE 'socketio\\_emitter.%'`);
    assert.ok(rows.every(({ source }) => source === 'default'));
    const described = tableRows(page.text, 4).map(([name, value, by]) => [bare(name), bare(value), by]);
    assert.deepEqual(described.sort(), rows.map(({ name, value, context }) => [name, value || 'empty', SET_BY[context]]).sort());
  });

  it('names the bounds of those that are not the type\'s', async () => {
    const { rows } = await admin.query(`SELECT name, min_val AS least, max_val AS most FROM pg_settings
      WHERE name LIKE 'socketio\\_emitter.%' AND vartype = 'integer' AND max_val <> '2147483647'`);
    assert.ok(rows.length >= 2);
    for (const { name, least, most } of rows) {
      const [, , , text] = tableRows(page.text, 4).find(([described]) => bare(described) === name);
      assert.ok(text.includes(`${least} to ${most}`), name);
    }
  });

  it('has SQL that sets them, and a client that receives more binaries with it', async (t) => {
    await runSql(postgres, page.next('sql', 'require_rooms'));
    const ofApp = await postgres.connect({ user: 'app' });
    await assert.rejects(ofApp.query(`SELECT sio_emit('/', '{}', 'e')`), { code: '22023' });
    await ofApp.end();

    const [server] = await startServers(postgres, { count: 1 });
    t.after(() => closeAll(server));
    const code = page.next('js', 'maxAttachments').replace(`import * as parser from 'socket.io-parser';`, '');
    const [{ io }, parser] = await Promise.all([import('socket.io-client'), import('socket.io-parser')]);
    const { socket } = await evaluate(code, { io, parser, url: server.url }, ['socket']);
    t.after(() => socket.disconnect());
    const arrived = new Promise((resolve) => socket.once('many', resolve));
    await until('it is connected', () => socket.connected);
    const many = `SELECT sio_emit('/', '{}', 'many', (SELECT jsonb_agg(sio_buffer(i)) FROM generate_series(0, 10) i),
      binaries => (SELECT array_agg('\\x00'::bytea) FROM generate_series(0, 10)))`;
    await assert.rejects(admin.query(many), { code: '22023' });
    await runSql(postgres, `${page.next('sql', 'max_binaries')}; ${many}`);
    assert.equal((await within('the binaries have arrived', arrived)).length, 11);
    // The limit is real: a client with a usual parser goes.
    const usual = await connectClient(server);
    await runSql(postgres, `SET socketio_emitter.max_binaries = 100; ${many}`);
    await within('a client with a usual parser is gone', usual.gone);
    page.assertAllTaken();
  });
});

describe('docs/reference/views.md', () => {
  const page = openPage('docs/reference/views.md');
  const sections = page.text.split(/^## /m).slice(1);

  it('has every view with its comment, and its columns with their types in their order', async () => {
    const { rows } = await admin.query(`SELECT c.relname AS name, obj_description(c.oid, 'pg_class') AS comment,
        array_agg(attname || ' ' || format_type(atttypid, atttypmod) ORDER BY attnum) AS columns
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
      JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'socketio_emitter'
      WHERE relkind = 'v' AND d.deptype = 'e' AND relnamespace <> '_sio'::regnamespace GROUP BY c.oid ORDER BY 1`);
    const described = sections.map((text) => text.split('\n')[0]);
    assert.deepEqual(described.toSorted(), rows.map(({ name }) => name));
    for (const { name, comment, columns } of rows) {
      const text = sections[described.indexOf(name)];
      assert.deepEqual(tableRows(text, 3).map(([column, type]) => `${bare(column)} ${bare(type)}`), columns);
      assert.ok(text.slice(name.length).trim().replaceAll('\n', ' ').startsWith(comment), `${name}: ${comment}`);
    }
  });

  it('has SQL that runs', async () => {
    await admin.query(`CREATE TABLE tickets (id int PRIMARY KEY); SELECT sio_watch('tickets', '{r}'); ALTER TABLE tickets DISABLE TRIGGER ALL`);
    assert.equal((await runSql(postgres, page.next('sql', 'sio_watches'))).stdout, 'tickets|sio_watch|{r}|$table:$op');
    assert.equal((await runSql(postgres, page.next('sql', 'sio_failed'))).stdout, '');
    page.assertAllTaken();
  });
});

describe('docs/reference/errors.md', () => {
  const page = openPage('docs/reference/errors.md');
  const [ours, postgresOwn] = page.text.split(/^## Of Postgres$/m);
  const codes = (text) => tableRows(text, 4).map(([code, condition]) => [bare(code), bare(condition)]);

  it('has every SQLSTATE that the code raises, and no other', () => {
    const described = codes(ours).map(([code]) => code);
    assert.deepEqual(described.toSorted(), [...raisedByCode()].sort());
    assert.equal(new Set(described).size, described.length);
  });

  it('names the condition of each as PL/pgSQL does', async () => {
    for (const [code, condition] of [...codes(ours), ...codes(postgresOwn)]) {
      await admin.query(`DO $$ BEGIN RAISE SQLSTATE '${code}'; EXCEPTION WHEN ${condition} THEN NULL; END $$`);
    }
  });

  it('catches one by its condition', async () => {
    const { stderr } = await runSql(postgres, page.next('sql', 'system_error'));
    assert.match(stderr, /NOTICE: +not all servers answered: 0 of 3 servers answered/);
    page.assertAllTaken();
  });
});

/** The SQLSTATEs that src/ raises: what it names of Postgres's errcodes.h, but for what only warns, or is compared with. */
function raisedByCode() {
  const header = readFileSync(`${execFileSync(PG_CONFIG, ['--includedir-server'], { encoding: 'utf8' }).trim()}/utils/errcodes.h`, 'utf8');
  const sqlstates = new Map([...header.matchAll(/^#define (ERRCODE_\w+) MAKE_SQLSTATE\((.*)\)$/gm)].map(([, name, letters]) => [name, letters.replaceAll(/[',]/g, '')]));
  const files = readdirSync(fromRoot('src'), { recursive: true }).filter((file) => file.endsWith('.rs'));
  const names = files.flatMap((file) => [...readFileSync(fromRoot('src', file), 'utf8').matchAll(/ERRCODE_\w+/g)].map(([name]) => name));
  const raised = new Set(names.filter((name) => !['ERRCODE_WARNING', 'ERRCODE_SUCCESSFUL_COMPLETION'].includes(name)));
  return new Set([...raised].map((name) => {
    assert.ok(sqlstates.has(name), name);
    return sqlstates.get(name);
  }));
}
