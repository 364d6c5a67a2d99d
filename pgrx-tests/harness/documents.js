// JSON documents to be sent and compared: chosen ones for every corner, and random ones, the same for the same seed.
import fc from 'fast-check';

const unicode = ['é', 'ß', '€', 'Ω', '日本語', '😀', '\u2028', '\u0007', '"', '\\', '/', '\n', '\u007f', 'a\u0301'];

const numbers = [
  '0', '-0', '1', '-1', '127', '128', '255', '256', '-32', '-33', '-128', '-129', '32767', '32768', '65535', '65536',
  ...[31n, 32n, 53n, 63n, 64n].flatMap((bits) => [-1n, 0n, 1n].flatMap((by) => [`${2n ** bits + by}`, `-${2n ** bits + by}`])),
  '9007199254740993', '-9007199254740993', '18446744073709551615', '18446744073709551616', '9223372036854777857',
  `1${'0'.repeat(130)}`, `-${'9'.repeat(400)}`, '123456789012345678901234567890.12345678901234567890',
  '1e400', '-1e400', '1e308', '1.7976931348623157e308', '1.7976931348623159e308', '5e-324', '2e-324', '3e-324', '1e-400',
  '2.2250738585072014e-308', '2.2250738585072011e-308', '0.1', '0.10', '1.500', '-2.50', '100.00', '1e21', '1e-7',
  '0.30000000000000004', '3.141592653589793238462643383279', '9007199254740992.5', '9007199254740993.5', '1e0', '10e-1',
];

/** Texts of JSON documents that a careless encoder gets wrong. */
export const CHOSEN = [
  'null', 'true', 'false', '""', '[]', '{}', '[[]]', '[{}]', '{"": ""}', '{"a": {}}', '[null, [null, [null]]]',
  ...numbers,
  `[${numbers.join(', ')}]`,
  `{${numbers.map((number, i) => `"n${i}": ${number}`).join(', ')}}`,
  ...unicode.flatMap((text) => [JSON.stringify(text), JSON.stringify({ [text]: [text, text] })]),
  JSON.stringify(unicode.join('').repeat(50)),
  // Lengths around every step of MessagePack's formats, and around the 32 after which jsonb stores an offset.
  ...[15, 16, 31, 32, 33, 40, 64, 65, 97, 255, 256, 257].flatMap((length) => [
    JSON.stringify('x'.repeat(length)),
    JSON.stringify(Array.from({ length }, (_, i) => i)),
    JSON.stringify(Array.from({ length }, (_, i) => `text ${i}`)),
    JSON.stringify(Array.from({ length }, (_, i) => [i, { i }])),
    JSON.stringify(Object.fromEntries(Array.from({ length }, (_, i) => [`key ${i}`, i]))),
    JSON.stringify(Object.fromEntries(Array.from({ length }, (_, i) => [`key ${i}`, { i: [`${i}`, i % 2 === 0, null] }]))),
    JSON.stringify({ ['k'.repeat(length)]: 'v'.repeat(length) }),
  ]),
  JSON.stringify('x'.repeat(65_535)), JSON.stringify('x'.repeat(65_536)), JSON.stringify('é'.repeat(40_000)),
  JSON.stringify(Array.from({ length: 65_536 }, (_, i) => i % 300)),
  JSON.stringify(Object.fromEntries(Array.from({ length: 65_536 }, (_, i) => [`${i}`, i]))),
  // Not a placeholder of ours unless there are binaries.
  '{"_placeholder": true, "num": 0}', '{"_placeholder": false, "num": 0}', '[{"_placeholder": true, "num": 7, "x": 1}]',
];

/** `count` texts of random documents, the same for the same seed. */
export function randomDocuments(count, seed) {
  return fc.sample(document(), { numRuns: count, seed });
}

function document() {
  const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 22, size: 'max' })
    .map((list) => list.join('').replace(/^0+(?=\d)/, ''));
  const sign = fc.constantFrom('', '-');
  const zeros = fc.constantFrom('', '0', '00');
  const exponent = fc.integer({ min: -350, max: 349 });
  const text = (...parts) => fc.tuple(...parts).map((each) => each.join(''));
  const point = fc.constant('.');
  const number = fc.oneof(
    fc.constantFrom(...numbers),
    text(sign, digits),
    text(sign, digits, point, digits, zeros),
    text(sign, digits, point, digits, fc.constant('e'), exponent),
  );
  // Those of ours come side by side more often than by chance.
  const ours = fc.array(fc.constantFrom(...unicode, 'a', 'b', ' '), { maxLength: 11 }).map((list) => list.join(''));
  const string = fc.oneof({ arbitrary: ours, weight: 4 }, fc.string({ unit: 'grapheme' })).map((each) => JSON.stringify(each));
  const literal = fc.constantFrom('null', 'true', 'false');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 5, depthSize: 'small' },
      number, string, literal, { arbitrary: tie('array'), weight: 2 }, { arbitrary: tie('object'), weight: 2 }, tie('wide')),
    array: fc.array(tie('value'), { maxLength: 8 }).map((items) => `[${items.join(', ')}]`),
    object: fc.array(fc.tuple(string, tie('value')), { maxLength: 8 })
      .map((entries) => `{${entries.map((entry) => entry.join(': ')).join(', ')}}`),
    // More items than 32, after which jsonb stores an offset.
    wide: fc.array(fc.oneof(number, string, literal), { minLength: 30, maxLength: 40, size: 'max' }).map((items) => `[${items.join(', ')}]`),
  }));
  return value;
}
