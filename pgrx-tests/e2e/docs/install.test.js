// docs/install.md does what it says: its SQL and its commands run on a server in the order of the page; those that install packages
// are run by scripts/test-package, in systems of their own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { runSql } from '../../harness/blocks.js';
import { connectClient, received } from '../../harness/clients.js';
import { evaluate, openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { fromRoot } from '../../harness/setup.js';

const read = (...file) => readFileSync(fromRoot(...file), 'utf8');
const page = openPage('docs/install.md');
const VERSION = /default_version = '(.*)'/.exec(read('socketio_emitter.control'))[1];

// Commands of the server's own programs.
const isClient = (line) => /^(pg_dump|createdb|pg_restore) /.test(line);

// All other commands: where each is proven, and what stands there.
const PROVEN = [
  [/^apt-get install \.\/postgresql-N-socketio-emitter_V-1_amd64\.deb$/, 'scripts/test-package', /apt-get install .*"\/tmp\/\$\(basename "\$\(deb\)"\)"/],
  [/^dnf install \.\/socketio_emitter_N-V-1\.x86_64\.rpm$/, 'scripts/test-package', /socketio_emitter_\$major-\$version-1\.\$\(uname -m\)\.rpm/],
  [/^tar -xf socketio_emitter-V-pgN-x86_64\.tar\.gz$/, 'scripts/test-package', /by_the_page 'tar -xf'/],
  [/^install -m 755 socketio_emitter-V-pgN-x86_64\/lib\/\* "\$\(pg_config --pkglibdir\)"$/, 'scripts/test-package', /by_the_page 'tar -xf'/],
  [/^install -m 644 socketio_emitter-V-pgN-x86_64\/share\/extension\/\* "\$\(pg_config --sharedir\)\/extension"$/, 'scripts/test-package', /by_the_page 'tar -xf'/],
  [/^rm "\$\(pg_config --pkglibdir\)\/socketio_emitter\.so" "\$\(pg_config --sharedir\)\/extension\/socketio_emitter"\*$/, 'scripts/test-package',
    /by_the_page 'pkglibdir\)\/socketio_emitter\.so'/],
  [/^docker build --file packaging\/Dockerfile --build-arg MAJOR=18 --tag postgres-socketio-emitter:18 target\/dist$/, 'scripts/test-images',
    /build_image --file packaging\/Dockerfile --build-arg "MAJOR=\$major" .* --tag \S+ "\$dist"/],
  [/^docker run --env POSTGRES_PASSWORD=change-me --publish 5432:5432 postgres-socketio-emitter:18 postgres -c shared_preload_libraries=socketio_emitter$/,
    'packaging/Dockerfile', /docker run --env POSTGRES_PASSWORD=change-me --publish 5432:5432 postgres-socketio-emitter:18 .*\n.* postgres -c shared_preload_libraries=socketio_emitter/],
  [/^docker push registry\.example\.com\/socketio-emitter:18$/, 'docs/install.md', /reference: registry\.example\.com\/socketio-emitter:18\n/],
  [/^docker build --file packaging\/Dockerfile\.extension --build-arg MAJOR=18 --tag registry\.example\.com\/socketio-emitter:18 target\/dist$/, 'scripts/test-images',
    /build_image --file packaging\/Dockerfile\.extension --build-arg "MAJOR=\$major" .*/],
  [/^pgxn install \.\/socketio_emitter-V\.zip$/, 'scripts/test-package', /pgxn" install .*"\.\/socketio_emitter-\$version\.zip"/],
  [/^make install PG_CONFIG=\/usr\/lib\/postgresql\/N\/bin\/pg_config$/, 'Makefile', /^install:.*\n\t@scripts\/extension install "\$\(PG_CONFIG\)"/m],
];

let cluster;
before(async () => {
  cluster = await startPostgres({ name: 'install-page' });
  await runSql(cluster, 'CREATE TABLE orders (id bigint PRIMARY KEY)'); // a table of the reader's, which the page names
});
after(() => cluster?.stop());

/** After the blocks in which the page comes to that point. */
const AFTERWARDS = {
  'GRANT USAGE ON SEQUENCE sio.': async () => {
    const admin = await cluster.connect();
    const servers = await startServers(cluster, { count: 2, options: await adapterOptions() });
    const client = await connectClient(servers[0]);
    servers[1].io.emit('from the other server', Buffer.from('A'));
    assert.deepEqual(await client.take(1), [['from the other server', Buffer.from('A')]]);
    await admin.query(`SET ROLE app; SELECT sio.sio_emit('/', '{}', 'text'); SELECT sio.sio_emit_binary('/', '{}', 'binary', '\\x41'); RESET ROLE`);
    assert.deepEqual(await received(admin, [client], { schema: 'sio' }), [[['text'], ['binary', Buffer.from('A')]]]);
    assert.deepEqual(servers.flatMap((server) => server.errors), []);
    await closeAll(client, servers);
    await admin.end();
  },
  'ALTER SYSTEM': () => cluster.restart(),
  'ALTER EXTENSION socketio_emitter UPDATE': async () => assert.deepEqual(
    await rows('SELECT library_version, extension_version FROM sio.sio_status'), [{ library_version: VERSION, extension_version: VERSION }]),
  'pg_restore': async () => assert.deepEqual(
    await rows('SELECT table_name::text, rooms FROM sio.sio_watches', 'restored'), [{ table_name: 'invoices', rooms: ['customer:$client_id'] }]),
};

/** What the page has the servers' adapter told. */
async function adapterOptions() {
  let told;
  await evaluate(page.take('js', 'createAdapter'), { io: { adapter: () => {} }, pool: {}, createAdapter: (pool, options) => { told = options; } });
  assert.ok(told);
  return told;
}

async function rows(sql, database) {
  const session = await cluster.connect({ database });
  try {
    return (await session.query(sql)).rows;
  } finally {
    await session.end();
  }
}

test('the SQL and the commands of docs/install.md run in the order of the page', async () => {
  const due = new Set(Object.keys(AFTERWARDS));
  const shell = page.takeAll('sh').map((text) => ({ text, lines: text.trim().split('\n') }));
  const commands = shell.filter(({ lines }) => !lines.every(isClient));
  provenElsewhere(commands.flatMap(({ lines }) => lines));
  const inOrder = [
    ...page.takeAll('sql').map((text) => ({ text, run: () => runSql(cluster, text) })),
    ...shell.filter((block) => !commands.includes(block)).map(({ text, lines }) => ({ text, run: () => runClients(lines) })),
  ].sort((a, b) => page.text.indexOf(a.text) - page.text.indexOf(b.text));
  for (const { text, run } of inOrder) {
    await run();
    for (const [words, check] of Object.entries(AFTERWARDS)) {
      if (!text.includes(words)) continue;
      await check();
      due.delete(words);
    }
  }
  assert.ok(inOrder.length >= 12, `${inOrder.length} blocks`);
  assert.deepEqual([...due], []);
  // The page ends with what removes it.
  assert.deepEqual(await rows(`SELECT nspname FROM pg_namespace WHERE nspname IN ('sio', '_sio')`), []);
  assert.deepEqual(await rows('SHOW shared_preload_libraries'), [{ shared_preload_libraries: '' }]);
});

async function runClients(lines) {
  for (const line of lines) {
    const [tool, ...args] = line.split(' ');
    const { code, stderr } = await cluster.run(tool, args, { cwd: cluster.dataDir });
    assert.deepEqual([code, stderr], [0, ''], line);
  }
}

/** That the commands which install files are those that are tested. */
function provenElsewhere(commands) {
  assert.ok(commands.length >= 10, `${commands.length} commands`);
  const unused = new Set(PROVEN);
  for (const command of commands) {
    const found = PROVEN.find(([form]) => form.test(command.replaceAll(VERSION, 'V')));
    assert.ok(found, `${command} is tested nowhere, or names another version`);
    const [, file, proof] = found;
    assert.match(read(file), proof, `${command} in ${file}`);
    unused.delete(found);
  }
  assert.deepEqual([...unused].map(([form]) => form), []);
}

test('the manifest of docs/install.md has what scripts/test-images mounts and sets', () => {
  const manifest = page.take('yaml', 'extensions:');
  assert.match(manifest, /shared_preload_libraries: \[socketio_emitter\]/);
  const images = read('scripts/test-images');
  for (const setting of ['extension_control_path', 'dynamic_library_path']) assert.ok(images.includes(setting), setting);
});

test('docs/install.md and the tests name the same versions of the migration tools', () => {
  const { devDependencies } = JSON.parse(read('pgrx-tests/package.json'));
  for (const [name, says] of [['prisma', 'Prisma'], ['drizzle-kit', 'Drizzle Kit'], ['knex', 'Knex']]) {
    assert.ok(page.text.includes(`${says} ${devDependencies[name]}`), `${says} ${devDependencies[name]}`);
  }
});

test('docs/install.md has no code that is not tested', () => page.assertAllTaken());
