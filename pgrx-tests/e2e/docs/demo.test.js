// demo/README.md: its commands, in a copy of the folder. What the demo does is tested elsewhere.
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { untilListening } from '../../harness/demo.js';
import { openPage } from '../../harness/page.js';
import { freePort, PG_BIN, startPostgres } from '../../harness/postgres.js';
import { Reader } from '../../harness/reader.js';
import { fromRoot } from '../../harness/setup.js';

test('the commands of demo/README.md serve the page', async () => {
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
  } finally {
    await reader.close();
    await postgres.stop();
  }
});
