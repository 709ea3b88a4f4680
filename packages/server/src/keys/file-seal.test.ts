import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileSeal } from './file-seal.ts';

test('however many make the key at once, there is one, and all seal under it', async (context) => {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-seal-'));
  context.after(() => rmSync(home, { recursive: true }));
  const parts = { random: randomBytes };
  const seal = fileSeal(join(home, 'credentials.key'), parts);
  const sealed = await Promise.all(
    Array.from({ length: 32 }, async () => {
      await seal.make();
      return await seal.seal(Buffer.from('secret'), 'about');
    }),
  );
  assert.deepEqual(readdirSync(home), ['credentials.key']);
  const later = fileSeal(join(home, 'credentials.key'), parts);
  await later.make();
  for (const one of sealed) assert.equal((await later.open(one, 'about')).toString(), 'secret');
});
