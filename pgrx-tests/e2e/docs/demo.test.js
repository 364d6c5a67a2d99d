// demo/README.md: its commands, in a copy of the folder. What the demo does is tested elsewhere.
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { io } from 'socket.io-client';
import { untilListening } from '../../harness/demo.js';
import { openPage } from '../../harness/page.js';
import { freePort, PG_BIN, startPostgres } from '../../harness/postgres.js';
import { Reader } from '../../harness/reader.js';
import { createRoles, SERVER_GRANTS, SERVERS_ROLE } from '../../harness/roles.js';
import { fromRoot } from '../../harness/setup.js';

test('the commands of demo/README.md serve the page, and its grant suffices for servers with a role of their own', async () => {
  const page = openPage('demo/README.md');
  const reader = new Reader();
  const postgres = await startPostgres({ name: 'docs-demo' });
  try {
    cpSync(fromRoot('demo'), reader.folder, { recursive: true, filter: (file) => path.basename(file) !== 'node_modules' });
    const commands = page.next('sh', 'npm ci').replaceAll('postgres@localhost/', `postgres@127.0.0.1:${postgres.port}/`)
      .replace('--host localhost ', `--host 127.0.0.1 --port ${postgres.port} `).trim().split('\n');
    const [, file, url] = /^node (\S+) (\S+)$/.exec(commands.pop());
    await reader.shell(commands.join('\n'), { PATH: `${PG_BIN}:${process.env.PATH}`, npm_config_prefer_offline: 'true', npm_config_audit: 'false' });
    const port = await freePort();
    const program = reader.start(file, { PORT: String(port) }, [url]);
    await program.printed(`http://127.0.0.1:${port}`);
    await untilListening(postgres); // see there: a server that is closed before it doesn't end
    assert.equal((await fetch(`http://127.0.0.1:${port}`)).status, 200);
    page.assertAllTaken();

    const admin = await postgres.connect({ database: 'demo' });
    await createRoles(admin, SERVERS_ROLE);
    await admin.query(`${SERVER_GRANTS} GRANT EXECUTE ON FUNCTION sio_row, sio_snapshot TO ${SERVERS_ROLE}; GRANT SELECT ON orders TO ${SERVERS_ROLE}`);
    const own = await freePort();
    const server = reader.start('server.js', { PORT: String(own) }, [postgres.url({ database: 'demo', user: SERVERS_ROLE })]);
    await server.printed('hearing: permission denied for function sio_server_side_emit');
    await admin.query(/`(GRANT EXECUTE ON FUNCTION sio_server_side_emit .*?)`/.exec(page.text)[1]);
    const socket = io(`http://127.0.0.1:${own}`, { auth: { customer: 1 } });
    const { rows } = await socket.timeout(10_000).emitWithAck('orders:list').finally(() => socket.disconnect());
    assert.ok(rows.length > 0);
    await admin.end();
  } finally {
    await reader.close();
    await postgres.stop();
  }
});
