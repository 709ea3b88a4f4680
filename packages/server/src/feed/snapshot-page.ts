import type { AttributeValue, Kind } from '@portcullis/contract';
import type { LaidOver } from '../attributes/attributes.ts';
import type { Reader, Schema } from '../storage/storage.ts';

const pageSize = 500;
/** So long after its end, and after it was superseded, gates know a certificate: no connection of its time is open any more. */
const endedKeptMs = 86_400_000;

export interface OriginRow {
  revision: number;
  changedBy: string;
  changedAt: number;
}

export interface FactRow extends OriginRow {
  subject: string;
  name: string;
  value: AttributeValue;
  public: boolean;
}

/** Some subjects in the order of their ids, with what gates are told of them. */
export interface Page {
  subjects: { id: string; kind: Kind; revision: number }[];
  attributes: FactRow[];
  certificates: (OriginRow &
    Pick<Schema['certificates'], 'subject' | 'fingerprint' | 'standing' | 'notBefore' | 'notAfter'>)[];
}

/** By where they begin and end: a list of their ids would take longer to be made into a statement than to be answered. */
export async function readPage(
  db: Reader,
  after: string,
  { names, now, over }: { names: ReadonlySet<string>; now: number; over: ReadonlyMap<string, LaidOver> },
): Promise<Page> {
  const subjects = await db
    .selectFrom('subjects')
    .select(['id', 'kind', 'revision'])
    .where('id', '>', after)
    // No gate decides anything about one (`follow.ts`).
    .where('kind', '!=', 'desk')
    .orderBy('id')
    .limit(pageSize)
    .execute();
  const last = subjects.at(-1);
  if (!last) return { subjects: [], attributes: [], certificates: [] };
  const certificates = await db
    .selectFrom('certificates')
    .select(['fingerprint', 'subject', 'standing', 'notBefore', 'notAfter', 'revision', 'changedBy', 'changedAt'])
    .where('subject', '>', after)
    .where('subject', '<=', last.id)
    .where('purpose', '=', 'client')
    .where('notAfter', '>', now - endedKeptMs)
    .where((row) => row.or([row('standing', '!=', 'superseded'), row('changedAt', '>', now - endedKeptMs)]))
    .execute();
  const attributes =
    names.size === 0
      ? []
      : await db
          .selectFrom('attributes')
          .select(['subject', 'name', 'value', 'visibility', 'revision', 'changedBy', 'changedAt'])
          .where('subject', '>', after)
          .where('subject', '<=', last.id)
          .where('name', 'in', [...names])
          .execute();
  const here = new Set(subjects.map(({ id }) => id));
  const factOf = facts();
  const told = attributes.filter(({ subject }) => here.has(subject)).map(factOf);
  return {
    subjects: subjects.map(({ id, kind, revision }) => {
      const laid = over.get(id);
      return { id, kind: kind as Kind, revision: Math.max(revision, laid?.revision ?? 0) };
    }),
    attributes: over.size === 0 ? told : withLaidOver(told, subjects, over, names),
    certificates: certificates.filter(({ subject }) => here.has(subject)),
  };
}

/** Of a page most values are alike: each is read once. */
function facts(): (row: Omit<Schema['attributes'], 'reason'>) => FactRow {
  const read = new Map<string, AttributeValue>();
  return ({ subject, name, value: text, visibility, revision, changedBy, changedAt }) => {
    const value = read.get(text) ?? (JSON.parse(text) as AttributeValue);
    read.set(text, value);
    return { subject, name, value, public: visibility === 'public', revision, changedBy, changedAt };
  };
}

function withLaidOver(
  facts: readonly FactRow[],
  subjects: readonly { id: string }[],
  over: ReadonlyMap<string, LaidOver>,
  names: ReadonlySet<string>,
): FactRow[] {
  const left = facts.filter(({ subject, name }) => over.get(subject)?.attributes[name as never] === undefined);
  for (const { id } of subjects) {
    const laid = over.get(id);
    if (!laid) continue;
    const origin = { revision: laid.revision, changedBy: laid.actor, changedAt: laid.at };
    for (const [name, { value, public: isPublic }] of Object.entries(laid.attributes)) {
      if (value !== null && names.has(name)) left.push({ subject: id, name, value, public: isPublic, ...origin });
    }
  }
  return left;
}
