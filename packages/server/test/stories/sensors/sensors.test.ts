/** A sensor that can do no X.509, seen from outside: by its datagrams, over a cut, a restart of the gate, and through a proxy that is nobody's. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:dgram';
import { after, before, test } from 'node:test';
import type { KeyCredentialCreated, ReadingView } from '@portcullis/contract';
import { createServer } from 'coap';
import { optionNumbers } from '../../../src/oscore/oscore.ts';
import { eventually, House } from '../../house.ts';
import { KeySensor, parsed, reading } from '../../key-sensor.ts';
import { Udp } from '../../udp.ts';

let house: House;
let udp: Udp;

before(async () => {
  house = await House.open();
  udp = new Udp();
});
after(async () => {
  udp?.close();
  await house?.close();
});

const port = () => house.basePort + 5;
const bytes = (hex: string) => Buffer.from(hex, 'hex');

async function flashed(subject: string): Promise<{ sensor: KeySensor; fingerprint: string }> {
  const words = ['token', 'create', subject, '--credential', 'oscore'];
  const [made] = (await house.json<KeyCredentialCreated>(...words)) as [KeyCredentialCreated];
  const secrets = { masterSecret: bytes(made.masterSecret), salt: bytes(made.masterSalt) };
  return { sensor: new KeySensor(bytes(made.keyId), secrets), fingerprint: made.fingerprint };
}

/** Both requests of RFC 8613 appendix B.2, until the gate has heard of the sensor and decides; resolves to the last answer's code and words. */
async function introduced(sensor: KeySensor, payload: string, to = port()): Promise<[code: number, words: string]> {
  let answer: Buffer = Buffer.alloc(0);
  await eventually(async () => {
    const challenge = await udp.exchange(sensor.first(), to);
    if (parsed(challenge).options.every(({ number }) => number !== optionNumbers.oscore)) return false;
    answer = await udp.exchange(sensor.second(challenge, reading('telemetry', payload)), to);
    return sensor.opened(answer).code !== 0xa3;
  }, 'the gate knows the sensor and decides');
  const { code, payload: words } = sensor.opened(answer);
  return [code, words.toString()];
}

async function said(sensor: KeySensor, payload: string, to = port()): Promise<[code: number, words: string]> {
  const { code, payload: words } = sensor.opened(await udp.exchange(sensor.request(reading('telemetry', payload)), to));
  return [code, words.toString()];
}

const stored = async (subject: string) =>
  (await house.json<ReadingView>('readings', 'telemetry', '--subject', subject)).map(({ data }) => data);

test('a sensor with a key credential is admitted, cut with a confirmed receipt, and admitted again, like every device', async () => {
  const { sensor, fingerprint } = await flashed('sensor-1');
  assert.deepEqual(await introduced(sensor, '{"c":1}'), [0x44, '']);
  assert.deepEqual(await said(sensor, '{"c":2}'), [0x44, '']);
  const cut = await house.change('certificate', 'suspend', 'sensor-1', '--reason', 'stolen');
  assert.equal(cut.confirmed, true);
  assert.equal(cut.connectionsClosed, 1, 'its context is what a connection is to others');
  assert.equal(parsed(await udp.exchange(sensor.request(reading('telemetry', '{"c":3}')), port())).code, 0x81);
  assert.equal(parsed(await udp.exchange(sensor.first(), port())).code, 0x81);
  const back = await house.change('certificate', 'resume', 'sensor-1', '--reason', 'found');
  assert.equal(back.confirmed, true);
  assert.deepEqual(await introduced(sensor, '{"c":4}'), [0x44, '']);
  assert.deepEqual(await stored('sensor-1'), [{ c: 1 }, { c: 2 }, { c: 4 }]);
  const [first] = await house.json<ReadingView>('readings', 'telemetry', '--subject', 'sensor-1');
  assert.equal(first?.certificate, fingerprint);
});

test('an attribute flips: the first datagram after the receipt is refused, and what is told is protected; and back', async () => {
  const { sensor } = await flashed('sensor-2');
  assert.deepEqual(await introduced(sensor, '{"c":1}'), [0x44, '']);
  const off = await house.change('attribute', 'set', 'sensor-2', 'status=off', '--reason', 'stolen');
  assert.deepEqual([off.confirmed, off.connectionsClosed], [true, 1]);
  assert.deepEqual(await introduced(sensor, '{"c":2}'), [0x83, 'attribute_not_expected']);
  const on = await house.change('attribute', 'set', 'sensor-2', 'status=active', '--reason', 'found');
  assert.equal(on.confirmed, true);
  assert.deepEqual(await said(sensor, '{"c":3}'), [0x44, ''], 'its context was there all the time');
  assert.deepEqual(await stored('sensor-2'), [{ c: 1 }, { c: 3 }]);
});

test('a gate that was killed and started anew knows no sensor; each makes a new context, and nothing old is taken', async () => {
  const { sensor } = await flashed('sensor-3');
  await introduced(sensor, '{"c":1}');
  const old = sensor.request(reading('telemetry', '{"c":2}'));
  await udp.exchange(old, port());
  await house.gate?.kill();
  await house.startGate();
  const answer = parsed(await udp.exchange(old, port()));
  assert.deepEqual([answer.code, answer.options.map(({ number }) => number)], [0x81, [optionNumbers.maxAge]]);
  assert.deepEqual(await introduced(sensor, '{"c":3}'), [0x44, '']);
  assert.deepEqual(await stored('sensor-3'), [{ c: 1 }, { c: 2 }, { c: 3 }]);
});

test('P16: a CoAP proxy on the way carries what it can neither read nor change', async (context) => {
  const { sensor } = await flashed('sensor-4');
  const seen: Buffer[] = [];
  const proxy = createServer({ proxy: true });
  proxy.on('error', () => undefined);
  await new Promise<void>((resolve) => proxy.listen(house.basePort + 6, '127.0.0.1', () => resolve()));
  context.after(() => proxy.close());
  const socket = proxy._sock as Socket;
  const send = socket.send.bind(socket) as (datagram: Buffer, ...rest: unknown[]) => void;
  socket.send = (datagram: Buffer, ...rest: unknown[]) => {
    seen.push(datagram);
    send(datagram, ...rest);
  };
  sensor.outside = [{ number: optionNumbers.proxyUri, value: Buffer.from(`coap://127.0.0.1:${port()}`) }];
  assert.deepEqual(await introduced(sensor, '{"secret":"melon"}', house.basePort + 6), [0x44, '']);
  assert.deepEqual(await said(sensor, '{"secret":"peach"}', house.basePort + 6), [0x44, '']);
  assert.deepEqual(await stored('sensor-4'), [{ secret: 'melon' }, { secret: 'peach' }]);
  assert.ok(seen.length >= 6, 'it passed on what came and what went');
  for (const word of ['melon', 'peach', 'secret', 'telemetry']) {
    assert.ok(!seen.some((datagram) => datagram.includes(word)), word);
  }
  const codes = new Set(seen.map((datagram) => datagram[1]));
  assert.deepEqual(
    [...codes].filter((code) => ![0x02, 0x44, 0x81].includes(code ?? -1)),
    [],
    'all it sees is POST and 2.04, and 4.01 before there is a key',
  );
});
