import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenOf, isFenced, type Looked } from './primary.ts';

const seen = (place: string, timeline: number | null, system = '7'): Looked => ({
  place,
  seen: { standby: timeline === null, system, timeline, synchronous: '' },
});
const away: Looked = { place: 'a:1', why: 'ECONNREFUSED' };

test('the one that takes changes is taken, and of two that do the one that was promoted last', () => {
  assert.equal(chosenOf([away, seen('b:1', 1)]), 1);
  assert.equal(chosenOf([seen('a:1', 1), seen('b:1', null)]), 0);
  assert.equal(chosenOf([seen('a:1', 1), seen('b:1', 2)]), 1);
  assert.equal(chosenOf([seen('a:1', 11), seen('b:1', 2), seen('c:1', null)]), 0);
});

for (const [what, looked, refused] of [
  [
    'where none does',
    [away, seen('b:1', null)],
    /no database of "store" takes changes: a:1 does not answer \(ECONNREFUSED\), b:1 is a standby/,
  ],
  ['where two do on one timeline', [seen('a:1', 2), seen('b:1', 2)], /a:1 and b:1 both take changes/],
  ['where they were never one', [seen('a:1', 1), seen('b:1', null, '8')], /a:1 and b:1 are not copies of one another/],
] as const) {
  test(`none is taken ${what}`, () => assert.throws(() => chosenOf(looked), { message: refused }));
}

for (const [names, ofTwo, ofThree] of [
  ['', false, false],
  ['*', false, false],
  ['second', true, true],
  ['FIRST 1 (second)', true, true],
  ['1 (second)', true, true],
  ['any 1 ("second", third)', false, true],
  ['second, third', false, true],
  ['ANY 1 (second, *)', false, false],
] as const) {
  test(`a replaced primary with synchronous_standby_names "${names}" ${ofTwo ? 'can' : 'may'} not go on, of two`, () =>
    assert.deepEqual([isFenced(names, 2), isFenced(names, 3)], [ofTwo, ofThree]));
}
