import { test } from 'node:test';
import fc from 'fast-check';
import { importProperties } from './import-rows.fuzz.ts';

for (const [sentence, property] of Object.entries(importProperties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IProperty<unknown>, { seed: 10, numRuns: 200 }));
}
