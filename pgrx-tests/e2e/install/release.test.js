// What scripts/check-release finds before a release is made of it, and what a build asks for first.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PG_CONFIG } from '../../harness/postgres.js';
import { capture } from '../../harness/processes.js';
import { fromRoot } from '../../harness/setup.js';

const FILES = ['scripts', 'sql', 'Cargo.toml', 'Cargo.lock', 'META.json', 'CHANGELOG.md', 'socketio_emitter.control', 'README.md',
  'client/package.json', 'client/package-lock.json', 'docs/install.md', 'docs/start.md', 'client/README.md'];

let clone, version;

beforeEach(() => {
  clone = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-release.'));
  for (const name of FILES) cpSync(fromRoot(name), path.join(clone, name), { recursive: true });
  version = /^version = "(.+)"$/m.exec(read('Cargo.toml'))[1];
});

afterEach(() => rmSync(clone, { recursive: true }));

const read = (name) => readFileSync(path.join(clone, name), 'utf8');

function edit(name, pattern, replacement) {
  const before = read(name);
  const after = before.replace(pattern, replacement);
  assert.notEqual(after, before, `${pattern} is in ${name}`);
  writeFileSync(path.join(clone, name), after);
}

describe('scripts/check-release', () => {
  beforeEach(async () => {
    edit('CHANGELOG.md', new RegExp(`^## ${version} \\(.*\\)$`, 'm'), `## ${version} (2026-01-31)`);
    await git('init', '--quiet');
    assert.equal((await check('--write')).code, 0);
    await commit();
  });

  async function git(...args) {
    const { code, stderr } = await capture('git', ['-c', 'user.name=test', '-c', 'user.email=test@test.example', ...args], { cwd: clone });
    assert.equal(code, 0, stderr);
  }

  async function commit() {
    await git('add', '--all');
    await git('commit', '--quiet', '--message=test');
  }

  const check = (...args) => capture(path.join(clone, 'scripts/check-release'), args);

  async function finds(complaint, ...args) {
    const { code, stdout, stderr } = await check(...args);
    assert.equal(code, 1, stdout);
    assert.match(stderr, complaint);
  }

  it('passes what names one version, and has its tag', async () => {
    for (const args of [[], [`v${version}`]]) {
      const { code, stdout, stderr } = await check(...args);
      assert.equal(code, 0, `${stdout}${stderr}`);
    }
    await git('tag', `v${version}`);
    assert.equal((await check(`v${version}`)).code, 0);
  });

  it('finds each file that names another version', async () => {
    for (const [name, pattern, replacement, complaint] of [
      ['socketio_emitter.control', /default_version = '.*'/, `default_version = '9.9.9'`, /default_version in socketio_emitter\.control is 9\.9\.9, not/],
      ['Cargo.lock', /(name = "socketio_emitter"\nversion = )".*"/, '$1"9.9.9"', /the version in Cargo\.lock is 9\.9\.9/],
      ['META.json', /"version": ".*"/, '"version": "9.9.9"', /version in META\.json is 9\.9\.9/],
      ['META.json', /("docfile": .*\n *"version": )".*"/, '$1"9.9.9"', /the extension's version in META\.json is 9\.9\.9/],
      ['META.json', /socketio_emitter--.*\.sql/, 'socketio_emitter--9.9.9.sql', /the extension's file in META\.json is sql\/socketio_emitter--9\.9\.9\.sql/],
      ['client/package.json', /"version": ".*"/, '"version": "9.9.9"', /version in client\/package\.json is 9\.9\.9/],
      ['client/package-lock.json', /"version": ".*"/, '"version": "9.9.9"', /version in client\/package-lock\.json is 9\.9\.9/],
      ['client/package-lock.json', /("packages": \{\s*"": \{[^}]*"version": )".*"/, '$1"9.9.9"', /the package's version in client\/package-lock\.json is 9\.9\.9/],
      ...[['README.md', 'postgresql-N-socketio-emitter_'], ['README.md', 'socketio_emitter_N-'], ['README.md', 'socketio_emitter-'],
        ['docs/install.md', 'postgresql-N-socketio-emitter_'], ['docs/install.md', 'socketio_emitter_N-'], ['docs/install.md', 'install -m 644 socketio_emitter-'],
        ['docs/start.md', 'postgresql-15-socketio-emitter_'], ['client/README.md', 'socketio_emitter-client-'],
      ].map(([page, name]) => [page, new RegExp(`(${name})${version}`), '$19.9.9',
        new RegExp(`the version of ${name.replace(/.*(?=socketio)/, '')}9\\.9\\.9 in ${page} is 9\\.9\\.9, not ${version}`)]),
      ['docs/start.md', /_\d+\.\d+\.\d+-1/, '_VERSION-1', /docs\/start\.md names no package/],
      ['CHANGELOG.md', /^## /m, '## 9.9.9 (2026-02-01)\n\n## ', /CHANGELOG\.md begins with "## 9\.9\.9/],
    ]) {
      const original = read(name);
      edit(name, pattern, replacement);
      await finds(complaint);
      writeFileSync(path.join(clone, name), original);
    }
  });

  it('finds a script that was released and then changed, or is gone', async () => {
    await git('tag', `v${version}`);
    edit('CHANGELOG.md', /^/, '# Changed\n\n');
    await commit();
    assert.equal((await check()).code, 0); // other files may change
    edit(`sql/socketio_emitter--${version}.sql`, /$/, '-- changed\n');
    await finds(new RegExp(`sql/socketio_emitter--${version}\\.sql isn't what v${version} released`));
    await git('checkout', '--', 'sql');
    rmSync(path.join(clone, 'sql/socketio_emitter--0.1.0.sql'));
    await finds(/sql\/socketio_emitter--0\.1\.0\.sql isn't what v/);
  });

  it('finds it without a tag, too, by its sum', async () => {
    const [older, newer] = ['socketio_emitter--0.1.0.sql', 'socketio_emitter--0.3.0--0.4.0.sql'];
    edit(`sql/${newer}`, /$/, '-- changed\n');
    await finds(new RegExp(`sql/${newer} isn't what was released`));
    await check('--write'); // which doesn't make it right
    await finds(new RegExp(`sql/${newer} isn't what was released`));
    await git('checkout', '--', 'sql');
    rmSync(path.join(clone, 'sql', older));
    await finds(new RegExp(`sql/${older} isn't what was released`));
    await git('checkout', '--', 'sql');
    writeFileSync(path.join(clone, 'sql/SHA256SUMS'), 'no sum\n');
    await finds(/sql\/SHA256SUMS isn't a list of sums/);
  });

  it('wants the sum of each script of a version that has a date, and of no other', async () => {
    const script = `socketio_emitter--${version}.sql`;
    edit('sql/SHA256SUMS', new RegExp(`^.*  ${script}\n`, 'm'), '');
    await finds(new RegExp(`sql/${script} is of a release, and has no sum`));
    edit('CHANGELOG.md', '(2026-01-31)', '(unreleased)');
    edit('sql/SHA256SUMS', new RegExp(`^.*--${version}\\.sql\n`, 'm'), ''); // of the upgrade script
    const before = read('sql/SHA256SUMS');
    assert.equal((await check()).code, 0);
    await check('--write');
    assert.equal(read('sql/SHA256SUMS'), before);
    edit('sql/SHA256SUMS', /^.*  socketio_emitter--0\.4\.0\.sql\n/m, '');
    await finds(/sql\/socketio_emitter--0\.4\.0\.sql is of a release, and has no sum/);
    await check('--write');
    assert.equal(read('sql/SHA256SUMS'), before);
  });

  it('fails if git names no tags', async () => {
    rmSync(path.join(clone, '.git'), { recursive: true });
    await finds(/git doesn't say which tags there are/);
  });

  it('rejects a tag of another name, without a date in the changelog, of other files, or of another commit', async () => {
    const tag = `v${version}`;
    await finds(new RegExp(`the tag is ${version}, not ${tag}`), version);
    edit('CHANGELOG.md', '(2026-01-31)', '(unreleased)');
    await finds(/CHANGELOG\.md has no date/, tag);
    await finds(/not everything is committed/, tag);
    await git('tag', tag);
    await commit();
    await finds(new RegExp(`the commit of ${tag} is`), tag);
  });
});

it('a build asks for rustfmt before anything else', async () => {
  const bin = path.join(clone, 'bin');
  mkdirSync(bin);
  writeFileSync(path.join(bin, 'rustfmt'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  writeFileSync(path.join(bin, 'cargo'), '#!/bin/sh\necho cargo was called >&2\nexit 1\n', { mode: 0o755 });
  const { code, stderr } = await capture(path.join(clone, 'scripts/extension'), ['build', PG_CONFIG, 'dev'], {
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  assert.equal(code, 1);
  assert.match(stderr, /^extension: rustfmt is missing: install it with `rustup component add rustfmt`/);
  assert.doesNotMatch(stderr, /cargo was called/);
});
