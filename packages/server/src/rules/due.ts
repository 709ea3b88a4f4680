import { sql } from 'kysely';
import type { Reader, Writer } from '../storage/storage.ts';

/** One subject is looked at no more often, however much is told of it. */
const betweenLooksMs = 1_000;

export interface Due {
  rule: string;
  subject: string;
}

const dueAt = sql.ref<number>('ruleStates.dueAt');
/** Before that it is not looked at again. */
const next = sql<number>`${sql.ref('ruleStates.judgedAt')} + ${sql.lit(betweenLooksMs)}`;

/** To be looked at, soon: as durable as what caused it, since it is in the same transaction. */
export async function mark(db: Writer, rule: string, subject: string, now: number): Promise<void> {
  await db
    .insertInto('ruleStates')
    .values({ rule, subject, status: 'none', dueAt: now, waits: 1 })
    .onConflict((conflict) =>
      conflict.columns(['rule', 'subject']).doUpdateSet({
        dueAt: sql<number>`CASE WHEN ${dueAt} <= ${now} OR ${dueAt} <= ${next} THEN ${dueAt} WHEN ${next} > ${now} THEN ${next} ELSE ${now} END`,
      }),
    )
    .execute();
}

export function dueBy(db: Reader, now: number, limit: number): Promise<Due[]> {
  return db
    .selectFrom('ruleStates')
    .select(['rule', 'subject'])
    .where('dueAt', 'is not', null)
    .where('dueAt', '<=', now)
    .orderBy('dueAt')
    .limit(limit)
    .execute();
}
