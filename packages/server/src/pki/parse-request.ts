import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { keyAlgorithms, objectIdentifiers, PortcullisError } from '@portcullis/contract';
import { requireDer } from './strict-der.ts';

export interface ParsedRequest {
  /** SubjectPublicKeyInfo in DER: all that is used of a request (P1). */
  publicKey: Buffer;
  /** Text of its challengePassword (RFC 2985 §5.4.1): by EST the proof of who holds the key before it. Else nothing is asked of it. */
  challengePassword?: string;
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
  const challengePassword = challengeIn(information.attributes);
  return { publicKey, ...(challengePassword !== undefined && { challengePassword }), ignored };
}

function decode(bytes: Uint8Array): CertificationRequest {
  try {
    // A parser that stops early, or reads more than one form, would sign over what nobody read.
    requireDer(bytes);
    return AsnConvert.parse(bytes, CertificationRequest);
  } catch (cause) {
    throw new PortcullisError('request_malformed', 'this is not a PKCS#10 request in DER', { cause });
  }
}

/** PrintableString, or UTF8String: the forms of a DirectoryString that anybody writes. */
const textTags: readonly number[] = [0x13, 0x0c];

/** Of several, or of another form: none. */
function challengeIn(attributes: CertificationRequest['certificationRequestInfo']['attributes']): string | undefined {
  const [value, ...others] = attributes
    .filter(({ type }) => type === objectIdentifiers.challengePassword)
    .flatMap(({ values }) => values);
  if (!value || others.length > 0) return undefined;
  const bytes = Buffer.from(value);
  const [tag = 0, length = 0] = bytes;
  if (!textTags.includes(tag)) return undefined;
  return bytes.subarray(length < 0x80 ? 2 : 2 + (length & 0x7f)).toString('utf8');
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
