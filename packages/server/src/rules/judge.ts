import { excursionsOf, heardIn, type Span, settleMs, silencesOf, spansOf, unboundGaps } from './excursions.ts';
import type { Breach, Excursion, Facts, Gap, Judged, KeptBreach, SenderFacts } from './facts.ts';
import { type Stretch, union } from './stretches.ts';

/**
 * What a rule says of a subject, from all that is known of it and the time alone: so in whatever order it became known, how often it
 * was told, and how often the authority was restarted meanwhile, the same comes out.
 */
export function judge(facts: Facts, now: number): Judged {
  const tracks = facts.senders.map((sender) => ({ sender, spans: spansOf(sender, facts.window, now) }));
  const excursions = tracks
    .flatMap(({ sender, spans }) => spans.flatMap((span) => excursionsOf(sender, span, now)))
    .sort((a, b) => a.from - b.from || (a.sender < b.sender ? -1 : 1));
  const heard = tracks.flatMap(({ sender, spans }) => spans.flatMap((span) => heardIn(sender.runs, span)));
  return {
    excursions,
    gaps: gapsOf(facts, tracks, now),
    breaches: [...tooLong(facts, excursions), ...overBudget(facts, excursions)],
    heard: heard.length === 0 ? null : heard.reduce((last, { to }) => Math.max(last, to), 0),
    nextAt: nextAt(facts, { tracks, excursions }, now),
  };
}

interface Track {
  sender: SenderFacts;
  spans: Span[];
}

function gapsOf(facts: Facts, tracks: readonly Track[], now: number): Gap[] {
  const { silentMs } = facts.limits;
  if (silentMs === null) return [];
  const silences = tracks.flatMap(({ sender, spans }) =>
    spans.flatMap((span) => silencesOf(sender, span, silentMs, now)),
  );
  const all = [...unboundGaps(facts, now), ...silences].sort((a, b) => a.from - b.from);
  return all.flatMap((gap) => undecided(gap, facts.decidedUntil, silentMs, now));
}

/** What of a gap no person has decided: of what is left as much counts as would of a new one. */
function undecided(gap: Gap, decidedUntil: number | undefined, silentMs: number, now: number): Gap[] {
  if (decidedUntil === undefined || gap.from >= decidedUntil) return [gap];
  const left = (gap.to ?? now) - decidedUntil;
  return left > (gap.cause === 'unbound' ? 0 : silentMs) ? [{ ...gap, from: decidedUntil }] : [];
}

const overlaps = (a: { from: number; to: number | null }, b: { from: number; to: number | null }) =>
  a.from <= (b.to ?? Number.POSITIVE_INFINITY) && b.from <= (a.to ?? Number.POSITIVE_INFINITY);

/** The same breach, by what is known now. */
export const isSame = (kept: KeptBreach, found: Pick<Breach, 'kind' | 'sender' | 'from' | 'to'>): boolean =>
  kept.kind === found.kind && kept.sender === found.sender && overlaps(kept, found);

/** It is on record: of one that a person acknowledged, what was before that. */
export const isKnown = (kept: KeptBreach, found: Breach): boolean =>
  isSame(kept, found) && (kept.acknowledgedAt === null || found.from < kept.acknowledgedAt);

/** From where an excursion counts: a person who acknowledged its breach decided what was before. */
function countsFrom({ breaches }: Facts, excursion: Excursion): number {
  const decided = breaches.filter((kept) => isSame(kept, { ...excursion, kind: 'for' }));
  return Math.max(excursion.from, ...decided.map(({ acknowledgedAt }) => acknowledgedAt ?? 0));
}

function tooLong(facts: Facts, excursions: readonly Excursion[]): Breach[] {
  return excursions.flatMap((excursion) => {
    const { sender, to, durationMs, ruleRevision } = excursion;
    const { forMs } = facts.limitsAt(ruleRevision);
    const from = countsFrom(facts, excursion);
    if (forMs === null || excursion.from + durationMs - from <= forMs) return [];
    return [{ kind: 'for', sender, from, to, at: from + forMs, limitMs: forMs, ruleRevision }];
  });
}

/** All excursions together, a time that two senders were outside in being counted once. */
function overBudget(facts: Facts, excursions: readonly Excursion[]): Breach[] {
  const { budgetMs } = facts.limits;
  if (budgetMs === null) return [];
  let left = budgetMs;
  const counted = countedForBudget(facts, excursions);
  for (const { from, to } of counted) {
    left -= to - from;
    if (left >= 0) continue;
    const { ruleRevision = 0 } = excursions.findLast((one) => one.from <= to) ?? {};
    const goesOn = excursions.some((one) => one.to === null);
    const last = counted.at(-1)?.to ?? to;
    const whole = { from: counted[0]?.from ?? from, to: goesOn ? null : last };
    return [{ kind: 'budget', sender: '', ...whole, at: to + left, limitMs: budgetMs, ruleRevision }];
  }
  return [];
}

/** After the last acknowledgement of such a breach it is counted anew. */
function countedForBudget({ breaches }: Facts, excursions: readonly Excursion[]): Stretch[] {
  const decided = breaches.filter(({ kind }) => kind === 'budget').map(({ acknowledgedAt }) => acknowledgedAt ?? 0);
  const base = Math.max(0, ...decided);
  const known = excursions.map(({ from, durationMs }) => ({ from: Math.max(from, base), to: from + durationMs }));
  return union(known.filter(({ from, to }) => from < to));
}

/** The next moment at which a limit is passed if nothing more is heard. */
function nextAt(
  facts: Facts,
  { tracks, excursions }: { tracks: readonly Track[]; excursions: readonly Excursion[] },
  now: number,
) {
  const moments: number[] = [];
  const open = excursions.filter(({ to }) => to === null);
  for (const excursion of open) {
    const { forMs } = facts.limitsAt(excursion.ruleRevision);
    if (forMs !== null) moments.push(countsFrom(facts, excursion) + forMs + 1);
  }
  const { budgetMs, silentMs } = facts.limits;
  if (budgetMs !== null && open.length > 0) {
    const spent = countedForBudget(facts, excursions).reduce((sum, { from, to }) => sum + to - from, 0);
    const known = Math.max(...open.map(({ from, durationMs }) => from + durationMs));
    moments.push(known + Math.max(0, budgetMs - spent) + 1);
  }
  for (const { sender, spans } of tracks) {
    const last = spans.at(-1);
    if (silentMs === null || !last?.open) continue;
    const heard = heardIn(sender.runs, last).reduce((newest, { to }) => Math.max(newest, to), last.from);
    moments.push(Math.max(heard, facts.decidedUntil ?? 0) + silentMs + 1);
  }
  // A limit that was passed while a gate was telling counts once it has told.
  if (moments.some((moment) => moment <= now)) moments.push(...facts.senders.map(({ toldAt }) => toldAt + settleMs));
  const { window } = facts;
  if (window && window.from > now) moments.push(window.from);
  const later = moments.filter((moment) => moment > now);
  return later.length === 0 ? null : Math.min(...later);
}
