import type { BreachesQuery, BreachView, ExcursionsView, RuledSubject, RuleView } from '@portcullis/contract';
import { PortcullisError } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Reader, Schema } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { Excursion, Gap } from './facts.ts';
import { boundOf } from './read-facts.ts';
import { aboutOf, limitsOf, type RuleSet, type Version } from './rule-set.ts';

const time = (milliseconds: number | null) => (milliseconds === null ? null : timestamp(milliseconds));

export function ruleView({ revision, rule }: Version): RuleView {
  return {
    ...{ rule: rule.rule, revision, streams: [...rule.streams], about: aboutOf(rule) ?? null },
    ...{ outside: rule.outside, inside: rule.inside ?? null, ...limitsOf(rule) },
    ...{ during: rule.during ?? null, on: rule.on },
  } as RuleView;
}

type BreachRow = Omit<Schema['ruleBreaches'], 'id'> & { id: number };

function breachView(row: BreachRow): BreachView {
  const { acknowledgedAt, acknowledgedBy, reason } = row;
  const acknowledged =
    acknowledgedAt === null ? null : { at: timestamp(acknowledgedAt), by: acknowledgedBy ?? '', reason: reason ?? '' };
  return {
    ...{
      id: row.id,
      rule: row.rule,
      subject: row.subject,
      kind: row.kind,
      sender: row.sender === '' ? null : row.sender,
    },
    ...{ from: timestamp(row.since), to: time(row.until), at: timestamp(row.at), foundAt: timestamp(row.foundAt) },
    ...{ limitMs: row.limitMs, ruleRevision: row.ruleRevision, stands: row.stands === 1 },
    ...{ afterDelivery: row.afterDelivery === 1, acknowledged },
  } as BreachView;
}

export async function listBreaches(db: Reader, { after, limit, subject, all }: BreachesQuery) {
  const rows = await db
    .selectFrom('ruleBreaches')
    .selectAll()
    .where('id', '>', Number(after ?? 0))
    .$if(subject !== undefined, (select) => select.where('subject', '=', subject as string))
    .$if(all === undefined, (select) => select.where('acknowledgedAt', 'is', sql.lit(null)))
    .orderBy('id')
    .limit(limit)
    .execute();
  return { items: rows.map(breachView), next: rows.length === limit ? String(rows.at(-1)?.id) : null };
}

interface Found {
  window: { from: number; until: number | null } | null;
  heard: number | null;
  excursions: Excursion[];
  gaps: Gap[];
}
const nothing: Found = { window: null, heard: null, excursions: [], gaps: [] };

/** What was found when each rule last looked. @throws {PortcullisError} `subject_unknown` */
export async function excursionsView(db: Reader, rules: RuleSet, subject: string): Promise<ExcursionsView> {
  const known = await db.selectFrom('subjects').select('id').where('id', '=', subject).executeTakeFirst();
  if (!known) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
  const states = await db.selectFrom('ruleStates').selectAll().where('subject', '=', subject).orderBy('rule').execute();
  const breaches = await db
    .selectFrom('ruleBreaches')
    .selectAll()
    .where('subject', '=', subject)
    .orderBy('id')
    .execute();
  const decisions = await db.selectFrom('ruleDecisions').selectAll().where('subject', '=', subject).execute();
  const newest = await newestBy(db, rules, states);
  const ruled = states.map(({ rule, status, found }): RuledSubject => {
    const { window, heard: heardThen, excursions, gaps } = found === null ? nothing : (JSON.parse(found) as Found);
    const isOver = window === null || window.until !== null;
    const heard = isOver ? heardThen : (newest.get(rule) ?? heardThen);
    return {
      ...{ rule, status, from: time(window?.from ?? null), until: time(window?.until ?? null), heard: time(heard) },
      excursions: excursions.map(({ from, to, ...one }) => ({ ...one, from: timestamp(from), to: time(to) })),
      gaps: gaps.map(({ sender, from, to, ...one }) => ({
        ...{ ...one, sender: sender === '' ? null : sender, from: timestamp(from), to: time(to) },
      })),
      breaches: breaches.filter((one) => one.rule === rule).map(breachView),
      decisions: decisions
        .filter((one) => one.rule === rule)
        .map(({ at, actor, reason }) => ({ at: timestamp(at), by: actor, reason })),
    } as RuledSubject;
  });
  return { subject, rules: ruled } as ExcursionsView;
}

/** The newest reading of those that speak for the subject now: a look at it for each would be for nothing. */
async function newestBy(db: Reader, rules: RuleSet, states: readonly { rule: string; subject: string }[]) {
  const newest = new Map<string, number>();
  for (const { rule, subject } of states) {
    const version = rules.of(rule);
    if (!version) continue;
    const bound = await boundOf(db, { version, subject });
    const senders = [...bound]
      .filter(([, times]) => times.some(({ until }) => until === null))
      .map(([sender]) => sender);
    const row = await db
      .selectFrom('ruleNewest')
      .select(({ fn }) => fn.max('at').as('at'))
      .where('rule', '=', rule)
      .where('sender', 'in', senders)
      .executeTakeFirst();
    if (row?.at) newest.set(rule, row.at);
  }
  return newest;
}
