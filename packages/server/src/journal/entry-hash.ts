import { createHash } from 'node:crypto';

/** The hash before the first entry. */
export const originHash = '0'.repeat(64);

export interface HashedEntry {
  position: number;
  revision: number | null;
  at: number;
  actor: string;
  action: string;
  /** The stored bytes, not what they parse to. */
  body: string;
  previousHash: string;
}

/** SHA-256 over the JSON array of every stored member, so that no two entries share their bytes. */
export function entryHash(entry: HashedEntry): string {
  const { previousHash, position, revision, at, actor, action, body } = entry;
  return createHash('sha256')
    .update(JSON.stringify([previousHash, position, revision, at, actor, action]))
    .update('\n')
    .update(body)
    .digest('hex');
}
