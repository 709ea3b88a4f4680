import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMultiple } from './exact-multiple.ts';
import { compileReadingSchema } from './reading-schema.ts';

const rows: [number, number, boolean][] = [
  [4.35, 0.01, true],
  [8.2, 0.01, true],
  [8.2, 0.1, true],
  [0.3, 0.1, true],
  [1.005, 0.001, true],
  [4.355, 0.01, false],
  [0.1, 0.03, false],
  [-4.35, 0.01, true],
  [0, 0.01, true],
  [-0, 7, true],
  [12, 4, true],
  [13, 4, false],
  [1e22, 3, false],
  [3e22, 3, true],
  [1e308, 1e-308, true],
  [5e-324, 1e300, false],
  [1.5e300, 5e299, true],
];
for (const [value, of, expected] of rows) {
  test(`${value} is ${expected ? 'a' : 'no'} multiple of ${of}`, () => {
    assert.equal(isMultiple(value, of), expected);
    for (const $schema of ['https://json-schema.org/draft/2020-12/schema', 'http://json-schema.org/draft-07/schema#']) {
      const mismatch = compileReadingSchema({ $schema, properties: { n: { multipleOf: of } } }).mismatchOf({
        n: value,
      });
      assert.equal(mismatch?.path, expected ? undefined : '/n');
      if (!expected) assert.deepEqual(mismatch?.expected, { multipleOf: { multipleOf: of } });
    }
  });
}

test('whatever has two digits behind the point is a multiple of 0.01', () => {
  fc.assert(fc.property(fc.integer({ min: -1e13, max: 1e13 }), (cents) => isMultiple(Number(`${cents}e-2`), 0.01)));
});

test('a multiple of nothing is refused when the schema is read', () => {
  for (const multipleOf of [0, -1, '1']) assert.throws(() => compileReadingSchema({ multipleOf }));
});
