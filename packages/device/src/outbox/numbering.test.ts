import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { Outbox, type OutboxBounds } from './outbox.ts';
import { lineOf, type Numbered, numberIn } from './reading.ts';
import { encodeRecord } from './segment.ts';

const reading = (id: number, own?: Numbered) =>
  lineOf(`{"value":${id}}`, { id: `r-${id}`, time: '2026-11-23T12:00:00.000Z', clock: 'unknown', ...own });

const numbersIn = (outbox: Outbox) => outbox.peek(1000, 1_000_000).map(({ line }) => numberIn(line));
const sequencesIn = (outbox: Outbox) => numbersIn(outbox).map((one) => one?.sequence);
const runsIn = (outbox: Outbox) => [...new Set(numbersIn(outbox).map((one) => one?.run))];

function sendAll(outbox: Outbox): number[] {
  const waiting = outbox.peek(1000, 1_000_000);
  outbox.advance(waiting.at(-1)?.place ?? assert.fail(), waiting.length);
  return waiting.map(({ line }) => numberIn(line)?.sequence ?? 0);
}

/** As a process that is killed leaves it: nothing is closed. */
function opened(directory: string, bounds?: OutboxBounds): Outbox {
  return new Outbox(directory, bounds);
}

async function putSome(outbox: Outbox, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => outbox.put(reading(index))));
}

function damage(directory: string): void {
  const segment = readdirSync(directory).find((name) => name.endsWith('.log')) ?? assert.fail('there is no segment');
  const handle = openSync(join(directory, segment), 'r+');
  writeSync(handle, 'x', 40);
  closeSync(handle);
}

test('P16: readings are numbered in their order from 1, over restarts and crashes, also when nothing waited', async () => {
  const directory = temporaryDirectory();
  const first = opened(directory);
  await putSome(first, 3);
  assert.deepEqual(sequencesIn(first), [1, 2, 3]);
  const [run] = runsIn(first);
  const second = opened(directory);
  await putSome(second, 2);
  assert.deepEqual(sendAll(second), [1, 2, 3, 4, 5]);
  const third = opened(directory);
  await putSome(third, 1);
  assert.deepEqual([sequencesIn(third), runsIn(third)], [[6], [run]]);
  sendAll(third);
  third.close();
  const fourth = opened(directory);
  await putSome(fourth, 1);
  assert.deepEqual([sequencesIn(fourth), runsIn(fourth)], [[7], [run]]);
});

test('P16: what does not fit takes no number', async () => {
  const outbox = opened(temporaryDirectory(), { bytesMax: 100_000, readingsMax: 2 });
  await putSome(outbox, 2);
  const { taken } = await outbox.putAll([reading(2), reading(3)]);
  assert.equal(taken, 0);
  sendAll(outbox);
  await putSome(outbox, 1);
  assert.deepEqual(sequencesIn(outbox), [3]);
});

test('a reading that has a number keeps it, and takes none of the others', async () => {
  const outbox = opened(temporaryDirectory());
  await putSome(outbox, 1);
  await outbox.put(reading(7, { run: 'before', sequence: 41 }));
  await putSome(outbox, 1);
  assert.deepEqual(sequencesIn(outbox), [1, 41, 2]);
});

test('P16: where the last number that was given is not known, another run begins', async (t) => {
  const lost: Record<string, (directory: string, sent: Outbox) => void> = {
    'cursor and readings are gone': (directory, outbox) => {
      sendAll(outbox);
      outbox.close();
      for (const name of readdirSync(directory)) if (name !== 'run') rmSync(join(directory, name));
    },
    'the cursor was moved by version 0.1.0, which knows no numbers': (directory, outbox) => {
      sendAll(outbox);
      outbox.close();
      const cursor = readFileSync(join(directory, 'cursor'));
      for (const slot of [0, 4096]) cursor.fill(0, slot + 20, slot + 32);
      writeFileSync(join(directory, 'cursor'), cursor);
    },
    'what waits is damaged': damage,
    'the name of the run is gone': (directory) => rmSync(join(directory, 'run')),
  };
  for (const [how, lose] of Object.entries(lost)) {
    await t.test(how, async () => {
      const directory = temporaryDirectory();
      const before = opened(directory);
      await putSome(before, 3);
      const [run] = runsIn(before);
      lose(directory, before);
      const after = opened(directory);
      await after.put(reading(9));
      const last = numbersIn(after).at(-1);
      assert.equal(last?.sequence, 1);
      assert.notEqual(last?.run, run);
    });
  }
});

test('an outbox whose readings have no numbers goes on: they leave as they are, and the next ones are numbered', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, '00000001.log'), Buffer.concat([1, 2].map((id) => encodeRecord(reading(id)))));
  const outbox = opened(directory);
  await putSome(outbox, 1);
  assert.deepEqual(sequencesIn(outbox), [undefined, undefined, 1]);
});
