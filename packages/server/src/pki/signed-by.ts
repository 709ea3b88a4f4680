import { X509Certificate } from 'node:crypto';
import { PortcullisError } from '@portcullis/contract';

/**
 * The one of these issuers that signed a certificate: its name is the issuer's there, and its key made the signature. Undefined: none of them.
 * @throws {PortcullisError} `request_malformed` for what is no end entity's certificate
 */
export function signedBy(certificate: Uint8Array, issuers: readonly Uint8Array[]): Uint8Array | undefined {
  const leaf = parsed(certificate);
  if (leaf.ca)
    throw new PortcullisError('request_malformed', 'this is the certificate of an authority, not of a device');
  return issuers.find((one) => {
    const issuer = new X509Certificate(one);
    return leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
  });
}

/** Also one of an authority: by name, and by its signature. */
export function isSignedBy(certificate: Uint8Array, issuer: Uint8Array): boolean {
  const [below, above] = [parsed(certificate), parsed(issuer)];
  return below.checkIssued(above) && below.verify(above.publicKey);
}

function parsed(certificate: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw new PortcullisError('request_malformed', 'this is not an X.509 certificate', { cause });
  }
}
