import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplayWindow, SenderNumbers } from './oscore.ts';

test('a window takes each number once, and none that it can not know of', () => {
  for (const size of [32, 64]) {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 300 }), (numbers) => {
        const window = new ReplayWindow(size);
        const taken = new Set<number>();
        let highest = -1;
        for (const number of numbers) {
          const expected = !taken.has(number) && number > highest - size;
          assert.equal(window.isNew(number), expected, `${number} after ${highest}`);
          if (!expected) continue;
          window.mark(number);
          taken.add(number);
          highest = Math.max(highest, number);
        }
      }),
      { seed: 1 },
    );
  }
});

test('a window jumps as far as the numbers go, and forgets nothing that it shows', () => {
  const window = new ReplayWindow(32);
  for (const number of [0, 2 ** 40 - 1, 2 ** 40 - 32]) {
    assert.ok(window.isNew(number));
    window.mark(number);
    assert.ok(!window.isNew(number));
  }
  assert.ok(!window.isNew(2 ** 40 - 33));
});

test('a sender that is killed at any moment gives no number twice', async () => {
  const given = new Set<number>();
  let onDisk = 0;
  for (let life = 0; life < 40; life += 1) {
    const numbers = new SenderNumbers(onDisk, 10, async (reserved) => {
      onDisk = reserved;
    });
    for (let use = 0; use < life % 13; use += 1) {
      const number = await numbers.next();
      assert.ok(!given.has(number) && number < onDisk);
      given.add(number);
    }
  }
});

test('a number that could not be kept is not given', async () => {
  let fails = true;
  const numbers = new SenderNumbers(7, 1, async () => {
    if (fails) throw new Error('the disk is full');
  });
  await assert.rejects(numbers.next(), /disk is full/);
  fails = false;
  assert.equal(await numbers.next(), 7);
});

test('after the last number there is none', async () => {
  const numbers = new SenderNumbers(2 ** 40 - 1, 10, async () => {});
  assert.equal(await numbers.next(), 2 ** 40 - 1);
  await assert.rejects(numbers.next(), /needs a new key/);
});
