import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type JsonRefused, JsonText, readJson } from './json-text.ts';

const read = (text: string): JsonText => {
  const found = readJson(text);
  assert.ok(found instanceof JsonText, JSON.stringify(found));
  return found;
};

const deep = (levels: number) => `${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`;
const refused: [string, string, JsonRefused['why'], RegExp?][] = [
  ['nothing', '', 'syntax'],
  ['a second value', '{}{}', 'syntax'],
  ['a comma behind it', '{},', 'syntax'],
  ['a byte order mark', '\ufeff{}', 'syntax'],
  ['a number with a leading zero', '{"a":007}', 'syntax'],
  ['a line within a text', '{"a":"\n"}', 'syntax'],
  ['34 levels', deep(34), 'depth', /32/],
  ['a hundred thousand levels', deep(100_000), 'depth'],
  ['a name twice', '{"t":1,"t":2}', 'duplicate', /"t"/],
  ['a name twice, the same value', '{"t":1,"u":{},"t":1}', 'duplicate', /"t"/],
  ['a name twice, once by escapes', '{"t":1,"\\u0074":2}', 'duplicate', /"t"/],
  ['a name twice further in', '{"a":[{"b":{"c":1}},{"b":{"d":":","e":1,"d":2}}]}', 'duplicate', /"d"/],
  ['a prototype twice', '{"__proto__":1,"__proto__":2}', 'duplicate', /__proto__/],
  ['an empty name twice', '{"":1,"":2}', 'duplicate', /""/],
  ['a number as a name twice', '{"1":1,"0":1,"1":2}', 'duplicate', /"1"/],
  ['half a pair as it is', '{"a":"\ud800"}', 'surrogate'],
  ['half a pair escaped', '{"a":"\\ud800"}', 'surrogate'],
  ['the other half, in capitals', '{"a":["\\uDFFF"]}', 'surrogate'],
  ['halves the wrong way round', '{"a":"\\udc00\\ud800"}', 'surrogate'],
  ['half a pair in a name', '{"a":{"\\ud83d":1}}', 'surrogate'],
];
for (const [what, text, why, words] of refused) {
  test(`${what} is refused: ${why}`, () => {
    const found = readJson(text);
    assert.ok('refused' in found, 'it was taken');
    assert.equal(found.why, why);
    assert.match(found.refused, words ?? /./);
    assert.ok(found.refused.length <= 200 && found.refused.isWellFormed());
  });
}

test('names may stand again in another object, and look like anything in a text', () => {
  for (const text of [
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
    '{"a":"\\"a\\":1,\\"a\\":2","b":"{:,}[]"}',
    '{"a":"\\\\ud800","b":"\\ud83d\\ude00 \\u00fc"}',
    '{"a":1,"A":2,"a ":3}',
    deep(32),
    '{}',
    '[]',
    '"\\ud83d\\ude00"',
    '7',
  ]) {
    assert.equal(read(text).compact(), text);
  }
});

const own = (name: string) => name.startsWith('_');
const left: [string, string][] = [
  ['{"_id":"a","n":9007199254740993}', '{"n":9007199254740993}'],
  ['{"n":1E+400,"_id":"a","m":-0}', '{"n":1E+400,"m":-0}'],
  ['{"n":0.1234567890123456789012345,"_id":"a"}', '{"n":0.1234567890123456789012345}'],
  ['{"b":1,"10":2,"9":3}', '{"b":1,"10":2,"9":3}'],
  ['{"\\u005fid":"a","t":"\\u00fc \\u0000 /\\/"}', '{"t":"\\u00fc \\u0000 /\\/"}'],
  [' { "_id" : "a, \\" }" ,\r\n"t" : [ 1 , { "_id" : " " } ]\t}\n', '{"t":[1,{"_id":" "}]}'],
  ['{"_a":{"x":[1,2]},"_b":[{},{}]}', '{}'],
  ['{}', '{}'],
  [' { } ', '{}'],
];
for (const [text, data] of left) {
  test(`${JSON.stringify(text)} without its own is ${data}`, () => assert.equal(read(text).without(own), data));
}

test('whatever JSON may be: what is left has the same value, and is left again', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary' })),
      fc.nat(3),
      (value, indent) => {
        const text = read(JSON.stringify(value, null, indent)).without(own);
        const expected = Object.fromEntries(Object.entries(value).filter(([name]) => !own(name)));
        assert.equal(text, JSON.stringify(JSON.parse(JSON.stringify(expected))));
        assert.equal(read(text).compact(), text);
      },
    ),
  );
});
