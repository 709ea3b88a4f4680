import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idIn, lineIn, lineOf, numbered, parseLine, writeReading } from './reading.ts';

const stamp = { id: 'a', time: '2026-11-23T12:00:00Z', clock: 'unknown' } as const;
const head = '{"_clock":"unknown","_id":"a","_time":"2026-11-23T12:00:00Z"';

for (const data of [
  '{"value":9007199254740993,"other":12345678901234567890}',
  '{"value":1E+400,"zero":-0,"cents":1.10}',
  '{"value":3.1415926535897932384626433}',
  '{"10":1,"9":2,"a":{"2":1,"1":2}}',
  '{"text":"\\u00e9\\/"}',
]) {
  test(`P17: ${data} goes out as it was written, its members in their order`, () => {
    const { text } = parseLine(Buffer.from(data));
    assert.equal(lineOf(text, stamp), `${head},${data.slice(1)}`);
    assert.equal(lineIn(lineOf(text, stamp)), lineOf(text, stamp));
  });
}

test('what is reserved is taken out of the line wherever it stands, white space too', () => {
  const { text, given } = parseLine(' { "a" : 1.0 , "_id":"mine", "b":[ 2 ],"_time":"2026-11-23T12:00:00Z" }\r');
  assert.equal(text, '{"a":1.0,"b":[2]}');
  assert.deepEqual(given, { id: 'mine', time: '2026-11-23T12:00:00Z' });
  assert.equal(lineOf('{}', stamp), `${head}}`);
});

for (const [line, message] of [
  [Buffer.from('{"name":"caf\xe9"}', 'latin1'), /^this is not UTF-8$/],
  ['{"a":1,"b":2,"a":3}', /the member "a" stands twice in the same object/],
  ['{"a":{"x":1,"\\u0078":2}}', /the member "x" stands twice/],
  ['{"a":"\\ud800"}', /half of a surrogate pair/],
  ['{"_id":"a","_id":"b"}', /"_id" stands twice/],
  [`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`, /nested deeper than 32/],
  ['\ufeff{"a":1}', /this is not JSON/],
  ['7', /not a JSON object/],
  ['{"_clock":"unknown"}', /"_clock" begins with "_"/],
] as const) {
  test(`${String(line).slice(0, 40)} is refused as a gate would refuse it`, () => {
    assert.throws(() => parseLine(line), { code: 'usage', message });
  });
}

test('the id of a line is found with and without a number, and in one of version 0.1.0', () => {
  const line = lineOf('{"_x":"_id","a":1}', { ...stamp, id: 'a:1' });
  for (const one of [line, numbered(line, { run: 'r', sequence: 7 }), '{"a":1,"_id":"a:1"}'])
    assert.equal(idIn(one), 'a:1');
});

test('half of a surrogate pair in an object is refused too', () => {
  assert.throws(() => writeReading({ a: '\ud800' }, {}), { code: 'usage', message: /surrogate/ });
});

test('a reading is as large as a gate takes it, with what is added to it', () => {
  const number = { run: 'r'.repeat(32), sequence: Number.MAX_SAFE_INTEGER };
  const fits = `{"a":"${'x'.repeat(65_536 - head.length - 8 - 71)}"}`;
  assert.equal(lineOf(fits, { ...stamp, ...number }).length, 65_536);
  assert.equal(numbered(lineOf(fits, stamp), number).length, 65_536);
  assert.throws(() => lineOf(fits.replace('x', 'xx'), stamp), { code: 'usage', message: /65537 bytes .* 65536/ });
});
