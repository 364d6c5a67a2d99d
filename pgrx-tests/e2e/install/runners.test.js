// What runs the tests: that it names and counts what is left out and what fails, and leaves nothing behind.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { capture } from '../../harness/processes.js';
import { fromRoot } from '../../harness/setup.js';
import { until } from '../../harness/wait.js';

let clone;

beforeEach(() => {
  clone = mkdtempSync(path.join(os.tmpdir(), 'socketio_emitter-runners.'));
  for (const name of ['scripts', '.ci', 'Cargo.toml', 'pgrx-tests/package.json', 'pgrx-tests/harness/deadline.js']) {
    cpSync(fromRoot(name), path.join(clone, name), { recursive: true });
  }
});

afterEach(() => rmSync(clone, { recursive: true }));

const read = (name) => readFileSync(path.join(clone, name), 'utf8');

function write(name, content, options) {
  mkdirSync(path.dirname(path.join(clone, name)), { recursive: true });
  writeFileSync(path.join(clone, name), content, options);
}

function run(script, args = [], env = {}) {
  const { HARNESS_WORK, NODE_TEST_CONTEXT, ...rest } = process.env;
  return capture(path.join(clone, script), args, { cwd: clone, env: { ...rest, ...env } });
}

const program = (name, lines) => write(name, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });

it('scripts/test names what was skipped, with any reason, and counts it', async () => {
  write('.work/env', `PG_MAJOR='15'\nPRIVATE_PG_CONFIG='/none'\nSERVER_WORK='${clone}/.work'\n`);
  program('scripts/install-privately', 'exit 0');
  write('pgrx-tests/e2e/some/some.test.js', `import { describe, it } from 'node:test';
    it('passes', () => {});
    describe('inside', () => it('waits for 17 (or later)', { skip: 'its length is fixed, and 8 GB' }, () => {}));
    describe('a whole one', { skip: 'this machine has no Ruby' }, () => it('is in it', () => {}));
    it('passes, too', { skip: false }, () => {});`);
  const { code, stdout, stderr } = await run('scripts/test', ['some']);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^skipped:\n {2}end to end: waits for 17 \(or later\): its length is fixed, and 8 GB\n {2}end to end: a whole one: this machine has no Ruby\n\n2 passed, 0 failed, 2 skipped\n$/m);
  assert.equal(read('.work/log/count'), '2 passed, 0 failed, 2 skipped\n');
});

it('scripts/matrix names what was skipped on each Postgres', async () => {
  program('scripts/provide-postgres', 'echo /none/pg_config');
  program('scripts/setup', `mkdir -p "$HARNESS_WORK/log"; echo "PRIVATE_PG_CONFIG=/none/pg_config" >"$HARNESS_WORK/env"`);
  program('scripts/test', `case $HARNESS_WORK in */17) echo '1 passed, 0 failed' ;; *) echo 'end to end: a test: a reason' >"$HARNESS_WORK/log/skips"
    echo '1 passed, 0 failed, 1 skipped' ;; esac >"$HARNESS_WORK/log/count"`);
  const { code, stdout, stderr } = await run('scripts/matrix', ['sample'], { MAJORS: '16 17' });
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^skipped:\n {2}16: end to end: a test: a reason\n3 passed, 0 failed, 1 skipped\n$/m);
});

describe('.ci/run ends with the sum of all', () => {
  const ends = async (failing, last) => {
    program('bin/make', `shift; case $1 in
      test) mkdir -p .work/log; echo '7 passed, 0 failed' >.work/log/count ;;
      matrix) mkdir -p .work/matrix/log; echo '5 passed, ${failing.includes('matrix') ? 2 : 0} failed, 1 skipped' >.work/matrix/log/count ;;
    esac
    case ' ${failing.join(' ')} ' in *" $1 "*) exit 2 ;; esac`);
    const { code, stdout } = await run('.ci/run', [], { PATH: `${path.join(clone, 'bin')}:${process.env.PATH}` });
    assert.equal(stdout.split('\n').at(-2), last, stdout);
    assert.equal(code, failing.length > 0 ? 1 : 0, stdout);
  };

  it('that passed', () => ends([], '12 passed, 0 failed, 1 skipped'));
  it('that failed without a count', () => ends(['lint', 'docs', 'harden'], '12 passed, 3 failed, 1 skipped'));
  it('that failed with one', () => ends(['matrix'], '12 passed, 2 failed, 1 skipped'));
});

it('scripts/extension installs what it has built, though others build in the same clone, and removes it', async () => {
  for (const major of [16, 17]) {
    program(`${major}/pg_config`, `case $1 in --version) echo 'PostgreSQL ${major}.1' ;; *) echo "${clone}/${major}$1" ;; esac`);
  }
  write('socketio_emitter.control', '');
  write('sql/socketio_emitter--0.0.0.sql', '');
  // The first build ends when the second waits, or has gone past it.
  program('bin/rustfmt', 'exit 0');
  program('bin/cargo', `mkdir -p target/release; dirname "$PGRX_PG_CONFIG_PATH" >target/release/libsocketio_emitter.so
    case $PGRX_PG_CONFIG_PATH in */16/*) : >begun; until [ -e seen ]; do sleep 0.1; done ;; esac`);
  const install = (major) => run('in-log', [path.join(clone, `${major}/pg_config`), `${major}.log`],
    { PATH: `${path.join(clone, 'bin')}:${process.env.PATH}` });
  program('in-log', 'exec scripts/extension install "$1" release >"$2"');
  const first = install(16);
  await until('the first builds', () => existsSync(path.join(clone, 'begun')));
  const second = install(17);
  await until('the second waits, or is done', () => /waiting for another build|installed/.test(existsSync(path.join(clone, '17.log')) && read('17.log')));
  write('seen', '');
  for (const { code, stdout, stderr } of await Promise.all([first, second])) assert.equal(code, 0, stdout + stderr);
  for (const major of [16, 17]) assert.equal(read(`${major}--pkglibdir/socketio_emitter.so`), `${path.join(clone, String(major))}\n`);

  // And removes what an earlier version installed, too, but nothing else.
  for (const name of ['socketio_emitter--0.0.0--0.0.1.sql', 'another.control']) write(`16--sharedir/extension/${name}`, '');
  write('16--pkglibdir/another.so', '');
  const { code, stdout, stderr } = await run('scripts/extension', ['uninstall', path.join(clone, '16/pg_config'), 'release']);
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(['16--pkglibdir', '16--sharedir/extension'].map((name) => readdirSync(path.join(clone, name))), [['another.so'], ['another.control']]);
  assert.deepEqual(readdirSync(path.join(clone, '17--pkglibdir')), ['socketio_emitter.so']);
});

it('scripts/clean removes the folders outside in which servers ran for any of the runs', async () => {
  const places = ['', 'harden/run/', 'matrix/16/', 'earlier/0123abc/run/'].map((name) => {
    const outside = mkdtempSync(path.join(clone, 'socketio_emitter.')); // of .work
    write(`.work/${name}env`, `SERVER_WORK='${outside}'\n`);
    return outside;
  });
  const { code, stdout, stderr } = await run('scripts/clean');
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual([path.join(clone, '.work'), ...places].filter((place) => existsSync(place)), []);
});
