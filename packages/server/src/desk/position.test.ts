import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLog } from '../telemetry/telemetry.ts';
import { acceptRestore, Position } from './position.ts';

const log = createLog({ role: 'desk', level: 'silent' });
const [hash, other] = ['a'.repeat(64), 'b'.repeat(64)];

function fileIn(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-position-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'position.json');
}

test('what a desk was told survives it: the newest of two feeds, and the highest number of a list', async (context) => {
  const file = fileIn(context);
  const position = new Position(file, log);
  assert.deepEqual([position.asked, position.listNumber], [{}, 0]);
  position.move({ revision: 8, hash });
  position.move({ revision: 7, hash: other });
  position.move({ revision: 9 });
  position.gaveList(500);
  position.gaveList(400);
  await position.close();
  const again = new Position(file, log);
  assert.deepEqual([again.asked, again.listNumber], [{ after: '8', hash }, 500]);
});

test('P9: an authority that is behind, or says another hash, is not believed', (context) => {
  const position = new Position(fileIn(context), log);
  const before = { revision: 8, hash };
  for (const beat of [before, { revision: 8 }, { revision: 9, hash: other }, { revision: 9 }])
    position.requireForward(before, beat);
  position.requireForward(undefined, { revision: 1, hash });
  for (const beat of [{ revision: 7, hash }, { revision: 7 }, { revision: 8, hash: other }])
    assert.throws(() => position.requireForward(before, beat), { code: 'revision_regressed' });
});

test('an accepted restore is noticed by the desk that runs, and by one that starts; numbers of lists go on', async (context) => {
  const file = fileIn(context);
  const position = new Position(file, log);
  position.move({ revision: 7, hash });
  position.gaveList(500);
  assert.equal(await position.isForgotten(), false, 'what waits to be written is written first');
  assert.equal(await acceptRestore(file), true);
  assert.equal(await position.isForgotten(), true);
  // Above each that the lost history gave out, and each that the restored one made before it was told.
  for (const one of [position, new Position(file, log)]) assert.deepEqual([one.asked, one.listNumber], [{}, 5_500]);
  assert.equal(await acceptRestore(file), false);
  writeFileSync(file, '{');
  assert.throws(() => new Position(file, log), { code: 'store_damaged' });
});
