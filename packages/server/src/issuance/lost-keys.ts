import { sql } from 'kysely';
import type { Reader } from '../storage/storage.ts';

/** What is told of a key that others have. */
export const lostWords =
  'a certificate of this key was revoked since the key is known to others (keyCompromise); make a new key';

const perStatement = 200;

/**
 * Those of these keys of which a certificate was revoked because somebody else has the key, also after it was archived. A key by the SHA-256 of its
 * SubjectPublicKeyInfo, in hex.
 */
export async function lostAmong(db: Reader, keyHashes: readonly string[]): Promise<Set<string>> {
  const lost = new Set<string>();
  for (let from = 0; from < keyHashes.length; from += perStatement) {
    const some = keyHashes.slice(from, from + perStatement);
    for (const { publicKey } of await lostOf(db, 'certificates', some).execute()) lost.add(publicKey);
    for (const { publicKey } of await lostOf(db, 'archivedCertificates', some).execute()) lost.add(publicKey);
  }
  return lost;
}

/** The reason is written out, or the indices of just these would not be used. */
const lostOf = (db: Reader, table: 'certificates' | 'archivedCertificates', keyHashes: readonly string[]) =>
  db
    .selectFrom(table)
    .select('publicKey')
    .where('publicKey', 'in', keyHashes)
    .where('reasonCode', '=', sql.lit('keyCompromise'));
