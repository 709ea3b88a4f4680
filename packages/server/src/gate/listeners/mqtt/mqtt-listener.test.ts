/** MQTT over real TLS: what is admitted is durable before it is acknowledged, and a cut is a cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MqttClient } from '../../../../test/mqtt-client.ts';
import { OpenFront, until } from '../../../../test/open-front.ts';

const placeOf = (gate: OpenFront) => ({ port: gate.mqttPort, ca: gate.certificates.rootPem });

for (const version of [4, 5] as const) {
  test(`P8: MQTT ${version}: a publish with QoS 1 is acknowledged when it is stored`, async (context) => {
    const gate = await OpenFront.open(context);
    const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'), version);
    client.publish('streams/telemetry/r-1', '{"temperature":4.5}', { messageId: 7 });
    const { messageId } = await client.hears('puback');
    assert.equal(messageId, 7);
    assert.deepEqual(await gate.stored(), [{ temperature: 4.5 }]);
  });
}

test('P8: the id in the topic is the reading’s: a repeat is stored once, with or without DUP', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  for (const [index, dup] of [false, true, false].entries()) {
    client.publish('streams/telemetry/r-1', '{"n":1}', { messageId: index + 1, dup });
  }
  await until(() => client.heard.filter(({ cmd }) => cmd === 'puback').length === 3, 'all are acknowledged');
  assert.deepEqual(
    client.heard.slice(1).map((packet) => packet.messageId),
    [1, 2, 3],
  );
  assert.equal((await gate.stored()).length, 1);
});

test('QoS 0 is judged and stored as any other', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'), 4);
  client.publish('streams/telemetry', '{"n":1}', { qos: 0 });
  await until(async () => (await gate.stored()).length === 1, 'it is stored');
});

test('a batch is NDJSON with the content type of MQTT 5', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  client.publish('streams/telemetry', '{"n":1}\n{"n":2}\n', { properties: { contentType: 'application/x-ndjson' } });
  await client.hears('puback');
  assert.deepEqual(await gate.stored(), [{ n: 1 }, { n: 2 }]);
});

test('P6: a revocation ends the open connection, told; and is told at the next CONNECT', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const client = await MqttClient.connected(placeOf(gate), leaf);
  gate.change({ subject: 'truck-17', certificates: [{ ...leaf, standing: 'revoked' }] });
  const { reasonCode, properties } = await client.hears('disconnect');
  assert.equal(reasonCode, 0x98);
  assert.match(properties?.reasonString ?? '', /^not_admitted/);
  await client.ends();
  const again = await MqttClient.open(placeOf(gate), leaf);
  again.connect();
  const refused = await again.hears('connack');
  assert.equal(refused.reasonCode, 0x87);
  await again.ends();
  const old = await MqttClient.open(placeOf(gate), leaf, 4);
  old.connect();
  assert.equal((await old.hears('connack')).returnCode, 5);
  await old.ends();
  assert.equal(gate.connections.closed, 1);
});

test('P6: an attribute that changes ends the open connection without a word; changed back, the same CONNECT gets in', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const client = await MqttClient.connected(placeOf(gate), leaf);
  gate.change({ subject: 'truck-17', attributes: { status: { value: 'stopped' } } });
  await client.ends();
  assert.deepEqual(
    client.heard.map(({ cmd }) => cmd),
    ['connack'],
  );
  const again = await MqttClient.open(placeOf(gate), leaf);
  again.connect();
  await until(() => gate.verdicts.refusals.get('attribute_not_expected') === 1, 'its CONNECT is judged');
  gate.change({ subject: 'truck-17', attributes: { status: { value: 'active' } } });
  assert.equal((await again.hears('connack')).reasonCode, 0);
});

test('a gate that stops acknowledges what it is committing, and says nothing else', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  client.publish('streams/telemetry', '{"n":1}', { messageId: 9 });
  await client.hears('puback');
  await gate.listeners.close();
  await client.ends();
  assert.deepEqual(
    client.heard.map(({ cmd }) => cmd),
    ['connack', 'puback'],
  );
});
