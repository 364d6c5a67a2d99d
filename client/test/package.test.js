// The package as npm makes and installs it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CLIENT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

describe('the package', () => {
  let folder, packed;

  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'socketio_emitter-client.'));
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: CLIENT });
    [packed] = JSON.parse(stdout);
    await writeFile(path.join(folder, 'package.json'), '{"private": true, "type": "module"}');
    const install = ['install', '--offline', '--legacy-peer-deps', '--no-audit', '--no-fund', `./${packed.filename}`];
    await run('npm', install, { cwd: folder });
    // What an application has anyway.
    for (const name of ['socket.io-client', '@socket.io', 'engine.io-client', 'engine.io-parser', 'socket.io-parser']) {
      await symlink(path.join(CLIENT, 'node_modules', name), path.join(folder, 'node_modules', name));
    }
  });
  after(() => rm(folder, { recursive: true }));

  it('has the module, its types and what npm adds, and nothing else', () => {
    assert.deepEqual(packed.files.map((file) => file.path).sort(), ['LICENSE', 'README.md', 'follow.d.ts', 'follow.js', 'package.json']);
  });

  it('has the extension\'s version', async () => {
    const control = await readFile(path.join(CLIENT, '../socketio_emitter.control'), 'utf8');
    assert.equal(packed.version, /^default_version = '(.*)'$/m.exec(control)[1]);
  });

  it('has the licence of the project', async () => {
    const [ours, all] = await Promise.all([CLIENT, path.dirname(CLIENT)].map((each) => readFile(path.join(each, 'LICENSE'), 'utf8')));
    assert.equal(ours, all);
  });

  it('is imported by its name', async () => {
    const code = `import * as all from 'socketio_emitter-client'; console.log(Object.keys(all), typeof all.follow)`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], { cwd: folder });
    assert.equal(stdout, `[ 'follow' ] function\n`);
  });

  it('has types that a strict program compiles with', async () => {
    await cp(path.join(CLIENT, 'test/types/use.ts'), path.join(folder, 'use.ts'));
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom', '--types', '', 'use.ts'];
    const tsc = path.join(CLIENT, 'node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [tsc, ...options], { cwd: folder }).catch((error) => error);
    assert.equal(stdout, '');
  });
});
