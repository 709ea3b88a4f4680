import type { Reader, Store } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { foldSender } from './fold.ts';
import type { RuleSet } from './rule-set.ts';

/** A journey takes less: what is older is known by what was found of it. */
export const keptMs = 400 * 86_400_000;
/** What is told this late is rare; until then each edge is kept as it was told. */
const foldAfterMs = 2 * 86_400_000;
/** Of a sender that is refused all the time: a week of it, a cause each two minutes. */
const causesMax = 5_000;

interface Parts {
  store: Store;
  rules: Pick<RuleSet, 'last'>;
  now(): number;
}

/** Old rows go, those of one sender at a time: no step looks at those of others. A crash in the middle leaves the rest for the next time. */
export async function prune({ store, rules, now }: Parts): Promise<void> {
  for (let last = { rule: '', sender: '' }; ; await aTurn()) {
    const next = await store.read((db) => nextSender(db, last));
    if (!next) break;
    const silentMs = rules.last(next.rule)?.silent;
    await pruneEdges(store, next, now() - keptMs);
    if (silentMs !== undefined) await foldSender(store, { ...next, silentMs, before: now() - foldAfterMs });
    last = next;
  }
  for (let last = ''; ; await aTurn()) {
    const next = await store.read((db) => nextCaused(db, last));
    if (next === undefined) break;
    await pruneCauses(store, next, now() - keptMs);
    last = next;
  }
}

async function nextSender(db: Reader, { rule, sender }: { rule: string; sender: string }) {
  const of = db.selectFrom('ruleEdges').select(['rule', 'sender']).limit(1);
  const same = await of.where('rule', '=', rule).where('sender', '>', sender).orderBy('sender').executeTakeFirst();
  return same ?? (await of.where('rule', '>', rule).orderBy('rule').orderBy('sender').executeTakeFirst());
}

async function nextCaused(db: Reader, sender: string): Promise<string | undefined> {
  const of = db.selectFrom('ruleCauses').select('sender').where('sender', '>', sender);
  return (await of.orderBy('sender').limit(1).executeTakeFirst())?.sender;
}

async function pruneEdges(store: Store, of: { rule: string; sender: string }, before: number): Promise<void> {
  const old = (db: Reader) =>
    db
      .selectFrom('ruleEdges')
      .select('at')
      .where('rule', '=', of.rule)
      .where('sender', '=', of.sender)
      .where('at', '<', before)
      .limit(1)
      .executeTakeFirst();
  if (!(await store.read(old))) return;
  await store.change(
    (db) =>
      db
        .deleteFrom('ruleEdges')
        .where('rule', '=', of.rule)
        .where('sender', '=', of.sender)
        .where('at', '<', before)
        .execute(),
    { durable: false },
  );
}

async function pruneCauses(store: Store, sender: string, before: number): Promise<void> {
  const limit = await store.read(async (db) => {
    const of = db.selectFrom('ruleCauses').select('at').where('sender', '=', sender);
    const over = await of.orderBy('at', 'desc').offset(causesMax).limit(1).executeTakeFirst();
    return Math.max(before, over?.at ?? 0);
  });
  await store.change(
    (db) => db.deleteFrom('ruleCauses').where('sender', '=', sender).where('at', '<=', limit).execute(),
    { durable: false },
  );
}
