import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { DigestIndex, Interned, NameIndex, uint8, uint32, WideColumn } from './columns.ts';

/** Digests that begin alike, so that they crowd the same slots. */
const digestOf = (number: number) => {
  const digest = createHash('sha256').update(String(number)).digest();
  digest.fill(0, 0, 3);
  return digest;
};

test('after any adding, removing and moving together, while it grows and shrinks, an index finds what a plain map finds', () => {
  const step = fc.record({
    number: fc.integer({ min: 0, max: 400 }),
    act: fc.constantFrom('add', 'add', 'add', 'remove', 'remove', 'close', 'fit', 'move'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1_200, size: 'max' }), (steps) => {
      const index = new DigestIndex();
      const plain = new Map<number, number>();
      for (const { number, act } of steps) {
        const row = plain.get(number);
        if (act === 'add' && row === undefined) plain.set(number, index.add(digestOf(number)));
        if (act === 'remove' && row !== undefined) {
          index.remove(row);
          plain.delete(number);
        }
        if (act === 'close') closeSome(index, plain, number % 50);
        if (act === 'fit') index.fit();
        if (act === 'move') index.moveSome(number);
      }
      assert.equal(index.size, plain.size);
      for (let number = 0; number <= 400; number++)
        assert.equal(index.find(digestOf(number)), plain.get(number) ?? -1, String(number));
    }),
    { numRuns: 60 },
  );
});

function closeSome(index: DigestIndex, plain: Map<number, number>, rows: number): void {
  for (let times = 0; times < rows && index.gaps > 0; times++) {
    const moved = index.closeLast();
    if (!moved) continue;
    const [number] = [...plain].find(([, row]) => row === moved.from) as [number, number];
    assert.ok(moved.to < moved.from);
    plain.set(number, moved.to);
  }
  assert.equal(index.rows, plain.size + index.gaps);
}

test('what is left of an index is moved together, and found while its slots become fewer', () => {
  const index = new DigestIndex();
  const count = 5_000;
  for (let number = 0; number < count; number++) index.add(digestOf(number));
  for (let number = 0; number < count; number++) if (number % 50 > 0) index.remove(index.find(digestOf(number)));
  while (index.gaps > 0) index.closeLast();
  assert.equal(index.rows, count / 50);
  index.fit();
  const left = new Set(Array.from({ length: count / 50 }, (_, number) => number * 50));
  for (const number of [...left].filter((_, place) => place % 3 === 0)) {
    index.remove(index.find(digestOf(number)));
    left.delete(number);
    index.closeLast();
    index.moveSome(40);
    const rows = [...left].map((one) => index.find(digestOf(one)));
    assert.deepEqual(
      rows.toSorted((one, other) => one - other),
      [...Array(index.rows).keys()],
    );
  }
  assert.equal(index.add(digestOf(count)), left.size);
});

test('a row that was removed while the index grew is not found in the slots of before', () => {
  const index = new DigestIndex();
  const rows = Array.from({ length: 79 }, (_, number) => index.add(digestOf(number)));
  assert.equal(new Set(rows).size, 79);
  for (const row of rows.toReversed()) index.remove(row);
  for (let number = 0; number < 79; number++) assert.equal(index.find(digestOf(number)), -1);
});

test('a row that was removed is used again, so that what comes and goes takes no room', () => {
  const index = new DigestIndex();
  for (let number = 0; number < 1_000; number++) index.remove(index.add(digestOf(number)));
  assert.deepEqual([index.size, index.rows], [0, 1]);
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

test('whatever is set, and whenever what is unused is given back, columns of each width hold what a plain map holds', () => {
  const step = fc.record({
    row: fc.integer({ min: 0, max: 3_000 }),
    value: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    fits: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const columns = [new WideColumn(), uint32(), uint8()];
      const moduli = [2 ** 48, 2 ** 32, 2 ** 8];
      const plain = new Map<number, number>();
      for (const { row, value, fits } of steps) {
        plain.set(row, value);
        for (const [index, column] of columns.entries()) column.set(row, value % (moduli[index] as number));
        const rows = Math.max(...plain.keys()) + 1;
        if (fits) for (const column of columns) column.fit(rows);
      }
      for (let row = 0; row <= 3_001; row++) {
        const value = plain.get(row) ?? 0;
        assert.deepEqual(
          columns.map((column) => column.get(row)),
          moduli.map((modulus) => value % modulus),
          String(row),
        );
      }
    }),
    { numRuns: 40 },
  );
});

test('names of any length are found, and are what they were, while their index grows and gives back what is unused', () => {
  const step = fc.record({ name: fc.string({ minLength: 1, maxLength: 63 }), fits: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
      const index = new NameIndex();
      const plain = new Map<string, number>();
      for (const { name, fits } of steps) {
        if (!plain.has(name)) plain.set(name, index.add(Buffer.from(name)));
        if (fits) index.fit();
      }
      for (const [name, row] of plain)
        assert.deepEqual([index.find(Buffer.from(name)), index.keyOf(row).toString()], [row, name]);
    }),
    { numRuns: 60 },
  );
});
