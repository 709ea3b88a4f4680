import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Interned, uint8, WideColumn } from './columns.ts';

test('a column has room where something was written, and none behind what it is fitted to', () => {
  const column = uint8();
  assert.deepEqual([column.get(0), column.get(-1), column.get(0xffffffff), column.room], [0, 0, 0, 0]);
  column.set(100_000, 7);
  assert.deepEqual([column.get(100_000), column.get(99_999), column.get(5), column.get(200_000)], [7, 0, 0, 0]);
  const { room } = column;
  column.set(5, 9);
  assert.equal(column.room, room);
  column.fit(6);
  assert.deepEqual([column.get(5), column.get(100_000)], [9, 0]);
  assert.ok(column.room < room && column.room >= 6);
});

test('a value is kept for as long as somebody uses it', () => {
  const values = new Interned<string>();
  for (let number = 0; number < 1_000; number++) values.release(values.use(`at ${number}`));
  assert.equal(values.size, 0);
  const [first, second] = [values.use('on'), values.use('on')];
  values.release(first);
  assert.deepEqual([first, values.valueOf(second), values.size], [second, 'on', 1]);
});

test('a wide column keeps whole numbers up to 2^48', () => {
  const column = new WideColumn();
  const numbers = [0, 1, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Date.UTC(2030, 0), 2 ** 48 - 1];
  for (const [row, number] of numbers.entries()) column.set(row, number);
  assert.deepEqual(
    numbers.map((_, row) => column.get(row)),
    numbers,
  );
});
