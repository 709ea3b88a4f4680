import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reading } from '../../../../test/key-sensor.ts';
import { OpenCoap } from '../../../../test/open-coap.ts';
import { until } from '../../../../test/open-front.ts';

const hot = reading('telemetry', '{"c":21.5}');

test('readings of a sensor are judged and stored like those of every device, and a protected 2.04 says so', async (context) => {
  const coap = await OpenCoap.open(context);
  const sensor = coap.sensor('sensor-1');
  const answer = await coap.introduce(sensor, hot);
  assert.deepEqual([answer.code, answer.options, answer.payload.length], [0x44, [], 0]);
  assert.equal((await coap.ask(sensor, reading('telemetry', '{"c":22}'))).code, 0x44);
  assert.deepEqual(await coap.front.stored(), [{ c: 21.5 }, { c: 22 }]);
  assert.equal(coap.front.connections.countOf(Buffer.from(coap.fingerprint(sensor), 'hex')), 1);
  assert.equal(coap.front.verdicts.counters.admitted, 2);
});

test('P6: suspended while a reading of it waits: the reading is refused, the context forgotten, and it counts as closed', async (context) => {
  const coap = await OpenCoap.open(context);
  const sensor = coap.sensor('sensor-1');
  await coap.introduce(sensor, hot);
  const certificates = [{ fingerprint: coap.fingerprint(sensor), standing: 'suspended' as const }];
  coap.front.change({ subject: 'sensor-1', attributes: { status: { value: 'active' } }, certificates });
  assert.equal(coap.front.connections.closed, 1);
  await until(() => coap.front.connections.size === 0, 'the context is gone');
  const answer = await coap.exchange(sensor.request(hot));
  assert.equal(answer[1], 0x81, 'it is a stranger now');
  assert.equal((await coap.exchange(sensor.first()))[1], 0x81, 'and stays one');
  assert.deepEqual(await coap.front.stored(), [{ c: 21.5 }]);
});
