import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LateScene } from '../../../test/late-scene.ts';
import { temporaryDirectory } from '../../storage/store/store.contract.ts';
import { createLog } from '../../telemetry/telemetry.ts';
import { SinkRecording } from './sink-recording.ts';

const log = createLog({ role: 'gate', level: 'silent' });
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
    });
    assert.equal(recording.failsSince, isSpooled ? undefined : 7_000);
    scene.isAway = false;
    await sink.awaited;
    await turn();
    assert.equal(recording.failsSince, undefined);
    await recording.stop();
  });
}
