import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { BusyLoop } from './busy-loop.ts';

function work(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
}

test('busy is a loop that had no moment free since it was looked at', async () => {
  let now = 0;
  const loop = new BusyLoop(() => now);
  await pause(50);
  now += 50;
  assert.equal(loop.isBusy, false);
  work(50);
  now += 5;
  assert.equal(loop.isBusy, false, 'too short to say');
  now += 5;
  assert.equal(loop.isBusy, true);
});
