/** Disks that are full, for what must stand it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmdirSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** A disk of a few hundred KiB, or undefined where this user may not mount one. */
function smallDisk(kibibytes = 512): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', directory]);
  after(() => {
    spawnSync('umount', ['--lazy', directory]);
    rmdirSync(directory);
  });
  if (status !== 0) return undefined;
  return directory;
}

const canMount = smallDisk() !== undefined;
export const skip = canMount || process.env.CI === 'true' ? false : 'this needs the right to mount a tmpfs';
export const disk = () => smallDisk() ?? assert.fail('no tmpfs could be mounted');

/** Takes every byte that is left. */
export function fill(directory: string): void {
  try {
    for (;;) appendFileSync(join(directory, 'filler'), Buffer.alloc(4096));
  } catch {
    assert.equal(statfsSync(directory).bavail, 0);
  }
}
