/** A nats-server with TLS, and whom it lets in: by a password, and by credentials as `nsc` makes them; and a whole gate before it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { type ConnectionOptions, connect, credsAuthenticator } from '@nats-io/transport-node';
import { withAccount } from '../../packages/server/src/storage/sink/account.ts';
import { parseStreamAddress } from '../../packages/server/src/storage/sink/jetstream/address.ts';
import { openJetStreamSink } from '../../packages/server/src/storage/sink/jetstream/jetstream-sink.ts';
import { readAll, requestOf, writeOf } from '../../packages/server/src/storage/sink/sink.contract.ts';
import { temporaryDirectory } from '../../packages/server/src/storage/store/store.contract.ts';
import { eventually } from '../../packages/server/test/house.ts';
import { natsCredentials } from '../../packages/server/test/nats-credentials.ts';
import { program, skip, usualStream } from '../../packages/server/test/nats-server.ts';
import { finished, freeBasePort, succeeded } from '../../tools/commands.ts';
import { openHouse } from './house.ts';

const password = 'pass of the tests';

/** A CA, and a certificate of it for the name `localhost` alone. */
function certificatesIn(directory: string, name: string): { ca: string; certificate: string; key: string } {
  const file = (end: string) => join(directory, `${name}.${end}`);
  const openssl = (...words: string[]) => {
    const { status, stderr } = spawnSync('openssl', words, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-subj', `/CN=${name}`, '-keyout', file('ca.key'), '-out', file('ca.pem'));
  const ca = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-addext', 'subjectAltName=DNS:localhost'];
  const more = ['-addext', 'basicConstraints=critical,CA:false'];
  openssl('req', '-x509', ...key, '-subj', '/CN=nats', ...ca, ...more, '-keyout', file('key'), '-out', file('pem'));
  return { ca: file('ca.pem'), certificate: file('pem'), key: file('key') };
}

/** With TLS, on a port of its own; `ways`: how it lets clients in. */
async function serverOf(context: TestContext, ways: string) {
  const directory = await temporaryDirectory(context);
  const { ca, certificate, key } = certificatesIn(directory, 'right');
  const port = await freeBasePort();
  const tls = `tls: { cert_file: "${certificate}", key_file: "${key}" }`;
  const configuration = join(directory, 'nats.conf');
  writeFileSync(
    configuration,
    `listen: 127.0.0.1:${port}\njetstream: { store_dir: "${directory}/streams", max_file: 1G }\n${tls}\n${ways}\n`,
  );
  let running: ChildProcess | undefined;
  const kill = async () => {
    const ended = running && once(running, 'exit');
    running?.kill('SIGKILL');
    await ended;
    running = undefined;
  };
  context.after(kill);
  const client = (more: ConnectionOptions) =>
    connect({ servers: `localhost:${port}`, tls: { ca: readFileSync(ca, 'utf8') }, ...more });
  const start = async (more: ConnectionOptions) => {
    running = spawn(program as string, ['-c', configuration], { stdio: 'ignore' });
    const answers = () =>
      client(more).then(
        (connection) => connection.close().then(() => true),
        () => false,
      );
    await eventually(answers, 'nats-server lets its client in');
  };
  const makeStream = async (more: ConnectionOptions) => {
    const connection = await client(more);
    await (await jetstreamManager(connection)).streams.add(usualStream);
    await connection.close();
  };
  return { directory, ca, port, start, kill, makeStream };
}

const byPassword = `authorization: { users: [{ user: gate, password: "${password}" }] }`;
const asGate = { user: 'gate', pass: password };

let opened = 0;
async function openAt(context: TestContext, url: string, files: Record<string, string>) {
  const address = parseStreamAddress(url, (file) => files[file] as string);
  const directory = await temporaryDirectory(context);
  return withAccount(directory, undefined, (account) =>
    openJetStreamSink({ address, gate: 'gate-1', holder: `process ${++opened}`, account }),
  );
}

/** Refused at the start, in words that an operator understands and that hold nothing secret. */
async function assertRefused(opening: Promise<AsyncDisposable>, message: RegExp, secrets: string[]): Promise<void> {
  await assert.rejects(opening, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'store_unavailable');
    assert.match(error.message, message);
    const told = `${error.stack}${JSON.stringify(error)}${(error.cause as Error | undefined)?.stack}`;
    for (const secret of secrets) assert.ok(!told.includes(secret));
    return true;
  });
}

test('P2: a server is verified by its CA and its name, and a client by its password', { skip }, async (context) => {
  const { directory, ca, port, start, makeStream } = await serverOf(context, byPassword);
  await start(asGate);
  await makeStream(asGate);
  const other = certificatesIn(directory, 'other').ca;
  const files = { ca: readFileSync(ca, 'utf8'), other: readFileSync(other, 'utf8'), word: password, wrong: 'guessed' };
  const at = (host: string, cafile: string, passfile: string) =>
    openAt(context, `nats://gate@${host}:${port}/readings?passfile=${passfile}&cafile=${cafile}`, files);
  const secrets = [password, 'guessed'];
  {
    await using sink = await at('localhost', 'ca', 'word');
    await sink.write(writeOf(1, [requestOf([['a', {}]])]));
    await sink.mark({ looked: 1, proven: 1, quarantine: [], unproven: [] });
    assert.deepEqual(
      (await readAll(sink)).map(({ id }) => id),
      ['a'],
    );
  }
  await assertRefused(at('localhost', 'other', 'word'), /can not be reached: .*(certificate|issuer)/, secrets);
  await assertRefused(at('127.0.0.1', 'ca', 'word'), /can not be reached: .*(altnames|does not match)/, secrets);
  await assertRefused(at('localhost', 'ca', 'wrong'), /does not permit it/, secrets);
});

test('credentials as nsc makes them let a gate in, and those of another operator do not', { skip }, async (context) => {
  const { configuration, file } = natsCredentials();
  const { ca, port, start, makeStream } = await serverOf(context, configuration);
  const [creds, stranger] = [file(), natsCredentials().file()];
  const own = { authenticator: credsAuthenticator(new TextEncoder().encode(creds)) };
  await start(own);
  await makeStream(own);
  const files = { ca: readFileSync(ca, 'utf8'), creds, stranger };
  const at = (name: string) =>
    openAt(context, `nats://localhost:${port}/readings?credentials=${name}&cafile=ca`, files);
  {
    await using sink = await at('creds');
    assert.deepEqual(await sink.write(writeOf(1, [requestOf([['a', {}]])])), [{ stored: 1, repeated: 0 }]);
  }
  const seed = /\nS[A-Z0-9]{20,}\n/.exec(stranger)?.[0].trim() as string;
  await assertRefused(at('stranger'), /does not permit it/, [seed]);
});

test('P8: a whole gate before NATS with TLS: while the server is killed devices are told 503 and keep what they have, and then it goes on', {
  skip,
}, async (context) => {
  const { ca, port, start, kill, makeStream } = await serverOf(context, byPassword);
  await start(asGate);
  await makeStream(asGate);
  await using house = await openHouse((fleet) => {
    writeFileSync(join(fleet, 'nats.password'), `${password}\n`, { mode: 0o600 });
    const sink = `nats://gate@localhost:${port}/readings?passfile=nats.password&cafile=${ca}`;
    appendFileSync(join(fleet, 'gate.yaml'), `sink: ${sink}\n`);
  });
  const device = join(house.directory, 'truck-17');
  await succeeded('portcullis-device', 'enrol', await house.token('truck-17'), '--device', device);
  const send = (number: number) => {
    const file = join(house.directory, 'reading.json');
    writeFileSync(file, JSON.stringify({ number }));
    return finished('portcullis-device', 'send', 'telemetry', file, '--device', device, '--wait', '3');
  };
  const stored = async () => (await house.readings('truck-17')).map(({ data }) => (data as { number: number }).number);
  assert.equal((await send(1)).status, 0);
  await eventually(async () => (await stored()).length === 1, 'the first is in the stream');
  await kill();
  assert.equal((await send(2)).status, 1);
  await start(asGate);
  await eventually(async () => (await send(3)).status === 0, 'the gate goes on');
  await eventually(async () => (await stored()).includes(3), 'it is in the stream');
  const numbers = await stored();
  assert.deepEqual([...new Set(numbers)], [1, 2, 3], 'in their order');
  assert.equal(numbers.filter((number) => number === 2).length, 1, 'once');
});
