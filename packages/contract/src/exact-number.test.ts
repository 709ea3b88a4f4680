import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inexactNumberIn, inexactNumberWords, isExactNumber, parseExactly } from './exact-number.ts';

const exact = [
  '0',
  '-0',
  '0.1',
  '1.10',
  '4.35',
  '1E2',
  '100e-2',
  '9007199254740992',
  '9007199254740994',
  '1e22',
  '0e999999999999',
];
exact.push('5e-324', '1.7976931348623157e308', '123456789012345', '0.30000000000000004');
const inexact = ['9007199254740993', '8944110068256270054', '12345678901234567890', '1e400', '-1E+400', '1e-400'];
inexact.push(
  '0.1234567890123456789012345',
  '123456789.123456789',
  '0.1000000000000000055511151231257827',
  '1e-99999999999999999999',
);

for (const text of exact) test(`${text} is exact`, () => assert.equal(isExactNumber(text), true));
for (const text of inexact) test(`${text} is not`, () => assert.equal(isExactNumber(text), false));

test('each is found where it stands, and not in a text', () => {
  for (const text of inexact) {
    assert.equal(inexactNumberIn(`{"a":[1,-2.5e1,{"b":${text}}],"c":1}`), text);
    assert.equal(inexactNumberIn(`{"a":"${text}","b\\"${text}":"\\\\"}`), undefined);
  }
  for (const text of exact) assert.equal(inexactNumberIn(`[${text}]`), undefined);
});

test('what every program writes that has doubles is exact', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => isExactNumber(JSON.stringify(value))),
  );
});

test('it is said what would become of it', () => {
  assert.match(
    inexactNumberWords('8944110068256270054'),
    /8944110068256270054 would be taken as 8944110068256270000; .* string/,
  );
  assert.match(inexactNumberWords('1e400'), /more than a number can be/);
  assert.ok(inexactNumberWords('1'.repeat(60_000)).length < 150);
});

test('read exactly, two texts are equal when each of their numbers is, digit for digit', () => {
  const equal = (a: string, b: string) => assert.deepStrictEqual(parseExactly(a), parseExactly(b));
  equal('{"a":1.0,"b":[9007199254740993]}', '{"b":[9007199254740993.0],"a":1}');
  equal('[1e400,"\\u00fc"]', '[10E+399,"ü"]');
  for (const [a, b] of [
    ['[9007199254740993]', '[9007199254740992]'],
    ['[9007199254740993]', '[9007199254740995]'],
    ['[1e400]', '[1e401]'],
    ['[1e400]', '["1e400"]'],
  ] as const) {
    assert.notDeepStrictEqual(parseExactly(a), parseExactly(b));
  }
});

test('P13: the time for a number is no more than its digits ask for, zeros within or not', () => {
  const start = performance.now();
  for (const text of [`1${'0'.repeat(200_000)}1`, `0.1${'0'.repeat(200_000)}1`, `${'10'.repeat(100_000)}1`]) {
    assert.equal(isExactNumber(text), false);
  }
  // A minute and more where the work is the square of the digits.
  assert.ok(performance.now() - start < 5_000);
});
