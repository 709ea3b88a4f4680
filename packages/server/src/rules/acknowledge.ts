import { PortcullisError } from '@portcullis/contract';
import type { By, ChangeTransaction } from '../journal/journal.ts';
import { breachKey, follow, type JudgingParts } from './judging.ts';
import { planOf, valuesFor } from './plan.ts';
import { breachesOf } from './read-facts.ts';

export interface Acknowledged {
  subject: string;
  rule?: string | undefined;
  reason: string;
}

/**
 * A person decides: what is broken is acknowledged, what is not known is taken as it is, and the attributes become what is true then. The
 * record stays, and what goes on counts anew. @throws {PortcullisError} `breach_unknown`
 */
export async function acknowledge(parts: JudgingParts, by: By, asked: Acknowledged) {
  const { subject, rule, reason } = asked;
  const entry = { ...by, action: 'rules.acknowledge', reason };
  const { result: changed, revision } = await parts.journal.change(entry, async (change) => {
    const states = await change.db
      .selectFrom('ruleStates')
      .select(['rule', 'silentSince'])
      .where('subject', '=', subject)
      .$if(rule !== undefined, (select) => select.where('rule', '=', rule as string))
      .orderBy('rule')
      .execute();
    let decided = 0;
    let moved = 0;
    for (const state of states) {
      const acknowledged = await acknowledgeBreaches(parts, change, { rule: state.rule, subject, reason });
      if (acknowledged === 0 && state.silentSince === null) continue;
      decided += 1;
      moved += await decide(parts, change, { rule: state.rule, subject, reason });
    }
    if (decided === 0) throw nothingOpen(asked);
    return moved;
  });
  return { revision, changed };
}

function nothingOpen({ subject, rule }: Acknowledged): PortcullisError {
  const of = rule === undefined ? '' : ` under the rule "${rule}"`;
  return new PortcullisError('breach_unknown', `"${subject}" has no breach${of} that is not acknowledged, and no gap`);
}

interface Decided {
  rule: string;
  subject: string;
  reason: string;
}

async function acknowledgeBreaches(
  { alerts }: JudgingParts,
  { db, at, actor }: ChangeTransaction,
  { rule, subject, reason }: Decided,
) {
  const open = (await breachesOf(db, rule, subject)).filter(({ acknowledgedAt }) => acknowledgedAt === null);
  for (const { id, to } of open) {
    const row = { acknowledgedAt: at, acknowledgedBy: actor, reason, until: to ?? at };
    await db.updateTable('ruleBreaches').set(row).where('id', '=', id).execute();
    for (const kind of ['breach', 'breach_after_delivery'] as const) await alerts.settle(db, kind, breachKey(id), at);
  }
  return open.length;
}

/** Resolves to how many values moved. */
async function decide(
  parts: JudgingParts,
  change: ChangeTransaction,
  { rule, subject, reason }: Decided,
): Promise<number> {
  const { db, at, actor } = change;
  const row = { rule, subject, at, actor, reason };
  await db
    .insertInto('ruleDecisions')
    .values(row)
    .onConflict((conflict) => conflict.columns(['rule', 'subject', 'at']).doUpdateSet({ actor, reason }))
    .execute();
  const version = parts.rules.of(rule);
  if (version) return follow(parts, change, { version, subject }, await planOf(db, parts, { version, subject }, at));
  // There is no such rule any more: nothing is counted, and what it moved is as it was before.
  await db
    .updateTable('ruleStates')
    .set({ status: 'none', silentSince: null, dueAt: null })
    .where('rule', '=', rule)
    .where('subject', '=', subject)
    .execute();
  return parts.put(change, { subject, values: await valuesFor(db, parts, subject) });
}
