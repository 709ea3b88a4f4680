import { type Fingerprint, OcspCertificates, PublicationCertificateRequest } from '@portcullis/contract';
import type { SignedCertificate } from '../issuance/issuance.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { requireSeldom } from './gates.ts';
import { type Call, type Rooms, type Route, route } from './route.ts';

export const ocspCertificatesRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/ocsp-certificates',
    kinds: ['desk'],
    summary: 'A certificate from each issuer, of the key that a desk signs answers about certificates with',
    uses: ['issuance', 'journal', 'serverCertificates', 'system'],
    schemas: { body: PublicationCertificateRequest },
    answer: OcspCertificates,
    handle: issueOcspCertificates,
  }),
];

async function issueOcspCertificates(
  {
    issuance,
    journal,
    serverCertificates,
    system,
  }: Pick<Rooms, 'issuance' | 'journal' | 'serverCertificates' | 'system'>,
  { body, peer, by }: Call<{ body: typeof PublicationCertificateRequest }>,
): Promise<OcspCertificates> {
  requireSeldom(serverCertificates, peer.subject);
  const request = Buffer.from(body.request, 'base64');
  const signed: SignedCertificate[] = [];
  for (const { fingerprint, signer, notAfter } of issuance.issuers()) {
    // In its last hour an issuer signs nothing: what it delegated before lasts as long as it does.
    if (!signer || notAfter - system.now() < issuance.lifetimes.remainingMsMin) continue;
    const asked = { subject: peer.subject, kind: peer.kind, request, answersFor: fingerprint };
    signed.push(await issuance.issue(await issuance.check(asked)));
  }
  const fingerprints = signed.map(({ fingerprint }) => fingerprint);
  await journal.note({ ...by, action: 'certificates.ocsp', body: { fingerprints } }, async (db) => {
    for (const one of signed) await issuance.recordOwn(db, one, peer.subject);
  });
  return {
    items: signed.map((one) => ({
      issuer: one.issuerFingerprint as Fingerprint,
      certificate: one.pem,
      renewAfter: timestamp(issuance.renewAfter(one)),
      notAfter: timestamp(one.notAfter),
    })),
  };
}
