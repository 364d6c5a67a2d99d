// What scripts/setup says before it touches the machine.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { capture } from '../../harness/processes.js';
import { fromRoot } from '../../harness/setup.js';

it('scripts/setup says which Rust is needed, and how to get it, before it sets up anything', async () => {
  const clone = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-setup.'));
  try {
    cpSync(fromRoot('scripts'), path.join(clone, 'scripts'), { recursive: true });
    const manifest = readFileSync(fromRoot('Cargo.toml'), 'utf8');
    writeFileSync(path.join(clone, 'Cargo.toml'), manifest.replace(/^rust-version = ".*"$/m, 'rust-version = "1.999"'));
    const { code, stdout, stderr } = await capture(path.join(clone, 'scripts/setup'), ['demo']);
    assert.equal(code, 1, stdout);
    assert.equal(stdout, '');
    assert.match(stderr, /^setup: Rust is too old: \S+ is 1\.\d+\.\d+, needed is 1\.999 or later\. .*rustup.*$/m);
    assert.equal(existsSync(path.join(clone, '.work/env')), false);
  } finally {
    rmSync(clone, { recursive: true });
  }
});
