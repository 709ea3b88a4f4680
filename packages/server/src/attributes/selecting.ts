import {
  type AttributeValue,
  type Kind,
  PortcullisError,
  type SelectionLine,
  type SubjectId,
  selectedPerLineMax,
  subjectsPerChangeMax,
} from '@portcullis/contract';
import { compileSelector, type Selector } from '../expressions/expressions.ts';
import type { Reader } from '../storage/storage.ts';

const pageSize = 1_000;

/** @throws {PortcullisError} `request_malformed` */
export function selectorOf(where: string): Selector {
  try {
    return compileSelector(where);
  } catch (error) {
    throw new PortcullisError('request_malformed', `where: ${(error as Error).message}`);
  }
}

/** A mistyped name would be one that everybody lacks. @throws {PortcullisError} `attribute_unknown` */
async function requireKnown(db: Reader, names: readonly string[], declared: readonly string[]): Promise<void> {
  const used = await db.selectFrom('attributeTypes').select('name').where('name', 'in', names).execute();
  const known = new Set([...declared, ...used.map(({ name }) => name)]);
  const unknown = names.filter((name) => !known.has(name)).map((name) => `"${name}"`);
  if (unknown.length === 0) return;
  const why = `where: no attribute ${unknown.join(', ')} was ever set in this fleet; "attribute types" lists those that were`;
  throw new PortcullisError('attribute_unknown', why);
}

/**
 * Whom an expression is true of, of all subjects that are not retired, as they are in one transaction. `tell` gets each line of the answer.
 * @throws {PortcullisError} `attribute_unknown`; `request_too_large` where it is true of more than one change may name
 */
export async function selectSubjects(
  db: Reader,
  { selector, declared }: { selector: Selector; declared: readonly string[] },
  tell: (line: SelectionLine) => void,
): Promise<void> {
  await requireKnown(db, selector.attributes, declared);
  const { revision } = await db.selectFrom('head').select('revision').executeTakeFirstOrThrow();
  const seen = { looked: 0, selected: 0, undecided: 0 };
  let example: { subject: SubjectId; why: string } | null = null;
  for (let after = ''; ; ) {
    const page = await readPage(db, selector.attributes, after);
    const last = page.at(-1);
    if (!last) break;
    const subjects: SubjectId[] = [];
    for (const one of page) {
      const verdict = selector.select(one);
      if (verdict === 'met') subjects.push(one.id as SubjectId);
      if (typeof verdict !== 'object') continue;
      seen.undecided++;
      example ??= { subject: one.id as SubjectId, why: verdict.failed };
    }
    seen.looked += page.length;
    seen.selected += subjects.length;
    if (seen.selected > subjectsPerChangeMax) throw tooMany();
    for (let from = 0; from < subjects.length; from += selectedPerLineMax)
      tell({ type: 'subjects', subjects: subjects.slice(from, from + selectedPerLineMax) });
    tell({ type: 'progress', looked: seen.looked });
    after = last.id;
  }
  const { looked, undecided } = seen;
  tell({ type: 'selected', revision, looked, undecided, example });
}

function tooMany(): PortcullisError {
  const words = `it is true of more than ${subjectsPerChangeMax} subjects, which is as many as one change may name; select fewer`;
  return new PortcullisError('request_too_large', words);
}

async function readPage(db: Reader, names: readonly string[], after: string) {
  const rows = await db
    .selectFrom('subjects')
    .select(['id', 'kind'])
    .where('id', '>', after)
    .where('retired', '=', 0)
    .orderBy('id')
    .limit(pageSize)
    .execute();
  const ids = rows.map(({ id }) => id);
  const values =
    names.length === 0
      ? []
      : await db
          .selectFrom('attributes')
          .select(['subject', 'name', 'value'])
          .where('subject', 'in', ids)
          .where('name', 'in', names)
          .execute();
  const of = Map.groupBy(values, ({ subject }) => subject);
  return rows.map(({ id, kind }) => {
    const own = (of.get(id) ?? []).map(({ name, value }) => [name, JSON.parse(value) as AttributeValue] as const);
    return { id, kind: kind as Kind, attributes: new Map(own) };
  });
}
