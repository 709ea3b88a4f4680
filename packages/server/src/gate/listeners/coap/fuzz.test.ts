import { test } from 'node:test';
import fc from 'fast-check';
import { coapProperties } from './coap.fuzz.ts';

for (const [sentence, property] of Object.entries(coapProperties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IProperty<unknown>, { seed: 10, numRuns: 300 }));
}
