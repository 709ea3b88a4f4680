import { sql } from 'kysely';
import type { Store } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { fold } from './fold.ts';
import type { RuleSet } from './rule-set.ts';

/** A journey takes less: what is older is known by what was found of it. */
export const keptMs = 400 * 86_400_000;
/** What is told this late is rare; until then each edge is kept as it was told. */
const foldAfterMs = 2 * 86_400_000;
const rowsAtOnce = 1_000;

interface Parts {
  store: Store;
  rules: RuleSet;
  now(): number;
}

/** Old rows go, some at a time. */
export async function prune({ store, rules, now }: Parts): Promise<void> {
  const before = now() - keptMs;
  for (const table of ['ruleEdges', 'ruleCauses'] as const) await pruneTable(store, table, before);
  for (const { rule } of rules.rules) {
    if (rule.silent !== undefined)
      await fold(store, { rule: rule.rule, silentMs: rule.silent, before: now() - foldAfterMs });
  }
}

async function pruneTable(store: Store, table: 'ruleEdges' | 'ruleCauses', before: number): Promise<void> {
  for (let more = true; more; await aTurn()) {
    const { numDeletedRows } = await store.change(
      (db) =>
        table === 'ruleEdges'
          ? db
              .deleteFrom('ruleEdges')
              .where(
                sql<boolean>`(gate, source, number) in (select gate, source, number from ruleEdges where at < ${before} limit ${rowsAtOnce})`,
              )
              .executeTakeFirstOrThrow()
          : db
              .deleteFrom('ruleCauses')
              .where(
                sql<boolean>`(sender, at, reason) in (select sender, at, reason from ruleCauses where at < ${before} limit ${rowsAtOnce})`,
              )
              .executeTakeFirstOrThrow(),
      { durable: false },
    );
    more = Number(numDeletedRows) === rowsAtOnce;
  }
}
