/** Bytes that say they are seals or acknowledgements, whatever they are: read, or refused in words; never thrown over, never believed. */
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { PortcullisError, type SealForm, sealTypes } from '@portcullis/contract';
import fc from 'fast-check';
import { bodyOf, makeSeal, messageRefused, messagesIn, openAcknowledgement, readSeal, type Sealed } from '../seal.ts';
import { type CborKey, CborReader, type CborValue, writeCbor } from './cbor.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));
const publicKey = createPublicKey(privateKey);
const certificate = Buffer.from('any bytes: only their hash is looked at');
const form = fc.constantFrom<SealForm>('jws', 'cose');
const sealed = fc.record({
  stream: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,62}$/).map((name) => name as Sealed['stream']),
  run: fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/),
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  time: fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }),
  payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});
const noise = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat({ max: 3 }), put: noise });

function judged(bytes: Buffer, as: SealForm): string {
  const read = readSeal(bytes, as);
  const refused = 'refused' in read ? read : messageRefused(read.message, publicKey);
  if (!refused) return 'signed';
  assert.ok(refused.detail.length > 0 && refused.detail.length < 1_000, refused.detail);
  return refused.refused;
}

const base64url = (value: string | Buffer) => Buffer.from(value).toString('base64url');
const member = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string(), { maxLength: 3 }));
const header = fc.record(
  {
    alg: fc.oneof(fc.constantFrom('ES256', 'EdDSA', 'none'), member),
    typ: fc.oneof(fc.constant(sealTypes.jws), member),
    'x5t#S256': fc.oneof(fc.constant('A'.repeat(43)), member),
    ...{ x5c: member, crit: member, stream: member, run: member, seq: member, time: member, jwk: member },
  },
  { requiredKeys: [] },
);
const cborKey = fc.oneof(fc.integer({ min: -70_000, max: 70_000 }), fc.string({ maxLength: 8 }));
const cborLeaf = fc.oneof(
  fc.integer({ min: Number.MIN_SAFE_INTEGER + 1, max: Number.MAX_SAFE_INTEGER }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  noise,
);
const cbor = fc.oneof(
  cborLeaf,
  fc.array(cborLeaf, { maxLength: 20 }),
  fc.array(fc.tuple(cborKey, cborLeaf), { maxLength: 20 }).map((entries) => new Map<CborKey, CborValue>(entries)),
);

export const sealProperties = {
  'any bytes are refused as a seal': fc.property(noise, form, (bytes, as) => {
    assert.notEqual(judged(bytes, as), 'signed');
  }),
  'a seal that was made is read as it was, and one that was changed anywhere is not signed': fc.property(
    ...[sealed, form, edit],
    (made, as, { at, cut, put }) => {
      const bytes = makeSeal(as, { key, certificate }, made);
      const read = readSeal(bytes, as);
      assert.ok(!('refused' in read), JSON.stringify(read));
      const { payload, ...members } = made;
      assert.deepEqual([read.members, read.message.payload.equals(payload)], [members, true]);
      assert.equal(judged(bytes, as), 'signed');
      const from = Math.floor(at * bytes.length);
      const changed = Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + cut)]);
      if (!changed.equals(bytes) && !(as === 'cose' && bytes.subarray(1).equals(changed)))
        assert.notEqual(judged(changed, as), 'signed');
    },
  ),
  'a header of a JWS may say what it likes': fc.property(header, noise, (said, payload) => {
    const bytes = Buffer.from(`${base64url(JSON.stringify(said))}.${base64url(payload)}.${'A'.repeat(86)}`);
    assert.notEqual(judged(bytes, 'jws'), 'signed');
  }),
  'a protected header of a COSE_Sign1 may be any bytes': fc.property(noise, noise, (head, payload) => {
    const parts = [writeCbor(head), Buffer.from([0xa0]), writeCbor(payload), writeCbor(Buffer.alloc(64))];
    assert.notEqual(judged(Buffer.concat([Buffer.from([0x84]), ...parts]), 'cose'), 'signed');
  }),
  'CBOR that was written is read as it was': fc.property(cbor, (value) => {
    const reader = new CborReader(writeCbor(value));
    assert.deepEqual(reader.value(), value);
    assert.ok(reader.done);
  }),
  'a body is so many messages at most, each a part of it': fc.property(
    noise,
    form,
    fc.nat({ max: 5 }),
    (body, as, max) => {
      const found = messagesIn(body, as, max);
      assert.ok(found.length <= max + 1);
      assert.ok(found.reduce((sum, one) => sum + one.length, 0) <= body.length);
    },
  ),
  'messages that were put together are found again': fc.property(
    fc.array(sealed, { maxLength: 4 }),
    form,
    (all, as) => {
      const seals = all.map((one) => makeSeal(as, { key, certificate }, one));
      assert.deepEqual(messagesIn(bodyOf(seals, as), as), seals);
    },
  ),
  'no bytes are an acknowledgement, and they are refused as such': fc.property(
    noise,
    form,
    sealed,
    (bytes, as, made) => {
      const trust = { roots: '', fleet: 'plant', now: 0, since: 0 };
      for (const one of [bytes, makeSeal(as, { key, certificate, brings: true }, made)])
        assert.throws(
          () => openAcknowledgement(one, as, trust),
          (error) => error instanceof PortcullisError && error.code === 'acknowledgement_not_verified',
        );
    },
  ),
};
