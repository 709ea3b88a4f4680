import { type AttributeType, type AttributeValue, type Kind, PortcullisError } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import { requireTypes } from './types.ts';
import { writeValues } from './write-values.ts';

export interface NewSubject {
  subject: string;
  kind: Kind;
  attributes: Record<string, AttributeValue>;
  /** For a gate: the names and addresses of its server certificate. */
  hosts?: string[] | undefined;
  /** Of an operator: it changes nothing, for life. */
  readOnly?: boolean | undefined;
}

export async function ensureSubject(
  change: ChangeTransaction,
  { subject, kind, attributes, hosts, readOnly = false }: NewSubject,
  declared: Record<string, AttributeType>,
): Promise<'created' | 'existing'> {
  const { db, revision, at } = change;
  const known = await db
    .selectFrom('subjects')
    .select(['kind', 'readOnly', 'retired'])
    .where('id', '=', subject)
    .executeTakeFirst();
  if (known) {
    if (known.kind !== kind || (known.readOnly === 1) !== readOnly) {
      const is = `${known.readOnly ? 'read-only ' : ''}${known.kind}`;
      const asked = `${readOnly ? 'read-only ' : ''}${kind}`;
      throw new PortcullisError(
        'kind_conflict',
        `"${subject}" is a ${is}, not the ${asked} that was asked for; it stays so for life`,
      );
    }
    if (known.retired) throw new PortcullisError('subject_retired', `"${subject}" is retired; choose another id`);
    return 'existing';
  }
  if (readOnly && kind !== 'operator') {
    throw new PortcullisError(
      'request_malformed',
      `"${subject}" is to be a ${kind}; only an operator can be read-only`,
    );
  }
  const made = { id: subject, kind, createdAt: at, revision, readOnly: Number(readOnly) };
  const row = { ...made, hosts: hosts ? JSON.stringify(hosts) : null, url: null };
  await db.insertInto('subjects').values(row).execute();
  const values = Object.entries(attributes);
  await requireTypes(db, values, declared);
  const visibility = 'private';
  const written = values.map(([name, value]) => {
    return { subject, kind, name, value, type: typeof value as AttributeType, visibility } as const;
  });
  await writeValues(change, written);
  return 'created';
}
