/** What every sink keeps whose readings lie where those of other gates lie too: each is stored once over all of them. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LateScene } from '../../../test/late-scene.ts';
import { temporaryDirectory } from '../store/store.contract.ts';
import { lateBase } from './late-sink.ts';
import type { Looked, Sink } from './promises.ts';
import { readAll, requestOf, writeOf } from './sink.contract.ts';

export interface SharedPlace {
  start(gate: string): Promise<Sink>;
  /** How many readings are there for whoever reads, of all gates. */
  count(): Promise<number>;
}

export const lookedAt = (looked: number, more: Partial<Looked> = {}): Looked => ({
  ...{ looked, quarantine: [], proven: looked, unproven: [] },
  ...more,
});
export const one = requestOf([['a', { t: 1 }]]);
export const other = requestOf([['a', { t: 2 }]]);
export const idsOf = async (sink: Sink) => (await readAll(sink)).map(({ id }) => id);

/** What the first gate does with its batch once the second has stored the same reading; and who has it then. */
const rivalries: [what: string, first: (sink: Sink) => Promise<void>, firstComesFirst: boolean, kept: string][] = [
  ['looks at it before the second', (sink) => sink.mark(lookedAt(1)), true, 'gate-1'],
  ['looks at it after the second', (sink) => sink.mark(lookedAt(1)), false, 'gate-2'],
  ['quarantines it before', (sink) => sink.mark(lookedAt(1, { quarantine: [1] })), true, 'gate-2'],
  ['quarantines it after', (sink) => sink.mark(lookedAt(1, { quarantine: [1] })), false, 'gate-2'],
];

/** `placeIn`: a new one, with a disk of its own for each gate. */
export function sharedContract(skip: boolean | string, placeIn: (context: TestContext) => Promise<SharedPlace>): void {
  test('P8: the same reading that is sent to two gates is stored once, and other data of the same key at the second are refused whole', {
    skip,
  }, async (context) => {
    const { start, count } = await placeIn(context);
    await using first = await start('gate-1');
    await using second = await start('gate-2');
    assert.deepEqual(await first.write(writeOf(1, [one])), [{ stored: 1, repeated: 0 }]);
    await first.mark(lookedAt(1));
    const mixed = requestOf([
      ['b', { t: 1 }],
      ['a', { t: 2 }],
    ]);
    assert.deepEqual(await second.write(writeOf(1, [one, other, mixed])), [
      { stored: 0, repeated: 1 },
      { reused: 0 },
      { reused: 1 },
    ]);
    await second.mark(lookedAt(1));
    assert.deepEqual([await idsOf(first), await idsOf(second), await count()], [['a'], [], 1]);
    assert.deepEqual(await second.write(writeOf(2, [requestOf([['b', { t: 3 }]])])), [{ stored: 1, repeated: 0 }]);
  });

  for (const [what, end, firstComesFirst, kept] of rivalries) {
    test(`P8: of a reading that two gates have stored, and neither looked at, one stays: the first ${what}`, {
      skip,
    }, async (context) => {
      const { start, count } = await placeIn(context);
      await using first = await start('gate-1');
      await using second = await start('gate-2');
      await first.write(writeOf(1, [one]));
      // It can not be told yet whether the first one's stays, and who waits for it may wait for ever.
      assert.deepEqual(await second.write(writeOf(1, [one])), [{ stored: 1, repeated: 0 }]);
      if (firstComesFirst) await end(first);
      await second.mark(lookedAt(1));
      if (!firstComesFirst) await end(first);
      const [has, hasNot] = kept === 'gate-1' ? [first, second] : [second, first];
      assert.deepEqual([await idsOf(has), await idsOf(hasNot), await count()], [['a'], [], 1]);
      for (const sink of [first, second])
        assert.deepEqual(
          await sink.write(writeOf(2, [one])),
          [{ stored: 0, repeated: 1 }],
          'it is a repeat from then on',
        );
    });
  }
  test('P7, P8: one that comes later than its gate has what was left there as unproven, and no number twice, also for the next process', {
    skip,
  }, async (context) => {
    const { start } = await placeIn(context);
    const before = await start('gate-1');
    await before.write(writeOf(1, [one]));
    await before.mark(lookedAt(1));
    await before.write(writeOf(2, [requestOf([['left', {}]])], { looked: 1, proven: 1 }));
    await before[Symbol.asyncDispose]();
    const scene = new LateScene(await temporaryDirectory(context), () => start('gate-1'));
    const late = await scene.open();
    const first = lateBase + 1;
    await assert.rejects(late.write(writeOf(first, [requestOf([['b', {}]])])), { code: 'store_unavailable' });
    scene.isAway = false;
    await late.awaited;
    const proofs = async (sink: Sink) => (await readAll(sink)).map(({ id, proof }) => `${id} ${proof}`);
    assert.deepEqual(await proofs(late), ['a proven', 'left unproven']);
    await late.mark(lookedAt(first, { quarantine: [first], proven: lateBase }));
    await late[Symbol.asyncDispose]();
    await using after = await start('gate-1');
    const next = after.lastBatch + 1;
    await after.write(writeOf(next, [requestOf([['b', {}]])], { looked: next - 1, proven: next - 1 }));
    await after.mark(lookedAt(next));
    await after.mark(lookedAt(next));
    assert.deepEqual(await proofs(after), ['a proven', 'left unproven', 'b proven']);
  });
}
