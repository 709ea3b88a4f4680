import { PortcullisError, type Preconditions, type SubjectDelta } from '@portcullis/contract';
import type { By, ChangeTransaction, Journal, OpenDraft } from '../journal/journal.ts';
import type { Reader } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { changeSome, type Difference, type Plan, refuseUnknown, subjectsPerTurn, unknownOf } from './change.ts';
import type { Merging } from './merge.ts';
import { requirePreconditions } from './preconditions.ts';
import { chunks, type Written } from './write-values.ts';

/** A change of more values than these is prepared in parts: no other change waits for its transaction longer than a moment. */
export const valuesAtOnceMax = 500;
/** So much is one transaction, one line of the feed, one turn of an event loop. */
const partBytesMax = 64 * 1024;
const partSubjectsMax = 500;
/** Bulk changes follow each other; so many wait. */
const waitingMax = 16;
const firstNamed = 5;

interface Parts {
  journal: Journal;
  merging: Merging;
}

/**
 * Changes that name many subjects: prepared in parts that decide nothing, sent to gates meanwhile, and committed with one small entry in
 * turn with all other changes. What was touched while it was prepared is looked at again in that transaction.
 */
export class BulkChanges {
  readonly #parts: Parts;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * `told`: what is answered, by how many subjects it changed. @throws {PortcullisError} as a change does; `rate_limited` while too many
   * wait for their turn
   */
  async change<Told extends object>(
    by: By,
    plan: Plan,
    conditions: Preconditions,
    told: (changed: number) => Told,
  ): Promise<Told & { revision: number }> {
    if (this.#waiting >= waitingMax) {
      throw new PortcullisError('rate_limited', `${waitingMax} bulk changes wait already; nothing was changed`, {
        detail: { retryAfterSeconds: 5 },
      });
    }
    this.#waiting++;
    const turn = this.#tail.then(() => this.#inTurn(by, plan, conditions, told)).finally(() => this.#waiting--);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /** How many subjects it would change now. @throws {PortcullisError} as the change would */
  async rehearse(plan: Plan, conditions: Preconditions): Promise<number> {
    let changed = 0;
    await this.#look(plan, conditions, async (found) => {
      changed += found.changed.length;
    });
    return changed;
  }

  async #inTurn<Told extends object>(
    by: By,
    plan: Plan,
    conditions: Preconditions,
    told: (changed: number) => Told,
  ): Promise<Told & { revision: number }> {
    const { journal, merging } = this.#parts;
    // A retry prepares nothing, and its conditions held when they were looked at.
    const before = await journal.repeated<Told>(by);
    if (before) return { ...before.result, revision: before.revision };
    await merging.merged();
    const base = journal.head().revision;
    const draft = await journal.drafts.begin();
    try {
      const prepared = await this.#prepare(draft, plan, conditions);
      if (prepared.partOf.size > 0) await draft.prepared();
      const commit = async (change: ChangeTransaction) =>
        told(await this.#commit(change, plan, { draft, base, conditions, prepared }));
      const { action, undoes } = plan;
      const { result, revision } = await journal.change({ ...by, action, undoes }, commit);
      void merging.run();
      return { ...result, revision };
    } catch (error) {
      merging.withdraw();
      throw error;
    } finally {
      await draft.drop();
    }
  }

  /** What would make the subjects what is asked for: a few at a time, in reads of their own. All that are unknown are named at once. */
  async #look(plan: Plan, conditions: Preconditions, take: (found: Difference) => Promise<void>): Promise<void> {
    const { merging } = this.#parts;
    await merging.read((db) => plan.requireTypes(db));
    const unknown: string[] = [];
    const differenceOf = async (db: Reader, subjects: string[]) => {
      if (unknown.length === 0) await requirePreconditions(db, subjects, conditions);
      const missing = await unknownOf(db, subjects);
      unknown.push(...missing);
      return unknown.length === 0 ? plan.difference(db, subjects) : undefined;
    };
    for (const subjects of chunks(plan.named, subjectsPerTurn)) {
      const found = await merging.read((db) => differenceOf(db, subjects));
      if (found) await take(found);
      await aTurn();
    }
    refuseUnknown(unknown);
  }

  /** `partOf`: in which part each subject is that will be other than it is. */
  async #prepare(draft: OpenDraft, plan: Plan, conditions: Preconditions): Promise<Prepared> {
    const partOf = new Map<string, number>();
    const part = { deltas: [] as SubjectDelta[], bytes: 0, number: 1 };
    const finish = async () => {
      if (part.deltas.length > 0) await draft.add(part.deltas);
      Object.assign(part, { deltas: [], bytes: 0, number: part.number + 1 });
    };
    let newest = 0;
    const held = new Set<string>();
    await this.#look(plan, conditions, async (found) => {
      newest = Math.max(newest, found.newest);
      for (const subject of found.held) held.add(subject);
      for (const delta of deltasOf(found.written.filter(({ subject }) => !held.has(subject)))) {
        const bytes = JSON.stringify(delta).length;
        if (part.bytes + bytes > partBytesMax || part.deltas.length >= partSubjectsMax) await finish();
        part.deltas.push(delta);
        part.bytes += bytes;
        partOf.set(delta.subject, part.number);
      }
    });
    await finish();
    return { partOf, newest, held };
  }

  /** In turn with all other changes: short, whatever the draft holds. */
  async #commit(change: ChangeTransaction, plan: Plan, { draft, base, conditions, prepared }: Ready): Promise<number> {
    const { merging } = this.#parts;
    const since = await change.touchedSince(base);
    const touched = plan.named.filter((subject) => since.has(subject) || prepared.held.has(subject));
    await requirePreconditions(change.db, touched, conditions);
    await plan.fixTypes(change.db);
    const apart = new Set<string>();
    let { newest } = prepared;
    for (const subjects of chunks(touched, subjectsPerTurn)) {
      // What the part of one of them holds counts no more, also where its value is so by now: it may be public no longer.
      const some = await changeSome(change, plan, subjects, prepared.partOf);
      for (const subject of some.changed) apart.add(subject);
      newest = Math.max(newest, some.newest);
    }
    const { partOf } = prepared;
    const changed = new Set([...partOf.keys(), ...apart]).size;
    if (changed === 0) change.unchanged(newest, plan.named);
    if (partOf.size === 0) return changed;
    const told = draft.told();
    change.bulk({ ...told, changed, first: [...partOf.keys()].slice(0, firstNamed) });
    const { revision, at, actor, reason } = change;
    merging.announce({ draft: told.id, apart, revision, at, actor, reason, partOf });
    return changed;
  }
}

interface Prepared {
  partOf: Map<string, number>;
  newest: number;
  /** Of these something is held: they are in no part. */
  held: ReadonlySet<string>;
}

interface Ready {
  draft: OpenDraft;
  /** The revision that it was prepared from. */
  base: number;
  conditions: Preconditions;
  prepared: Prepared;
}

/** Values of one subject follow each other. */
function* deltasOf(written: readonly Written[]): Iterable<SubjectDelta> {
  for (const [subject, values] of Map.groupBy(written, (one) => one.subject)) {
    const attributes = values.map(({ name, value, visibility }) => [name, { value, public: visibility === 'public' }]);
    yield { subject, kind: values[0]?.kind, attributes: Object.fromEntries(attributes) } as SubjectDelta;
  }
}
