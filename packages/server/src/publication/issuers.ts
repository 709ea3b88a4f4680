import { fingerprintOf, fromPem } from '../pki/pki.ts';

/** The certificates of a trust bundle, in DER, by fingerprint. */
export function issuersIn(pem: string): ReadonlyMap<string, Buffer> {
  return new Map(fromPem('CERTIFICATE', pem).map((der) => [fingerprintOf(der), der]));
}
