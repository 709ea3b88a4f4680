import type { Reader } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { Facts } from './facts.ts';
import { isKnown, judge } from './judge.ts';
import { namesOf } from './plan.ts';
import { type Asked, boundOf, breachesOf, type FactParts, readFacts } from './read-facts.ts';
import { aboutOf } from './rule-set.ts';

/** Why it is not proven that an attribute was as it should be at a time; undefined: it is, or no rule moves that attribute. */
export async function evidenceOf(
  db: Reader,
  parts: FactParts,
  { subject, attribute, at }: { subject: string; attribute: string; at: number },
): Promise<{ why: string } | undefined> {
  for (const version of parts.rules.rules) {
    if (!namesOf(version.rule).includes(attribute)) continue;
    const asked = { version, subject };
    const bound = await boundOf(db, asked);
    // A rule that is about senders says nothing of a subject that sends nothing.
    if (bound.size === 0 && aboutOf(version.rule) === undefined) continue;
    const why = bound.size === 0 ? 'no sender was ever bound to it' : await whyNot(db, parts, asked, at);
    if (why !== undefined) return { why: `${version.rule.rule}: ${why}` };
  }
  return undefined;
}

async function whyNot(db: Reader, parts: FactParts, asked: Asked, at: number): Promise<string | undefined> {
  const facts = await readFacts(db, parts, asked);
  if (!facts.window || facts.window.from > at) return 'it was not in force yet';
  const kept = await breachesOf(db, asked.version.rule.rule, asked.subject);
  const { breaches, excursions, gaps } = judge(facts, at);
  const open =
    kept.find(({ acknowledgedAt }) => acknowledgedAt === null) ??
    breaches.find((one) => !kept.some((other) => isKnown(other, one)));
  if (open) return `a limit was passed at ${timestamp(open.at)}, and nobody has acknowledged it`;
  const outside = excursions.find(({ to }) => to === null);
  if (outside) return `it is outside since ${timestamp(outside.from)}`;
  const [gap] = gaps;
  if (gap) return `nothing is known from ${timestamp(gap.from)} to ${gap.to === null ? 'now' : timestamp(gap.to)}`;
  return whyNotHeard(facts, at);
}

/** Each that speaks for it must have been heard, and not too long before. */
function whyNotHeard({ senders, limits: { silentMs } }: Facts, at: number): string | undefined {
  for (const { sender, bound, runs } of senders) {
    if (!bound.some(({ from, until }) => from <= at && (until === null || until > at))) continue;
    const heard = runs.filter(({ from }) => from <= at).map(({ to }) => Math.min(to, at));
    if (heard.length === 0) return `nothing was heard of ${sender}`;
    const newest = heard.reduce((last, one) => Math.max(last, one), 0);
    if (silentMs !== null && at - newest > silentMs) return `nothing was heard of ${sender} since ${timestamp(newest)}`;
  }
  return undefined;
}
