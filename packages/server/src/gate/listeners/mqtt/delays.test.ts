import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Delays } from './delays.ts';

test('G4: who comes back and back waits longer each time, up to 30 s; of others nothing is known', () => {
  const delays = new Delays({ monotonic: () => 0 });
  const waits = Array.from({ length: 7 }, () => delays.next('a'));
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.equal(delays.next('b'), 1_000);
});

test('what was stored, or a while without a refusal, begins anew; the first ones may be free', () => {
  let now = 0;
  const delays = new Delays({ monotonic: () => now });
  assert.deepEqual([delays.next('a'), delays.next('a')], [1_000, 2_000]);
  delays.reset('a');
  assert.equal(delays.next('a'), 1_000);
  now += 100_000;
  assert.equal(delays.next('a'), 1_000);
  const free = Array.from({ length: 4 }, () => delays.next('b', 2));
  assert.deepEqual(free, [0, 0, 1_000, 2_000]);
});

test('P13: invented certificates cost no memory', () => {
  const delays = new Delays({ monotonic: () => 0 });
  delays.next('first');
  for (let index = 0; index < 10_000; index++) delays.next(`name ${index}`);
  assert.equal(delays.next('first'), 1_000, 'the one that was refused longest ago is forgotten');
});
