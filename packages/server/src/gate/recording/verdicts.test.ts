import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ReasonCode, SubjectId, VerdictView } from '@portcullis/contract';
import { createLog } from '../../telemetry/telemetry.ts';
import { type Decision, Verdicts } from './verdicts.ts';

function open(context: TestContext, keepRefusals: (views: VerdictView[]) => Promise<void> = async () => undefined) {
  context.mock.timers.enable({ apis: ['setTimeout'], now: 0 });
  const kept: VerdictView[] = [];
  const sink = {
    keepRefusals: async (views: VerdictView[]) => {
      await keepRefusals(views);
      kept.push(...views);
    },
  };
  const system = { now: () => 0, monotonic: () => 0, random: (bytes: number) => Buffer.alloc(bytes) };
  const log = createLog({ role: 'gate', level: 'silent' });
  const timers = context.mock.method(globalThis, 'setTimeout');
  const ticking = () => timers.mock.callCount() > 0;
  return { kept, ticking, verdicts: new Verdicts({ gate: 'gate-1' as SubjectId, sink, system, log }) };
}

function exposedGc(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

function heapAfter(gc: () => void): number {
  gc();
  return process.memoryUsage().heapUsed;
}

const decision = (reason: ReasonCode, name: string): Decision => ({
  ...{ subject: name, certificate: null, stream: 'telemetry', verdict: 'refused', reason },
  ...{ expected: 'active', found: 'off', revision: 7, changedBy: 'operator-1', changedAt: null },
});

test('C7: the first refusal of a kind is told at once, all others of that second as one line, and one line is kept of both', async (context) => {
  const { verdicts, kept } = open(context);
  const watched: VerdictView[] = [];
  verdicts.watch({ tell: (view) => watched.push(view) });
  for (let times = 0; times < 1_000; times++) {
    verdicts.refused('attribute_not_expected', 'truck-17', 'telemetry', 1, () =>
      decision('attribute_not_expected', 'truck-17'),
    );
  }
  assert.deepEqual(
    watched.map(({ count }) => count),
    [1],
  );
  context.mock.timers.tick(1_000);
  assert.deepEqual(
    watched.map(({ count }) => count),
    [1, 999],
  );
  await verdicts.flush();
  assert.deepEqual(kept, [{ ...watched[0], count: 1_000 }]);
  assert.deepEqual([verdicts.counters.refused, verdicts.refusals.get('attribute_not_expected')], [1_000, 1_000]);
});

test('another reason, stream or certificate is another line', (context) => {
  const { verdicts } = open(context);
  const watched: VerdictView[] = [];
  const stop = verdicts.watch({ tell: (view) => watched.push(view) });
  verdicts.refused('replica_stale', 'a', 'one', 1, () => decision('replica_stale', 'a'));
  verdicts.refused('overrun', 'a', 'one', 1, () => decision('overrun', 'a'));
  verdicts.refused('overrun', 'a', 'two', 1, () => decision('overrun', 'a'));
  verdicts.refused('overrun', 'b', 'two', 1, () => decision('overrun', 'b'));
  verdicts.admitted('a', 'truck-17', 'one', 7, 500);
  assert.equal(watched.length, 5);
  stop();
  verdicts.admitted('c', 'truck-18', 'one', 7, 1);
  assert.equal(watched.length, 5);
  assert.equal(verdicts.counters.admitted, 501);
});

test('C7: nobody watches: an admission is counted, and no line is made of it', async (context) => {
  const { verdicts, kept, ticking } = open(context);
  for (let times = 0; times < 1_000; times++) verdicts.admitted('a', `truck-${times}`, 'one', 7, 2);
  assert.equal(ticking(), false, 'no second is counted');
  const watched: VerdictView[] = [];
  verdicts.watch({ tell: (view) => watched.push(view) });
  await verdicts.flush();
  assert.deepEqual([watched, kept, verdicts.counters.admitted], [[], [], 2_000]);
});

test('P13: of different refusals so many have a line within a second, and the others are one by their reason', async (context) => {
  const { verdicts, kept } = open(context);
  const watched: VerdictView[] = [];
  verdicts.watch({ tell: (view) => watched.push(view) });
  for (let name = 0; name < 15_000; name++) {
    const reason = name % 2 ? 'certificate_unknown' : 'overrun';
    verdicts.refused(reason, `leaf-${name}`, null, 1, () => decision(reason, `leaf-${name}`));
  }
  await verdicts.flush();
  assert.deepEqual([verdicts.counters.refused, verdicts.counters.dropped, kept.length], [15_000, 13_000, 2_002]);
  assert.deepEqual(
    kept
      .slice(-2)
      .map(({ subject, certificate, reason, count, several }) => [...[subject, certificate, reason, count, several]]),
    [
      [null, null, 'overrun', 6_500, true],
      [null, null, 'certificate_unknown', 6_500, true],
    ],
  );
  assert.deepEqual(watched, kept, 'who watches is told the same');
});

test('P13: ten million refusals with invented names and streams take no memory, and bounded disk', async (context) => {
  const lines = { most: 0, all: 0 };
  const { verdicts } = open(context, async (views) => {
    lines.most = Math.max(lines.most, views.length);
    lines.all += views.length;
    views.length = 0;
  });
  const gc = exposedGc();
  const told = decision('overrun', 'somebody');
  const flood = (from: number, to: number) => {
    for (let name = from; name < to; name++)
      verdicts.refused('overrun', `leaf-${name}`, `stream-${name}`, 1, () => told);
  };
  flood(0, 100_000);
  const before = heapAfter(gc);
  flood(100_000, 5_000_000);
  const within = heapAfter(gc) - before;
  context.mock.timers.tick(1_000);
  flood(5_000_000, 10_000_000);
  await verdicts.flush();
  const after = heapAfter(gc) - before;
  assert.ok(Math.max(within, after) < 8 * 1_048_576, `it grew by ${within} and ${after} bytes`);
  assert.deepEqual([lines.most <= 2_001, lines.all <= 4_002], [true, true], `${lines.most} and ${lines.all} lines`);
  assert.deepEqual([verdicts.counters.refused, verdicts.counters.dropped], [10_000_000, 10_000_000 - 4_000]);
});

test('P13: while a disk stands still so many lines wait for it, and of the rest it is known how many there were', async (context) => {
  const disk = Promise.withResolvers<void>();
  const { verdicts, kept } = open(context, () => disk.promise);
  for (let second = 0; second < 20; second++) {
    for (let name = 0; name < 1_000; name++)
      verdicts.refused('overrun', `leaf-${name}`, null, 3, () => decision('overrun', `leaf-${name}`));
    context.mock.timers.tick(1_000);
  }
  assert.equal(verdicts.counters.dropped, 14_000 * 3, 'one group is on its way, and five wait');
  disk.resolve();
  await verdicts.flush();
  assert.deepEqual([kept.length, verdicts.counters.dropped], [6_000, 14_000 * 3]);
});

test('who watches one subject is told each of its verdicts, however busy the gate is, and so many may watch', (context) => {
  const { verdicts } = open(context);
  const [all, one]: [VerdictView[], VerdictView[]] = [[], []];
  const stopOne = verdicts.watch({ subject: 'truck-17', tell: (view) => one.push(view) });
  verdicts.admitted('z', 'truck-18', 'one', 7, 1);
  assert.equal(one.length, 0);
  const stops = Array.from({ length: 15 }, () => verdicts.watch({ tell: (view) => all.push(view) }));
  assert.throws(() => verdicts.watch({ tell: () => undefined }), { code: 'watchers_full' });
  for (let name = 0; name < 5_000; name++) {
    verdicts.admitted(`a${name}`, `other-${name}`, 'one', 7, 1);
    verdicts.refused('overrun', `r${name}`, 'one', 1, () => decision('overrun', `other-${name}`));
  }
  verdicts.admitted('b', 'truck-17', 'one', 7, 1);
  verdicts.refused('overrun', 'b', 'one', 1, () => decision('overrun', 'truck-17'));
  context.mock.timers.tick(1_000);
  assert.deepEqual(
    one.map(({ subject, verdict }) => [subject, verdict]),
    [
      ['truck-17', 'admitted'],
      ['truck-17', 'refused'],
    ],
  );
  assert.equal(
    all.length,
    15 * (1_000 + 2_000 + 2 + 2),
    'beside them the bounded lines of others, and two of what was folded',
  );
  stopOne();
  verdicts.watch({ tell: () => undefined });
  for (const stop of stops) stop();
});

test('a sink that can not keep refusals costs those lines, not the gate', async (context) => {
  const { verdicts } = open(context, () => Promise.reject(new Error('the disk is full')));
  verdicts.refused('overrun', 'a', 'one', 3, () => decision('overrun', 'a'));
  await verdicts.flush();
  assert.equal(verdicts.counters.dropped, 3);
});

test('P13: one certificate makes so many lines a second and no more, and takes none from another', async (context) => {
  const { verdicts, kept } = open(context);
  for (let stream = 0; stream < 1_000; stream++) {
    verdicts.refused('overrun', 'a', `stream-${stream}`, 1, () => decision('overrun', 'a'));
  }
  verdicts.refused('overrun', 'b', 'one', 1, () => decision('overrun', 'b'));
  context.mock.timers.tick(1_000);
  verdicts.refused('overrun', 'a', 'one', 1, () => decision('overrun', 'a'));
  await verdicts.flush();
  const lines = Map.groupBy(kept, ({ subject }) => subject);
  assert.deepEqual([lines.get('a' as SubjectId)?.length, lines.get('b' as SubjectId)?.length], [9, 1]);
  assert.deepEqual(
    lines.get(null)?.map(({ count, several }) => [count, several]),
    [[992, true]],
  );
  assert.deepEqual([verdicts.counters.refused, verdicts.counters.dropped], [1_002, 992]);
});
