import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCondition } from './condition.ts';

const subject = { id: 'truck-17', kind: 'device' } as const;
const attribute = (name: string) => ({ site: 'berlin', level: 3 })[name];

const refusedTexts: [string, RegExp][] = [
  ['reading.t <', /expecting end of input/],
  ['device.t < 1', /"device" is unknown; an expression sees \[reading, subject, attributes\]/],
  ['size(attributes) > 0', /attributes are named one by one/],
  ['"site" in attributes', /attributes are named one by one/],
  ['attributes[reading.name] == "x"', /attributes are named one by one/],
  ['reading.name.matches("(a+)+$")', /"matches" is not offered/],
  ['launch(reading)', /there is no function "launch"/],
  ['reading.a.all(x, reading.b.all(y, x < y))', /a loop within a loop/],
  // Types that no reading and no attribute can have.
  ['reading.t + 1 < 60', /"reading\.t \+ 1" can never be evaluated: .*double.*int.*write 1\.0 for 1/],
  ['reading.t < 60.0 || 2 * reading.t < 1.0', /"2 \* reading\.t" can never/],
  ['attributes.level - 1 > 2.0', /"attributes\.level - 1" can never/],
  ['reading.list.exists(x, x % 2 == 0)', /"x % 2" can never/],
  ['reading.list.map(x, x + 1).size() > 2', /"x \+ 1" can never/],
  ['reading.t.startsWith(1)', /can never be evaluated/],
  ['attributes.site.name == "x"', /"attributes\.site\.name" can never .* no members/],
  ['subject.name == "x"', /a subject has \[id, kind\]/],
  ['subject.id > 3', /"subject\.id > 3" can never/],
  ['attributes.site.exists(x, x == "a")', /neither list nor map/],
  ['size(reading.list)', /can never give a boolean/],
  ['reading.t + 1.0', /can never give a boolean/],
  ['"a" && reading.t', /needs true or false/],
  ['!reading.a + 1 == 2', /can never be evaluated/],
  ['(reading.open ? 1 : "a") && true', /needs true or false/],
  // Numbers that would be rounded.
  ['reading.n < 9007199254740993', /9007199254740993 would be taken as 9007199254740992/],
  ['reading.n == -8944110068256270054', /8944110068256270054 would be taken as/],
  ['reading.n == 0.12345678901234567890', /would be taken as/],
  ['reading.n == 0x20000000000001', /9007199254740993 would be/],
  ['reading.n < 18446744073709551615u', /18446744073709551615 would be/],
  ["reading.s != 'it\\'s 1' && reading.n < 1e-400", /would be taken as 0/],
  [`reading.a == "${'x'.repeat(2_000)}"`, /at most 2000/],
];

const evaluable = [
  'reading.t + 1.0 < 60',
  'reading.t < 60 && reading.u >= 9007199254740992',
  'reading.s == "8944110068256270054" || reading.s == \'1e400\' || reading.n9007199254740993 == 1',
  'int(reading.t) + 1 < 60 && double(attributes.site) > 1.0',
  'timestamp(reading.at) < timestamp("2026-01-01T00:00:00Z") + duration("1h")',
  'timestamp(reading.at).getHours() < 4',
  'size(reading.list) + 1 < 4 && reading.list.size() % 2 == 0',
  'reading.list.exists_one(x, x == 1.0)',
  'reading.exists(name, name.startsWith("t"))',
  '[1, 2, 3].exists(n, n + 1 == 4)',
  'reading.list[0].name[1] == "x"',
  'reading.t in [1, 2] && reading.s in {"a": 1} && "a" in reading',
  '(has(reading.t) ? reading.t : 0.0) < 8.0',
  '!(reading.open == true) && reading.on',
  'type(reading.t) == type(1.0)',
  'reading.t == null || string(reading.t) == "a" + "b"',
  'subject.id == subject.kind',
];
for (const text of evaluable) test(`"${text}" compiles`, () => void compileCondition(text));

for (const [text, message] of refusedTexts) {
  test(`"${text.slice(0, 60)}" does not compile, and says why`, () => {
    assert.throws(() => compileCondition(text), { message });
  });
}

test('a condition knows which attributes it names, and whether it reads the reading', () => {
  const { attributes, readsReading } = compileCondition('attributes.level > 1 && attributes["si-te"] == "x"');
  assert.deepEqual([attributes, readsReading], [['level', 'si-te'], false]);
  assert.equal(compileCondition('reading.a.exists(x, x > attributes.level)').readsReading, true);
});

const readings: [string, Record<string, unknown>, 'met' | 'not_met' | 'failed'][] = [
  ['reading.t < 8.0 && reading.t > -30', { t: 4 }, 'met'],
  ['reading.t < 8.0', { t: 8.1 }, 'not_met'],
  ['reading.t < 8.0', { t: '4' }, 'failed'],
  ['reading.count == 3', { count: 3 }, 'met'],
  ['reading.list.all(x, x < attributes.level)', { list: [1, 2] }, 'met'],
  ['reading.list.all(x, x < attributes.level)', { list: [1, 5] }, 'not_met'],
  ['reading.deep.er["est"] == "x"', { deep: { er: { est: 'x' } } }, 'met'],
  ['reading.constructor == 1', {}, 'failed'],
  ['reading.deep.constructor == 1', { deep: {} }, 'failed'],
  ['has(reading.toString)', {}, 'not_met'],
  ['reading.wrapped == 5', { wrapped: { $typeName: 'google.protobuf.DoubleValue', value: 5 } }, 'not_met'],
  ['reading["__proto__"] == 1', JSON.parse('{"__proto__":1}') as Record<string, unknown>, 'met'],
  ['reading.t', { t: 1 }, 'failed'],
  ['1 / 0 == 1 && reading.t == 1', { t: 1 }, 'failed'],
  ['reading.t == null', { t: null }, 'met'],
];

for (const [text, reading, outcome] of readings) {
  test(`${text} for ${JSON.stringify(reading)}: ${outcome}`, () => {
    const result = compileCondition(text).evaluate({ subject, attribute, reading });
    assert.equal(typeof result === 'string' ? result : 'failed', outcome, JSON.stringify(result));
  });
}

test('P13: the longest reading takes a bounded time, however a loop looks at it', () => {
  const condition = compileCondition('reading.list.all(x, x >= 0)');
  const reading = { list: Array.from({ length: 32_000 }, (_, index) => index) };
  const before = process.threadCpuUsage();
  assert.equal(condition.evaluate({ subject, attribute, reading }), 'met');
  const { user, system } = process.threadCpuUsage(before);
  assert.ok(user + system < 1_000_000, `${user + system} µs of this thread`);
});
