import { X509Certificate } from 'node:crypto';
import type { Credential } from './credential.ts';

/** What a certificate is back-dated by (FIELD-NOTES D8), and how long gates may be away. */
const backdateMs = 3_600_000;
const waitMsMax = 86_400_000;

/**
 * Whether a renewed pair that no gate has taken waits for one, with the pair before it in use: until the old one ends where a gate was
 * `reached`; where all are only away, which disproves nothing, for a day, or a tenth of the new lifetime where that is less.
 * `now` in milliseconds since 1970.
 */
export function isProofWaitedFor({ certificate, previous }: Credential, reached: boolean, now: number): boolean {
  if (!previous || Date.parse(previous.notAfter) <= now) return false;
  if (reached) return true;
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const waitMs = Math.min(waitMsMax, (+validToDate - +validFromDate) / 10);
  return now < +validFromDate + backdateMs + waitMs;
}
