/** A seal says whose reading it is, whoever carries it; what is signed by others, or is not as the RFCs have it, is refused by name. */
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, sign, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { cdeDecodeOptions, cdeEncodeOptions, decode, encode } from 'cbor2';
import { CompactSign, compactVerify, decodeProtectedHeader } from 'jose';
import { makeTestFleet } from '../../test/certificates.ts';
import {
  bodyOf,
  makeSeal,
  messageRefused,
  messagesIn,
  readSeal,
  type Sealed,
  type SealSigner,
  sealNameOf,
} from '../seal.ts';
import { toBeSigned } from './cose.ts';

const fleet = makeTestFleet();
const leaf = fleet.deviceIssuer.issue({ uri: 'device/pump-1', purposes: ['clientAuth'] });
const certificate = new X509Certificate(leaf.certificate).raw;
const signer: SealSigner = { key: createPrivateKey(leaf.key), certificate };
const publicKey = createPublicKey(signer.key);
const ed25519 = generateKeyPairSync('ed25519');
const payload = Buffer.from('{"t":21.5,"_id":"a"}');
const sealed: Sealed = { stream: 'telemetry' as Sealed['stream'], run: '0', seq: 41, time: 1_764_289_200_123, payload };
const forms = ['jws', 'cose'] as const;

const keyTypes = { 'ML-DSA-44': 'ml-dsa-44', 'ML-DSA-65': 'ml-dsa-65', 'ML-DSA-87': 'ml-dsa-87' } as const;

const whyNot = (bytes: Buffer, form: (typeof forms)[number], key = publicKey) => {
  const read = readSeal(bytes, form);
  return 'refused' in read ? read : messageRefused(read.message, key);
};

for (const form of forms) {
  test(`${form}: what was sealed is read again, and is signed by its key alone`, () => {
    const bytes = makeSeal(form, signer, sealed);
    const read = readSeal(bytes, form);
    assert.ok(!('refused' in read), JSON.stringify(read));
    const { payload: _, ...members } = sealed;
    assert.deepEqual(read.members, members);
    assert.equal(read.message.payload.toString(), payload.toString());
    assert.equal(read.thumbprint.toString('hex'), hash('sha256', certificate));
    assert.equal(messageRefused(read.message, publicKey), undefined);
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    assert.equal(messageRefused(read.message, other)?.refused, 'seal_signature_wrong');
    assert.equal(messageRefused(read.message, ed25519.publicKey)?.refused, 'seal_algorithm_refused');
  });

  test(`${form}: Ed25519 too; a key of another curve seals nothing`, () => {
    const bytes = makeSeal(form, { key: ed25519.privateKey, certificate }, sealed);
    assert.equal(whyNot(bytes, form, ed25519.publicKey), undefined);
    assert.equal(whyNot(bytes, form)?.refused, 'seal_algorithm_refused');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    assert.throws(() => makeSeal(form, { key: privateKey, certificate }, sealed), TypeError);
  });

  for (const name of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const) {
    test(`${form}: ${name} too, by the number and the name of RFC 9964`, async () => {
      const pair = generateKeyPairSync(keyTypes[name]);
      const bytes = makeSeal(form, { key: pair.privateKey, certificate }, sealed);
      assert.equal(whyNot(bytes, form, pair.publicKey), undefined);
      assert.equal(whyNot(bytes, form)?.refused, 'seal_algorithm_refused');
      const other = generateKeyPairSync(keyTypes[name]).publicKey;
      assert.equal(whyNot(bytes, form, other)?.refused, 'seal_signature_wrong');
      assert.equal(whyNot(bytes.subarray(0, -4), form, pair.publicKey)?.refused, 'seal_malformed');
      if (form === 'jws') {
        const { payload: read } = await compactVerify(bytes, pair.publicKey, { algorithms: [name] });
        assert.deepEqual(Buffer.from(read), payload);
      } else {
        const { contents } = decode(new Uint8Array(bytes), cdeDecodeOptions) as { contents: [Uint8Array] };
        const head = decode(contents[0], cdeDecodeOptions) as Map<unknown, unknown>;
        assert.equal(head.get(1), { 'ML-DSA-44': -48, 'ML-DSA-65': -49, 'ML-DSA-87': -50 }[name]);
      }
    });
  }

  test(`${form}: not one byte of it can be another`, () => {
    const bytes = makeSeal(form, signer, sealed);
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] as number) ^ 1;
      assert.ok(whyNot(altered, form), `byte ${at} of ${bytes.length}`);
    }
    for (let length = 0; length < bytes.length; length++)
      assert.ok(whyNot(bytes.subarray(0, length), form), `cut to ${length} bytes`);
    assert.equal(whyNot(Buffer.concat([bytes, Buffer.from([0])]), form)?.refused, 'seal_malformed');
  });

  test(`${form}: several in one body are found again, each with its own bytes`, () => {
    const seals = [41, 42, 43].map((seq) => makeSeal(form, signer, { ...sealed, seq }));
    assert.deepEqual(messagesIn(bodyOf(seals, form), form), seals);
    assert.equal(messagesIn(bodyOf(seals, form), form, 1).length, 2);
    const found = messagesIn(Buffer.concat([bodyOf(seals.slice(0, 2), form), Buffer.from('!')]), form);
    assert.deepEqual(found.slice(0, 2), seals.slice(0, 2));
    assert.equal(found.length, 3);
    assert.equal(new Set(seals.map(sealNameOf)).size, 3);
  });

  test(`${form}: the certificate can travel in it`, () => {
    const read = readSeal(makeSeal(form, { ...signer, brings: true }, sealed), form);
    assert.ok(!('refused' in read));
    assert.deepEqual(read.message.header.chain, [certificate]);
  });
}

test('jose takes our JWS, and its JWS is taken', async () => {
  const bytes = makeSeal('jws', signer, sealed);
  const { payload: read } = await compactVerify(bytes, publicKey, { algorithms: ['ES256'] });
  assert.deepEqual(Buffer.from(read), payload);
  const header = decodeProtectedHeader(bytes.toString());
  const made = await new CompactSign(payload)
    .setProtectedHeader({ ...(header as { alg: string }), kid: 'ours', crit: ['seq', 'time'] })
    .sign(signer.key, { crit: { seq: true, time: true } });
  assert.equal(whyNot(Buffer.from(made), 'jws'), undefined);
});

test('what is signed of a COSE_Sign1 is what the example of RFC 9052 appendix C.2.1 signs', () => {
  const text = 'This is the content.';
  const example = Buffer.from(
    '8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36',
    'hex',
  );
  const x = 'usWxHK2PmfnHKwXPS54m0kTcGJ90UiglWiGahtagnv8';
  const y = 'IBOL-C3BttVivg-lSreASjpkttcsz-1rb7btKLv8EX4';
  const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  const signed = toBeSigned(Buffer.from('a10126', 'hex'), Buffer.from(text));
  const message = { form: 'cose', payload: Buffer.from(text), signed, signature: example } as const;
  const header = { algorithm: 'ES256', type: '', chain: [], members: {} } as const;
  assert.equal(messageRefused({ ...message, header }, key), undefined);
});

test('one is taken in any order of its labels, and with a time as a float', () => {
  const { stream, run, seq, time } = sealed;
  const seconds = Buffer.from('fb0000000000000000', 'hex');
  seconds.writeDoubleBE(time, 1);
  const pairs = [
    ['stream', stream],
    ['seq', seq],
    ['run', run],
    [34, [-16, new Uint8Array(hash('sha256', certificate, 'buffer'))]],
    [16, 'application/portcullis-reading+cose'],
    [1, -7],
  ];
  const items = pairs.flatMap((pair) => pair.map((item) => Buffer.from(encode(item, cdeEncodeOptions))));
  const head = new Uint8Array(Buffer.concat([Buffer.from([0xa7]), Buffer.from(encode('time')), seconds, ...items]));
  const over = encode(['Signature1', head, new Uint8Array(), new Uint8Array(payload)], cdeEncodeOptions);
  const signature = sign('sha256', over, { key: signer.key, dsaEncoding: 'ieee-p1363' });
  assert.equal(whyNot(coseOf(head, {}, new Uint8Array(payload), new Uint8Array(signature)), 'cose'), undefined);
});

test('cbor2 reads what is written, and finds it deterministic', () => {
  for (const seq of [1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const bytes = makeSeal('cose', { ...signer, brings: true }, { ...sealed, seq });
    const tagged = decode(new Uint8Array(bytes), cdeDecodeOptions) as {
      contents: [Uint8Array, object, Uint8Array, Uint8Array];
    };
    const head = decode(tagged.contents[0], cdeDecodeOptions) as Map<unknown, unknown>;
    assert.equal(Number(head.get('seq')), seq);
    assert.deepEqual(Buffer.from(encode(head, cdeEncodeOptions)), Buffer.from(tagged.contents[0]));
  }
});

const headerOf = (changes: object) => {
  const [head = ''] = makeSeal('jws', signer, sealed).toString().split('.');
  return { ...(JSON.parse(Buffer.from(head, 'base64url').toString()) as object), ...changes };
};
const jwsOf = (header: unknown, body = payload.toString('base64url'), signature = 'A'.repeat(86)) => {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  return Buffer.from(`${Buffer.from(text).toString('base64url')}.${body}.${signature}`);
};
const refusedJws: [string, Buffer, string, RegExp][] = [
  ['nothing', Buffer.alloc(0), 'seal_malformed', /three parts/],
  ['two parts', Buffer.from('e30.e30'), 'seal_malformed', /three parts/],
  ['five parts, as a JWE has', Buffer.from('e30.a.a.a.a'), 'seal_malformed', /three parts/],
  [
    'the JSON serialization',
    Buffer.from('{"payload":"e30","protected":"e30","signature":"AA"}'),
    'seal_malformed',
    /three/,
  ],
  ['a header that is no JSON', jwsOf('{'), 'seal_malformed', /header/],
  ['a header that is a list', jwsOf([]), 'seal_malformed', /not an object/],
  ['algorithm none', jwsOf(headerOf({ alg: 'none' }), undefined, ''), 'seal_algorithm_refused', /"none"/],
  ['HS256', jwsOf(headerOf({ alg: 'HS256' })), 'seal_algorithm_refused', /"HS256"/],
  ['RS256', jwsOf(headerOf({ alg: 'RS256' })), 'seal_algorithm_refused', /"RS256"/],
  ['a name of every object as algorithm', jwsOf(headerOf({ alg: '__proto__' })), 'seal_algorithm_refused', /__proto__/],
  ['no algorithm', jwsOf(headerOf({ alg: undefined })), 'seal_algorithm_refused', /nothing/],
  ['an algorithm unlike the key', jwsOf(headerOf({ alg: 'EdDSA' })), 'seal_algorithm_refused', /not one for EdDSA/],
  ['another purpose', jwsOf(headerOf({ typ: 'JWT' })), 'seal_malformed', /typ/],
  ['what is critical and unknown', jwsOf(headerOf({ crit: ['b64'], b64: false })), 'seal_malformed', /crit/],
  ['nothing that is critical', jwsOf(headerOf({ crit: [] })), 'seal_malformed', /crit/],
  ['what is critical twice', jwsOf(headerOf({ crit: ['seq', 'seq'] })), 'seal_malformed', /crit/],
  ['a critical "alg"', jwsOf(headerOf({ crit: ['alg'] })), 'seal_malformed', /crit/],
  ['no thumbprint', jwsOf(headerOf({ 'x5t#S256': undefined })), 'seal_malformed', /names no certificate/],
  ['a short thumbprint', jwsOf(headerOf({ 'x5t#S256': 'AAAA' })), 'seal_malformed', /x5t#S256/],
  ['no stream', jwsOf(headerOf({ stream: undefined })), 'seal_malformed', /stream/],
  ['number 0', jwsOf(headerOf({ seq: 0 })), 'seal_malformed', /seq/],
  ['number 1.5', jwsOf(headerOf({ seq: 1.5 })), 'seal_malformed', /seq/],
  ['a time that is a text', jwsOf(headerOf({ time: '2026' })), 'seal_malformed', /time/],
  ['a run with a blank', jwsOf(headerOf({ run: 'a b' })), 'seal_malformed', /run/],
  [
    'a member twice',
    jwsOf(`{"alg":"ES256",${JSON.stringify(headerOf({})).slice(1)}`),
    'seal_malformed',
    /"alg" stands twice/,
  ],
  ['a header of 40 KB', jwsOf(headerOf({ more: 'x'.repeat(40_000) })), 'seal_malformed', /32768/],
  ['a deep header', jwsOf(`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`), 'seal_malformed', /nested/],
  ['base64 with padding', jwsOf(headerOf({}), 'e30='), 'seal_malformed', /base64url/],
  ['bits that stand for nothing', jwsOf(headerOf({}), 'e31'), 'seal_malformed', /base64url/],
  ['a signature in DER', jwsOf(headerOf({}), undefined, 'A'.repeat(94)), 'seal_malformed', /70 bytes/],
  ['zeros as signature', jwsOf(headerOf({})), 'seal_signature_wrong', /not signed/],
  ['certificates that are none', jwsOf(headerOf({ x5c: ['*'] })), 'seal_malformed', /x5c/],
  ['64 MB', Buffer.alloc(64 * 1024 * 1024, 'a'), 'seal_malformed', /1572864/],
];
for (const [what, bytes, reason, detail] of refusedJws) {
  test(`jws: ${what}: ${reason}`, () => {
    const refused = whyNot(bytes, 'jws');
    assert.equal(refused?.refused, reason, JSON.stringify(refused));
    assert.match(refused?.detail ?? '', detail);
    assert.ok((refused?.detail.length ?? 0) < 400);
  });
}

const labels = (changes: [unknown, unknown][] = [], without: unknown[] = []) => {
  const { stream, run, seq, time } = sealed;
  const map = new Map<unknown, unknown>([
    [1, -7],
    [16, 'application/portcullis-reading+cose'],
    [34, [-16, new Uint8Array(hash('sha256', certificate, 'buffer'))]],
    ...Object.entries({ stream, run, seq, time }),
    ...changes,
  ]);
  for (const label of without) map.delete(label);
  return encode(map, cdeEncodeOptions);
};
const zeros = new Uint8Array(64);
const body = new Uint8Array(payload);
const coseOf = (head: Uint8Array, unprotected: unknown = {}, content: unknown = body, signature: unknown = zeros) =>
  Buffer.from(encode([new Uint8Array(head), unprotected, content, signature], cdeEncodeOptions));
const hex = (text: string) => Buffer.from(text, 'hex');
const refusedCose: [string, Buffer, string, RegExp][] = [
  ['nothing', Buffer.alloc(0), 'seal_malformed', /not a COSE_Sign1/],
  ['another tag', Buffer.concat([hex('d1'), coseOf(labels())]), 'seal_malformed', /not a COSE_Sign1/],
  ['the tag twice', Buffer.concat([hex('d2d2'), coseOf(labels())]), 'seal_malformed', /not a COSE_Sign1/],
  ['three parts', Buffer.from(encode([labels(), {}, body], cdeEncodeOptions)), 'seal_malformed', /not a COSE_Sign1/],
  ['an array without end', hex('9fff'), 'seal_malformed', /not a COSE_Sign1/],
  ['a payload that is elsewhere', coseOf(labels(), {}, null), 'seal_malformed', /byte string/],
  [
    'an algorithm that no signature covers',
    coseOf(labels([], [1]), new Map([[1, -7]])),
    'seal_malformed',
    /unprotected/,
  ],
  ['anything that no signature covers', coseOf(labels(), new Map([[4, body]])), 'seal_malformed', /unprotected/],
  ['no algorithm', coseOf(labels([], [1])), 'seal_algorithm_refused', /nothing/],
  ['HMAC', coseOf(labels([[1, 5]])), 'seal_algorithm_refused', /5/],
  ['ES384', coseOf(labels([[1, -35]])), 'seal_algorithm_refused', /-35/],
  ['an algorithm unlike the key', coseOf(labels([[1, -8]])), 'seal_algorithm_refused', /not one for EdDSA/],
  ['no purpose', coseOf(labels([], [16])), 'seal_malformed', /typ/],
  ['another purpose', coseOf(labels([[16, 'application/cwt']])), 'seal_malformed', /typ/],
  [
    'a label that is critical and unknown',
    coseOf(
      labels([
        [2, [-70_000]],
        [-70_000, 1],
      ]),
    ),
    'seal_malformed',
    /crit/,
  ],
  ['a critical label that is not there', coseOf(labels([[2, [33]]])), 'seal_malformed', /crit/],
  ['nothing that is critical', coseOf(labels([[2, []]])), 'seal_malformed', /crit/],
  ['no thumbprint', coseOf(labels([], [34])), 'seal_malformed', /names no certificate/],
  ['a thumbprint of 8 bytes', coseOf(labels([[34, [-15, new Uint8Array(8)]]])), 'seal_malformed', /x5t/],
  ['a label twice', coseOf(hex('a201260127')), 'seal_malformed', /1 stands twice/],
  ['a map without end', coseOf(hex('bf0126ff')), 'seal_malformed', /no stated length/],
  ['a map of 2^32 members', coseOf(hex('bb0000000100000000')), 'seal_malformed', /more than 64/],
  ['a deep header', coseOf(Buffer.alloc(1_000, 0x81)), 'seal_malformed', /nested/],
  ['a text that is no UTF-8', coseOf(hex('a161ff01')), 'seal_malformed', /UTF-8/],
  ['a byte string longer than all', hex('845affffffff00'), 'seal_malformed', /ends amid/],
  ['a header and more', coseOf(Buffer.concat([labels(), hex('00')])), 'seal_malformed', /one map/],
  ['a header that is a list', coseOf(hex('80')), 'seal_malformed', /one map/],
  ['number 0', coseOf(labels([['seq', 0]])), 'seal_malformed', /seq/],
  ['a number of 2^63', coseOf(labels([['seq', 2n ** 63n]])), 'seal_malformed', /2\^53/],
  ['a signature of 63 bytes', coseOf(labels(), {}, body, new Uint8Array(63)), 'seal_malformed', /63 bytes/],
  ['a signature of 65 bytes', coseOf(labels(), {}, body, new Uint8Array(65)), 'seal_malformed', /65 bytes/],
  ['zeros as signature', coseOf(labels()), 'seal_signature_wrong', /not signed/],
  ['two in one', Buffer.concat([coseOf(labels()), coseOf(labels())]), 'seal_malformed', /behind/],
];
for (const [what, bytes, reason, detail] of refusedCose) {
  test(`cose: ${what}: ${reason}`, () => {
    const refused = whyNot(bytes, 'cose');
    assert.equal(refused?.refused, reason, JSON.stringify(refused));
    assert.match(refused?.detail ?? '', detail);
  });
}
