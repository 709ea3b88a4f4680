import type { Reader } from '../storage/storage.ts';
import type { Bound, BreachKind, Cause, Edge, Facts, KeptBreach, SenderFacts, Side } from './facts.ts';
import { aboutOf, limitsOf, type RuleSet, type Version } from './rule-set.ts';
import { runsOf } from './runs.ts';

const causesMax = 500;

/** What is asked of journeys: the accepted arrivals of a shipment, in order. */
export interface Steps {
  stepsOf(db: Reader, shipment: string): Promise<{ step: string; at: number }[]>;
}

export interface FactParts {
  rules: RuleSet;
  journeys: Steps;
}

export interface Asked {
  version: Version;
  subject: string;
}

/** All that is known of a subject under a rule. Nothing is read that was not about it. */
export async function readFacts(
  db: Reader,
  { rules, journeys }: FactParts,
  { version, subject }: Asked,
): Promise<Facts> {
  const { rule } = version;
  const since = rules.since(rule.rule);
  const bound = await boundOf(db, { version, subject });
  const times = [...bound.values()].flat();
  const window = rule.during
    ? windowOf(await journeys.stepsOf(db, subject), rule.during)
    : times.length === 0
      ? undefined
      : { from: Math.min(...times.map(({ from }) => from)), until: latest(times) };
  const from = Math.max(window?.from ?? since, since);
  const senders: SenderFacts[] = [];
  for (const [sender, of] of bound) senders.push(await senderFacts(db, { rule: rule.rule, sender, bound: of, from }));
  return {
    limits: limitsOf(rule),
    limitsAt: (revision) => rules.limitsAt(rule.rule, revision),
    window: window && { from, until: window.until },
    senders,
    breaches: await breachesOf(db, rule.rule, subject),
    decidedUntil: await decidedUntil(db, rule.rule, subject),
  };
}

const latest = (times: readonly Bound[]) =>
  times.some(({ until }) => until === null) ? null : Math.max(...times.map(({ until }) => until ?? 0));

/** From the first arrival at one step to the next one at the other. */
function windowOf(
  steps: readonly { step: string; at: number }[],
  during: { from: string; until: string },
): Bound | undefined {
  const begun = steps.findIndex(({ step }) => step === during.from);
  if (begun < 0) return undefined;
  const ended = steps.slice(begun + 1).find(({ step }) => step === during.until);
  return { from: steps[begun]?.at ?? 0, until: ended?.at ?? null };
}

/** Who speaks for the subject, and when. A sender speaks for itself from the first that was heard of it. */
export async function boundOf(db: Reader, { version, subject }: Asked): Promise<Map<string, Bound[]>> {
  const name = aboutOf(version.rule);
  if (name === undefined) {
    const first = await db
      .selectFrom('ruleEdges')
      .select('at')
      .where('rule', '=', version.rule.rule)
      .where('sender', '=', subject)
      .orderBy('at')
      .limit(1)
      .executeTakeFirst();
    return new Map(first ? [[subject, [{ from: first.at, until: null }]]] : []);
  }
  const rows = await db
    .selectFrom('ruleBindings')
    .select(['sender', 'since', 'until'])
    .where('name', '=', name)
    .where('subject', '=', subject)
    .orderBy('since')
    .execute();
  const since = rows.map(({ sender, since: from, until }) => ({ sender, bound: { from, until } }));
  return new Map(
    [...Map.groupBy(since, ({ sender }) => sender)].map(([sender, some]) => [sender, some.map((one) => one.bound)]),
  );
}

interface OfSender {
  rule: string;
  sender: string;
  bound: Bound[];
  from: number;
}

async function senderFacts(db: Reader, { rule, sender, bound, from }: OfSender): Promise<SenderFacts> {
  const start = Math.max(from, Math.min(...bound.map((one) => one.from)));
  const newest = await db
    .selectFrom('ruleNewest')
    .select(['gate', 'at', 'toldAt'])
    .where('rule', '=', rule)
    .where('sender', '=', sender)
    .execute();
  return {
    ...{ sender, bound, runs: runsOf(await edgesOf(db, { rule, sender, start }), newest) },
    causes: await causesOf(db, sender, start),
    toldAt: Math.max(0, ...newest.map(({ toldAt }) => toldAt)),
  };
}

/** Those from then on, and of each source the one before, whose run may last until then. */
async function edgesOf(
  db: Reader,
  { rule, sender, start }: { rule: string; sender: string; start: number },
): Promise<Edge[]> {
  const of = db.selectFrom('ruleEdges').where('rule', '=', rule).where('sender', '=', sender);
  const before = await of
    .select(({ fn }) => ['source', fn.max('number').as('number')])
    .where('at', '<', start)
    .where('late', '=', 0)
    .groupBy('source')
    .execute();
  const rows = await of
    .selectAll()
    .where((where) =>
      where.or([
        where('at', '>=', start),
        ...before.map(({ source, number }) => where.and({ source, number: Number(number) })),
      ]),
    )
    .orderBy('at')
    .execute();
  return rows.map((row) => ({
    ...row,
    ...{ side: row.side as Side, late: row.late === 1, unproven: row.unproven === 1 },
  }));
}

function causesOf(db: Reader, sender: string, start: number): Promise<Cause[]> {
  return db
    .selectFrom('ruleCauses')
    .select(['at', 'reason'])
    .where('sender', 'in', [sender, ''])
    .where('at', '>=', start)
    .orderBy('at', 'desc')
    .limit(causesMax)
    .execute()
    .then((rows) => rows.reverse());
}

export interface StoredBreach extends KeptBreach {
  id: number;
  stands: boolean;
  at: number;
}

export async function breachesOf(db: Reader, rule: string, subject: string): Promise<StoredBreach[]> {
  const rows = await db
    .selectFrom('ruleBreaches')
    .select(['id', 'kind', 'sender', 'since', 'until', 'at', 'stands', 'acknowledgedAt'])
    .where('subject', '=', subject)
    .where('rule', '=', rule)
    .orderBy('id')
    .execute();
  return rows.map(({ kind, since, until, stands, ...row }) => ({
    ...{ ...row, kind: kind as BreachKind, from: since, to: until, stands: stands === 1 },
  }));
}

async function decidedUntil(db: Reader, rule: string, subject: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('ruleDecisions')
    .select('at')
    .where('rule', '=', rule)
    .where('subject', '=', subject)
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.at;
}
