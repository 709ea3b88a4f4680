import type { ColumnType, Generated } from 'kysely';
import type { AlertsTables } from './tables/alerts.ts';
import type { AuthoritiesTables } from './tables/authorities.ts';
import type { ChangesetsTables } from './tables/changesets.ts';
import type { EstTables } from './tables/est.ts';
import type { HeldTables } from './tables/held.ts';
import type { IssuersTables } from './tables/issuers.ts';
import type { JourneysTables } from './tables/journeys.ts';
import type { LabelsTables } from './tables/labels.ts';
import type { ListsTables } from './tables/lists.ts';
import type { PublicationTables } from './tables/publication.ts';
import type { RequestsTables } from './tables/requests.ts';
import type { RolloversTables } from './tables/rollovers.ts';
import type { RulesTables } from './tables/rules.ts';
import type { SignalsTables } from './tables/signals.ts';

interface CertificatesTable {
  fingerprint: string;
  /** What `fingerprint` is of: a certificate, or the key id of a key credential. */
  form: string;
  /** Of a revoked one: the name that RFC 5280 §5.3.1 has for why; null: unspecified. */
  reasonCode: string | null;
  serial: string;
  issuer: string;
  /** Of the issuer's certificate; not known of those that earlier versions issued. */
  issuerFingerprint: string | null;
  subject: string;
  purpose: string;
  /** Of a key credential: no bytes. */
  der: Uint8Array;
  notBefore: number;
  notAfter: number;
  standing: string;
  revision: number;
  changedAt: number;
  changedBy: string;
  reason: string | null;
  issuedAt: number;
  /** The certificate that this one succeeds, also once this one is confirmed. */
  renews: string | null;
  confirmed: number;
  publicKey: string;
}

interface TokensTable {
  id: string;
  subject: string;
  kind: string;
  secretHash: string;
  /** The public half of the key whose seed the secret is. */
  proofKey: string | null;
  createdAt: number;
  expiresAt: number;
  publicKey: string | null;
  fingerprint: string | null;
  voided: number;
  /** It may be used by EST. */
  est: number;
}

/** Times are milliseconds since 1970, flags are 0 or 1, JSON is text. */
export interface Schema
  extends AuthoritiesTables,
    ChangesetsTables,
    HeldTables,
    IssuersTables,
    ListsTables,
    RequestsTables,
    RolloversTables,
    SignalsTables,
    RulesTables,
    AlertsTables,
    JourneysTables,
    LabelsTables,
    PublicationTables,
    EstTables {
  /** One row: where the history stands. It is changed in each transaction that appends, which makes commit order revision order. */
  head: { id: 1; position: number; revision: number; hash: string; revisionHash: string };
  journal: {
    position: number;
    revision: number | null;
    at: number;
    actor: string;
    action: string;
    body: string;
    previousHash: string;
    hash: string;
    /** Of a bulk change: what its parts take. */
    partBytes: ColumnType<number, number | undefined, number>;
  };
  /** Bulk changes; one without a revision is prepared, and decides nothing. */
  drafts: { id: string; revision: number | null };
  /** `body`: a JSON array of what changes. `merged`: it is in the live rows. */
  draftParts: {
    draft: string;
    number: number;
    body: string;
    hash: string;
    merged: ColumnType<number, number | undefined, number>;
  };
  subjects: {
    id: string;
    kind: string;
    retired: ColumnType<number, number | undefined, number>;
    createdAt: number;
    revision: number;
    hosts: string | null;
    url: string | null;
    /** Of a gate: where it takes MQTT. */
    mqttUrl: ColumnType<string | null, string | null | undefined, string | null>;
    /** Of a gate: the attributes that it may ask of the feed, as JSON; null: any. */
    reads: ColumnType<string | null, string | null | undefined, string | null>;
    /** Of an operator: it changes nothing. */
    readOnly: ColumnType<number, number | undefined, number>;
  };
  attributes: {
    subject: string;
    name: string;
    value: string;
    visibility: string;
    revision: number;
    changedAt: number;
    changedBy: string;
    reason: string | null;
  };
  attributeHistory: {
    id: Generated<number>;
    subject: string;
    name: string;
    value: string | null;
    type: string;
    visibility: string;
    revision: number;
    changedAt: number;
    changedBy: string;
    reason: string | null;
    /** Written under a value that something holds. */
    beneath: ColumnType<number, number | undefined, number>;
  };
  attributeTypes: { name: string; type: string };
  /**
   * Stored before anything is signed with it (RFC 5280 §4.1.2.2: unique for each issuer), until the certificate's own row has been
   * there for a while.
   */
  serials: { issuer: string; serial: string; reservedAt: number };
  certificates: CertificatesTable;
  /** What ended: `archive/` puts it there, and nothing that decides reads it. */
  archivedCertificates: CertificatesTable & { archivedAt: number };
  /** What a sensor shares with the authority, sealed, for as long as its credential is not final. */
  keyCredentials: { fingerprint: string; sealed: Uint8Array };
  tokens: TokensTable;
  /** Without what could prove a secret. */
  archivedTokens: Omit<TokensTable, 'secretHash' | 'proofKey' | 'est'> & { archivedAt: number };
  settings: { name: string; value: string };
}
