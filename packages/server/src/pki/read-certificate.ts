import { createHash, X509Certificate } from 'node:crypto';
import { type Fingerprint, objectIdentifiers, PortcullisError, type Purpose } from '@portcullis/contract';

export interface CertificateFacts {
  fingerprint: Fingerprint;
  /** 32 lower-case hex digits. */
  serial: string;
  /** Common names. */
  issuer: string;
  subject: string;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  uris: string[];
  purposes: Purpose[];
  /** SubjectPublicKeyInfo in DER. */
  publicKey: Buffer;
}

export function fingerprintOf(der: Uint8Array): Fingerprint {
  return createHash('sha256').update(der).digest('hex') as Fingerprint;
}

/** @throws {PortcullisError} `request_malformed` for what is not one certificate */
export function readCertificate(source: Uint8Array | string): CertificateFacts {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(source);
  } catch (cause) {
    throw new PortcullisError('request_malformed', 'this is not an X.509 certificate', { cause });
  }
  const usages: readonly string[] = certificate.keyUsage ?? [];
  return {
    fingerprint: fingerprintOf(certificate.raw),
    serial: certificate.serialNumber.toLowerCase().padStart(32, '0'),
    issuer: commonNameOf(certificate.issuer),
    subject: commonNameOf(certificate.subject),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    uris: [...(certificate.subjectAltName ?? '').matchAll(/URI:([^,\s"]+)/g)].map((match) => match[1] as string),
    purposes: [
      ...(usages.includes(objectIdentifiers.clientAuth) ? (['client'] as const) : []),
      ...(usages.includes(objectIdentifiers.serverAuth) ? (['server'] as const) : []),
      ...(usages.includes(objectIdentifiers.ocspSigning) ? (['ocsp'] as const) : []),
      ...(usages.includes(objectIdentifiers.documentSigning)
        ? ([usages.includes(objectIdentifiers.emailProtection) ? 'publication' : 'label'] as const)
        : []),
    ],
    publicKey: certificate.publicKey.export({ type: 'spki', format: 'der' }),
  };
}

function commonNameOf(name: string): string {
  return /(?:^|\n)CN=([^\n]*)/.exec(name)?.[1] ?? name;
}
