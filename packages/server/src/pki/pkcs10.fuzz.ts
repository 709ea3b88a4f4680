/** Requests for certificates, whatever their bytes: what is read of one is what @peculiar/asn1-csr reads, and each is refused in the same words. */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { der, objectIdentifiers, PortcullisError } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import fc from 'fast-check';
import { nearly } from '../../test/nearly.ts';
import { type ParsedRequest, parseRequest, parseRequestAside, requireDer } from './pki.ts';

const { sequence, set, objectIdentifier, utf8String, integer, bitString, element, explicit, octetString } = der;

interface Verdict {
  read?: ParsedRequest;
  refused?: string;
}

async function ours(bytes: Buffer): Promise<Verdict> {
  const said = verdictOf(() => parseRequest(bytes));
  const aside = await parseRequestAside(bytes).then(
    (read) => ({ read }),
    (error: unknown) => refusalOf(error),
  );
  assert.deepEqual(aside, said);
  return said;
}

function verdictOf(work: () => ParsedRequest): Verdict {
  try {
    return { read: work() };
  } catch (error) {
    return refusalOf(error);
  }
}

function refusalOf(error: unknown): Verdict {
  assert.ok(error instanceof PortcullisError, String(error));
  return { refused: `${error.code}: ${error.message}` };
}

const malformed = 'request_malformed: this is not a PKCS#10 request in DER';
const unsigned = 'request_signature_invalid: the request is not signed by the key it asks for';

/** By the library, in the words of `parseRequest`; of a key that is refused only that it is. */
function theirs(bytes: Buffer): Verdict {
  let request: CertificationRequest;
  try {
    requireDer(bytes);
    request = AsnConvert.parse(bytes, CertificationRequest);
  } catch {
    return { refused: malformed };
  }
  const { subjectPKInfo, subject, attributes } = request.certificationRequestInfo;
  const publicKey = Buffer.from(AsnConvert.serialize(subjectPKInfo));
  let key: KeyObject;
  try {
    key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  } catch {
    return { refused: 'key_refused' };
  }
  const { algorithm } = request.signatureAlgorithm;
  if (!known.includes(algorithm)) return { refused: `is signed with ${algorithm};` };
  const digest = algorithm === objectIdentifiers.ed25519 ? null : 'sha256';
  try {
    const signed = new Uint8Array(request.certificationRequestInfoRaw as ArrayBuffer);
    if (!verify(digest, signed, key, new Uint8Array(request.signature))) return { refused: unsigned };
  } catch {
    return { refused: unsigned };
  }
  const texts = attributes
    .filter(({ type }) => type === objectIdentifiers.challengePassword)
    .flatMap((one) => one.values);
  const [text] = texts.map((value) => Buffer.from(value));
  const isText = texts.length === 1 && text && (text[0] === 0x13 || text[0] === 0x0c);
  const challengePassword = isText ? text.subarray((text[1] ?? 0) < 0x80 ? 2 : 3).toString('utf8') : undefined;
  const ignored = [...(subject.length > 0 ? ['subject'] : []), ...(attributes.length > 0 ? ['attributes'] : [])];
  return { read: { publicKey, key, ...(challengePassword !== undefined && { challengePassword }), ignored } };
}

const known: string[] = [
  objectIdentifiers.ecdsaWithSha256,
  objectIdentifiers.ed25519,
  objectIdentifiers.sha256WithRsaEncryption,
];

/** What is read is the same. The library takes more: what the structures of RFC 2986 and RFC 5280 do not have is malformed here. */
async function requireSame(bytes: Buffer): Promise<void> {
  const [own, other] = [await ours(bytes), theirs(bytes)];
  if (own.read) assert.deepEqual(own, other);
  else if (own.refused !== malformed)
    assert.ok(own.refused?.includes(other.refused ?? '?'), `${own.refused}, ${other.refused}`);
}

const spki = { type: 'spki', format: 'der' } as const;
const pairs = [
  {
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    algorithm: objectIdentifiers.ecdsaWithSha256,
    digest: 'sha256',
  },
  { ...generateKeyPairSync('ed25519'), algorithm: objectIdentifiers.ed25519, digest: null },
  {
    ...generateKeyPairSync('rsa', { modulusLength: 2_048 }),
    algorithm: objectIdentifiers.sha256WithRsaEncryption,
    digest: 'sha256',
  },
].map(({ publicKey, ...pair }) => ({ ...pair, publicKey: publicKey.export(spki) }));

const text = fc.string({ unit: 'grapheme', maxLength: 60 });
const identifier = fc.constantFrom(
  objectIdentifiers.commonName,
  objectIdentifiers.serialNumber,
  '2.999.3',
  '1.3.6.1.4.1.4294967296.7',
);
const name = fc
  .array(fc.array(fc.tuple(identifier, text), { minLength: 1, maxLength: 2 }), { maxLength: 3 })
  .map((parts) =>
    sequence(
      ...parts.map((part) => set(...part.map(([id, value]) => sequence(objectIdentifier(id), utf8String(value))))),
    ),
  );
const value = fc.oneof(
  text.map(utf8String),
  fc.string({ maxLength: 150 }).map((some) => element(0x13, Buffer.from(some))),
  text.map((some) => sequence(octetString(Buffer.from(some)))),
);
const attribute = fc
  .tuple(
    fc.constantFrom(objectIdentifiers.challengePassword, '1.2.840.113549.1.9.14'),
    fc.array(value, { maxLength: 2 }),
  )
  .map(([type, values]) => sequence(objectIdentifier(type), set(...values)));
const attributes = fc.option(
  fc.array(attribute, { maxLength: 3 }).map((all) => explicit(0, ...all)),
  { nil: Buffer.of() },
);
const pair = fc.constantFrom(...pairs);

type Pair = (typeof pairs)[number];

/** A request of this information, rightly signed; by an algorithm that may be another one than it says. */
function signedBy({ privateKey, digest, algorithm }: Pair, information: Buffer, said: string = algorithm): Buffer {
  return sequence(information, sequence(objectIdentifier(said)), bitString(sign(digest, information, privateKey)));
}

const information = fc.tuple(pair, name, attributes).map(([one, subject, more]) => ({
  pair: one,
  bytes: sequence(integer(0), subject, one.publicKey, more),
}));

const whole = makeRequest(makeKey(), 'truck-17');

export const pkcs10Properties = {
  'a request as RFC 2986 has it is read as the library reads it': fc.asyncProperty(
    information,
    async ({ pair: one, bytes }) => {
      const request = signedBy(one, bytes);
      assert.ok((await ours(request)).read);
      await requireSame(request);
    },
  ),
  'a request that is signed, whatever is within, is read as the library reads it, or is refused': fc.asyncProperty(
    information.chain(({ pair: one, bytes }) => nearly(bytes).map((some) => signedBy(one, some))),
    requireSame,
  ),
  'an algorithm is called by its name, whichever it is': fc.asyncProperty(
    information,
    fc.oneof(
      identifier,
      fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 39 }), fc.nat()).map((numbers) => numbers.join('.')),
    ),
    async ({ pair: one, bytes }, said) => requireSame(signedBy(one, bytes, said)),
  ),
  'bytes that are nearly a request are refused as the library refuses them': fc.asyncProperty(
    fc.oneof(
      nearly(whole),
      fc.uint8Array({ maxLength: 300 }).map((some) => Buffer.from(some)),
    ),
    requireSame,
  ),
};
