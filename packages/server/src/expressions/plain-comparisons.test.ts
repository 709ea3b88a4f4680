import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileCondition, parsedExactly } from './condition.ts';
import { plainComparison } from './plain-comparisons.ts';

const subject = { id: 'truck-17', kind: 'device' } as const;
const said = (text: string, reading: Record<string, unknown>) =>
  compileCondition(text).evaluate({ subject, attribute: () => undefined, reading });
const plain = (text: string) => plainComparison(parsedExactly(text).expr);

const number = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(0.5, -0.5, 2.25));
const comparison = fc
  .tuple(
    fc.constantFrom('reading.t', 'reading.h', 'reading.box.t'),
    fc.constantFrom('<', '<=', '>', '>=', '==', '!='),
    fc.oneof(
      number.map(String),
      fc.integer({ min: -3, max: 3 }).map((value) => `${value}.0`),
    ),
  )
  .map((words) => words.join(' '));
const expression = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    comparison,
    tie('any').map((inner) => `!(${inner})`),
    fc.tuple(tie('any'), tie('any')).map(([left, right]) => `(${left} || ${right})`),
    fc.tuple(tie('any'), tie('any')).map(([left, right]) => `(${left} && ${right})`),
  ),
})).any;
const member = fc.oneof({ weight: 4, arbitrary: number }, fc.constantFrom('1', null, true, [1], { t: 1 }));
const reading = fc.record(
  { t: member, h: member, box: fc.record({ t: member }, { requiredKeys: [] }) },
  { requiredKeys: [] },
);

test('what is compared by itself says the same as CEL, whatever the reading holds', () => {
  let bySelf = 0;
  fc.assert(
    fc.property(expression, reading, (text, given) => {
      const compared = plain(text);
      assert.ok(compared, text);
      if (compared(given) !== undefined) bySelf++;
      // What is joined with a constant is left to CEL.
      assert.equal(plain(`(${text}) || false`), undefined);
      const [one, other] = [said(text, given), said(`(${text}) || false`, given)];
      assert.equal(typeof one === 'string' ? one : 'failed', typeof other === 'string' ? other : 'failed', text);
    }),
    { numRuns: 300 },
  );
  assert.ok(bySelf > 50, `${bySelf} were compared by themselves`);
});

test('anything more than limits on numbers of the reading is left to CEL', () => {
  for (const text of [
    'attributes.max > 3',
    'reading.t > attributes.max',
    'reading.door == "open"',
    'has(reading.t)',
    'has(reading.t) && reading.t > 1',
    'reading.list[0] > 1',
    'reading.list.all(reading, reading.t > 1)',
    '1 < reading.t',
    'double(reading.t) > 1.0',
    'subject.id == "a"',
  ])
    assert.equal(plain(text), undefined, text);
});

test('a member that is not its own is none', () => {
  assert.deepEqual(said('reading.constructor == 1', {}), said('reading.constructor == 1 || false', {}));
  assert.equal(plain('reading.__proto__.t > 1')?.({}), undefined);
});
