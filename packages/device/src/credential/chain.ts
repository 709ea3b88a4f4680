import { X509Certificate } from 'node:crypto';

export function certificateIn(source: string | Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(source);
  } catch {
    return undefined;
  }
}

/** Of a file of several, in PEM. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** Why a leaf is not one of the fleet's: root → issuer → leaf (RFC 5280 §6.1). Times are for who asks to judge. */
export function chainComplaint(leaf: X509Certificate, issuer: X509Certificate, roots: string): string | undefined {
  if (leaf.ca || !issuer.ca || !signs(issuer, leaf)) return 'is not by the issuer it names';
  const isRooted = certificatesIn(roots).some((root) => root.ca && signs(root, issuer));
  return isRooted ? undefined : "has a chain that does not end at one of the fleet's roots";
}

export const isValidAt = ({ validFromDate, validToDate }: X509Certificate, at: number) =>
  at >= +validFromDate && at <= +validToDate;

function signs(issuer: X509Certificate, subject: X509Certificate): boolean {
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}
