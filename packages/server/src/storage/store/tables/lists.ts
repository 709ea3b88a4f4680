/** The newest list of each issuer, whole and signed: `revocation/` keeps it. Its number never falls, also where a restart comes between. */
export interface ListsTables {
  /** `issuer`: the name of its key. Times are milliseconds since 1970. */
  revocationLists: {
    issuer: string;
    number: number;
    der: Buffer;
    thisUpdate: number;
    nextUpdate: number;
    entries: number;
  };
}

export const listsTables = `
  CREATE TABLE revocationLists (
    issuer TEXT PRIMARY KEY, number INTEGER NOT NULL, der BLOB NOT NULL, thisUpdate INTEGER NOT NULL,
    nextUpdate INTEGER NOT NULL, entries INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- What is on a list: few of many, whatever else there is.
  CREATE INDEX certificatesCut ON certificates (issuer, serial, changedAt, notAfter) WHERE standing IN ('revoked', 'suspended');
`;
