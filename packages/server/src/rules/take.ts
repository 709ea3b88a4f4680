import { type Edge, type EdgesReport, runPauseMsMax } from '@portcullis/contract';
import { sql } from 'kysely';
import type { By } from '../journal/journal.ts';
import type { Store, Writer } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { mark } from './due.ts';
import { aboutOf, isProof, type RuleSet } from './rule-set.ts';

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
  await inSteps(parts, edges, (db, edge) => takeEdge(parts, db, { gate, edge }));
  const touched = new Map(edges.map((edge) => [`${edge.rule} ${edge.subject}`, edge]));
  await inSteps(parts, [...touched.values()], (db, { rule, subject }) => bound(db, rule, subject), { durable: false });
  // What a crash loses of these the gate tells anew within seconds.
  const how = { durable: false };
  await inSteps(parts, newest, (db, one) => takeNewest(parts, db, { gate, ...one, at: Date.parse(one.at) }), how);
  await inSteps(
    parts,
    gaps,
    (db, { subject, reason, at }) => takeCause(db, { sender: subject, reason, at: Date.parse(at) }),
    how,
  );
  return { taken: edges.map(({ id }) => id) };
}

async function inSteps<Item>(
  { store, by }: Parts,
  items: readonly Item[],
  each: (db: Writer, item: Item) => Promise<void>,
  how: { durable?: boolean } = {},
): Promise<void> {
  for (const some of chunks(items)) {
    await store.change(async (db) => {
      await by?.requireAllowed?.(db);
      for (const item of some) await each(db, item);
    }, how);
    await aTurn();
  }
}

/** Of a sender that goes in and out with each reading the oldest edges go: what they said of is not known any more. */
async function bound(db: Writer, rule: string, sender: string): Promise<void> {
  const of = db.selectFrom('ruleEdges').where('rule', '=', rule).where('sender', '=', sender);
  const over = await of.select('at').orderBy('at', 'desc').offset(edgesMax).limit(1).executeTakeFirst();
  if (!over) return;
  const gone = db.deleteFrom('ruleEdges').where('rule', '=', rule).where('sender', '=', sender);
  await gone.where('at', '<=', over.at).execute();
}

/** One that a gap of the shortest silence needs is enough. */
const causeEveryMs = 2 * runPauseMsMax;

async function takeCause(db: Writer, cause: { sender: string; reason: string; at: number }): Promise<void> {
  const known = await db
    .selectFrom('ruleCauses')
    .select('at')
    .where('sender', '=', cause.sender)
    .where('at', '>', cause.at - causeEveryMs)
    .where('at', '<=', cause.at)
    .where('reason', '=', cause.reason)
    .limit(1)
    .executeTakeFirst();
  if (known) return;
  await db
    .insertInto('ruleCauses')
    .values(cause)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function* chunks<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += rowsAtOnce) yield items.slice(from, from + rowsAtOnce);
}

/** Of a rule that there is no more nothing is kept. */
async function takeEdge(
  { rules, now }: Parts,
  db: Writer,
  { gate, edge }: { gate: string; edge: Edge },
): Promise<void> {
  const version = rules.of(edge.rule);
  if (!version) return;
  const [source = '', number] = edge.id.split(':');
  const { rule, ruleRevision, reading, side, subject: sender } = edge;
  const at = Date.parse(edge.at);
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('ruleEdges')
    .values({
      ...{
        gate,
        source,
        number: Number(number),
        rule,
        ruleRevision,
        sender,
        reading,
        side,
        at,
        pauseMs: runPauseMsMax,
      },
      ...{ receivedAt: Date.parse(edge.receivedAt), after: edge.after === null ? null : Date.parse(edge.after) },
      ...{ late: Number(edge.late), unproven: Number(edge.unproven) },
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows === 0n) return;
  // What is unproven proves nothing.
  const newest = edge.unproven && side === 'inside' ? 0 : at;
  await keepNewest(db, { rule, sender, gate, at: newest, side, toldAt: now() });
  if (isProof(rule)) return dropBefore(db, { rule, sender, gate, at });
  const about = aboutOf(version.rule);
  for (const subject of await subjectsOf(db, { sender, about, at })) await mark(db, rule, subject, now());
}

/** Of a proof the newest reading alone counts. */
async function dropBefore(db: Writer, of: { rule: string; sender: string; gate: string; at: number }): Promise<void> {
  await db
    .deleteFrom('ruleEdges')
    .where('rule', '=', of.rule)
    .where('sender', '=', of.sender)
    .where('gate', '=', of.gate)
    .where('at', '<', of.at)
    .execute();
}

/** For whom a sender spoke then, or speaks since. */
async function subjectsOf(
  db: Writer,
  { sender, about, at }: { sender: string; about: string | undefined; at: number },
) {
  if (about === undefined) return [sender];
  const rows = await db
    .selectFrom('ruleBindings')
    .select('subject')
    .distinct()
    .where('name', '=', about)
    .where('sender', '=', sender)
    .where((where) => where.or([where('until', 'is', null), where('until', '>=', at)]))
    .execute();
  return rows.map(({ subject }) => subject);
}

interface NewestTold {
  gate: string;
  rule: string;
  subject: string;
  at: number;
  side: string;
}

async function takeNewest({ rules, now }: Parts, db: Writer, { gate, rule, subject, at, side }: NewestTold) {
  const version = rules.of(rule);
  if (!version) return;
  await keepNewest(db, { rule, sender: subject, gate, at, side, toldAt: now() });
  const about = aboutOf(version.rule);
  const waiting = await db
    .selectFrom('ruleStates')
    .select('ruleStates.subject')
    .where('rule', '=', rule)
    .where('waits', '=', 1)
    .where('ruleStates.subject', 'in', await subjectsOf(db, { sender: subject, about, at }))
    .execute();
  for (const one of waiting) await mark(db, rule, one.subject, now());
}

async function keepNewest(
  db: Writer,
  row: { rule: string; sender: string; gate: string; at: number; side: string; toldAt: number },
) {
  await db
    .insertInto('ruleNewest')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['rule', 'sender', 'gate']).doUpdateSet({
        side: sql<string>`CASE WHEN excluded.at >= ruleNewest.at THEN excluded.side ELSE ruleNewest.side END`,
        at: sql<number>`max(excluded.at, ruleNewest.at)`,
        toldAt: row.toldAt,
      }),
    )
    .execute();
}
