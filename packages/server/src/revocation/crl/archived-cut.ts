import { setImmediate as aTurn } from 'node:timers/promises';
import type { Schema, Store } from '../../storage/storage.ts';

export type ArchivedCut = Pick<Schema['archivedCertificates'], 'issuer' | 'serial' | 'changedAt' | 'notAfter'>;

const pageRows = 1_000;

/**
 * What is cut and was archived though it has not ended by the present clock: that was ahead for a while (P9). Read in pages by when they end,
 * since no index of the archive knows how they stand; others have their turns meanwhile.
 */
export async function archivedCut(store: Store, now: number): Promise<ArchivedCut[]> {
  const found: ArchivedCut[] = [];
  for (let after = { notAfter: now, fingerprint: '' }; ; await aTurn()) {
    const page = await store.read((db) =>
      db
        .selectFrom('archivedCertificates')
        .select(['issuer', 'serial', 'changedAt', 'notAfter', 'fingerprint', 'standing'])
        .where(({ eb, refTuple, tuple }) =>
          eb(refTuple('notAfter', 'fingerprint'), '>', tuple(after.notAfter, after.fingerprint)),
        )
        .where('form', '=', 'certificate')
        .orderBy('notAfter')
        .orderBy('fingerprint')
        .limit(pageRows)
        .execute(),
    );
    found.push(...page.filter(({ standing }) => standing === 'revoked' || standing === 'suspended'));
    const last = page.at(-1);
    if (!last || page.length < pageRows) return found;
    after = last;
  }
}
