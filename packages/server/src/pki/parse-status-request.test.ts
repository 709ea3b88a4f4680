import assert from 'node:assert/strict';
import { test } from 'node:test';
import { der } from '@portcullis/contract';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { certificateId, extension, nonceExtension, question } from '../../test/ocsp-question.ts';
import { certificatesAskedMax, parseStatusRequest } from './parse-status-request.ts';
import { fromPem } from './pem.ts';

const { sequence, octetString, explicit, element, integer, integerOf, boolean, objectIdentifier } = der;
const [issuer] = fromPem('CERTIFICATE', (await FleetCertificates.make()).issuerPem) as [Buffer];
const serial = Buffer.from('4a'.repeat(16), 'hex');
const id = certificateId(issuer, { serial });
const critical = [boolean(true)];

test('a question is read: whom it is about, by which hash, and its nonce as it came', () => {
  for (const hash of ['sha1', 'sha256'] as const)
    for (const parameters of [true, false])
      for (const nonce of [1, 32, 128].map((length) => Buffer.alloc(length, 7))) {
        const asked = certificateId(issuer, { serial, hash, parameters });
        const { certificates, nonce: told } = parseStatusRequest(question([asked, id], [nonceExtension(nonce)]));
        assert.deepEqual(
          certificates.map((one) => [one.hash, one.serial.toString('hex'), one.der.equals(asked)]),
          [
            [hash, serial.toString('hex'), true],
            ['sha1', serial.toString('hex'), asked.equals(id)],
          ],
        );
        assert.deepEqual(told, octetString(nonce));
      }
});

test('who asks, a signature, and what is not critical are read over', () => {
  const list = sequence(sequence(id, explicit(0, sequence(extension('1.2.3', octetString(serial))))));
  const who = explicit(1, element(0x86, Buffer.from('http://somebody')));
  const extensions = explicit(2, sequence(extension('1.2.3', octetString(serial))));
  const body = sequence(explicit(0, integer(0)), who, list, extensions);
  const signature = explicit(0, sequence(octetString(serial)));
  const { certificates, nonce } = parseStatusRequest(sequence(body, signature));
  assert.deepEqual([certificates.length, nonce], [1, undefined]);
});

test('a serial number is what it is, with a byte for the sign or without', () => {
  for (const [hex, is] of [
    ['80', '80'],
    ['00', ''],
    ['01', '01'],
    ['ff'.repeat(20), 'ff'.repeat(20)],
  ] as const) {
    const { certificates } = parseStatusRequest(question([certificateId(issuer, { serial: Buffer.from(hex, 'hex') })]));
    assert.equal(certificates[0]?.serial.toString('hex'), is);
  }
});

const hashed = (identifier: Uint8Array, name: Uint8Array, number: Uint8Array) =>
  sequence(sequence(identifier), octetString(name), octetString(name), number);
const sha1 = objectIdentifier('1.3.14.3.2.26');
const name = Buffer.alloc(20);
const nonce = (length: number) => nonceExtension(Buffer.alloc(length));
const long = (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 1), Buffer.of(0x82, 0x00), bytes.subarray(1)]);
const good = question([id]);

const refused: Record<string, Buffer> = {
  nothing: Buffer.alloc(0),
  'one byte': good.subarray(0, 1),
  'a byte less': good.subarray(0, -1),
  'a byte more': Buffer.concat([good, Buffer.of(0)]),
  'a length that is indefinite': Buffer.concat([Buffer.of(0x30, 0x80), good.subarray(2), Buffer.of(0, 0)]),
  'a length in too many bytes': long(good),
  'a length of four bytes': Buffer.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff),
  'more bytes than are allowed': question([id], [extension('1.2.3', Buffer.alloc(9_000))]),
  'no certificate': question([]),
  'more certificates than are allowed': question(Array.from({ length: certificatesAskedMax + 1 }, () => id)),
  'another version': sequence(sequence(explicit(0, integer(1)), sequence(sequence(id)))),
  'a nonce of no bytes': question([id], [nonce(0)]),
  'a nonce of 129 bytes': question([id], [nonce(129)]),
  'a nonce that is no OCTET STRING': question([id], [extension('1.3.6.1.5.5.7.48.1.2', Buffer.alloc(16, 1))]),
  'two nonces': question([id], [nonce(8), nonce(8)]),
  'a critical extension that is not known': question([id], [extension('1.2.3', octetString(serial), critical)]),
  'the same about one certificate': sequence(
    sequence(sequence(sequence(id, explicit(0, sequence(extension('1.2.3', octetString(serial), critical)))))),
  ),
  'a false that is said': question([id], [nonceExtension(Buffer.alloc(8), [boolean(false)])]),
  'a true of one bit': question([id], [nonceExtension(Buffer.alloc(8), [element(0x01, Buffer.of(1))])]),
  'a negative serial number': question([hashed(sha1, name, element(0x02, Buffer.of(0x80)))]),
  'a serial number of no bytes': question([hashed(sha1, name, element(0x02))]),
  'a serial number with a zero before it': question([hashed(sha1, name, element(0x02, Buffer.of(0, 1)))]),
  'a giant serial number': question([hashed(sha1, name, integerOf(Buffer.alloc(4_000, 1)))]),
  'a hash that is too short': question([hashed(sha1, name.subarray(1), integer(1))]),
  'parameters that are a sequence': question([hashed(Buffer.concat([sha1, sequence()]), name, integer(1))]),
  'something after the certificate': sequence(sequence(sequence(sequence(id, integer(1))))),
};

for (const [what, bytes] of Object.entries(refused))
  test(`a question is refused that has ${what}`, () => {
    assert.throws(() => parseStatusRequest(bytes), { code: 'request_malformed' });
  });

test('another hash than those that are known is no mistake in form', () => {
  const sha384 = objectIdentifier('2.16.840.1.101.3.4.2.2');
  const { certificates } = parseStatusRequest(question([hashed(sha384, Buffer.alloc(48), integer(1))]));
  assert.equal(certificates[0]?.hash, undefined);
});
