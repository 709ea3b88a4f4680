import type { KeyAlgorithm, Kind } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Reader, Writer } from '../storage/storage.ts';
import type { CheckRequest, Permit } from './check.ts';
import type { SignedCertificate } from './issue.ts';
import type { FleetIssuer } from './issuers.ts';
import type { Lifetimes } from './profiles.ts';

/** The certificates that everybody trusts or needs for a chain, in PEM. */
export interface Bundle {
  version: number;
  roots: string;
  issuers: string;
}

/** A client certificate that was not made here. */
export interface ForeignCertificate
  extends Pick<
    SignedCertificate,
    'fingerprint' | 'serial' | 'subject' | 'kind' | 'issuer' | 'issuerFingerprint' | 'notBefore' | 'notAfter'
  > {
  publicKey: Buffer;
  der: Buffer;
  standing: 'valid' | 'suspended' | 'revoked';
}

export interface Issuance {
  readonly lifetimes: Lifetimes;
  /** As it is now. */
  readonly bundle: Bundle;
  /** All that sign or signed, the root too, in the order in which they were made. The same list until it is read anew. */
  issuers(): readonly FleetIssuer[];
  /** Reads issuers and bundle anew, after a change of them, and tells who listens. */
  reload(): Promise<void>;
  /** Called after each time that they were read anew. Returns how to stop. */
  onReload(listener: () => void): () => void;
  /** Those of these keys that others have: nobody gets a certificate of one. By the SHA-256 of each SubjectPublicKeyInfo, in hex. */
  lostAmong(db: Reader, keyHashes: readonly string[]): Promise<ReadonlySet<string>>;
  /** The certificate of the issuer that signed this one, in PEM. `issuer`: the common name that it has there. */
  issuerOf(certificate: { issuer: string }): string;
  /** What a new key of this kind of subject is made of. */
  keysOf(kind: Kind): KeyAlgorithm;
  /** For how long after its end a certificate whose standing is valid may still be renewed, in milliseconds. */
  renewableMs(kind: Kind): number;
  /** The longest of them. */
  readonly renewableMsMax: number;
  /** @throws {PortcullisError} `request_malformed`, `key_refused`, `request_signature_invalid`, `policy_not_met` */
  check(request: CheckRequest): Promise<Permit>;
  /** How often the policy of each kind that has one said no since the start. */
  policyRefusals(): [Kind, number][];
  /** @throws {PortcullisError} `issuer_ended`. Signs. The serial is on disk before; the certificate is nobody's until it is recorded. */
  issue(permit: Permit): Promise<SignedCertificate>;
  /** Called after each certificate that was signed. Returns how to stop. */
  onIssued(listener: () => void): () => void;
  /** How many certificates of each issuer live, by its fingerprint: of several that sign for the same, the one with the fewest takes the next. */
  counted(live: ReadonlyMap<string, number>): void;
  /** Puts a certificate on record within a revision, so that gates learn of one that a client shows. */
  record(change: ChangeTransaction, signed: SignedCertificate, renewal?: { renews: string }): Promise<void>;
  /**
   * Puts on record, within a revision, what one of the fleet's issuers signed elsewhere, with the standing that it has from then on: it has to be read
   * with `pki` and found to be that issuer's before.
   */
  recordForeign(change: ChangeTransaction, foreign: ForeignCertificate): Promise<void>;
  /**
   * Puts on record what a gate, a desk or the authority has beside its client certificate: of one purpose it supersedes those that a gate or a
   * desk had. No gate decides by it, so it needs no revision.
   */
  recordOwn(db: Writer, signed: SignedCertificate, actor: string): Promise<void>;
  /** When each issuer ends: nothing that it signed outlives it. */
  ends(): { name: string; notAfter: number }[];
  /** When to renew, and never at once: chosen between half and two thirds of the lifetime, so that a fleet spreads out. */
  renewAfter(signed: { notBefore: number; notAfter: number }): number;
  /** How long after a renewal its subject gets no other one. */
  renewedEveryMs(last: { notBefore: number; notAfter: number }): number;
}
