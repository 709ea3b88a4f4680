/** P13: a gate whose disk is full acknowledges nothing, says so, and goes on by itself when there is space again. A real file system of a few megabytes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, House, type Pem, post, readingsUrl } from '../../house.ts';

const able = process.platform === 'linux' && process.getuid?.() === 0;
const required = process.env.CI === 'true';
const skip = able || required ? false : 'it mounts a small file system, which needs root on Linux: NOT TESTED HERE';

let house: House;
let pem: Pem;
let mounted: string | undefined;

before(async () => {
  if (skip) return;
  house = await House.open((made) => {
    mounted = join(made.fleet, 'gate');
    const kept = join(made.home, 'kept');
    cpSync(mounted, kept, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m,mode=700', 'tmpfs', mounted]);
    cpSync(kept, mounted, { recursive: true });
  });
  pem = await house.pem(await house.device('truck-17'));
});

after(async () => {
  if (skip) return;
  await house.gate?.stop();
  if (mounted) execFileSync('umount', [mounted]);
  await house.close();
});

test('P13: a full disk at the sink is 503 and acknowledges nothing; with space again the gate admits', {
  skip,
}, async () => {
  assert.equal((await post(readingsUrl(house), pem, '{"_id":"first"}')).status, 202);
  const ballast = join(mounted as string, 'ballast');
  // What is left of the disk, to the last byte: writing more than fits ends with as much as fits.
  try {
    writeFileSync(ballast, Buffer.alloc(16 * 1024 * 1024));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  }
  const acknowledged = ['first'];
  let refused: Awaited<ReturnType<typeof post>> | undefined;
  for (let number = 0; number < 200 && !refused; number++) {
    const answer = await post(readingsUrl(house), pem, JSON.stringify({ _id: `r${number}`, text: 'x'.repeat(60_000) }));
    if (answer.status === 202) acknowledged.push(`r${number}`);
    else refused = answer;
  }
  assert.equal(refused?.status, 503, refused?.body);
  assert.equal((JSON.parse(refused.body) as { reason: string }).reason, 'sink_unavailable');
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  rmSync(ballast);
  await eventually(
    async () => (await post(readingsUrl(house), pem, '{"_id":"last"}')).status === 202,
    'admitted again',
  );
  const stored = (await house.json<{ id: string }>('readings')).map(({ id }) => id);
  for (const id of [...acknowledged, 'last']) assert.ok(stored.includes(id), `${id} was acknowledged`);
  assert.equal(new Set(stored).size, stored.length);
});
