import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttributeType, parseAssignment } from './attributes.ts';

const written: [string, unknown, asText?: boolean, AttributeType?][] = [
  ['status=active', 'active'],
  ['armed=true', true],
  ['armed=True', 'True'],
  ['clearance=2', 2],
  ['offset=-4.25', -4.25],
  ['ratio=1e+22', 1e22],
  ['empty=', ''],
  ['url=a=b:=c', 'a=b:=c'],
  ['date=2026-11-27', '2026-11-27'],
  // What would come back otherwise.
  ['version=1.10', '1.10', true],
  ['version=1.0', '1.0', true],
  ['pin=007', '007', true],
  ['seal=1e3', '1e3', true],
  ['seal=12e45678', '12e45678', true],
  ['iccid=8944110068256270054', '8944110068256270054', true],
  ['small=-0', '-0', true],
  ['large=1E400', '1E400', true],
  ['signed=+5', '+5', true],
  ['short=.5', '.5', true],
  // A name that has a type.
  ['seal=12345678', '12345678', false, 'string'],
  ['armed=true', 'true', false, 'string'],
  ['version=1.10', 1.1, false, 'number'],
  ['version=1e3', 1000, false, 'number'],
  ['iccid=8944110068256270054', '8944110068256270054', true, 'number'],
  ['clearance=high', 'high', false, 'number'],
  ['armed=1', 1, false, 'boolean'],
  // Forced.
  ['version:="1.1"', '1.1'],
  ['version:=1.10', 1.1],
  ['armed:="true"', 'true'],
  ['iccid:="8944110068256270054"', '8944110068256270054'],
];
for (const [word, value, asText = false, type] of written) {
  test(`${word}${type ? ` (${type})` : ''} is ${JSON.stringify(value)}${asText ? ', and said to be' : ''}`, () => {
    const name = word.split(/:?=/)[0];
    assert.deepEqual(
      parseAssignment(word, () => type),
      { name, value, asText },
    );
  });
}

for (const [word, words] of [
  ['status', /K=V/],
  ['=active', /K=V/],
  ['iccid:=8944110068256270054', /write it as a string/],
  ['seal:=9f3c', /in quotes/],
  ['seal:=', /in quotes/],
  ['large:=1e400', /more than a number/],
  ['__proto__=1', /"__proto__": is reserved/],
  ['__proto__:={}', /"__proto__": is reserved/],
  ['half:="\\ud800"', /surrogate/],
] as const) {
  test(`${word} is refused`, () =>
    assert.throws(
      () => parseAssignment(word),
      (error: Error & { code?: string }) => error.code === 'usage' && words.test(error.message),
    ));
}
