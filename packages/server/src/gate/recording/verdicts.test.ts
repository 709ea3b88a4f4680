import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
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
  return { kept, verdicts: new Verdicts({ gate: 'gate-1' as SubjectId, sink, system, log }) };
}

const decision = (reason: ReasonCode, name: string): Decision => ({
  ...{ subject: name, certificate: null, stream: 'telemetry', verdict: 'refused', reason },
  ...{ expected: 'active', found: 'off', revision: 7, changedBy: 'operator-1', changedAt: null },
});

test('C7: the first refusal of a kind is told at once, all others of that second as one line, and both are kept', async (context) => {
  const { verdicts, kept } = open(context);
  const watched: VerdictView[] = [];
  verdicts.watch((view) => watched.push(view));
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
  assert.deepEqual(kept, watched);
  assert.deepEqual([verdicts.counters.refused, verdicts.refusals.get('attribute_not_expected')], [1_000, 1_000]);
});

test('another reason, stream or certificate is another line', (context) => {
  const { verdicts } = open(context);
  const watched: VerdictView[] = [];
  const stop = verdicts.watch((view) => watched.push(view));
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

test('P13: a flood of different refusals is counted, and what is not told apart any more is known', async (context) => {
  const { verdicts, kept } = open(context);
  for (let name = 0; name < 15_000; name++) {
    verdicts.refused('certificate_unknown', `leaf-${name}`, null, 1, () =>
      decision('certificate_unknown', `leaf-${name}`),
    );
  }
  await verdicts.flush();
  assert.equal(verdicts.counters.refused, 15_000);
  assert.equal(kept.length + verdicts.counters.dropped, 15_000);
  assert.ok(verdicts.counters.dropped >= 5_000);
});

test('a sink that can not keep refusals costs those lines, not the gate', async (context) => {
  const { verdicts } = open(context, () => Promise.reject(new Error('the disk is full')));
  verdicts.refused('overrun', 'a', 'one', 3, () => decision('overrun', 'a'));
  await verdicts.flush();
  assert.equal(verdicts.counters.dropped, 1);
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
  assert.deepEqual([verdicts.counters.refused, verdicts.counters.dropped], [1_002, 992]);
});
