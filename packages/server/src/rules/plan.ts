import type { AttributeValue } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import type { Breach, Judged } from './facts.ts';
import { isKnown, isSame, judge } from './judge.ts';
import { type Asked, breachesOf, type FactParts, readFacts, type StoredBreach } from './read-facts.ts';
import type { Rule, RuleSet } from './rule-set.ts';

export type Status = 'none' | 'well' | 'unknown' | 'broken';

/** What a look at a subject under a rule comes to, before anything of it is stored. */
export interface Plan {
  status: Status;
  judged: Judged;
  window: { from: number; until: number | null } | undefined;
  found: Breach[];
  /** Those on record of which something else is known now. */
  corrected: { id: number; from: number; to: number | null; at: number; stands: boolean }[];
  /** Since when there is a gap that nobody has decided. */
  silentSince: number | null;
  /** The same of the look before. */
  wasSilentSince: number | null;
  /** What the attributes of the rule were before it moved them. */
  before: Values | null;
  /** What the subject's attributes are to be. */
  values: Values;
  /** Something that is told follows: a breach, silence, or an attribute that is other than before. */
  moves: boolean;
}

export type Values = Record<string, AttributeValue | null>;

export interface PlanParts extends FactParts {
  /** What this room wrote last, also where something lies over it. */
  valuesOf(db: Reader, subject: string): Promise<Values>;
}

export async function planOf(db: Reader, parts: PlanParts, asked: Asked, now: number): Promise<Plan> {
  const { version, subject } = asked;
  const facts = await readFacts(db, parts, asked);
  const judged = judge(facts, now);
  const kept = await breachesOf(db, version.rule.rule, subject);
  const found = judged.breaches.filter((one) => !kept.some((other) => isKnown(other, one)));
  const isOpen = found.length > 0 || kept.some(({ acknowledgedAt }) => acknowledgedAt === null);
  const silentSince = judged.gaps[0]?.from ?? null;
  const status = statusOf({ isOpen, isSilent: silentSince !== null, heard: judged.heard });
  const state = await stateOf(db, version.rule.rule, subject);
  const present = await parts.valuesOf(db, subject);
  const look = { rule: version.rule, status, isSilent: silentSince !== null, before: state.before };
  const values = differing([look, ...(await othersOf(db, parts.rules, asked))], present);
  const names = namesOf(version.rule);
  const moved = Object.keys(values).some((name) => names.includes(name));
  const before =
    state.before ?? (moved ? Object.fromEntries(names.map((name) => [name, present[name] ?? null])) : null);
  const silenceTurns = (silentSince === null) !== (state.silentSince === null);
  return {
    ...{ status, judged, window: facts.window, found, corrected: correctedOf(kept, judged.breaches), before, values },
    ...{ silentSince, wasSilentSince: state.silentSince },
    moves: found.length > 0 || silenceTurns || Object.keys(values).length > 0,
  };
}

function statusOf({ isOpen, isSilent, heard }: { isOpen: boolean; isSilent: boolean; heard: number | null }): Status {
  if (isOpen) return 'broken';
  if (isSilent) return 'unknown';
  return heard === null ? 'none' : 'well';
}

/** A breach stays on record; what later readings say of it is put beside it. */
function correctedOf(kept: readonly StoredBreach[], judged: readonly Breach[]): Plan['corrected'] {
  return kept.flatMap((one): Plan['corrected'] => {
    // What a person acknowledged is counted no more, and so can not be found again.
    if (one.acknowledgedAt !== null) return [];
    const now = judged.find((other) => isSame(one, other));
    if (!now) return one.stands ? [{ ...one, stands: false }] : [];
    const isSo = one.stands && one.from === now.from && one.to === now.to && one.at === now.at;
    return isSo ? [] : [{ id: one.id, from: now.from, to: now.to, at: now.at, stands: true }];
  });
}

interface Look {
  rule: Rule;
  status: Status;
  isSilent: boolean;
  before: Values | null;
}

async function stateOf(db: Reader, rule: string, subject: string) {
  const row = await db
    .selectFrom('ruleStates')
    .select(['before', 'silentSince'])
    .where('rule', '=', rule)
    .where('subject', '=', subject)
    .executeTakeFirst();
  return { before: parsed(row?.before ?? null), silentSince: row?.silentSince ?? null };
}

const parsed = (text: string | null) => (text === null ? null : (JSON.parse(text) as Values));

/** What other rules found of the same subject when they last looked. */
async function othersOf(db: Reader, rules: RuleSet, { version, subject }: Asked): Promise<Look[]> {
  return (await looksAt(db, rules, subject)).filter(({ rule }) => rule.rule !== version.rule.rule);
}

async function looksAt(db: Reader, rules: RuleSet, subject: string): Promise<Look[]> {
  const rows = await db
    .selectFrom('ruleStates')
    .select(['rule', 'status', 'silentSince', 'before'])
    .where('subject', '=', subject)
    .orderBy('rule')
    .execute();
  return rows.flatMap(({ rule: name, status, silentSince, before }) => {
    const rule = rules.last(name);
    const look = { status: status as Status, isSilent: silentSince !== null, before: parsed(before) };
    return rule ? [{ rule, ...look }] : [];
  });
}

export const namesOf = ({ on }: Rule): string[] => [
  ...new Set([on.breach, on.silence, on.well].flatMap((values) => Object.keys(values ?? {}))),
];

const differing = (looks: readonly Look[], present: Values): Values =>
  Object.fromEntries(Object.entries(wantedValues(looks)).filter(([name, value]) => (present[name] ?? null) !== value));

/** What the attributes are to be by all that is on record. */
export async function valuesFor(db: Reader, { rules, valuesOf }: PlanParts, subject: string): Promise<Values> {
  return differing(await looksAt(db, rules, subject), await valuesOf(db, subject));
}

/** Of several rules that move one attribute the worst counts: a breach over what is not known, and that over what is well. */
function wantedValues(looks: readonly Look[]): Values {
  const wanted: Values = {};
  for (const name of new Set(looks.flatMap(({ rule }) => namesOf(rule)))) {
    const value = valueFor(name, looks);
    if (value !== undefined) wanted[name] = value;
  }
  return wanted;
}

function valueFor(name: string, looks: readonly Look[]): AttributeValue | null | undefined {
  const broken = looks.filter(({ status }) => status === 'broken').map(({ rule }) => rule.on.breach?.[name]);
  const unknown = looks.filter(({ isSilent }) => isSilent).map(({ rule }) => rule.on.silence?.[name]);
  const first = [...broken, ...unknown].find((value) => value !== undefined);
  if (first !== undefined) return first;
  const well = looks.filter(({ status }) => status !== 'none').map(({ rule }) => rule.on.well?.[name]);
  const before = looks.map((look) => look.before?.[name]);
  return [...well, ...before].find((value) => value !== undefined);
}
