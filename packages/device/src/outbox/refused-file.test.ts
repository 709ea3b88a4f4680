import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { realSystem } from '../system.ts';
import { RefusedFile } from './refused-file.ts';

const refusal = (stream: string) => ({ stream, reason: 'condition_not_met', title: 'no' });

test('what another process writes into a file that was just moved is kept, and nothing is told twice', () => {
  const directory = temporaryDirectory();
  const file = new RefusedFile(directory, realSystem);
  file.add(refusal('telemetry'), '{"t":1,"_id":"a"}');
  file.add(refusal('cold'), '{"t":2,"_id":"b"}');
  const taken = file.take();
  assert.deepEqual(
    taken.map(({ stream, line }) => `${stream} ${line}`),
    ['telemetry {"t":1,"_id":"a"}', 'cold {"t":2,"_id":"b"}'],
  );
  assert.equal(file.count(), 2);
  const late = JSON.stringify({ at: '2026-11-27T00:00:00.000Z', ...refusal('telemetry'), reading: { t: 3, _id: 'c' } });
  appendFileSync(join(directory, 'refused.newer.ndjson'), `${late}\n`);
  file.giveBack(taken.filter(({ stream }) => stream === 'cold'));
  assert.deepEqual(readdirSync(directory), ['refused.ndjson']);
  const kept = readFileSync(join(directory, 'refused.ndjson'), 'utf8').trimEnd().split('\n');
  assert.deepEqual(
    kept.map((line) => (JSON.parse(line) as { reading: { _id: string } }).reading._id),
    ['b', 'c'],
  );
});

test('a crash in between: the next one takes the same readings, once', () => {
  const directory = temporaryDirectory();
  new RefusedFile(directory, realSystem).add(refusal('telemetry'), '{"t":1,"_id":"a"}');
  const first = new RefusedFile(directory, realSystem).take();
  const next = new RefusedFile(directory, realSystem);
  assert.deepEqual(next.take(), first);
  next.giveBack([]);
  assert.deepEqual([next.count(), readdirSync(directory)], [0, []]);
});
