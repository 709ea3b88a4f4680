import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { IConnectPacket } from 'mqtt-packet';
import { patienceMs } from '../../../../test/patience.ts';
import { localNames } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { deviceDirectory, fleet, makeCredential, openDevice } from '../../test/gate.ts';
import { type MqttWishes, puback, refusing, startMqttGate } from '../../test/mqtt-gate.ts';
import { linesOf, until } from '../../test/servers.ts';
import { realNetwork } from '../link/dial.ts';
import { StrictConnector } from '../link/strict-connector.ts';
import { Clock } from '../outbox/clock.ts';
import { realSystem } from '../system.ts';
import { MqttWay } from './mqtt-way.ts';

const limit = () => AbortSignal.timeout(patienceMs);
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

async function sending(mqttGates: string[], count: number) {
  const directory = deviceDirectory([], { mqttGates });
  const opened = await openDevice(directory, { by: 'mqtt' });
  await Promise.all(range(count).map((value) => opened.device.send('telemetry', { value })));
  return { directory, ...opened };
}

const openedFor = (gate: string) => openDevice(deviceDirectory([]), { by: 'mqtt', gates: [gate] });

function refusedIn(directory: string): { reason: string; reading: { value: number } }[] {
  const file = join(directory, 'refused.ndjson');
  return existsSync(file) ? (linesOf(readFileSync(file, 'utf8')) as never) : [];
}

test('P8: over MQTT readings arrive in order, each as a message of QoS 1 that its topic names, and PUBACK takes them out', async () => {
  const gate = await startMqttGate();
  const { device } = await sending([gate.url], 600);
  await device.drained(limit());
  assert.deepEqual([device.kept, device.counts], [0, { acknowledged: 600, refused: 0 }]);
  assert.deepEqual(gate.values(), range(600));
  assert.ok(gate.published.every(({ qos, retain, dup }) => qos === 1 && !retain && !dup));
  for (const { topic, payload } of gate.published) {
    const { _id } = JSON.parse(String(payload)) as { _id: string };
    assert.equal(topic, `streams/telemetry/${_id}`);
  }
  const [connect] = gate.connections[0] as [IConnectPacket];
  assert.deepEqual([connect.clientId, connect.protocolVersion, connect.clean], ['truck-17', 5, true]);
  assert.equal(gate.connections.length, 1);
});

test('no more messages are under way than the gate takes, and those of all streams share its connection', async () => {
  let underWay = 0;
  let most = 0;
  const publish: MqttWishes['publish'] = async (packet) => {
    most = Math.max(most, ++underWay);
    await new Promise(setImmediate);
    underWay--;
    return puback(packet);
  };
  const gate = await startMqttGate({ connack: { properties: { receiveMaximum: 3 } }, publish });
  const { device } = await sending([gate.url], 50);
  await device.send('other', { value: 50 });
  await device.drained(limit());
  assert.deepEqual([most, gate.published.length, gate.connections.length], [3, 51, 1]);
});

test('P8: what a gate refuses for itself is moved aside alone, what else it refuses stops what follows and is kept', async () => {
  const publish: MqttWishes['publish'] = (packet) => {
    const { value } = JSON.parse(String(packet.payload)) as { value: number };
    return [0, 7].includes(value)
      ? puback(packet, 0x99, 'schema_not_met', 'schema_not_met: the reading does not fit; "temperature" is missing')
      : puback(packet);
  };
  const gate = await startMqttGate({ publish });
  const { device, directory, refusals } = await sending([gate.url], 20);
  await device.drained(limit());
  assert.deepEqual(device.counts, { acknowledged: 18, refused: 2 });
  const aside = refusedIn(directory).map(({ reason, reading }) => [reason, reading.value]);
  assert.deepEqual(aside, [
    ['schema_not_met', 0],
    ['schema_not_met', 7],
  ]);
  assert.deepEqual(refusals, ['schema_not_met', 'schema_not_met']);
});

for (const [reason, code] of [
  ['attribute_not_expected', 0x87],
  ['stream_unknown', 0x90],
  ['replica_stale', 0x83],
  ['a_reason_of_a_later_version', 0x87],
] as const) {
  test(`P8: a PUBACK that says ${reason} keeps all readings, and they are stored once when it passes`, async () => {
    let refusedSo = 0;
    const stored: string[] = [];
    const publish: MqttWishes['publish'] = (packet) => {
      if (refusedSo++ < 2) return puback(packet, code, reason);
      stored.push(packet.topic);
      return puback(packet);
    };
    const gate = await startMqttGate({ connack: { properties: { receiveMaximum: 1 } }, publish });
    const { device, directory, refusals } = await sending([gate.url], 5);
    await device.drained(limit());
    assert.deepEqual([stored.length, new Set(stored).size, refusedIn(directory)], [5, 5, []]);
    assert.deepEqual([...new Set(refusals)], [reason]);
    assert.equal(device.counts.refused, 0);
  });
}

test('a code of MQTT that says that the message is at fault moves it aside, also without a reason of ours', async () => {
  const publish: MqttWishes['publish'] = (packet, index) => puback(packet, index === 1 ? 0x99 : 0);
  const gate = await startMqttGate({ publish });
  const { device, directory } = await sending([gate.url], 3);
  await device.drained(limit());
  assert.deepEqual(
    refusedIn(directory).map(({ reason, reading }) => [reason, reading.value]),
    [['mqtt_0x99', 1]],
  );
});

test('P8: a connection that ends before PUBACK keeps what was not acknowledged, and that is sent again as the same', async () => {
  const publish: MqttWishes['publish'] = (packet, index) =>
    index === 2 ? 'close' : index > 2 && index < 5 ? 'hang' : puback(packet);
  const gate = await startMqttGate({ publish });
  const { device } = await sending([gate.url], 5);
  await device.drained(limit());
  assert.equal(device.counts.acknowledged, 5);
  const topics = gate.published.map(({ topic }) => topic);
  assert.equal(new Set(topics).size, 5);
  assert.ok(gate.connections.length >= 2);
});

for (const [what, said, code] of [
  ['a CONNACK', refusing('connack', 0x87, 'not_admitted: ask the operator'), 'not_admitted'],
  [
    'a DISCONNECT',
    refusing('disconnect', 0x98, 'certificate_superseded: a newer one is in use'),
    'certificate_superseded',
  ],
] as const) {
  test(`what ${what} says is told, and the readings are kept until a gate takes them`, async () => {
    const isConnack = said.cmd === 'connack';
    let told = false;
    const publish: MqttWishes['publish'] = (packet) => {
      if (isConnack || told) return puback(packet);
      told = true;
      return said;
    };
    const gate = await startMqttGate({ instead: isConnack ? [said] : [], publish });
    const { device, refusals } = await sending([gate.url], 3);
    await device.drained(limit());
    assert.deepEqual([refusals, device.counts], [[code], { acknowledged: 3, refused: 0 }]);
  });
}

for (const [what, said] of [
  ['is silent and closes', 'close'],
  ['refuses CONNECT with a code of MQTT alone', refusing('connack', 0x97, 'Quota exceeded')],
  ['ends the connection with a code of MQTT alone', refusing('disconnect', 0x8b, 'Server shutting down')],
] as const) {
  test(`P8: a gate that ${what} at CONNECT is tried again, and nothing is known of the readings`, async () => {
    const gate = await startMqttGate({ instead: [said, said] });
    const { device, failures, refusals } = await sending([gate.url], 3);
    await device.drained(limit());
    assert.deepEqual(refusals, []);
    assert.ok(failures.includes('server_unreachable') || failures.includes('answer_malformed'));
    assert.equal(gate.published.length, 3);
  });
}

for (const [what, said] of [
  ['acknowledges what was not sent', puback({ cmd: 'puback', messageId: 999 })],
  ['says what is no MQTT', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  [
    'begins a packet that is too long',
    Buffer.concat([Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(70_000)]),
  ],
  [
    'publishes to a device that subscribed to nothing',
    { cmd: 'publish', topic: 'a', payload: 'b', qos: 0, dup: false, retain: false },
  ],
  ['welcomes twice', { cmd: 'connack', reasonCode: 0, sessionPresent: false }],
] as const) {
  test(`P8: a gate that ${what} is not understood: the connection ends, and the readings are kept`, async () => {
    const publish: MqttWishes['publish'] = (packet, index) => (index === 0 ? (said as never) : puback(packet));
    const gate = await startMqttGate({ publish });
    const { device, failures } = await sending([gate.url], 1);
    await device.drained(limit());
    assert.deepEqual([failures, gate.connections.length], [['answer_malformed'], 2]);
  });
}

test('P2: nothing is sent to a server that is not a gate of the fleet', async () => {
  const authority = fleet.infrastructureIssuer.issue({
    ...{ uri: 'authority/authority', alternatives: localNames, purposes: ['serverAuth'] },
  });
  const posing = await startMqttGate({}, 0, authority);
  const { device, failures } = await sending([posing.url], 1);
  await until('it was tried', () => failures.length > 0);
  assert.deepEqual([...new Set(failures)], ['server_not_verified']);
  assert.ok(posing.connections.every((packets) => packets.length === 0));
  assert.equal(device.kept, 1);
});

test('an address without TLS is never spoken to', async () => {
  const { device, failures } = await openedFor('mqtt://localhost:1883');
  await device.send('telemetry', { value: 0 });
  await until('it was tried', () => failures.length > 0);
  assert.equal(failures[0], 'server_not_verified');
});

test('a reading that is more than the gate takes in one packet is moved aside, and is not sent', async () => {
  const gate = await startMqttGate({ connack: { properties: { maximumPacketSize: 1_000 } } });
  const { device, directory } = await sending([gate.url], 1);
  await device.send('telemetry', { value: 1, text: 'x'.repeat(1_000) });
  await device.send('telemetry', { value: 2 });
  await device.drained(limit());
  assert.deepEqual(gate.values(), [0, 2]);
  assert.deepEqual(
    refusedIn(directory).map(({ reason }) => reason),
    ['reading_too_large'],
  );
});

function wayTo(gate: string, timeoutMs: number) {
  const credential = makeCredential([]);
  const { roots, fleet: name } = credential;
  const connector = new StrictConnector({ roots, fleet: name, role: 'gate', credential }, realNetwork, 'mqtt');
  const clock = new Clock({
    system: realSystem,
    time: { now: realSystem.now, isCorrected: false },
    notBefore: () => 0,
  });
  const way = new MqttWay({ connector, gates: () => [gate], clientId: 'truck-17', clock });
  const readings = [{ line: '{"_clock":"unknown","_id":"a"}', place: { segment: 1, offset: 1 } }];
  return { way, batch: { gate, stream: 'cold', readings, timeoutMs, signal: limit() } };
}

test('what is not answered in time is given up with its connection', async () => {
  const gate = await startMqttGate({ publish: () => 'hang' });
  const { way, batch } = wayTo(gate.url, 200);
  await assert.rejects(way.send(batch), { code: 'server_unreachable', detail: { begun: true }, message: /in time/ });
  await assert.rejects(way.send({ ...batch, signal: AbortSignal.abort() }), { code: 'server_unreachable' });
  way.close();
});

test('who has nothing to send is heard of within the keep alive, whenever it sent last', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const gate = await startMqttGate();
  const { way, batch } = wayTo(gate.url, patienceMs);
  await way.send(batch);
  const pings = () => gate.connections[0]?.filter(({ cmd }) => cmd === 'pingreq').length;
  context.mock.timers.tick(46_000);
  await way.send(batch);
  context.mock.timers.tick(30_000);
  await until('it is heard of', () => pings() === 1);
  const [connect] = gate.connections[0] as [IConnectPacket];
  assert.deepEqual([connect.keepalive, gate.connections.length], [60, 1]);
  way.close();
});

test('the time that a gate tells at CONNECT says whether the clock is right, and a device that closes says goodbye', async () => {
  const properties = { userProperties: { date: new Date().toUTCString() } };
  const gate = await startMqttGate({ connack: { properties } });
  const { device } = await sending([gate.url], 1);
  await device.drained(limit());
  await device.send('telemetry', { value: 1 });
  await device.drained(limit());
  const clocks = gate.published.map(({ payload }) => (JSON.parse(String(payload)) as { _clock: string })._clock);
  assert.deepEqual(clocks, ['unknown', 'synchronized']);
  await device.close();
  await until('it said so', () => gate.connections[0]?.at(-1)?.cmd === 'disconnect');
});

test('a device that knows no gate of MQTT asks the authority for some, and keeps them', async () => {
  const gate = await startMqttGate();
  const enrolment = await startEnrolment(fleet);
  enrolment.wishes.gates = ['https://localhost:1'];
  enrolment.wishes.more = { mqttGates: [gate.url] };
  const directory = deviceDirectory(['https://localhost:1'], { enrolment: enrolment.server.url });
  const { device, failures } = await openDevice(directory, { by: 'mqtt' });
  await device.send('telemetry', { value: 0 });
  await device.drained(limit());
  assert.deepEqual([gate.values(), failures.includes('server_unreachable')], [[0], true]);
  assert.deepEqual(device.credential.mqttGates, [gate.url]);
});

test('gates that are named instead of those of the credential are the only ones', async () => {
  const [named, known] = [await startMqttGate(), await startMqttGate()];
  const directory = deviceDirectory([], { mqttGates: [known.url] });
  const { device } = await openDevice(directory, { by: 'mqtt', gates: [named.url] });
  await device.send('telemetry', { value: 0 });
  await device.drained(limit());
  assert.deepEqual([named.values(), known.values()], [[0], []]);
});

test('a renewed device sends with the new certificate, over new connections (FIELD-NOTES A5)', async () => {
  const gate = await startMqttGate();
  const enrolment = await startEnrolment(fleet);
  const renewAfter = new Date(Date.now() + 1_500).toISOString();
  enrolment.wishes.more = { mqttGates: [gate.url] };
  const directory = deviceDirectory([], { mqttGates: [gate.url], renewAfter, enrolment: enrolment.server.url });
  const { device } = await openDevice(directory, { by: 'mqtt' });
  const first = device.credential.certificate;
  await device.send('telemetry', { value: 0 });
  await device.drained(limit());
  await until('it is renewed', () => device.credential.certificate !== first);
  await until('it is confirmed', () => device.credential.unconfirmed === undefined);
  await device.send('telemetry', { value: 1 });
  await device.drained(limit());
  assert.deepEqual(gate.values(), [0, 1]);
  assert.ok(gate.connections.length >= 2);
});
