import { test } from 'node:test';
import fc from 'fast-check';
import { payloadProperties } from './payloads.fuzz.ts';

for (const [sentence, property] of Object.entries(payloadProperties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IProperty<unknown>, { seed: 10, numRuns: 1_000 }));
}
