import { setTimeout as pause } from 'node:timers/promises';
import type { AttributeName, Kind, PublicFeedMessage, PublicSubject, SubjectId } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeRecord, Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';

interface Parts {
  store: Store;
  journal: Pick<Journal, 'onChange' | 'head' | 'deltasOf'>;
  attributes: Pick<Attributes, 'merged' | 'isBetween'>;
  now(): number;
  write(message: PublicFeedMessage): Promise<void>;
  signal: AbortSignal;
}

const pageSize = 100;
const beatMs = 500;
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
  readonly #touched = new Set<string>();
  readonly #told = new Set<string>();
  #bulk: ChangeRecord[] = [];
  #heard: number;
  #anew = true;
  #beatDue = true;
  #wake: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#heard = parts.journal.head().revision;
  }

  async run(): Promise<void> {
    const { journal, signal } = this.#parts;
    const stop = journal.onChange((record) => this.#hear(record));
    // A commit between the two is heard of by neither.
    this.#heard = journal.head().revision;
    const beat = setInterval(() => this.#nudge(true), beatMs);
    const aborted = () => this.#wake();
    signal.addEventListener('abort', aborted);
    try {
      while (!signal.aborted) await this.#step();
    } finally {
      stop();
      clearInterval(beat);
      signal.removeEventListener('abort', aborted);
    }
  }

  #hear(record: ChangeRecord): void {
    this.#heard = record.revision;
    for (const { subject } of record.subjects) this.#touched.add(subject);
    if (record.draft) this.#bulk.push(record);
    if (this.#touched.size > touchedMax) this.#anew = true;
    this.#nudge(false);
  }

  #nudge(beatDue: boolean): void {
    this.#beatDue ||= beatDue;
    this.#wake();
  }

  async #step(): Promise<void> {
    if (this.#anew) return this.#tellAll();
    const bulk = this.#bulk.shift();
    if (bulk) return this.#tellBulk(bulk);
    if (this.#touched.size > 0) {
      await pause(gatherMs, undefined, { signal: this.#parts.signal }).catch(() => undefined);
      const subjects = [...this.#touched].slice(0, pageSize);
      for (const subject of subjects) this.#touched.delete(subject);
      return this.#tell(subjects);
    }
    if (this.#beatDue) {
      this.#beatDue = false;
      const { write, now } = this.#parts;
      return write({ type: 'beat', revision: this.#heard, time: timestamp(now()) });
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** What changes meanwhile is heard, and told after it. */
  async #tellAll(): Promise<void> {
    this.#anew = false;
    this.#bulk = [];
    for (const known of [this.#touched, this.#told]) known.clear();
    await this.#parts.write({ type: 'snapshot' });
    for (let after = ''; !this.#parts.signal.aborted; ) {
      const subjects = await this.#read((db) => publicIds(db, after));
      const last = subjects.at(-1);
      if (last === undefined) return;
      await this.#tell(subjects);
      after = last;
    }
  }

  async #tellBulk(record: ChangeRecord): Promise<void> {
    for await (const deltas of this.#parts.journal.deltasOf(record)) {
      for (let from = 0; from < deltas.length; from += pageSize)
        await this.#tell(deltas.slice(from, from + pageSize).map(({ subject }) => subject));
      if (this.#parts.signal.aborted) return;
    }
  }

  async #tell(ids: readonly string[]): Promise<void> {
    const subjects = await this.#read((db) => publicOf(db, ids, this.#parts.now()));
    for (const { subject } of subjects) this.#told.add(subject);
    const there = new Set<string>(subjects.map(({ subject }) => subject));
    const gone = ids.filter((id) => !there.has(id) && this.#told.delete(id)) as SubjectId[];
    if (subjects.length + gone.length > 0) await this.#parts.write({ type: 'subjects', subjects, gone });
  }

  /** What a bulk change put in force is in the rows once it is merged. */
  async #read<Found>(work: (db: Reader) => Promise<Found>): Promise<Found> {
    const { store, attributes } = this.#parts;
    for (;;) {
      await attributes.merged();
      const found = await store.read(async (db) => ((await attributes.isBetween(db)) ? undefined : await work(db)));
      if (found !== undefined) return found;
    }
  }
}

async function publicIds(db: Reader, after: string): Promise<string[]> {
  const rows = await db
    .selectFrom('attributes')
    .select('subject')
    .distinct()
    .where('visibility', '=', sql.lit('public'))
    .where('subject', '>', after)
    .orderBy('subject')
    .limit(pageSize)
    .execute();
  return rows.map(({ subject }) => subject);
}

async function publicOf(db: Reader, ids: readonly string[], now: number): Promise<PublicSubject[]> {
  const values = await db
    .selectFrom('attributes')
    .innerJoin('subjects', 'subjects.id', 'attributes.subject')
    .select(['subject', 'kind', 'name', 'value', 'changedAt'])
    .where('visibility', '=', sql.lit('public'))
    .where('subject', 'in', ids)
    .where('retired', '=', 0)
    .orderBy('subject')
    .execute();
  const ends = await db
    .selectFrom('certificates')
    .select(({ fn }) => ['subject', fn.max('notAfter').as('until')])
    .where('subject', 'in', [...new Set(values.map(({ subject }) => subject))])
    .where('purpose', '=', 'client')
    .where('standing', '=', 'valid')
    .where('notAfter', '>', now)
    .groupBy('subject')
    .execute();
  const untilOf = new Map(ends.map(({ subject, until }) => [subject, timestamp(Number(until))]));
  return [...Map.groupBy(values, ({ subject }) => subject)].map(([id, rows]) => ({
    subject: id as SubjectId,
    kind: rows[0]?.kind as Kind,
    validUntil: untilOf.get(id) ?? null,
    attributes: Object.fromEntries(
      rows.map(({ name, value, changedAt }) => [
        name as AttributeName,
        { value: JSON.parse(value) as never, changedAt: timestamp(changedAt) },
      ]),
    ),
  }));
}
