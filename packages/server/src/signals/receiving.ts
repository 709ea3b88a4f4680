import {
  type FailureCode,
  failures,
  type HoldView,
  reasonTextLengthMax,
  type SignalAnswer,
  type SignalTrial,
} from '@portcullis/contract';
import type { By, ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Store, Writer } from '../storage/storage.ts';
import { type System, timestamp } from '../telemetry/telemetry.ts';
import { type Covering, NotHeld } from './covering.ts';
import { type HoldRow, heldValueOf, inPieces, insertHolds, perTurn, renewHolds, storeEpisode } from './hold-rows.ts';
import type { Delivery, SignalAlert } from './intake/delivery.ts';
import type { AlertFacts, Judged } from './judge.ts';
import type { Judging } from './judging.ts';
import { type Plan, planOf } from './plan.ts';
import type { Reactions, ReactionsBySource, Rings } from './promises.ts';
import type { Tally } from './tally.ts';

export interface ReceivingParts {
  signals: ReactionsBySource;
  store: Store;
  journal: Journal;
  system: System;
  judging: Pick<Judging, 'judge'>;
  covering: Covering;
  rings: Rings;
  tally: Tally;
  /** One change of holds after the other. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  onHeld(): void;
}

interface Asked {
  source: string;
  delivery: Delivery;
  by: Pick<By, 'requireAllowed'>;
}

/** So much that lies beside something rings of one delivery, each by itself. */
const rungMax = 20;
/** What the journal names of one delivery; the holds themselves are rows. */
const namedMax = 50;

/** From what a source says to holds: one delivery is one transaction. */
export class Receiving {
  readonly #parts: ReceivingParts;

  constructor(parts: ReceivingParts) {
    this.#parts = parts;
  }

  async receive(source: string, delivery: Delivery, by: Pick<By, 'requireAllowed'> = {}): Promise<SignalAnswer> {
    const { tally, system, inTurn } = this.#parts;
    const judged = await this.#judge(source, delivery.alerts);
    const { plan, revision } = await inTurn(() => this.#carryOut({ source, delivery, by }, judged));
    tally.count(source, plan.results, system.now());
    return { revision, results: plan.results, warnings: delivery.warnings };
  }

  async trial(source: string, delivery: Delivery): Promise<SignalTrial> {
    const judged = await this.#judge(source, delivery.alerts);
    const plan = await this.#plan({ source, delivery, by: {} }, judged, new Map());
    const would = Map.groupBy(plan.holds, ({ key }) => key);
    const results = plan.results.map(({ hold: _hold, ...result }) => ({
      ...result,
      would: (would.get(result.key) ?? []).map((row) => ({
        subject: row.subject as HoldView['subject'],
        attribute: (row.attribute || null) as HoldView['attribute'],
        value: heldValueOf(row),
        until: row.endsAt === null ? row.lifts : timestamp(row.endsAt),
      })),
    }));
    return { results, warnings: delivery.warnings };
  }

  configOf(source: string): Reactions {
    return this.#parts.signals[source] as Reactions;
  }

  async #judge(source: string, alerts: readonly SignalAlert[]): Promise<Judged[]> {
    const firing = alerts.filter(({ status, bad }) => status === 'firing' && bad === undefined);
    const told = await this.#parts.judging.judge(source, firing.map(factsOf));
    const found = new Map(firing.map((alert, index) => [alert, told[index] as Judged]));
    return alerts.map((alert) => found.get(alert) ?? { matches: [] });
  }

  #plan({ source, delivery }: Asked, judged: Judged[], impossible: Impossible): Promise<Plan> {
    const { store, system } = this.#parts;
    const config = this.configOf(source);
    const newId = () => `hold-${system.random(8).toString('hex')}`;
    const asked = { source, config, alerts: delivery.alerts, judged, at: system.now(), impossible, newId };
    return store.read((db) => planOf(db, asked));
  }

  async #carryOut(asked: Asked, judged: Judged[]): Promise<{ plan: Plan; revision: number | null }> {
    const impossible: Impossible = new Map();
    for (;;) {
      const plan = await this.#plan(asked, judged, impossible);
      try {
        return { plan, revision: await this.#store(asked, plan) };
      } catch (error) {
        if (!(error instanceof NotHeld) || mayHeal(error.why.code)) throw error instanceof NotHeld ? error.why : error;
        // One reaction that can not be, of a value of another type say, takes no other with it.
        const { subject, attribute } = error.over;
        const culprit = plan.holds.find((row) => row.subject === subject && row.attribute === attribute);
        if (!culprit || impossible.has(culprit.reaction)) throw error.why;
        impossible.set(culprit.reaction, error.why.message);
      }
    }
  }

  async #store(asked: Asked, plan: Plan): Promise<number | null> {
    const { store, journal, tally } = this.#parts;
    const { source, by } = asked;
    const isAny = plan.holds.some(({ waiting }) => waiting === 0);
    const refused = plan.refused.filter(({ key, why }) => tally.isNews(source, key, why));
    const waiting = plan.holds.filter((row) => row.waiting === 1);
    const entry = { ...by, actor: actorOf(source, this.configOf(source)) };
    const work = (db: Writer) => this.#write(db, asked, { plan, refused, waiting });
    if (isAny) {
      const reason = reasonOf(
        source,
        plan.holds.filter(({ waiting }) => waiting === 0),
      );
      const { revision } = await journal.change({ ...entry, action: 'signals.hold', reason }, async (change) => {
        for (const row of plan.holds) row.revision = change.revision;
        await work(change.db);
        await this.#cover(change, source, { plan, refused });
      });
      this.#stored(source, refused);
      return revision;
    }
    if (refused.length + waiting.length > 0) {
      const body = () => aboutOf(source, { holds: waiting, refused });
      await journal.note({ ...entry, action: waiting.length > 0 ? 'signals.wait' : 'signals.refuse', body }, work);
      this.#stored(source, refused);
    } else if (plan.episodes.size + plan.renewed.size > 0) await store.change(work);
    const revisions = plan.refreshed.map(({ revision }) => revision).filter((revision) => revision > 0);
    return revisions.length > 0 ? Math.max(...revisions) : null;
  }

  async #cover(
    change: ChangeTransaction,
    source: string,
    { plan, refused }: Pick<Written, 'plan' | 'refused'>,
  ): Promise<void> {
    const inForce = plan.holds.filter(({ waiting }) => waiting === 0);
    await this.#parts.covering.cover(change, inForce);
    change.about(aboutOf(source, { holds: plan.holds, refused }));
    await this.#ringBeside(change, inForce);
  }

  /** Committed: the same refusal again is no news. */
  #stored(source: string, refused: Plan['refused']): void {
    this.#parts.tally.rang(source, refused.length, this.#parts.system.now());
    for (const { key, why } of refused) this.#parts.tally.refused(source, key, why);
  }

  async #write(db: Writer, { source }: Asked, { plan, refused, waiting }: Written): Promise<void> {
    await inPieces([...plan.episodes], async (some) => {
      for (const [key, episode] of some) await storeEpisode(db, { source, key }, episode);
    });
    await insertHolds(db, plan.holds);
    await renewHolds(db, [...plan.renewed.values()]);
    if (plan.holds.length > 0) this.#parts.onHeld();
    await this.#ringRefused(db, source, refused);
    await this.#settle(db, source, plan);
    const [first] = waiting;
    if (!first) return;
    const { count, withinMs } = this.configOf(source).limit;
    await this.#parts.rings.raise(db, {
      ...{ kind: 'signal_limit', subject: null, key: source, at: this.#parts.system.now() },
      says: `the source ${source} would cut more than ${count} subjects within ${withinMs / 1_000} s; ${waiting.length} more holds wait for a person ("portcullis signal apply")`,
      detail: { source, waiting: waiting.length, first: first.subject },
    });
  }

  /** Each rings by itself, up to a number within the hour: a source whose mapping fails fails for all that it sends. */
  async #ringRefused(db: Writer, source: string, refused: Plan['refused']): Promise<void> {
    const { rings, tally, system } = this.#parts;
    const about = { kind: 'signal_refused', at: system.now() } as const;
    const left = tally.ringsLeft(source, about.at);
    for (const { key, why, subject } of refused.slice(0, left)) {
      const says = `nothing follows from the alert ${key} of ${source}: ${why}`;
      await rings.raise(db, { ...about, subject, key: `${source}/${key}`, says, detail: { source, key, why } });
    }
    const more = refused.length - left;
    if (more <= 0) return;
    const says = `nothing follows from ${more} more alerts that ${source} sent at once; the journal names the first of them`;
    await rings.raise(db, { ...about, subject: null, key: `${source}/more`, says, detail: { source, more } });
  }

  /** What was refused before and is not now needs nobody any more. */
  async #settle(db: Writer, source: string, { results }: Plan): Promise<void> {
    const { tally, rings, system } = this.#parts;
    for (const { key, outcome } of results) {
      if (outcome === 'refused' || !tally.wasRefused(source, key)) continue;
      await rings.settle(db, 'signal_refused', `${source}/${key}`, system.now());
    }
  }

  /** Where nobody declared an order the older one stays in force: whoever sent the other one has to know. */
  async #ringBeside(change: ChangeTransaction, rows: readonly HoldRow[]): Promise<void> {
    const { covering, rings } = this.#parts;
    const tops = new Map<string, HoldRow | undefined>();
    const beside: { row: HoldRow; top: HoldRow }[] = [];
    await inPieces(
      rows.filter(({ attribute }) => attribute !== '' && !covering.orderOf(attribute)),
      async (some) => {
        for (const row of some) {
          const over = `${row.subject} ${row.attribute}`;
          if (!tops.has(over)) tops.set(over, await covering.topOver(change.db, row));
          const top = tops.get(over);
          if (top && top.value !== row.value) beside.push({ row, top });
        }
      },
      perTurn,
    );
    const about = { kind: 'signal_refused', at: change.at } as const;
    for (const { row, top } of beside.slice(0, rungMax)) {
      await rings.raise(change.db, {
        ...{ ...about, subject: row.subject, key: row.id },
        says: `${row.source} would hold ${row.attribute} of ${row.subject} at ${row.value}, and ${top.source} holds it at ${top.value} since before; "attributes" of fleet.yaml declares no order of the two`,
        detail: { source: row.source, key: row.key, beside: top.id },
      });
    }
    const [first] = beside;
    const more = beside.length - rungMax;
    if (!first || more <= 0) return;
    const { source } = first.row;
    const says = `${more} more holds that ${source} asked for with it are beside older ones; "attributes" of fleet.yaml declares no order of theirs`;
    await rings.raise(change.db, { ...about, subject: null, key: `${source}/beside`, says, detail: { source, more } });
  }
}

type Impossible = Map<number, string>;

interface Written {
  plan: Plan;
  refused: Plan['refused'];
  waiting: readonly HoldRow[];
}

const mayHeal = (code: FailureCode) => failures[code].retry;

export const actorOf = (source: string, { certificate }: Reactions) => certificate ?? `signal:${source}`;

/** A revision has one reason. */
function reasonOf(source: string, holds: readonly HoldRow[]): string {
  const reasons = new Set(holds.map(({ reason }) => reason));
  const keys = new Set(holds.map(({ key }) => key));
  if (reasons.size > 1 && keys.size > 1) return `${keys.size} alerts of ${source}`;
  return [...reasons].join('; ').slice(0, reasonTextLengthMax).toWellFormed();
}

export function aboutOf(
  source: string,
  { holds, refused = [] }: { holds: readonly HoldRow[]; refused?: Plan['refused'] },
): Record<string, unknown> {
  const named = holds.slice(0, namedMax).map(({ id, key, subject, attribute, value, reason, waiting, lifts }) => ({
    ...{
      hold: id,
      key,
      subject,
      ...(attribute === '' ? { standing: 'suspended' } : { [attribute]: JSON.parse(value) as unknown }),
    },
    ...{ reason, until: lifts, ...(waiting === 1 && { waiting: true }) },
  }));
  return {
    ...{ signal: source, holds: named },
    ...(holds.length > namedMax && { moreHolds: holds.length - namedMax }),
    ...(refused.length > 0 && { refused: refused.slice(0, namedMax).map(({ key, why }) => ({ key, why })) }),
    ...(refused.length > namedMax && { moreRefused: refused.length - namedMax }),
  };
}

const nanosecondsPerMs = 1_000_000n;
/** What a date can be (ECMA-262 §21.4.1.1). */
const dateMsMax = 8_640_000_000_000_000n;

function timeOf(nanoseconds: bigint | null): string | undefined {
  if (nanoseconds === null) return undefined;
  const ms = nanoseconds / nanosecondsPerMs;
  return ms > dateMsMax || ms < -dateMsMax ? undefined : timestamp(Number(ms));
}

function factsOf({ key, status, startsAt, endsAt, labels, annotations, event }: SignalAlert): AlertFacts {
  const [began, ended] = [timeOf(startsAt), timeOf(endsAt)];
  return {
    ...{ key, status, labels, annotations },
    ...(began !== undefined && { startsAt: began }),
    ...(ended !== undefined && { endsAt: ended }),
    ...(event && { event: event as Record<string, unknown> }),
  };
}
