import type { X509Certificate } from 'node:crypto';
import { objectIdentifiers, PortcullisError, shownCertificateLengthMax } from '@portcullis/contract';
import { certificateIn } from '@portcullis/device';

const block = /^-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE-----\s*$/;
const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * One certificate in a form that a proxy writes: PEM; PEM with percent signs (nginx, `$ssl_client_escaped_cert`); base64 of DER (HAProxy,
 * `ssl_c_der,base64`); `:base64:` (RFC 9440 §2.1). Undefined: the peer showed none (FIELD-NOTES H2).
 * @throws {PortcullisError} `request_malformed` for anything else: a name or a fingerprint is no proof
 */
export function shownCertificate(text: string): X509Certificate | undefined {
  if (text === '' || text === '-') return undefined;
  const der = text.length > shownCertificateLengthMax ? undefined : derIn(text);
  const certificate = der && certificateIn(der);
  // What lies behind the end of a certificate is no part of what its issuer signed.
  if (certificate?.raw.equals(der as Buffer)) return certificate;
  const forms = 'must be one certificate in PEM, escaped PEM, base64 of DER, or ":base64:"';
  throw new PortcullisError('request_malformed', `certificate: ${forms}`);
}

function derIn(text: string): Buffer | undefined {
  const plain = text.includes('%') ? unescaped(text) : text;
  const inPem = block.exec(plain)?.[1]?.replace(/\s/g, '');
  const encoded = inPem ?? (/^:(.*):$/.exec(text)?.[1] || text);
  if (!base64.test(encoded)) return undefined;
  const der = Buffer.from(encoded, 'base64');
  return der.toString('base64') === encoded ? der : undefined;
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

export const isForClients = ({ keyUsage }: X509Certificate) =>
  ((keyUsage ?? []) as readonly string[]).includes(objectIdentifiers.clientAuth);
