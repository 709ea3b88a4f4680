/** A fleet that can not be made: said, by the name that was asked for, and nothing half-made is left. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { finished, Running } from '../../../../../tools/commands.ts';
import { eventually } from '../../house.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-init-'));
const mounted: string[] = [];
after(() => {
  for (const one of mounted) execFileSync('umount', [one]);
  rmSync(home, { recursive: true, force: true });
});

const isLinux = process.platform === 'linux';
const mounts = (isLinux && process.getuid?.() === 0) || process.env.CI === 'true';
const skip = mounts ? false : 'it mounts a small file system, which needs root on Linux: NOT TESTED HERE';

function mount(name: string, options: string): string {
  const place = join(home, name);
  mkdirSync(place);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place]);
  mounted.push(place);
  return place;
}

async function refused(directory: string, words: RegExp, named = directory): Promise<void> {
  const { status, error } = await finished('portcullis', 'init', directory);
  assert.equal(status, 1);
  assert.ok(error.includes(`"${named}"`), error);
  assert.match(error, words);
  assert.doesNotMatch(error, /internal/);
}

test('a place where the kernel lets nothing be made is refused, and does not hang', { skip: !isLinux }, () =>
  refused('/proc/x', /can not be written.*choose another place \(directory_unusable\)/),
);

test('a file in the way is refused, and left as it is', async () => {
  const file = join(home, 'file');
  writeFileSync(file, 'mine');
  await refused(file, /is a file; choose another directory \(fleet_exists\)/);
  await refused(join(file, 'fleet'), /a file is in the way/, file);
});

test('a passphrase that is guessed at once is refused, and nothing is made', async () => {
  const [secret, directory] = [join(home, 'passphrase'), join(home, 'guessed')];
  writeFileSync(secret, 'x\n', { mode: 0o600 });
  const { status, error } = await finished('portcullis', 'init', directory, '--passphrase-file', secret);
  assert.equal(status, 1);
  assert.match(error, /has 1 character; it must have 8 or more.*\(key_unusable\)/);
  assert.ok(!readdirSync(home).includes('guessed'));
});

test('what can not be made leaves none of the directories above it', async () => {
  await refused(join(home, 'a', 'b', 'x'.repeat(300)), /the name is too long/);
  assert.ok(!readdirSync(home).includes('a'));
});

test('a file system that can only be read is refused', { skip }, async () => {
  await refused(join(mount('read-only', 'ro'), 'fleet'), /the file system can only be read/);
});

for (const size of ['12k', '40k', '100k']) {
  test(`a disk that is full after ${size} is said, and nothing half-made is left on it`, { skip }, async () => {
    const disk = mount(`full-${size}`, `size=${size}`);
    const { status, error } = await finished('portcullis', 'init', join(disk, 'a', 'fleet'));
    assert.equal(status, 1);
    assert.match(error, /\(disk_full\)/);
    assert.deepEqual(readdirSync(disk), []);
  });
}

test('an init that is interrupted leaves nothing behind', async () => {
  const place = join(home, 'interrupted');
  const init = new Running('portcullis', 'init', join(place, 'fleet'));
  const ended = new Promise((resolve) => init.process.once('exit', resolve));
  await eventually(() => readdirSync(home).includes('interrupted') || init.process.exitCode !== null, 'it has begun');
  init.process.kill('SIGINT');
  const status = await ended;
  // On a quick machine it was done by then.
  assert.deepEqual(readdirSync(home).includes('interrupted') ? readdirSync(place) : [], status === 0 ? ['fleet'] : []);
});
