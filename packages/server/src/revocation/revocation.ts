/**
 * The standing of certificates: valid, suspended (reversible), revoked and superseded (final).
 * - No revocation is undone: not by resuming, renewing, enrolling again (P9).
 * - Its cost does not grow with the number of certificates or of revocations (P11): indexed rows and one journal entry.
 * - Cutting a subject voids its tokens; the last operator with a valid certificate can not be cut.
 * Refuses to know: how gates come to enforce it.
 */
export { openRevocation } from './open.ts';
export { certificateView } from './rows.ts';

import type { AuthorityStatus, CertificatesQuery, CertificateView, Kind, StandingsRequest } from '@portcullis/contract';
import type { By, ChangeTransaction } from '../journal/journal.ts';
import type { Reader, Schema } from '../storage/storage.ts';

/** A certificate's row with its subject's kind, and whether that is an operator which changes nothing. */
export type CertificateRow = Schema['certificates'] & { kind: Kind; readOnly: number };

export interface StandingChange {
  revision: number;
  /** How many certificates, tokens and records of subjects are other than before. */
  changed: number;
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
  /** @throws {PortcullisError} `subject_unknown` */
  list(query: CertificatesQuery): Promise<{ items: CertificateView[]; next: string | null }>;
  /** Subjects whose last valid certificate ends within so many milliseconds: bounded, however many those are. */
  ending(withinMs: number): Promise<Omit<AuthorityStatus['ending'], 'within'>>;
}
