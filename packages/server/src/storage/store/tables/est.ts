/** Who may enrol by EST without a token, and what waits for an operator: `enrolment/est` keeps it. */
export interface EstTables {
  /** Subjects that may renew by EST: a token of theirs, or a factory's certificate, said so. */
  estSubjects: { subject: string; since: number };
  /** `authorities`: PEM. `into`: attributes as JSON. One that was removed stays, for those that it brought. */
  factories: {
    name: string;
    kind: string;
    serialBecomes: string;
    into: string;
    authorities: string;
    addedAt: number;
    removed: number;
  };
  /**
   * For ever: a factory's certificate enrols once. `fingerprint`: of that one. `content`: SHA-256 of what is signed of it; null: an earlier
   * release wrote it. `issued`: of what it got.
   */
  factoryEnrolments: {
    fingerprint: string;
    content: string | null;
    factory: string;
    subject: string;
    publicKey: string;
    issued: string;
    at: number;
    approvedAt: number | null;
  };
  /** Renewals for keys that the present certificate does not vouch for. `sender`: its fingerprint. `request`: SHA-256 of the PKCS#10. */
  estRequests: {
    sender: string;
    request: string;
    subject: string;
    publicKey: string;
    askedAt: number;
    approvedAt: number | null;
  };
}

export const estTables = `
  ALTER TABLE tokens ADD COLUMN est INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE estSubjects (subject TEXT PRIMARY KEY REFERENCES subjects (id), since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE factories (
    name TEXT PRIMARY KEY, kind TEXT NOT NULL, serialBecomes TEXT NOT NULL, "into" TEXT NOT NULL, authorities TEXT NOT NULL,
    addedAt INTEGER NOT NULL, removed INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE factoryEnrolments (
    fingerprint TEXT PRIMARY KEY, factory TEXT NOT NULL REFERENCES factories (name),
    subject TEXT NOT NULL REFERENCES subjects (id), publicKey TEXT NOT NULL, issued TEXT NOT NULL, at INTEGER NOT NULL,
    approvedAt INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX factoryEnrolmentsOfFactory ON factoryEnrolments (factory);
  CREATE INDEX factoryEnrolmentsBySubject ON factoryEnrolments (subject);
  CREATE INDEX factoryEnrolmentsPending ON factoryEnrolments (subject) WHERE approvedAt IS NULL;
  CREATE TABLE estRequests (
    sender TEXT NOT NULL, request TEXT NOT NULL, subject TEXT NOT NULL REFERENCES subjects (id), publicKey TEXT NOT NULL,
    askedAt INTEGER NOT NULL, approvedAt INTEGER, PRIMARY KEY (sender, request)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX estRequestsPending ON estRequests (subject, request) WHERE approvedAt IS NULL;
`;
