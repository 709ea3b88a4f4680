import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { nonceOf } from './context.ts';
import {
  deriveContext,
  type Message,
  openAnswer,
  openRequest,
  protectAnswer,
  protectRequest,
  ReplayWindow,
  wipe,
} from './oscore.ts';
import { aadOf } from './protect.ts';

const masterSecret = Buffer.alloc(16, 7);
const [one, two] = [Buffer.from([1]), Buffer.alloc(0)];
const ends = () => ({
  client: deriveContext({ masterSecret, senderId: one, recipientId: two }),
  server: deriveContext({ masterSecret, senderId: two, recipientId: one }),
});
const reading: Message = {
  code: 0x02,
  options: [
    { number: 11, value: Buffer.from('s') },
    { number: 11, value: Buffer.from('cold') },
    { number: 12, value: Buffer.from([60]) },
  ],
  payload: Buffer.from('{"celsius":-18.5}'),
};

const refusedWith = (opened: object) => ('refused' in opened ? opened.refused : 'opened');

test('a request opens at the other end alone, once, and its number is learnt from nothing that is not authentic', () => {
  const { client, server } = ends();
  const window = new ReplayWindow(32);
  const { outer } = protectRequest(client, 5, reading);
  const forged = { ...outer, payload: Buffer.from(outer.payload) };
  forged.payload[0] = (forged.payload[0] as number) ^ 1;
  assert.equal(refusedWith(openRequest(server, forged, window)), 'not_authentic');
  const opened = openRequest(server, outer, window);
  assert.ok('inner' in opened);
  assert.deepEqual(opened.inner, reading);
  assert.equal(refusedWith(openRequest(server, outer, window)), 'replayed');
  assert.equal(refusedWith(openRequest(client, outer)), 'not_authentic', 'its own end does not take it for the other');
});

test('each bit of a protected request counts: option, ciphertext, tag', () => {
  const { client, server } = ends();
  const { outer } = protectRequest(client, 300, reading);
  const [option] = outer.options;
  for (const bytes of [option?.value as Buffer, outer.payload]) {
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      assert.notEqual(refusedWith(openRequest(server, outer)), 'opened', `bit ${bit}`);
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
    }
  }
  assert.equal(refusedWith(openRequest(server, outer)), 'opened');
});

test('an answer belongs to its request', () => {
  const { client, server } = ends();
  const [first, second] = [protectRequest(client, 1, reading), protectRequest(client, 2, reading)];
  for (const own of [undefined, { number: 9 }]) {
    const answer = protectAnswer(server, first.piv, { code: 0x44, options: [], payload: Buffer.alloc(0) }, own);
    const opened = openAnswer(client, first.piv, answer);
    assert.ok(!('refused' in opened));
    assert.equal(opened.code, 0x44);
    assert.equal(refusedWith(openAnswer(client, second.piv, answer)), 'not_authentic');
  }
});

test('what a proxy has to read stays outside, and nothing else does', () => {
  const { client, server } = ends();
  const options = [
    { number: 3, value: Buffer.from('gate.example') },
    ...reading.options,
    { number: 35, value: Buffer.from('coap://gate.example') },
  ];
  const { outer } = protectRequest(client, 0, { ...reading, options });
  assert.deepEqual(
    outer.options.map(({ number }) => number),
    [3, 35, 9],
  );
  const opened = openRequest(server, {
    ...outer,
    // What somebody on the way adds outside is no part of the message.
    options: [...outer.options, { number: 11, value: Buffer.from('elsewhere') }],
  });
  assert.ok('inner' in opened);
  assert.deepEqual(opened.inner.options, reading.options);
});

test('a request without protection, kid, number or ciphertext is refused, by the word that the answer needs', () => {
  const { client, server } = ends();
  const { outer } = protectRequest(client, 1, reading);
  const withOption = (...values: number[][]) => ({
    ...outer,
    options: values.map((value) => ({ number: 9, value: Buffer.from(value) })),
  });
  const rows: [Message, string][] = [
    [withOption(), 'no_protection'],
    [withOption([0x09, 1, 1], [0x09, 1, 1]), 'malformed'],
    [withOption([0x01, 1]), 'malformed'],
    [withOption([0x08, 1]), 'malformed'],
    [withOption([]), 'malformed'],
    [withOption([0x09, 1, 2]), 'not_authentic'],
    [{ ...outer, payload: Buffer.alloc(8) }, 'malformed'],
    [{ ...outer, payload: Buffer.alloc(0) }, 'malformed'],
  ];
  for (const [message, word] of rows) assert.equal(refusedWith(openRequest(server, message)), word);
});

test('a plaintext that is no message is refused, though its sender had the key', () => {
  const { client, server } = ends();
  const piv = Buffer.from([1]);
  const sealed = (plaintext: Buffer): Message => {
    const sealing = createCipheriv('aes-128-ccm', client.senderKey, nonceOf(client, one, piv), { authTagLength: 8 });
    sealing.setAAD(aadOf(one, piv), { plaintextLength: plaintext.length });
    const payload = Buffer.concat([sealing.update(plaintext), sealing.final(), sealing.getAuthTag()]);
    return { code: 0x02, options: [{ number: 9, value: Buffer.from([0x09, 1, 1]) }], payload };
  };
  assert.equal(refusedWith(openRequest(server, sealed(Buffer.from([0x02, 0xb1, 0x73])))), 'opened');
  for (const plaintext of [
    [0x02, 0xff],
    [0x02, 0xb2, 0x73],
    [0x02, 0xf1, 0x73],
    [0x02, 0xe0, 0xff, 0xff],
  ]) {
    assert.equal(refusedWith(openRequest(server, sealed(Buffer.from(plaintext)))), 'malformed');
  }
});

test('a wiped context has no key any more: it opens nothing and protects nothing', () => {
  const { client, server } = ends();
  const { outer } = protectRequest(client, 1, reading);
  for (const context of [client, server]) {
    wipe(context);
    const secrets = [context.senderKey, context.recipientKey, context.commonIv];
    assert.ok(secrets.every((secret) => secret.every((byte) => byte === 0)));
  }
  assert.equal(refusedWith(openRequest(server, outer)), 'not_authentic');
  assert.throws(() => protectRequest(client, 2, reading), /wiped/);
});
