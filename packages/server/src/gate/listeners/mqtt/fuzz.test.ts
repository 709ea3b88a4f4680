import { test } from 'node:test';
import fc from 'fast-check';
import { mqttProperties } from './mqtt.fuzz.ts';

for (const [sentence, property] of Object.entries(mqttProperties)) {
  test(`P13: ${sentence}`, () => fc.assert(property as fc.IProperty<unknown>, { seed: 10, numRuns: 1_000 }));
}
