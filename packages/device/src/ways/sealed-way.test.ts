/** P16 at the device: what it sealed leaves the outbox for a gate's signature on that very seal, and for nothing else. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { SealedAcknowledgement, type SealVerdict } from '@portcullis/contract';
import type { Pair } from '../../test/certificates.ts';
import { deviceDirectory, fleet, openDevice } from '../../test/gate.ts';
import { until } from '../../test/servers.ts';
import { credentialFileIn, readCredential } from '../credential/credential.ts';
import { makeDirectory } from '../durable.ts';
import { encodeRecord } from '../outbox/segment.ts';
import { bodyOf, makeAcknowledgement, messagesIn, type ReadSeal, readSeal, sealNameOf } from '../seal.ts';

interface Seal extends ReadSeal {
  name: string;
  readings: Record<string, unknown>[];
}

interface HandedOver {
  seals: Seal[];
  path: string;
  headers: IncomingHttpHeaders;
}

interface Answer {
  status: number;
  body?: Buffer | string;
}

type Answers = (handed: HandedOver) => Answer;

function sealOf(bytes: Buffer): Seal {
  const read = readSeal(bytes, 'jws');
  if ('refused' in read) return assert.fail(read.detail);
  const readings = read.message.payload.toString().split('\n');
  return { ...read, name: sealNameOf(bytes), readings: readings.map((line) => JSON.parse(line)) };
}

/** Whoever listens where a device hands over. */
async function startCarrier(...answers: Answers[]) {
  const handed: HandedOver[] = [];
  const server = createServer(async (request, response) => {
    const seals = messagesIn(await buffer(request), 'jws').map(sealOf);
    const one = { seals, path: request.url ?? '', headers: request.headers };
    handed.push(one);
    const next = answers.length > 1 ? answers.shift() : answers[0];
    const { status, body = '' } = next?.(one) ?? assert.fail('there is no answer');
    response.writeHead(status, { 'content-type': 'application/jose' }).end(body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, handed, answers };
}

const der = (pem: string) => new X509Certificate(pem).raw;
const gate = fleet.infrastructureIssuer.issue({ uri: 'gate/gate-1', purposes: ['serverAuth'] });
const gateIssuer = fleet.infrastructureIssuer.certificate;

type Said = Partial<Omit<SealedAcknowledgement, 'seals'>>;

/** What a gate says of seals; `by` signs it. */
function signed(seals: SealVerdict[], signer: string, said: Said = {}, by: Pair = gate, issuer = gateIssuer): Answer {
  const whole = SealedAcknowledgement.parse({
    ...{ gate: 'gate-1', instance: 'one', time: new Date().toISOString(), stream: 'telemetry', signer, seals },
    ...said,
  });
  const chain = [der(by.certificate), der(issuer)] as const;
  const bytes = makeAcknowledgement('jws', { key: createPrivateKey(by.key), chain }, whole);
  return { status: 200, body: bodyOf([bytes], 'jws') };
}

const signerOf = ({ seals }: HandedOver) => seals[0]?.thumbprint.toString('hex') ?? '';
const admittedOf = ({ name: seal, readings }: Seal): SealVerdict =>
  ({ seal, verdict: 'admitted', readings: readings.length, revision: 1 }) as SealVerdict;
const refusedOf = ({ name: seal }: Seal, reasonClass: string, reason: string, line?: number): SealVerdict =>
  ({ seal, verdict: 'refused', class: reasonClass, reason, title: reason, ...(line && { line }) }) as SealVerdict;

const honest: Answers = (handed) => signed(handed.seals.map(admittedOf), signerOf(handed));

const via = (url: string) => ({ by: 'sealed' as const, gates: [url] });

async function deviceWith(url: string, values: number[], directory = deviceDirectory([])) {
  const opened = await openDevice(directory, via(url));
  for (const value of values) await opened.device.send('telemetry', { value });
  return { ...opened, directory };
}

const gone = (device: { kept: number }) => until('everything is settled', () => device.kept === 0);

test('readings go out sealed by the key of the device, and leave for a gate that says so of these seals', async () => {
  const carrier = await startCarrier(honest);
  const { device, directory } = await deviceWith(carrier.url, [1, 2, 3]);
  await gone(device);
  const readings = carrier.handed.flatMap(({ seals }) => seals.flatMap((seal) => seal.readings));
  assert.deepEqual([...new Set(readings.map(({ value }) => value))], [1, 2, 3]);
  const [first] = carrier.handed;
  assert.equal(first?.path, '/v1/streams/telemetry/sealed');
  const { certificate } = readCredential(credentialFileIn(directory));
  const [seal] = first?.seals ?? [];
  assert.equal(
    seal?.thumbprint.toString('hex'),
    new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase(),
  );
  assert.deepEqual([seal?.members.seq, seal?.members.run], [1, seal?.readings[0]?._run]);
  assert.deepEqual(device.counts, { acknowledged: 3, refused: 0 });
});

const device2 = fleet.deviceIssuer.issue({ uri: 'device/gate-1', purposes: ['clientAuth'] });
const gateway = fleet.deviceIssuer.issue({ uri: 'gateway/gw-1', purposes: ['clientAuth'] });
const of = (handed: HandedOver, said: Said, by?: Pair, issuer?: string) =>
  signed(handed.seals.map(admittedOf), signerOf(handed), said, by, issuer);

/** That it will never pass; `said` and what follows as for `of`. */
const never = (handed: HandedOver, said: Said = {}, by?: Pair, issuer?: string) =>
  signed([refusedOf(handed.seals[0] as Seal, 'reading', 'schema_not_met')], signerOf(handed), said, by, issuer);

/** RFC 8725 §2.1: the same words, by nobody. */
function unsigned({ status, body }: Answer): Answer {
  const [head = '', payload] = String(body).split('.');
  const header = { ...(JSON.parse(Buffer.from(head, 'base64url').toString()) as object), alg: 'none' };
  return { status, body: `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.\n` };
}

let earlier: Answer | undefined;
const lies: Record<string, Answers> = {
  'it answers by itself that all is stored': () => ({
    status: 202,
    body: '{"acknowledged":1,"ids":["x"],"revision":1}',
  }),
  'it answers by itself with status 200': () => ({ status: 200, body: '{"acknowledged":1}' }),
  'it answers nothing': () => ({ status: 200 }),
  'it refuses by itself, as if the reading would never pass': () => ({
    ...{ status: 400, body: '{"type":"about:blank","title":"no","status":400,"reason":"reading_malformed","line":1}' },
  }),
  'it refuses in words of a gate that nobody signed': (handed) => unsigned(never(handed)),
  'it refuses, and signs that with a certificate of a device': (handed) =>
    never(handed, {}, device2, fleet.deviceIssuer.certificate),
  'it gives a gate’s refusal of another seal': (handed) =>
    never({ ...handed, seals: [{ ...(handed.seals[0] as Seal), name: 'a'.repeat(64) }] }),
  'it gives a gate’s refusal of a time before the seal': (handed) =>
    never(handed, { time: new Date(Date.now() - 86_400_000).toISOString() as never }),
  'it gives a gate’s refusal for another stream': (handed) => never(handed, { stream: 'other' as never }),
  'it signs with a certificate of a gateway': (handed) => of(handed, {}, gateway, fleet.deviceIssuer.certificate),
  'it signs with a certificate of a device that is named like a gate': (handed) =>
    of(handed, {}, device2, fleet.deviceIssuer.certificate),
  'it gives a gate’s answer to another seal': (handed) => {
    earlier ??= signed([{ ...admittedOf(handed.seals[0] as Seal), seal: 'a'.repeat(64) as never }], signerOf(handed));
    return earlier;
  },
  'it gives a gate’s answer for another stream': (handed) => of(handed, { stream: 'other' as never }),
  'it gives a gate’s answer to another signer': (handed) => of(handed, { signer: 'b'.repeat(64) as never }),
  'it gives an answer of a time before the seal': (handed) =>
    of(handed, { time: new Date(Date.now() - 86_400_000).toISOString() as never }),
  'it counts fewer readings than were sealed': (handed) =>
    signed(
      handed.seals.map((seal) => ({ ...admittedOf(seal), readings: 2 }) as SealVerdict),
      signerOf(handed),
    ),
  'it changes one character of a gate’s signature': (handed) => {
    const { body } = honest(handed);
    const text = String(body).trimEnd();
    return { status: 200, body: `${text.slice(0, -2)}${text.at(-2) === 'A' ? 'B' : 'A'}${text.at(-1)}\n` };
  },
};

for (const [lie, answer] of Object.entries(lies)) {
  test(`P16: ${lie}: the reading stays, and is stored once somebody carries it`, async () => {
    const carrier = await startCarrier(answer, answer, honest);
    const { device, directory, failures, refusals } = await deviceWith(carrier.url, [7]);
    await until('it was asked twice', () => carrier.handed.length >= 2);
    await gone(device);
    assert.deepEqual(device.counts, { acknowledged: 1, refused: 0 });
    assert.equal(existsSync(join(directory, 'refused.ndjson')), false);
    assert.deepEqual(refusals, []);
    if (answer({ ...(carrier.handed[0] as HandedOver) }).status !== 202) assert.ok(failures.length >= 1);
  });
}

test('P16: what a gate said of one seal is played back for the next, byte for byte: that one stays', async () => {
  let said: Answer | undefined;
  const playedBack: Answers = (handed) => {
    said ??= honest(handed);
    return said;
  };
  const carrier = await startCarrier(playedBack, playedBack, playedBack, honest);
  const { device } = await deviceWith(carrier.url, [1]);
  await gone(device);
  await device.send('telemetry', { value: 2 });
  await gone(device);
  assert.deepEqual(
    carrier.handed.map(({ seals }) => seals.flatMap(({ readings }) => readings.map(({ value }) => value))),
    [[1], [2], [2], [2]],
  );
  assert.deepEqual(device.counts, { acknowledged: 2, refused: 0 });
});

test('what a gate refuses for good is set aside, alone and in its order; the others of its seal pass', async () => {
  const carrier = await startCarrier((handed) => {
    const verdicts = handed.seals.map((seal) => {
      const bad = seal.readings.findIndex(({ value }) => value === 3) + 1;
      return bad > 0 ? refusedOf(seal, 'reading', 'schema_not_met', bad) : admittedOf(seal);
    });
    return signed(verdicts, signerOf(handed));
  });
  const directory = deviceDirectory([]);
  const { device: offline } = await openDevice(directory, via('http://127.0.0.1:9'));
  for (const value of [1, 2, 3, 4, 5]) await offline.send('telemetry', { value });
  await offline.close();
  const { device } = await openDevice(directory, via(carrier.url));
  await gone(device);
  assert.deepEqual(device.counts, { acknowledged: 4, refused: 1 });
  const refused = readFileSync(join(directory, 'refused.ndjson'), 'utf8').trim().split('\n');
  assert.deepEqual(
    refused.map((line) => JSON.parse(line)).map(({ reason, reading }) => [reason, reading.value]),
    [['schema_not_met', 3]],
  );
});

test('what a gate does not admit now stays; it is judged anew, and a carrier is told not to answer from memory', async () => {
  const no: Answers = (handed) =>
    signed(
      handed.seals.map((seal) => refusedOf(seal, 'certificate', 'attribute_rule_not_met')),
      signerOf(handed),
    );
  const carrier = await startCarrier(no, honest);
  const { device, refusals } = await deviceWith(carrier.url, [1]);
  await gone(device);
  assert.deepEqual(refusals, ['attribute_rule_not_met']);
  const [first, second] = carrier.handed;
  assert.equal(first?.headers['cache-control'], undefined);
  assert.equal(second?.headers['cache-control'], 'no-cache');
  assert.notEqual(first?.seals[0]?.name, second?.seals[0]?.name);
});

test('while no gate has answered the same bytes are handed over again, so that they are carried once', async () => {
  const kept: Answers = () => ({ status: 202, body: '{"kept":true}' });
  const full: Answers = () => ({ status: 503 });
  const carrier = await startCarrier(kept, full, full, honest);
  const { device } = await deviceWith(carrier.url, [1]);
  await gone(device);
  const names = carrier.handed.map(({ seals }) => seals[0]?.name);
  assert.deepEqual([names.length, new Set(names).size], [4, 1]);
});

test('the certificate travels until a gate has taken a seal of it, and again once one is refused', async () => {
  const refused: Answers = (handed) =>
    signed(
      handed.seals.map((seal) => refusedOf(seal, 'gate', 'signer_unavailable')),
      signerOf(handed),
    );
  const carrier = await startCarrier(honest, refused, honest);
  const { device } = await deviceWith(carrier.url, [1]);
  await gone(device);
  await device.send('telemetry', { value: 2 });
  await gone(device);
  const brought = carrier.handed.map(({ seals }) => seals[0]?.message.header.chain.length);
  assert.deepEqual(brought, [1, 0, 1]);
});

/** Of an outbox that has readings whose lines begin with these numbers, or none. */
async function sealedOf(...numbers: string[]) {
  const carrier = await startCarrier(honest);
  const directory = deviceDirectory([]);
  const outbox = join(directory, 'outbox', 'telemetry');
  makeDirectory(outbox);
  const lines = numbers.map(
    (number, at) => `{"_clock":"unknown",${number}"_id":"r-${at}","_time":"2026-11-23T12:00:00Z","value":${at}}`,
  );
  writeFileSync(join(outbox, '00000001.log'), Buffer.concat(lines.map(encodeRecord)));
  const { device } = await openDevice(directory, via(carrier.url));
  await gone(device);
  return carrier;
}

test('within a seal the run is one and the numbers grow: where they do not, another begins', async () => {
  const numbers = ['1 a', '2 a', '7 a', '7 a', '3 a', '4 b', '5 b'].map((one) => one.split(' '));
  const carrier = await sealedOf(...numbers.map(([number, run]) => `"_sequence":${number},"_run":"${run}",`));
  const seals = carrier.handed.flatMap((handed) => handed.seals);
  assert.deepEqual(
    seals.map(({ members: { run, seq }, readings }) => [run, seq, readings.length]),
    [
      ['a', 1, 3],
      ['a', 7, 1],
      ['a', 3, 1],
      ['b', 4, 2],
    ],
  );
});

test('readings of an outbox that gave no numbers are sealed too, as a run of their own', async () => {
  const carrier = await sealedOf('', '');
  const [{ members, readings } = assert.fail()] = carrier.handed[0]?.seals ?? [];
  assert.deepEqual([members.seq, members.run.length, readings.length], [1, 12, 2]);
});
