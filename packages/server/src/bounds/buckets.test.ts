import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Buckets } from './bounds.ts';

test('a burst at once, then one each time; of one key, whatever others do', () => {
  let now = 0;
  const buckets = new Buckets({ burst: 3, everyMs: 1_000, monotonic: () => now });
  const take = (key: string) => buckets.take(key);
  assert.deepEqual([take('a'), take('a'), take('a'), take('a'), take('b')], [true, true, true, false, true]);
  now += 999;
  assert.equal(take('a'), false);
  now += 1;
  assert.deepEqual([take('a'), take('a')], [true, false]);
  now += 60_000;
  assert.deepEqual([take('a'), take('a'), take('a'), take('a')], [true, true, true, false]);
});

test('P13: invented keys cost no memory', () => {
  const buckets = new Buckets({ burst: 1, everyMs: 1_000, monotonic: () => 0 });
  assert.equal(buckets.take('first'), true);
  for (let index = 0; index < 10_000; index++) assert.equal(buckets.take(`key ${index}`), true);
  assert.equal(buckets.take('first'), true, 'the one that was used longest ago is forgotten');
  assert.equal(buckets.take('key 9999'), false);
});
