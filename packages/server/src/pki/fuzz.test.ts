import { test } from 'node:test';
import fc from 'fast-check';
import { pkcs10Properties } from './pkcs10.fuzz.ts';

for (const [sentence, property] of Object.entries(pkcs10Properties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IAsyncProperty<unknown>, { seed: 10, numRuns: 200 }));
}
