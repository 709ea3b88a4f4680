import type { CertificateFields } from '../pki/pki.ts';

/** What a certificate names of its issuer: one list, one responder, and one place for the issuer's own certificate. `url`: where a desk publishes them. */
export function addressesAt(url: string, { key }: { key: string }): NonNullable<CertificateFields['addresses']> {
  return { lists: [`${url}/crl/${key}.crl`], answers: [`${url}/ocsp`], issuers: [`${url}/ca/${key}.cer`] };
}
