/** A real token: SoftHSM2 of Debian, by p11-kit. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { realSystem } from '../../telemetry/system.ts';
import { keysContract } from '../keys.contract.ts';
import { type Keys, openKeys, type Signer } from '../keys.ts';

const [module = ''] = globSync('/usr/lib/{softhsm,*/softhsm}/libsofthsm2.so');
const tools = ['softhsm2-util', 'p11-kit', 'pkcs11-tool'];
const missing = module === '' || tools.some((tool) => spawnSync(tool, ['--help']).error !== undefined);
const skip = missing && process.env.CI !== 'true' ? 'softhsm2, p11-kit or opensc is not installed' : false;
if (skip) process.stderr.write(`NOT RUN: keys in a token: ${skip}\n`);

const home = mkdtempSync(join(tmpdir(), 'portcullis-token-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
// One process has one SoftHSM: its tokens are apart by their labels.
process.env.SOFTHSM2_CONF = join(home, 'softhsm2.conf');
const tokens = join(home, 'tokens');
mkdirSync(tokens);
writeFileSync(join(home, 'softhsm2.conf'), `directories.tokendir = ${tokens}\nlog.level = ERROR\n`);
writeFileSync(join(home, 'pin'), '1234\n', { mode: 0o600 });
writeFileSync(join(home, 'wrong-pin'), '4321\n', { mode: 0o600 });

let made = 0;

function makeToken(label = `fleet-${++made}`): string {
  execFileSync('softhsm2-util', ['--init-token', '--free', '--label', label, '--so-pin', '11111111', '--pin', '1234'], {
    stdio: 'pipe',
  });
  return label;
}

interface Opened {
  token: string;
  pinFile?: string;
  monotonic?: () => number;
}

function keysIn(
  { token, pinFile = '../pin', monotonic = realSystem.monotonic }: Opened,
  after: (end: () => unknown) => void,
): Keys {
  const system = { ...realSystem, monotonic };
  const keys = openKeys({
    directory: join(home, 'fleet'),
    keys: { pkcs11: { module, token, pinFile } },
    system,
    credentials: undefined,
  });
  after(() => keys[Symbol.asyncDispose]());
  return keys;
}

const tool = (token: string, ...words: string[]) =>
  execFileSync('pkcs11-tool', ['--module', module, '--token-label', token, '--login', '--pin', '1234', ...words], {
    stdio: 'pipe',
    encoding: 'utf8',
  });

async function signs(signer: Signer): Promise<boolean> {
  const key = createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' });
  return verify('sha256', Buffer.from('bytes'), key, await signer.sign(Buffer.from('bytes')));
}

function killModule(): void {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  const remote = children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(module));
  assert.equal(remote.length, 1);
  process.kill(Number(remote[0]), 'SIGKILL');
}

if (!skip) {
  before(() => assert.ok(!missing, 'softhsm2, p11-kit and opensc are installed'));

  keysContract({
    keeper: 'a token',
    algorithms: ['p-256'],
    async make(after) {
      const token = makeToken();
      return { keys: keysIn({ token }, after), again: async () => keysIn({ token }, after) };
    },
  });
}

test('a key is made in the token, stays there, and another tool sees it', { skip }, async (context) => {
  const token = makeToken();
  await keysIn({ token }, (end) => context.after(end)).create('issuer-device');
  const seen = tool(token, '--list-objects', '--type', 'privkey');
  assert.match(seen, /label:\s+issuer-device/);
  assert.match(seen, /Access:\s+sensitive, always sensitive, never extractable, local/);
});

test('a key that another tool made is used', { skip }, async (context) => {
  const token = makeToken();
  tool(token, '--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'issuer-device', '--id', '07');
  assert.ok(await signs(await keysIn({ token }, (end) => context.after(end)).open('issuer-device')));
});

test('a wrong PIN is tried once, by whichever of many calls, and by no later start until a login succeeded', {
  skip,
}, async (context) => {
  const token = makeToken();
  const after = (end: () => unknown) => context.after(end);
  tool(token, '--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'issuer-device', '--id', '07');
  const wrong = keysIn({ token, pinFile: '../wrong-pin' }, after);
  const refused = { code: 'key_unusable', message: /refuses the PIN in "pinFile" \(0xa0\); it is not tried again/ };
  await Promise.all(Array.from({ length: 8 }, () => assert.rejects(wrong.open('issuer-device'), refused)));
  const untouched = { code: 'key_unusable', message: /nothing is tried until a login succeeds.*pkcs11-tool --module/ };
  for (const pinFile of ['../wrong-pin', '../pin']) {
    await assert.rejects(keysIn({ token, pinFile }, after).open('issuer-device'), untouched);
  }
  tool(token, '--list-objects');
  assert.ok(await signs(await keysIn({ token }, after).open('issuer-device')));
});

test('twins are refused: tokens of one label with their serial numbers, and keys of one label', {
  skip,
}, async (context) => {
  const after = (end: () => unknown) => context.after(end);
  const token = makeToken();
  makeToken(token);
  const error = await keysIn({ token }, after)
    .open('issuer-device')
    .then(
      () => assert.fail('one of two was taken'),
      (reason: Error) => reason,
    );
  const [, serial = ''] = /2 tokens are called .* \[([0-9a-f]{16}), [0-9a-f]{16}\]/.exec(error.message) ?? [];
  await keysIn({ token: serial }, after).create('issuer-device');
  const alone = makeToken();
  for (const id of ['01', '02']) {
    tool(alone, '--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'issuer-device', '--id', id);
  }
  await assert.rejects(keysIn({ token: alone }, after).open('issuer-device'), {
    message: /has 2 keys "issuer-device"/,
  });
});

test('what is no key of p-256 is refused, asked for and found', { skip }, async (context) => {
  const token = makeToken();
  const keys = keysIn({ token }, (end) => context.after(end));
  await assert.rejects(keys.create('issuer-device', 'ml-dsa-65'), { code: 'key_unusable', message: /p-256 alone/ });
  tool(token, '--keypairgen', '--key-type', 'EC:secp384r1', '--label', 'issuer-device', '--id', '07');
  await assert.rejects(keys.open('issuer-device'), { code: 'key_unusable', message: /is not of p-256/ });
});

test('a token that vanishes while it signs is told of, and signs again when it is back; nothing is made meanwhile', {
  skip,
}, async (context) => {
  const token = makeToken();
  let now = 0;
  const keys = keysIn({ token, monotonic: () => now }, (end) => context.after(end));
  const signer = await keys.create('issuer-device');
  assert.ok(await signs(signer));
  const under = Array.from({ length: 32 }, () => signs(signer).catch((error: Error & { code: string }) => error.code));
  renameSync(tokens, `${tokens}-away`);
  mkdirSync(tokens);
  for (const outcome of await Promise.all(under))
    assert.ok(outcome === true || outcome === 'key_unusable', `${outcome}`);
  for (let tries = 0; tries < 3; tries += 1) {
    now += 10_000;
    const gone = { code: 'key_unusable', message: new RegExp(`the token "${token}" is not there`) };
    // What was begun with an open handle may still be signed; then it is gone.
    if (tries > 0) await assert.rejects(signs(signer), gone);
    else await signs(signer).catch(() => undefined);
  }
  rmSync(tokens, { recursive: true });
  renameSync(`${tokens}-away`, tokens);
  now += 10_000;
  assert.ok(await signs(signer));
  assert.equal(tool(token, '--list-objects', '--type', 'privkey').match(/issuer-device/g)?.length, 1);
});

test('another token of the same label in its place signs nothing, and the right one signs once it is back', {
  skip,
}, async (context) => {
  const token = makeToken();
  let now = 0;
  const signer = await keysIn({ token, monotonic: () => now }, (end) => context.after(end)).create('issuer-device');
  renameSync(tokens, `${tokens}-away`);
  mkdirSync(tokens);
  // Its process began with the right one.
  killModule();
  makeToken(token);
  await assert.rejects(signs(signer), {
    code: 'key_unusable',
    message: /has no EC key "issuer-device"; put the token/,
  });
  rmSync(tokens, { recursive: true });
  renameSync(`${tokens}-away`, tokens);
  now += 10_000;
  assert.ok(await signs(signer));
});

test('a process of the module that is killed is followed by another, and its keys sign', { skip }, async (context) => {
  const token = makeToken();
  const signer = await keysIn({ token }, (end) => context.after(end)).create('issuer-device');
  killModule();
  assert.ok(await signs(signer));
});

test('a module that can not be loaded, that dies or says nothing useful is told of', { skip }, async (context) => {
  const open = (path: string) => {
    const keys = { pkcs11: { module: path, token: 'fleet', pinFile: '../pin' } };
    const opened = openKeys({ directory: join(home, 'fleet'), keys, system: realSystem, credentials: undefined });
    context.after(() => opened[Symbol.asyncDispose]());
    return opened.open('issuer-device');
  };
  for (const path of ['/nonexistent/module.so', process.execPath]) {
    await assert.rejects(open(path), {
      code: 'key_unusable',
      message: /PKCS#11 module "[^"]+": p11-kit could not go on with it/,
    });
  }
});
