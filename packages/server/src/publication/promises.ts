import type { KeyObject } from 'node:crypto';
import type { FleetName, PublicSubject } from '@portcullis/contract';

/** What public answers are signed with. */
export interface Signing {
  fleet: FleetName;
  key: KeyObject;
  /** The signer's certificate and its issuer's, in DER. */
  chain: readonly Buffer[];
}

/** What is known of what is public, and how old that is. */
export interface PublicSource {
  /** By the SHA-256 of its code, in hex. */
  findByCode(hash: string): PublicSubject | undefined;
  /** Of the authority's last word; undefined: there was none. */
  readonly state: { revision: number; time: string; ageMs: number } | undefined;
}

export interface Asked {
  path: string;
  accept: string | undefined;
  acceptLanguage: string | undefined;
  ifNoneMatch: string | undefined;
  /** Who asks: whose wrong codes are counted together. */
  from: string;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

export interface PublicationParts {
  source: PublicSource;
  /** Undefined: the desk has no certificate for it yet. */
  signing(): Signing | undefined;
  /** The certificate of an issuer of the fleet, in DER, by its fingerprint. */
  issuerOf(fingerprint: string): Buffer | undefined;
  /** No answer is given while the authority's last word is older. */
  ageMsMax: number;
  monotonic(): number;
}
