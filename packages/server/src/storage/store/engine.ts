import { type Kysely, PostgresAdapter } from 'kysely';
import type { Reader } from './promises.ts';
import type { Schema } from './schema.ts';

/** For the few questions that one text asks neither engine well. */
export function isPostgres(db: Pick<Reader, 'selectFrom'>): boolean {
  return (db as Kysely<Schema>).getExecutor().adapter instanceof PostgresAdapter;
}
