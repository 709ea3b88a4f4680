import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LateScene } from '../../../test/late-scene.ts';
import { temporaryDirectory } from '../store/store.contract.ts';
import { lateBase } from './late-sink.ts';
import type { Looked, Sink } from './promises.ts';
import { readAll, requestOf, writeOf } from './sink.contract.ts';

const sceneIn = async (context: TestContext) => new LateScene(await temporaryDirectory(context));
const one = (id: string) => requestOf([[id, {}]]);
const lookedAt = (looked: number, more: Partial<Looked> = {}): Looked => ({
  ...{ looked, quarantine: [], proven: looked, unproven: [] },
  ...more,
});
const proofs = async (sink: Sink) => (await readAll(sink)).map(({ id, proof }) => `${id} ${proof}`);
const away = { code: 'store_unavailable', message: /was away at the start and is not there yet: the sink is away/ };

test('until the sink is there nothing is stored or read, and refusals are kept on the gate’s disk', async (context) => {
  const scene = await sceneIn(context);
  await using sink = await scene.open();
  await assert.rejects(sink.write(writeOf(lateBase + 1, [one('a')])), away);
  await assert.rejects(sink.read({ order: 'stored', limit: 1 }), away);
  await sink.keepRefusals([]);
  assert.deepEqual((await sink.refusals({ limit: 10 })).items, []);
});

test('P8: what could not be stored before the sink was there is not in it, and its number is no other one’s', async (context) => {
  const scene = await sceneIn(context);
  const before = await scene.openSink();
  await before.write(writeOf(1, [one('old')]));
  await before.mark(lookedAt(1));
  await before[Symbol.asyncDispose]();
  const sink = await scene.open();
  const first = sink.lastBatch + 1;
  await assert.rejects(sink.write(writeOf(first, [one('a')])), away);
  scene.isAway = false;
  await sink.awaited;
  const more = { looked: first, quarantine: [first], proven: sink.lastBatch };
  assert.deepEqual(await sink.write(writeOf(first + 1, [one('a')], more)), [{ stored: 1, repeated: 0 }]);
  assert.deepEqual(await proofs(sink), ['old proven'], 'nobody has looked at it');
  await sink.mark(lookedAt(first + 1, { proven: sink.lastBatch }));
  assert.deepEqual(await proofs(sink), ['old proven', 'a unproven']);
  await sink.mark(lookedAt(first + 1));
  assert.deepEqual(await proofs(sink), ['old proven', 'a proven']);
  await sink[Symbol.asyncDispose]();
  await using after = await scene.openSink();
  assert.deepEqual([after.lastBatch, await after.unsettled()], [3, []]);
});

test('P7: what an earlier process left there is named unproven before anything is written, and stays so', async (context) => {
  const scene = await sceneIn(context);
  const before = await scene.openSink();
  await before.write(writeOf(1, [one('old')]));
  await before.mark(lookedAt(1));
  await before.write(writeOf(2, [one('left')], { looked: 1, proven: 1 }));
  await before[Symbol.asyncDispose]();
  await using sink = await scene.open();
  scene.isAway = false;
  await sink.awaited;
  assert.deepEqual(await proofs(sink), ['old proven', 'left unproven']);
  const first = sink.lastBatch + 1;
  await sink.write(writeOf(first, [one('a')], { looked: sink.lastBatch, proven: sink.lastBatch }));
  await sink.mark(lookedAt(first));
  assert.deepEqual(await proofs(sink), ['old proven', 'left unproven', 'a proven']);
});

test('a gate that ends before its sink is there leaves nothing open', async (context) => {
  const scene = await sceneIn(context);
  const sink = await scene.open();
  await sink[Symbol.asyncDispose]();
  await (await scene.open())[Symbol.asyncDispose]();
});
