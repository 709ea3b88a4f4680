/** Versions side by side: the last release's device with today's servers, and today's everything with servers that answer more. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import {
  type Credential,
  confirm,
  credentialFileIn,
  Device,
  enrol,
  findGates,
  readCredential,
  renew,
} from '@portcullis/device';
import { patienceMs } from '../../../../../test/patience.ts';
import { finished, Running } from '../../../../../tools/commands.ts';
import { eventually, House, post, readingsUrl } from '../../house.ts';

const root = join(import.meta.dirname, '../../../../..');
/** What devices in the field run. */
const lastRelease = '584b42611b7075e3d20810a1fd33424d5e13949b';

let house: House;
/** Its servers answer more. */
let later: House;
before(async () => {
  [house, later] = await Promise.all([House.open(), houseThatAddsMembers()]);
});
after(async () => {
  await later?.close();
  await house?.close();
});

function hasLastRelease(): boolean {
  try {
    execFileSync('git', ['-C', root, 'cat-file', '-e', `${lastRelease}^{commit}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const absent = !hasLastRelease() && 'the last release is not in this clone: git fetch --unshallow';
/** A shallow clone can not have it, wherever it is. */
const shallow = () =>
  execFileSync('git', ['-C', root, 'rev-parse', '--is-shallow-repository'], { encoding: 'utf8' }).trim() === 'true';
const skip = process.env.CI === 'true' && !(absent && shallow()) ? false : absent;

const values = async (of: House, stream = 'telemetry') =>
  (await of.json<{ subject: string; data: { value: number } }>('readings', stream)).map(({ data }) => data.value);

/** The last release's device package as it was, beside today's dependencies. */
function unpackLastRelease(directory: string): string {
  mkdirSync(join(directory, 'node_modules/@portcullis'), { recursive: true });
  const packed = execFileSync('git', ['-C', root, 'archive', lastRelease, 'packages/device', 'packages/contract']);
  execFileSync('tar', ['-x', '-C', directory], { input: packed });
  symlinkSync(join(root, 'node_modules/zod'), join(directory, 'node_modules/zod'));
  symlinkSync(join(directory, 'packages/contract'), join(directory, 'node_modules/@portcullis/contract'));
  return join(directory, 'packages/device/bin/portcullis-device.js');
}

const run = promisify(execFile);

test("a device of the last release enrols, sends and renews at today's servers", { skip }, async () => {
  const program = unpackLastRelease(join(house.home, 'last-release'));
  const directory = join(house.home, 'old-device');
  const old = async (words: string[], lines = '') => {
    const ended = run(process.execPath, [program, ...words, '--device', directory, '--json']);
    ended.child.stdin?.end(lines);
    return JSON.parse((await ended).stdout) as Record<string, unknown>;
  };
  const [made] = await house.json<{ token: string }>('token', 'create', 'old-truck');
  const enrolled = await old(['enrol', made?.token as string]);
  assert.equal(enrolled.proven, true);
  const sent = await old(['send', 'telemetry'], '{"value":1}\n{"value":2}\n');
  assert.deepEqual([sent.acknowledged, sent.kept], [2, 0]);

  const file = credentialFileIn(directory);
  const first = readCredential(file);
  writeFileSync(file, JSON.stringify({ ...first, renewAfter: '2020-01-01T00:00:00.000Z' }), { mode: 0o600 });
  const running = run(process.execPath, [program, 'run', '--device', directory]);
  await eventually(() => {
    const { certificate, unconfirmed } = readCredential(file);
    return certificate !== first.certificate && unconfirmed === undefined;
  }, 'the old device renews, and confirms it');
  running.child.kill('SIGTERM');
  await running;
  assert.deepEqual((await old(['send', 'telemetry'], '{"value":3}\n')).kept, 0);
  assert.deepEqual(await values(house), [1, 2, 3]);

  await house.gate?.stop();
  const kept = run(process.execPath, [program, 'send', 'telemetry', '--wait', '0', '--device', directory]);
  kept.child.stdin?.end('{"value":4}\n{"value":5}\n');
  await kept.catch(({ stdout }: { stdout: string }) => assert.match(stdout, /kept 2/));
  await house.startGate();
  const today = await finished(
    'portcullis-device',
    'send',
    'telemetry',
    '/dev/null',
    '--device',
    directory,
    '--wait',
    '60',
  );
  assert.equal(today.status, 0, `${today.out}${today.error}`);
  assert.deepEqual(await values(house), [1, 2, 3, 4, 5], 'what it kept is sent by the device of today');
});

/** All of the last release as it was, beside today's dependencies. */
function unpackServersOfLastRelease(directory: string): string {
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, '@portcullis'), { recursive: true });
  const packed = execFileSync('git', ['-C', root, 'archive', lastRelease, 'packages'], { maxBuffer: 64 * 1024 * 1024 });
  execFileSync('tar', ['-x', '-C', directory], { input: packed });
  for (const name of readdirSync(join(root, 'node_modules')).filter((one) => one !== '@portcullis' && one !== '.bin'))
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  for (const name of ['contract', 'device', 'server'])
    symlinkSync(join(directory, 'packages', name), join(modules, '@portcullis', name));
  return join(directory, 'packages/server/bin/portcullis.js');
}

test("a gate of the last release joins and serves at today's authority, where there is a desk, and another one comes", {
  skip,
}, async (context) => {
  const file = unpackServersOfLastRelease(join(house.home, 'last-release-servers'));
  const words = ['desk-1', '--kind', 'desk'];
  const [desk] = await house.json<{ token: string }>('token', 'create', ...words);
  await enrol({ token: desk?.token as string, directory: join(house.home, 'desk-1') });
  const [made] = await house.json<{ token: string }>('token', 'create', 'gate-2', '--kind', 'gate');
  const directory = join(house.home, 'gate-2');
  const port = String(house.basePort + 5);
  await run(process.execPath, [file, 'gate', 'join', directory, made?.token as string, '--port', port]);
  const gate = new Running({ file, environment: {} }, 'start', 'gate', directory);
  context.after(() => gate.stop());
  await gate.line(/^gate listening/, patienceMs);
  const [later] = await house.json<{ token: string }>('token', 'create', 'desk-2', '--kind', 'desk');
  await enrol({ token: later?.token as string, directory: join(house.home, 'desk-2') });
  await house.device('truck-2');
  const receipt = await house.change('attribute', 'set', 'truck-2', 'status=away');
  assert.deepEqual(receipt.gates.map(({ gate, outcome }) => [gate, outcome]).sort(), [
    ['gate-1', 'applied'],
    ['gate-2', 'applied'],
  ]);
});

function houseThatAddsMembers(): Promise<House> {
  const environment = { NODE_OPTIONS: `--import ${join(import.meta.dirname, 'adding-members.ts')}` };
  return House.open(({ environments }) => {
    environments.authority = environment;
    environments.gate = environment;
  });
}

test("today's device, gate and commands ignore members that later servers answer", async () => {
  const directory = await later.device('truck-17');
  const pem = await later.pem(directory);
  const seen = await post(readingsUrl(later), pem, '{"value":0}');
  assert.match(seen.body, /"laterMember"/, 'they do answer more');

  const device = await Device.open({ directory });
  await device.send('telemetry', { value: 1 });
  await device.drained(AbortSignal.timeout(60_000));
  await device.close();
  const credential: Credential = readCredential(credentialFileIn(directory));
  assert.ok(!readFileSync(credentialFileIn(directory), 'utf8').includes('laterMember'));
  const next = await confirm({ directory, credential: await renew({ directory, credential }) });
  assert.deepEqual((await findGates({ directory, credential: { ...next, gates: [] } })).gates, [later.gateUrl]);

  for (const words of [
    ['subject', 'show', 'truck-17'],
    ['attribute', 'set', 'truck-17', 'clearance=3', '--wait'],
    ['attribute', 'history', 'truck-17'],
    ['certificate', 'suspend', 'truck-17', '--wait'],
    ['gate', 'list'],
    ['explain', 'truck-17'],
    ['journal', 'show'],
    ['readings', 'telemetry'],
    ['token', 'create', 'truck-18'],
    ['token', 'list'],
  ]) {
    const { status, out, error } = await later.portcullis(...words, '--json');
    assert.equal(status, 0, `${words.join(' ')}: ${out}${error}`);
  }
  assert.deepEqual(await values(later), [0, 1]);
});
