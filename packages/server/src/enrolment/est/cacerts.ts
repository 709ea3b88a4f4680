import { X509Certificate } from 'node:crypto';
import { fromPem } from '../../pki/pki.ts';

/**
 * What a client is to trust, in the order in which clients take it apart: issuers, then roots, of each the newest last, without those that
 * ended (FINDINGS B5: strongSwan names the last root for the one).
 */
export function trusted({ roots, issuers }: { roots: string; issuers: string }, now: number): Buffer[] {
  const lasting = (pem: string) =>
    fromPem('CERTIFICATE', pem)
      .map((der) => new X509Certificate(der))
      .filter(({ validTo }) => Date.parse(validTo) > now)
      .sort((one, other) => Date.parse(one.validFrom) - Date.parse(other.validFrom))
      .map(({ raw }) => raw);
  return [...lasting(issuers), ...lasting(roots)];
}
