import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttributeValue } from '@portcullis/contract';
import { type Expectation, type Mismatch, mismatchOf } from './expectations.ts';

const rows: [Expectation, AttributeValue | undefined, Mismatch | undefined][] = [
  ['active', 'active', undefined],
  ['active', 'Active', 'attribute_not_expected'],
  ['active', undefined, 'attribute_missing'],
  [1, '1', 'attribute_type_mismatch'],
  [1, 1, undefined],
  [true, true, undefined],
  [true, 'true', 'attribute_type_mismatch'],
  [false, undefined, 'attribute_missing'],
  [{ min: 2 }, 2, undefined],
  [{ min: 2 }, 1.99, 'attribute_not_expected'],
  [{ max: 2 }, 3, 'attribute_not_expected'],
  [{ min: 1, max: 2 }, 1.5, undefined],
  [{ min: 2 }, '3', 'attribute_type_mismatch'],
  [{ min: 2 }, true, 'attribute_type_mismatch'],
  [{ in: ['a', 'b'] }, 'b', undefined],
  [{ in: ['a', 'b'] }, 'c', 'attribute_not_expected'],
  [{ in: ['a', 1] }, 2, 'attribute_not_expected'],
  [{ in: ['a'] }, 1, 'attribute_type_mismatch'],
  [{ in: [] }, 'a', 'attribute_type_mismatch'],
];

for (const [expected, found, mismatch] of rows) {
  test(`${JSON.stringify(expected)} and ${JSON.stringify(found)}: ${mismatch ?? 'as expected'}`, () => {
    assert.equal(mismatchOf(expected, found), mismatch);
  });
}
