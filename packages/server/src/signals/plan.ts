import type { Kind, SignalResult } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Reader } from '../storage/storage.ts';
import { type Episode, stepOf } from './episode.ts';
import { causeOf, episodeOf, type HoldRow, inPieces, live } from './hold-rows.ts';
import type { SignalAlert } from './intake/delivery.ts';
import type { Judged, Match } from './judge.ts';
import type { Reactions } from './promises.ts';

/** What one source may have in force or waiting at once. */
export const holdsPerSourceMax = 20_000;
/** So many alerts of one reaction are kept apart where they hold the same of one subject. */
export const holdsAlikeMax = 100;

/** What is to become of a delivery, alert by alert. */
export interface Plan {
  results: SignalResult[];
  /** Those that are other than before. */
  episodes: Map<string, Episode>;
  /** Those that are new, in force or waiting. */
  holds: HoldRow[];
  /** Holds that were there already, of the alerts that fire. */
  refreshed: HoldRow[];
  /** By id, those that end otherwise now: their time begins anew with an alert that fires anew, or they stand for more alerts than their own. */
  renewed: Map<string, HoldRow>;
  refused: { key: string; why: string; subject: string | null }[];
}

interface Asked {
  source: string;
  config: Reactions;
  alerts: readonly SignalAlert[];
  /** One for each alert. */
  judged: readonly Judged[];
  at: number;
  /** Reactions that turned out to be impossible, and why. */
  impossible: ReadonlyMap<number, string>;
  newId(): string;
}

interface Known {
  episodes: Map<string, Episode>;
  /** By key: also those that ended. */
  holds: Map<string, HoldRow[]>;
  subjects: Map<string, { kind: Kind; retired: boolean }>;
  /** Those that the source cut within its time, and those that it holds. */
  cut: Set<string>;
  held: Set<string>;
  /** Those that are alike, by what they share. */
  alike: Map<string, Alike>;
  live: number;
}

interface Alike {
  count: number;
  one: HoldRow | undefined;
}

/** What ends at the same, and counts the same. */
const alikeOf = ({
  reaction,
  subject,
  attribute,
  value,
  waiting,
}: Pick<HoldRow, 'reaction' | 'subject' | 'attribute' | 'value' | 'waiting'>) =>
  JSON.stringify([reaction, subject, attribute, value, waiting]);

/** What one source says now, with all that is known of it from before. */
export async function planOf(db: Reader, asked: Asked): Promise<Plan> {
  return new Planning(asked, await knownOf(db, asked)).plan();
}

async function knownOf(db: Reader, { source, config, alerts, judged, at }: Asked): Promise<Known> {
  const known: Known = {
    episodes: new Map(),
    holds: new Map(),
    subjects: new Map(),
    cut: new Set(),
    held: new Set(),
    alike: new Map(),
    live: 0,
  };
  await inPieces([...new Set(alerts.map(({ key }) => key))], async (keys) => {
    const episodes = await db
      .selectFrom('signals')
      .selectAll()
      .where('source', '=', source)
      .where('key', 'in', keys)
      .execute();
    for (const row of episodes) known.episodes.set(row.key, episodeOf(row));
    const holds = await db
      .selectFrom('holds')
      .selectAll()
      .where('source', '=', source)
      .where('key', 'in', keys)
      .execute();
    for (const [key, rows] of Map.groupBy(holds, (row) => row.key)) known.holds.set(key, rows);
  });
  const named = judged.flatMap((one) => ('matches' in one ? one.matches.map(({ subject }) => subject) : []));
  await inPieces([...new Set(named)], async (subjects) => {
    const rows = await db
      .selectFrom('subjects')
      .select(['id', 'kind', 'retired'])
      .where('id', 'in', subjects)
      .execute();
    for (const { id, kind, retired } of rows) known.subjects.set(id, { kind: kind as Kind, retired: retired === 1 });
    await learnHeld(db, { source, subjects }, known);
  });
  const cut = await db
    .selectFrom('holds')
    .select('subject')
    .distinct()
    .where('source', '=', source)
    .where('since', '>', at - config.limit.withinMs)
    .where('waiting', '=', 0)
    .limit(config.limit.count)
    .execute();
  for (const { subject } of cut) known.cut.add(subject);
  const { live: all } = await db
    .selectFrom('holds')
    .select(({ fn }) => fn.countAll<number>().as('live'))
    .where('source', '=', source)
    .where('endedAt', 'is', null)
    .executeTakeFirstOrThrow();
  known.live = all;
  return known;
}

async function learnHeld(
  db: Reader,
  { source, subjects }: { source: string; subjects: string[] },
  { held, alike }: Known,
): Promise<void> {
  const groups = await live(db)
    .clearSelect()
    .select(['reaction', 'subject', 'attribute', 'value', 'waiting'])
    .select(({ fn }) => [
      fn.countAll<number>().as('count'),
      sql<string>`min(CASE WHEN lifts = 'person' THEN '0' ELSE '1' END || id)`.as('one'),
    ])
    // By its subjects, of which few are named: what is added takes the index of all that the source holds away (sqlite.org/optoverview.html).
    .where(sql<string>`source || ''`, '=', source)
    .where('subject', 'in', subjects)
    .groupBy(['reaction', 'subject', 'attribute', 'value', 'waiting'])
    .execute();
  // One that stands for others already goes on doing so.
  const idOf = (one: string) => one.slice(1);
  const full = groups.filter(({ count }) => count >= holdsAlikeMax).map(({ one }) => idOf(one));
  const rows = full.length === 0 ? [] : await live(db).where('id', 'in', full).execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const group of groups) {
    if (group.waiting === 0) held.add(group.subject);
    alike.set(alikeOf(group), { count: group.count, one: byId.get(idOf(group.one)) });
  }
}

class Planning {
  readonly #asked: Asked;
  readonly #known: Known;
  readonly #plan: Plan = {
    results: [],
    episodes: new Map(),
    holds: [],
    refreshed: [],
    renewed: new Map(),
    refused: [],
  };

  constructor(asked: Asked, known: Known) {
    [this.#asked, this.#known] = [asked, known];
  }

  plan(): Plan {
    const { alerts, judged } = this.#asked;
    for (const [index, alert] of alerts.entries()) {
      const { key, bad } = alert;
      this.#plan.results.push({
        key,
        ...(bad === undefined ? this.#of(alert, judged[index]) : this.#refuse(key, bad)),
      });
    }
    return this.#plan;
  }

  #of(alert: SignalAlert, judged: Judged | undefined): Omit<SignalResult, 'key'> {
    const { key, status } = alert;
    const before = this.#known.episodes.get(key);
    const step = stepOf(before, alert, this.#asked.at);
    if (!step) return { outcome: 'no_reaction', reason: 'it was not known to fire' };
    // That it fires counts whatever follows from it now: what it holds is not let go.
    const note = () => {
      if (step.is === 'repeated' && before) return;
      this.#known.episodes.set(key, step.after);
      this.#plan.episodes.set(key, step.after);
    };
    if (status === 'resolved') {
      note();
      return { outcome: step.is === 'claimed' ? 'resolved' : 'repeated' };
    }
    if (before) note();
    if (!judged || 'refused' in judged) return this.#refuse(key, judged?.refused ?? 'it was not judged');
    if (judged.matches.length === 0) return { outcome: 'no_reaction' };
    const why = this.#whyNot(judged.matches);
    if (why) return this.#refuse(key, why.why, why.subject);
    const { length } = this.#plan.holds;
    const told = this.#hold(key, judged.matches, step.is === 'repeated');
    // Of one that holds nothing by itself nothing is kept: nobody would ever forget it.
    if (this.#plan.holds.length > length) note();
    return told;
  }

  #whyNot(matches: readonly Match[]): { why: string; subject: string } | undefined {
    const { config, impossible } = this.#asked;
    for (const { subject, reaction } of matches) {
      const found = this.#known.subjects.get(subject);
      const impossibly = impossible.get(reaction);
      const why = !found
        ? `the fleet has no subject "${subject}"`
        : found.retired
          ? `"${subject}" is retired`
          : !(config.may.kinds as readonly Kind[]).includes(found.kind)
            ? `it may not hold a ${found.kind}: "${subject}"; "may.kinds" has [${config.may.kinds.join(', ')}]`
            : impossibly;
      if (why) return { why, subject };
    }
    if (this.#known.live >= holdsPerSourceMax) {
      return {
        why: `the source has ${holdsPerSourceMax} holds, which is as many as it may`,
        subject: matches[0]?.subject ?? '',
      };
    }
    return undefined;
  }

  #refuse(key: string, why: string, subject: string | null = null): Omit<SignalResult, 'key'> {
    this.#plan.refused.push({ key, why, subject });
    return { outcome: 'refused', reason: why };
  }

  #hold(key: string, matches: readonly Match[], isRepeated: boolean): Omit<SignalResult, 'key'> {
    const known = this.#known.holds.get(key) ?? [];
    // Of those that are the same the one that has not ended, where there is one.
    const byCause = new Map(
      known.toSorted((a, b) => Number(!a.endedAt) - Number(!b.endedAt)).map((row) => [causeOf(row), row]),
    );
    const found: HoldRow[] = [];
    const fresh: HoldRow[] = [];
    let ended: HoldRow | undefined;
    for (const wanted of matches.flatMap((match) => this.#rowsOf(key, match))) {
      const before = byCause.get(causeOf(wanted));
      if (before?.endedAt === null) {
        found.push(before);
        if (!isRepeated) this.#renew(before, wanted);
      }
      // What ended, by a person or by its time, stays so until the alert fires anew.
      else if (before && isRepeated) ended = before;
      else fresh.push(wanted);
    }
    const begun: HoldRow[] = [];
    for (const row of fresh) {
      const one = this.#begin(row);
      if (one) found.push(one);
      else begun.push(row);
    }
    this.#known.holds.set(key, [
      ...known.filter((row) => !begun.some((one) => causeOf(one) === causeOf(row))),
      ...begun,
    ]);
    this.#plan.refreshed.push(...found);
    return outcomeOf({ begun, found, isAlike: begun.length < fresh.length, ended });
  }

  /** One that waits has its whole time before it, whenever it is applied. */
  #renew(before: HoldRow, { since, endsAt }: HoldRow): void {
    const row = this.#plan.renewed.get(before.id) ?? before;
    if (row.endsAt === null || endsAt === null) return;
    this.#plan.renewed.set(row.id, {
      ...row,
      endsAt: Math.max(row.endsAt, endsAt),
      since: row.waiting === 1 ? since : row.since,
    });
  }

  /** Over the limit of its source it waits for a person. @returns the hold that stands for it, where many are alike */
  #begin(row: HoldRow): HoldRow | undefined {
    const { cut, held, alike } = this.#known;
    const isCut = cut.has(row.subject) || held.has(row.subject);
    row.waiting = !isCut && cut.size >= this.#asked.config.limit.count ? 1 : 0;
    const group = alike.get(alikeOf(row)) ?? { count: 0, one: undefined };
    if (group.one && group.count >= holdsAlikeMax) return this.#standIn(group.one, row);
    alike.set(alikeOf(row), { count: group.count + 1, one: group.one ?? row });
    if (row.waiting === 0 && !isCut) cut.add(row.subject);
    this.#known.live++;
    this.#plan.holds.push(row);
    return undefined;
  }

  /** That its own alert is over does not say that the other one is: a person decides. */
  #standIn(one: HoldRow, wanted: HoldRow): HoldRow {
    const row = this.#plan.renewed.get(one.id) ?? one;
    if (row.lifts === 'time' && wanted.lifts === 'time') this.#renew(row, wanted);
    else if (row.lifts !== 'person') this.#plan.renewed.set(row.id, { ...row, lifts: 'person', endsAt: null });
    return row;
  }

  #rowsOf(key: string, { reaction, subject, reason }: Match): HoldRow[] {
    const { source, config, at, newId } = this.#asked;
    const found = config.reactions[reaction];
    if (!found) return [];
    const { hold = {}, suspend, until, settle, proof } = found;
    const over = Object.entries(hold).map(([attribute, value]) => [attribute, JSON.stringify(value)] as const);
    if (suspend) over.push(['', '']);
    return over.map(([attribute, value]) => ({
      ...{ id: newId(), source, key, reaction, subject, attribute, value, reason, since: at },
      ...{ lifts: until.lifts, endsAt: until.lifts === 'time' ? at + until.ms : null, settleMs: settle },
      ...{ proof: proof ? proofRule(source, reaction) : null, waiting: 0, revision: 0, endedAt: null, endedBy: null },
    }));
  }
}

interface Outcome {
  begun: readonly HoldRow[];
  found: readonly HoldRow[];
  isAlike: boolean;
  ended: HoldRow | undefined;
}

function outcomeOf({ begun, found, isAlike, ended }: Outcome): Omit<SignalResult, 'key'> {
  const all = [...begun, ...found];
  const [first] = all;
  if (!first) return { outcome: 'repeated', reason: `its hold was ended by ${ended?.endedBy}` };
  const isWaiting = all.every(({ waiting }) => waiting === 1);
  return {
    outcome: isWaiting ? 'waiting' : begun.length > 0 ? 'held' : 'refreshed',
    hold: first.id,
    ...(isAlike && { reason: `${holdsAlikeMax} alerts of the source hold the same: this hold stands for it too` }),
  };
}

/** The name of the rule by which gates tell what a reading proves. */
export const proofRule = (source: string, reaction: number) => `proof:${source}/${reaction}`;
