import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { der, isSoundExponent, keyAlgorithms, objectIdentifiers, PortcullisError } from '@portcullis/contract';
import { namesItsCurve } from './read-body.ts';
import { contextTag, DerReader, dottedOf, tags } from './read-der.ts';
import { requireDer } from './strict-der.ts';

export interface ParsedRequest {
  /** SubjectPublicKeyInfo in DER: all that is used of a request (P1). */
  publicKey: Buffer;
  key: KeyObject;
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

/** By the object identifier in DER, as hex. */
const digestsByDer = new Map(
  Object.entries(digests).map(([id, digest]) => [der.objectIdentifier(id).toString('hex'), digest]),
);

/**
 * A PKCS#10 request in DER, signed by its own key (RFC 2986).
 * @throws {PortcullisError} `request_malformed`, `key_refused`, `request_signature_invalid`
 */
export function parseRequest(bytes: Uint8Array): ParsedRequest {
  const { parsed, digest, signed, signature } = opened(bytes);
  let valid = false;
  try {
    valid = verify(digest, signed, parsed.key, signature);
  } catch {
    // A key of another type than the algorithm: not signed by its own key either.
  }
  return proven(parsed, valid);
}

/** The same, with the signature verified on a thread beside: whoever has many waits for none. Rejects as `parseRequest` throws. */
export async function parseRequestAside(bytes: Uint8Array): Promise<ParsedRequest> {
  const { parsed, digest, signed, signature } = opened(bytes);
  const valid = await verifyAside(digest, signed, parsed.key, signature).catch(() => false);
  return proven(parsed, valid);
}

const verifyAside = promisify(verify) as (
  digest: string | null,
  signed: Buffer,
  key: KeyObject,
  signature: Buffer,
) => Promise<boolean>;

function proven(parsed: ParsedRequest, valid: boolean): ParsedRequest {
  if (valid) return parsed;
  throw new PortcullisError('request_signature_invalid', 'the request is not signed by the key it asks for');
}

interface Opened {
  parsed: ParsedRequest;
  digest: string | null;
  signed: Buffer;
  signature: Buffer;
}

/** All but whether the signature is good. */
function opened(bytes: Uint8Array): Opened {
  if (bytes.length > requestBytesMax) {
    throw new PortcullisError(
      'request_malformed',
      `the request has ${bytes.length} bytes; at most ${requestBytesMax} are allowed`,
    );
  }
  const { publicKey, hasSubject, attributes, algorithm, signed, signature } = decode(bytes);
  const key = requireAllowed(publicKey);
  const digest = digestsByDer.get(algorithm.toString('hex'));
  if (digest === undefined) {
    throw new PortcullisError(
      'request_signature_invalid',
      `the request is signed with ${dottedOf(algorithm)}; it must be ECDSA or RSA with SHA-256, ECDSA with SHA-384, Ed25519, or ML-DSA`,
    );
  }
  const ignored = [...(hasSubject ? ['subject'] : []), ...(attributes.length > 0 ? ['attributes'] : [])];
  const challengePassword = challengeIn(attributes);
  const parsed = { publicKey, key, ...(challengePassword !== undefined && { challengePassword }), ignored };
  return { parsed, digest, signed, signature };
}

interface Attribute {
  /** The object identifier in DER. */
  type: Buffer;
  /** Each in DER. */
  values: Buffer[];
}

interface Decoded {
  publicKey: Buffer;
  hasSubject: boolean;
  attributes: Attribute[];
  /** Of the signature: the object identifier in DER. */
  algorithm: Buffer;
  /** The CertificationRequestInfo as it stands there. */
  signed: Buffer;
  signature: Buffer;
}

function decode(bytes: Uint8Array): Decoded {
  try {
    // A parser that stops early, or reads more than one form, would sign over what nobody read.
    requireDer(bytes);
    return read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    throw new PortcullisError('request_malformed', 'this is not a PKCS#10 request in DER', { cause });
  }
}

/** RFC 2986 §4. */
function read(bytes: Buffer): Decoded {
  const request = new DerReader(bytes).within(tags.sequence);
  const signed = request.whole(tags.sequence);
  const algorithm = algorithmIn(request.within(tags.sequence));
  const signature = wholeBytesIn(request);
  request.end();
  const information = new DerReader(signed).within(tags.sequence);
  // Version 1 is the only one, and written as 0.
  if (!information.read(tags.integer).equals(Buffer.from([0]))) throw new Error('of another version than 1');
  const hasSubject = readName(information.within(tags.sequence));
  const publicKey = information.whole(tags.sequence);
  readPublicKey(publicKey);
  // Some leave them out, though they may only be empty.
  const attributes = information.optional(contextTag(0));
  information.end();
  return {
    publicKey,
    hasSubject,
    attributes: attributes ? attributesIn(attributes) : [],
    algorithm,
    signed,
    signature,
  };
}

/** Its object identifier in DER; one value may follow. */
function algorithmIn(reader: DerReader): Buffer {
  const algorithm = reader.whole(tags.objectIdentifier);
  if (reader.next !== undefined) reader.whole(reader.next);
  reader.end();
  return algorithm;
}

function wholeBytesIn(reader: DerReader): Buffer {
  const bits = reader.read(tags.bits);
  if (bits[0] !== 0) throw new Error('a row of bits is not one of whole bytes');
  return bits.subarray(1);
}

/** Whether anything is in it. */
function readName(name: DerReader): boolean {
  const isThere = name.next !== undefined;
  while (name.next !== undefined) {
    const parts = name.within(tags.set);
    while (parts.next !== undefined) algorithmIn(parts.within(tags.sequence));
  }
  return isThere;
}

function readPublicKey(publicKey: Buffer): void {
  const info = new DerReader(publicKey).within(tags.sequence);
  algorithmIn(info.within(tags.sequence));
  wholeBytesIn(info);
  info.end();
}

function attributesIn(reader: DerReader): Attribute[] {
  const found: Attribute[] = [];
  while (reader.next !== undefined) {
    const one = reader.within(tags.sequence);
    const type = one.whole(tags.objectIdentifier);
    const values: Buffer[] = [];
    const set = one.within(tags.set);
    while (set.next !== undefined) values.push(set.whole(set.next));
    one.end();
    found.push({ type, values });
  }
  return found;
}

/** PrintableString, or UTF8String: the forms of a DirectoryString that anybody writes. */
const textTags: readonly number[] = [0x13, 0x0c];
const challengePasswordType = der.objectIdentifier(objectIdentifiers.challengePassword);

/** Of several, or of another form: none. */
function challengeIn(attributes: readonly Attribute[]): string | undefined {
  const values = attributes.filter(({ type }) => type.equals(challengePasswordType)).flatMap((one) => one.values);
  const [value, ...others] = values;
  const tag = value?.[0] ?? 0;
  if (!value || others.length > 0 || !textTags.includes(tag)) return undefined;
  return new DerReader(value).read(tag).toString('utf8');
}

function requireAllowed(publicKey: Buffer): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  } catch (cause) {
    throw refused('of an unknown kind', cause);
  }
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      if (namedCurve !== 'prime256v1' && namedCurve !== 'secp384r1') throw refused(`on the curve ${namedCurve}`);
      if (namesItsCurve(publicKey)) return key;
      throw refused('of a curve that is written out and not named (RFC 5480 §2.1.1)');
    case 'ed25519':
    case 'ml-dsa-44':
    case 'ml-dsa-65':
    case 'ml-dsa-87':
      return key;
    case 'rsa':
      if (modulusLength < rsaBits.min || modulusLength > rsaBits.max) throw refused(`RSA with ${modulusLength} bits`);
      if (isSoundExponent(publicExponent)) return key;
      throw refused(`RSA with the exponent ${publicExponent}`);
    default:
      throw refused(String(key.asymmetricKeyType));
  }
}

function refused(what: string, cause?: unknown): PortcullisError {
  const allowed = `P-256, P-384, Ed25519, ML-DSA-44, ML-DSA-65, ML-DSA-87, or RSA with ${rsaBits.min} to ${rsaBits.max} bits and an odd exponent from 65537 to 2^32`;
  return new PortcullisError('key_refused', `the public key is ${what}; it must be ${allowed}`, { cause });
}
