import { test } from 'node:test';
import fc from 'fast-check';
import { ocspProperties } from './ocsp.fuzz.ts';

for (const [sentence, property] of Object.entries(ocspProperties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IProperty<unknown>, { seed: 11, numRuns: 300 }));
}
