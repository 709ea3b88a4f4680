import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneOf } from './one-of.ts';

const Colour = oneOf(['red', 'green']);
const wordsOf = (given: unknown) => Colour.safeParse(given).error?.issues[0]?.message;

test('a word of the list is itself', () => assert.equal(Colour.parse('red'), 'red'));

test('what is none of them is told with the list', () => {
  assert.equal(wordsOf('blue'), '"blue" is unknown; must be one of [red, green]');
  assert.equal(wordsOf(7), 'must be one of [red, green]');
  assert.equal(wordsOf(undefined), 'must be one of [red, green]');
  assert.equal(wordsOf('x'.repeat(65)), `"${'x'.repeat(64)}…" is unknown; must be one of [red, green]`);
});
