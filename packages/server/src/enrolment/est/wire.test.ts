import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csrAttributesAnswer } from './wire.ts';

/** In DER, by the identifiers of RFC 5758, RFC 5480 and RFC 9881. */
const rows = [
  ['p-256', '302106082a8648ce3d040302301506072a8648ce3d0201310a06082a8648ce3d030107'],
  ['ml-dsa-44', '300b0609608648016503040311'],
  ['ml-dsa-65', '300b0609608648016503040312'],
  ['ml-dsa-87', '300b0609608648016503040313'],
] as const;

for (const [algorithm, attributes] of rows) {
  test(`what a request is to be like says ${algorithm}`, () => {
    assert.equal(csrAttributesAnswer(algorithm), `${Buffer.from(attributes, 'hex').toString('base64')}\n`);
  });
}
