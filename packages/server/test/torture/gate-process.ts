/**
 * A gate as a process, assembled as the product does it, with a disk that can be slow and, for the canary, with rule 8 switched off.
 *   node gate-process.ts DIRECTORY SEED [barrier]
 */
import { setTimeout as pause } from 'node:timers/promises';
import { assembleGate } from '../../src/assemble-gate.ts';
import { untilStopped } from '../../src/cli/processes.ts';
import { GatePolicyFiles } from '../../src/config/config.ts';
import { Recording } from '../../src/gate/recording/recording.ts';
import type { Sink } from '../../src/storage/sink.ts';
import { Schedule } from '../simulation/schedule.ts';
import type { SlowDisk } from './gate-child.ts';

const [directory = '', seed = '1', broken] = process.argv.slice(2);
const chance = new Schedule(Number(seed));
let slow: SlowDisk = { beforeMs: 0, afterMs: 0 };
process.on('message', (told: SlowDisk) => {
  slow = told;
});

/** A write waits before it reaches the disk, and is durable for a while before anybody is told. */
async function slowly<Result>(write: () => Promise<Result>): Promise<Result> {
  const { beforeMs, afterMs } = slow;
  if (beforeMs > 0) await pause(chance.between(0, beforeMs));
  try {
    return await write();
  } finally {
    if (afterMs > 0) await pause(chance.between(0, afterMs));
  }
}

const slowDisk = (sink: Sink): Sink => ({
  lastBatch: sink.lastBatch,
  write: (write) => slowly(() => sink.write(write)),
  mark: (looked) => slowly(() => sink.mark(looked)),
  unsettled: () => sink.unsettled(),
  settle: (batch, proof) => slowly(() => sink.settle(batch, proof)),
  read: (query) => sink.read(query),
  untold: (asked) => sink.untold(asked),
  told: (told) => sink.told(told),
  keepRefusals: (refusals) => sink.keepRefusals(refusals),
  refusals: (query) => sink.refusals(query),
  keepRefused: (refused) => sink.keepRefused(refused),
  refused: (query) => sink.refused(query),
  missing: (query) => sink.missing(query),
  oldestMissing: (before, limit) => sink.oldestMissing(before, limit),
  age: (before) => sink.age(before),
  prune: (before) => sink.prune(before),
  unprovenCount: () => sink.unprovenCount(),
  [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
});

/** Without rule 8 a change is reported while a commit is in flight. Stopping still waits for it: that is not the rule. */
function breakBarrier(): void {
  const { afterCommitInFlight, stop } = Recording.prototype;
  let stopping = false;
  Recording.prototype.afterCommitInFlight = function (callback) {
    if (stopping) afterCommitInFlight.call(this, callback);
    else callback();
  };
  Recording.prototype.stop = function () {
    stopping = true;
    return stop.call(this);
  };
}

if (broken === 'barrier') breakBarrier();
const stop = new AbortController();
const stopped = untilStopped().then(() => stop.abort());
const gate = await assembleGate(directory, new GatePolicyFiles(directory), stop.signal, { disk: slowDisk }).catch(
  (error) => {
    if (!stop.signal.aborted) throw error;
  },
);
if (gate) {
  console.log(`gate listening on ${gate.port} as ${gate.instance}`);
  await stopped;
  await gate[Symbol.asyncDispose]();
}
if (process.connected) process.disconnect();
