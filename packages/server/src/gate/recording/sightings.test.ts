import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sightings } from './sightings.ts';

test('the last time that a subject was heard is kept, and what came of it; nobody is nobody', () => {
  const sightings = new Sightings(1_000);
  sightings.note('a', { at: 2_000, verdict: 'admitted' });
  sightings.note('a', { at: 3_000, verdict: 'refused' });
  sightings.note('', { at: 3_000, verdict: 'refused' });
  assert.deepEqual(sightings.of('a'), { at: 3_000, verdict: 'refused' });
  assert.equal(sightings.of('b'), undefined);
  assert.equal(sightings.of(''), undefined);
  assert.equal(sightings.since, 1_000);
});

test('of too many the one heard the longest ago is forgotten, and since when all are known says so', () => {
  const sightings = new Sightings(0, 2);
  for (const [subject, at] of [
    ['a', 1],
    ['b', 2],
    ['a', 3],
    ['c', 4],
  ] as const) {
    sightings.note(subject, { at, verdict: 'admitted' });
  }
  assert.deepEqual([sightings.of('a')?.at, sightings.of('b'), sightings.of('c')?.at], [3, undefined, 4]);
  assert.equal(sightings.since, 2);
});
