/**
 * The standing of certificates: valid, suspended (reversible), revoked and superseded (final).
 * - No revocation is undone: not by resuming, renewing, enrolling again (P9).
 * - Its cost does not grow with the number of certificates or of revocations (P11): indexed rows and one journal entry.
 * - Cutting a subject voids its tokens; the last operator with a valid certificate can not be cut.
 * Refuses to know: how gates come to enforce it.
 */
export { certificateView, openRevocation } from './open.ts';

import type { CertificateView, Kind, StandingsRequest } from '@portcullis/contract';
import type { By, ChangeTransaction } from '../journal/journal.ts';
import type { Reader, Schema } from '../storage/storage.ts';

/** A certificate's row with its subject's kind. */
export type CertificateRow = Schema['certificates'] & { kind: Kind };

export interface StandingChange {
  revision: number;
  /** Of the certificates whose standing changed. */
  fingerprints: string[];
}

export interface Revocation {
  /** @throws {PortcullisError} `subject_unknown`, `certificate_unknown`, `standing_final`, `last_operator` */
  change(by: By, request: StandingsRequest): Promise<StandingChange>;
  /** Revokes everything the subject has, for ever. */
  retire(by: By, subject: string): Promise<StandingChange>;
  /** Within a revision: a newer certificate took its place. */
  supersede(change: ChangeTransaction, certificate: CertificateRow): Promise<void>;
  /** `db`: within a transaction that is open, and as of it. */
  find(fingerprint: string, db?: Reader): Promise<CertificateRow | undefined>;
  list(query: { after?: string | undefined; limit: number; subject?: string | undefined }): Promise<{
    items: CertificateView[];
    next: string | null;
  }>;
}
