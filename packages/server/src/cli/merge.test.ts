import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { merged } from './merge.ts';

interface Row {
  at: number;
  name: string;
}

/** A source that counts how many pages are on their way or held. */
const sourceOf = (name: string, pages: number[][], fails = false) => {
  const left = pages.map((page, index) => page.map((at, place): Row => ({ at, name: `${name}${index}.${place}` })));
  return {
    asked: 0,
    async page(): Promise<Row[] | undefined> {
      this.asked++;
      const next = left.shift();
      if (!next && fails) throw new Error(`${name} broke`);
      return next;
    },
  };
};
const byTime = (one: Row, other: Row) => one.at - other.at;

async function all(sources: ReturnType<typeof sourceOf>[], lost: unknown[] = []): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const batch of merged(sources, byTime, (_source, error) => lost.push(error))) rows.push(...batch);
  return rows;
}

test('rows of all sources come in order; of equal ones that of the earlier source first', async () => {
  const rows = await all([
    sourceOf('a', [
      [1, 3],
      [3, 7],
    ]),
    sourceOf('b', []),
    sourceOf('c', [[3], [2, 9]]),
  ]);
  assert.deepEqual(
    rows.map(({ at, name }) => `${at} ${name}`),
    ['1 a0.0', '3 a0.1', '3 a1.0', '3 c0.0', '2 c1.0', '7 a1.1', '9 c1.1'],
    "a source's own order is kept",
  );
});

test('whatever the pages are: sorted sources make a sorted list of all rows', async () => {
  const page = fc.array(fc.nat(20), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(page, { maxLength: 5 }), { maxLength: 4 }), async (drawn) => {
      const pages = drawn.map((source) => {
        const times = source.flat().toSorted((one, other) => one - other);
        return source.map(({ length }) => times.splice(0, length));
      });
      const rows = await all(pages.map((one, index) => sourceOf(String(index), one)));
      const expected = pages.flat(2).toSorted((one, other) => one - other);
      assert.deepEqual(
        rows.map(({ at }) => at),
        expected,
      );
    }),
  );
});

test('a source that breaks is told, and the others go on to their end', async () => {
  const lost: unknown[] = [];
  const rows = await all([sourceOf('a', [[1, 5]], true), sourceOf('b', [[2], [8]])], lost);
  assert.deepEqual([rows.map(({ at }) => at), String(lost)], [[1, 2, 5, 8], 'Error: a broke']);
});

test('one page of each is held: a further one is asked for when a source is used up', async () => {
  const [fast, slow] = [sourceOf('a', [[1], [2], [3]]), sourceOf('b', [[2.5], [9]])];
  for await (const _batch of merged([fast, slow], byTime, () => undefined)) {
    assert.ok(slow.asked <= 2, 'the slow one is not run through');
    if (fast.asked < 3) assert.equal(slow.asked, 1);
  }
});
