import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { localNames, makeTestFleet, type Pair, TestAuthority, temporaryDirectory } from '../../test/certificates.ts';
import { acknowledged, startServer, until } from '../../test/servers.ts';
import { replaceFile } from '../durable.ts';
import { Link, type LinkRequest, type Trust } from './link.ts';

const fleet = makeTestFleet();
const roots = fleet.root.certificate;
const infrastructure = fleet.infrastructureIssuer.certificate;
const foreign = new TestAuthority('a public authority');
const device = {
  ...fleet.deviceIssuer.issue({ uri: 'device/truck-17', purposes: ['clientAuth'] }),
  issuer: fleet.deviceIssuer.certificate,
};

function linkTo(trust: Partial<Trust> = {}): Link {
  const link = new Link({ roots, fleet: 'plant', role: 'gate', ...trust });
  after(() => link.close());
  return link;
}

const post = (url: string, more: Partial<LinkRequest> = {}): LinkRequest => ({
  url: `${url}/v1/streams/telemetry/readings`,
  method: 'POST',
  body: '{"_id":"a"}',
  ...more,
});

const ok = () => ({ status: 200, body: {} });
const withIssuer = ({ key, certificate }: Pair, issuer: string) => ({ key, cert: certificate + issuer });
const serverOf = (pair: Pair, issuer = infrastructure) => startServer(withIssuer(pair, issuer), ok);
const expiredDevice = () => ({
  ...fleet.deviceIssuer.issue({ uri: 'device/truck-17', purposes: ['clientAuth'], from: -10, until: -1 }),
  issuer: fleet.deviceIssuer.certificate,
});
const gateWith = (more: Parameters<TestAuthority['issue']>[0]) =>
  fleet.infrastructureIssuer.issue({ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'], ...more });

test('P2: a gate of the fleet is talked to, over one connection, by name and by address', async () => {
  const server = await serverOf(fleet.gate);
  const link = linkTo({ credential: device });
  for (let count = 0; count < 3; count++) assert.equal((await link.request(post(server.url))).status, 200);
  assert.equal((await link.request(post(`https://127.0.0.1:${server.port}`))).status, 200);
  assert.equal(server.requests.length, 4);
  assert.equal(new Set(server.requests.slice(0, 3).map(({ socket }) => socket)).size, 1);
});

test('an authority is talked to where one is expected', async () => {
  const pair = gateWith({ uri: 'authority/authority' });
  const server = await serverOf(pair);
  assert.equal((await linkTo({ role: 'authority' }).request(post(server.url))).status, 200);
});

const selfSigned = () => {
  const authority = new TestAuthority('plant root');
  return withIssuer(
    authority.issue({ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'] }),
    authority.certificate,
  );
};

const posers: [what: string, options: () => Parameters<typeof startServer>[0], trust?: Partial<Trust>][] = [
  ['a self-signed chain with the same names', selfSigned],
  [
    'a certificate of another authority',
    () => withIssuer(foreign.issue({ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'] }), ''),
  ],
  [
    'a foreign leaf under the real issuer of the fleet',
    () =>
      withIssuer(
        foreign.issue({ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'] }),
        infrastructure,
      ),
  ],
  [
    'a device of the fleet posing as a gate',
    () =>
      withIssuer(
        fleet.deviceIssuer.issue({ uri: 'device/a', alternatives: localNames, purposes: ['clientAuth'] }),
        fleet.deviceIssuer.certificate,
      ),
  ],
  [
    'a device of the fleet whose certificate may serve',
    () =>
      withIssuer(
        fleet.deviceIssuer.issue({ uri: 'device/a', alternatives: localNames, purposes: ['serverAuth'] }),
        fleet.deviceIssuer.certificate,
      ),
  ],
  ['a gate posing as the authority', () => withIssuer(fleet.gate, infrastructure), { role: 'authority' }],
  ['an authority posing as a gate', () => withIssuer(gateWith({ uri: 'authority/authority' }), infrastructure)],
  [
    'a gate of another fleet under the same root',
    () => withIssuer(gateWith({ uri: 'spiffe://other/gate/gate-1' }), infrastructure),
  ],
  [
    'a gate without a role',
    () =>
      withIssuer(
        fleet.infrastructureIssuer.issue({ alternatives: localNames, purposes: ['serverAuth'] }),
        infrastructure,
      ),
  ],
  [
    'a gate of another host',
    () => withIssuer(gateWith({ alternatives: ['DNS:gate.example', 'IP:192.0.2.1'] }), infrastructure),
  ],
  ['an expired gate', () => withIssuer(gateWith({ from: -10, until: -1 }), infrastructure)],
  ['a gate that is not valid yet', () => withIssuer(gateWith({ from: 1 }), infrastructure)],
  ['a gate that may only be a client', () => withIssuer(gateWith({ purposes: ['clientAuth'] }), infrastructure)],
  [
    'a gate that speaks TLS 1.2',
    () => ({ ...withIssuer(fleet.gate, infrastructure), minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }),
  ],
];

for (const [what, options, trust] of posers) {
  test(`P2: not a byte of a request goes to ${what}`, async () => {
    const server = await startServer(options(), ok);
    const asked = linkTo({ credential: device, ...trust }).request(post(server.url));
    await assert.rejects(asked, { code: 'server_not_verified', message: /nothing was sent/ });
    assert.equal(server.applicationBytes(), 0);
  });
}

test('a wrong clock is named as a possible cause', async () => {
  const server = await serverOf(gateWith({ from: 1 }));
  await assert.rejects(linkTo().request(post(server.url)), { message: /is this machine's clock right\?/ });
});

test('P2: plaintext is never spoken', async () => {
  let connections = 0;
  const server = createPlainServer((_, response) => response.end('{}')).on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  await assert.rejects(linkTo().request(post(`http://127.0.0.1:${port}`)), {
    code: 'server_not_verified',
    message: /https/,
  });
  assert.equal(connections, 0);
  await assert.rejects(linkTo().request(post(`https://127.0.0.1:${port}`)), { code: 'server_not_verified' });
});

test('P2: no session is resumed, although the server offers tickets', async () => {
  const server = await serverOf(fleet.gate);
  for (let count = 0; count < 3; count++) {
    const link = linkTo();
    await link.request(post(server.url));
    link.close();
  }
  const link = linkTo();
  await link.request(post(server.url, { headers: { connection: 'close' } }));
  await link.request(post(server.url));
  assert.deepEqual(server.resumed, [false, false, false, false, false]);
});

test('a link without a root is refused', () => {
  assert.throws(() => linkTo({ roots: 'nothing' }), { code: 'credential_unusable' });
});

test('a gate that ends the connection for our certificate is unreachable or refuses, and never sees the request', async () => {
  const ca = roots + fleet.deviceIssuer.certificate;
  const options = { ...withIssuer(fleet.gate, infrastructure), ca, requestCert: true };
  const server = await startServer(options, ok);
  for (const credential of [undefined, expiredDevice()]) {
    const code = await linkTo({ credential })
      .request(post(server.url))
      .then(
        () => assert.fail('admitted'),
        (error: { code: string }) => error.code,
      );
    assert.match(code, /^(not_authenticated|server_unreachable)$/);
  }
  assert.equal(server.requests.length, 0);
});

test("a server's alert about our certificate is told as what it is (FIELD-NOTES B4)", async () => {
  const directory = temporaryDirectory();
  const files = { key: fleet.gate.key, cert: fleet.gate.certificate, chain: infrastructure, CAfile: roots };
  const words = Object.entries(files).flatMap(([name, content]) => {
    replaceFile(join(directory, name), content);
    return [name === 'chain' ? '-cert_chain' : `-${name}`, join(directory, name)];
  });
  const verify = ['-Verify', '3', '-verify_return_error', '-tls1_3', '-www', '-accept', '127.0.0.1:0'];
  const child = spawn('openssl', ['s_server', ...words, ...verify]);
  after(() => child.kill());
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until('a port', () => /ACCEPT \S+:\d+/.test(said));
  const url = `https://127.0.0.1:${/ACCEPT \S+:(\d+)/.exec(said)?.[1]}`;
  await assert.rejects(linkTo().request({ url }), { code: 'not_authenticated', message: /certificate required/ });
  const expired = linkTo({ credential: expiredDevice() }).request({ url });
  await assert.rejects(expired, { code: 'not_authenticated', message: /certificate expired/ });
});

test('a port where nobody listens is unreachable, not unverified, and is named with its host', async () => {
  const server = await serverOf(fleet.gate);
  await server.close();
  await assert.rejects(linkTo().request(post(server.url)), {
    code: 'server_unreachable',
    message: `"localhost:${server.port}" can not be reached: ECONNREFUSED; is it running?`,
  });
});

test('an answer that breaks off is a failure that claims nothing about verification', async () => {
  const server = await startServer(withIssuer(fleet.gate, infrastructure), () => 'break');
  await assert.rejects(linkTo().request(post(server.url)), { code: 'server_unreachable', message: /broke/ });
});

test('an answer that does not come is waited for no longer than asked', async () => {
  const server = await startServer(withIssuer(fleet.gate, infrastructure), () => 'hang');
  await assert.rejects(linkTo().request(post(server.url, { timeoutMs: 50 })), {
    code: 'server_unreachable',
    message: /in time/,
  });
});

test('an answer whose end does not come is waited for no longer than asked', async () => {
  const server = await startServer(withIssuer(fleet.gate, infrastructure), () => ({
    status: 200,
    body: {},
    headers: { 'content-length': '100' },
  }));
  const asked = linkTo().request(post(server.url, { timeoutMs: 100 }));
  await assert.rejects(asked, { code: 'server_unreachable', message: /in time/ });
});

test('a long body that the network goes on taking is not cut, however long all of it takes', async () => {
  const burstBytes = 8 * 1024 * 1024;
  const received = await startSlowServer(burstBytes, 500);
  // All of it takes seven seconds at the least; what the kernels of both sides may hold once the last piece was taken (36 MiB), some two.
  const body = Buffer.alloc(14 * burstBytes, 'x');
  const answer = await linkTo().request(post(received.url, { body, timeoutMs: 6_000 }));
  assert.equal(answer.status, 200);
  assert.equal(received.bytes(), body.length);
});

/** Reads a burst of each body, waits, and goes on. */
async function startSlowServer(burstBytes: number, waitMs: number) {
  let bytes = 0;
  const server = createServer(withIssuer(fleet.gate, infrastructure), async (request, response) => {
    let due = burstBytes;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes >= due) await new Promise((resolve) => setTimeout(resolve, waitMs));
      if (bytes >= due) due += burstBytes;
    }
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, bytes: () => bytes };
}

test('one connection that stands still takes the idle ones beside it along: they went through the same network', async () => {
  const held: (() => void)[] = [];
  const server = await startServer(withIssuer(fleet.gate, infrastructure), async ({ path }) => {
    if (path === '/both') await new Promise<void>((resolve) => held.push(resolve));
    return path === '/hang' ? await new Promise<never>(() => undefined) : { status: 200, body: {} };
  });
  const link = linkTo();
  const both = [1, 2].map(() => link.request({ url: `${server.url}/both` }));
  await until('two at once', () => held.length === 2);
  for (const go of held) go();
  await Promise.all(both);
  await assert.rejects(link.request({ url: `${server.url}/hang`, timeoutMs: 100 }), { code: 'server_unreachable' });
  await link.request({ url: `${server.url}/` });
  assert.equal(new Set(server.requests.map(({ socket }) => socket)).size, 3);
});

test('a request whose caller gave up is not made', async () => {
  const server = await serverOf(fleet.gate);
  const asked = linkTo().request(post(server.url, { signal: AbortSignal.abort() }));
  await assert.rejects(asked, { code: 'server_unreachable' });
  assert.equal(server.requests.length, 0);
});

test('closing ends a handshake that hangs, and nothing is sent over a closed link', async () => {
  const sockets: Socket[] = [];
  const silent = createTcpServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const link = linkTo();
  const asked = link.request(post(`https://127.0.0.1:${(silent.address() as AddressInfo).port}`));
  await until('a connection', () => sockets.length > 0);
  link.close();
  await assert.rejects(asked, { code: 'server_unreachable' });
  await assert.rejects(link.request(post('https://127.0.0.1:1')), { code: 'server_unreachable', message: /closed/ });
});

const childProgram = `
  const { Link } = await import(${JSON.stringify(new URL('./link.ts', import.meta.url).href)});
  const { readFileSync } = await import('node:fs');
  const [roots, url] = process.argv.slice(-2);
  try {
    const link = new Link({ roots: readFileSync(roots, 'utf8'), role: 'gate' });
    const { status } = await link.request({ url, method: 'POST', body: '{}' });
    link.close();
    console.log(status);
  } catch (error) {
    console.log(error.code);
  }`;

async function childWith(environment: Record<string, string>, url: string): Promise<string> {
  const file = join(temporaryDirectory(), 'root.pem');
  replaceFile(file, roots);
  const words = [
    '--conditions=portcullis-source',
    '--no-warnings',
    '--input-type=module',
    '-e',
    childProgram,
    file,
    url,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, words, { env: { ...process.env, ...environment } });
  return stdout.trim();
}

test('P2: NODE_EXTRA_CA_CERTS and SSL_CERT_FILE do not widen the trust', async () => {
  const file = join(temporaryDirectory(), 'foreign.pem');
  replaceFile(file, foreign.certificate);
  const pair = foreign.issue({ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'] });
  const poser = await startServer(withIssuer(pair, ''), acknowledged);
  const environment = { NODE_EXTRA_CA_CERTS: file, SSL_CERT_FILE: file, NODE_OPTIONS: '--use-openssl-ca' };
  assert.equal(await childWith(environment, poser.url), 'server_not_verified');
  assert.equal(poser.applicationBytes(), 0);
  const gate = await serverOf(fleet.gate);
  assert.equal(await childWith(environment, gate.url), '200');
});

test('P2: with NODE_TLS_REJECT_UNAUTHORIZED=0 no link is made at all', async () => {
  const gate = await serverOf(fleet.gate);
  assert.equal(await childWith({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, gate.url), 'environment_refused');
  assert.equal(gate.applicationBytes(), 0);
});

test('P2: the variable has no power either when it is set after the link was made', async () => {
  const server = await startServer(selfSigned(), ok);
  const link = linkTo();
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  try {
    await assert.rejects(link.request(post(server.url)), { code: 'server_not_verified' });
  } finally {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  }
  assert.equal(server.applicationBytes(), 0);
});
