import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { finished, launchOf } from '../../../../tools/commands.ts';

/** What each image of the process is told, the one that it becomes among them. It ends for want of a fleet. */
async function toldToAllocate(environment: Record<string, string>): Promise<string[]> {
  const say = 'data:text/javascript,console.log(process.env.MALLOC_MMAP_THRESHOLD_)';
  const launch = { ...launchOf('portcullis', environment), options: ['--import', say] };
  const { status, out } = await finished(launch, 'start', 'gate', join(import.meta.dirname, 'no-fleet'));
  assert.equal(status, 1);
  return out.trim().split('\n');
}

test('a process that listens gives back what is large as soon as it is free, unless its environment says otherwise', async () => {
  assert.deepEqual(await toldToAllocate({}), ['undefined', '262144']);
  assert.deepEqual(await toldToAllocate({ MALLOC_MMAP_THRESHOLD_: '131072' }), ['131072', '131072']);
});
