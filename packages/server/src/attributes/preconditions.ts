import { PortcullisError, type Preconditions, plainJson } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { chunks } from './write-values.ts';

const namedMax = 50;

/** @throws {PortcullisError} `precondition_failed` */
export async function requirePreconditions(
  db: Reader,
  subjects: readonly string[],
  { ifRevision, ifValues }: Preconditions,
): Promise<void> {
  const named = [...new Set(subjects)];
  if (ifRevision !== undefined) await requireUntouched(db, named, ifRevision);
  for (const [name, value] of Object.entries(ifValues ?? {})) await requireValue(db, named, name, value);
}

async function requireUntouched(db: Reader, named: string[], revision: number): Promise<void> {
  const touched: string[] = [];
  for (const some of chunks(named)) {
    const after = db.selectFrom('subjects').select('id').where('id', 'in', some).where('revision', '>', revision);
    touched.push(...(await after.execute()).map(({ id }) => id));
    await aTurn();
  }
  refuse(touched, ['was', 'were'], `touched after revision ${revision}`);
}

async function requireValue(db: Reader, named: string[], name: string, value: unknown): Promise<void> {
  const others: string[] = [];
  for (const some of chunks(named)) {
    const present = db.selectFrom('attributes').select(['subject', 'value']).where('subject', 'in', some);
    const rows = await present.where('name', '=', name).execute();
    const values = new Map(rows.map((row) => [row.subject, JSON.parse(row.value) as unknown]));
    others.push(...some.filter((subject) => (values.get(subject) ?? null) !== value));
    await aTurn();
  }
  const what = value === null ? `a value of "${name}"` : `not ${name}=${plainJson(value)}`;
  refuse(others, ['has', 'have'], what);
}

function refuse(subjects: string[], [one, many]: [string, string], what: string): void {
  if (subjects.length === 0) return;
  const some = subjects.slice(0, namedMax);
  const more = subjects.length > namedMax ? ` and ${subjects.length - namedMax} more` : '';
  const names = some.map((subject) => `"${subject}"`).join(', ');
  throw new PortcullisError(
    'precondition_failed',
    `nothing was changed: ${names}${more} ${subjects.length === 1 ? one : many} ${what}`,
  );
}
