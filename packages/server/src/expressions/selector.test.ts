import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttributeValue } from '@portcullis/contract';
import { compileSelector } from './selector.ts';

const truck = (attributes: Record<string, AttributeValue> = {}, id = 'truck-17') => ({
  id,
  kind: 'device' as const,
  attributes: new Map(Object.entries(attributes)),
});
const met = (text: string, attributes?: Record<string, AttributeValue>) =>
  compileSelector(text).select(truck(attributes));

test('it sees id, kind and attributes by their names', () => {
  assert.equal(met('site == "berlin" && kind == "device"', { site: 'berlin' }), 'met');
  assert.equal(met('site == "berlin" && kind == "device"', { site: 'kiel' }), 'not_met');
  assert.equal(met('id.startsWith("truck-")'), 'met');
  assert.equal(met('level > 2.0 && !recalled', { level: 3, recalled: false }), 'met');
  assert.equal(met('attributes["cold-chain"] == "yes"', { 'cold-chain': 'yes' }), 'met');
  assert.equal(met('id in ["truck-16", "truck-17"]'), 'met');
  assert.deepEqual(compileSelector('site == "a" || attributes["b-c"] == 1.0').attributes, ['site', 'b-c']);
});

test('of who lacks an attribute it says neither, unless the rest decides or it is asked for', () => {
  assert.match(JSON.stringify(met('site == "berlin"')), /(it has no \\"site\\")/);
  assert.equal(met('site == "berlin" || kind == "device"'), 'met');
  assert.equal(met('has(attributes.site)'), 'not_met');
  assert.equal(met('!has(attributes.site)'), 'met');
  assert.equal(met('!has(attributes.site) || site == "old"', { site: 'old' }), 'met');
});

test('a value of another type than it is compared with is no match, and never a mistake in favour', () => {
  assert.equal(met('level == "3"', { level: 3 }), 'not_met');
  assert.equal(typeof met('level < 3.0', { level: 'high' }), 'object');
});

test('what can never be evaluated, or costs without bound, is refused when it is read', () => {
  for (const [text, why] of [
    ['site ==', /./],
    ['kind + 1', /can never/],
    ['"berlin"', /never give a boolean/],
    ['attributes == 1', /named one by one/],
    ['id.matches("a+")', /"matches" is not offered/],
    ['[1].all(x, [2].all(y, x == y))', /a loop within a loop/],
    ['iccid == 8944501234567890123', /./],
    ['x'.repeat(2_001), /at most 2000 are allowed/],
  ] as const)
    assert.throws(() => compileSelector(text), { message: why }, text);
});
