import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Recent } from './recent.ts';

test('what is kept takes no more bytes than it may: what was put first goes first, also where something grows', () => {
  const recent = new Recent<{ name: string }>(100);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name })) as [{ name: string }, { name: string }, { name: string }];
  recent.put('a', a, 40);
  recent.put('b', b, 40);
  recent.put('c', c, 40);
  assert.deepEqual([recent.get('a'), recent.get('b'), recent.bytes], [undefined, b, 80]);
  recent.grow('c', c, 30);
  assert.deepEqual([recent.get('b'), recent.get('c'), recent.bytes], [undefined, c, 70]);
  recent.grow('c', a, 1_000);
  recent.grow('b', b, 1_000);
  assert.equal(recent.bytes, 70);
  recent.put('c', a, 10);
  assert.deepEqual([recent.get('c'), recent.bytes], [a, 10]);
  recent.put('a', a, 1_000);
  assert.deepEqual([recent.get('a'), recent.bytes], [undefined, 0]);
});
