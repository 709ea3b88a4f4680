/** docs/operating/keys.md from its first line to its last, with Debian's SoftHSM2 as the token; and a house whose token goes away. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { enrol } from '@portcullis/device';
import { openKeys } from '../../packages/server/src/keys/keys.ts';
import { realSystem } from '../../packages/server/src/telemetry/system.ts';
import { eventually } from '../../packages/server/test/house.ts';
import { succeeded } from '../../tools/commands.ts';
import { standStill } from '../standstill.ts';
import { openHouse, skippedWithout } from './house.ts';

const module = '/usr/lib/softhsm/libsofthsm2.so';
const works = (...[program, ...words]: string[]) => spawnSync(program as string, words).error === undefined;
const present =
  existsSync(module) &&
  works('softhsm2-util', '--version') &&
  works('p11-kit', '--help') &&
  works('openssl', 'version');
const skip = skippedWithout(present, 'SoftHSM2, p11-kit and openssl (Debian: softhsm2, p11-kit, openssl)');

const home = mkdtempSync(join(tmpdir(), 'portcullis-keys-'));
after(() => rmSync(home, { recursive: true, force: true }));
const tokens = join(home, 'tokens');
mkdirSync(tokens);
writeFileSync(join(home, 'softhsm2.conf'), `directories.tokendir = ${tokens}\nlog.level = ERROR\n`);
process.env.SOFTHSM2_CONF = join(home, 'softhsm2.conf');
// It hands the environment on, as it is when it is loaded.
const { asNewcomer, blocksOf } = await import('../newcomer.ts');

test('docs/operating/keys.md works from its first line to its last', { skip }, () =>
  asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/operating/keys.md'))),
);

test('while the token is away nothing is issued, all else goes on, and it issues again without a restart', {
  skip,
}, async () => {
  execFileSync(
    'softhsm2-util',
    ['--init-token', '--free', '--label', 'away', '--so-pin', '47114711', '--pin', '4711'],
    { stdio: 'pipe' },
  );
  const pin = join(home, 'pin');
  writeFileSync(pin, '4711\n', { mode: 0o600 });
  const words = ['--pkcs11-module', module, '--pkcs11-token', 'away', '--pkcs11-pin-file', pin];
  await using house = await openHouse(undefined, ...words);
  const enrolNow = async (subject: string) =>
    enrol({ token: (await house.token(subject)).trim(), directory: join(house.directory, subject) });
  await enrolNow('truck-1');
  renameSync(tokens, `${tokens}-away`);
  mkdirSync(tokens);
  await assert.rejects(enrolNow('truck-2'), { code: 'issuer_unavailable' });
  assert.match(await house.portcullis('attribute', 'set', 'truck-1', 'status=held', '--wait'), /revision/);
  rmSync(tokens, { recursive: true });
  renameSync(`${tokens}-away`, tokens);
  // For a second after a failure it is not tried again.
  const taken = () =>
    enrolNow('truck-3').then(
      () => true,
      (error: { code: string }) => error.code !== 'issuer_unavailable' && assert.fail(String(error)),
    );
  await eventually(taken, 'a certificate is issued again');
});

/** As a company has one: its own name, a key of RSA, and what its names are constrained to. */
function authority(name: string, constraints: string): string[] {
  const [key, certificate] = [join(home, `${name}.key`), join(home, `${name}.pem`)];
  const subject = ['-subj', '/C=DE/O=Example AG/CN=Example CA', '-days', '7300'];
  const extensions = [
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
    '-addext',
    `nameConstraints=critical,${constraints}`,
  ];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certificate, ...subject, ...extensions],
    { stdio: 'pipe' },
  );
  chmodSync(key, 0o600);
  return ['--import-issuer', certificate, '--import-key', key];
}

test('below an authority that allows its names a house admits devices, and asks for its key no more', {
  skip,
}, async () => {
  const words = authority('allows', 'permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0');
  await using house = await openHouse(undefined, '--host', 'localhost', '--host', '127.0.0.1', ...words);
  rmSync(join(home, 'allows.key'));
  const directory = join(house.directory, 'truck-1');
  await enrol({ token: (await house.token('truck-1')).trim(), directory });
  const reading = join(house.directory, 'reading.json');
  writeFileSync(reading, '{"temperature":4.2}');
  await succeeded('portcullis-device', 'send', 'telemetry', reading, '--device', directory);
  assert.equal((await house.readings('truck-1')).length, 1);
});

test('below an authority that does not allow its names no fleet is made', { skip }, async () => {
  const fleet = join(home, 'refused');
  const words = ['init', fleet, '--host', 'localhost', ...authority('forbids', 'permitted;DNS:example.org')];
  await assert.rejects(succeeded('portcullis', ...words), /refused by TLS \(permitted subtree violation\)/);
  assert.deepEqual(
    readdirSync(home).filter((name) => name.startsWith('refused')),
    [],
  );
});

test('a token that does not answer is waited for 20 s, then its process is ended, and another signs', {
  skip,
}, async () => {
  execFileSync(
    'softhsm2-util',
    ['--init-token', '--free', '--label', 'hangs', '--so-pin', '47114711', '--pin', '4711'],
    {
      stdio: 'pipe',
    },
  );
  writeFileSync(join(home, 'pin'), '4711\n', { mode: 0o600 });
  const pkcs11 = { module, token: 'hangs', pinFile: '../pin' };
  const parts = { directory: join(home, 'fleet'), system: realSystem, credentials: undefined };
  await using keys = openKeys({ ...parts, keys: { pkcs11 } });
  const signer = await keys.create('issuer-device');
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  const [remote] = children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(module));
  standStill(Number(remote));
  const began = performance.now();
  const key = createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' });
  assert.ok(verify('sha256', Buffer.from('bytes'), key, await signer.sign(Buffer.from('bytes'))));
  assert.ok(performance.now() - began > 19_000);
  assert.ok(!existsSync(`/proc/${remote}/cmdline`) || readFileSync(`/proc/${remote}/cmdline`, 'utf8') === '');
});
