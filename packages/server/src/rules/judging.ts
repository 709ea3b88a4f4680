import type { Kind } from '@portcullis/contract';
import type { By, ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Reader, Store, Writer } from '../storage/storage.ts';
import { type Log, type System, timestamp } from '../telemetry/telemetry.ts';
import { mark } from './due.ts';
import type { Breach } from './facts.ts';
import { namesOf, type Plan, type PlanParts, planOf, type Values } from './plan.ts';
import type { Asked } from './read-facts.ts';

export interface Raised {
  kind: 'breach' | 'breach_after_delivery' | 'silence';
  subject: string | null;
  key: string;
  at: number;
  says: string;
  detail: Record<string, unknown>;
}

/** What tells the outside, in the transaction that causes it. */
export interface Rings {
  raise(db: Writer, alert: Raised): Promise<void>;
  settle(db: Writer, kind: Raised['kind'], key: string, at: number): Promise<void>;
}

export interface JudgingParts extends PlanParts {
  store: Store;
  journal: Journal;
  system: System;
  log: Log;
  alerts: Rings;
  isDelivered(db: Reader, shipment: string): Promise<boolean>;
  put(change: ChangeTransaction, values: { subject: string; values: Values; visibility?: 'public' }): Promise<number>;
}

/** So many of each are kept with what was found: the newest. */
const foundMax = 500;

/**
 * Looks at a subject under a rule, and does what follows. What is told while it looks is seen, or makes it look again: both are within one
 * transaction. What moves an attribute is a revision, a breach or silence that moves none an entry of the journal, all else neither.
 */
export async function lookAt(parts: JudgingParts, asked: Asked): Promise<void> {
  const { store, journal, system } = parts;
  const planned = (db: Writer) => planOf(db, parts, asked, system.now());
  // A crash that loses it leaves the row due, and the next look finds the same.
  const plan = await store.change(
    async (db) => {
      const plan = await planned(db);
      if (!plan.moves) await writeFound(db, asked, plan, system.now());
      return plan;
    },
    { durable: false },
  );
  if (!plan.moves) return;
  const by = { actor: 'authority', action: actionOf(plan), reason: reasonOf(plan, asked) };
  if (Object.keys(plan.values).length > 0) {
    await journal.change(by, async (change) => follow(parts, change, asked, await planned(change.db)));
    return;
  }
  const subjects = [{ subject: asked.subject }];
  await journal.note({ ...by, body: (about) => ({ about, subjects }) }, async (db) => {
    const about = await record(parts, { db, at: system.now() }, asked, await planned(db));
    // What became known meanwhile may move an attribute: the next look sees to it.
    await mark(db, asked.version.rule.rule, asked.subject, system.now());
    return about;
  });
}

/** What a plan comes to, within a revision. */
export async function follow(
  parts: JudgingParts,
  change: ChangeTransaction,
  asked: Asked,
  plan: Plan,
): Promise<number> {
  const { subject } = asked;
  change.about(await record(parts, change, asked, plan));
  const known = await kindOf(change.db, subject);
  if (!known || known.retired) return nothingMoved(change, subject);
  const moved = await putValues(parts, change, asked, plan.values);
  if (moved === 0) change.touched(subject, known.kind);
  return moved;
}

/** All but what moves: breaches, and who is told of them. Resolves to what the journal says of it. */
async function record(
  parts: JudgingParts,
  { db, at }: Pick<ChangeTransaction, 'db' | 'at'>,
  asked: Asked,
  plan: Plan,
): Promise<Record<string, unknown>> {
  const { subject, version } = asked;
  const { rule } = version.rule;
  const known = await kindOf(db, subject);
  const after = known?.kind === 'shipment' && (await parts.isDelivered(db, subject));
  const kind = after ? 'breach_after_delivery' : 'breach';
  for (const breach of plan.found) {
    const id = await writeBreach(db, asked, breach, { at, after });
    const says = breachWords(asked, breach);
    const detail = { rule, ...detailOf(breach) };
    await parts.alerts.raise(db, { kind, subject, key: breachKey(id), at, says, detail });
  }
  await tellSilence(parts, { db, at }, asked, plan);
  await writeFound(db, asked, plan, at);
  return { rule, status: plan.status, ...(plan.found[0] && { breach: detailOf(plan.found[0]) }) };
}

/** What is known now of what was found before, and what was found. */
async function writeFound(db: Writer, asked: Asked, plan: Plan, now: number): Promise<void> {
  for (const { id, from, to, at, stands } of plan.corrected) {
    const row = { since: from, until: to, at, stands: Number(stands) };
    await db.updateTable('ruleBreaches').set(row).where('id', '=', id).execute();
  }
  await writeState(db, asked, plan, now);
}

/** Of what this rule moves anybody may know, where it says so; what others move stays as they have it. */
async function putValues(
  { put }: JudgingParts,
  change: ChangeTransaction,
  asked: Asked,
  values: Values,
): Promise<number> {
  const { subject, version } = asked;
  const names = version.rule.public ? namesOf(version.rule) : [];
  const [shown = [], others = []] = [true, false].map((isShown) =>
    Object.entries(values).filter(([name]) => names.includes(name) === isShown),
  );
  const moved = others.length === 0 ? 0 : await put(change, { subject, values: Object.fromEntries(others) });
  if (shown.length === 0) return moved;
  return moved + (await put(change, { subject, values: Object.fromEntries(shown), visibility: 'public' }));
}

/** The subject that the sender names is none of this fleet, or its record is closed: what was found is kept all the same. */
function nothingMoved(change: ChangeTransaction, subject: string): 0 {
  change.unchanged(change.revision - 1, [subject]);
  return 0;
}

export const breachKey = (id: number) => `breach:${id}`;
const silenceKey = ({ version, subject }: Asked, since: number) => `silence:${version.rule.rule}:${subject}:${since}`;

async function tellSilence(
  { alerts }: JudgingParts,
  { db, at }: Pick<ChangeTransaction, 'db' | 'at'>,
  asked: Asked,
  plan: Plan,
) {
  const { silentSince, wasSilentSince } = plan;
  const { rule } = asked.version.rule;
  if (wasSilentSince !== null && silentSince === null)
    await alerts.settle(db, 'silence', silenceKey(asked, wasSilentSince), at);
  if (wasSilentSince !== null || silentSince === null) return;
  const { subject } = asked;
  const cause = plan.judged.gaps[0]?.cause ?? 'silent';
  const says = `${rule}: what happened to ${subject} since ${timestamp(silentSince)} is not known`;
  const detail = { rule, since: timestamp(silentSince), cause };
  await alerts.raise(db, { kind: 'silence', subject, key: silenceKey(asked, silentSince), at, says, detail });
}

async function writeBreach(
  db: Writer,
  { version, subject }: Asked,
  breach: Breach,
  found: { at: number; after: boolean },
) {
  const { kind, sender, from, to, at, limitMs, ruleRevision } = breach;
  const { id } = await db
    .insertInto('ruleBreaches')
    .values({
      ...{ rule: version.rule.rule, subject, kind, sender, since: from, until: to, at, limitMs, ruleRevision },
      ...{ foundAt: found.at, stands: 1, afterDelivery: Number(found.after) },
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** Looked at again when time alone may change it; while any reading may, whenever one comes. */
async function writeState(db: Writer, { version, subject }: Asked, plan: Plan, now: number): Promise<void> {
  const { judged, window, status, before } = plan;
  const excursions = judged.excursions.slice(-foundMax);
  const gaps = judged.gaps.slice(-foundMax);
  // The first gap has the first time at which silence was told of.
  const silentSince = plan.silentSince === null ? null : (plan.wasSilentSince ?? plan.silentSince);
  const row = {
    ...{ status, dueAt: judged.nextAt, judgedAt: now, silentSince },
    waits: Number(judged.heard === null || [...gaps, ...excursions].some(({ to }) => to === null)),
    before: before && JSON.stringify(before),
    found: JSON.stringify({ window: window ?? null, heard: judged.heard, excursions, gaps }),
  };
  await db
    .insertInto('ruleStates')
    .values({ rule: version.rule.rule, subject, ...row })
    .onConflict((conflict) => conflict.columns(['rule', 'subject']).doUpdateSet(row))
    .execute();
}

async function kindOf(db: Reader, subject: string): Promise<{ kind: Kind; retired: number } | undefined> {
  const row = await db.selectFrom('subjects').select(['kind', 'retired']).where('id', '=', subject).executeTakeFirst();
  return row && { kind: row.kind as Kind, retired: row.retired };
}

const detailOf = ({ kind, sender, from, to, at, limitMs, ruleRevision }: Breach) => ({
  ...{ kind, sender: sender === '' ? null : sender, from: timestamp(from), to: to === null ? null : timestamp(to) },
  ...{ at: timestamp(at), limitMs, ruleRevision },
});

function actionOf({ found, silentSince, wasSilentSince, status }: Plan): By['actor'] {
  if (found.length > 0) return 'rules.breach';
  if (silentSince !== null && wasSilentSince === null) return 'rules.silence';
  return status === 'well' ? 'rules.well' : 'rules.judged';
}

function breachWords({ version, subject }: Asked, { kind, at, limitMs }: Breach): string {
  const what = kind === 'for' ? 'was outside for longer than' : 'was outside, all times together, for longer than';
  return `${version.rule.rule}: ${subject} ${what} ${limitMs / 1_000} s, passed at ${timestamp(at)}`;
}

function reasonOf({ found, silentSince, wasSilentSince }: Plan, asked: Asked): string {
  const [breach] = found;
  if (breach) return breachWords(asked, breach);
  const { rule } = asked.version.rule;
  if (silentSince !== null && wasSilentSince === null) return `${rule}: not known since ${timestamp(silentSince)}`;
  return `${rule}: what is known has changed`;
}
