import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { Outbox, type OutboxBounds } from './outbox.ts';
import { lineOf } from './reading.ts';
import { encodeRecord } from './segment.ts';

const bytesMax = 1024 * 1024;

function reading(id: number, data: Record<string, unknown> = { value: id }): string {
  return lineOf(JSON.stringify(data), { id: `reading-${id}`, time: '2026-11-23T12:00:00.000Z', clock: 'unknown' });
}

function idsIn(outbox: Outbox, limit = 10_000): string[] {
  return outbox.peek(limit, 64 * bytesMax).map(({ line }) => (JSON.parse(line) as { _id: string })._id);
}

const withoutNumber = (line = '') => line.replace(/,"_sequence":\d+,"_run":"[^"]+"/, '');

const idsOf = (from: number, count: number) => Array.from({ length: count }, (_, index) => `reading-${from + index}`);

async function filled(directory: string, count: number, bounds?: OutboxBounds): Promise<Outbox> {
  const outbox = new Outbox(directory, bounds);
  await Promise.all(Array.from({ length: count }, (_, index) => outbox.put(reading(index))));
  return outbox;
}

function segmentsIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(directory, name));
}

test('P8: what was put is there after a new start, in order and as it was', async () => {
  const directory = temporaryDirectory();
  (await filled(directory, 50)).close();
  const again = new Outbox(directory);
  assert.equal(again.length, 50);
  assert.deepEqual(idsIn(again), idsOf(0, 50));
  assert.deepEqual(withoutNumber(again.peek(1, bytesMax)[0]?.line), reading(0));
});

test('records of version 0.1.0 are given out as the lines that it would have sent', () => {
  const directory = temporaryDirectory();
  const old = { id: 'old', time: '2026-11-23T12:00:00.000Z', clock: 'unknown', data: { value: 1 } };
  writeFileSync(join(directory, '00000001.log'), encodeRecord(Buffer.from(JSON.stringify(old))));
  const line = '{"value":1,"_id":"old","_time":"2026-11-23T12:00:00.000Z","_clock":"unknown"}';
  assert.deepEqual(
    new Outbox(directory).peek(10, bytesMax).map((one) => one.line),
    [line],
  );
});

test('what is done is not there after a new start, and what comes later is', async () => {
  const directory = temporaryDirectory();
  const outbox = await filled(directory, 10);
  const done = outbox.peek(4, bytesMax);
  outbox.advance(done.at(-1)?.place ?? assert.fail(), 4);
  await outbox.put(reading(10));
  outbox.close();
  const again = new Outbox(directory);
  assert.equal(again.length, 7);
  assert.deepEqual(idsIn(again), idsOf(4, 7));
});

test('P8: wherever a power cut tears the last record, all before it are there and new ones can be put', async () => {
  const directory = temporaryDirectory();
  (await filled(directory, 3)).close();
  const [segment = ''] = segmentsIn(directory);
  const whole = statSync(segment).size;
  const last = Math.floor((whole / 3) * 2);
  for (let length = last + 1; length < whole; length++) {
    const torn = join(directory, String(length));
    mkdirSync(torn);
    copyFileSync(segment, join(torn, '00000001.log'));
    truncateSync(join(torn, '00000001.log'), length);
    const outbox = new Outbox(torn);
    assert.deepEqual(idsIn(outbox), idsOf(0, 2), `cut at ${length} of ${whole}`);
    await outbox.put(reading(7));
    outbox.close();
    assert.deepEqual(idsIn(new Outbox(torn)), [...idsOf(0, 2), 'reading-7']);
  }
});

for (const [what, tail] of [
  ['zeros', Buffer.alloc(4096)],
  ['noise', Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 89) % 256))],
  ['a huge length', Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])],
] as const) {
  test(`P8: a tail of ${what} after a power cut is cut off`, async () => {
    const directory = temporaryDirectory();
    (await filled(directory, 5)).close();
    const [segment = ''] = segmentsIn(directory);
    const whole = statSync(segment).size;
    appendFileSync(segment, tail);
    assert.deepEqual(idsIn(new Outbox(directory)), idsOf(0, 5));
    assert.equal(statSync(segment).size, whole);
  });
}

test('a record whose bytes were changed is not given out', async () => {
  const directory = temporaryDirectory();
  (await filled(directory, 3)).close();
  const [segment = ''] = segmentsIn(directory);
  const bytes = readFileSync(segment);
  bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 1;
  writeFileSync(segment, bytes);
  assert.deepEqual(idsIn(new Outbox(directory)), idsOf(0, 2));
});

for (const [what, content] of [
  ['lost', undefined],
  ['torn', '{"segment":'],
  ['of another shape', '{}'],
] as const) {
  test(`a cursor that is ${what} means that readings are sent once more, not that they are lost`, async () => {
    const directory = temporaryDirectory();
    const outbox = await filled(directory, 6);
    if (content !== undefined) {
      outbox.advance(outbox.peek(2, bytesMax).at(-1)?.place ?? assert.fail(), 2);
      writeFileSync(join(directory, 'cursor'), content);
    }
    outbox.close();
    assert.deepEqual(idsIn(new Outbox(directory)), idsOf(0, 6));
  });
}

test('P13: an outbox that holds as many readings as it may refuses the next one, loses none, and has room again', async () => {
  const outbox = await filled(temporaryDirectory(), 5, { readingsMax: 5, bytesMax });
  await assert.rejects(outbox.put(reading(5)), { code: 'outbox_full', message: /holds 5 readings .* may hold 5 in/ });
  assert.deepEqual(idsIn(outbox), idsOf(0, 5));
  outbox.advance(outbox.peek(1, bytesMax)[0]?.place ?? assert.fail(), 1);
  await outbox.put(reading(5));
  assert.deepEqual(idsIn(outbox), idsOf(1, 5));
});

test('once one did not fit, a smaller one does not come before it', async () => {
  const outbox = await filled(temporaryDirectory(), 1, { readingsMax: 100, bytesMax: 1_000 });
  const large = reading(1, { text: 'x'.repeat(900) });
  const puts = await Promise.allSettled([outbox.put(large), outbox.put(reading(2))]);
  assert.deepEqual(
    puts.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  outbox.advance(outbox.peek(1, bytesMax)[0]?.place ?? assert.fail(), 1);
  await outbox.put(reading(2));
});

test('the bytes that are bounded are those that wait, however often it ran empty', async () => {
  const directory = temporaryDirectory();
  const bounds = { readingsMax: 1_000_000, bytesMax: 6 * bytesMax };
  const outbox = new Outbox(directory, bounds);
  const large = () => reading(1, { text: 'x'.repeat(50_000) });
  for (let round = 0; round < 79; round++) {
    await outbox.put(large());
    outbox.advance(outbox.peek(1, bytesMax)[0]?.place ?? assert.fail(), 1);
  }
  let held = 0;
  while (
    await outbox.put(large()).then(
      () => true,
      () => false,
    )
  )
    held++;
  assert.ok(held >= 122 && held <= 126, `${held} of 50 000 bytes in ${bounds.bytesMax}`);
  const onDisk = segmentsIn(directory).reduce((sum, file) => sum + statSync(file).size, 0);
  assert.ok(onDisk <= bounds.bytesMax + 4 * bytesMax, `${onDisk} bytes on disk`);
  outbox.close();
  const again = new Outbox(directory, bounds);
  await assert.rejects(again.put(large()), { code: 'outbox_full' });
});

test('segments that are done are removed', async () => {
  const directory = temporaryDirectory();
  const outbox = new Outbox(directory);
  for (let count = 0; count < 100; count++) await outbox.put(reading(count, { text: 'x'.repeat(60_000) }));
  assert.ok(segmentsIn(directory).length > 1);
  for (let left = 100; left > 0; ) {
    const batch = outbox.peek(10, bytesMax);
    outbox.advance(batch.at(-1)?.place ?? assert.fail(), batch.length);
    left -= batch.length;
  }
  assert.deepEqual(segmentsIn(directory), []);
  assert.deepEqual(outbox.peek(10, bytesMax), []);
});

test('a batch is bounded by readings and by bytes, and is never empty while something waits', async () => {
  const outbox = new Outbox(temporaryDirectory());
  for (let count = 0; count < 6; count++) await outbox.put(reading(count, { text: 'x'.repeat(10_000) }));
  assert.equal(outbox.peek(4, bytesMax).length, 4);
  assert.equal(outbox.peek(100, 35_000).length, 3);
  assert.equal(outbox.peek(100, 1).length, 1);
});

test('a reading that is larger than a record is refused by name of its size', async () => {
  const outbox = new Outbox(temporaryDirectory());
  await assert.rejects(outbox.put('x'.repeat(200_000)), { code: 'usage', message: /at most 131072/ });
  assert.equal(outbox.length, 0);
});

test('what was put just before closing is on disk', async () => {
  const directory = temporaryDirectory();
  const outbox = new Outbox(directory);
  const put = outbox.put(reading(0));
  outbox.close();
  await put;
  assert.deepEqual(idsIn(new Outbox(directory)), idsOf(0, 1));
});

test('P8: kill -9 in the middle of writing loses no reading that was said to be durable', async () => {
  const directory = temporaryDirectory();
  const program = `
    const { Outbox } = await import(${JSON.stringify(new URL('./outbox.ts', import.meta.url).href)});
    const outbox = new Outbox(${JSON.stringify(directory)});
    for (let id = 0; ; id += 3) {
      const put = (number) => outbox.put(JSON.stringify({ _clock: 'unknown', _id: 'reading-' + number }));
      await Promise.all([put(id), put(id + 1), put(id + 2)]);
      process.stdout.write((id + 3) + '\\n');
      await new Promise((resolve) => setImmediate(resolve));
    }`;
  for (const killAfter of [1, 40, 400]) {
    const child = spawn(process.execPath, ['--conditions=portcullis-source', '--input-type=module', '-e', program]);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.split('\n').length > killAfter) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const durable = Number(said.trim().split('\n').at(-1));
    const outbox = new Outbox(directory);
    const ids = idsIn(outbox, 1_000_000);
    assert.ok(ids.length >= durable && durable >= 3, `${ids.length} of ${durable}`);
    assert.deepEqual(ids.slice(0, durable), idsOf(0, durable));
    outbox.advance(outbox.peek(ids.length, 64 * bytesMax).at(-1)?.place ?? assert.fail(), ids.length);
    outbox.close();
  }
});
