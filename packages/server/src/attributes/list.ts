import { readExactJson, type SubjectsQuery, type SubjectView } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { currentCertificates, standings } from './current-certificate.ts';
import { type Page, type SubjectRow, subjectView } from './read.ts';

/** So many subjects are looked at for one page: some milliseconds, whatever a filter lets through. */
const subjectsPerPageMax = 5_000;

/** In the order of ids. A page may hold few and not be the last. */
export async function listSubjects(db: Reader, query: SubjectsQuery): Promise<Page<SubjectView>> {
  const end = await endOfPage(db, query);
  const rows = await matching(db, query, end);
  const ids = rows.map(({ id }) => id);
  const attributes = await db.selectFrom('attributes').selectAll().where('subject', 'in', ids).execute();
  const bySubject = Map.groupBy(attributes, (row) => row.subject);
  const certificates = await currentCertificates(db, ids);
  const items = rows.map((row) => subjectView(row, bySubject.get(row.id) ?? [], certificates.get(row.id)));
  return { items, next: (rows.length === query.limit ? rows.at(-1)?.id : end) ?? null };
}

/** The last id that is looked at for this page; undefined: all that are left are. */
async function endOfPage(db: Reader, { after = '', kind }: SubjectsQuery): Promise<string | undefined> {
  const last = await db
    .selectFrom('subjects')
    .select('id')
    .where('id', '>', after)
    .$if(kind !== undefined, (select) => select.where('kind', '=', kind as string))
    .orderBy('id')
    .offset(subjectsPerPageMax - 1)
    .limit(1)
    .executeTakeFirst();
  return last?.id;
}

async function matching(db: Reader, query: SubjectsQuery, end: string | undefined): Promise<SubjectRow[]> {
  const { after = '', limit, kind, attribute, standing } = query;
  let select = db.selectFrom('subjects').selectAll().where('id', '>', after);
  if (end !== undefined) select = select.where('id', '<=', end);
  if (kind !== undefined) select = select.where('kind', '=', kind);
  if (attribute !== undefined) {
    const { name, texts } = wantedValue(attribute);
    select = select.where(({ exists, selectFrom }) =>
      exists(
        selectFrom('attributes')
          .select('value')
          .whereRef('attributes.subject', '=', 'subjects.id')
          .where('name', '=', name)
          .where('value', 'in', texts),
      ),
    );
  }
  if (standing !== undefined) {
    const better = standings.slice(0, standings.indexOf(standing));
    select = select.where(({ exists, not, and, selectFrom }) => {
      const having = (wanted: readonly string[]) =>
        exists(
          selectFrom('certificates')
            .select('subject')
            .whereRef('certificates.subject', '=', 'subjects.id')
            .where('purpose', '=', 'client')
            .where('standing', 'in', wanted)
            .where('confirmed', '=', 1),
        );
      return and([having([standing]), ...(better.length > 0 ? [not(having(better))] : [])]);
    });
  }
  return select.orderBy('id').limit(limit).execute() as Promise<SubjectRow[]>;
}

/** The value as a string, and as what else it may have been given as: 7.0 is found as the number 7 and as the text. */
function wantedValue(attribute: string): { name: string; texts: string[] } {
  const at = attribute.indexOf('=');
  const text = attribute.slice(at + 1);
  const read = readExactJson(text);
  const typed = 'refused' in read || typeof read.value === 'string' ? [] : [JSON.stringify(read.value)];
  return { name: attribute.slice(0, at), texts: [JSON.stringify(text), ...typed] };
}
