// Errors as a user should meet them.
import assert from 'node:assert/strict';

const LONGEST = 600; // of message, detail and hint together, in characters

/**
 * Asserts that the client's query fails with the SQLSTATE and a message that matches each of `says`, fits on a
 * screen, and has a hint if there is one to match.
 */
export async function refused(client, query, code, { says = [], hint } = {}) {
  await assert.rejects(
    async () => client.query(query),
    (error) => {
      const shown = `${query.text ?? query}\n→ ${error.code}: ${error.message}`.slice(0, 2_000);
      assert.equal(error.code, code, shown);
      for (const part of [says].flat()) {
        assert.match(error.message, part instanceof RegExp ? part : new RegExp(`(?<!\\w)${part}(?!\\w)`), shown);
      }
      if (hint) assert.match(error.hint ?? '', hint, shown);
      const length = [error.message, error.detail, error.hint].join('').length;
      assert.ok(length <= LONGEST, `an error of ${length} characters: ${shown}`);
      return true;
    },
    (query.text ?? query).slice(0, 500),
  );
}
