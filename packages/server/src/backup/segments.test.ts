import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { JournalHash } from '@portcullis/contract';
import { nameOf, readSegment, type Segment, segmentBytes, segmentFiles } from './segments.ts';

const segment: Segment = {
  ...{ fleet: 'fleet-1', generation: '0123456789abcdef.v9', first: 7 },
  head: { position: 12, revision: 5, hash: JournalHash.parse('a'.repeat(64)) },
  changesets: [Buffer.from('one'), Buffer.from('the other')],
};

function fileOf(context: TestContext, bytes: Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-segments-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, nameOf(segment));
  writeFileSync(file, bytes);
  return file;
}

test('a segment is read as it was written, and found in its order', async (context) => {
  const file = fileOf(context, segmentBytes(segment));
  const read = await readSegment(file);
  assert.deepEqual({ ...read, changesets: read.changesets.map((one) => Buffer.from(one)) }, segment);
  const directory = join(file, '..');
  for (const first of [100, 8]) writeFileSync(join(directory, nameOf({ ...segment, first })), '');
  writeFileSync(join(directory, nameOf({ ...segment, generation: '1123456789abcdef.v9' })), '');
  const found = await segmentFiles(directory, segment.generation);
  assert.deepEqual(
    found.map((one) => Number(/-(\d+)\.segment$/.exec(one)?.[1])),
    [7, 8, 100],
  );
});

test('cut anywhere, or with any one bit otherwise, it is refused by its name', async (context) => {
  const whole = segmentBytes(segment);
  for (let length = 0; length < whole.length; length += 3) {
    const file = fileOf(context, whole.subarray(0, length));
    await assert.rejects(readSegment(file), { code: 'backup_damaged', message: /segment/ }, `${length} bytes`);
  }
  for (let at = 0; at < whole.length; at++) {
    const altered = Buffer.from(whole);
    altered[at] = (altered[at] as number) ^ 0x04;
    const file = fileOf(context, altered);
    await assert.rejects(readSegment(file), { code: 'backup_damaged' }, `byte ${at}`);
  }
  await assert.rejects(readSegment(fileOf(context, Buffer.concat([whole, Buffer.of(0)]))), { code: 'backup_damaged' });
});
