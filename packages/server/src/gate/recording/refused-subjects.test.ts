import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RefusedSubjects } from './refused-subjects.ts';

const minute = 60_000;
const of = (subject: string) => () => subject;
const never = () => assert.fail('it is known');
const attribute = 'attribute_not_expected' as never;

function opened() {
  const clock = { now: 500 };
  const refused = new RefusedSubjects(() => clock.now);
  const told = () => refused.most().map(({ subject, perMinute }) => `${subject} ${perMinute}`);
  return { clock, refused, told };
}

test('those of the last whole minute are told, the most refused first, of all certificates of a subject', () => {
  const { clock, refused, told } = opened();
  refused.note('c1', of('truck-1'), attribute, 4);
  refused.note('c1', never, attribute, 3);
  refused.note('c2', of('truck-1'), attribute, 5);
  refused.note('c3', of('truck-2'), attribute, 20);
  refused.note('c4', of('truck-3'), attribute, 4);
  assert.deepEqual(told(), [], 'the minute is not over');
  clock.now += minute;
  assert.deepEqual(told(), ['truck-2 20', 'truck-1 12']);
  refused.note('c1', of('truck-1'), attribute, 9);
  clock.now += minute;
  assert.deepEqual(told(), ['truck-1 9']);
  clock.now += 2 * minute;
  assert.deepEqual(told(), [], 'a minute without a refusal lies between');
});

test('whose certificate is not known is counted for nobody, and nothing grows with what is sent', () => {
  const { clock, refused, told } = opened();
  refused.note('c1', () => null, attribute, 100);
  refused.note('c2', () => '', attribute, 100);
  for (let index = 0; index < 20_000; index++) refused.note(`d${index}`, of(`truck-${index}`), attribute, 10);
  clock.now += minute;
  assert.equal(told().length, 20);
});
