import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plain, plainJson, plainLines } from './plain-text.ts';

const hostile: [string, string][] = [
  ['\u001b[2J\u001b]0;owned\u0007', '\\u{1b}[2J\\u{1b}]0;owned\\u{7}'],
  ['\u009b31m', '\\u{9b}31m'],
  ['admitted\rrefused', 'admitted\\u{d}refused'],
  ['a\nb', 'a\\u{a}b'],
  ['abc\u202edcba', 'abc\\u{202e}dcba'],
  ['zero\u200bwidth', 'zero\\u{200b}width'],
  ['half \ud83d', 'half \\u{d83d}'],
  ['line\u2028break', 'line\\u{2028}break'],
  ['Zürich 東京 😀', 'Zürich 東京 😀'],
];

for (const [text, shown] of hostile) {
  test(`${JSON.stringify(text)} is shown as ${JSON.stringify(shown)}`, () => assert.equal(plain(text), shown));
}

test('our own line breaks stay where we make them', () => {
  assert.equal(plainLines('one\ntwo\u001b[1m'), 'one\ntwo\\u{1b}[1m');
});

test('JSON without anything unseen means the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = plainJson({ text });
      assert.deepEqual(JSON.parse(json), { text });
      assert.equal(plain(json), json);
    }),
  );
  assert.equal(plainJson('\u009b \u{e0041}'), '"\\u009b \\udb40\\udc41"');
});
