import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import type { Store } from '../storage/storage.ts';
import { openArchive } from './archive.ts';

const [step, round] = [200, 600_000];

/** A store with nothing to archive, which counts how often it was looked at. */
function open(context: TestContext, { fails = 0 } = {}) {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const seen = { looks: 0, errors: 0 };
  const change = async () => {
    seen.looks++;
    if (seen.looks <= fails) throw new Error('the disk is full');
    return { moved: 0, next: undefined };
  };
  const log = pino({ level: 'error' }, { write: () => void seen.errors++ });
  const archive = openArchive({ store: { change } as unknown as Store, system: { now: () => 0 }, log });
  const after = async (milliseconds: number) => {
    context.mock.timers.tick(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
    return seen.looks;
  };
  return { archive, seen, after };
}

test('a round begins by itself, one table after the other, and the next one some minutes later', async (context) => {
  const { after } = open(context);
  for (const looks of [1, 2, 3]) assert.equal(await after(step), looks);
  assert.equal(await after(round - 1), 3);
  assert.equal(await after(1), 4);
});

test('P13: what fails is said, and tried again in the next round', async (context) => {
  const { seen, after } = open(context, { fails: 1 });
  assert.equal(await after(step), 1);
  assert.equal(seen.errors, 1);
  assert.equal(await after(round - 1), 1);
  assert.equal(await after(1), 2);
  assert.equal(await after(step), 3);
});

test('a closed archive looks at nothing any more, also where it was closed within a step', async (context) => {
  const { archive, seen, after } = open(context);
  await after(step);
  context.mock.timers.tick(step);
  assert.equal(seen.looks, 2);
  await archive[Symbol.asyncDispose]();
  assert.equal(await after(round), 2);
});
