import { createHash, sign } from 'node:crypto';
import {
  Attribute,
  CMSVersion,
  DigestAlgorithmIdentifier,
  IssuerAndSerialNumber,
  id_contentType,
  id_data,
  id_messageDigest,
  id_signedData,
  id_signingTime,
  SignatureAlgorithmIdentifier,
  SignerIdentifier,
  SignerInfo,
} from '@peculiar/asn1-cms';
import { AsnConvert, AsnObjectIdentifierConverter, AsnUTCTimeConverter, OctetString } from '@peculiar/asn1-schema';
import { Certificate } from '@peculiar/asn1-x509';
import { keyAlgorithmOf, keyAlgorithms } from '@portcullis/contract';
import type { Signing } from './promises.ts';

/** What content is hashed with: for ML-DSA twice as long as what the scheme hashes with itself (RFC 9882 §3.3). */
const digests = { sha256: '2.16.840.1.101.3.4.2.1', sha512: '2.16.840.1.101.3.4.2.3' } as const;

interface Signer {
  sid: SignerIdentifier;
  certificates: Buffer;
  /** Of the content; and what signs: what `node:crypto` is told to hash with, and its identifier. */
  digest: keyof typeof digests;
  digestAlgorithm: DigestAlgorithmIdentifier;
  scheme: 'sha256' | null;
  signatureAlgorithm: SignatureAlgorithmIdentifier;
}

/** What is the same in all that one signer signs. */
const signers = new WeakMap<Signing, Signer>();

function signerOf(signing: Signing): Signer {
  const known = signers.get(signing);
  if (known) return known;
  const { issuer, serialNumber } = AsnConvert.parse(signing.chain[0] as Buffer, Certificate).tbsCertificate;
  const sid = new SignerIdentifier({ issuerAndSerialNumber: new IssuerAndSerialNumber({ issuer, serialNumber }) });
  const algorithm = keyAlgorithmOf(signing.key);
  if (!algorithm) throw new TypeError(`a key is one of [${Object.keys(keyAlgorithms).join(', ')}]`);
  const { signature, digest: scheme } = keyAlgorithms[algorithm];
  const digest = scheme ?? 'sha512';
  const made: Signer = {
    ...{ sid, certificates: Buffer.concat(signing.chain), digest, scheme },
    digestAlgorithm: new DigestAlgorithmIdentifier({ algorithm: digests[digest] }),
    signatureAlgorithm: new SignatureAlgorithmIdentifier({ algorithm: signature }),
  };
  signers.set(signing, made);
  return made;
}

const bytesOf = (value: object) => Buffer.from(AsnConvert.serialize(value));
const identifierOf = (text: string) => Buffer.from(AsnObjectIdentifierConverter.toASN(text).toBER());
/** Of one that stands before all else: `INTEGER 1`. */
const version1 = Buffer.from([0x02, 0x01, 0x01]);
const tags = { octets: 0x04, sequence: 0x30, set: 0x31, context0: 0xa0 } as const;

/** SignedData with the content inside (RFC 5652 §5), ECDSA with SHA-256 (RFC 5754 §3.3) or ML-DSA (RFC 9882), the chain with it as it is; in DER. */
export function signedCms(content: Buffer, at: number, signing: Signing): Buffer {
  const { sid, certificates, digest, digestAlgorithm, scheme, signatureAlgorithm } = signerOf(signing);
  const signedAttrs = attributesOf(createHash(digest).update(content).digest(), at);
  // RFC 5652 §5.4: what is signed is an explicit SET OF, not the tag that they travel with.
  const signature = sign(scheme, der(tags.set, ...signedAttrs.map(bytesOf)), signing.key);
  const signerInfo = new SignerInfo({
    ...{ version: CMSVersion.v1, sid, digestAlgorithm, signedAttrs, signatureAlgorithm },
    signature: new OctetString(signature),
  });
  const inside = der(tags.sequence, identifierOf(id_data), der(tags.context0, der(tags.octets, content)));
  const signedData = der(
    tags.sequence,
    ...[version1, der(tags.set, bytesOf(digestAlgorithm)), inside],
    ...[der(tags.context0, certificates), der(tags.set, bytesOf(signerInfo))],
  );
  return der(tags.sequence, identifierOf(id_signedData), der(tags.context0, signedData));
}

/** In the order of DER for a SET OF: by their bytes. */
function attributesOf(digest: Buffer, at: number): Attribute[] {
  const attributes = [
    attribute(id_contentType, AsnObjectIdentifierConverter.toASN(id_data).toBER()),
    attribute(id_signingTime, AsnUTCTimeConverter.toASN(new Date(at)).toBER()),
    attribute(id_messageDigest, AsnConvert.serialize(new OctetString(digest))),
  ];
  return attributes.sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
}

const attribute = (attrType: string, value: ArrayBuffer) => new Attribute({ attrType, attrValues: [value] });

/** X.690 §8.1: tag, length, contents. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const digits = length < 128 ? [] : bytesOfLength(length);
  const head = digits.length === 0 ? [tag, length] : [tag, 0x80 | digits.length, ...digits];
  return Buffer.concat([Buffer.from(head), ...parts]);
}

function bytesOfLength(length: number): number[] {
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return bytes;
}
