/** Who follows whom, and who was told: `rollover/` keeps it. */
export interface RolloversTables {
  /** One at a time is under way. Times are milliseconds since 1970. */
  rollovers: {
    id: number;
    what: 'issuer' | 'root';
    phase: 'asked' | 'prepared' | 'trusted' | 'issuing' | 'retiring' | 'retired' | 'abandoned';
    /** Names of keys, as JSON. */
    leaves: string;
    comes: string;
    /** What a root on another machine is asked for, as JSON; null: its key is here. */
    request: string | null;
    /** Who holds this version of the bundle trusts both. */
    bundle: number;
    startedAt: number;
    changedAt: number;
  };
  /** When each version of the bundle came: a certificate that was issued after it came with it. */
  bundles: { version: number; at: number };
  /** The version that a gate, a desk or an operator last said it holds. */
  bundlesHeld: { subject: string; version: number; at: number };
}

export const rolloversTables = `
  CREATE TABLE rollovers (
    id INTEGER PRIMARY KEY, what TEXT NOT NULL, phase TEXT NOT NULL, leaves TEXT NOT NULL, comes TEXT NOT NULL, request TEXT,
    bundle INTEGER NOT NULL, startedAt INTEGER NOT NULL, changedAt INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX rolloversUnderWay ON rollovers ((1)) WHERE phase NOT IN ('retired', 'abandoned');
  DELETE FROM settings WHERE name = 'roots';
  CREATE TABLE bundles (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
  CREATE TABLE bundlesHeld (
    subject TEXT PRIMARY KEY REFERENCES subjects (id), version INTEGER NOT NULL, at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;
