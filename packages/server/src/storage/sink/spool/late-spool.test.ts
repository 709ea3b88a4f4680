import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { eventually } from '../../../../test/house.ts';
import { LateScene } from '../../../../test/late-scene.ts';
import { Scene } from '../../../../test/spool-scene.ts';
import { temporaryDirectory } from '../../store/store.contract.ts';
import type { Looked, Sink } from '../promises.ts';
import { readAll, requestOf, writeOf } from '../sink.contract.ts';
import { openSqliteSink } from '../sink-sqlite.ts';
import type { SpooledSink } from './spooled-sink.ts';

const sceneIn = async (context: TestContext) => new LateScene(await temporaryDirectory(context));
/** The same spool and sink, where that can be reached. */
const reached = ({ directory }: LateScene) => new Scene(directory, () => openSqliteSink(join(directory, 'sink')));
const one = (id: string) => requestOf([[id, {}]]);
const stored = [{ stored: 1, repeated: 0 }];
const lookedAt = (looked: number): Looked => ({ looked, quarantine: [], proven: looked, unproven: [] });
const proofs = async (sink: Sink) => (await readAll(sink)).map(({ id, proof }) => `${id} ${proof}`);
const drained = (sink: SpooledSink) => eventually(() => sink.spool.state === 'empty', 'the spool is empty');

/** As a gate does: the next batch, with what was looked at before it. */
async function send(sink: SpooledSink, after: number, ids: string[]): Promise<number> {
  let batch = sink.lastBatch + after;
  for (const id of ids) {
    batch++;
    assert.deepEqual(
      await sink.write(writeOf(batch, [one(id)], { looked: batch - 1, proven: sink.lastBatch })),
      stored,
    );
    await sink.mark(lookedAt(batch));
  }
  return batch - sink.lastBatch;
}

test('P8: with the sink away from the start readings are acknowledged, and are there once and in order when it comes', async (context) => {
  const scene = await sceneIn(context);
  await using sink = await scene.openSpooled();
  let after = await send(sink, 0, ['a', 'b']);
  assert.deepEqual(await sink.write(writeOf(sink.lastBatch + 3, [one('b')], { looked: sink.lastBatch + 2 })), [
    { stored: 0, repeated: 1 },
  ]);
  await sink.mark(lookedAt(sink.lastBatch + 3));
  assert.deepEqual([sink.spool.state, sink.spool.readings], ['away', 2]);
  scene.isAway = false;
  await sink.awaited;
  await drained(sink);
  assert.deepEqual(await proofs(sink), ['a unproven', 'b unproven']);
  after = await send(sink, 3, ['c']);
  await send(sink, after, ['d']);
  await eventually(
    async () => (await proofs(sink)).join() === 'a unproven,b unproven,c proven,d proven',
    'it goes on as ever',
  );
});

test('a sink that is there at last and is not what it must be: the spool goes on, and says why it waits', async (context) => {
  const words = 'the sink has version 7, this program needs 1; use a newer portcullis';
  const scene = new LateScene(await temporaryDirectory(context), async () => {
    throw new PortcullisError('store_version', words);
  });
  await using sink = await scene.openSpooled();
  await send(sink, 0, ['a']);
  assert.deepEqual([sink.spool.state, sink.spool.why], ['away', 'the sink is away']);
  scene.isAway = false;
  await eventually(() => sink.spool.why === words, 'it says which version is wanted');
  await send(sink, 1, ['b']);
  assert.deepEqual([sink.spool.state, sink.spool.readings], ['away', 2]);
});

test('P7: what an earlier process left is not given up, and not proven', async (context) => {
  for (const dies of [false, true]) {
    const scene = await sceneIn(context);
    const there = reached(scene);
    const before = await there.open();
    await before.write(writeOf(1, [one('old')]));
    await before.mark(lookedAt(1));
    await before.write(writeOf(2, [one('left')], { looked: 1, proven: 1 }));
    await there.kill(before);
    await there.inner[Symbol.asyncDispose]();
    let sink = await scene.openSpooled();
    await send(sink, 0, ['a']);
    scene.isAway = dies;
    if (dies) {
      await sink[Symbol.asyncDispose]();
      sink = await there.open();
      // Its gate settles that.
      assert.equal((await sink.unsettled()).length, 1);
      await sink.settle(2, 'unproven');
    }
    await sink.awaited;
    await drained(sink);
    assert.deepEqual(await sink.unsettled(), []);
    assert.deepEqual(await proofs(sink), ['old proven', 'left unproven', 'a unproven'], dies ? 'killed' : 'alive');
    await sink[Symbol.asyncDispose]();
  }
});

const withoutId = () => requestOf([[null, {}]]);

test('P8: what a killed process had drained in part is given up once the sink is there, and stored once', async (context) => {
  const late = await sceneIn(context);
  const scene = reached(late);
  const first = await scene.open();
  scene.fault = 'away';
  await first.write(writeOf(1, [withoutId()]));
  await first.mark(lookedAt(1));
  scene.fault = 'answerLost';
  scene.onlyFor = (name) => name === 'write';
  await eventually(() => scene.writes.length > 0, 'it is in the sink, and nobody knows');
  scene.onlyFor = undefined;
  await scene.kill(first);
  await using sink = await late.openSpooled();
  await send(sink, 0, ['a']);
  late.isAway = false;
  await sink.awaited;
  await drained(sink);
  assert.equal((await proofs(sink)).length, 2);
});

test('P7: what a killed process had drained and not named is named, also by one that never saw the sink', async (context) => {
  for (const dies of [false, true]) {
    const late = await sceneIn(context);
    const scene = reached(late);
    const first = await scene.open();
    scene.fault = 'away';
    await first.write(writeOf(1, [one('a')]));
    await first.mark(lookedAt(1));
    scene.onlyFor = (name) => name === 'mark';
    const progress = join(late.directory, 'spool', 'progress.json');
    await eventually(() => /"drained":1/.test(readFileSync(progress, 'utf8')), 'it is drained');
    scene.onlyFor = undefined;
    await scene.kill(first);
    let sink = await late.openSpooled();
    await send(sink, 0, ['b']);
    late.isAway = dies;
    if (dies) {
      await sink[Symbol.asyncDispose]();
      scene.fault = undefined;
      sink = await scene.open();
    }
    await sink.awaited;
    assert.deepEqual(await sink.unsettled(), []);
    await drained(sink);
    assert.deepEqual(await proofs(sink), ['a unproven', 'b unproven'], dies ? 'killed' : 'alive');
    await sink[Symbol.asyncDispose]();
  }
});
