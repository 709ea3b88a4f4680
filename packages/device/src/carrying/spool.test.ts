import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { disk, fill, skip } from '../../test/small-disk.ts';
import { Spool, type SpoolBounds, spoolBounds } from './spool.ts';

const parcelOf = (body: string) => ({ stream: 'telemetry', mediaType: 'application/jose', body: Buffer.from(body) });

const answer = { status: 200, mediaType: 'application/jose', body: Buffer.from('said') };

function spoolOf(bounds: Partial<SpoolBounds> = {}) {
  const directory = join(temporaryDirectory(), 'carried');
  const open = () => new Spool(directory, { ...spoolBounds, ...bounds });
  const bring = (spool: Spool, from: string, bodies: string[]) =>
    bodies.filter((body) => spool.keep(Spool.nameOf(parcelOf(body)), parcelOf(body), from)).length;
  return { directory, open, bring };
}

/** Of a file: what says what it is, and a line end. */
const headBytes = JSON.stringify({ stream: 'telemetry', mediaType: 'application/jose' }).length + 1;
const bytes = 1_000 - headBytes;
const many = (count: number, prefix: string, bytes = 3) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`.padEnd(bytes));

test('P13: of the room for parcels nobody who brings some has more than half of what the others leave', () => {
  for (const bounds of [{ parcelsMax: 60 }, { bytesMax: 60 * 1_000 }]) {
    const { open, bring } = spoolOf(bounds);
    const spool = open();
    assert.equal(bring(spool, 'greedy', many(90, 'a', bytes)), 30);
    assert.equal(bring(spool, 'other', many(90, 'b', bytes)), 15);
    assert.equal(bring(spool, 'greedy', many(90, 'c', bytes)), 0);
    for (const body of many(15, 'a', bytes)) assert.ok(spool.answer(Spool.nameOf(parcelOf(body)), answer));
    assert.equal(bring(spool, 'other', many(90, 'd', bytes)), 7, 'what was answered leaves its room');
  }
});

test('P13: what an earlier process took counts, and is the share of nobody', () => {
  const { open, bring } = spoolOf({ parcelsMax: 20 });
  assert.equal(bring(open(), 'greedy', many(20, 'a')), 10);
  assert.equal(bring(open(), 'greedy', many(20, 'b')), 5);
  assert.equal(open().length, 15);
});

test('an answer that was damaged on disk is none, and what it was said of is carried once more', () => {
  const { directory, open } = spoolOf();
  const spool = open();
  const parcel = parcelOf('a.b.c\n');
  const name = Spool.nameOf(parcel);
  spool.keep(name, parcel, 'a');
  spool.answer(name, answer);
  const [file = assert.fail('there is no answer')] = readdirSync(directory);
  writeFileSync(join(directory, file), Buffer.alloc(40, 0xff));
  for (const _ of [1, 2]) assert.equal(spool.answerOf(name), undefined);
  assert.equal(spool.keep(name, parcel, 'a'), true);
  assert.deepEqual(spool.read(name), parcel);
});

test('P13: a full disk takes no parcel and no answer, and what was kept stays until its answer is on disk', {
  skip,
}, () => {
  const directory = disk();
  const spool = new Spool(join(directory, 'carried'));
  const [parcel, other] = [parcelOf('a.b.c\n'), parcelOf('d.e.f\n')];
  const name = Spool.nameOf(parcel);
  assert.equal(spool.keep(name, parcel, 'a'), true);
  fill(directory);
  assert.equal(spool.keep(Spool.nameOf(other), other, 'a'), false);
  assert.equal(spool.answer(name, answer), false);
  for (const one of [spool, new Spool(join(directory, 'carried'))])
    assert.deepEqual([one.length, one.read(name), one.answerOf(name)], [1, parcel, undefined]);
  rmSync(join(directory, 'filler'));
  assert.equal(spool.answer(name, answer), true);
  for (const one of [spool, new Spool(join(directory, 'carried'))])
    assert.deepEqual([one.length, one.answerOf(name)], [0, answer]);
});
