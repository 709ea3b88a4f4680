/** An authority that there was before the fleet, as its root: what it may sign is looked at before it signs. */
import { certificateSignatures, objectIdentifiers, PortcullisError } from '@portcullis/contract';
import type { BroughtSigner } from '../keys/keys.ts';
import {
  type AuthorityFacts,
  type CertificateFacts,
  fromPem,
  namesItsCurve,
  readAuthority,
  readCertificate,
} from '../pki/pki.ts';
import { usualLifetimes } from './profiles.ts';
import type { Root } from './root.ts';

/** RFC 5280 §4.2.1.12 */
const anyPurpose = '2.5.29.37.0';
/** What a fleet's certificates are for: extended key usages of an authority bind those below it too, for all who verify by OpenSSL. */
const wantedPurposes = {
  clientAuth: objectIdentifiers.clientAuth,
  serverAuth: objectIdentifiers.serverAuth,
  emailProtection: objectIdentifiers.emailProtection,
  documentSigning: objectIdentifiers.documentSigning,
};

/**
 * `warnings`: what is well for now, and somebody has to know.
 * @throws {PortcullisError} `file_unusable` for one that may not sign a fleet's issuers
 */
export function broughtRoot(pem: string, signer: BroughtSigner, now: number): { root: Root; warnings: string[] } {
  const [certificate, ...more] = fromPem('CERTIFICATE', pem);
  if (!certificate || more.length > 0) throw unusable('the file must hold one certificate, of the authority, in PEM');
  const [facts, authority] = [readCertificate(certificate), readAuthority(certificate)];
  if (authority.nameParts === 0)
    throw unusable('the authority has no name: a subject that is empty names no issuer (RFC 5280 §4.1.2.6)');
  const why = whyNot(authority) ?? whyNotNow(facts, now);
  if (why !== undefined) throw unusable(`"${facts.subject}" ${why}`);
  if (facts.key.asymmetricKeyType === 'ec' && !namesItsCurve(facts.publicKey)) {
    throw unusable(
      `"${facts.subject}" has a key whose curve is written out and not named, which verifiers refuse (RFC 5480 §2.1.1)`,
    );
  }
  if (!facts.publicKey.equals(signer.publicKey)) throw unusable(`the key is not the one of "${facts.subject}"`);
  const { subject: name, notBefore, notAfter } = facts;
  return {
    root: { key: 'root', name, certificate, signer, notBefore, notAfter },
    warnings: warningsOf(authority, facts, now),
  };
}

function whyNot(authority: AuthorityFacts): string | undefined {
  const { pathLength, purposes, otherCritical } = authority;
  if (!authority.authority) return 'is of no authority (basic constraints: CA)';
  if (authority.mayCertify === undefined)
    return 'has no key usage: an authority has to say keyCertSign (RFC 5280 §4.2.1.3)';
  if (!authority.mayCertify) return 'may not sign certificates (key usage: keyCertSign)';
  if (!authority.identifiesKey)
    return 'has no subject key identifier, which verifiers ask of an authority (RFC 5280 §4.2.1.2)';
  if (otherCritical.length > 0) {
    return `has critical extensions that not every verifier knows, and who does not refuses all below it: [${otherCritical.join(', ')}]`;
  }
  if (!authority.selfSigned) {
    return 'is not self-signed: a fleet trusts its root alone; bring the root above it';
  }
  if (!certificateSignatures.includes(authority.signature)) {
    return `is signed by an algorithm that devices do not take (${authority.signature})`;
  }
  if (pathLength !== undefined && pathLength < 1) {
    return `may have no authority below it (path length ${pathLength}); the fleet's issuers are two, so it must be 1 or more`;
  }
  if (purposes && !purposes.includes(anyPurpose)) {
    const missing = Object.entries(wantedPurposes).filter(([, id]) => !purposes.includes(id));
    const names = missing.map(([name]) => name).join(', ');
    if (missing.length > 0) return `leaves to those below it other usages than a fleet has; it lacks [${names}]`;
  }
  return undefined;
}

function whyNotNow({ notBefore, notAfter }: CertificateFacts, now: number): string | undefined {
  if (notBefore <= now && now + usualLifetimes.endsSoonMs < notAfter) return undefined;
  const [from, to] = [notBefore, notAfter].map((time) => new Date(time).toISOString());
  return `is good from ${from} to ${to}; it must be good now, and for another year`;
}

function warningsOf(
  { mayRevoke, constrainsNames }: AuthorityFacts,
  { notAfter }: CertificateFacts,
  now: number,
): string[] {
  const years = Math.floor((notAfter - now) / (365 * 86_400_000));
  return [
    ...(mayRevoke === true
      ? []
      : [
          'it may not sign lists of revoked certificates (key usage: cRLSign): who wants a list of the whole chain refuses',
        ]),
    ...(constrainsNames
      ? [
          'it constrains names: certificates of this fleet were tried against that, those of hosts that come later were not; and a device whose clock is wrong judges no such constraint, and refuses',
        ]
      : []),
    ...(years < 10 ? [`it ends in ${years} years, and the fleet's issuers with it`] : []),
  ];
}

function unusable(why: string): PortcullisError {
  return new PortcullisError('file_unusable', why);
}
