import { test } from 'node:test';
import fc from 'fast-check';
import { tokenProperties } from './enrolment-token.fuzz.ts';

for (const [sentence, property] of Object.entries(tokenProperties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IProperty<unknown>, { seed: 10, numRuns: 300 }));
}
