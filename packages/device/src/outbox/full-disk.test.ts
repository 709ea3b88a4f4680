import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { disk, fill, skip } from '../../test/small-disk.ts';
import { BoundedFile } from './bounded-file.ts';
import type { Damage } from './damage.ts';
import { Outbox } from './outbox.ts';
import { numberIn } from './reading.ts';
import { encodeRecord } from './segment.ts';

const lineFor = (value: number) =>
  `{"_clock":"unknown","_id":"r-${value}","value":${value},"text":"${'x'.repeat(80)}"}`;
const record = (value: number) => encodeRecord(Buffer.from(lineFor(value)));

function sendAll(outbox: Outbox): number {
  let sent = 0;
  for (let batch = outbox.peek(50, 100_000); batch.length > 0; batch = outbox.peek(50, 100_000)) {
    outbox.advance(batch.at(-1)?.place ?? assert.fail(), batch.length);
    sent += batch.length;
  }
  return sent;
}

test('P13: with no free byte the cursor moves: what was acknowledged is not sent again at the next start', {
  skip,
}, async () => {
  const directory = disk();
  const outbox = new Outbox(join(directory, 'outbox'));
  await outbox.put(lineFor(0));
  outbox.advance(outbox.peek(1, 100_000)[0]?.place ?? assert.fail(), 1);
  let held = 0;
  while (
    await outbox.put(lineFor(held + 1)).then(
      () => true,
      (error: { code: string }) => assert.equal(error.code, 'disk_full'),
    )
  )
    held++;
  fill(directory);
  const half = outbox.peek(Math.floor(held / 2), 10_000_000);
  outbox.advance(half.at(-1)?.place ?? assert.fail(), half.length);
  outbox.close();
  const again = new Outbox(join(directory, 'outbox'));
  assert.equal(again.length, held - half.length);
  assert.equal(sendAll(again), held - half.length);
  assert.ok(statfsSync(directory).bavail > 0, 'what is done has left the disk');
  await again.put(lineFor(1));
  again.close();
  assert.equal(new Outbox(join(directory, 'outbox')).length, 1);
});

test('P16: what a full disk did not take had no number', { skip }, async () => {
  const directory = disk();
  const outbox = new Outbox(join(directory, 'outbox'));
  await outbox.put(lineFor(0));
  fill(directory);
  let held = 1;
  while (
    await outbox.put(lineFor(held)).then(
      () => true,
      (error: { code: string }) => assert.equal(error.code, 'disk_full'),
    )
  )
    held++;
  rmSync(join(directory, 'filler'));
  await outbox.put(lineFor(held));
  const numbers = outbox.peek(1_000, 1_000_000).map(({ line }) => numberIn(line)?.sequence);
  assert.deepEqual(
    numbers,
    Array.from({ length: held + 1 }, (_, index) => index + 1),
  );
});

test('P13: a full disk on which there is no cursor yet is emptied all the same', { skip }, () => {
  const directory = disk();
  mkdirSync(join(directory, 'outbox'));
  const records = Buffer.concat(Array.from({ length: 1_903 }, (_, value) => record(value)));
  writeFileSync(join(directory, 'outbox', '00000001.log'), records);
  fill(directory);
  const outbox = new Outbox(join(directory, 'outbox'));
  assert.equal(sendAll(outbox), 1_903);
  outbox.close();
  const again = new Outbox(join(directory, 'outbox'));
  assert.equal(again.length, 0);
  assert.ok(statfsSync(directory).bavail > 0);
});

test('P8: damaged bytes that a full disk has no room to copy stay where they are until there is', { skip }, () => {
  const directory = disk();
  mkdirSync(join(directory, 'outbox'));
  const bytes = Buffer.concat([record(0), record(1), record(2)]);
  bytes[record(0).length + 20] = 0;
  writeFileSync(join(directory, 'outbox', '00000001.log'), bytes);
  fill(directory);
  const damage: Damage[] = [];
  const outbox = new Outbox(join(directory, 'outbox'), undefined, (found) => damage.push(found));
  assert.deepEqual([outbox.length, damage[0]?.isKept], [2, false]);
  assert.equal(sendAll(outbox), 2);
  assert.ok(
    spawnSync('ls', [join(directory, 'outbox', 'damaged')])
      .stdout.toString()
      .includes('00000001.log'),
  );
});

test('P13: on a full disk the oldest refused readings make room for the newest', { skip }, () => {
  const directory = disk();
  const refused = new BoundedFile(join(directory, 'refused.ndjson'), 10_000);
  for (let line = 0; line < 30; line++) refused.append('x'.repeat(999));
  fill(directory);
  const dropped = Array.from({ length: 20 }, () => refused.append('y'.repeat(999)));
  assert.ok(dropped.includes(true));
  rmSync(join(directory, 'filler'));
});
