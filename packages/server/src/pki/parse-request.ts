import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { keyAlgorithms, objectIdentifiers, PortcullisError } from '@portcullis/contract';

export interface ParsedRequest {
  /** SubjectPublicKeyInfo in DER: all that is used of a request (P1). */
  publicKey: Buffer;
  /** What else the request held; none of it is used. */
  ignored: string[];
}

const requestBytesMax = 12_288;
const rsaBits = { min: 2_048, max: 8_192 } as const;

/** Signature algorithm → the digest that `node:crypto` verifies with; null where the scheme has its own. */
const digests: Record<string, string | null> = {
  [objectIdentifiers.ecdsaWithSha384]: 'sha384',
  [objectIdentifiers.sha256WithRsaEncryption]: 'sha256',
  [objectIdentifiers.ed25519]: null,
  ...Object.fromEntries(Object.values(keyAlgorithms).map(({ signature, digest }) => [signature, digest])),
};

/**
 * A PKCS#10 request in DER, signed by its own key (RFC 2986).
 * @throws {PortcullisError} `request_malformed`, `key_refused`, `request_signature_invalid`
 */
export function parseRequest(bytes: Uint8Array): ParsedRequest {
  if (bytes.length > requestBytesMax) {
    throw new PortcullisError(
      'request_malformed',
      `the request has ${bytes.length} bytes; at most ${requestBytesMax} are allowed`,
    );
  }
  const request = decode(bytes);
  const information = request.certificationRequestInfo;
  const publicKey = Buffer.from(AsnConvert.serialize(information.subjectPKInfo));
  const key = requireAllowed(publicKey);
  checkSignature(request, key);
  const ignored = [
    ...(information.subject.length > 0 ? ['subject'] : []),
    ...(information.attributes.length > 0 ? ['attributes'] : []),
  ];
  return { publicKey, ignored };
}

function decode(bytes: Uint8Array): CertificationRequest {
  try {
    const request = AsnConvert.parse(bytes, CertificationRequest);
    // A parser that stops early would sign over what nobody read: what was parsed must be all that came.
    if (outerLength(bytes) !== bytes.length) throw new Error('bytes follow the request');
    return request;
  } catch (cause) {
    throw new PortcullisError('request_malformed', 'this is not a PKCS#10 request in DER', { cause });
  }
}

/** The length that the outermost SEQUENCE says (X.690 §8.1.3). */
function outerLength(bytes: Uint8Array): number {
  const first = bytes[1] ?? 0;
  if (first < 0x80) return first + 2;
  const size = first & 0x7f;
  return Buffer.from(bytes).readUIntBE(2, Math.min(Math.max(size, 1), 6)) + 2 + size;
}

function requireAllowed(publicKey: Buffer): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  } catch (cause) {
    throw refused('of an unknown kind', cause);
  }
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      if (namedCurve === 'prime256v1' || namedCurve === 'secp384r1') return key;
      throw refused(`on the curve ${namedCurve}`);
    case 'ed25519':
    case 'ml-dsa-44':
    case 'ml-dsa-65':
    case 'ml-dsa-87':
      return key;
    case 'rsa':
      if (modulusLength >= rsaBits.min && modulusLength <= rsaBits.max) return key;
      throw refused(`RSA with ${modulusLength} bits`);
    default:
      throw refused(String(key.asymmetricKeyType));
  }
}

function refused(what: string, cause?: unknown): PortcullisError {
  const allowed = `P-256, P-384, Ed25519, ML-DSA-44, ML-DSA-65, ML-DSA-87, or RSA with ${rsaBits.min} to ${rsaBits.max} bits`;
  return new PortcullisError('key_refused', `the public key is ${what}; it must be ${allowed}`, { cause });
}

function checkSignature(request: CertificationRequest, key: KeyObject): void {
  const digest = digests[request.signatureAlgorithm.algorithm];
  if (digest === undefined) {
    throw new PortcullisError(
      'request_signature_invalid',
      `the request is signed with ${request.signatureAlgorithm.algorithm}; it must be ECDSA or RSA with SHA-256, ECDSA with SHA-384, Ed25519, or ML-DSA`,
    );
  }
  const signed = request.certificationRequestInfoRaw ?? AsnConvert.serialize(request.certificationRequestInfo);
  let valid = false;
  try {
    valid = verify(digest, new Uint8Array(signed), key, new Uint8Array(request.signature));
  } catch {
    // A key of another type than the algorithm: not signed by its own key either.
  }
  if (!valid)
    throw new PortcullisError('request_signature_invalid', 'the request is not signed by the key it asks for');
}
