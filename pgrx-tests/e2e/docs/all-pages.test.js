// Every page of the documentation has a test that runs its code: it opens the page, and fails if a block was not taken.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { blocksOf } from '../../harness/page.js';
import { fromRoot } from '../../harness/setup.js';

const read = (file) => readFileSync(fromRoot(file), 'utf8');
const filesIn = (folder, form) => readdirSync(fromRoot(folder), { recursive: true }).filter((file) => form.test(file)).map((file) => path.join(folder, file));

const SUMMARY = 'docs/SUMMARY.md';
const PAGES = filesIn('docs', /\.md$/).filter((page) => page !== SUMMARY).sort();
const READMES = ['README.md', 'client/README.md', 'demo/README.md', 'pgrx-tests/README.md'];

/** Pages for those who work on the extension: their commands, and where each is run. */
const FOR_DEVELOPERS = {
  'docs/ARCHITECTURE.md': [[/^[a-z]/, 'scripts/lint-layers', /```layers/]],
  'pgrx-tests/README.md': [
    [/^make test FILE=\S+ +#/, 'scripts/test', /find_files "\$name"/],
    [/^make test FILE=live\/rows PROFILE=dev/, 'Makefile', /PROFILE="\$\(PROFILE\)" scripts\/test \$\(FILE\)/],
    [/^make test FILE="queue\/basics worker\/crash\.test\.js"/, 'scripts/test', /"\$e2e\/\$1\.test\.js"/],
    [/^node --test (--test-name-pattern='two columns' )?pgrx-tests\/e2e\/live\/rows\.test\.js$/, 'pgrx-tests/e2e/live/rows.test.js', /two columns/],
  ],
};

describe('the documentation', () => {
  it('is in the book, every page once', () => {
    const listed = [...read(SUMMARY).matchAll(/\]\((.*?\.md)\)/g)].map(([, page]) => path.join('docs', page));
    assert.deepEqual(listed.toSorted(), PAGES);
  });

  // It would be a TypeError, and an unhandled one ends the server: any client could send the event without a callback.
  it('has no server that answers without asking whether the client takes an answer', () => {
    const handlers = [...READMES, ...PAGES].flatMap((page) => blocksOf(read(page)).flatMap(({ language, text, line }) => (
      language === 'js' ? [...text.matchAll(/socket\.on\('.*answer\) => (\{\n.*\n)?/g)].map(([head]) => ({ page, line, head })) : [])));
    assert.ok(handlers.length >= 5, `${handlers.length} handlers`);
    assert.deepEqual(handlers.filter(({ head }) => !head.includes(`typeof answer !== 'function'`)), []);
  });

  const tests = filesIn('pgrx-tests/e2e/docs', /\.test\.js$/).map(read);

  /** Whether a test opens that page: by its name, or by that of a module which several tests of one page share. */
  function opens(test, page) {
    const shared = [...test.matchAll(/import \{[^}]*\bPAGE\b[^}]*\} from '\.\.\/\.\.\/(.*)'/g)].map(([, file]) => read(path.join('pgrx-tests', file)));
    return test.includes(`openPage('${page}'`) || test.includes('openPage(PAGE') && shared.some((text) => text.includes(`PAGE = '${page}'`));
  }

  // Where it is skipped, the block would be left, and the tests behind it would meet it. All tests of a page may be skipped for one reason.
  it('has no code that is taken by a test which may be skipped', () => {
    const skipping = tests.filter((text) => !/\{ skip \}, \(\) => page\.assertAllTaken/.test(text))
      .flatMap((text) => [...text.matchAll(/^( *)it\([^\n]*\{ skip[^\n]*=> \{\n(.*?)^\1\}\);$/gms)]);
    assert.ok(skipping.length >= 4, `${skipping.length} tests that may be skipped`);
    assert.deepEqual(skipping.filter(([, , body]) => /\.(next|take|takeAll)\('/.test(body)).map(([test]) => test), []);
  });

  for (const page of [...READMES, ...PAGES]) {
    it(`has no code in ${page} that no test runs`, () => {
      const blocks = blocksOf(read(page));
      for (const { language, line } of blocks) assert.ok(language, `${page}:${line}: a block without a language`);
      const code = blocks.filter(({ language }) => language !== 'text');
      if (code.length === 0) return;
      if (FOR_DEVELOPERS[page]) return provenElsewhere(page, code);
      const itsTests = tests.filter((text) => opens(text, page) && text.includes('assertAllTaken()'));
      assert.ok(itsTests.length > 0, `no test in pgrx-tests/e2e/docs opens ${page} and asserts that all of its code was taken`);
    });
  }
});

/** That each command of such a page is one of those that are run elsewhere. */
function provenElsewhere(page, code) {
  const unused = new Set(FOR_DEVELOPERS[page]);
  for (const command of code.flatMap(({ text }) => text.trim().split('\n'))) {
    const proof = FOR_DEVELOPERS[page].find(([form]) => form.test(command));
    assert.ok(proof, `${page}: ${command}`);
    const [, file, words] = proof;
    assert.match(read(file), words, `${command} in ${file}`);
    unused.delete(proof);
  }
  assert.equal(unused.size, 0);
}
