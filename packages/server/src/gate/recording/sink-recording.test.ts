import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import { LateScene } from '../../../test/late-scene.ts';
import { temporaryDirectory } from '../../storage/store/store.contract.ts';
import { createLog } from '../../telemetry/telemetry.ts';
import { SinkRecording } from './sink-recording.ts';

const log = createLog({ role: 'gate', level: 'silent' });
const always = { term: () => 1, holds: () => true, remainingMs: () => 1_000 };
const never = { term: () => undefined, holds: () => false, remainingMs: () => 0 };

for (const isSpooled of [false, true]) {
  test(`a gate that starts without its sink ${isSpooled ? 'and has a spool stores' : 'says at once that it stores nothing'}, before any reading comes`, async (context) => {
    const scene = new LateScene(await temporaryDirectory(context));
    await using sink = await scene.open({ isSpooled });
    const recording = new SinkRecording({
      ...{ sink, isSpooled, instance: 'first', head: () => ({ revision: 0, hash: '' }), log },
      lease: never as never,
      bounds: { readingsMax: 10, bytesMax: 1_000 },
      now: () => 7_000,
      monotonic: () => 0,
    });
    assert.deepEqual(recording.fails, isSpooled ? undefined : { since: 7_000, why: 'the sink is away' });
    scene.isAway = false;
    await sink.awaited;
    await turn();
    assert.equal(recording.fails, undefined);
    await recording.stop();
  });
}

interface Tried {
  code: 'store_unavailable' | 'disk_full' | 'internal';
  isSpooled?: boolean;
}

/** A write fails; then what the gate has to tell the sink gets there, with no reading. */
async function afterMark(context: TestContext, { code, isSpooled = false }: Tried) {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const marked = Promise.withResolvers<void>();
  const sink = {
    lastBatch: 0,
    write: async () => {
      throw new PortcullisError(code, 'what went wrong');
    },
    mark: async () => marked.resolve(),
  };
  const recording = new SinkRecording({
    ...{ sink: sink as never, isSpooled, instance: 'first', head: () => ({ revision: 0, hash: '' }), log },
    lease: always as never,
    bounds: { readingsMax: 10, bytesMax: 1_000 },
    now: () => 7_000,
    monotonic: () => 0,
  });
  const answered = Promise.withResolvers<unknown>();
  const entry = { request: {} as never, readings: 1, bytes: 10, judgeAgain: () => undefined };
  recording.submit({ ...entry, answer: answered.resolve });
  assert.deepEqual(await answered.promise, { refused: { reason: 'sink_unavailable' } });
  assert.deepEqual([recording.fails?.since, recording.fails?.why], [7_000, 'what went wrong']);
  context.mock.timers.tick(1_000);
  await marked.promise;
  await turn();
  const { fails } = recording;
  await recording.stop();
  return fails;
}

test('a gate that has nothing to store is not one that stores nothing: the sink is there again once it took something', async (context) => {
  assert.equal(await afterMark(context, { code: 'store_unavailable' }), undefined);
});

for (const tried of [
  { code: 'disk_full' },
  { code: 'internal' },
  { code: 'store_unavailable', isSpooled: true },
] as const)
  test(`what kept a reading out is not over because something else was stored: ${JSON.stringify(tried)}`, async (context) => {
    assert.equal((await afterMark(context, tried))?.why, 'what went wrong');
  });

test('while one commit follows the other they begin no faster than every two milliseconds, and what comes meanwhile shares the next', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const written: string[][] = [];
  const sink = {
    lastBatch: 0,
    mark: async () => undefined,
    write: async ({ requests }: { requests: string[] }) => {
      written.push(requests);
      return requests.map(() => ({ stored: 1, repeated: 0 }));
    },
  };
  let at = 1_000;
  const recording = new SinkRecording({
    ...{ sink: sink as never, isSpooled: false, instance: 'first', head: () => ({ revision: 0, hash: '' }), log },
    lease: always as never,
    bounds: { readingsMax: 10, bytesMax: 1_000 },
    now: () => 7_000,
    monotonic: () => at,
  });
  const submit = (request: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry = { readings: 1, bytes: 1, judgeAgain: () => undefined, answer: () => resolve() };
    recording.submit({ ...entry, request: request as never });
    return promise;
  };
  await submit('alone');
  const second = submit('second');
  await turn();
  await turn();
  assert.deepEqual(written, [['alone']]);
  const third = submit('with it');
  context.mock.timers.tick(2);
  await Promise.all([second, third]);
  at += 2;
  await submit('later');
  assert.deepEqual(written, [['alone'], ['second', 'with it'], ['later']]);
  await recording.stop();
});
