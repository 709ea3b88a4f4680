/**
 * The append-only, hash-chained list of everything that happened (P12), and the only way to make a revision.
 * - An entry is in the transaction of what it tells: neither is there without the other.
 * - Positions and revisions have no gaps, and the order of commits is the order of both.
 * - An entry's hash covers the hash before it and its own stored bytes.
 * - Followers are told after the commit, in order; a cursor finds whatever they missed.
 * Refuses to know: what an action means, who may do it.
 */
export { type JournalHead, readHeadFile, writeHeadFile } from './head-file.ts';
export { openJournal } from './open.ts';
export type {
  By,
  CertificateDelta,
  ChangeRecord,
  ChangeTransaction,
  DraftProgress,
  DraftTold,
  Entry,
  Journal,
  OpenDraft,
  RequestId,
} from './promises.ts';
export { acceptRestored, newlySeen } from './seen-head.ts';
export { readVerifiedFile, type Verified, writeVerifiedFile } from './verified-file.ts';
export { type HeldHead, storedHeadOf, type Verification, verifyJournal } from './verify.ts';
export type { EndVerification } from './verify-end.ts';
