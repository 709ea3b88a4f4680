import { test } from 'node:test';
import fc from 'fast-check';
import { wireProperties } from './wire.fuzz.ts';

for (const [sentence, property] of Object.entries(wireProperties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IAsyncProperty<unknown>, { seed: 13, numRuns: 500 }));
}
