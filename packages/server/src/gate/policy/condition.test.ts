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
  [`reading.a == "${'x'.repeat(2_000)}"`, /at most 2000/],
];

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
