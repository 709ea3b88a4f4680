/**
 * Run by the crash test: writes readings as a gate does, many requests at once and one commit in flight, until it is killed, and
 * says each request whose write resolved, one a line. Like a device it sends again what may not have been acknowledged.
 * `node writing-process.ts DIRECTORY FIRST`
 */
import { writeSync } from 'node:fs';
import { openSqliteSink, type SinkRequest } from '../../src/storage/sink.ts';

const [directory = '', first = '0'] = process.argv.slice(2);
const sink = await openSqliteSink(directory);
// What was left between commit and look is settled before anything is written, as a gate does.
for (const { batch } of await sink.unsettled()) await sink.settle(batch, 'proven');

function requestOf(number: number): SinkRequest {
  const rows = Array.from({ length: 1 + (number % 7) }, (_, index) => index);
  return {
    ...{
      subject: `truck-${number % 50}`,
      certificate: 'ab'.repeat(32),
      stream: 'telemetry',
      receivedAt: 1_000 + number,
    },
    ...{ policy: 1, revision: 1 },
    ids: rows.map((row) => `${number}.${row}`),
    given: rows.map(() => true),
    deviceTimes: rows.map(() => number),
    clocks: rows.map(() => 'synchronized' as const),
    data: rows.map((row) => JSON.stringify({ number, row })),
    ...{ carriedBy: null, sealed: false, sequences: rows.map(() => null), runs: rows.map(() => null) },
    // Each request finds its sender on the other side than the one before.
    watched: [
      { rule: 'cold-chain', revision: 1, sides: (Math.floor(number / 50) % 2 ? 'i' : 'o').repeat(rows.length) },
    ],
  };
}

let batch = sink.lastBatch;
let looked = batch;
let number = Math.max(0, Number(first) - 100);
for (;;) {
  const numbers = Array.from({ length: 1 + (batch % 40) }, () => number++);
  batch++;
  // Every fifth is followed by a repeat of itself, in the same batch.
  const sent = numbers.flatMap((one) => (one % 5 === 0 ? [one, one] : [one]));
  const outcomes = await sink.write({
    batch,
    instance: 'x',
    looked,
    quarantine: [],
    proven: looked,
    unproven: [],
    requests: sent.map(requestOf),
  });
  looked = batch;
  for (const [index, outcome] of outcomes.entries()) {
    if (!('stored' in outcome)) throw new Error(`request ${sent[index]} was refused`);
  }
  // Synchronous, so that a kill right after it loses no line.
  writeSync(1, `${numbers.join('\n')}\n`);
}
