/** What lies under a value or a standing that something holds: `attributes/` and `revocation/` keep a table each. */
export interface HeldTables {
  /** A row: something lies over this attribute, and this is what was underneath, or was said since. `value` null: none. */
  attributesBeneath: {
    subject: string;
    name: string;
    value: string | null;
    visibility: string;
    revision: number;
    changedAt: number;
    changedBy: string;
    reason: string | null;
  };
  /** The subjects whose certificates are suspended whatever an operator says of them. */
  heldStandings: { subject: string; since: number };
  /** What these certificates are once nothing holds them any more: `valid` or `suspended`. */
  standingsBeneath: { fingerprint: string; subject: string; standing: string };
}

export const heldTables = `
  CREATE TABLE attributesBeneath (
    subject TEXT NOT NULL REFERENCES subjects (id), name TEXT NOT NULL, value TEXT, visibility TEXT NOT NULL,
    revision INTEGER NOT NULL, changedAt INTEGER NOT NULL, changedBy TEXT NOT NULL, reason TEXT, PRIMARY KEY (subject, name)
  ) STRICT, WITHOUT ROWID;
  -- A write underneath: no gate saw it.
  ALTER TABLE attributeHistory ADD COLUMN beneath INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE heldStandings (subject TEXT PRIMARY KEY REFERENCES subjects (id), since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE standingsBeneath (
    fingerprint TEXT PRIMARY KEY, subject TEXT NOT NULL REFERENCES heldStandings (subject) ON DELETE CASCADE, standing TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX standingsBeneathBySubject ON standingsBeneath (subject);
`;
