/** The vectors of RFC 8613 appendix C, and what another implementation (aiocoap 0.4.17) sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nonceOf } from './context.ts';
import {
  contextFrom,
  type Datagram,
  deriveContext,
  openAnswer,
  openRequest,
  parseDatagram,
  protectAnswer,
  protectRequest,
  type SecurityContext,
  writeDatagram,
} from './oscore.ts';
import { aadOf } from './protect.ts';

const hex = (text: string) => Buffer.from(text, 'hex');
const masterSecret = hex('0102030405060708090a0b0c0d0e0f10');
const salt = hex('9e7ca92223786340');
const zero = hex('00');

interface Vector {
  name: string;
  salted: boolean;
  ids: [client: string, server: string];
  idContext?: string;
  keys: [client: string, server: string, iv: string];
  nonces: [client: string, server: string];
}

const vectors: Vector[] = [
  {
    name: 'C.1, with a master salt',
    salted: true,
    ids: ['', '01'],
    keys: ['f0910ed7295e6ad4b54fc793154302ff', 'ffb14e093c94c9cac9471648b4f98710', '4622d4dd6d944168eefb54987c'],
    nonces: ['4622d4dd6d944168eefb54987c', '4722d4dd6d944169eefb54987c'],
  },
  {
    name: 'C.2, without one',
    salted: false,
    ids: ['00', '01'],
    keys: ['321b26943253c7ffb6003b0b64d74041', 'e57b5635815177cd679ab4bcec9d7dda', 'be35ae297d2dace910c52e99f9'],
    nonces: ['bf35ae297d2dace910c52e99f9', 'bf35ae297d2dace810c52e99f9'],
  },
  {
    name: 'C.3, with an ID context',
    salted: true,
    ids: ['', '01'],
    idContext: '37cbf3210017a2d3',
    keys: ['af2a1300a5e95788b356336eeecd2b92', 'e39a0c7c77b43f03b4b39ab9a268699f', '2ca58fb85ff1b81c0b7181b85e'],
    nonces: ['2ca58fb85ff1b81c0b7181b85e', '2da58fb85ff1b81d0b7181b85e'],
  },
];

function endsOf({ salted, ids, idContext }: Vector): { client: SecurityContext; server: SecurityContext } {
  const [client, server] = ids.map(hex) as [Buffer, Buffer];
  const parts = {
    masterSecret,
    ...(salted ? { salt } : {}),
    idContext: idContext === undefined ? undefined : hex(idContext),
  };
  return {
    client: deriveContext({ ...parts, senderId: client, recipientId: server }),
    server: deriveContext({ ...parts, senderId: server, recipientId: client }),
  };
}

test('keys, common IV and nonces are those of RFC 8613 C.1 to C.3, for both ends', () => {
  for (const vector of vectors) {
    const { client, server } = endsOf(vector);
    const seen = [client.senderKey, client.recipientKey, client.commonIv].map((bytes) => bytes.toString('hex'));
    assert.deepEqual(seen, vector.keys, vector.name);
    assert.deepEqual([server.recipientKey, server.senderKey, server.commonIv], vector.keys.map(hex), vector.name);
    const nonces = [nonceOf(client, client.senderId, zero), nonceOf(client, client.recipientId, zero)];
    assert.deepEqual(nonces, vector.nonces.map(hex), vector.name);
  }
});

const parsed = (text: string): Datagram => {
  const datagram = parseDatagram(hex(text));
  assert.ok(!('refused' in datagram), JSON.stringify(datagram));
  return datagram;
};

test('requests are protected byte for byte as in RFC 8613 C.4 to C.6, and opened again', () => {
  const rows = [
    [
      0,
      undefined,
      '44015d1f00003974396c6f63616c686f737483747631',
      '44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e',
    ],
    [
      1,
      undefined,
      '440171c30000b932396c6f63616c686f737483747631',
      '440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0',
    ],
    [
      2,
      '37cbf3210017a2d3',
      '44012f8eef9bbf7a396c6f63616c686f737483747631',
      '44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3',
    ],
  ] as const;
  for (const [index, kidContext, plain, secured] of rows) {
    const { client, server } = endsOf(vectors[index] as Vector);
    const message = parsed(plain);
    const { outer } = protectRequest(client, 20, message, kidContext === undefined ? undefined : hex(kidContext));
    assert.equal(writeDatagram({ ...message, ...outer }).toString('hex'), secured);
    const opened = openRequest(server, parsed(secured));
    assert.ok('inner' in opened);
    assert.equal(opened.inner.code, 0x01);
    assert.deepEqual(opened.inner.options, [{ number: 11, value: Buffer.from('tv1') }]);
  }
});

test('answers are protected byte for byte as in RFC 8613 C.7 and C.8, and opened again', () => {
  const { client, server } = endsOf(vectors[0] as Vector);
  const answer = parsed('64455d1f00003974ff48656c6c6f20576f726c6421');
  const piv = hex('14');
  const rows = [
    [undefined, '64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106'],
    [{ number: 0 }, '64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e'],
  ] as const;
  for (const [own, secured] of rows) {
    const outer = protectAnswer(server, piv, answer, own);
    assert.equal(writeDatagram({ ...answer, ...outer }).toString('hex'), secured);
    const opened = openAnswer(client, piv, parsed(secured));
    assert.ok(!('refused' in opened));
    assert.equal(opened.code, 0x45);
    assert.equal(opened.payload.toString(), 'Hello World!');
  }
});

test('what aiocoap sent is opened, with keys derived here or handed over', () => {
  const [senderId, recipientId] = [hex('02'), hex('01')];
  const derived = deriveContext({ masterSecret, salt, senderId, recipientId });
  const handed = contextFrom({
    senderKey: hex('b441b78a5bb4319d845d7a323b5aa251'),
    recipientKey: hex('ffb14e093c94c9cac9471648b4f98710'),
    commonIv: hex('4622d4dd6d944168eefb54987c'),
    senderId,
    recipientId,
  });
  assert.equal(nonceOf(derived, recipientId, zero).toString('hex'), '4722d4dd6d944169eefb54987c');
  assert.equal(aadOf(recipientId, zero).toString('hex'), '8368456e63727970743040498501810a4101410040');
  const outer = {
    code: 0x02,
    options: [{ number: 9, value: hex('090001') }],
    payload: hex('0a0229fccdd8f4317aa9a15b49b046ee2e1de1f2a09965d7aecc5e7e869f688d'),
  };
  for (const context of [derived, handed]) {
    const opened = openRequest(context, outer);
    assert.ok('inner' in opened);
    assert.equal(opened.number, 0);
    assert.equal(opened.inner.code, 0x02);
    assert.deepEqual(opened.inner.options, [{ number: 11, value: Buffer.from('r') }]);
    assert.equal(opened.inner.payload.toString(), '20-byte reading.....');
  }
});
