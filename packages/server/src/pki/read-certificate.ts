import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { type Fingerprint, objectIdentifiers, PortcullisError, type Purpose } from '@portcullis/contract';

export interface CertificateFacts {
  fingerprint: Fingerprint;
  /** 32 lower-case hex digits. */
  serial: string;
  /** Common names; of who has none the whole name, on one line. */
  issuer: string;
  subject: string;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  uris: string[];
  purposes: Purpose[];
  key: KeyObject;
  /** SubjectPublicKeyInfo in DER; to write it costs as much as to verify a signature, so it is done when it is asked for. */
  readonly publicKey: Buffer;
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
  const key = certificate.publicKey;
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
    key,
    get publicKey() {
      return key.export({ type: 'spki', format: 'der' });
    },
  };
}

/** `name`: as Node writes one, a part a line; undefined: an empty one. Where it has no common name, all that it has. */
export function commonNameOf(name = ''): string {
  return /(?:^|\n)CN=([^\n]*)/.exec(name)?.[1] ?? name.trimEnd().replaceAll('\n', ', ');
}
