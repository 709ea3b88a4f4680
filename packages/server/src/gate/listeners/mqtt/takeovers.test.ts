/** F4, F5: a client identifier proves nothing; who is taken over leaves nothing behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MqttClient } from '../../../../test/mqtt-client.ts';
import { OpenFront, until } from '../../../../test/open-front.ts';
import { Takeovers } from './takeovers.ts';

const placeOf = (gate: OpenFront) => ({ port: gate.mqttPort, ca: gate.certificates.rootPem });

test('the same client identifier and certificate take over, told in MQTT 5; another certificate does not', async (context) => {
  const gate = await OpenFront.open(context);
  const [leaf, other] = [await gate.device('truck-17'), await gate.device('truck-18')];
  const [first, stranger] = [
    await MqttClient.connected(placeOf(gate), leaf),
    await MqttClient.connected(placeOf(gate), other),
  ];
  const next = await MqttClient.connected(placeOf(gate), leaf);
  assert.equal((await first.hears('disconnect')).reasonCode, 0x8e);
  await first.ends();
  const old = await MqttClient.connected(placeOf(gate), leaf, 4);
  await next.ends();
  const newest = await MqttClient.connected(placeOf(gate), leaf, 4);
  await old.ends();
  for (const client of [stranger, newest]) {
    client.publish('streams/telemetry', '{"n":1}');
    await client.hears('puback');
  }
  await until(() => gate.connections.size === 2, 'the two are left');
});

test('what is being committed when its connection is taken over is stored', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const first = await MqttClient.connected(placeOf(gate), leaf);
  for (let messageId = 1; messageId <= 200; messageId++) {
    first.publish(`streams/telemetry/r-${messageId}`, '{"n":1}', { messageId });
  }
  await until(() => first.heard.length > 1, 'some are acknowledged');
  await MqttClient.connected(placeOf(gate), leaf);
  await first.ends();
  const acknowledged = first.heard.filter(({ cmd }) => cmd === 'puback').length;
  assert.ok((await gate.stored()).length >= acknowledged);
});

test('races of many connections with one identifier leave one', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const all = await Promise.all(Array.from({ length: 12 }, () => MqttClient.open(placeOf(gate), leaf)));
  for (const client of all) client.connect();
  await until(() => all.filter(({ closed }) => !closed).length === 1, 'one is left');
  const [left] = all.filter(({ closed }) => !closed);
  left?.publish('streams/telemetry', '{"n":1}');
  await left?.hears('puback');
});

test('however connections come and go, the newest of an identifier holds it: an older one that goes later frees nothing', () => {
  const step = fc.record({ come: fc.boolean(), id: fc.constantFrom('a', 'b'), which: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const takeovers = new Takeovers<{ id: string; takenOver(): void; over: boolean }>();
      const made: { id: string; takenOver(): void; over: boolean; left: boolean }[] = [];
      for (const { come, id, which } of steps) {
        if (come) {
          const held = { id, over: false, left: false, takenOver };
          function takenOver() {
            held.over = true;
          }
          takeovers.enter('certificate', id, held);
          made.push(held);
        } else {
          const held = made[which];
          if (held) takeovers.leave('certificate', held.id, held);
          if (held) held.left = true;
        }
        for (const name of ['a', 'b']) {
          const mine = made.filter((one) => one.id === name && !one.left);
          const standing = mine.filter(({ over }) => !over);
          assert.ok(standing.length <= 1, 'one at the most stands');
          const newest = made.filter((one) => one.id === name).at(-1);
          if (newest && !newest.left) assert.equal(newest.over, false);
        }
      }
    }),
  );
});
