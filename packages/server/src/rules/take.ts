import { type Edge, type EdgesReport, type Newest, runPauseMsMax } from '@portcullis/contract';
import { type Insertable, sql } from 'kysely';
import type { By } from '../journal/journal.ts';
import type { Schema, Store, Writer } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { mark } from './due.ts';
import { aboutOf, isProof, type RuleSet, type Version } from './rule-set.ts';

/** Rows of one transaction, which no change waits for longer than some milliseconds. */
const rowsAtOnce = 50;

/** So many edges of a sender are kept under a rule. */
export const edgesMax = 5_000;

export type Report = Pick<EdgesReport, 'edges' | 'newest' | 'gaps'>;

interface Parts {
  store: Store;
  rules: RuleSet;
  now(): number;
  /** Asked within each transaction, so that the order of commits decides. */
  by?: Pick<By, 'requireAllowed'> | undefined;
}

/** Resolves once all edges are durable. What is told again changes nothing. */
export async function take(parts: Parts, gate: string, { edges, newest, gaps }: Report): Promise<{ taken: string[] }> {
  await inSteps(parts, edges, (db, some) => takeEdges(parts, db, gate, some));
  // What a crash loses of these the gate tells anew within seconds.
  const how = { durable: false };
  const touched = new Map(edges.map((edge) => [`${edge.rule} ${edge.subject}`, edge]));
  await inSteps(parts, [...touched.values()], boundEdges, how);
  await inSteps(parts, newest, (db, some) => takeNewest(parts, db, gate, some), how);
  await inSteps(parts, gaps, takeCauses, how);
  return { taken: edges.map(({ id }) => id) };
}

async function inSteps<Item>(
  { store, by }: Parts,
  items: readonly Item[],
  step: (db: Writer, some: readonly Item[]) => Promise<void>,
  how: { durable?: boolean } = {},
): Promise<void> {
  for (let from = 0; from < items.length; from += rowsAtOnce) {
    const some = items.slice(from, from + rowsAtOnce);
    await store.change(async (db) => {
      await by?.requireAllowed?.(db);
      await step(db, some);
    }, how);
    await aTurn();
  }
}

/** Of a rule that there is no more nothing is kept. */
async function takeEdges(parts: Parts, db: Writer, gate: string, some: readonly Edge[]): Promise<void> {
  for (const [name, edges] of Map.groupBy(some, ({ rule }) => rule)) {
    const version = parts.rules.of(name);
    if (!version) continue;
    const sides = await newestSides(db, { rule: name, gate }, edges);
    await db
      .insertInto('ruleEdges')
      .values(edges.map((edge) => rowOf(gate, edge)))
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const { now } = parts;
    await keepNewest(
      db,
      edges.map((edge) => newestRow(gate, edge, now())),
    );
    if (isProof(name)) for (const edge of edges) await dropBefore(db, gate, edge);
    else await markFor(parts, db, version, edges, sayingMore(edges, sides, version));
  }
}

function rowOf(gate: string, edge: Edge): Insertable<Schema['ruleEdges']> {
  const { rule, ruleRevision, reading, side, subject: sender, after } = edge;
  const [source = '', number] = edge.id.split(':');
  return {
    ...{ gate, source, number: Number(number), rule, ruleRevision, sender, reading, side, pauseMs: runPauseMsMax },
    ...{ at: Date.parse(edge.at), receivedAt: Date.parse(edge.receivedAt) },
    ...{ after: after === null ? null : Date.parse(after), late: Number(edge.late), unproven: Number(edge.unproven) },
  };
}

/** Those, in the order in which the gate tells them, that say more than that their sender was heard. */
function sayingMore(edges: readonly Edge[], sides: Map<string, string>, version: Version): (edge: Edge) => boolean {
  const found = new Set<Edge>();
  for (const edge of edges) {
    if (goesOn(edge, sides.get(edge.subject), version)) continue;
    found.add(edge);
    if (!edge.late) sides.set(edge.subject, edge.side);
  }
  return (edge) => found.has(edge);
}

/** It says no more than that the sender was heard on the side that it was on, after a pause that is no silence. */
function goesOn(edge: Edge, before: string | undefined, { rule: { silent } }: Version): boolean {
  if (edge.late || edge.unproven || edge.side !== before || edge.after === null) return false;
  return silent === undefined || Date.parse(edge.at) - Date.parse(edge.after) <= silent;
}

type NewestRow = Insertable<Schema['ruleNewest']>;

/** What is unproven proves nothing. */
function newestRow(gate: string, edge: Edge, toldAt: number): NewestRow {
  const { rule, subject: sender, side, unproven } = edge;
  return { rule, sender, gate, at: unproven && side === 'inside' ? 0 : Date.parse(edge.at), side, toldAt };
}

async function newestSides(db: Writer, of: { rule: string; gate: string }, edges: readonly Edge[]) {
  const senders = [...new Set(edges.map(({ subject }) => subject))];
  const rows = await db
    .selectFrom('ruleNewest')
    .select(['sender', 'side'])
    .where('rule', '=', of.rule)
    .where('sender', 'in', senders)
    .where('gate', '=', of.gate)
    .execute();
  return new Map(rows.map(({ sender, side }) => [sender, side]));
}

async function takeNewest(parts: Parts, db: Writer, gate: string, some: readonly Newest[]): Promise<void> {
  const toldAt = parts.now();
  for (const [name, newest] of Map.groupBy(some, ({ rule }) => rule)) {
    const version = parts.rules.of(name);
    if (!version) continue;
    await keepNewest(
      db,
      newest.map(({ rule, subject: sender, at, side }) => ({ rule, sender, gate, at: Date.parse(at), side, toldAt })),
    );
    if (!isProof(name)) await markFor(parts, db, version, newest, () => false);
  }
}

const newestAt = sql.ref<number>('ruleNewest.at');
const isNewer = sql<boolean>`excluded.at >= ${newestAt}`;

/** Of a gate and a rule; of each sender one, as if they were stored one after another: PostgreSQL meets no row twice. */
function onePerSender(rows: readonly NewestRow[]): NewestRow[] {
  const kept = new Map<string, NewestRow>();
  for (const row of rows) {
    const before = kept.get(row.sender);
    const { side, at } = before && before.at > row.at ? before : row;
    kept.set(row.sender, { ...row, side, at });
  }
  return [...kept.values()];
}

async function keepNewest(db: Writer, rows: readonly NewestRow[]): Promise<void> {
  await db
    .insertInto('ruleNewest')
    .values(onePerSender(rows))
    .onConflict((conflict) =>
      conflict.columns(['rule', 'sender', 'gate']).doUpdateSet({
        side: sql<string>`CASE WHEN ${isNewer} THEN excluded.side ELSE ${sql.ref('ruleNewest.side')} END`,
        at: sql<number>`CASE WHEN ${isNewer} THEN excluded.at ELSE ${newestAt} END`,
        toldAt: sql.ref<number>('excluded.toldAt'),
      }),
    )
    .execute();
}

/** Whom it is about is looked at soon: where it says something, or any reading may change what was found. */
async function markFor<Told extends { subject: string; at: string }>(
  { now }: Parts,
  db: Writer,
  { rule }: Version,
  told: readonly Told[],
  says: (one: Told) => boolean,
): Promise<void> {
  const about = aboutOf(rule);
  const subjectsOf = await subjectsBySender(db, about, told);
  const marked = new Set(told.filter(says).flatMap(subjectsOf));
  const others = new Set(told.flatMap(subjectsOf).filter((subject) => !marked.has(subject)));
  if (others.size > 0) {
    const waiting = await db
      .selectFrom('ruleStates')
      .select('subject')
      .where('rule', '=', rule.rule)
      .where('waits', '=', 1)
      .where('subject', 'in', [...others])
      .execute();
    for (const { subject } of waiting) marked.add(subject);
  }
  for (const subject of marked) await mark(db, rule.rule, subject, now());
}

/** For whom a sender spoke then, or speaks since. */
async function subjectsBySender(
  db: Writer,
  about: string | undefined,
  told: readonly { subject: string; at: string }[],
): Promise<(one: { subject: string; at: string }) => string[]> {
  if (about === undefined) return ({ subject }) => [subject];
  const rows = await db
    .selectFrom('ruleBindings')
    .select(['sender', 'subject', 'until'])
    .where('name', '=', about)
    .where('sender', 'in', [...new Set(told.map(({ subject }) => subject))])
    .execute();
  const bySender = Map.groupBy(rows, ({ sender }) => sender);
  return ({ subject: sender, at }) => {
    const bound = bySender.get(sender) ?? [];
    return bound.filter(({ until }) => until === null || until >= Date.parse(at)).map(({ subject }) => subject);
  };
}

/** Of a proof the newest reading alone counts. */
async function dropBefore(db: Writer, gate: string, { rule, subject: sender, at }: Edge): Promise<void> {
  await db
    .deleteFrom('ruleEdges')
    .where('rule', '=', rule)
    .where('sender', '=', sender)
    .where('gate', '=', gate)
    .where('at', '<', Date.parse(at))
    .execute();
}

/** Of a sender that goes in and out with each reading the oldest edges go: what they said of is not known any more. */
async function boundEdges(db: Writer, some: readonly Edge[]): Promise<void> {
  for (const { rule, subject: sender } of some) {
    const of = db.selectFrom('ruleEdges').where('rule', '=', rule).where('sender', '=', sender);
    const over = await of.select('at').orderBy('at', 'desc').offset(edgesMax).limit(1).executeTakeFirst();
    if (!over) continue;
    const gone = db.deleteFrom('ruleEdges').where('rule', '=', rule).where('sender', '=', sender);
    await gone.where('at', '<=', over.at).execute();
  }
}

/** One that a gap of the shortest silence needs is enough. */
const causeEveryMs = 2 * runPauseMsMax;

async function takeCauses(db: Writer, some: readonly Report['gaps'][number][]): Promise<void> {
  for (const { subject: sender, reason, at: time } of some) {
    const at = Date.parse(time);
    const known = await db
      .selectFrom('ruleCauses')
      .select('at')
      .where('sender', '=', sender)
      .where('at', '>', at - causeEveryMs)
      .where('at', '<=', at)
      .where('reason', '=', reason)
      .limit(1)
      .executeTakeFirst();
    if (!known) await db.insertInto('ruleCauses').values({ sender, reason, at }).execute();
  }
}
