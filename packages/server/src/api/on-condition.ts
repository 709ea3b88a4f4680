import type { Preconditions } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { By } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';

interface Named extends Preconditions {
  subject?: string | undefined;
  subjects?: readonly string[] | undefined;
  fingerprint?: string | undefined;
  reason?: string | undefined;
}

/** Who asks, for the reason that is given, and on condition of what is asked: looked at in the transaction that changes. */
export function onCondition(
  by: By,
  asked: Named,
  {
    attributes,
    revocation,
  }: { attributes: Pick<Attributes, 'requirePreconditions'>; revocation?: Pick<Revocation, 'find'> },
): By {
  const { reason, ifRevision, ifValues } = asked;
  const because = { ...by, reason };
  if (ifRevision === undefined && ifValues === undefined) return because;
  return {
    ...because,
    async requireAllowed(db) {
      await by.requireAllowed?.(db);
      const { subject, subjects = subject === undefined ? [] : [subject], fingerprint } = asked;
      const row = fingerprint === undefined ? undefined : await revocation?.find(fingerprint, db);
      await attributes.requirePreconditions(db, row ? [row.subject] : subjects, asked);
    },
  };
}
