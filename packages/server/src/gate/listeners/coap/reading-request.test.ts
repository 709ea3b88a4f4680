import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReasonCode, reasons } from '@portcullis/contract';
import { encode } from 'cbor2';
import { type KeySensor, reading, uriPath } from '../../../../test/key-sensor.ts';
import { OpenCoap } from '../../../../test/open-coap.ts';
import type { Message } from '../../../oscore/oscore.ts';
import { codeOf } from './codes.ts';

const option = (number: number, value: Buffer | string) => ({ number, value: Buffer.from(value) });
const format = (number: number) => [option(12, number === 0 ? Buffer.alloc(0) : Buffer.of(number))];
const post = (options: Message['options'], payload = '{}'): Message => ({
  ...{ code: 0x02, options },
  payload: Buffer.from(payload),
});

const streams = {
  telemetry: { kinds: ['device' as const], expect: { status: 'active' } },
  freezer: { kinds: ['device' as const], expect: { zone: 'cold' } },
  carried: { kinds: ['gateway' as const], expect: {} },
};

/** Each request, its code, and its words. */
const asked: [string, Message, number, string][] = [
  ['a reading in JSON', reading('telemetry', '{"c":1}'), 0x44, ''],
  ['the same, said to be JSON', reading('telemetry', '{"c":2}', format(50)), 0x44, ''],
  ['one in CBOR', reading('telemetry', Buffer.from(encode({ c: 3 })), format(60)), 0x44, ''],
  ['one in SenML', reading('telemetry', '[{"n":"c","v":4}]', format(110)), 0x44, ''],
  ['one in the CBOR of SenML', reading('telemetry', Buffer.from('81a20061630205', 'hex'), format(112)), 0x44, ''],
  ['two in SenML', reading('telemetry', '[{"n":"c","v":6,"t":-1},{"n":"c","v":7}]', format(110)), 0x44, ''],
  ['text', reading('telemetry', 'x', format(0)), 0x8f, 'media_type_unsupported'],
  ['a format of 5 bytes', reading('telemetry', '{}', [option(12, Buffer.alloc(5, 1))]), 0x8f, ''],
  ['no JSON', reading('telemetry', '{'), 0x80, 'reading_malformed'],
  ['no CBOR', reading('telemetry', Buffer.of(0xff), format(60)), 0x80, 'reading_malformed'],
  ['a NaN', reading('telemetry', Buffer.from('a16163f97e00', 'hex'), format(60)), 0x80, 'reading_malformed'],
  ['a reserved member', reading('telemetry', '{"_x":1}'), 0x96, 'reserved_member_misused'],
  ['an id of its own', reading('telemetry', '{"_id":"r-1","c":8}'), 0x44, ''],
  ['the same again', reading('telemetry', '{"_id":"r-1","c":8}'), 0x44, ''],
  ['the same id for another', reading('telemetry', '{"_id":"r-1","c":9}'), 0x96, 'reading_id_reused'],
  ['an attribute that is not set', reading('freezer', '{}'), 0x83, 'attribute_missing'],
  ['another kind', reading('carried', '{}'), 0x83, 'kind_not_admitted'],
  ['a stream that is not there', reading('nowhere', '{}'), 0x84, 'stream_unknown'],
  ['a path that is not there', post(uriPath('x', 'telemetry')), 0x84, ''],
  ['no path', post([]), 0x84, ''],
  ['a longer path', post(uriPath('s', 'telemetry', 'x')), 0x84, ''],
  ['a GET', { ...reading('telemetry', ''), code: 0x01 }, 0x85, ''],
  ['a query', post([...uriPath('s', 'telemetry'), option(15, 'a=b')]), 0x82, ''],
  ['an unknown critical option inside', post([...uriPath('s', 'telemetry'), option(2_049, '')]), 0x82, ''],
  ['an unknown elective option inside', post([...uriPath('s', 'telemetry'), option(2_050, '')], '{"c":10}'), 0x44, ''],
  ['a block of many, inside', post([...uriPath('s', 'telemetry'), option(27, Buffer.of(8))]), 0x82, ''],
];

async function all(coap: OpenCoap, sensor: KeySensor): Promise<void> {
  for (const [what, inner, code, words] of asked) {
    const datagram = sensor.request(inner);
    const bytes = await coap.exchange(datagram);
    const answer = sensor.opened(bytes);
    assert.deepEqual([answer.code.toString(16), answer.payload.toString()], [code.toString(16), words], what);
    assert.ok(bytes.length <= 3 * datagram.length, what);
  }
}

test('each request gets the code of its verdict, and the reason where there is one', async (context) => {
  const coap = await OpenCoap.open(context, { streams });
  const sensor = coap.sensor('sensor-1');
  await coap.introduce(sensor, reading('telemetry', '{"c":0}'));
  await all(coap, sensor);
  const stored = (await coap.front.stored()).map(({ c }) => c);
  assert.deepEqual(stored, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]);
});

test('P10: a sensor is told no more than other devices: of a suspension that it is not admitted', async (context) => {
  const coap = await OpenCoap.open(context);
  const sensor = coap.sensor('sensor-1');
  await coap.introduce(sensor, reading('telemetry', '{"c":0}'));
  const certificates = [{ fingerprint: coap.fingerprint(sensor), standing: 'suspended' as const }];
  const answered = coap.exchange(sensor.request(reading('telemetry', '{"c":1}')));
  coap.front.fed.change([{ subject: 'sensor-1', certificates }]);
  const answer = sensor.opened(await answered);
  assert.deepEqual([answer.code, answer.payload.toString()], [0x83, 'not_admitted']);
});

test('a gate without a lease says 5.03, and when it is worth asking again', async (context) => {
  const coap = await OpenCoap.open(context);
  const sensor = coap.sensor('sensor-1');
  await coap.introduce(sensor, reading('telemetry', '{"c":0}'));
  coap.front.lease.end();
  const answer = await coap.ask(sensor, reading('telemetry', '{"c":1}'));
  assert.deepEqual([answer.code, answer.payload.toString()], [0xa3, 'replica_stale']);
  assert.deepEqual(answer.options, [option(14, Buffer.of(10))]);
});

test('every reason has a code of CoAP of the same class as over HTTP', () => {
  for (const [reason, { status }] of Object.entries(reasons) as [ReasonCode, (typeof reasons)[ReasonCode]][]) {
    assert.equal(codeOf({ status }) >> 5, Math.floor(status / 100), reason);
    assert.ok(Buffer.byteLength(reason) <= 32, 'the words fit the answer');
  }
});
