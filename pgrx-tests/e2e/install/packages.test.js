// What makes packages and gathers them: that it stops where it can't go on, and destroys nothing.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { capture } from '../../harness/processes.js';
import { fromRoot } from '../../harness/setup.js';

let home, clone;

beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-packages.'));
  clone = path.join(home, 'clone');
  for (const name of ['scripts', 'Cargo.toml', 'Cargo.lock', 'LICENSE', 'socketio_emitter.control']) {
    cpSync(fromRoot(name), path.join(clone, name), { recursive: true });
  }
});

afterEach(() => rmSync(home, { recursive: true }));

function write(folder, files) {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content);
}

const run = (script, args, options) => capture(path.join(clone, 'scripts', script), args, { cwd: home, ...options });

const dist = () => path.join(clone, 'target/dist');
const sums = (files) => Object.entries(files).sort()
  .map(([name, content]) => `${createHash('sha256').update(content).digest('hex')}  ${name}\n`).join('');
const withSums = (files) => ({ SHA256SUMS: sums(files), ...files });

describe('scripts/collect-dist', () => {
  const contents = (folder) => Object.fromEntries(readdirSync(folder).sort().map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]));

  it('adds other folders to target/dist, named from where it is called', async () => {
    write(dist(), withSums({ 'a.deb': 'a', 'source.zip': 'source' }));
    write(path.join(home, 'arm64'), withSums({ 'b.deb': 'b', 'source.zip': 'source' }));
    const { code, stderr } = await run('collect-dist', ['clone/target/dist', 'arm64']);
    assert.equal(code, 0, stderr);
    assert.deepEqual(contents(dist()), withSums({ 'a.deb': 'a', 'b.deb': 'b', 'source.zip': 'source' }));
    assert.deepEqual(readdirSync(path.join(clone, 'target')), ['dist']);
  });

  it('leaves target/dist as it was if a folder is missing, was changed, or differs from another', async () => {
    const before = withSums({ 'a.deb': 'a', 'source.zip': 'source' });
    write(dist(), before);
    write(path.join(home, 'changed'), { ...withSums({ 'b.deb': 'b' }), 'b.deb': 'changed' });
    write(path.join(home, 'other'), withSums({ 'b.deb': 'b', 'source.zip': 'another' }));
    for (const [folder, complaint] of [
      ['missing', /there is no .*\/missing/], ['changed', /changed isn't what make dist left/], ['other', /source\.zip differs between the folders/],
    ]) {
      const { code, stdout, stderr } = await run('collect-dist', ['clone/target/dist', folder]);
      assert.equal(code, 1, stdout);
      assert.match(stderr, complaint);
      assert.deepEqual(contents(dist()), before);
      assert.deepEqual(readdirSync(path.join(clone, 'target')), ['dist']);
    }
  });
});

describe('scripts/third-party-licenses', () => {
  const OURS = { name: 'socketio_emitter_protocol', version: '0.5.0', licenses: [{ license: { id: 'MIT' } }] };
  const crate = (name, ...licenses) => ({ name, version: '1.0.0', licenses });

  beforeEach(() => {
    const source = (name) => path.join(home, 'cargo/registry/src/index.example', `${name}-1.0.0`);
    write(source('both'), { 'LICENSE-APACHE': 'the text of Apache\n', 'LICENSE-MIT': 'the text of MIT\n' });
    write(source('old'), { COPYING: 'a text of its own\n' });
    write(source('all'), { 'LICENSE-APACHE': 'the text of Apache\n', 'LICENSE-MIT': 'the text of MIT\n', 'LICENSE-UNICODE': 'Unicode\'s\n' });
    write(source('bare'), { 'Cargo.toml': '' });
    write(path.join(source('bare'), 'src'), { 'a.rs': '//! Copyright 2019-2021 First, Inc.\nfn a() {}\n', 'b.rs': '// Copyright 2019-2021 First, Inc.\n' });
  });

  const list = (...components) => {
    write(home, { 'sbom.json': JSON.stringify({ components }) });
    return run('third-party-licenses', ['sbom.json'], { env: { ...process.env, CARGO_HOME: path.join(home, 'cargo') } });
  };

  it('prints the text of each crate that isn\'t ours, however its license is named', async () => {
    const { code, stdout, stderr } = await list(OURS, crate('both', { expression: 'MIT OR Apache-2.0' }),
      crate('old', { license: { id: 'Zlib' } }, { license: { name: 'Old' } }));
    assert.equal(code, 0, stderr);
    assert.equal(stdout, '\n======== both 1.0.0, MIT OR Apache-2.0\n\nthe text of MIT\n'
      + '\n======== old 1.0.0, Zlib AND Old\n\na text of its own\n');
  });

  it('prints all texts where all licenses hold', async () => {
    const { code, stdout, stderr } = await list(crate('all', { expression: '(MIT OR Apache-2.0) AND Unicode-3.0' }));
    assert.equal(code, 0, stderr);
    assert.equal(stdout, '\n======== all 1.0.0, (MIT OR Apache-2.0) AND Unicode-3.0\n\nthe text of Apache\nthe text of MIT\nUnicode\'s\n');
  });

  it('prints the notices of a crate without a text, and that of MIT', async () => {
    const { code, stdout, stderr } = await list({ ...crate('bare', { expression: 'MIT OR Apache-2.0' }), author: 'First <first@test.example>' });
    assert.equal(code, 0, stderr);
    const [head, terms] = stdout.split('\n\nPermission is hereby granted, free of charge');
    assert.equal(head, '\n======== bare 1.0.0, MIT OR Apache-2.0\n\nCopyright (c) First <first@test.example>\nCopyright 2019-2021 First, Inc.');
    assert.match(terms, /WITHOUT WARRANTY OF ANY KIND/);
  });

  it('fails at a crate without a license or its text, and at one whose source isn\'t there', async () => {
    for (const [crates, complaint] of [
      [[crate('old', { license: { id: 'MIT' } }), crate('both')], /both 1\.0\.0 names no license/],
      [[crate('both', { license: {} })], /isn't an SBOM that says each crate's license/],
      [[crate('gone', { license: { id: 'MIT' } })], /the source of gone 1\.0\.0 isn't in .*\/cargo\/registry\/src/],
      [[crate('bare', { license: { id: 'Zlib' } })], /bare 1\.0\.0 brings no text of its license, Zlib/],
      [[crate('bare', { expression: 'MIT AND Zlib' })], /bare 1\.0\.0 brings no text of its license, MIT AND Zlib/],
      [[], /names no crate/],
    ]) {
      const { code, stdout, stderr } = await list(...crates);
      assert.equal(code, 1, stdout);
      assert.match(stderr, complaint);
    }
  });
});

describe('scripts/test-package, of packages for 16, which no Debian has', () => {
  beforeEach(() => {
    write(dist(), withSums({ 'postgresql-16-socketio-emitter_0.0.0-1_amd64.deb': '' }));
    // What it asks of the machine before its first test.
    const bin = path.join(home, 'bin');
    mkdirSync(bin);
    for (const name of ['sudo', 'npm', 'apt-get']) writeFileSync(path.join(bin, name), '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(path.join(clone, 'scripts/setup'), '#!/bin/sh\n', { mode: 0o755 });
  });

  const test = (...names) => run('test-package', names, {
    env: { ...process.env, PATH: `${path.join(home, 'bin')}:${process.env.PATH}`, DEBIAN_MIRROR: 'http://mirror.example' },
  });

  it('skips by name what needs such a Debian', async () => {
    const { code, stdout, stderr } = await test('deb-16', 'tar-16', 'rpm-16', 'image-16', 'compose');
    assert.equal(code, 0, stdout + stderr);
    for (const name of ['deb-16', 'tar-16', 'rpm-16', 'image-16', 'compose']) {
      assert.match(stdout, new RegExp(`^ +${name} +skipped: no Debian has Postgres 16$`, 'm'));
    }
    assert.match(stdout, /^0 passed, 0 failed, 5 skipped\n$/m);
  });

  it('takes no other name for one of its tests', async () => {
    for (const name of ['deb-51', 'deb-15', 'extension-image-16', 'deb', 'tests', '']) {
      const { code, stdout, stderr } = await test(name);
      assert.equal(code, 1, stdout);
      assert.match(stderr, new RegExp(`^test-package: no such test: ${name}; .* there are deb-16 tar-16 rpm-16 image-16 deb-16-unpacked`, 'm'));
    }
  });
});
