/** Who signs: `issuance/` keeps it. A name has one key for ever, and a key has one name. */
export interface IssuersTables {
  issuers: {
    /** The name of its key. */
    key: string;
    /** What it signs: certificates of devices, or of the fleet's own processes and people; a root signs issuers. */
    role: 'device' | 'infrastructure' | 'root';
    /** In PEM. */
    certificate: string;
    /**
     * `next`: it is told, and signs nothing yet; `ending`: it signs nothing new, and what it signed is good; `retired`: nobody is told of it. A root
     * that issues is one that everybody holds.
     */
    state: 'next' | 'issuing' | 'ending' | 'retired';
    madeAt: number;
  };
}

export const issuersTables = `
  CREATE TABLE issuers (
    key TEXT PRIMARY KEY, role TEXT NOT NULL, certificate TEXT NOT NULL UNIQUE, state TEXT NOT NULL, madeAt INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO issuers SELECT 'root', 'root', value, 'issuing', 0 FROM settings WHERE name = 'roots';
  INSERT INTO issuers
    SELECT name, substr(name, 8), value, 'issuing', 0 FROM settings WHERE name IN ('issuer-device', 'issuer-infrastructure');
  DELETE FROM settings WHERE name IN ('issuer-device', 'issuer-infrastructure');
`;
