import { test } from 'node:test';
import fc from 'fast-check';
import { estProperties } from './est.fuzz.ts';

for (const [sentence, property] of Object.entries(estProperties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IProperty<unknown>, { seed: 10, numRuns: 500 }));
}
