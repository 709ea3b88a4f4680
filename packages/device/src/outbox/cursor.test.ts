import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { Cursor } from './cursor.ts';

function moved(directory: string, ...offsets: number[]): void {
  const cursor = new Cursor(directory);
  for (const offset of offsets) assert.equal(cursor.move({ segment: 3, offset }), true);
  cursor.close();
}

const placeIn = (directory: string) => new Cursor(directory).place;

test('the place is there after a new start, and the file never grows', () => {
  const directory = temporaryDirectory();
  assert.deepEqual(placeIn(directory), { segment: 0, offset: 0 });
  moved(directory, 10, 20);
  const { size } = statSync(join(directory, 'cursor'));
  moved(directory, 30, 40, 50);
  assert.deepEqual(placeIn(directory), { segment: 3, offset: 50 });
  assert.equal(statSync(join(directory, 'cursor')).size, size);
});

test('wherever a write of the cursor is torn, the place before it is there', () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'cursor');
  moved(directory, 10);
  const before = readFileSync(file);
  moved(directory, 20);
  const after = readFileSync(file);
  for (let cut = 0; cut <= 20; cut++) {
    writeFileSync(file, Buffer.concat([after.subarray(0, cut), before.subarray(cut)]));
    assert.deepEqual(placeIn(directory), { segment: 3, offset: cut === 20 ? 20 : 10 }, `cut at ${cut}`);
  }
});

test('the cursor of version 0.1.0 is taken over, and goes once there is another', () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'cursor.json'), '{"segment":7,"offset":123}\n');
  assert.deepEqual(placeIn(directory), { segment: 7, offset: 123 });
  moved(directory, 5);
  assert.equal(existsSync(join(directory, 'cursor.json')), false);
  assert.deepEqual(placeIn(directory), { segment: 3, offset: 5 });
});
