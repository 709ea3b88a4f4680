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
  ['{"n":9007199254740993}', '{"n":9007199254740993}'],
  ['{"n":12345678901234567890}', '{"n":12345678901234567890}'],
  ['{"n":0.1234567890123456789012345,"_id":"x"}', '{"n":0.1234567890123456789012345}'],
  ['{"n":123456789.123456789}', '{"n":123456789.123456789}'],
  ['{"n":1E+400,"m":[-1e-400]}', '{"n":1E+400,"m":[-1e-400]}'],
  ['{"n":-0,"m":1.0,"o":1.10}', '{"n":-0,"m":1.0,"o":1.10}'],
  ['{"n":1E2}', '{"n":1E2}'],
  ['{ "a" : 1,\n"b":[ 2 ] }', '{"a":1,"b":[2]}'],
  ['{"b":1,"_id":"x","10":2,"a":3,"9":4}', '{"b":1,"10":2,"a":3,"9":4}'],
  ['{"a":{"__proto__":{"admin":true}}}', '{"a":{"__proto__":{"admin":true}}}'],
  ['{"constructor":{"prototype":1}}', '{"constructor":{"prototype":1}}'],
  ['{"text":"\\u0000 \\u00fc ü \\ud83d\\ude00 😀"}', '{"text":"\\u0000 \\u00fc ü \\ud83d\\ude00 😀"}'],
  ['{"\\u005fid":"x","a":1}', '{"a":1}'],
];
for (const [body, text] of kept) {
  test(`${body.replaceAll('\n', ' ')} is stored as ${text}`, () => {
    const { texts, data } = good(body);
    assert.deepEqual(texts, [text]);
    assert.equal(JSON.stringify(data), JSON.stringify([JSON.parse(text)]));
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
  ['a member twice', '{"t":1,"t":2}', 'application/json', 'reading_malformed'],
  ['a member twice further in', '{}\n{"a":[{"t":1,"\\u0074":2}]}', many, 'reading_malformed', 2],
  ['an id twice', '{"_id":"a","t":1,"_id":"b"}', many, 'reading_malformed', 1],
  ['half a surrogate pair', '{"a":"\\ud800"}', 'application/json', 'reading_malformed'],
  ['half a surrogate pair in a name', '{"a":{"\\udc00":1}}', many, 'reading_malformed', 1],
  ['a year beyond four digits', '{"_time":"9999-12-31T23:59:59-14:00"}', many, 'reserved_member_misused', 1],
  ['a year before the first', '{"_time":"0000-01-01T00:00:00+00:01"}', many, 'reserved_member_misused', 1],
  ['a day that no month has', '{"_time":"2026-02-30T00:00:00Z"}', many, 'reserved_member_misused', 1],
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

test('of a time its milliseconds are kept, and the instant of its offset', () => {
  const times = {
    '0000-01-01T00:00:00Z': '0000-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59.999999999Z': '9999-12-31T23:59:59.999Z',
    '2026-11-23T12:00:00.123987654+05:30': '2026-11-23T06:30:00.123Z',
    '1969-12-31T23:59:59.9999Z': '1969-12-31T23:59:59.999Z',
  };
  for (const [sent, kept] of Object.entries(times)) {
    const [time] = good(`{"_time":"${sent}"}`).deviceTimes;
    assert.equal(new Date(time as number).toISOString(), kept, sent);
  }
});

test('a member that stands twice is named', () => {
  const refused = parse('{"temperature":1,"temperature":2}');
  assert.ok('reason' in refused && refused.detail.includes('"temperature"'), JSON.stringify(refused));
});

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
