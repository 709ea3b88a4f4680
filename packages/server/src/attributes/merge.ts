import { type AttributeType, type AttributeValue, PortcullisError, type SubjectDelta } from '@portcullis/contract';
import { type Selectable, sql } from 'kysely';
import type { Reader, Schema, Store, Writer } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { type Provenance, storeValues, type Written } from './write-values.ts';

const retryMs = 1_000;

/** A bulk change that is in force and not wholly in the live rows. */
interface Unmerged extends Provenance {
  draft: string;
  /** What its entry itself holds is in the live rows already, and counts for these subjects. */
  apart: ReadonlySet<string>;
  /** In which part each of its subjects is. */
  partOf: Map<string, number>;
}

interface AwaitedChange extends Unmerged {
  done: PromiseWithResolvers<void>;
}

/** Nobody may be waiting for it. */
function awaited(): PromiseWithResolvers<void> {
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => undefined);
  return done;
}

/**
 * A bulk change is in force with its one entry; its values get into the live rows afterwards, a part at a time, so that no other change
 * waits for all of them. Meanwhile whoever changes one of its subjects merges that one's part first, and whoever reads waits.
 */
export class Merging {
  readonly #store: Store;
  #unmerged: AwaitedChange | undefined;
  #failed: Error | undefined;
  #stopped = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** What a process that died left: before anything is read. */
  async finish(): Promise<void> {
    for (;;) {
      const left = await this.#store.read((db) => firstUnmerged(db));
      if (!left) return;
      await this.#store.change((db) => mergePart(db, left.change, left.number));
    }
  }

  /** Within the transaction that commits it: the next one merges what it needs. */
  announce(change: Unmerged): void {
    this.#unmerged = { ...change, done: awaited() };
  }

  /** It was not committed. */
  withdraw(): void {
    this.#unmerged?.done.resolve();
    this.#unmerged = undefined;
  }

  /** It was committed. Resolves when it is in the live rows, or when this process is to stop. */
  async run(): Promise<void> {
    const unmerged = this.#unmerged;
    if (!unmerged) return;
    for (const part of new Set(unmerged.partOf.values())) {
      await aTurn();
      while (!this.#stopped && !(await this.#merge(unmerged, part))) await aMoment();
    }
    if (this.#stopped) return;
    this.#unmerged = undefined;
    unmerged.done.resolve();
  }

  /** Resolves once all that is in force is in the live rows. @throws what keeps it from getting there: a full disk */
  async merged(): Promise<void> {
    if (this.#failed) throw this.#failed;
    await this.#unmerged?.done.promise;
  }

  /** A short read of one state. */
  async read<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    for (;;) {
      await this.merged();
      const read = await this.#store.read(async (db) => ((await isBetween(db)) ? between : { value: await work(db) }));
      if (read !== between) return read.value;
    }
  }

  /** Work with a transaction that looks at all subjects and changes something: what it is given says within it whether it is of one state. */
  async whole<T>(work: (requireWhole: (db: Reader) => Promise<void>) => Promise<T>): Promise<T> {
    for (;;) {
      await this.merged();
      try {
        return await work(requireWhole);
      } catch (error) {
        if (!(error instanceof Between)) throw error;
      }
    }
  }

  /** A bulk change is in force and not wholly in the live rows. */
  get isUnderWay(): boolean {
    return this.#unmerged !== undefined;
  }

  /** Before a transaction that will: what it would find to merge is merged a part at a time, so that nobody waits for all of it. */
  async mergeAhead(subjects: readonly string[]): Promise<void> {
    const unmerged = this.#unmerged;
    if (!unmerged) return;
    for (const part of partsOf(unmerged, subjects)) await this.#store.change((db) => mergePart(db, unmerged, part));
  }

  /** Within a transaction that will look at these subjects, or change them. */
  async mergeFor(db: Writer, subjects: readonly string[]): Promise<void> {
    const unmerged = this.#unmerged;
    if (!unmerged) return;
    for (const part of partsOf(unmerged, subjects)) await mergePart(db, unmerged, part);
  }

  /** What is not merged by then is at the next start. */
  stop(): void {
    this.#stopped = true;
    this.#failed ??= new PortcullisError('server_unreachable', 'the authority stops');
    this.#unmerged?.done.reject(this.#failed);
  }

  async #merge(unmerged: AwaitedChange, part: number): Promise<boolean> {
    try {
      // What a crash loses of it is merged at the next start.
      await this.#store.change((db) => mergePart(db, unmerged, part), { durable: false });
      this.#failed = undefined;
      return true;
    } catch (error) {
      this.#failed = error as Error;
      // Whoever waits already is told too, and not left waiting until there is room.
      const { done } = unmerged;
      unmerged.done = awaited();
      done.reject(error);
      return false;
    }
  }
}

const partsOf = ({ partOf }: Unmerged, subjects: readonly string[]) =>
  new Set(subjects.flatMap((subject) => partOf.get(subject) ?? []));

const between = Symbol('between');

class Between extends Error {}

async function requireWhole(db: Reader): Promise<void> {
  if (await isBetween(db)) throw new Between('a bulk change is on its way into the rows');
}

const aMoment = () => new Promise((resolve) => setTimeout(resolve, retryMs).unref());

/** A read that is not of one state: part of a bulk change is in the live rows, and part of it is not yet. */
export async function isBetween(db: Reader): Promise<boolean> {
  return (await firstUnmergedPart(db)) !== undefined;
}

function firstUnmergedPart(db: Reader) {
  return db
    .selectFrom('draftParts')
    .innerJoin('drafts', 'drafts.id', 'draftParts.draft')
    .select(['draftParts.draft', 'draftParts.number', 'drafts.revision'])
    .where('draftParts.merged', '=', sql.lit(0))
    .where('drafts.revision', 'is not', null)
    .limit(1)
    .executeTakeFirst();
}

async function firstUnmerged(db: Reader) {
  const part = await firstUnmergedPart(db);
  if (!part) return undefined;
  const entry = await db
    .selectFrom('journal')
    .selectAll()
    .where('revision', '=', part.revision)
    .executeTakeFirstOrThrow();
  return { number: part.number, change: { draft: part.draft, ...provenanceOf(entry) } };
}

function provenanceOf(entry: Selectable<Schema['journal']>): Provenance & Pick<Unmerged, 'apart'> {
  const { reason, subjects } = JSON.parse(entry.body) as { reason: string | null; subjects: SubjectDelta[] };
  const apart = new Set(subjects.map(({ subject }) => subject as string));
  return { revision: entry.revision as number, at: entry.at, actor: entry.actor, reason, apart };
}

/** What a bulk change that is in force makes of a subject, where that is not in the live rows yet. */
export interface LaidOver extends Provenance {
  attributes: NonNullable<SubjectDelta['attributes']>;
}

/** By subject. For who can not wait for it: a disk may be full for long. */
export async function laidOver(db: Reader): Promise<ReadonlyMap<string, LaidOver>> {
  const found = new Map<string, LaidOver>();
  const first = await firstUnmerged(db);
  if (!first) return found;
  const { draft, apart, ...by } = first.change;
  for (let after = 0; ; await aTurn()) {
    const part = await db
      .selectFrom('draftParts')
      .select(['number', 'body'])
      .where('draft', '=', draft)
      .where('merged', '=', 0)
      .where('number', '>', after)
      .orderBy('number')
      .limit(1)
      .executeTakeFirst();
    if (!part) return found;
    for (const { subject, attributes = {} } of JSON.parse(part.body) as SubjectDelta[])
      if (!apart.has(subject)) found.set(subject, { ...by, attributes });
    after = part.number;
  }
}

/** Once; again it does nothing, and nothing of what was not committed. */
async function mergePart(db: Writer, change: Omit<Unmerged, 'partOf'>, number: number): Promise<void> {
  const { draft, apart, revision } = change;
  const row = await db
    .selectFrom('draftParts')
    .innerJoin('drafts', 'drafts.id', 'draftParts.draft')
    .select('body')
    .where('draft', '=', draft)
    .where('number', '=', number)
    .where('merged', '=', sql.lit(0))
    .where('drafts.revision', '=', revision)
    .executeTakeFirst();
  if (!row) return;
  const deltas = (JSON.parse(row.body) as SubjectDelta[]).filter(({ subject }) => !apart.has(subject));
  const subjects = deltas.map(({ subject }) => subject as string);
  const before = await typesOfUnset(db, deltas);
  const written = deltas.flatMap((delta) => writtenOf(delta, before));
  await db
    .updateTable('subjects')
    .set({ revision })
    .where('id', 'in', subjects)
    .where('revision', '<', revision)
    .execute();
  await storeValues(db, change, written);
  await db
    .updateTable('draftParts')
    .set({ merged: 1 })
    .where('draft', '=', draft)
    .where('number', '=', number)
    .execute();
}

/** The history says of a value that is unset of what type it was. */
async function typesOfUnset(db: Reader, deltas: readonly SubjectDelta[]): Promise<Map<string, AttributeType>> {
  const unset = deltas.flatMap(({ attributes = {} }) =>
    Object.entries(attributes).flatMap(([name, { value }]) => (value === null ? name : [])),
  );
  if (unset.length === 0) return new Map();
  const rows = await db
    .selectFrom('attributeTypes')
    .selectAll()
    .where('name', 'in', [...new Set(unset)])
    .execute();
  return new Map(rows.map(({ name, type }) => [name, type as AttributeType]));
}

function writtenOf({ subject, kind, attributes = {} }: SubjectDelta, before: Map<string, AttributeType>): Written[] {
  return Object.entries(attributes).map(([name, { value, public: isPublic }]) => ({
    ...{ subject, kind, name, value: value as AttributeValue | null, visibility: isPublic ? 'public' : 'private' },
    type: value === null ? (before.get(name) ?? 'string') : (typeof value as AttributeType),
  }));
}
