/** The table of `authorities/`. */
export interface AuthoritiesTables {
  /** Machines that may lead beside the first one: what each asked with, and until when it may. `hosts` is JSON. */
  authorities: {
    name: string;
    fingerprint: string;
    hosts: string;
    approvedAt: number;
    approvedBy: string;
    revokedAt: number | null;
  };
}

export const authoritiesTables = `
  CREATE TABLE authorities (
    name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, hosts TEXT NOT NULL, approvedAt INTEGER NOT NULL,
    approvedBy TEXT NOT NULL, revokedAt INTEGER
  ) STRICT, WITHOUT ROWID;
`;
