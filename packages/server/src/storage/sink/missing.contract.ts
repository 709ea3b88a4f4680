/** What a sink knows of its senders' own counting; part of the sink's contract. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryDirectory } from '../store/store.contract.ts';
import type { Sink, SinkRequest } from './promises.ts';
import { requestOf, type SinkEngine, writeOf } from './sink.contract.ts';

const counted = (numbers: number[], more: Partial<SinkRequest> = {}, run = '0'): SinkRequest =>
  requestOf(
    numbers.map((number): [string, unknown] => [`${run}:${number}`, { number }]),
    { sequences: numbers, runs: numbers.map(() => run), receivedAt: 1_000, ...more },
  );

const lookedAt = (looked: number, quarantine: number[] = []) => ({ looked, quarantine, proven: looked, unproven: [] });

async function missingOf(sink: Sink, all = false): Promise<string[]> {
  const { items } = await sink.missing({ limit: 100, all });
  return items.map(({ subject, run, lowest, highest, missing }) => {
    const ranges = missing.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
    return `${subject} ${run}: ${lowest}-${highest} without [${ranges.join(' ')}]`;
  });
}

export function missingContract(engine: SinkEngine): void {
  const promised = (words: string, body: (sink: Sink, directory: string) => Promise<void>) =>
    test(`${engine.name}: ${words}`, async (context) => {
      const directory = await temporaryDirectory(context);
      await using sink = await engine.open(directory);
      await body(sink, directory);
    });
  const store = async (sink: Sink, batch: number, ...requests: SinkRequest[]) => {
    await sink.write({ ...writeOf(batch, requests), ...lookedAt(batch - 1) });
    await sink.mark(lookedAt(batch));
  };

  promised('what is between two numbers and never came is missing, until it comes by any way', async (sink) => {
    await store(sink, 1, counted([1, 2, 3]), counted([7]));
    assert.deepEqual(await missingOf(sink), ['truck-17 0: 1-7 without [4-6]']);
    await store(sink, 2, counted([5], { sealed: true, carriedBy: 'gateway-1' }));
    assert.deepEqual(await missingOf(sink), ['truck-17 0: 1-7 without [4 6]']);
    await store(sink, 3, counted([4]), counted([6, 8]));
    assert.deepEqual(await missingOf(sink), []);
    assert.deepEqual(await missingOf(sink, true), ['truck-17 0: 1-8 without []']);
  });

  promised(
    'the first number of a run that comes begins its account, and an earlier one afterwards shows what is between',
    async (sink) => {
      await store(sink, 1, counted([41]));
      assert.deepEqual(await missingOf(sink), []);
      await store(sink, 2, counted([39]));
      assert.deepEqual(await missingOf(sink), ['truck-17 0: 39-41 without [40]']);
      await store(sink, 3, counted([38, 39, 40]));
      assert.deepEqual(await missingOf(sink, true), ['truck-17 0: 38-41 without []']);
    },
  );

  promised('runs, streams and subjects are counted apart; what is not counted is in no account', async (sink) => {
    const other = { subject: 'truck-18' };
    await store(sink, 1, counted([1, 3]), counted([1, 4], {}, 'b'), counted([1, 2], other), requestOf([['x', {}]]));
    assert.deepEqual(await missingOf(sink), ['truck-17 0: 1-3 without [2]', 'truck-17 b: 1-4 without [2-3]']);
    const { items } = await sink.missing({ limit: 10, subject: 'truck-18', all: true });
    assert.deepEqual(
      items.map(({ highest }) => highest),
      [2],
    );
    assert.deepEqual((await sink.missing({ limit: 10, stream: 'other' })).items, []);
  });

  promised('what is not readable yet, or never will be, counts for nothing', async (sink) => {
    await sink.write({ ...writeOf(1, [counted([1, 2])]), ...lookedAt(0) });
    assert.deepEqual(await missingOf(sink, true), []);
    await sink.write({ ...writeOf(2, [counted([9])]), ...lookedAt(1) });
    assert.deepEqual(await missingOf(sink, true), ['truck-17 0: 1-2 without []']);
    await sink.mark(lookedAt(2, [2]));
    assert.deepEqual(await missingOf(sink, true), ['truck-17 0: 1-2 without []']);
    await store(sink, 3, counted([3]), counted([9]));
    assert.deepEqual(await missingOf(sink), ['truck-17 0: 1-9 without [4-8]']);
  });

  test(`${engine.name}: what a process left unread is counted by the next one, once`, async (context) => {
    const directory = await temporaryDirectory(context);
    const sink = await engine.open(directory);
    await store(sink, 1, counted([1, 2]));
    await sink.write({ ...writeOf(2, [counted([5])]), ...lookedAt(1) });
    await sink[Symbol.asyncDispose]();
    await using again = await engine.open(directory);
    assert.deepEqual(await missingOf(again, true), ['truck-17 0: 1-2 without []']);
    await again.settle(2, 'proven');
    assert.deepEqual(await missingOf(again), ['truck-17 0: 1-5 without [3-4]']);
    await store(again, 3, counted([3]));
    await again.mark(lookedAt(3));
    assert.deepEqual(await missingOf(again), ['truck-17 0: 1-5 without [4]']);
  });

  promised('ranges are bounded: of too many the oldest is forgotten, and its numbers are told', async (sink) => {
    for (let batch = 1; batch <= 70; batch++) await store(sink, batch, counted([batch * 3], { receivedAt: batch }));
    const [run] = (await sink.missing({ limit: 10 })).items;
    assert.equal(run?.missing.length, 64);
    assert.deepEqual(run?.missing[0], { first: 19, last: 20, since: 7 });
    assert.equal(run?.forgotten, 10);
  });

  promised('so are runs: of too many of one sender the one that was heard the longest ago is', async (sink) => {
    for (let batch = 1; batch <= 20; batch++)
      await store(sink, batch, counted([1, 3], { receivedAt: batch }, `r${batch}`));
    const { items } = await sink.missing({ limit: 100 });
    assert.deepEqual([items.length, items[0]?.run], [16, 'r5']);
  });

  promised('a run that begins while the clock is set back is kept, and counted on', async (sink) => {
    for (let batch = 1; batch <= 16; batch++)
      await store(sink, batch, counted([1, 3], { receivedAt: 100 + batch }, `r${batch}`));
    await store(sink, 17, counted([1, 3], { receivedAt: 1 }, 'back'));
    await store(sink, 18, counted([6], { receivedAt: 2 }, 'back'));
    const of = (await missingOf(sink)).filter((line) => line.includes('back'));
    assert.deepEqual(of, ['truck-17 back: 1-6 without [2 4-5]']);
    assert.equal((await missingOf(sink)).length, 16);
  });

  promised('one sender that counts as far as numbers go keeps nobody from being told of', async (sink) => {
    const far = Number.MAX_SAFE_INTEGER;
    await store(sink, 1, counted([1, far]), counted([1, far], {}, 'b'), counted([1, 3], { subject: 'truck-18' }));
    const told = await sink.oldestMissing(1e15, 5);
    assert.deepEqual(told.map(({ subject, readings }) => [subject, readings]).toSorted(), [
      ['truck-17', far],
      ['truck-18', 1],
    ]);
  });

  promised('what is missing for longest is told first, and goes with the readings of its time', async (sink) => {
    await store(sink, 1, counted([1, 3], { receivedAt: 10 }), counted([1, 5], { receivedAt: 20, subject: 'truck-18' }));
    const ask = async (before: number) =>
      (await sink.oldestMissing(before, 5)).map(({ subject, readings, since }) => [subject, readings, since]);
    assert.deepEqual(await ask(100), [
      ['truck-17', 1, 10],
      ['truck-18', 3, 20],
    ]);
    assert.deepEqual(await ask(15), [['truck-17', 1, 10]]);
    await sink.prune(15);
    assert.deepEqual(await missingOf(sink, true), ['truck-18 0: 1-5 without [2-4]']);
  });

  promised('pages go on', async (sink) => {
    for (let batch = 1; batch <= 5; batch++) await store(sink, batch, counted([1, 3], { subject: `t${batch}` }));
    const first = await sink.missing({ limit: 3 });
    const second = await sink.missing({ limit: 3, after: first.next ?? '' });
    assert.deepEqual(
      [...first.items, ...second.items].map(({ subject }) => subject),
      ['t1', 't2', 't3', 't4', 't5'],
    );
    assert.equal(second.next, null);
  });
}
