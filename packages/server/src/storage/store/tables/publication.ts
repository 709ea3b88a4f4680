/** The tables of `publication/`. */
export interface PublicationTables {
  /** Of each shipment that has a public code, what the code is found by: nobody reads one from here. */
  publicCodes: { subject: string; hash: string; madeAt: number };
}

export const publicationTables = `
  CREATE TABLE publicCodes (
    subject TEXT PRIMARY KEY REFERENCES subjects (id), hash TEXT NOT NULL UNIQUE, madeAt INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;
