import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MediaType, mediaTypeOf, parseReadings, type Readings, type Unreadable } from './readings.ts';

let made = 0;
const parse = (body: string | Buffer, type: MediaType = 'application/json') =>
  parseReadings(Buffer.from(body), type, () => `made-${++made}`);
const good = (body: string | Buffer, type?: MediaType) => {
  const parsed = parse(body, type);
  assert.ok(!('reason' in parsed), JSON.stringify(parsed));
  return parsed as Readings;
};
const many = 'application/x-ndjson';

test('reserved members go to their columns, what is left is the data', () => {
  const { ids, given, deviceTimes, clocks, data, texts } = good(
    '{"_id":"a:1","t":4.5,"_time":"2026-11-23T12:00:00.5+01:00","_clock":"synchronized","nested":{"_id":1}}',
  );
  assert.deepEqual([ids, given, clocks], [['a:1'], [true], ['synchronized']]);
  assert.deepEqual(deviceTimes, [Date.UTC(2026, 10, 23, 11, 0, 0, 500)]);
  assert.deepEqual(data, [{ t: 4.5, nested: { _id: 1 } }]);
  assert.deepEqual(texts, ['{"t":4.5,"nested":{"_id":1}}']);
});

test('a reading without an id is given one, which is no key for repeats', () => {
  const { ids, given, deviceTimes, clocks } = good('{"t":1}\n{"t":2}\n', many);
  assert.equal(new Set(ids).size, 2);
  assert.deepEqual(
    [given, deviceTimes, clocks],
    [
      [false, false],
      [null, null],
      ['unknown', 'unknown'],
    ],
  );
});

const kept: [string, string][] = [
  ['{"n":12345678901234567890}', '{"n":12345678901234567890}'],
  ['{"n":0.1234567890123456789,"_id":"x"}', '{"n":0.1234567890123456789}'],
  ['{"n":1e400}', '{"n":1e400}'],
  ['{"n":1E2}', '{"n":1E2}'],
  ['{ "a" : 1,\n"b":[ 2 ] }', '{"a":1,"b":[2]}'],
  ['{"a":1,"a":2}', '{"a":2}'],
  ['{"a":{"__proto__":{"admin":true}}}', '{"a":{"__proto__":{"admin":true}}}'],
  ['{"constructor":{"prototype":1}}', '{"constructor":{"prototype":1}}'],
  ['{"text":"\\u0000 ü \\ud83d\\ude00"}', '{"text":"\\u0000 ü 😀"}'],
];
for (const [body, text] of kept) {
  test(`${body.replaceAll('\n', ' ')} is stored as ${text}`, () => {
    const { texts, data } = good(body);
    assert.deepEqual(texts, [text]);
    assert.deepEqual(data, [JSON.parse(text)]);
    assert.equal(({} as { admin?: boolean }).admin, undefined);
  });
}

const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const refused: [string, string | Buffer, MediaType, Unreadable['reason'], number?][] = [
  ['nothing', '', 'application/json', 'reading_malformed'],
  ['no line', '', many, 'reading_malformed'],
  ['an empty line', '{}\n\n{}', many, 'reading_malformed', 2],
  ['an array', '[{}]', 'application/json', 'reading_malformed'],
  ['null', 'null', 'application/json', 'reading_malformed'],
  ['a number', '7', many, 'reading_malformed', 1],
  ['two values', '{}{}', 'application/json', 'reading_malformed'],
  ['a byte order mark', Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), 'application/json', 'reading_malformed'],
  [
    'bytes that are no UTF-8',
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    'application/json',
    'reading_malformed',
  ],
  ['33 levels', deep(33), 'application/json', 'reading_malformed'],
  ['ten thousand levels', deep(10_000), 'application/json', 'reading_malformed'],
  [
    'ten thousand brackets',
    `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    'application/json',
    'reading_malformed',
  ],
  ['one byte too many', `{"a":"${'x'.repeat(65_536 - 7)}"}`, 'application/json', 'reading_too_large'],
  ['too many bytes in few characters', `{"a":"${'ü'.repeat(33_000)}"}`, many, 'reading_too_large', 1],
  ['too many lines', '{}\n'.repeat(10_001), many, 'reading_too_large'],
  ['an unknown reserved member', '{"_ip":1}', 'application/json', 'reserved_member_misused'],
  ['a prototype', '{"__proto__":{"a":1}}', 'application/json', 'reserved_member_misused'],
  ['a reserved name of objects', '{"_id":"a"}\n{"__defineGetter__":1}', many, 'reserved_member_misused', 2],
  ['an id that is a number', '{"_id":1}', 'application/json', 'reserved_member_misused'],
  ['an id with a space', '{"_id":"a b"}', 'application/json', 'reserved_member_misused'],
  ['an empty id', '{"_id":""}', 'application/json', 'reserved_member_misused'],
  ['a time without a zone', '{"_time":"2026-11-23T12:00:00"}', 'application/json', 'reserved_member_misused'],
  ['a clock state that is none', '{"_clock":"fine"}', 'application/json', 'reserved_member_misused'],
];
for (const [what, body, type, reason, line] of refused) {
  test(`${what}: ${reason}${line === undefined ? '' : ` in line ${line}`}`, () => {
    const parsed = parse(body, type);
    assert.ok('reason' in parsed, JSON.stringify(parsed).slice(0, 200));
    assert.deepEqual([parsed.reason, parsed.line], [reason, line]);
    assert.ok(parsed.detail.length < 400, parsed.detail);
  });
}

test('32 levels and the longest reading are within bounds', () => {
  assert.equal(good(deep(32)).texts[0], deep(32));
  assert.equal(good(`{"a":"${'x'.repeat(65_536 - 8)}"}`).data.length, 1);
  assert.equal(good('{}\n'.repeat(10_000), many).data.length, 10_000);
});

test('two media types, with UTF-8 alone', () => {
  assert.equal(mediaTypeOf('application/json'), 'application/json');
  assert.equal(mediaTypeOf('Application/JSON; charset=UTF-8'), 'application/json');
  assert.equal(mediaTypeOf('application/x-ndjson;charset="utf-8"'), many);
  for (const other of [undefined, '', 'text/plain', 'application/json; charset=latin1', 'application/jsonp']) {
    assert.equal(mediaTypeOf(other), undefined, String(other));
  }
});
