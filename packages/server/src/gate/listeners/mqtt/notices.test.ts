/** A8: what a device is told of itself, judged at each word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IPublishPacket } from 'mqtt-packet';
import { day } from '../../../../test/fleet-certificates.ts';
import { MqttClient } from '../../../../test/mqtt-client.ts';
import { OpenFront, sinkWith, until } from '../../../../test/open-front.ts';
import type { Sink } from '../../../storage/sink.ts';

const placeOf = (gate: OpenFront) => ({ port: gate.mqttPort, ca: gate.certificates.rootPem });
const subscribe = (client: MqttClient, ...topics: string[]) =>
  client.say({ cmd: 'subscribe', messageId: 5, subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })) });
const noticesIn = (client: MqttClient) =>
  client.heard
    .filter((packet): packet is IPublishPacket => packet.cmd === 'publish')
    .map(({ payload }) => JSON.parse(payload.toString()) as Record<string, unknown>);

const topics: [topic: string, in5: number][] = [
  ['devices/truck-17/notices', 0],
  ['devices/truck-17/acknowledgements', 0],
  ['devices/truck-18/notices', 0x87],
  ['devices/+/notices', 0xa2],
  ['#', 0xa2],
  ['$share/group/devices/truck-17/notices', 0x9e],
  ['streams/telemetry', 0x87],
];

for (const version of [4, 5] as const) {
  test(`MQTT ${version}: a device may read its own notices alone`, async (context) => {
    const gate = await OpenFront.open(context);
    const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'), version);
    subscribe(client, ...topics.map(([topic]) => topic));
    const { granted } = await client.hears('suback');
    assert.deepEqual(
      granted,
      topics.map(([, in5]) => (version === 5 || in5 === 0 ? in5 : 0x80)),
    );
    client.say({ cmd: 'unsubscribe', messageId: 6, unsubscriptions: ['devices/truck-17/notices', 'other'] });
    const left = await client.hears('unsuback');
    if (version === 5) assert.deepEqual(left.granted, [0, 0x11]);
  });
}

test('it is told what was refused, also in 3.1.1; who did not subscribe is told nothing', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'), 4);
  client.publish('streams/telemetry/r-0', 'no', { messageId: 1 });
  await client.hears('puback');
  subscribe(client, 'devices/truck-17/notices');
  client.publish('streams/telemetry/r-1', 'no', { messageId: 2 });
  await until(() => noticesIn(client).length > 0, 'a notice comes');
  const [notice, ...more] = noticesIn(client);
  assert.deepEqual(more, []);
  assert.deepEqual([notice?.notice, notice?.topic, notice?.id], ['refused', 'streams/telemetry/r-1', 'r-1']);
  assert.match(String(notice?.told), /^reading_malformed: /);
});

test('it is told when a stream admits it again', async (context) => {
  const kinds = ['device' as const];
  const streams = { telemetry: { kinds, expect: {} }, doors: { kinds, expect: { guard: true } } };
  const gate = await OpenFront.open(context, { streams });
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  subscribe(client, 'devices/truck-17/notices');
  await client.hears('suback');
  client.publish('streams/doors/r-1', '{}');
  await until(() => noticesIn(client).length === 1, 'it is refused');
  gate.change({ subject: 'truck-17', attributes: { guard: { value: true } } });
  await until(() => noticesIn(client).length === 2, 'it is admitted');
  assert.deepEqual(noticesIn(client)[1], { notice: 'admitted', stream: 'doors' });
});

test('it is told that its certificate is to be renewed, once', async (context) => {
  const gate = await OpenFront.open(context);
  const times = { notBefore: Date.now() - 25 * day, notAfter: Date.now() + 5 * day };
  const leaf = await gate.certificates.leaf({ subject: 'truck-17', ...times });
  gate.change({ subject: 'truck-17', attributes: { status: { value: 'active' } }, certificates: [leaf] });
  const client = await MqttClient.connected(placeOf(gate), leaf);
  subscribe(client, 'devices/truck-17/notices');
  await until(() => noticesIn(client).length > 0, 'a notice comes');
  subscribe(client, 'devices/truck-17/notices');
  await until(() => client.heard.filter(({ cmd }) => cmd === 'suback').length === 2, 'subscribed again');
  const [notice, ...more] = noticesIn(client);
  assert.deepEqual([notice?.notice, more], ['renewal_due', []]);
  assert.equal(Date.parse(String(notice?.notAfter)), Math.floor(leaf.notAfter / 1_000) * 1_000);
});

test('A8, P5: nothing is told and nothing acknowledged while the gate knows nothing of its standing', async (context) => {
  const held: (() => void)[] = [];
  const holding = (real: Sink): Sink['keepRefused'] => {
    return async (rows) => {
      await new Promise<void>((resolve) => held.push(resolve));
      await real.keepRefused(rows);
    };
  };
  const gate = await OpenFront.open(context, { sink: (real) => sinkWith(real, { keepRefused: holding(real) }) });
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'), 4);
  subscribe(client, 'devices/truck-17/notices');
  await client.hears('suback');
  client.publish('streams/telemetry', 'no');
  await until(() => held.length === 1, 'it is being kept');
  gate.lease.end();
  held[0]?.();
  await client.ends();
  assert.deepEqual(
    client.heard.map(({ cmd }) => cmd),
    ['connack', 'suback'],
  );
});
