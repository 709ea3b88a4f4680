import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { PortcullisError } from '@portcullis/contract';
import { day, FleetCertificates, type Leaf } from '../../../../test/fleet-certificates.ts';
import { OpenFront, until } from '../../../../test/open-front.ts';
import { Listener } from './listener.ts';

const handshakesRefused = (gate: OpenFront) => gate.verdicts.refusals.get('handshake_refused') ?? 0;

function selfSigned(): Partial<Leaf> {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-self-signed-'));
  const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 1';
  execFileSync('openssl', [...words.split(' '), '-subj', '/CN=truck-17'], { cwd: directory, stdio: 'ignore' });
  const [key, cert] = ['key.pem', 'cert.pem'].map((file) => readFileSync(join(directory, file), 'utf8'));
  rmSync(directory, { recursive: true });
  return { key: key as string, cert: cert as string };
}

const now = Date.now();
const strangers: [string, (fleet: FleetCertificates) => Promise<Partial<Leaf>>, RegExp][] = [
  ['no certificate', async () => ({}), /PEER_DID_NOT_RETURN_A_CERTIFICATE/],
  ['a self-signed certificate', async () => selfSigned(), /SELF_SIGNED/],
  [
    'a certificate of another fleet',
    async () => (await FleetCertificates.make('other-fleet')).leaf({ subject: 'truck-17' }),
    /UNABLE_TO|SIGNATURE|SELF_SIGNED/,
  ],
  [
    'an expired certificate',
    (fleet) => fleet.leaf({ subject: 'truck-17', notBefore: now - 2 * day, notAfter: now - day }),
    /CERT_HAS_EXPIRED/,
  ],
  [
    'one that is not valid yet',
    (fleet) => fleet.leaf({ subject: 'truck-17', notBefore: now + day, notAfter: now + 2 * day }),
    /CERT_NOT_YET_VALID/,
  ],
  ['a server certificate', (fleet) => fleet.leaf({ subject: 'truck-17', purpose: 'server' }), /INVALID_PURPOSE/],
];

for (const [what, make, why] of strangers) {
  test(`P2: ${what} ends in the handshake, and why is counted and kept`, async (context) => {
    const gate = await OpenFront.open(context);
    const agent = gate.agent(await make(gate.certificates));
    await assert.rejects(gate.post(agent, '{}'));
    await until(() => handshakesRefused(gate) === 1, 'it is counted');
    await gate.verdicts.flush();
    const { items } = await gate.sink.refusals({ limit: 1 });
    const [item] = items;
    assert.ok(item);
    const { error, remoteAddress } = item.found as { error: string; remoteAddress: string };
    assert.match(error, why);
    assert.match(remoteAddress, /127\.0\.0\.1/);
    assert.equal(gate.connections.size, 0);
    agent.destroy();
  });
}

test('P3: a chain that verifies is not enough: without a row nobody is admitted', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.certificates.leaf({ subject: 'truck-17' }));
  const { status, body, headers } = await gate.post(agent, '{}');
  assert.deepEqual([status, body.reason, headers.connection], [403, 'certificate_unknown', 'close']);
  agent.destroy();
});

test('B17: a device that sends its leaf alone is served', async (context) => {
  const gate = await OpenFront.open(context);
  const { cert, ...leaf } = await gate.device('truck-17');
  const alone = `${cert.split('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n`;
  const agent = gate.agent({ ...leaf, cert: alone });
  assert.equal((await gate.post(agent, '{}')).status, 202);
  agent.destroy();
});

test('B1: TLS 1.3 alone, and a session is never resumed', async (context) => {
  const gate = await OpenFront.open(context);
  const { key, cert } = await gate.device('truck-17');
  const identity = { host: '127.0.0.1', port: gate.port, ca: gate.certificates.rootPem, key, cert };
  const older = connect({ ...identity, maxVersion: 'TLSv1.2' });
  const [refused] = (await once(older, 'error')) as [NodeJS.ErrnoException];
  assert.match(refused.code ?? '', /PROTOCOL_VERSION/);
  const first = connect(identity);
  let session: Buffer | undefined;
  first.on('session', (ticket: Buffer) => {
    session = ticket;
  });
  await once(first, 'secureConnect');
  assert.equal(first.getProtocol(), 'TLSv1.3');
  first.write('GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(first, 'data');
  first.destroy();
  if (!session) return;
  const second = connect({ ...identity, session });
  await once(second, 'secureConnect');
  assert.equal(second.isSessionReused(), false);
  second.destroy();
});

test('B16: a listener without anybody to trust does not start', () => {
  const parts = { host: '127.0.0.1', port: 0, credential: { key: '', certificate: '', trust: '' } };
  assert.throws(
    () => new Listener(parts as never),
    (error) =>
      error instanceof PortcullisError && error.code === 'config_invalid' && /trust list is empty/.test(error.message),
  );
});

test('a port that is taken is named', async (context) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const gate = await OpenFront.open(context);
  const { key, cert } = await gate.certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server' });
  const { port } = taken.address() as { port: number };
  const listener = new Listener({
    ...{ host: '127.0.0.1', port, connections: gate.connections },
    limits: {
      handshakeMs: 1_000,
      pendingHandshakesMax: 1,
      connectionsMax: 1,
      connectionsPerCertificateMax: 1,
      idleMs: 1_000,
      requestMs: 1_000,
      bodyBytesPerSecondMin: 1_024,
      unfinishedBytesPerAddressMax: 65_536,
      unfinishedBytesMax: 65_536,
    },
    credential: { key, certificate: cert, trust: gate.certificates.trust },
    now: () => 0,
    monotonic: () => 0,
    notes: gate.notes,
    handle: () => undefined,
  });
  await assert.rejects(listener.listen(), { code: 'port_taken', message: new RegExp(`${port}`) });
  taken.close();
});

test('B12: who says nothing holds a place for no longer than a handshake may last', async (context) => {
  const gate = await OpenFront.open(context, { limits: { handshakeMs: 300 } });
  const silent = connectTcp(gate.port, '127.0.0.1');
  await once(silent, 'close');
  await until(() => handshakesRefused(gate) === 1, 'it is counted');
});

test('B12: only so many handshakes are under way at once, and there is room again when they end', async (context) => {
  const gate = await OpenFront.open(context, { limits: { pendingHandshakesMax: 3 } });
  const leaf = await gate.device('truck-17');
  const silent = [1, 2, 3].map(() => connectTcp(gate.port, '127.0.0.1'));
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  const over = connectTcp(gate.port, '127.0.0.1').on('error', () => undefined);
  await once(over, 'close');
  for (const socket of silent) socket.destroy();
  const agent = gate.agent(leaf);
  await until(
    () =>
      gate.post(agent, '{}').then(
        ({ status }) => status === 202,
        () => false,
      ),
    'there is room again',
  );
  agent.destroy();
});

test('16 silent connections of a device that lost its network give way one by one, and it is counted', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const silent = await Promise.all(Array.from({ length: 16 }, () => gate.socket(leaf)));
  await until(() => gate.connections.size === 16, 'all are open');
  const agents = [gate.agent(leaf), gate.agent(leaf)];
  for (const agent of agents) assert.equal((await gate.post(agent, '{}')).status, 202);
  await until(() => silent.filter(({ destroyed }) => destroyed).length === 2, 'two of them gave way');
  await until(() => gate.connections.size === 16, 'there are as many as there may be');
  const operator = gate.agent(await gate.device('alice', { kind: 'operator' }));
  const { body } = await gate.get(operator, '/v1/metrics');
  assert.match(String(body.text), /^portcullis_gate_connections_displaced_total 2$/m);
  assert.match(String(body.text), /^portcullis_gate_connections_turned_away_total 0$/m);
  for (const socket of silent) socket.destroy();
  for (const agent of [...agents, operator]) agent.destroy();
});

test('one certificate holds only so many connections: with something under way on each, the next is turned away, and others are not', async (context) => {
  const gate = await OpenFront.open(context, { limits: { connectionsPerCertificateMax: 2 } });
  const [leaf, other] = [await gate.device('truck-17'), await gate.device('truck-18')];
  const begun = 'POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
  const open = [await gate.socket(leaf), await gate.socket(leaf)];
  for (const socket of open) socket.write(`${begun}content-length: 2\r\n\r\n{`);
  await until(() => gate.intake.bytes === 2, 'both have begun');
  const third = await gate.socket(leaf);
  await new Promise((resolve) => (third.destroyed ? resolve(undefined) : third.once('close', resolve)));
  assert.equal(gate.connections.turnedAway, 1);
  const agent = gate.agent(other);
  assert.equal((await gate.post(agent, '{}')).status, 202);
  assert.deepEqual([gate.connections.size, gate.connections.displaced], [3, 0]);
  for (const socket of open) {
    const answer = once(socket.setEncoding('utf8'), 'data');
    socket.write('}');
    assert.match(String(await answer), /^HTTP\/1.1 202 /);
    socket.destroy();
  }
  agent.destroy();
});

async function answered(gate: OpenFront, leaf: Leaf, ...bytes: string[]): Promise<string> {
  const socket = await gate.socket(leaf);
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  for (const part of bytes) socket.write(part);
  await once(socket, 'close');
  return text;
}

const bytes: [string, string, number][] = [
  ['what is no HTTP', 'hello gate\r\n\r\n', 400],
  ['a header that never ends', `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
  ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}', 400],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
];
for (const [what, text, status] of bytes) {
  test(`P13: ${what}: ${status}, as a problem, and the connection ends`, async (context) => {
    const gate = await OpenFront.open(context);
    const answer = await answered(gate, await gate.device('truck-17'), text);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(answer, /application\/problem\+json[\s\S]*"reason":"request_malformed"/);
  });
}

test('P13: a request that arrives too slowly is ended, and the gate serves others meanwhile', async (context) => {
  const gate = await OpenFront.open(context, { limits: { requestMs: 400 } });
  const [leaf, other] = [await gate.device('truck-17'), await gate.device('truck-18')];
  const begun =
    'POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"t":';
  const slow = answered(gate, leaf, begun);
  const agent = gate.agent(other);
  assert.equal((await gate.post(agent, '{}')).status, 202);
  assert.match(await slow, /^HTTP\/1.1 408 /);
  assert.deepEqual(await gate.stored(), [{}]);
  agent.destroy();
});

test('P13: a head that drips is ended, and so is a connection over which nothing is asked', async (context) => {
  const gate = await OpenFront.open(context, { limits: { requestMs: 400 } });
  const leaf = await gate.device('truck-17');
  const silent = answered(gate, leaf);
  const socket = await gate.socket(leaf);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  const drip = setInterval(() => socket.write('x'), 50);
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nx: ');
  await once(socket, 'close');
  clearInterval(drip);
  for (const text of [answer, await silent]) assert.match(text, /^HTTP\/1.1 408 [\s\S]*longer to arrive than 400 ms/);
});

test('who says that he will send no more has the answer all the same', async (context) => {
  const gate = await OpenFront.open(context);
  const socket = await gate.socket(await gate.device('truck-17'));
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  socket.end(
    'POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"t":1}',
  );
  await once(socket, 'close');
  assert.match(answer, /^HTTP\/1.1 202 [\s\S]*connection: close/);
  assert.deepEqual(await gate.stored(), [{ t: 1 }]);
});

/** A reading of many pieces, one each `everyMs`; resolves to the status of its answer. */
async function inPieces(
  gate: OpenFront,
  leaf: Leaf,
  { pieces = 30, bytes = 50, everyMs = 100, stream = 'telemetry' },
): Promise<string> {
  const socket = await gate.socket(leaf);
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const head = `POST /v1/streams/${stream}/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
  socket.write(`${head}content-length: ${pieces * bytes + 8}\r\n\r\n{"a":"`);
  for (let count = 0; count < pieces && !socket.destroyed; count++) {
    socket.write('x'.repeat(bytes));
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  if (!socket.destroyed) socket.write('"}');
  await until(() => /^HTTP.*\r\n/.test(text) || socket.destroyed, 'an answer');
  socket.destroy();
  return text.split(' ')[1] ?? '';
}

test('a body that comes slowly and steadily is taken, however long it takes', async (context) => {
  const gate = await OpenFront.open(context, { limits: { requestMs: 1_000, bodyBytesPerSecondMin: 20 } });
  assert.equal(await inPieces(gate, await gate.device('truck-17'), {}), '202');
  assert.equal((await gate.stored()).length, 1);
});

test('P13: a body that drips more slowly than that is ended, and so is one that is refused anyway', async (context) => {
  const gate = await OpenFront.open(context, { limits: { requestMs: 1_000, bodyBytesPerSecondMin: 1_000 } });
  const leaf = await gate.device('truck-17');
  assert.equal(await inPieces(gate, leaf, { bytes: 1 }), '408');
  assert.equal(await inPieces(gate, leaf, { bytes: 5_000, stream: 'nowhere' }), '408');
  assert.deepEqual(await gate.stored(), []);
});

test('P13: a socket that is closed halfway leaves nothing behind', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const socket = await gate.socket(leaf);
  socket.end(
    'POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"t":',
  );
  await until(() => gate.connections.size === 0, 'the connection is gone');
  assert.deepEqual(await gate.stored(), []);
});

test('an idle connection ends after its time', async (context) => {
  const gate = await OpenFront.open(context, { limits: { idleMs: 200 } });
  const agent = gate.agent(await gate.device('truck-17'));
  assert.equal((await gate.post(agent, '{}')).status, 202);
  await until(() => gate.connections.size === 0, 'the idle connection is ended');
  agent.destroy();
});

test('P13: a body over the bound is refused with its reason, whether or not its length was said', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.device('truck-17'));
  const body = `{"a":"${'x'.repeat(50_000)}"}\n`.repeat(100);
  const ndjson = { 'content-type': 'application/x-ndjson' };
  const said = await gate.post(agent, body, { headers: ndjson });
  assert.deepEqual([said.status, said.body.reason], [413, 'reading_too_large']);
  const chunked = await gate.post(agent, body, { headers: { ...ndjson, 'transfer-encoding': 'chunked' } });
  assert.deepEqual([chunked.status, chunked.body.reason], [413, 'reading_too_large']);
  agent.destroy();
});

test('K2: a renewed server certificate is served to new connections, the open ones stay', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const agent = gate.agent(leaf);
  assert.equal((await gate.post(agent, '{}')).status, 202);
  const next = await gate.certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server' });
  gate.listeners.swapCredential({ key: next.key, certificate: next.cert, trust: gate.certificates.trust });
  const socket = await gate.socket(leaf);
  assert.equal(socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase(), next.fingerprint);
  assert.equal((await gate.post(agent, '{}')).status, 202);
  assert.equal(gate.connections.size, 2);
  socket.destroy();
  agent.destroy();
});
