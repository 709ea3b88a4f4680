import { setTimeout as pause } from 'node:timers/promises';
import type { PublicFeedMessage, SubjectDelta, SubjectId } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeRecord, Journal } from '../journal/journal.ts';
import type { Store } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { type CodeChanges, type PublicJourneys, publicIds, publicOf, trackedBy } from './public-subjects.ts';
import { newestOf, readMerged, Steps, taken } from './telling.ts';

interface Parts {
  store: Store;
  journal: Pick<Journal, 'onChange' | 'head' | 'deltasOf'>;
  attributes: Pick<Attributes, 'merged' | 'isBetween'>;
  codes: CodeChanges;
  /** Not given: this authority has none. */
  journeys?: PublicJourneys | undefined;
  now(): number;
  write(message: PublicFeedMessage): Promise<void>;
  signal: AbortSignal;
}

const pageSize = 100;
/** What changes within this is one look at the store. */
const gatherMs = 50;
/** More subjects than these are told by all that is public, from the start. */
const touchedMax = 50_000;

/**
 * What is public, told to a desk: all of it, then of each subject that a change touched how it is now. Each is read anew from the store, by a
 * query that finds public values alone, so that no private one can come along (P15); a subject of which nothing is public is not named. Nothing
 * here has an order that matters but the beat, which says up to which revision all was told.
 */
export class PublicFeed {
  readonly #parts: Parts;
  readonly #steps: Steps;
  readonly #touched = new Set<string>();
  /** Checkpoints that are called something else, and after which shipment it is not told yet. */
  readonly #renamed = new Map<string, string>();
  readonly #told = new Set<string>();
  #bulk: ChangeRecord[] = [];
  #heard: { revision: number; hash: string };
  #anew = true;
  #beatDue = true;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#steps = new Steps(parts.signal);
    this.#heard = newestOf(parts.journal);
  }

  async run(): Promise<void> {
    const { journal, codes } = this.#parts;
    const listen = () => {
      const stops = [
        journal.onChange((record) => this.#hear(record)),
        codes.onRotated((subject) => this.#touch(subject)),
      ];
      // A commit between the two is heard of by neither.
      this.#heard = newestOf(journal);
      return stops;
    };
    await this.#steps.run(() => this.#step(), { listen, beat: () => this.#nudge(true) });
  }

  #hear(record: ChangeRecord): void {
    this.#heard = { revision: record.revision, hash: record.hash };
    for (const delta of record.subjects) {
      this.#touched.add(delta.subject);
      this.#noteName(delta);
    }
    if (record.draft) this.#bulk.push(record);
    if (this.#touched.size > touchedMax) this.#anew = true;
    this.#nudge(false);
  }

  #noteName({ subject, attributes }: SubjectDelta): void {
    const { journeys } = this.#parts;
    if (journeys && attributes && journeys.publicName in attributes) this.#renamed.set(subject, '');
    if (this.#renamed.size > touchedMax) this.#anew = true;
  }

  #touch(subject: string): void {
    this.#touched.add(subject);
    this.#nudge(false);
  }

  #nudge(beatDue: boolean): void {
    this.#beatDue ||= beatDue;
    this.#steps.wake();
  }

  async #step(): Promise<void> {
    if (this.#anew) return this.#tellAll();
    const bulk = this.#bulk.shift();
    if (bulk) return this.#tellBulk(bulk);
    if (this.#renamed.size > 0) await this.#tellRenamed();
    if (this.#touched.size > 0) {
      await pause(gatherMs, undefined, { signal: this.#parts.signal }).catch(() => undefined);
      return this.#tell(taken(this.#touched, pageSize));
    }
    if (this.#renamed.size > 0) return;
    if (this.#beatDue) {
      this.#beatDue = false;
      const { write, now } = this.#parts;
      return write({ type: 'beat', ...this.#heard, time: timestamp(now()) });
    }
    await this.#steps.woken();
  }

  /** What changes meanwhile is heard, and told after it. */
  async #tellAll(): Promise<void> {
    this.#anew = false;
    this.#bulk = [];
    for (const known of [this.#touched, this.#renamed, this.#told]) known.clear();
    await this.#parts.write({ type: 'snapshot' });
    for (let after = ''; !this.#parts.signal.aborted; ) {
      const subjects = await readMerged(this.#parts, (db) => publicIds(db, after, pageSize));
      const last = subjects.at(-1);
      if (last === undefined) return;
      await this.#tell(subjects);
      after = last;
    }
  }

  async #tellBulk(record: ChangeRecord): Promise<void> {
    for await (const deltas of this.#parts.journal.deltasOf(record)) {
      for (const delta of deltas) this.#noteName(delta);
      for (let from = 0; from < deltas.length; from += pageSize)
        await this.#tell(deltas.slice(from, from + pageSize).map(({ subject }) => subject));
      if (this.#parts.signal.aborted) return;
    }
  }

  /** A page of the shipments that say the name of one; it begins again where that changes meanwhile. */
  async #tellRenamed(): Promise<void> {
    const [next] = this.#renamed;
    if (!next) return;
    const [checkpoint, after] = next;
    this.#renamed.delete(checkpoint);
    const shipments = await readMerged(
      this.#parts,
      async (db) => (await this.#parts.journeys?.namedIn(db, checkpoint, after, pageSize)) ?? [],
    );
    const last = shipments.at(-1);
    if (last === undefined) return;
    if (!this.#renamed.has(checkpoint)) this.#renamed.set(checkpoint, last);
    await this.#tell(shipments);
  }

  async #tell(touched: readonly string[]): Promise<void> {
    const { now, journeys } = this.#parts;
    const { ids, subjects } = await readMerged(this.#parts, async (db) => {
      const ids = [...new Set([...touched, ...(await trackedBy(db, touched))])];
      return { ids, subjects: await publicOf(db, ids, { now: now(), journeys }) };
    });
    for (const { subject } of subjects) this.#told.add(subject);
    const there = new Set<string>(subjects.map(({ subject }) => subject));
    const gone = ids.filter((id) => !there.has(id) && this.#told.delete(id)) as SubjectId[];
    if (subjects.length + gone.length > 0) await this.#parts.write({ type: 'subjects', subjects, gone });
  }
}
