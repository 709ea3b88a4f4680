import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { home, Place, stored } from '../../../../test/coap-place.ts';
import { fingerprintNamed } from '../../../../test/fed-replica.ts';
import { KeySensor, parsed, reading, uriPath } from '../../../../test/key-sensor.ts';
import { messageTypes, writeDatagram } from '../../../oscore/oscore.ts';
import { datagramBytesMax } from './endpoint.ts';
import type { KeyContext } from './key-context.ts';

test('a sensor makes a context by two requests, and goes on with its key id alone', async () => {
  const place = new Place();
  const first = await place.mustAnswer(place.sensor.first(reading('temperature', '{"c":0}')));
  assert.equal(place.asked.length, 0, 'what may be an old request is not done');
  const second = place.sensor.second(first, reading('temperature', '{"c":1}'));
  assert.equal(place.sensor.opened(await place.mustAnswer(second)).code, 0x44);
  const third = place.sensor.request(reading('temperature', '{"c":2}'));
  const answer = await place.mustAnswer(third);
  assert.equal(place.sensor.opened(answer).code, 0x44);
  assert.deepEqual(
    place.asked.map(({ opened }) => opened.inner.payload.toString()),
    ['{"c":1}', '{"c":2}'],
  );
  assert.equal(place.authority.asked, 3, 'the authority is asked for each context once');
  const { outer, ...unprotected } = { ...parsed(third), ...reading('temperature', '{"c":2}'), outer: third };
  assert.equal(outer.length - writeDatagram(unprotected).length, 13 + place.sensor.keyId.length);
});

test('a repeated datagram gets the same bytes again, however it comes, and is done once', async () => {
  const place = new Place();
  await place.introduce();
  const datagram = place.sensor.request(reading('temperature', '{"c":2}'));
  const answer = await place.mustAnswer(datagram);
  assert.deepEqual(await place.mustAnswer(datagram), answer);
  // A proxy says it anew: with another message id, another token, from another port.
  const renumbered = writeDatagram({ ...parsed(datagram), messageId: 900, token: Buffer.of(9) });
  const again = parsed(await place.mustAnswer(renumbered, { ...home, port: 9 }));
  assert.deepEqual([again.messageId, again.token], [900, Buffer.of(9)]);
  assert.deepEqual(again.payload, parsed(answer).payload);
  assert.equal(place.asked.length, 2);
});

test('a repeat of what is under way waits for its answer in silence', async () => {
  const place = new Place();
  await place.introduce();
  place.answersAtOnce = false;
  const datagram = place.sensor.request(reading('temperature', '{"c":2}'));
  assert.equal(await place.exchange(datagram), undefined);
  assert.equal(await place.exchange(datagram), undefined);
  place.asked.at(-1)?.answer(stored);
  assert.equal(place.sensor.opened(place.sent[0] as Buffer).code, 0x44);
  assert.equal(place.asked.length, 2);
});

test('CoAP: a replayed datagram, whose answer is not kept any more, and one with its number and other bytes: 4.01', async () => {
  const place = new Place();
  await place.introduce();
  const old = place.sensor.request(reading('temperature', '{"c":2}'));
  await place.mustAnswer(old);
  const other = parsed(old);
  const changed = writeDatagram({ ...other, payload: Buffer.concat([other.payload.subarray(0, -1), Buffer.of(0)]) });
  assert.equal(await place.code(changed), 0x81);
  for (let count = 0; count < 70; count++) await place.mustAnswer(place.sensor.request(reading('temperature', '{}')));
  assert.equal(await place.code(old), 0x81);
  assert.equal(place.count('replayed'), 2);
  assert.equal(place.asked.length, 72);
});

test('CoAP: reordered datagrams are taken within the window, and a jump of the window is one', async () => {
  const place = new Place();
  await place.introduce();
  const [one, two, ...more] = Array.from({ length: 34 }, () => place.sensor.request(reading('temperature', '{}')));
  assert.equal(parsed(await place.mustAnswer(more[31] as Buffer)).code, 0x44);
  assert.equal(parsed(await place.mustAnswer(two as Buffer)).code, 0x81, 'below the window');
  assert.equal(parsed(await place.mustAnswer(more[1] as Buffer)).code, 0x44, 'in the window');
  assert.equal(parsed(await place.mustAnswer(one as Buffer)).code, 0x81);
});

test('CoAP: a wrong tag, a cut payload and another key: 4.00, nothing is learned from it', async () => {
  const place = new Place();
  await place.introduce();
  const datagram = place.sensor.request(reading('temperature', '{"c":2}'));
  for (const at of [1, 4, 8]) {
    const spoilt = Buffer.from(datagram);
    spoilt[spoilt.length - at] = (spoilt.at(-at) as number) ^ 1;
    assert.equal(await place.code(spoilt), 0x80);
  }
  assert.equal(await place.code(datagram.subarray(0, -3)), 0x80);
  assert.equal(place.count('not_authentic'), 4);
  assert.equal(parsed(await place.mustAnswer(datagram)).code, 0x44, 'the genuine one is taken all the same');
});

test('CoAP: who has no context is told 4.01 without protection; so a sensor begins anew after a restart of the gate', async () => {
  const place = new Place();
  await place.introduce();
  const after = new Place();
  const answer = parsed(await after.mustAnswer(place.sensor.request(reading('temperature', '{}'))));
  assert.deepEqual([answer.code, answer.options.map(({ number }) => number)], [0x81, [14]]);
  assert.equal(after.authority.asked, 0);
});

test('CoAP: a recorded second request is no context for another gate, and none for this one after its minute', async () => {
  const place = new Place();
  const second = await place.introduce();
  const other = new Place();
  Object.assign(other.sensor.master, place.sensor.master);
  assert.equal(await other.code(second), 0x81);
  place.contexts.of(place.sensor.keyId)?.drop();
  assert.equal(await place.code(second), 0x81, 'it was taken');
  place.clock += 600_000;
  assert.equal(await place.code(second), 0x81, 'its time is over');
  assert.equal(place.asked.length, 1);
});

test('CoAP: a recorded first request gets challenges that nobody can answer, and fills nothing', async () => {
  const place = new Place();
  const first = place.sensor.first();
  const [one, two] = [await place.mustAnswer(first), await place.mustAnswer(first)];
  assert.notDeepEqual(parsed(one).options, parsed(two).options, 'a challenge is made once');
  assert.equal(place.contexts.size, 0);
  const forged = new KeySensor(place.sensor.keyId);
  assert.equal(await place.code(forged.first()), 0x80);
});

test('CoAP: keys that the replica has not, or has as not valid, ask the authority for nothing', async () => {
  const place = new Place();
  for (let count = 0; count < 100; count++) {
    assert.equal(await place.code(new KeySensor(randomBytes(3)).first()), 0x81);
  }
  assert.equal(place.authority.asked, 0);
});

test('CoAP: a flood of first requests asks the authority so often and no more, and others are served meanwhile', async () => {
  const place = new Place();
  const thief = new KeySensor(place.sensor.keyId);
  for (let count = 0; count < 500; count++) place.endpoint.receive(thief.first(), { address: '198.51.100.7', port: 1 });
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(place.authority.asked, 8);
  await place.introduce();
});

test('CoAP: an authority that does not answer: 5.03 with a Max-Age, and the next try is another', async () => {
  const place = new Place();
  place.authority.isDown = true;
  const answer = parsed(await place.mustAnswer(place.sensor.first()));
  assert.deepEqual([answer.code, answer.options[0]?.value], [0xa3, Buffer.of(10)]);
  place.authority.isDown = false;
  await place.introduce();
});

test('CoAP: spoofed sources: what comes from elsewhere with a valid tag is answered there once, in fewer bytes', async () => {
  const place = new Place();
  await place.introduce();
  const datagram = place.sensor.request(reading('temperature', '{"c":2}'));
  const answer = await place.mustAnswer(datagram, { address: '203.0.113.9', port: 53 });
  assert.ok(answer.length < datagram.length);
});

const header = (first: number, code: number) => Buffer.of(first, code, 0, 1);
const option = (number: number, value = '') => ({ number, value: Buffer.from(value) });
const plain = (options: { number: number; value: Buffer }[], code = 0x02, payload = 'x') =>
  writeDatagram({
    ...{ type: messageTypes.confirmable, messageId: 1, token: Buffer.of(1), code },
    ...{ options, payload: Buffer.from(payload) },
  });
const protectedBy = (hex: string) => ({ number: 9, value: Buffer.from(hex, 'hex') });

/** Each datagram, and the code of its answer: 0 a Reset, undefined none. */
const malformed: [string, Buffer, number | undefined][] = [
  ['nothing at all', Buffer.alloc(0), undefined],
  ['three bytes', Buffer.of(0x40, 2, 0), undefined],
  ['another version', header(0x80, 2), undefined],
  ['a ping', header(0x40, 0), 0],
  ['an empty message with bytes behind it', Buffer.concat([header(0x40, 0), Buffer.of(1)]), 0],
  ['an answer that nobody asked for', header(0x40, 0x45), 0],
  ['the same without asking for an acknowledgement', header(0x50, 0x45), undefined],
  ['an acknowledgement', header(0x60, 0), undefined],
  ['a reset', header(0x70, 0), undefined],
  ['a token of 9 bytes', Buffer.concat([header(0x49, 2), Buffer.alloc(9)]), 0],
  ['a token that is cut off', header(0x44, 2), 0],
  ['an option that is cut off', Buffer.concat([header(0x40, 2), Buffer.of(0xb5, 1)]), 0],
  ['a reserved delta', Buffer.concat([header(0x40, 2), Buffer.of(0xf0)]), 0],
  ['a reserved length', Buffer.concat([header(0x40, 2), Buffer.of(0xbf)]), 0],
  ['a marker without a payload', Buffer.concat([header(0x40, 2), Buffer.of(0xff)]), 0],
  ['the same without asking for an acknowledgement', Buffer.concat([header(0x50, 2), Buffer.of(0xff)]), undefined],
  ['a plain request', plain(uriPath('s', 'temperature')), 0x81],
  ['a plain GET', plain(uriPath('.well-known', 'core'), 0x01, ''), 0x81],
  ['an unknown critical option', plain([option(2_049, 'x')]), 0x82],
  ['an unknown elective option', plain([option(2_050, 'x')]), 0x81],
  ['a first block of many', plain([...uriPath('s'), option(27, '\x08')]), 0x82],
  ['a block asked for', plain([...uriPath('s'), option(23, '\x06')]), 0x82],
  ['a block of RFC 9177', plain([...uriPath('s'), option(19, '\x08')]), 0x82],
  ['a request for another host', plain([option(35, 'coap://192.0.2.9/x')]), 0xa5],
  ['a request for a scheme', plain([option(39, 'coap')]), 0xa5],
  ['two hosts', plain([option(3, 'one'), option(3, 'two')]), 0x82],
  ['an OSCORE option without key id and number', plain([protectedBy('')]), 0x82],
  ['one of a zero', plain([protectedBy('00')]), 0x82],
  ['one without a key id', plain([protectedBy('0101')]), 0x82],
  ['one with reserved flags', plain([protectedBy('e90101')]), 0x82],
  ['one with a number of 6 bytes', plain([protectedBy('0e01020304050601')]), 0x82],
  ['one with a key id of 8 bytes', plain([protectedBy('09010102030405060708')]), 0x82],
  ['one whose kid context is cut off', plain([protectedBy('190108aa')]), 0x82],
  ['two of them', plain([protectedBy('0901a1b2c3'), protectedBy('0901a1b2c3')]), 0x82],
  ['a kid context that is no byte string of CBOR', plain([protectedBy('190102ffffa1b2c3')]), 0x81],
  ['a kid context of one byte', plain([protectedBy('19010241aaa1b2c3')]), 0x81],
  ['an unknown key', plain([protectedBy('0901ff')]), 0x81],
];

test('CoAP: malformed datagrams get what the RFCs say, and never more bytes than they have', async () => {
  const place = new Place();
  for (const [what, datagram, expected] of malformed) {
    const answer = await place.exchange(datagram);
    assert.equal(answer && parsed(answer).code, expected, what);
    assert.ok((answer?.length ?? 0) <= Math.max(datagram.length, 8), what);
  }
  assert.equal(place.asked.length, 0);
  await place.introduce();
});

test('CoAP: a datagram above the bound is refused by its head', async () => {
  const place = new Place();
  await place.introduce();
  const large = reading('temperature', 'x'.repeat(datagramBytesMax));
  assert.equal(await place.code(place.sensor.request(large)), 0x8d);
  const options = Array.from({ length: 20_000 }, () => option(2_050));
  assert.equal(await place.code(plain(options)), 0x8d);
});

test('a context gives way to a newer one of its key, and to others when there is no room', async () => {
  const place = new Place(1);
  await place.introduce();
  const before = place.contexts.of(place.sensor.keyId);
  await place.introduce();
  assert.notEqual(place.contexts.of(place.sensor.keyId), before);
  assert.deepEqual([place.contexts.size, place.connections.size, place.contexts.displaced], [1, 1, 0]);
  await place.introduce(reading('temperature', '{}'), place.another(Buffer.of(1)));
  assert.deepEqual([place.contexts.size, place.connections.size, place.contexts.displaced], [1, 1, 1]);
  assert.equal(await place.code(place.sensor.request(reading('temperature', '{}'))), 0x81);
});

test('a context that was not heard for a week is forgotten, and those that were are not', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const place = new Place();
  await place.introduce();
  const other = place.another(Buffer.of(1));
  await place.introduce(reading('temperature', '{}'), other);
  place.clock += 6 * 86_400_000;
  await place.mustAnswer(place.sensor.request(reading('temperature', '{}')));
  place.clock += 2 * 86_400_000;
  context.mock.timers.tick(60_000);
  assert.deepEqual([place.contexts.of(other.keyId), place.contexts.size, place.connections.size], [undefined, 1, 1]);
});

test('P8: what is under way when the gate stops is answered before the last context goes', async () => {
  const place = new Place();
  await place.introduce();
  place.answersAtOnce = false;
  await place.exchange(place.sensor.request(reading('temperature', '{}')));
  const closed = place.contexts.close();
  place.asked.at(-1)?.answer(stored);
  assert.equal(place.sensor.opened(place.sent[0] as Buffer).code, 0x44);
  await closed;
  assert.equal(place.connections.size, 0);
});

test('a context does not outlive its key credential', async () => {
  const place = new Place();
  const certificates = [{ fingerprint: fingerprintNamed('sensor-1'), notAfter: place.fed.clock.now - 1 }];
  place.fed.change([{ subject: 'sensor-1', certificates }]);
  await place.introduce();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([place.connections.closed, place.connections.size, place.contexts.size], [1, 0, 0]);
});

test('P6: a context that is ended is gone with its keys: what comes next is from a stranger', async () => {
  const place = new Place();
  await place.introduce();
  const context = place.contexts.of(place.sensor.keyId) as KeyContext;
  place.answersAtOnce = false;
  await place.exchange(place.sensor.request(reading('temperature', '{}')));
  context.end();
  assert.equal(place.connections.size, 1, 'what is under way is answered first');
  place.asked.at(-1)?.answer(stored);
  assert.equal(place.sensor.opened(place.sent[0] as Buffer).code, 0x44);
  assert.deepEqual([place.connections.size, place.contexts.size], [0, 0]);
  assert.equal(await place.code(place.sensor.request(reading('temperature', '{}'))), 0x81);
});
