/**
 * The standing of certificates: valid, suspended (reversible), revoked and superseded (final).
 * - No revocation is undone: not by resuming, renewing, enrolling again (P9).
 * - A certificate's fingerprint names all that were renewed from it too: a renewal is no way out of a cut.
 * - Its cost does not grow with the number of certificates or of revocations (P11): indexed rows and one journal entry.
 * - Cutting a subject voids its tokens; the last operator with a valid certificate can not be cut.
 * - Lists for third parties are made in the background: a revocation waits for none.
 * Refuses to know: how gates come to enforce it.
 */

export { type ListIssuer, type Lists, openLists, type RevocationList } from './crl/lists.ts';
export { expiringCertificates } from './expiring.ts';
export { openRevocation } from './open.ts';
export type { CertificateRow, Revocation, StandingChange } from './promises.ts';
export { certificateView } from './rows.ts';
