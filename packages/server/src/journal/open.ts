import assert from 'node:assert/strict';
import { type JournalEntryView, PortcullisError, type SubjectDelta } from '@portcullis/contract';
import type { Selectable } from 'kysely';
import { kept, type Reader, type Schema, type Store, type Writer } from '../storage/storage.ts';
import { type System, timestamp } from '../telemetry/telemetry.ts';
import { ChangeCollector } from './change-collector.ts';
import { commitDraft, Drafts, readPart } from './drafts.ts';
import { entryHash, originHash } from './entry-hash.ts';
import { type JournalHead, readHeadFile, writeHeadFile } from './head-file.ts';
import { bytesAfter, readPage } from './page.ts';
import type { By, ChangeRecord, ChangeTransaction, Entry, Journal, Note } from './promises.ts';
import { type Came, findRequest, once } from './requests.ts';
import { requireSeen } from './seen-head.ts';
import { type EndVerification, verifyEnd } from './verify-end.ts';

/** How long a head may wait before it is written outside the database. */
const headFileDelayMs = 100;
/** Subjects that a remark names, of those that were asked about. */
const remarkedMax = 100;

interface Parts {
  store: Store;
  system: System;
  /** Where the head is kept outside the database; without it, it is not. */
  headFile?: string;
}

/** What a change that was made now leaves to be told once it is committed. */
interface Made {
  made: true;
  record?: ChangeRecord;
  head: JournalHead | undefined;
}

/** Looks at the end of the journal alone; `verifyJournal` looks at all of it. @throws {PortcullisError} `journal_damaged`, `revision_regressed` */
export async function openJournal(parts: Parts): Promise<Journal> {
  const head = await parts.store.read(async (db) => {
    const head = await readHead(db);
    await requireEnd(db, head);
    if (parts.headFile !== undefined) await requireSeen(db, parts.headFile);
    return head;
  });
  const drafts = new Drafts(parts.store, parts.system);
  await drafts.clear();
  return new StoredJournal(parts, head, drafts);
}

async function requireEnd(db: Reader, head: JournalHead): Promise<void> {
  const last = await db
    .selectFrom('journal')
    .select(['position', 'hash'])
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  const { position, hash } = last ?? { position: 0, hash: originHash };
  if (position === head.position && hash === head.hash) return;
  throw new PortcullisError(
    'journal_damaged',
    `the journal ends at position ${position}, which is not the head that the store has at ${head.position}; restore the store from a backup`,
  );
}

/** What is told is committed and will be answered: a listener that throws is a bug, and stops the process instead. */
function tell<Told>(listeners: Iterable<(told: Told) => void>, told: Told): void {
  for (const listener of listeners) {
    try {
      listener(told);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

class StoredJournal implements Journal {
  readonly drafts: Drafts;
  readonly #parts: Parts;
  readonly #listeners = new Set<(record: ChangeRecord) => void>();
  readonly #noteListeners = new Set<(said: Readonly<Record<string, unknown>>) => void>();
  #head: JournalHead;
  /** Hashes of entries that are written and not known to be committed: those after them in one transaction go on from there. */
  readonly #written = new Set<string>();
  #headTimer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: Parts, head: JournalHead, drafts: Drafts) {
    this.#parts = parts;
    this.drafts = drafts;
    this.#head = head;
  }

  head(): JournalHead {
    return this.#head;
  }

  onChange(listener: (record: ChangeRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onNote(listener: (said: Readonly<Record<string, unknown>>) => void): () => void {
    this.#noteListeners.add(listener);
    return () => this.#noteListeners.delete(listener);
  }

  async change<T>(
    entry: Entry,
    work: (transaction: ChangeTransaction) => Promise<T>,
  ): Promise<{ result: T; revision: number }> {
    const { store, system } = this.#parts;
    const done: Came & Partial<Made> = await store[entry.together ? 'changeTogether' : 'change'](async (db) => {
      const before = await this.#headUnderLock(db);
      return once(db, entry, system.now(), () => this.#make(db, before, entry, work));
    });
    const { result, since, record, head } = done;
    if (entry.request) entry.request.outcome = 'made' in done ? 'made' : 'repeated';
    if (head) this.#committed(head);
    // Who is told of the change finds no draft any more that it could still send.
    if (record?.draft) this.drafts.committed();
    if (record) tell(this.#listeners, record);
    return { result: result as T, revision: since };
  }

  async repeated<T>({ actor, request }: By): Promise<{ result: T; revision: number } | undefined> {
    if (!request) return undefined;
    const { store, system } = this.#parts;
    const found = await store.read((db) => findRequest(db, { actor, request }, system.now()));
    if (!found) return undefined;
    request.outcome = 'repeated';
    return { result: found.result as T, revision: found.since };
  }

  /** Within its transaction. */
  async #make(
    db: Writer,
    before: JournalHead,
    entry: Entry,
    work: (transaction: ChangeTransaction) => Promise<unknown>,
  ): Promise<Came & Made> {
    await entry.requireAllowed?.(db);
    const change = new ChangeCollector(db, entry, before.revision + 1, this.#parts.system.now());
    const result = await work(change);
    const { already, draft, note, told: about } = change;
    if (note) return { made: true, result, since: before.revision, head: await this.#note(db, before, entry, change) };
    if (already)
      return { made: true, result, since: already.since, head: await this.#remarked(db, before, entry, change) };
    const subjects = change.subjects();
    const { revision, at, reason } = change;
    const { undoes } = entry;
    const body = JSON.stringify({ reason, undoes, about, draft, subjects });
    const partBytes = draft?.bytes ?? 0;
    const head = await this.#append(db, before, { ...entry, revision, at, body, partBytes });
    if (draft) await commitDraft(db, draft.id, revision);
    const { position, hash } = head;
    const { actor, action } = entry;
    const bytes = Buffer.byteLength(body) + partBytes;
    const previousHash = before.revisionHash;
    const told = { revision, position, hash, previousHash, bytes, at, actor, action, reason, subjects };
    const also = { ...(undoes !== undefined && { undoes }), ...(about && { about }), ...(draft && { draft }) };
    return { made: true, result, since: revision, record: { ...told, ...also }, head };
  }

  /** Rule 14. What was written before is rolled back where the head is still the one that is known. */
  async #headUnderLock(db: Writer): Promise<JournalHead> {
    const head = await readHead(db);
    if (head.hash === this.#head.hash) this.#written.clear();
    else if (!this.#written.has(head.hash)) {
      this.#parts.store.endTerm();
      const why = `the journal is at position ${head.position}, and not at ${this.#head.position}: somebody else wrote`;
      throw new PortcullisError('not_leader', why);
    }
    return head;
  }

  async #note(db: Writer, before: JournalHead, entry: Entry, { at, reason, note }: ChangeCollector) {
    const body = JSON.stringify({ reason, ...note });
    return this.#append(db, before, { ...entry, revision: null, at, body });
  }

  /** Nothing is to change. What a person says of it is kept all the same; a machine says the same all day. */
  async #remarked(db: Writer, before: JournalHead, entry: Entry, { at, reason, already }: ChangeCollector) {
    if (!entry.person || reason === null) return undefined;
    const subjects = already?.named.slice(0, remarkedMax).map((subject) => ({ subject }));
    const body = JSON.stringify({ reason, changed: 0, subjects });
    return this.#append(db, before, { ...entry, revision: null, at, body });
  }

  async note<T>(entry: Note<T>, work: (db: Writer) => Promise<T>): Promise<T> {
    const { result, head, said } = await this.#parts.store.change(async (db) => {
      const before = await this.#headUnderLock(db);
      await entry.requireAllowed?.(db);
      const result = await work(db);
      const said = typeof entry.body === 'function' ? entry.body(result) : (entry.body ?? {});
      if (said === undefined) return { result, head: undefined, said };
      const body = JSON.stringify({ reason: entry.reason ?? null, ...said });
      const at = this.#parts.system.now();
      return { result, head: await this.#append(db, before, { ...entry, revision: null, at, body }), said };
    });
    if (head) this.#committed(head);
    if (said) tell(this.#noteListeners, said);
    return result;
  }

  async #append(
    db: Writer,
    before: JournalHead,
    entry: Entry & { revision: number | null; at: number; body: string; partBytes?: number },
  ): Promise<JournalHead> {
    const { actor, action, revision, at, body, partBytes = 0 } = entry;
    const position = before.position + 1;
    const stored = {
      position,
      revision,
      at,
      actor,
      action,
      body,
      previousHash: before.hash,
    };
    const hash = entryHash(stored);
    const made = revision === null ? {} : { revision, revisionHash: hash };
    const head = { ...before, position, hash, ...made };
    await insertEntry(db, { ...stored, hash, partBytes });
    await updateHead(db, head);
    this.#written.add(hash);
    return head;
  }

  /** A crash before the head file is written leaves an older head there, which the journal still contains. */
  #committed(head: JournalHead): void {
    this.#head = head;
    if (this.#parts.headFile === undefined) return;
    this.#headTimer ??= setTimeout(() => void this.#writeHead(), headFileDelayMs);
  }

  /** What a full disk keeps from being written here is written after the next commit, or tried at closing; an older head is true too. */
  async #writeHead(): Promise<void> {
    this.#headTimer = undefined;
    this.#writing = this.#writing
      .then(() => this.#writeHeadFile())
      .catch((error: unknown) => {
        if (!(error instanceof Error && 'errno' in error)) throw error;
      });
    await this.#writing;
  }

  /** One after the other, each with the newest head. */
  async #writeHeadFile(): Promise<void> {
    if (this.#parts.headFile !== undefined) await writeHeadFile(this.#parts.headFile, this.#head);
  }

  async changes(after: number, limit: number): Promise<ChangeRecord[]> {
    return this.#parts.store.read(async (db) => {
      const rows = await readPage(db, 'revision', after, limit);
      const first = rows[0] && (await hashOf(db, (rows[0].revision as number) - 1));
      return rows.map((row, index) => recordOf(row, rows[index - 1]?.hash ?? first ?? originHash));
    });
  }

  bytesAfter(revision: number, changesMax: number): Promise<number> {
    return this.#parts.store.read((db) => bytesAfter(db, revision, changesMax));
  }

  async changeAt(revision: number): Promise<ChangeRecord | undefined> {
    const [record] = await this.changes(revision - 1, 1);
    return record?.revision === revision ? record : undefined;
  }

  async *deltasOf(record: ChangeRecord): AsyncGenerator<readonly SubjectDelta[]> {
    const { draft, subjects } = record;
    for (let number = 1; number <= (draft?.parts ?? 0); number++) yield await this.part(draft?.id as string, number);
    yield subjects;
  }

  part(draft: string, number: number): Promise<SubjectDelta[]> {
    return this.#parts.store.read((db) => readPart(db, draft, number));
  }

  async hashAt(revision: number): Promise<string | undefined> {
    return this.#parts.store.read((db) => hashOf(db, revision));
  }

  async verifyEnd(): Promise<EndVerification> {
    const { headFile, store } = this.#parts;
    const held = headFile === undefined ? undefined : readHeadFile(headFile);
    return store.read((db) => verifyEnd(db, held ? [held] : []));
  }

  async entries(after: number, limit: number): Promise<JournalEntryView[]> {
    const rows = await this.#parts.store.read((db) => readPage(db, 'position', after, limit));
    return rows.map((row) => ({ ...row, at: timestamp(row.at), body: JSON.parse(row.body) as unknown }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#headTimer);
    await this.#writeHead();
  }
}

const headColumns = ['position', 'revision', 'hash', 'revisionHash'] as const;
const selectHead = kept<object, JournalHead, Reader>([], (db) => db.selectFrom('head').select(headColumns));
const updateHead = kept<JournalHead>(headColumns, (db, of) => db.updateTable('head').set(of).where('id', '=', 1));

const entryColumns = [
  'position',
  'revision',
  'at',
  'actor',
  'action',
  'body',
  'previousHash',
  'hash',
  'partBytes',
] as const;
const insertEntry = kept<Selectable<Schema['journal']>>(entryColumns, (db, of) => db.insertInto('journal').values(of));

async function readHead(db: Reader): Promise<JournalHead> {
  const [head] = await selectHead(db, {});
  assert(head !== undefined, 'a store has one head');
  return { ...head };
}

async function hashOf(db: Reader, revision: number): Promise<string | undefined> {
  if (revision === 0) return originHash;
  const row = await db.selectFrom('journal').select('hash').where('revision', '=', revision).executeTakeFirst();
  return row?.hash;
}

function recordOf(row: Selectable<Schema['journal']>, previousHash: string): ChangeRecord {
  type Told = Pick<ChangeRecord, 'reason' | 'undoes' | 'about' | 'subjects' | 'draft'>;
  const { reason, subjects, ...rest } = JSON.parse(row.body) as Told;
  const { position, hash, at, actor, action } = row;
  const bytes = Buffer.byteLength(row.body) + row.partBytes;
  const revision = row.revision as number;
  return { revision, position, hash, previousHash, bytes, at, actor, action, reason, subjects, ...rest };
}
