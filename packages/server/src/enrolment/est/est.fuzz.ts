/** What meets bytes from outside by EST: the body, the request in it, and the certificates that a client presents. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { PortcullisError } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import fc from 'fast-check';
import { FleetCertificates } from '../../../test/fleet-certificates.ts';
import { nearly } from '../../../test/nearly.ts';
import { certsOnly, fromPem, parseRequest, requireDer, verifyPresented } from '../../pki/pki.ts';
import { requestIn } from './wire.ts';

const bytes = (maxLength = 400) => fc.uint8Array({ maxLength }).map((some) => Buffer.from(some));
const key = makeKey();
const request = makeRequest(key, 'truck-1');
const { publicKey } = parseRequest(request);
const certificates = await FleetCertificates.make();
const leaf = await certificates.leaf({ subject: 'truck-1' });
const [leafDer = Buffer.of(), issuerDer = Buffer.of()] = fromPem('CERTIFICATE', leaf.cert);
const authorities = fromPem('CERTIFICATE', certificates.rootPem);
const now = leaf.notBefore + 60_000;

/** The codes that a stranger may be told of a request. */
const told: readonly string[] = ['request_malformed', 'key_refused', 'request_signature_invalid'];

function refusal(work: () => unknown): PortcullisError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof PortcullisError, String(error));
    assert.ok(told.includes(error.code), error.code);
    return error;
  }
}

export const estProperties = {
  'any body is a request or is refused by a code, and what is read of base64 is all that was there': fc.property(
    fc.oneof(bytes(), fc.base64String(), fc.string(), nearly(Buffer.from(request.toString('base64'), 'latin1'))),
    (some) => {
      const body = Buffer.from(some as string);
      if (refusal(() => requestIn(body)) || body[0] === 0x30) return;
      assert.equal(requestIn(body).toString('base64'), body.toString('latin1').replaceAll(/\r?\n/g, ''));
    },
  ),
  'a request that is not as its key signed it is refused, and no other key comes out of it': fc.property(
    fc.oneof(nearly(request), bytes()),
    (some) => {
      if (refusal(() => parseRequest(some))) return;
      // Nothing that was signed is other than it was: what may differ is the encoding of the signature alone.
      assert.deepEqual(parseRequest(some).publicKey, publicKey);
    },
  ),
  'what passes for DER is one value, whose outer length says all of it': fc.property(
    fc.oneof(bytes(), nearly(request), nearly(leafDer)),
    (some) => {
      try {
        requireDer(some);
      } catch {
        return;
      }
      const first = some[1] ?? 0;
      const size = first < 0x80 ? 0 : first & 0x7f;
      const length = size === 0 ? first : some.readUIntBE(2, size);
      assert.equal(some.length, 2 + size + length);
      assert.throws(() => requireDer(Buffer.concat([some, Buffer.of(0)])));
      assert.throws(() => requireDer(some.subarray(0, -1)));
    },
  ),
  'certificates that are not as their authority signed them lead nowhere': fc.property(
    fc.oneof(
      fc.tuple(nearly(leafDer), fc.constant(issuerDer)),
      fc.tuple(fc.constant(leafDer), nearly(issuerDer)),
      fc.tuple(bytes(), bytes()),
    ),
    (presented) => {
      if (!verifyPresented(presented, { authorities, now })) return;
      // What follows the end of a certificate OpenSSL does not read.
      const [one, other] = presented.map((der) => new X509Certificate(der).raw);
      assert.deepEqual([one, other], [leafDer, issuerDer]);
    },
  ),
  'an answer is DER, and holds its certificates in the order in which they came': fc.property(
    fc.array(fc.constantFrom(leafDer, issuerDer), { maxLength: 200 }),
    (some) => {
      const answer = certsOnly(some);
      requireDer(answer);
      assert.ok(answer.includes(Buffer.concat(some)));
    },
  ),
};
