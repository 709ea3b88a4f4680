import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Beginnings } from './beginnings.ts';

test('sixteen begin in one turn of the loop, the others in the next ones, in their order', async () => {
  const beginnings = new Beginnings();
  const begun: number[] = [];
  const perTurn: number[] = [];
  const all = Promise.all(
    Array.from({ length: 40 }, async (_, at) => {
      await beginnings.turn();
      begun.push(at);
    }),
  );
  while (begun.length < 40) {
    await new Promise((resolve) => setImmediate(resolve));
    perTurn.push(begun.length);
  }
  await all;
  assert.deepEqual(
    begun,
    Array.from({ length: 40 }, (_, at) => at),
  );
  assert.ok(
    perTurn.every((count, turn) => count - (perTurn[turn - 1] ?? 0) <= 32),
    String(perTurn),
  );
  assert.ok(perTurn.length >= 2, String(perTurn));
});
