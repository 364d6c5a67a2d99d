// What scripts/setup decides, and says, before it touches the machine.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, it } from 'node:test';
import { capture } from '../../harness/processes.js';
import { fromRoot } from '../../harness/setup.js';

let clone;

beforeEach(() => {
  clone = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-setup.'));
  cpSync(fromRoot('scripts'), path.join(clone, 'scripts'), { recursive: true });
  cpSync(fromRoot('Cargo.toml'), path.join(clone, 'Cargo.toml'));
});

afterEach(() => rmSync(clone, { recursive: true }));

function edit(name, change) {
  const file = path.join(clone, name);
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

/** `bin`: a folder of programs that come first. What the caller has set up is left out of it. */
function setup(command, { bin } = {}) {
  const { CHROMIUM, PG_CONFIG, HARNESS_WORK, PATH, ...env } = process.env;
  return capture(path.join(clone, 'scripts/setup'), [command], { env: { ...env, PATH: bin ? `${bin}:${PATH}` : PATH } });
}

it('scripts/setup says which Rust is needed, and how to get it, before anything is set up', async () => {
  edit('Cargo.toml', (manifest) => manifest.replace(/^rust-version = ".*"$/m, 'rust-version = "1.999"'));
  const { code, stdout, stderr } = await setup('demo');
  assert.equal(code, 1, stdout);
  assert.equal(stdout, '');
  assert.match(stderr, /^setup: Rust is too old: \S+ is 1\.\d+\.\d+, needed is 1\.999 or later\. .*rustup.*$/m);
  assert.equal(existsSync(path.join(clone, '.work/env')), false);
});

it('scripts/setup asks for the packages that this release has, however much apt has to say of them', async () => {
  // A machine without Postgres and Chromium, whose apt offers Postgres 17 and Chromium, and installs nothing.
  for (const folder of ['/usr/lib/postgresql', '/usr/share/postgresql', '/usr/bin/chromium', '/etc/postgresql-common']) {
    edit('scripts/setup', (script) => script.replaceAll(folder, clone + folder));
  }
  const bin = path.join(clone, 'bin');
  mkdirSync(bin);
  const program = (name, lines) => writeFileSync(path.join(bin, name), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  program('pg_config', 'exit 1');
  program('sudo', 'exec "$@"');
  program('apt-get', '[ "$1" = update ]');
  // More than a pipe holds: who has left by then kills it.
  program('apt-cache', `case $2 in postgresql-17* | chromium) candidate=17.12 ;; *) candidate='(none)' ;; esac
    exec awk -v candidate="$candidate" 'BEGIN { print "  Candidate: " candidate; for (i = 0; i < 20000; i++) print "        500 http://mirror.example" }'`);
  const { code, stdout, stderr } = await setup('test', { bin });
  const [, packages = ''] = /installing Debian packages: (.*)/.exec(stdout) ?? [];
  assert.deepEqual(packages.split(' ').filter((name) => /^(postgres|chromium)/.test(name)).sort(),
    ['chromium', 'postgresql-17', 'postgresql-17-cron', 'postgresql-server-dev-17'], `${stdout}${stderr}`);
  assert.match(stderr, /apt-get install failed/);
  assert.equal(code, 1);
});
