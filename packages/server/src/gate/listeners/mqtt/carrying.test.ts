/** P16 over MQTT: what others sealed, and the gate's own word to them by the way of whoever brought it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sealMediaTypes } from '@portcullis/contract';
import { bodyOf, messagesIn, openAcknowledgement, sealNameOf } from '@portcullis/device/seal';
import { MqttClient } from '../../../../test/mqtt-client.ts';
import { OpenFront } from '../../../../test/open-front.ts';
import { sealOf } from '../../../../test/sealing.ts';
import { readAll } from '../../../storage/sink/sink.contract.ts';

const placeOf = (gate: OpenFront) => ({ port: gate.mqttPort, ca: gate.certificates.rootPem });

for (const form of ['jws', 'cose'] as const) {
  test(`${form}: seals that are brought are stored as their signer's, and the signed answer goes to who brought them`, async (context) => {
    const gate = await OpenFront.open(context);
    const pump = await gate.device('pump-1');
    const client = await MqttClient.connected(placeOf(gate), await gate.device('gateway-1', { kind: 'gateway' }));
    client.say({
      ...{ cmd: 'subscribe', messageId: 1 },
      subscriptions: [{ topic: 'devices/gateway-1/acknowledgements', qos: 0 }],
    });
    await client.hears('suback');
    const seals = [sealOf(pump, { t: 1 }, { form, seq: 1 }), sealOf(pump, { t: 2 }, { form, seq: 2 })];
    const correlationData = Buffer.from('batch 7');
    const properties = { contentType: sealMediaTypes[form], correlationData };
    client.publish('streams/telemetry/sealed', bodyOf(seals, form), { messageId: 2, properties });
    assert.equal((await client.hears('puback')).messageId, 2);
    const told = await client.hears('publish');
    assert.equal(told.topic, 'devices/gateway-1/acknowledgements');
    assert.deepEqual(told.properties?.correlationData, correlationData);
    const trust = { roots: gate.certificates.rootPem, fleet: gate.certificates.fleet };
    const [said] = messagesIn(told.payload as Buffer, form).map((one) =>
      openAcknowledgement(one, form, { ...trust, now: Date.now(), since: Date.now() - 60_000 }),
    );
    assert.equal(said?.signer, pump.fingerprint);
    assert.deepEqual(
      said?.seals.map(({ seal, verdict }) => [seal, verdict]),
      seals.map((seal) => [sealNameOf(seal), 'admitted']),
    );
    await gate.stored();
    const rows = await readAll(gate.sink);
    assert.deepEqual(
      rows.map(({ subject, carriedBy, sealed }) => [subject, carriedBy, sealed]),
      Array(2).fill(['pump-1', 'gateway-1', true]),
    );
  });
}

test('who may not carry, and what is no seal, is refused as any other message', async (context) => {
  const gate = await OpenFront.open(context);
  const pump = await gate.device('pump-1');
  const device = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  const seal = bodyOf([sealOf(pump, { t: 1 })], 'jws');
  for (const [index, brought] of [seal, Buffer.from('no seal')].entries()) {
    const properties = { contentType: sealMediaTypes.jws };
    device.publish('streams/telemetry/sealed', brought, { messageId: index + 1, properties });
    const refused = await device.hears('puback');
    assert.equal(refused.reasonCode, 0x87);
    assert.deepEqual({ ...refused.properties?.userProperties }, { reason: 'kind_not_admitted' });
  }
  const carrier = await MqttClient.connected(placeOf(gate), await gate.device('gateway-1', { kind: 'gateway' }), 4);
  carrier.publish('streams/telemetry/sealed', seal);
  await carrier.hears('puback');
  const { items } = await gate.sink.refused({ limit: 10 });
  assert.deepEqual(
    items.map(({ subject, reason }) => [subject, reason]),
    [
      ['truck-17', 'kind_not_admitted'],
      ['truck-17', 'kind_not_admitted'],
      ['gateway-1', 'media_type_unsupported'],
    ],
  );
  assert.deepEqual(await gate.stored(), []);
});
