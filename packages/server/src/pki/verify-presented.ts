import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  BasicConstraints,
  Certificate,
  id_ce_basicConstraints,
  id_ce_certificatePolicies,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  KeyUsage,
  KeyUsageFlags,
} from '@peculiar/asn1-x509';
import { certificateSignatures, isStrongKey, objectIdentifiers } from '@portcullis/contract';
import { otherFingerprints } from './other-signature.ts';
import { fingerprintOf } from './read-certificate.ts';

/** Who proved in a handshake to hold the key of a certificate that the fleet did not issue. */
export interface Presented {
  fingerprint: string;
  /**
   * SHA-256 of what was signed (TBSCertificate), hexadecimal: a signature by ECDSA can be written in two ways, so that one certificate has two
   * fingerprints (s, and n - s: SEC 1 §4.1.4 takes both).
   */
  content: string;
  /** What else its fingerprint could be with that signature written otherwise. */
  others: string[];
  /** The serialNumber in its subject's name (X.520 §6.2.9, IEEE 802.1AR §8.6): that of the thing, not of the certificate. */
  serialNumber: string | undefined;
}

interface One {
  certificate: X509Certificate;
  parsed: Certificate;
}

const presentedMax = 6;
/** A leaf, and so many between it and what is trusted. */
const betweenMax = 4;
/** Understood here, or without effect on what is concluded (RFC 5280 §6.1: any policy will do). */
const known: readonly string[] = [
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_extKeyUsage,
  id_ce_subjectAltName,
  id_ce_certificatePolicies,
];
const anyExtendedKeyUsage = '2.5.29.37.0';

/**
 * Verifies what was presented, the leaf first, up to one of these authorities (RFC 5280 §6.1, without policies, and refusing what has name
 * constraints). Undefined: no way leads there.
 */
export function verifyPresented(
  presented: readonly Uint8Array[],
  { authorities, now }: { authorities: readonly Uint8Array[]; now: number },
): Presented | undefined {
  try {
    const [leaf, ...between] = presented.slice(0, presentedMax).map(read);
    if (!leaf || !mayAuthenticate(leaf) || !isGood(leaf, now)) return undefined;
    if (!leadsTo(leaf, { between, authorities: authorities.map(read), now })) return undefined;
    return {
      fingerprint: fingerprintOf(leaf.certificate.raw),
      content: fingerprintOf(signedPartOf(leaf)),
      others: isByEcdsa(leaf) ? otherFingerprints(leaf.certificate.raw) : [],
      serialNumber: serialNumberOf(leaf.parsed),
    };
  } catch {
    // What can not be read leads nowhere.
    return undefined;
  }
}

function read(der: Uint8Array): One {
  const certificate = new X509Certificate(der);
  return { certificate, parsed: AsnConvert.parse(certificate.raw, Certificate) };
}

const byEcdsa: readonly string[] = [
  objectIdentifiers.ecdsaWithSha256,
  objectIdentifiers.ecdsaWithSha384,
  objectIdentifiers.ecdsaWithSha512,
];
const isByEcdsa = ({ parsed }: One) => byEcdsa.includes(parsed.signatureAlgorithm.algorithm);

function signedPartOf({ parsed }: One): Uint8Array {
  const { tbsCertificateRaw } = parsed;
  if (!tbsCertificateRaw) throw new Error('it was parsed without its bytes');
  return new Uint8Array(tbsCertificateRaw);
}

/** `below`: how many authorities were passed, which none of those above may limit to fewer (RFC 5280 §4.2.1.9). */
function leadsTo(
  one: One,
  { between, authorities, now }: { between: readonly One[]; authorities: readonly One[]; now: number },
): boolean {
  let [current, below] = [one, 0];
  for (; below <= betweenMax; below++) {
    const issued = (authority: One) =>
      isNamedBy(current, authority) &&
      mayIssue(authority, below) &&
      isGood(authority, now) &&
      isSignedBy(current, authority);
    if (authorities.some(issued)) return true;
    const next = between.find(issued);
    if (!next || next === current) return false;
    current = next;
  }
  return false;
}

/** By name, and by the key identifier where there is one. */
function isNamedBy({ certificate }: One, authority: One): boolean {
  return certificate.checkIssued(authority.certificate);
}

/** Asked last: who presents an authority of his own making chose its key too, and how long that takes to verify. */
function isSignedBy({ certificate }: One, authority: One): boolean {
  return certificate.verify(authority.certificate.publicKey);
}

function mayIssue({ certificate, parsed }: One, below: number): boolean {
  const constraints = extensionOf(parsed, id_ce_basicConstraints, BasicConstraints);
  if (!certificate.ca || !constraints?.cA) return false;
  const usage = extensionOf(parsed, id_ce_keyUsage, KeyUsage);
  if (usage && (usage.toNumber() & KeyUsageFlags.keyCertSign) === 0) return false;
  return constraints.pathLenConstraint === undefined || below <= constraints.pathLenConstraint;
}

/** By its key usages; one that says none may be used for anything. */
function mayAuthenticate({ certificate, parsed }: One): boolean {
  if (certificate.ca) return false;
  const usage = extensionOf(parsed, id_ce_keyUsage, KeyUsage);
  if (usage && (usage.toNumber() & KeyUsageFlags.digitalSignature) === 0) return false;
  const purposes = certificate.keyUsage as readonly string[] | undefined;
  return !purposes || purposes.includes(objectIdentifiers.clientAuth) || purposes.includes(anyExtendedKeyUsage);
}

function isGood({ certificate, parsed }: One, now: number): boolean {
  if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo)) return false;
  if (!certificateSignatures.includes(parsed.signatureAlgorithm.algorithm) || !isStrongKey(certificate.publicKey))
    return false;
  const extensions = parsed.tbsCertificate.extensions ?? [];
  return extensions.every(({ extnID, critical }) =>
    critical ? known.includes(extnID) : extnID !== id_ce_nameConstraints,
  );
}

function extensionOf<T>({ tbsCertificate }: Certificate, id: string, type: new () => T): T | undefined {
  const found = tbsCertificate.extensions?.find(({ extnID }) => extnID === id);
  return found && AsnConvert.parse(found.extnValue.buffer, type);
}

function serialNumberOf({ tbsCertificate }: Certificate): string | undefined {
  const named = tbsCertificate.subject.flat().filter(({ type }) => type === objectIdentifiers.serialNumber);
  return named.length === 1 ? named[0]?.value.toString() : undefined;
}
