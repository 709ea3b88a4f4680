/** What the key of a label certificate signed before it was gone: `issuance/` keeps it, since nobody can sign it again. */
export interface LabelsTables {
  labels: { subject: string; fingerprint: string; statement: string };
}

export const labelsTables = `
  CREATE TABLE labels (
    subject TEXT PRIMARY KEY REFERENCES subjects (id), fingerprint TEXT NOT NULL, statement TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`;
