import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { disk, fill, skip } from '../../test/small-disk.ts';
import { Spool } from './spool.ts';

const parcelOf = (body: string) => ({ stream: 'telemetry', mediaType: 'application/jose', body: Buffer.from(body) });

test('P13: a full disk takes no parcel and no answer, and what was kept stays until its answer is on disk', {
  skip,
}, () => {
  const directory = disk();
  const spool = new Spool(join(directory, 'carried'));
  const [parcel, other] = [parcelOf('a.b.c\n'), parcelOf('d.e.f\n')];
  const name = Spool.nameOf(parcel);
  const answer = { status: 200, mediaType: 'application/jose', body: Buffer.from('said') };
  assert.equal(spool.keep(name, parcel), true);
  fill(directory);
  assert.equal(spool.keep(Spool.nameOf(other), other), false);
  assert.equal(spool.answer(name, answer), false);
  for (const one of [spool, new Spool(join(directory, 'carried'))])
    assert.deepEqual([one.length, one.read(name), one.answerOf(name)], [1, parcel, undefined]);
  rmSync(join(directory, 'filler'));
  assert.equal(spool.answer(name, answer), true);
  for (const one of [spool, new Spool(join(directory, 'carried'))])
    assert.deepEqual([one.length, one.answerOf(name)], [0, answer]);
});
