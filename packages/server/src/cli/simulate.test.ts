import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulatorWords } from './simulate.ts';

test('a simulator that took a whole processor says that its figures are its own', () => {
  const used = (cpuSeconds: number) => simulatorWords({ cpuSeconds, memoryMostBytes: 512 * 2 ** 20 }, 100);
  assert.equal(used(40), '40 s CPU, 512 MiB at most');
  assert.match(used(95), /^95 s CPU.*start several/);
});
