/**
 * The whole judgement of a server's chain at a time that is not the system's (RFC 5280 §6.1), for a machine whose clock is known to be
 * wrong: OpenSSL judges by that clock alone. It takes less than OpenSSL does: chains of a fleet hold nothing else.
 */
import type { X509Certificate } from 'node:crypto';
import { objectIdentifiers } from '@portcullis/contract';
import { type Facts, factsOf, hasUsage, pathLengthIn } from './extensions.ts';
import { areValidWithin, type Moment } from './moment.ts';

const basicConstraints = '551d13';
const keyUsage = '551d0f';
/** What is understood here; RFC 5280 §4.2 refuses whatever else is critical. With alternative names and extended usages. */
const understood = new Set([basicConstraints, keyUsage, '551d11', '551d25']);
/** Of what certificates are about: an issuer that has any is nothing for this judgement. */
const nameConstraints = '551d1e';
const [digitalSignature, keyCertSign] = [0, 5];
const rsaBitsMin = 2_048;

/** ECDSA and RSA (PKCS#1 v1.5) with SHA-256, SHA-384 or SHA-512; Ed25519; ML-DSA: the hex of their DER content. */
const signatures = new Set([
  ...['02', '03', '04'].map((last) => `2a8648ce3d0403${last}`),
  ...['0b', '0c', '0d'].map((last) => `2a864886f70d0101${last}`),
  '2b6570',
  ...['11', '12', '13'].map((last) => `6086480165030403${last}`),
]);

/** Why it is none, of a chain from the leaf up to the root, in which each is signed by the next; undefined: it is one. */
export function complaintAt(chain: readonly X509Certificate[], moment: Moment): string | undefined {
  if (!areValidWithin(chain, moment)) return 'a certificate of its chain is not valid at the time that is known';
  try {
    return chain.flatMap((certificate, depth) => formComplaint(certificate, depth) ?? [])[0];
  } catch (error) {
    return (error as Error).message;
  }
}

function formComplaint(certificate: X509Certificate, depth: number): string | undefined {
  const facts = factsOf(certificate.raw);
  const unknown = [...facts.extensions].find(([name, { critical }]) => critical && !understood.has(name));
  if (unknown || facts.extensions.has(nameConstraints)) return 'its chain has an extension that is not understood here';
  if (!signatures.has(facts.signature)) return 'its chain has a signature of an algorithm that is not taken here';
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  const isWeak = asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) < rsaBitsMin;
  if (isWeak) return 'its chain has a key that is too short';
  return depth === 0 ? leafComplaint(certificate, facts) : issuerComplaint(certificate, facts, depth);
}

function leafComplaint(leaf: X509Certificate, { extensions }: Facts): string | undefined {
  const usage = extensions.get(keyUsage);
  const serves = leaf.keyUsage?.includes(objectIdentifiers.serverAuth) && (!usage || hasUsage(usage, digitalSignature));
  return !leaf.ca && serves ? undefined : 'its certificate is not one of a server';
}

/** `depth`: of the leaf 0, so that one less of issuers stand between. */
function issuerComplaint(issuer: X509Certificate, { extensions }: Facts, depth: number): string | undefined {
  const [constraints, usage] = [extensions.get(basicConstraints), extensions.get(keyUsage)];
  const signs = issuer.ca && constraints && (!usage || hasUsage(usage, keyCertSign));
  const serves = issuer.keyUsage === undefined || issuer.keyUsage.includes(objectIdentifiers.serverAuth);
  if (!signs || !serves) return 'its chain has an issuer that may not sign it';
  return depth - 1 <= (pathLengthIn(constraints) ?? depth) ? undefined : 'its chain is longer than an issuer allows';
}
