/**
 * Run by the crash test: writes readings as a gate does while its sink comes and goes, until it is killed, and says each request that a gate would
 * have acknowledged, one a line: its write resolved, and the look came after. Like a device it sends again what may not have been.
 * `node spooling-process.ts DIRECTORY FIRST`
 */
import { writeSync } from 'node:fs';
import { requestOf, writeOf } from '../../src/storage/sink/sink.contract.ts';
import { Scene } from '../spool-scene.ts';

const [directory = '', first = '0'] = process.argv.slice(2);
const scene = new Scene(directory);
const sink = await scene.open();
for (const { batch } of await sink.unsettled()) await sink.settle(batch, 'unproven');

const rowsOf = (number: number): [string, unknown][] =>
  Array.from({ length: 1 + (number % 5) }, (_, row) => [`${number}.${row}`, { number, row }]);

let { lastBatch: batch } = sink;
let number = Math.max(0, Number(first) - 20);
for (let turn = 1; ; turn++) {
  // Away for some turns; then it loses an answer; then it is there until nothing waits, and goes directly.
  const phase = turn % 40;
  scene.fault = phase < 15 ? 'away' : phase === 15 || phase === 30 ? 'answerLost' : undefined;
  if (phase === 25) {
    await sink.mark({ looked: batch, quarantine: [], proven: batch, unproven: [] });
    await scene.drained(sink);
  }
  const numbers = Array.from({ length: 1 + (turn % 4) }, () => number++);
  const requests = numbers.map((one) => requestOf(rowsOf(one), { subject: `truck-${one % 3}` }));
  const looked = { looked: batch, proven: batch };
  batch++;
  const outcomes = await sink.write(writeOf(batch, requests, looked));
  for (const outcome of outcomes) if (!('stored' in outcome)) throw new Error('a request was refused');
  writeSync(1, `${numbers.join('\n')}\n`);
}
