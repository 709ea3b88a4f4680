import type { Generated } from 'kysely';

export interface ChangesetsTables {
  /** What each transaction did, in order, until it was shipped: rows by their keys, before and after. */
  changesets: { number: Generated<number>; bytes: Uint8Array };
}

export const changesetsTables = `
  -- A number is used once: what was shipped is never taken for what comes.
  CREATE TABLE changesets (number INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL) STRICT;
`;
