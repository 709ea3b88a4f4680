import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import type { Damage } from './damage.ts';
import { Outbox } from './outbox.ts';
import { scanSegment } from './segment.ts';

const count = 200;
const mebibyte = 1024 * 1024;
const lineFor = (value: number) => `{"_clock":"unknown","_id":"r-${value}","value":${value}}`;

/** The segment of an outbox with 200 readings, and where each record begins. */
async function segmentOf200() {
  const directory = temporaryDirectory();
  const outbox = new Outbox(directory);
  await Promise.all(Array.from({ length: count }, (_, value) => outbox.put(lineFor(value))));
  outbox.close();
  const bytes = readFileSync(join(directory, '00000001.log'));
  const starts = [0];
  for (let at = 0; at < bytes.length; starts.push(at)) at += 8 + bytes.readUInt32BE(at);
  return { bytes, starts };
}

const { bytes: whole, starts } = await segmentOf200();

function flipped(at: number, bit = 1): Buffer {
  const bytes = Buffer.from(whole);
  bytes[at] = (bytes[at] ?? 0) ^ bit;
  return bytes;
}

function opened(bytes: Buffer, more: Buffer[] = []) {
  const directory = temporaryDirectory();
  [bytes, ...more].forEach((content, index) => {
    writeFileSync(join(directory, `0000000${index + 1}.log`), content);
  });
  const damage: Damage[] = [];
  const outbox = new Outbox(directory, undefined, (found) => damage.push(found));
  const values = outbox.peek(10_000, 64 * mebibyte).map(({ line }) => (JSON.parse(line) as { value: number }).value);
  return { directory, outbox, damage, values };
}

const allBut = (...missing: number[]) =>
  Array.from({ length: count }, (_, value) => value).filter((value) => !missing.includes(value));

for (const [what, record, offset] of [
  ['length', 20, 3],
  ['length, far too large', 20, 0],
  ['checksum', 20, 5],
  ['text', 20, 30],
  ['length of the first record', 0, 3],
  ['text of the last record', count - 1, 20],
  ['length of the last record', count - 1, 2],
] as const) {
  test(`P8: one flipped bit in the ${what}: 199 of 200 are there, in order, and what is damaged is kept and told`, () => {
    for (const bit of [1, 2, 4, 8, 16, 32, 64, 128]) {
      const { outbox, damage, values, directory } = opened(flipped((starts[record] ?? 0) + offset, bit));
      assert.deepEqual(values, allBut(record), `bit ${bit}`);
      assert.equal(outbox.length, 199);
      const [found] = damage;
      assert.deepEqual([damage.length, found?.readings, found?.isKept], [1, 1, true]);
      const record20 = flipped((starts[record] ?? 0) + offset, bit).subarray(starts[record], starts[record + 1]);
      assert.deepEqual(readFileSync(found?.file ?? ''), record20);
      outbox.close();
      const again: Damage[] = [];
      new Outbox(directory, undefined, (one) => again.push(one)).close();
      assert.deepEqual(again, [], 'it is told once');
    }
  });
}

test('P8: a page of zeros in the middle takes what stood there, and nothing else', () => {
  const bytes = Buffer.from(whole).fill(0, (starts[50] ?? 0) + 5, (starts[60] ?? 0) + 5);
  const { values, damage } = opened(bytes);
  assert.deepEqual(values, allBut(...Array.from({ length: 11 }, (_, index) => 50 + index)));
  assert.equal(damage.length, 1);
});

test('P8: only the last segment may be torn: elsewhere what is missing is told', () => {
  const torn = whole.subarray(0, whole.length - 5);
  const last = opened(torn);
  assert.deepEqual([last.values.length, last.damage.length], [199, 0]);
  const inner = opened(torn, [whole]);
  assert.deepEqual([inner.values.length, inner.damage.length], [399, 1]);
});

test('readings pass over the damage, are taken out one by one, and the bytes stay when the segment goes', () => {
  const { outbox, directory } = opened(flipped((starts[20] ?? 0) + 3), [whole]);
  while (outbox.length > 0) {
    const batch = outbox.peek(7, mebibyte);
    assert.ok(batch.length > 0);
    outbox.advance(batch.at(-1)?.place ?? assert.fail(), batch.length);
  }
  assert.deepEqual(readdirSync(directory).sort(), ['00000002.log', 'cursor', 'damaged']);
  assert.equal(readdirSync(join(directory, 'damaged')).length, 1);
});

test('what is damaged while the outbox is open is passed over too', () => {
  const { outbox, directory, damage } = opened(whole);
  writeFileSync(join(directory, '00000001.log'), flipped((starts[20] ?? 0) + 10));
  const values: number[] = [];
  while (outbox.length > 0) {
    const batch = outbox.peek(50, mebibyte);
    values.push(...batch.map(({ line }) => (JSON.parse(line) as { value: number }).value));
    outbox.advance(batch.at(-1)?.place ?? assert.fail(), batch.length);
  }
  assert.deepEqual(values, allBut(20));
  assert.deepEqual([damage.length, outbox.gone], [1, count]);
});

test('looking for the next record is bounded work, whatever the bytes are', () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'inner'));
  const file = join(directory, 'inner', '00000001.log');
  // Each eight bytes look like a record of 128 KiB whose payload begins and ends as one does.
  const bytes = Buffer.alloc(
    8 * mebibyte,
    Buffer.from([0, 1, 0xff, 0x7d, 0, 0x7d, 0x7d, 0x7d, 0x7b, 0x7d, 0x7d, 0x7d]),
  );
  writeFileSync(file, Buffer.concat([bytes, whole]));
  const start = process.cpuUsage();
  const { gaps } = scanSegment(file, 0, false);
  const { user } = process.cpuUsage(start);
  assert.ok(gaps.length >= 1);
  assert.ok(user < 8_000_000, `${user} µs`);
  copyFileSync(file, join(directory, '00000001.log'));
  new Outbox(directory).close();
});

test('P8: a hole that is larger than what is read at once hides nothing behind it, though there are more segments', () => {
  const { bytes: hole, count: behind } = { bytes: Buffer.alloc(mebibyte), count: count - 10 };
  const [front, rest] = [whole.subarray(0, starts[10]), whole.subarray(starts[10])];
  const { outbox, damage } = opened(Buffer.concat([front, hole, rest]), [whole]);
  assert.equal(damage.length, 1);
  const values: number[] = [];
  for (let batch = outbox.peek(5_000, 16_384); batch.length > 0; batch = outbox.peek(5_000, 16_384)) {
    values.push(...batch.map(({ line }) => (JSON.parse(line) as { value: number }).value));
    outbox.advance(batch.at(-1)?.place ?? assert.fail(), batch.length);
  }
  assert.equal(values.length, 10 + behind + count);
  assert.deepEqual(values, [...allBut(), ...allBut()]);
  assert.equal(outbox.length, 0);
});
