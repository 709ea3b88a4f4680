import { createHash } from 'node:crypto';
import { PortcullisError, type SubjectDelta } from '@portcullis/contract';
import type { Reader, Store, Writer } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import type { DraftProgress, DraftTold, DraftWatcher, OpenDraft } from './promises.ts';

/** So many drafts are remembered for those who were sent parts of one and have not heard how it ended. */
const endedKept = 64;

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
/** What the entry of a bulk change names, so that the chain holds its parts too. */
export const hashOfParts = (hashes: readonly string[]) => hashOf(hashes.join('\n'));

/** A change that is prepared in parts, before it is a revision: one at a time in the fleet. */
export class Drafts {
  readonly #store: Store;
  readonly #system: System;
  readonly #watchers = new Set<DraftWatcher>();
  /** How earlier ones ended. */
  readonly #ended = new Map<string, 'committed' | 'dropped'>();
  #current: DraftProgress | undefined;

  constructor(store: Store, system: System) {
    this.#store = store;
    this.#system = system;
  }

  /** Those that an earlier process prepared decide nothing, and nobody will commit them. */
  async clear(): Promise<void> {
    await this.#store.change(removeUncommitted).catch((error: unknown) => {
      // They are in nobody's way: the next draft removes them.
      if (!(error instanceof PortcullisError && error.code === 'disk_full')) throw error;
    });
  }

  get current(): DraftProgress | undefined {
    return this.#current;
  }

  stateOf(id: string): 'open' | 'committed' | 'dropped' {
    if (this.#current?.id === id) return 'open';
    return this.#ended.get(id) ?? 'dropped';
  }

  watch(watcher: DraftWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async begin(): Promise<OpenDraft> {
    if (this.#current) throw new Error('another draft is open');
    const id = this.#system.random(16).toString('hex');
    this.#current = { id, parts: 0, prepared: false };
    try {
      await this.#store.change(async (db) => {
        // What a full disk kept from being dropped.
        await removeUncommitted(db);
        await db.insertInto('drafts').values({ id, revision: null }).execute();
      });
    } catch (error) {
      this.#end('dropped');
      throw error;
    }
    const written = { hashes: [] as string[], bytes: 0 };
    return {
      add: (subjects) => this.#add(id, written, subjects),
      prepared: () => this.#prepared(),
      told: () => ({ id, parts: written.hashes.length, bytes: written.bytes, hash: hashOfParts(written.hashes) }),
      drop: () => this.#drop(id),
    };
  }

  async #add(
    id: string,
    written: { hashes: string[]; bytes: number },
    subjects: readonly SubjectDelta[],
  ): Promise<void> {
    const body = JSON.stringify(subjects);
    const hash = hashOf(body);
    const number = written.hashes.length + 1;
    // On disk with the entry that commits it.
    const insert = (db: Writer) => db.insertInto('draftParts').values({ draft: id, number, body, hash }).execute();
    await this.#store.change(insert, { durable: false });
    written.hashes.push(hash);
    written.bytes += Buffer.byteLength(body);
    this.#current = { id, parts: number, prepared: false };
    for (const { onProgress } of this.#watchers) onProgress();
  }

  /** Resolves once whoever decides holds it, or will not in a bearable time. */
  async #prepared(): Promise<void> {
    if (!this.#current) return;
    const draft = { ...this.#current, prepared: true };
    this.#current = draft;
    for (const { onProgress } of this.#watchers) onProgress();
    await Promise.all([...this.#watchers].map(({ held }) => held?.(draft)));
  }

  /** Its entry is there. */
  committed(): void {
    this.#end('committed');
  }

  async #drop(id: string): Promise<void> {
    if (this.#current?.id !== id) return;
    this.#end('dropped');
    await this.#store.change(async (db) => {
      await db.deleteFrom('draftParts').where('draft', '=', id).execute();
      await db.deleteFrom('drafts').where('id', '=', id).execute();
    });
  }

  #end(how: 'committed' | 'dropped'): void {
    if (!this.#current) return;
    this.#ended.set(this.#current.id, how);
    this.#current = undefined;
    for (const id of this.#ended.keys()) {
      if (this.#ended.size <= endedKept) break;
      this.#ended.delete(id);
    }
    for (const { onProgress } of this.#watchers) onProgress();
  }
}

async function removeUncommitted(db: Writer): Promise<void> {
  const left = db.selectFrom('drafts').select('id').where('revision', 'is', null);
  await db.deleteFrom('draftParts').where('draft', 'in', left).execute();
  await db.deleteFrom('drafts').where('revision', 'is', null).execute();
}

/** Within the transaction of its entry. */
export async function commitDraft(db: Writer, id: string, revision: number): Promise<void> {
  await db.updateTable('drafts').set({ revision }).where('id', '=', id).execute();
}

/** @throws {PortcullisError} `journal_damaged` where it is not there */
export async function readPart(db: Reader, draft: string, number: number): Promise<SubjectDelta[]> {
  const row = await db
    .selectFrom('draftParts')
    .select('body')
    .where('draft', '=', draft)
    .where('number', '=', number)
    .executeTakeFirst();
  if (row) return JSON.parse(row.body) as SubjectDelta[];
  throw new PortcullisError('journal_damaged', `part ${number} of the bulk change ${draft} is missing`);
}

/** Why the parts are not those that the entry was made of; undefined: they are. */
export async function wrongWithParts(db: Reader, { id, parts, hash }: DraftTold): Promise<string | undefined> {
  const hashes: string[] = [];
  for (let number = 1; number <= parts; number++) {
    const row = await db
      .selectFrom('draftParts')
      .select(['body', 'hash'])
      .where('draft', '=', id)
      .where('number', '=', number)
      .executeTakeFirst();
    if (!row) return `part ${number} of its change is missing`;
    if (hashOf(row.body) !== row.hash) return `part ${number} of its change is not what was hashed`;
    hashes.push(row.hash);
  }
  const ofIt = db.selectFrom('draftParts').select('number').where('draft', '=', id);
  const added = await ofIt
    .where((part) => part.or([part('number', '>', parts), part('number', '<', 1)]))
    .executeTakeFirst();
  if (added) return 'a part was added to its change';
  return hashOfParts(hashes) === hash ? undefined : 'the parts of its change are others';
}
