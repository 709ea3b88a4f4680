import type {
  AuthorityStatus,
  CertificatesQuery,
  CertificateView,
  Fingerprint,
  Kind,
  LeftByUndo,
  StandingsRequest,
} from '@portcullis/contract';
import type { By, ChangeRecord, ChangeTransaction } from '../journal/journal.ts';
import type { Reader, Schema } from '../storage/storage.ts';

/** A certificate's row with its subject's kind, and whether that is an operator which changes nothing. */
export type CertificateRow = Schema['certificates'] & {
  kind: Kind;
  readOnly: number;
  /** It ended: nothing is changed of it any more. */
  archivedAt?: number;
};

export interface StandingChange {
  revision: number;
  /** How many certificates, tokens and records of subjects are other than before. */
  changed: number;
  /** Of the certificates whose standing changed, the first of them. */
  fingerprints: Fingerprint[];
}

export interface Revocation {
  /** A fingerprint names a certificate and all that descend from it. @throws {PortcullisError} `subject_unknown`, `certificate_unknown`, `standing_final`, `last_operator` */
  change(by: By, request: StandingsRequest): Promise<StandingChange>;
  /** Revokes everything the subject has, for ever. */
  retire(by: By, subject: string): Promise<StandingChange>;
  /**
   * Within a revision: takes back the suspensions of this record, and its resumptions, where nothing newer touched the certificate. What is
   * final stays.
   */
  undo(
    change: ChangeTransaction,
    record: ChangeRecord,
  ): Promise<{ changed: number; newest: number; left: LeftByUndo[] }>;
  /**
   * Within a revision: all certificates of a subject are suspended, whatever is underneath, and it is given no others. Resolves to how many were
   * valid. @throws {PortcullisError} `subject_unknown`, `last_operator`
   */
  hold(change: ChangeTransaction, subject: string): Promise<number>;
  /** Within a revision: what is underneath is in force again. Resolves to how many are valid again. */
  letGo(change: ChangeTransaction, subject: string): Promise<number>;
  /** Within a revision: as `change` does of one certificate, with all that descends from it. Resolves to how many it changed. */
  cut(change: ChangeTransaction, action: 'suspend' | 'revoke', fingerprint: Fingerprint): Promise<number>;
  isHeld(db: Reader, subject: string): Promise<boolean>;
  /** Who was cut gets no new credential unawares. @throws {PortcullisError} `after_revocation_required` */
  requireNotCut(db: Reader, subject: string): Promise<void>;
  /** Within a revision: a newer certificate took its place. */
  supersede(change: ChangeTransaction, certificate: CertificateRow): Promise<void>;
  /**
   * Within a revision: of all that descends from the same first certificate this one and what descends from it stay. Resolves to those
   * of other lines that were confirmed and valid: somebody else holds them.
   */
  supersedeLine(change: ChangeTransaction, fingerprint: string): Promise<CertificateRow[]>;
  /** `db`: within a transaction that is open, and as of it. */
  find(fingerprint: string, db?: Reader): Promise<CertificateRow | undefined>;
  /** Also where it was archived. */
  findEver(fingerprint: string): Promise<CertificateRow | undefined>;
  /** @throws {PortcullisError} `subject_unknown` */
  list(query: CertificatesQuery): Promise<{ items: CertificateView[]; next: string | null }>;
  /** Subjects whose last valid certificate ends within so many milliseconds: bounded, however many those are. */
  ending(withinMs: number): Promise<Omit<AuthorityStatus['ending'], 'within'>>;
}
