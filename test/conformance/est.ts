/** EST by clients that are not ours: a device of shell alone, strongSwan, curl and openssl; and what comes to the listener that is no EST. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { TestAuthority } from '../../packages/device/test/certificates.ts';
import { Factory } from '../../packages/server/test/factory.ts';
import { eventually } from '../../packages/server/test/house.ts';
import { requestWith } from '../../packages/server/test/openssl-requests.ts';
import { patienceMs } from '../patience.ts';
import { root } from '../tree.ts';
import { hostileEnvironment } from './example.ts';
import { type House, openHouse, skippedWithout } from './house.ts';

const works = (...words: string[]) => spawnSync(words[0] as string, words.slice(1)).error === undefined;
const skip = skippedWithout(works('curl', '--version') && works('openssl', 'version'), 'curl and openssl');
const skipStrongSwan = skip || skippedWithout(works('pki', '--version'), 'strongSwan’s pki (Debian: strongswan-pki)');

let house: House;
let est: string;
let gate: string;
let rootFile: string;

before(async () => {
  if (skip) return;
  house = await openHouse();
  est = `https://localhost:${house.basePort + 6}`;
  gate = `https://localhost:${house.basePort + 3}`;
  rootFile = join(house.directory, 'fleet/root.pem');
});
after(() => house?.[Symbol.asyncDispose]());

interface Ended {
  status: number;
  out: string;
  error: string;
}

/** A program that is not ours, for no longer than it may take. */
function ended(words: readonly string[], input = '', environment: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { timeout: 2 * patienceMs, env: environment, cwd: house.directory, encoding: 'latin1' as const };
    const child = execFile(words[0] as string, words.slice(1), options, (failure, out, error) =>
      resolve({ status: failure ? (child.exitCode ?? -1) : 0, out, error }),
    );
    child.stdin?.on('error', () => undefined).end(input);
  });
}

async function succeeded(words: readonly string[], input = '', environment?: NodeJS.ProcessEnv): Promise<string> {
  const { status, out, error } = await ended(words, input, environment);
  assert.equal(status, 0, `${words.join(' ')}\n${out}${error}`);
  return out;
}

const file = (name: string) => join(house.directory, name);
const tokenFor = async (subject: string, ...more: string[]) =>
  (await house.portcullis('token', 'create', subject, '--est', ...more)).trim();

/** The last line is the status; the body before it. */
async function curl(...words: string[]): Promise<{ status: number; body: string; head: string }> {
  const head = file('head');
  const always = ['curl', '-sS', '--max-time', '60', '--cacert', rootFile, '-D', head, '-w', '\n%{http_code}'];
  const out = await succeeded([...always, ...words]);
  const at = out.lastIndexOf('\n');
  return { status: Number(out.slice(at)), body: out.slice(0, at), head: readFileSync(head, 'utf8') };
}

const pkcs10 = ['-H', 'content-type: application/pkcs10'];
const wellKnown = (name: string) => `${est}/.well-known/est/${name}`;
function ask(name: string, body: Buffer | string, ...more: string[]) {
  writeFileSync(file('body'), body);
  return curl(...pkcs10, '--data-binary', `@${file('body')}`, ...more, wellKnown(name));
}

/** A device that curl and openssl enrolled. */
async function enrolled(subject: string): Promise<{ key: string; cert: string; tls: string[]; request: Buffer }> {
  const [key, cert] = [file(`${subject}.key`), file(`${subject}.pem`)];
  await succeeded(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key]);
  const request = requestWith({ key: readFileSync(key, 'utf8'), subject: `/CN=${subject}` });
  const { status, body } = await ask('simpleenroll', request, '-u', await tokenFor(subject));
  assert.equal(status, 200, body);
  await certificateIn(body, cert);
  return { key, cert, tls: ['--cert', cert, '--key', key], request };
}

async function certificateIn(body: string, to: string): Promise<void> {
  const der = execDecoded(body);
  writeFileSync(file('answer.der'), der);
  await succeeded(['openssl', 'pkcs7', '-inform', 'DER', '-in', file('answer.der'), '-print_certs', '-out', to]);
}

const execDecoded = (body: string) =>
  spawnSync('openssl', ['base64', '-d', '-A'], { input: body, maxBuffer: 1_000_000 }).stdout;

const reading = ['-H', 'content-type: application/json', '-d', '{"temperature":4.2}'];
const send = (tls: string[]) => curl(...tls, ...reading, `${gate}/v1/streams/telemetry/readings`);

test('a device by shell alone is admitted, renewed, suspended (403) and resumed (202)', { skip }, async () => {
  const environment = hostileEnvironment(new TestAuthority('a root of somebody else').certificate);
  const shell = ['/bin/sh', join(root, 'examples/shell-device/device.sh')];
  const device = (...words: string[]) => [...shell, ...words];
  const directory = file('shell');
  const lines = '{"temperature":4.2}\n';
  await succeeded(device('est', directory, est, rootFile, gate), await tokenFor('truck-1'), environment);
  const now = join(directory, 'current');
  const tls = () => ['--cert', join(now, 'chain.pem'), '--key', join(now, 'key.pem')];
  const first = readFileSync(join(now, 'certificate.pem'), 'utf8');
  assert.match(await succeeded(device('send', directory, 'telemetry'), lines, environment), /acknowledged 1/);
  assert.match(await succeeded(device('renew', directory), '', environment), /is not due/);
  const before = ['--cert', file('before.pem'), '--key', file('before.key')];
  copyFileSync(join(now, 'chain.pem'), file('before.pem'));
  copyFileSync(join(now, 'key.pem'), file('before.key'));
  await succeeded(device('renew', directory, '--now'), '', environment);
  assert.notEqual(readFileSync(join(now, 'certificate.pem'), 'utf8'), first);
  assert.equal((await send(tls())).status, 202);
  let beside = 0;
  await eventually(async () => {
    const { status } = await send(before);
    if (status === 202) beside++;
    return status === 403;
  }, 'its use supersedes the one before');
  await house.portcullis('certificate', 'suspend', 'truck-1', '--wait');
  assert.equal((await send(tls())).status, 403);
  assert.match((await ended(device('renew', directory, '--now'), '', environment)).error, /refused \(403\)/);
  await house.portcullis('certificate', 'resume', 'truck-1', '--wait');
  assert.equal((await send(tls())).status, 202);
  assert.equal((await house.readings('truck-1')).length, 3 + beside);
});

test('what is shown to a device by shell is believed by its root and its role alone', { skip }, async () => {
  const environment = hostileEnvironment(new TestAuthority('a root of somebody else').certificate);
  const shell = ['/bin/sh', join(root, 'examples/shell-device/device.sh'), 'est', file('fooled')];
  const token = await tokenFor('truck-2');
  const foreign = file('foreign.pem');
  writeFileSync(foreign, new TestAuthority('a root of somebody else').certificate);
  for (const [url, trusted] of [
    [est, foreign],
    [gate, rootFile],
  ] as const) {
    const { status, error } = await ended([...shell, url, trusted, gate], token, environment);
    assert.equal(status, 1);
    assert.match(error, /nothing was sent/);
  }
});

for (const version of ['1.2', '1.3']) {
  test(`strongSwan enrols and renews by TLS ${version}, and reads whom to trust`, {
    skip: skipStrongSwan,
  }, async () => {
    const subject = `swan-${version.replace('.', '-')}`;
    const config = file(`${subject}.conf`);
    writeFileSync(config, `pki {\n tls {\n version_max = ${version}\n }\n}\n`);
    const environment = { ...process.env, STRONGSWAN_CONF: config };
    const pki = async (...words: string[]) => succeeded(['pki', ...words], '', environment);
    const [, secret = ''] = (await tokenFor(subject)).split(':');
    const [key, request, leaf] = ['key', 'csr', 'leaf'].map((one) => file(`${subject}.${one}`)) as [
      string,
      string,
      string,
    ];
    const bytes = (words: string) => Buffer.from(words, 'latin1');
    writeFileSync(key, bytes(await pki('--gen', '--type', 'ecdsa', '--size', '256')));
    await pki('--estca', '--url', est, '--cacert', rootFile, '--caout', file(`${subject}-ca.crt`));
    const trusted = await succeeded([
      'openssl',
      'x509',
      '-inform',
      'DER',
      '-in',
      file(`${subject}-ca.crt`),
      '-noout',
      '-fingerprint',
      '-sha256',
    ]);
    assert.equal(trusted, await succeeded(['openssl', 'x509', '-in', rootFile, '-noout', '-fingerprint', '-sha256']));
    const ask = ['--req', '--type', 'ecdsa', '--in', key, '--dn', `CN=${subject}`];
    writeFileSync(request, bytes(await pki(...ask)));
    const by = ['--est', '--url', est, '--cacert', rootFile, '--in', request];
    const cacerts = ['--cacert', await issuersFile()];
    writeFileSync(leaf, bytes(await pki(...by, ...cacerts, '--userpass', `${subject}:${secret}`)));
    assert.match(await pki('--print', '--in', leaf), new RegExp(`CN=${subject}`));
    const next = bytes(await pki(...by, ...cacerts, '--cert', leaf, '--key', key));
    assert.notDeepEqual(next, readFileSync(leaf));
    writeFileSync(file(`${subject}.next`), next);
    await pki('--verify', '--in', file(`${subject}.next`), '--cacert', rootFile, ...cacerts);
  });
}

/** The issuer of devices, which strongSwan wants to verify a leaf. */
async function issuersFile(): Promise<string> {
  const { body } = await curl(wellKnown('cacerts'));
  await certificateIn(body, file('cacerts.pem'));
  const one = readFileSync(file('cacerts.pem'), 'utf8')
    .match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n/g)
    ?.find((pem) =>
      /device issuer/.test(spawnSync('openssl', ['x509', '-noout', '-subject'], { input: pem }).stdout.toString()),
    );
  writeFileSync(file('issuer.pem'), one ?? '');
  return file('issuer.pem');
}

test('a renewal for a key that nobody vouches for waits, and is given once it is approved, also while it is held', {
  skip,
}, async () => {
  const { tls } = await enrolled('truck-3');
  const request = requestWith({});
  const begun = performance.now();
  const waiting = ask('simplereenroll', request, ...tls);
  let key: string | undefined;
  while (!key) {
    const seen = await house.portcullis('subject', 'pending', '--json');
    key = seen.split('\n').flatMap((line) => (line.includes('truck-3') ? [JSON.parse(line).key] : []))[0];
  }
  const repeated = file('repeated');
  writeFileSync(repeated, request);
  const again = await curl(...pkcs10, '--data-binary', `@${repeated}`, ...tls, wellKnown('simplereenroll'));
  assert.equal(again.status, 202, 'only the first is held');
  assert.match(again.head, /^retry-after: 60\r$/m);
  await house.portcullis('subject', 'approve', 'truck-3', '--key', key);
  const { status } = await waiting;
  assert.equal(status, 200);
  assert.ok(performance.now() - begun < 28_000 + patienceMs);
});

test('what a factory made enrols, waits, and is admitted from its approval on', { skip }, async () => {
  const factory = new Factory('Maker');
  const device = factory.device();
  await house.portcullis('factory', 'add', 'maker', factory.file);
  const [key, cert] = [file('maker.key'), file('maker.pem')];
  await succeeded(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key]);
  const request = requestWith({ key: readFileSync(key, 'utf8') });
  const byMaker = ['--cert', device.file, '--key', device.keyFile];
  const { status, body } = await ask('simpleenroll', request, ...byMaker);
  assert.equal(status, 200, body);
  await certificateIn(body, cert);
  const tls = ['--cert', cert, '--key', key];
  assert.equal((await send(tls)).status, 403);
  await house.portcullis('subject', 'approve', '--where', 'status == "pending"', '--wait');
  assert.equal((await send(tls)).status, 202);
  assert.equal((await ask('simpleenroll', requestWith({}), ...byMaker)).status, 403, 'once for ever');
  assert.equal((await ask('simplereenroll', request, ...byMaker)).status, 403, 'it renews nothing');
  const atGate = await ended([
    'curl',
    '-sS',
    '--cacert',
    rootFile,
    ...byMaker,
    ...reading,
    `${gate}/v1/streams/telemetry/readings`,
  ]);
  assert.notEqual(atGate.status, 0, 'no gate takes it');
});

test('what is wrong with a request is said by its status, and nothing is issued', { skip }, async () => {
  const { tls, request } = await enrolled('truck-4');
  const other = await enrolled('truck-5');
  const user = ['-u', await tokenFor('truck-6')];
  const base64 = request.toString('base64');
  const indefinite = Buffer.concat([Buffer.from([0x30, 0x80]), request.subarray(4), Buffer.alloc(2)]);
  const giant = Buffer.concat([
    Buffer.from([0x30, 0x82, 0x20, 0x04, 0x02, 0x82, 0x20, 0x00]),
    Buffer.alloc(0x2000, 0x7f),
  ]);
  for (const [what, status, asked] of [
    ['no secret', 401, () => ask('simpleenroll', request)],
    ['a wrong secret', 401, () => ask('simpleenroll', request, '-u', 'truck-6:wrong')],
    [
      'the secret of another',
      401,
      () => ask('simpleenroll', request, '-u', user[1]?.replace('truck-6', 'truck-4') ?? ''),
    ],
    ['a digest', 401, () => ask('simpleenroll', request, '-H', 'authorization: Digest username="truck-6"')],
    ['Basic that is none', 401, () => ask('simpleenroll', request, '-H', 'authorization: Basic !!!')],
    ['no certificate', 401, () => ask('simplereenroll', request, ...user)],
    ['nothing', 400, () => ask('simpleenroll', '', ...user)],
    ['base64 that is none', 400, () => ask('simpleenroll', `${base64}*`, ...user)],
    ['PEM', 400, () => ask('simpleenroll', `-----BEGIN X-----\n${base64}\n-----END X-----\n`, ...user)],
    ['bytes behind', 400, () => ask('simpleenroll', Buffer.concat([request, Buffer.of(0)]), ...user)],
    ['an indefinite length', 400, () => ask('simpleenroll', indefinite, ...user)],
    ['a giant number', 400, () => ask('simpleenroll', giant, ...user)],
    [
      'an algorithm that nobody takes',
      422,
      () => ask('simpleenroll', requestWith({ algorithm: 'secp256k1' }), ...user),
    ],
    ['a key that is too weak', 422, () => ask('simpleenroll', requestWith({ algorithm: 'rsa1024' }), ...user)],
    ['too much', 413, () => ask('simpleenroll', randomBytes(64 * 1024), ...user)],
    ['somebody else’s certificate', 202, () => ask('simplereenroll', other.request, ...tls)],
    ['another type', 415, () => curl('-d', 'x', ...user, wellKnown('simpleenroll'))],
    ['another method', 405, () => curl(wellKnown('simpleenroll'), ...user)],
    ['a key of the server’s', 404, () => ask('serverkeygen', request, ...user)],
    ['a label', 404, () => ask('x/simpleenroll', request, ...user)],
    ['no EST', 404, () => curl(`${est}/v1/enrolments`)],
    ['a query', 400, () => curl(`${wellKnown('cacerts')}?x=1`)],
  ] as const) {
    const answer = await asked();
    assert.equal(answer.status, status, `${what}: ${answer.body}`);
    assert.equal(/^www-authenticate: Basic realm=/im.test(answer.head), status === 401, what);
    assert.ok(/^content-length: /im.test(answer.head), what);
  }
  const issued = await house.portcullis('certificate', 'list', '--subject', 'truck-6', '--json');
  assert.equal(issued, '');
  assert.equal((await ask('simpleenroll', request, ...user)).status, 200, 'the token is as good as before');
});

test('a flood of bytes that are no EST leaves the listener to those who speak it', { skip }, async () => {
  const { port } = new URL(est);
  const open = Array.from({ length: 40 }, () => {
    const socket = connect({
      host: '127.0.0.1',
      port: Number(port),
      ca: readFileSync(rootFile),
      servername: 'localhost',
    });
    socket.on('error', () => undefined);
    socket.on('secureConnect', () => socket.write(randomBytes(8_192)));
    return socket;
  });
  const slow = Array.from({ length: 40 }, () => {
    const socket = connect({
      host: '127.0.0.1',
      port: Number(port),
      ca: readFileSync(rootFile),
      servername: 'localhost',
    });
    socket.on('error', () => undefined);
    socket.on('secureConnect', () => socket.write('POST /.well-known/est/simpleenroll HTTP/1.1\r\nhost: x\r\n'));
    return socket;
  });
  try {
    await enrolled('truck-7');
  } finally {
    for (const socket of [...open, ...slow]) socket.destroy();
  }
});
