import { type Kind, PortcullisError } from '@portcullis/contract';
import type { ChangeTransaction } from '../../journal/journal.ts';
import type { Reader } from '../../storage/storage.ts';

/** What may speak EST: a desk learns secrets by it, and nothing that serves or administers is to depend on a desk. */
const kinds: readonly Kind[] = ['device', 'gateway'];

/** @throws {PortcullisError} `request_malformed` */
export function requireEstKind(subject: string, kind: Kind): void {
  if (kinds.includes(kind)) return;
  const words = `"${subject}" is to be a ${kind}; by EST only [${kinds.join(', ')}] enrol`;
  throw new PortcullisError('request_malformed', words);
}

/** Its token says so: from then on it may renew by EST too. */
export async function allowEst({ db, at }: Pick<ChangeTransaction, 'db' | 'at'>, subject: string): Promise<void> {
  const row = { subject, since: at };
  await db
    .insertInto('estSubjects')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function mayUseEst(db: Reader, subject: string): Promise<boolean> {
  const row = await db.selectFrom('estSubjects').select('subject').where('subject', '=', subject).executeTakeFirst();
  return row !== undefined;
}
