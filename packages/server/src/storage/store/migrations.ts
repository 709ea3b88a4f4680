import { alertsTables } from './tables/alerts.ts';
import { authoritiesTables } from './tables/authorities.ts';
import { changesetsTables } from './tables/changesets.ts';
import { estTables } from './tables/est.ts';
import { heldTables } from './tables/held.ts';
import { issuersTables } from './tables/issuers.ts';
import { journeysTables } from './tables/journeys.ts';
import { labelsTables } from './tables/labels.ts';
import { listsTables } from './tables/lists.ts';
import { publicationTables } from './tables/publication.ts';
import { requestsTables } from './tables/requests.ts';
import { rolloversTables } from './tables/rollovers.ts';
import { rulesTables } from './tables/rules.ts';
import { signalsTables } from './tables/signals.ts';

/** Steps from an empty file to the present schema. A step is never edited once released; a new one follows it. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, revision INTEGER NOT NULL,
    hash TEXT NOT NULL, revisionHash TEXT NOT NULL
  ) STRICT;
  INSERT INTO head VALUES (1, 0, 0, printf('%064d', 0), printf('%064d', 0));
  CREATE TABLE journal (
    position INTEGER PRIMARY KEY, revision INTEGER UNIQUE, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    body TEXT NOT NULL, previousHash TEXT NOT NULL, hash TEXT NOT NULL
  ) STRICT;
  CREATE TABLE subjects (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, retired INTEGER NOT NULL DEFAULT 0, createdAt INTEGER NOT NULL,
    revision INTEGER NOT NULL, hosts TEXT, url TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX subjectsByKind ON subjects (kind, id);
  CREATE TABLE attributes (
    subject TEXT NOT NULL REFERENCES subjects (id), name TEXT NOT NULL, value TEXT NOT NULL, visibility TEXT NOT NULL,
    revision INTEGER NOT NULL, changedAt INTEGER NOT NULL, changedBy TEXT NOT NULL, reason TEXT,
    PRIMARY KEY (subject, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE attributeHistory (
    id INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, name TEXT NOT NULL, value TEXT, type TEXT NOT NULL,
    visibility TEXT NOT NULL, revision INTEGER NOT NULL, changedAt INTEGER NOT NULL, changedBy TEXT NOT NULL, reason TEXT
  ) STRICT;
  CREATE INDEX attributeHistoryBySubject ON attributeHistory (subject, name, id);
  CREATE TABLE attributeTypes (name TEXT PRIMARY KEY, type TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE serials (issuer TEXT NOT NULL, serial TEXT NOT NULL, reservedAt INTEGER NOT NULL, PRIMARY KEY (issuer, serial))
    STRICT, WITHOUT ROWID;
  CREATE TABLE certificates (
    fingerprint TEXT PRIMARY KEY, serial TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL REFERENCES subjects (id),
    purpose TEXT NOT NULL, der BLOB NOT NULL, notBefore INTEGER NOT NULL, notAfter INTEGER NOT NULL, standing TEXT NOT NULL,
    revision INTEGER NOT NULL, changedAt INTEGER NOT NULL, changedBy TEXT NOT NULL, reason TEXT, issuedAt INTEGER NOT NULL,
    renews TEXT, confirmed INTEGER NOT NULL, publicKey TEXT NOT NULL,
    UNIQUE (issuer, serial)
  ) STRICT;
  CREATE INDEX certificatesBySubject ON certificates (subject);
  CREATE INDEX certificatesByRenews ON certificates (renews) WHERE renews IS NOT NULL;
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY, subject TEXT NOT NULL REFERENCES subjects (id), kind TEXT NOT NULL, secretHash TEXT NOT NULL UNIQUE,
    createdAt INTEGER NOT NULL, expiresAt INTEGER NOT NULL, publicKey TEXT, fingerprint TEXT, voided INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tokensBySubject ON tokens (subject);
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- An operator that may look at everything and change nothing.
  ALTER TABLE subjects ADD COLUMN readOnly INTEGER NOT NULL DEFAULT 0;
  -- What ends soon, in the order in which it ends.
  CREATE INDEX certificatesByEnd ON certificates (notAfter, fingerprint) WHERE standing = 'valid' AND purpose = 'client';
  -- Until when each subject of a page has a certificate, without reading the certificates.
  CREATE INDEX certificatesOfSubjectByEnd ON certificates (subject, purpose, standing, confirmed, notAfter);
  `,
  `
  -- Of several issuers with one name, which.
  ALTER TABLE certificates ADD COLUMN issuerFingerprint TEXT;
  -- The public half of the key whose seed the token's secret is; a token of an earlier release has none.
  ALTER TABLE tokens ADD COLUMN proofKey TEXT;
  CREATE UNIQUE INDEX tokensByProofKey ON tokens (proofKey) WHERE proofKey IS NOT NULL;
  -- The attributes that a gate may ask of the feed, as JSON; null: any.
  ALTER TABLE subjects ADD COLUMN reads TEXT;
  -- Bulk changes. One without a revision is prepared, decides nothing, and ends with its process.
  CREATE TABLE drafts (id TEXT PRIMARY KEY, revision INTEGER UNIQUE) STRICT, WITHOUT ROWID;
  -- What the entry of a bulk change names the hash of. Merged: it is in the live rows.
  CREATE TABLE draftParts (
    draft TEXT NOT NULL REFERENCES drafts (id), number INTEGER NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL,
    merged INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (draft, number)
  ) STRICT;
  CREATE INDEX draftPartsToMerge ON draftParts (draft, number) WHERE merged = 0;
  -- What the parts of an entry's change take.
  ALTER TABLE journal ADD COLUMN partBytes INTEGER NOT NULL DEFAULT 0;
  -- What ended, for who asks for it by name: nothing that decides reads it.
  CREATE TABLE archivedCertificates (
    fingerprint TEXT PRIMARY KEY, serial TEXT NOT NULL, issuer TEXT NOT NULL, issuerFingerprint TEXT,
    subject TEXT NOT NULL REFERENCES subjects (id), purpose TEXT NOT NULL, der BLOB NOT NULL, notBefore INTEGER NOT NULL,
    notAfter INTEGER NOT NULL, standing TEXT NOT NULL, revision INTEGER NOT NULL, changedAt INTEGER NOT NULL,
    changedBy TEXT NOT NULL, reason TEXT, issuedAt INTEGER NOT NULL, renews TEXT, confirmed INTEGER NOT NULL,
    publicKey TEXT NOT NULL, archivedAt INTEGER NOT NULL,
    UNIQUE (issuer, serial)
  ) STRICT;
  CREATE INDEX archivedCertificatesBySubject ON archivedCertificates (subject, fingerprint);
  CREATE INDEX archivedCertificatesByRenews ON archivedCertificates (renews) WHERE renews IS NOT NULL;
  -- What anybody may know: few of many.
  CREATE INDEX attributesPublic ON attributes (subject, name) WHERE visibility = 'public';
  -- Without what could prove a secret.
  CREATE TABLE archivedTokens (
    id TEXT PRIMARY KEY, subject TEXT NOT NULL REFERENCES subjects (id), kind TEXT NOT NULL, createdAt INTEGER NOT NULL,
    expiresAt INTEGER NOT NULL, publicKey TEXT, fingerprint TEXT, voided INTEGER NOT NULL, archivedAt INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  heldTables + signalsTables + rulesTables + alertsTables + journeysTables + labelsTables + publicationTables,
  `
  -- A credential is a certificate, or a key that a sensor shares with the authority.
  ALTER TABLE certificates ADD COLUMN form TEXT NOT NULL DEFAULT 'certificate';
  ALTER TABLE archivedCertificates ADD COLUMN form TEXT NOT NULL DEFAULT 'certificate';
  CREATE TABLE keyCredentials (fingerprint TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- Where a gate takes MQTT.
  ALTER TABLE subjects ADD COLUMN mqttUrl TEXT;
  `,
  issuersTables,
  listsTables,
  `
  -- Why a certificate is revoked, for verifiers.
  ALTER TABLE certificates ADD COLUMN reasonCode TEXT;
  ALTER TABLE archivedCertificates ADD COLUMN reasonCode TEXT;
  `,
  estTables,
  changesetsTables,
  `
  -- Of what was archived, what has not ended: verifiers still ask about it.
  CREATE INDEX archivedCertificatesByEnd ON archivedCertificates (notAfter, fingerprint);
  `,
  rolloversTables,
  authoritiesTables,
  requestsTables,
  `
  -- Keys that are in other hands: nobody gets a certificate of one again.
  CREATE INDEX certificatesOfLostKeys ON certificates (publicKey) WHERE reasonCode = 'keyCompromise';
  CREATE INDEX archivedCertificatesOfLostKeys ON archivedCertificates (publicKey) WHERE reasonCode = 'keyCompromise';
  `,
  `
  -- Of a factory's certificate what was signed: its signature, and with it its fingerprint, can be written in two ways.
  ALTER TABLE factoryEnrolments ADD COLUMN content TEXT;
  CREATE UNIQUE INDEX factoryEnrolmentsByContent ON factoryEnrolments (content) WHERE content IS NOT NULL;
  `,
];
