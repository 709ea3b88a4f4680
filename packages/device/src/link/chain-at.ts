/**
 * The whole judgement of a server's chain at a time that is not the system's (RFC 5280 §6.1), for a machine whose clock is known to be
 * wrong: OpenSSL judges by that clock alone. It takes less than OpenSSL does: chains of a fleet hold nothing else.
 */
import type { X509Certificate } from 'node:crypto';
import { certificateSignatures, der, isStrongKey, objectIdentifiers } from '@portcullis/contract';
import { type Facts, factsOf, hasUsage, pathLengthIn } from './extensions.ts';
import { areValidWithin, type Moment } from './moment.ts';

const basicConstraints = '551d13';
const keyUsage = '551d0f';
/** What is understood here; RFC 5280 §4.2 refuses whatever else is critical. With alternative names and extended usages. */
const understood = new Set([basicConstraints, keyUsage, '551d11', '551d25']);
/**
 * What narrows a certificate or what is below it, critical or not, and is not judged here: nameConstraints (RFC 5280 §4.2.1.10),
 * nsCertType, proxyCertInfo (RFC 3820 §3.8), addresses and numbers of networks (RFC 3779 §2, §3).
 */
const narrowing = [
  ...['2.5.29.30', '2.16.840.1.113730.1.1', '1.3.6.1.5.5.7.1.14'],
  ...['1.3.6.1.5.5.7.1.7', '1.3.6.1.5.5.7.1.8'],
].map(identifierHex);
const [digitalSignature, keyCertSign] = [0, 5];
const signatures = certificateSignatures.map(identifierHex);

/** The hex of its DER content. */
function identifierHex(dotted: string): string {
  return der.objectIdentifier(dotted).subarray(2).toString('hex');
}

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
  if (unknown || narrowing.some((name) => facts.extensions.has(name)))
    return 'its chain has an extension that is not understood here';
  if (!signatures.includes(facts.signature)) return 'its chain has a signature of an algorithm that is not taken here';
  if (!isStrongKey(certificate.publicKey))
    return 'its chain has a key that is too weak or of an algorithm that is not taken here';
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
