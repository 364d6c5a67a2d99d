// A page of the documentation, and which of its code blocks a test has run: all of them must be.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fromRoot } from './setup.js';

/** What no test can run: what a command prints, and drawings. Every other block is code. */
const NO_CODE = new Set(['text']);

/** The page at that path from the root, such as 'docs/rooms.md'; with `section`, only what is under that heading of the second level. */
export function openPage(name, { section } = {}) {
  return new Page(name, section);
}

class Page {
  #blocks;

  constructor(name, section) {
    this.name = name;
    this.text = readFileSync(fromRoot(name), 'utf8');
    this.#blocks = blocksOf(this.text)
      .filter((block) => !NO_CODE.has(block.language) && (section === undefined || block.section === section))
      .map((block) => ({ ...block, taken: false }));
    assert.ok(section === undefined || this.#blocks.length > 0, `${name} has no code under "## ${section}"`);
    for (const { language, line } of this.#blocks) assert.ok(language, `${name}:${line}: a block without a language`);
  }

  /** The headings of the second level that have code below them. */
  sections() {
    return [...new Set(this.#blocks.map(({ section }) => section))];
  }

  /**
   * The text of the first block not taken yet, which must be of that language and contain `words`, and which now counts as run.
   * A test that reads the blocks in their order reads like the page.
   */
  next(language, words = '') {
    const block = this.#blocks.find(({ taken }) => !taken);
    assert.ok(block, `${this.name}: no block is left, but the test expects ${language} with ${JSON.stringify(words)}`);
    assert.equal(block.language, language, `${this.name}:${block.line}`);
    assert.ok(block.text.includes(words), `${this.name}:${block.line} has no ${JSON.stringify(words)}`);
    return take(block);
  }

  /** The text of the only block of that language, of those not taken yet, that contains `words`. */
  take(language, words) {
    const found = this.#blocks.filter((block) => !block.taken && block.language === language && block.text.includes(words));
    assert.equal(found.length, 1, `${this.name}: ${found.length} blocks of ${language} contain ${JSON.stringify(words)}`);
    return take(found[0]);
  }

  /** The texts of all blocks of that language not taken yet, in their order. */
  takeAll(language) {
    const found = this.#blocks.filter((block) => !block.taken && block.language === language);
    assert.ok(found.length > 0, `${this.name}: no block of ${language}`);
    return found.map(take);
  }

  /** That every block was taken. A test of the page ends with it. */
  assertAllTaken() {
    const left = this.#blocks.filter(({ taken }) => !taken).map(({ line, language, text }) => `${this.name}:${line} (${language}) ${text.split('\n')[0]}`);
    assert.deepEqual(left, [], 'blocks that no test runs');
  }
}

function take(block) {
  block.taken = true;
  return block.text;
}

/** The fenced blocks of a Markdown text, those in lists, too: → [{ language, text, line, section }] */
export function blocksOf(text) {
  const blocks = /^( *)```(\w*)[^\n]*\n(.*?)^\1```$/gms;
  // Comments in code look like headings.
  const prose = text.replaceAll(blocks, (block) => ' '.repeat(block.length));
  return [...text.matchAll(blocks)].map(({ 1: indent, 2: language, 3: body, index }) => ({
    language,
    text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    line: text.slice(0, index).split('\n').length,
    section: [...prose.slice(0, index).matchAll(/^## (.*)$/gm)].at(-1)?.[1],
  }));
}

/**
 * Runs a block of a page's JavaScript that is a fragment: with these names bound to these values. The block's own top-level names
 * in `returns` are given back.
 */
export async function evaluate(code, bindings = {}, returns = []) {
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  const run = new AsyncFunction(...Object.keys(bindings), `${code}\nreturn { ${returns.join(', ')} };`);
  return run(...Object.values(bindings));
}
