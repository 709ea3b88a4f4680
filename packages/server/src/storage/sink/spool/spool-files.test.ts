/** What a crash, a bad disk or a full one does to a spool: nothing that was acknowledged goes without a word. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../../../test/house.ts';
import { owner, Scene } from '../../../../test/spool-scene.ts';
import { temporaryDirectory } from '../../store/store.contract.ts';
import type { Looked, Sink } from '../promises.ts';
import { readAll, requestOf, writeOf } from '../sink.contract.ts';
import { type Appended, type Disk, realDisk } from './disk.ts';
import { framed, headOf, scan } from './frames.ts';
import { acceptSpool } from './place.ts';

const lookedAt = (looked: number, more: Partial<Looked> = {}): Looked => ({
  ...{ looked, quarantine: [], proven: looked, unproven: [] },
  ...more,
});
const idsOf = async (sink: Sink) => (await readAll(sink)).map(({ id }) => id);
const named = (count: number) => Array.from({ length: count }, (_, index) => `r${index + 1}`);

/** Spools so many records of one reading each, and dies. */
async function spooled(context: TestContext, count = 4) {
  const scene = new Scene(await temporaryDirectory(context));
  const sink = await scene.open();
  scene.fault = 'away';
  for (let batch = 1; batch <= count; batch++)
    await sink.write(writeOf(batch, [requestOf([[`r${batch}`, { batch }]])]));
  await sink.mark(lookedAt(count));
  await scene.kill(sink);
  const directory = join(scene.directory, 'spool');
  const [name = ''] = readdirSync(directory).filter((one) => one.endsWith('.spool'));
  return { scene, directory, file: join(directory, name) };
}

/** What is in the sink once it is drained. */
async function drainedOf(scene: Scene) {
  const sink = await scene.open();
  await scene.drained(sink);
  const [ids, { damaged }] = [await idsOf(sink), sink.spool];
  await sink[Symbol.asyncDispose]();
  return { ids, damaged };
}

const change = (file: string, how: (bytes: Buffer) => Buffer) => writeFileSync(file, how(readFileSync(file)));

test('kill -9: the next process stores what was acknowledged, once and in order', async (context) => {
  const { scene, directory } = await spooled(context);
  assert.deepEqual(await drainedOf(scene), { ids: named(4), damaged: 0 });
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.endsWith('.spool')),
    [],
  );
  assert.deepEqual(await drainedOf(scene), { ids: named(4), damaged: 0 });
});

test('a torn tail was acknowledged to nobody, and is cut at each byte of its record', async (context) => {
  const { scene, file } = await spooled(context);
  const whole = readFileSync(file);
  const { frames } = scan(whole);
  const [third, fourth] = frames.slice(2);
  assert.ok(third && fourth);
  for (const length of [
    third.at + third.length + 1,
    third.at + third.length + 15,
    fourth.at,
    fourth.at + fourth.length - 1,
  ]) {
    assert.equal(scan(whole.subarray(0, length)).tail, 'short', `${length}`);
    assert.equal(scan(whole.subarray(0, length)).frames.length, 3);
  }
  truncateSync(file, fourth.at + 5);
  // It is the last file for one start only.
  scene.fault = 'away';
  const sink = await scene.open();
  const batch = sink.lastBatch + 1;
  await sink.write(writeOf(batch, [requestOf([['behind', {}]])], { looked: sink.lastBatch }));
  await sink.mark(lookedAt(batch));
  await scene.kill(sink);
  assert.deepEqual(await drainedOf(scene), { ids: [...named(3), 'behind'], damaged: 0 });
});

test('zeros that a file system left behind the last record are cut', async (context) => {
  const { scene, file } = await spooled(context);
  change(file, (bytes) => Buffer.concat([bytes, Buffer.alloc(5_000)]));
  assert.deepEqual(await drainedOf(scene), { ids: named(4), damaged: 0 });
});

const damages: [what: string, how: (bytes: Buffer) => Buffer, kept: number[]][] = [
  ['a byte in the middle', (bytes) => flipped(bytes, (scan(bytes).frames[1]?.at ?? 0) + 3), [1, 3, 4]],
  ['the length of a record in the middle', (bytes) => flipped(bytes, (scan(bytes).frames[1]?.at ?? 0) - 16), [1, 3, 4]],
  ['a byte in the last record', (bytes) => flipped(bytes, bytes.length - 2), [1, 2, 3]],
  ['its head', (bytes) => flipped(bytes, 2), [1, 2, 3, 4]],
  ['all of it', (bytes) => Buffer.alloc(bytes.length, 0xa5), []],
];

function flipped(bytes: Buffer, at: number): Buffer {
  const other = Buffer.from(bytes);
  other[at] = (other[at] ?? 0) ^ 0x41;
  return other;
}

for (const [what, how, kept] of damages) {
  test(`damaged is ${what}: the file is moved aside and counted, and what is whole of it is stored`, async (context) => {
    const { scene, directory, file } = await spooled(context);
    change(file, how);
    const damaged = readFileSync(file);
    assert.deepEqual(await drainedOf(scene), { ids: kept.map((number) => `r${number}`), damaged: 1 });
    const [aside = ''] = readdirSync(join(directory, 'damaged'));
    assert.deepEqual(readFileSync(join(directory, 'damaged', aside)), damaged);
    assert.deepEqual((await drainedOf(scene)).damaged, 1, 'it is counted until somebody removes it');
  });
}

test('a crash in the middle of putting a damaged file aside loses nothing', async (context) => {
  const { scene, file } = await spooled(context);
  // After the damaged one was moved, before the whole one took its place.
  renameSync(file, `${file}.whole`);
  assert.deepEqual(await drainedOf(scene), { ids: named(4), damaged: 0 });
  const other = await spooled(context);
  // Before it was moved: what was made of it is made again.
  writeFileSync(`${other.file}.whole`, readFileSync(other.file).subarray(0, 100));
  assert.deepEqual(await drainedOf(other.scene), { ids: named(4), damaged: 0 });
});

test('a file that was only begun is removed, and one whose removal was interrupted brings nothing twice', async (context) => {
  for (const content of [Buffer.alloc(0), headOf().subarray(0, 7), headOf()]) {
    const { scene, directory, file } = await spooled(context);
    writeFileSync(join(directory, '0000000000000005.spool'), content);
    copyFileSync(file, join(scene.directory, 'kept'));
    assert.deepEqual(await drainedOf(scene), { ids: named(4), damaged: 0 });
    const name = file.slice(directory.length + 1);
    copyFileSync(join(scene.directory, 'kept'), join(directory, name));
    scene.writes.length = 0;
    assert.deepEqual(await drainedOf(scene), { ids: named(4), damaged: 0 });
    assert.equal(scene.writes.length, 0);
  }
});

test('without its progress all of it goes to the sink again, which has each reading once', async (context) => {
  for (const text of [undefined, '{"version":1']) {
    const { scene, directory } = await spooled(context);
    const sink = await scene.open();
    await scene.drained(sink);
    scene.fault = 'away';
    const batch = sink.lastBatch + 1;
    await sink.write(writeOf(batch, [requestOf([['r5', {}]])], { looked: sink.lastBatch }));
    await sink.mark(lookedAt(batch));
    await scene.kill(sink);
    const progress = join(directory, 'progress.json');
    if (text === undefined) rmSync(progress);
    else writeFileSync(progress, text);
    assert.deepEqual(await drainedOf(scene), { ids: named(5), damaged: 0 });
  }
});

test('scanning finds every record behind any damage, and never one that was not written', () => {
  const bodies = Array.from({ length: 6 }, (_, index) => Buffer.from(`{"body":${index},"text":"${'x'.repeat(30)}"}`));
  const whole = Buffer.concat([headOf(), ...bodies.map((body, index) => framed(index + 1, body))]);
  const texts = new Set(bodies.map(String));
  for (let at = 0; at < whole.length; at++) {
    const bytes = flipped(whole, at);
    const { frames, isDamaged, tail } = scan(bytes);
    assert.ok(frames.length >= 5 && (isDamaged || tail !== 'none'), `byte ${at}`);
    for (const { number, at: from, length } of frames) {
      const text = bytes.toString('utf8', from, from + length);
      assert.ok(texts.has(text) && String(bodies[number - 1]) === text, `byte ${at}`);
    }
  }
});

test('P13: a full spool takes no more, and goes on when it has been drained', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  scene.bytesMax = 10_000;
  await using sink = await scene.open();
  scene.fault = 'away';
  let batch = 0;
  const write = () => {
    batch++;
    const more = { looked: batch - 1, quarantine: failed };
    return sink.write(writeOf(batch, [requestOf([[`r${batch}`, { text: 'x'.repeat(1_000) }]])], more));
  };
  const failed: number[] = [];
  while (failed.length === 0) await write().catch(() => failed.push(batch));
  await assert.rejects(write(), {
    code: 'store_unavailable',
    message: /spool is full: it holds \d+ bytes of at most 10000/,
  });
  failed.push(batch);
  assert.ok(sink.spool.bytes <= 10_000);
  await sink.mark(lookedAt(batch, { quarantine: failed }));
  const { bytes } = sink.spool;
  await sink.mark(lookedAt(batch, { quarantine: failed }));
  assert.equal(sink.spool.bytes, bytes, 'and looks at nothing new leave nothing there');
  scene.fault = undefined;
  await scene.drained(sink);
  await write();
  await sink.mark(lookedAt(batch));
  assert.deepEqual(await idsOf(sink), [...named(batch - 3), `r${batch}`]);
});

/** A disk that has room for so many bytes more, beside what fails by itself. */
function limitedDisk() {
  const limits = { bytes: Number.MAX_SAFE_INTEGER, cuts: true };
  const full = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  const take = (bytes: number) => {
    if (bytes > limits.bytes) throw full();
    limits.bytes -= bytes;
  };
  const limited = (file: Appended): Appended => ({
    write: async (bytes, at) => {
      if (bytes.length > limits.bytes) {
        // As much of it as fits is there.
        await file.write(bytes.subarray(0, Math.max(0, limits.bytes)), at);
        throw full();
      }
      take(bytes.length);
      await file.write(bytes, at);
    },
    cut: async (at) => {
      if (!limits.cuts) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
      await file.cut(at);
    },
    isThere: () => file.isThere(),
    close: () => file.close(),
  });
  const sizes = new Map<string, number>();
  const disk: Disk = {
    ...realDisk,
    create: async (file, head) => {
      take(head.length);
      sizes.set(file, head.length);
      return limited(await realDisk.create(file, head));
    },
    free: async () => limits.bytes,
    open: async (file) => limited(await realDisk.open(file)),
    replace: async (file, content) => {
      take(content.length);
      await realDisk.replace(file, content);
      limits.bytes += content.length;
    },
    remove: async (file) => {
      await realDisk.remove(file);
      limits.bytes += sizes.get(file) ?? 0;
      sizes.delete(file);
    },
  };
  return { disk, limits };
}

test('P13: a full disk refuses readings, and what was acknowledged is looked at, drained and readable all the same', async (context) => {
  for (const cuts of [true, false]) {
    const { disk, limits } = limitedDisk();
    const scene = new Scene(await temporaryDirectory(context));
    scene.disk = disk;
    await using sink = await scene.open();
    scene.fault = 'away';
    await sink.write(writeOf(1, [requestOf([['a', {}]])]));
    await sink.write(writeOf(2, [requestOf([['gone', {}]])], { looked: 1 }));
    [limits.bytes, limits.cuts] = [200, cuts];
    await assert.rejects(sink.write(writeOf(3, [requestOf([['b', {}]])], { looked: 1, proven: 1 })), {
      code: 'disk_full',
    });
    limits.bytes = 0;
    await sink.mark(lookedAt(3, { quarantine: [2, 3] }));
    assert.equal(
      existsSync(join(scene.directory, 'spool', 'reserve')),
      false,
      'the space that was kept for it is used',
    );
    limits.cuts = true;
    scene.fault = undefined;
    await scene.drained(sink);
    assert.deepEqual(await idsOf(sink), ['a']);
    limits.bytes = Number.MAX_SAFE_INTEGER;
    scene.fault = 'away';
    await sink.write(writeOf(4, [requestOf([['b', {}]])], { looked: 3 }));
    await sink.mark(lookedAt(4));
    scene.fault = undefined;
    await scene.drained(sink);
    assert.deepEqual(await idsOf(sink), ['a', 'b']);
  }
});

test('P13: without room for what is kept back no reading goes into the spool', async (context) => {
  const { disk, limits } = limitedDisk();
  const scene = new Scene(await temporaryDirectory(context));
  scene.disk = disk;
  await using sink = await scene.open();
  limits.bytes = 1_000_000;
  scene.fault = 'away';
  await assert.rejects(sink.write(writeOf(1, [requestOf([['a', {}]])])), { code: 'disk_full' });
});

test('a record that the disk gives back otherwise is not stored, is counted, and keeps nobody up', async (context) => {
  const { scene, directory, file } = await spooled(context);
  const rotten = scan(readFileSync(file)).frames[1]?.at;
  const readPart: Disk['readPart'] = async (from, at, length) => {
    const bytes = await realDisk.readPart(from, at, length);
    return at + 16 === rotten ? flipped(bytes, 20) : bytes;
  };
  scene.disk = { ...realDisk, readPart };
  assert.deepEqual(await drainedOf(scene), { ids: ['r1', 'r3', 'r4'], damaged: 1 });
  assert.equal(readdirSync(join(directory, 'damaged')).length, 1);
  await using sink = await scene.open();
  assert.equal(sink.spool.damaged, 1);
  rmSync(join(directory, 'damaged'), { recursive: true });
  await eventually(() => sink.spool.damaged === 0, 'it counts until somebody removes it');
});

test('P8: while somebody has taken its directory away nothing is acknowledged; once it is back all of it is stored', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  const [directory, elsewhere] = ['spool', 'elsewhere'].map((name) => join(scene.directory, name)) as [string, string];
  const write = (batch: number) => sink.write(writeOf(batch, [requestOf([[`r${batch}`, {}]])], { looked: batch - 1 }));
  scene.fault = 'away';
  await write(1);
  renameSync(directory, elsewhere);
  await assert.rejects(write(2), { code: 'store_damaged', message: /was removed while it was in use: put it back/ });
  scene.fault = undefined;
  await eventually(() => sink.spool.state === 'stuck', 'it is said');
  await assert.rejects(write(3), { code: 'store_damaged' });
  renameSync(elsewhere, directory);
  await sink.mark(lookedAt(3, { quarantine: [2, 3] }));
  await scene.drained(sink);
  assert.deepEqual(await idsOf(sink), ['r1']);
});

test('another sink, another gate or no spool is refused while something is there, until an operator sends it on', async (context) => {
  const { scene } = await spooled(context);
  const other = { sink: 'other at 127.0.0.1:5432, schema readings', gate: 'gate-1' };
  const { requirePlace } = await import('../../sink.ts');
  const refused = {
    code: 'config_invalid',
    message: /holds 4 acknowledged readings of "gate-1" on the way to plant at/,
  };
  for (const now of [other, { ...owner, gate: 'gate-2' }, undefined])
    await assert.rejects(requirePlace(scene.directory, now), refused);
  assert.equal(await acceptSpool(scene.directory, owner), undefined, 'there is nothing to accept');
  assert.deepEqual(await acceptSpool(scene.directory, other), { readings: 4, from: owner.sink });
  // Another sink: a file of its own, with batches of the same numbers that are not to be touched.
  for (const name of readdirSync(scene.directory).filter((one) => one.startsWith('readings.db')))
    rmSync(join(scene.directory, name));
  const plain = new Scene(scene.directory);
  plain.owner = other;
  const { openSqliteSink } = await import('../../sink.ts');
  const before = await openSqliteSink(scene.directory);
  await before.write(writeOf(1, [requestOf([['own', {}]])]));
  await before[Symbol.asyncDispose]();
  const sink = await plain.open();
  assert.deepEqual(
    (await sink.unsettled()).map(({ batch }) => batch),
    [1],
  );
  await sink.settle(1, 'proven');
  await plain.drained(sink);
  assert.deepEqual(
    (await readAll(sink)).map(({ id, proof }) => `${id} ${proof}`),
    ['own proven', ...named(4).map((id) => `${id} unproven`)],
  );
  await sink[Symbol.asyncDispose]();
  assert.ok(await requirePlace(scene.directory, undefined), 'what is empty may go');
});

test('the oldest is that of what is not in the sink yet', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  scene.fault = 'away';
  await sink.write(writeOf(1, [requestOf([['a', {}]], { receivedAt: 5_000 })]));
  await sink.write(writeOf(2, [requestOf([['b', {}]], { receivedAt: 7_000 })], { looked: 1 }));
  assert.deepEqual([sink.spool.oldest, sink.spool.readings], [5_000, 2]);
  scene.fault = undefined;
  await eventually(() => sink.spool.readings === 1, 'the first is stored');
  assert.equal(sink.spool.oldest, 7_000);
});
