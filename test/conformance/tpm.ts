/** A device whose key is in a TPM: its whole life, what it does when the TPM goes away, and docs/start-tpm.md from its first line to its last. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../../packages/server/test/house.ts';
import { type Finished, finished, launchOf, Running } from '../../tools/commands.ts';
import { patienceMs } from '../patience.ts';
import { type House, openHouse, skippedWithout } from './house.ts';
import { hasSoftwareTpm, SoftwareTpm } from './software-tpm.ts';

const modules = /MODULESDIR: "(.*)"/.exec(execFileSync('openssl', ['version', '-m'], { encoding: 'utf8' }))?.[1] ?? '';
const present = hasSoftwareTpm && existsSync(join(modules, 'tpm2.so'));
const skip = skippedWithout(
  present,
  'a software TPM (Debian: swtpm swtpm-tools tpm2-abrmd tpm2-openssl tpm2-tools libtss2-tcti-tabrmd0 dbus-daemon)',
);

const home = mkdtempSync(join(tmpdir(), 'portcullis-tpm-'));
const file = (name: string) => join(home, name);
let tpm: SoftwareTpm;
let house: House;

before(async () => {
  if (skip) return;
  tpm = await SoftwareTpm.open(home);
  Object.assign(process.env, tpm.environment);
  house = await openHouse();
});
after(async () => {
  await house?.[Symbol.asyncDispose]();
  await tpm?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

test('docs/start-tpm.md works from its first line to its last', { skip }, async () => {
  // It hands the environment on, as it is when it is loaded.
  const { asNewcomer, blocksOf } = await import('../newcomer.ts');
  await asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/start-tpm.md')));
});

/** What the page has Node configured with. */
function configured(): Record<string, string> {
  const page = readFileSync(new URL('../../docs/start-tpm.md', import.meta.url), 'utf8');
  const text = /cat > tpm\.cnf <<END\n([\s\S]*?)\nEND\n/.exec(page)?.[1]?.replaceAll('$MODULES', modules);
  writeFileSync(file('tpm.cnf'), `${text}\n`);
  return { OPENSSL_CONF: file('tpm.cnf') };
}

function keyIn(name: string, curve = 'P-256'): string {
  const words = [
    'genpkey',
    '-provider',
    'tpm2',
    '-provider',
    'default',
    '-algorithm',
    'EC',
    '-pkeyopt',
    `group:${curve}`,
  ];
  execFileSync('openssl', [...words, '-out', file(name)], { stdio: 'pipe' });
  return file(name);
}

const device = (...words: string[]): Promise<Finished> =>
  finished(launchOf('portcullis-device', configured()), ...words);

async function succeeds(...words: string[]): Promise<string> {
  const { status, out, error } = await device(...words);
  assert.equal(status, 0, `${words[0]}: ${out}${error}`);
  return out;
}

async function enrolled(subject: string, key = keyIn(`${subject}.pem`)): Promise<string> {
  const directory = file(subject);
  const token = (await house.token(subject)).trim();
  const said = await succeeds('enrol', token, '--key-file', key, '--device', directory);
  assert.match(said, /takes it/);
  return directory;
}

const arrivedFrom = async (subject: string) =>
  (await house.readings(subject)).map(({ data }) => (data as { temperature: number }).temperature);

async function sends(directory: string, value: number, ...more: string[]): Promise<string> {
  writeFileSync(file('line'), `{"temperature":${value}}\n`);
  const { out, error } = await device('send', 'telemetry', file('line'), '--no-resume', '--device', directory, ...more);
  return `${out}${error}`;
}

test('a key in a TPM is used where it is: 202, suspended 403, resumed 202; nothing of it is kept but where it is', {
  skip,
}, async () => {
  const directory = await enrolled('truck-1');
  const kept = readFileSync(join(directory, 'credential.json'), 'utf8');
  assert.ok(!kept.includes('PRIVATE KEY'));
  assert.equal((JSON.parse(kept) as { keyFile: string }).keyFile, file('truck-1.pem'));
  assert.match(await sends(directory, 1), /acknowledged 1/);
  await house.portcullis('certificate', 'suspend', 'truck-1', '--wait');
  assert.match(await sends(directory, 2, '--wait', '1'), /kept 1[\s\S]*not_admitted/);
  await house.portcullis('certificate', 'resume', 'truck-1', '--wait');
  assert.match(await sends(directory, 3), /acknowledged 2/);
  assert.match(await sends(directory, 4, '--mqtt'), /acknowledged 1/);
  const values = await arrivedFrom('truck-1');
  assert.deepEqual(values.toSorted(), [1, 2, 3, 4]);
});

test('it is renewed as it is, also while readings are sealed by it and carried by another', { skip }, async () => {
  const carrying = file('gw-1');
  const token = (await house.portcullis('token', 'create', 'gw-1', '--kind', 'gateway')).trim();
  assert.equal((await finished('portcullis-device', 'enrol', token, '--device', carrying)).status, 0);
  const carrier = new Running('portcullis-device', 'carry', '--device', carrying, '--listen', '127.0.0.1:0');
  try {
    const via = /http:\/\/127\.0\.0\.1:\d+/.exec(await carrier.line(/carrying as/, patienceMs))?.[0] ?? assert.fail();
    const directory = await enrolled('truck-2');
    assert.match(await sends(directory, 1, '--via', via), /acknowledged 1/);
    const path = join(directory, 'credential.json');
    const read = () => JSON.parse(readFileSync(path, 'utf8')) as { certificate: string };
    const first = read();
    writeFileSync(path, JSON.stringify({ ...first, renewAfter: '2026-01-01T00:00:00.000Z' }));
    assert.match(await sends(directory, 2), /acknowledged 1/);
    const next = read();
    const publicKeyOf = (pem: string) => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' });
    assert.notEqual(next.certificate, first.certificate);
    assert.ok(!('unconfirmed' in next) && !JSON.stringify(next).includes('PRIVATE KEY'));
    assert.equal(publicKeyOf(next.certificate), publicKeyOf(first.certificate));
    assert.match(await sends(directory, 3, '--via', via), /acknowledged 1/);
    assert.equal((await house.readings('truck-2')).length, 3);
  } finally {
    await carrier.stop();
  }
});

test('what is no usable key in a TPM costs no token, and is said', { skip }, async () => {
  const token = (await house.token('truck-3')).trim();
  const enrol = async (key: string, launch = launchOf('portcullis-device', configured())) => {
    const { status, error } = await finished(launch, 'enrol', token, '--key-file', key, '--device', file('truck-3'));
    return `${status} ${error}`;
  };
  const soft = execFileSync('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'group:P-256'], { stdio: 'pipe' });
  writeFileSync(file('soft.pem'), soft);
  const key = keyIn('truck-3.pem');
  assert.match(await enrol(file('soft.pem')), /^1 .*does not begin with "-----BEGIN TSS2 PRIVATE KEY-----"/);
  assert.match(await enrol(file('none.pem')), /^1 .*can not be read \(ENOENT\)/);
  assert.match(await enrol(keyIn('p-384.pem', 'P-384')), /^1 .*P-256/);
  assert.match(await enrol(key, launchOf('portcullis-device')), /^1 .*OPENSSL_CONF must name a file/);
  await tpm.kill();
  assert.match(await enrol(key), /^1 /);
  await tpm.start();
  await succeeds('enrol', token, '--key-file', key, '--device', file('truck-3'));
});

test('where a TPM signs, a key in a file is no key: it is said what to do, and the token is still good', {
  skip,
}, async () => {
  const token = (await house.token('truck-5')).trim();
  const words = /OPENSSL_CONF has a TPM sign .*the key of this device is in a file: .*--key-file/;
  const refused = await device('enrol', token, '--device', file('truck-5'));
  assert.equal(refused.status, 1);
  assert.match(refused.error, words);
  const unconfigured = await finished('portcullis-device', 'enrol', token, '--device', file('truck-5'));
  assert.equal(unconfigured.status, 0, unconfigured.error);
  assert.match(await sends(file('truck-5'), 1, '--wait', '1'), words);
});

test('a TPM that was cleared has no use for its keys: it is said, and a new one takes over what waits', {
  skip,
}, async () => {
  const directory = await enrolled('truck-6');
  execFileSync('tpm2_clear', ['--auth-hierarchy', 'p'], { stdio: 'pipe' });
  assert.match(await sends(directory, 1, '--wait', '1'), /kept 1[\s\S]*A TPM that was cleared/);
  await house.portcullis('certificate', 'revoke', 'truck-6', '--wait');
  const token = (await house.portcullis('token', 'create', 'truck-6', '--after-revocation')).trim();
  await succeeds('enrol', token, '--key-file', keyIn('truck-6-2.pem'), '--device', directory, '--replace');
  assert.match(await sends(directory, 2), /acknowledged 2/);
});

test('a TPM that dies under a device that runs: it is said, nothing is lost, and it goes on when the TPM is back', {
  skip,
}, async () => {
  const directory = await enrolled('truck-4');
  const words = ['run', '--device', directory];
  const running = new Running(launchOf('portcullis-device', configured()), ...words);
  await running.line(/running as/);
  const ended = new Promise((resolve) => running.process.once('exit', resolve));
  assert.match(await sends(directory, 1), /acknowledged 1/);
  await tpm.kill();
  // A connection that is open needs no key; a new one does.
  await house.portcullis('certificate', 'suspend', 'truck-4', '--wait');
  await house.portcullis('certificate', 'resume', 'truck-4', '--wait');
  const told = await sends(directory, 2, '--wait', '0');
  await running.line(/the TPM did not do what the key is for/);
  assert.equal(await ended, 1);
  // Whom it left without an answer asks again.
  if (told.includes('has gone')) assert.match(await sends(directory, 2, '--wait', '1'), /kept \d/);
  else assert.match(told, /kept 1/);
  assert.match(await sends(directory, 3, '--wait', '1'), /kept \d/);
  await tpm.start();
  const again = new Running(launchOf('portcullis-device', configured()), ...words);
  try {
    const arrived = async () => new Set(await arrivedFrom('truck-4')).size === 3;
    await eventually(arrived, 'what was kept is acknowledged');
  } finally {
    await again.stop();
  }
});
