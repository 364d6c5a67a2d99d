// README.md: its three sides are written to files and run as they stand, but for the port; and what it says of other pages is there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runSql, tableRows } from '../../harness/blocks.js';
import { untilListening } from '../../harness/demo.js';
import { openPage } from '../../harness/page.js';
import { freePort, startPostgres } from '../../harness/postgres.js';
import { Reader } from '../../harness/reader.js';
import { fromRoot } from '../../harness/setup.js';

const page = openPage('README.md');
const read = (file) => readFileSync(fromRoot(file), 'utf8');

describe('README.md', () => {
  const reader = new Reader();
  let postgres;

  before(async () => { postgres = await startPostgres({ name: 'docs-readme' }); });
  after(async () => {
    await reader.close();
    await postgres?.stop();
  });

  it('fits on a few screens', () => {
    assert.ok(page.text.trimEnd().split('\n').length <= 150);
  });

  it('has three sides that work as they stand: the customer\'s client shows the row, and another customer\'s does not', async () => {
    const port = await freePort();
    const file = (language, words) => page.next(language, words).replaceAll(/(?<=[(:])3000\b/g, port);
    await runSql(postgres, page.next('sql', 'sio_watch'));
    reader.linkPackages();
    reader.write('server.mjs', file('js', 'createAdapter'));
    const client = file('js', 'follow.js');
    assert.ok(client.includes(`localhost:${port}'`));
    reader.write('client.mjs', client);
    reader.write('another.mjs', client.replace('customer: 1', 'customer: 2'));
    reader.write('follow.js', read('client/follow.js'));
    const [init, module, install] = page.next('sh', 'npm install').trim().split('\n');
    await reader.shell(`${init}\n${module}`);
    for (const name of install.replace('npm install ', '').split(' ')) assert.ok(reader.has(name), `${name} is what the reader has here`);

    assert.deepEqual([...page.text.matchAll(/`(?:DATABASE_URL=\S+ )?node (\S+)`/g)].map(([, name]) => name), ['server.mjs', 'client.mjs']);
    reader.start('server.mjs', { DATABASE_URL: postgres.url() });
    await untilListening(postgres);
    const [customer, another] = ['client.mjs', 'another.mjs'].map((name) => reader.start(name));
    await customer.printed('[]');
    await another.printed('[]');
    await runSql(postgres, page.next('sql', 'INSERT INTO orders'));
    const [, shown] = /^```text\n(.*?)^```$/ms.exec(page.text);
    await customer.printed(shown);
    // What came to the other client until a row of its own.
    await runSql(postgres, `INSERT INTO orders (customer_id) VALUES (2)`);
    await another.printed('customer_id: 2');
    assert.doesNotMatch(another.output, /customer_id: 1/);
    page.assertAllTaken();
  });

  it('installs as docs/install.md does', () => {
    const installation = read('docs/install.md');
    const [, section] = /^## Install\n(.*?)^## /ms.exec(page.text);
    const commands = tableRows(section, 2).flatMap(([, text]) => [...text.matchAll(/`([\w-]+ [^`]+)`/g)].map(([, command]) => command));
    assert.ok(commands.length >= 5);
    for (const command of commands) assert.ok(installation.includes(`${command}\n`), command);
  });

  it('has ratios that stand in the pages about them', () => {
    const limits = read('docs/limits.md');
    const queued = read('docs/queued-delivery.md');
    assert.ok(page.text.includes('| 1.45 to 0.84 × |'));
    for (const ratio of ['| 1.45 × |', '| 0.84 × |']) assert.ok(limits.includes(ratio), ratio);
    // 1 / 6.3 and 1 / 4.2.
    assert.ok(page.text.includes('| 0.16 to 0.24 × |'));
    assert.ok(limits.includes('| 6.3 × | 4.2 × |'));
    assert.ok(page.text.includes('| 0.96 ×; 24 × |'));
    assert.ok(queued.includes('| 32 | 0.96 × | 24 × |'));
  });
});
