import type { AttributeValue, JournalEntryView, Kind, SubjectDelta } from '@portcullis/contract';
import type { Writer } from '../storage/storage.ts';
import type { Drafts } from './drafts.ts';
import type { JournalHead } from './head-file.ts';
import type { EndVerification } from './verify-end.ts';

export interface ChangeRecord {
  revision: number;
  position: number;
  hash: string;
  /** Of the entry that made the revision before; there may be notes between the two. */
  previousHash: string;
  /** Of what the journal keeps of it. */
  bytes: number;
  /** Milliseconds since 1970. */
  at: number;
  actor: string;
  action: string;
  reason: string | null;
  /** The revision that it undoes. */
  undoes?: number;
  /** What the entry says beside, of what caused it. */
  about?: Record<string, unknown>;
  /** Of a bulk change those alone that are in no part. */
  subjects: SubjectDelta[];
  /** A bulk change: what most of it is kept in. */
  draft?: BulkTold;
}

/** What the entry of a bulk change says of its parts. `hash`: over theirs. */
export interface DraftTold {
  id: string;
  parts: number;
  bytes: number;
  hash: string;
}

/** As its entry says it: with how many subjects it changed, and the first of them. */
export interface BulkTold extends DraftTold {
  changed: number;
  first: string[];
}

/** How far one is that is not committed. */
export interface DraftProgress {
  readonly id: string;
  readonly parts: number;
  /** There will be no further part. */
  readonly prepared: boolean;
}

/** Who wants to hold a bulk change before it is one. */
export interface DraftWatcher {
  /** There is one part more, or that was all, or it has ended. */
  onProgress(): void;
  /** Resolves once those who decide hold it, or its time is over: then it is committed. */
  held?(draft: DraftProgress): Promise<void>;
}

/** A bulk change that is prepared: each part is a small transaction, and decides nothing. */
export interface OpenDraft {
  add(subjects: readonly SubjectDelta[]): Promise<void>;
  /** That was all. Resolves when it may be committed. */
  prepared(): Promise<void>;
  told(): DraftTold;
  /** Nothing will come of it. */
  drop(): Promise<void>;
}

/** What a retry has in common with what it repeats: `id` as the actor chose it, `hash` of what is asked for. */
export interface RequestId {
  readonly id: string;
  readonly hash: string;
  /** Set by the journal, once it is durable: the change was made, or had been made before. */
  outcome?: 'made' | 'repeated';
}

/** Who does something, and why in their words. */
export interface By {
  actor: string;
  reason?: string | undefined;
  /** The actor is one: a reason that a person gives is kept also where nothing changes. */
  person?: boolean | undefined;
  /** Throws once the actor may not do it any more, or what it is on condition of does not hold. It is asked within the transaction, so that the order of commits decides. */
  requireAllowed?: ((db: Writer) => Promise<void>) | undefined;
  /** Of a change that is to be made once, however often it is asked for: what its work resolves to is a small JSON, which is kept. */
  request?: RequestId | undefined;
}

export interface Entry extends By {
  action: string;
  /** The revision that it undoes. */
  undoes?: number | undefined;
  /** Small, and one of many that may come at once: it shares a flush of the disk with others. */
  together?: boolean | undefined;
}

/** An entry without a revision. What it says may depend on what the transaction did; undefined: there is nothing to say. */
export interface Note<T> extends Entry {
  body?: Record<string, unknown> | ((result: T) => Record<string, unknown> | undefined);
}

export interface CertificateDelta {
  fingerprint: string;
  standing: string;
  notBefore: number;
  notAfter: number;
}

/** One open transaction that will be one revision, unless it says that nothing is to change. What it tells gates is collected here. */
export interface ChangeTransaction {
  readonly db: Writer;
  readonly revision: number;
  readonly at: number;
  readonly actor: string;
  readonly reason: string | null;
  attribute(subject: string, kind: Kind, name: string, value: AttributeValue | null, isPublic: boolean): void;
  certificate(subject: string, kind: Kind, certificate: CertificateDelta): void;
  /** Something of it is stored that no gate decides by. */
  touched(subject: string, kind: Kind): void;
  /** Every subject that a later revision than this one touched. */
  touchedSince(revision: number): Promise<ReadonlySet<string>>;
  /** What the entry says beside, of what caused it: a small JSON. Said again, the members are put together. */
  about(facts: Record<string, unknown>): void;
  /** Most of it is in the parts of a draft, which is committed with it. */
  bulk(told: BulkTold): void;
  /** What was stored is nothing that a gate decides by: the entry has no revision, and says this. */
  noted(facts: Record<string, unknown>): void;
  /** What was asked for is so already, since this revision: nothing was stored, and there will be none. */
  unchanged(since: number, named: readonly string[]): void;
}

export interface Journal {
  /**
   * One transaction, one revision: that of the change, or since when all was so already, or the one before where it is a note after all. Where
   * its request was carried out before, what it came to then. @throws {PortcullisError} `request_id_reused`
   */
  change<T>(
    entry: Entry,
    work: (transaction: ChangeTransaction) => Promise<T>,
  ): Promise<{ result: T; revision: number }>;
  /** One transaction, an entry without a revision: nothing that a gate decides by. */
  note<T>(entry: Note<T>, work: (db: Writer) => Promise<T>): Promise<T>;
  /** What the request came to, where it was carried out: for who prepares long before the change. @throws as `change` */
  repeated<T>(by: By): Promise<{ result: T; revision: number } | undefined>;
  /** As committed. */
  head(): JournalHead;
  /** Called after each commit that made a revision, in order. Returns how to stop. */
  onChange(listener: (record: ChangeRecord) => void): () => void;
  /** Called after each commit of a note, with what it says. Returns how to stop. */
  onNote(listener: (said: Readonly<Record<string, unknown>>) => void): () => void;
  /** The records of the revisions after this one, oldest first: so many, fewer where they are large, and one where there is one. */
  changes(after: number, limit: number): Promise<ChangeRecord[]>;
  /** What they take in bytes, counted over at most so many of them. */
  bytesAfter(revision: number, changesMax: number): Promise<number>;
  changeAt(revision: number): Promise<ChangeRecord | undefined>;
  /** What a change did, whole: a part at a time. */
  deltasOf(record: ChangeRecord): AsyncIterable<readonly SubjectDelta[]>;
  /** One part of a draft. */
  part(draft: string, number: number): Promise<SubjectDelta[]>;
  readonly drafts: Pick<Drafts, 'current' | 'stateOf' | 'watch' | 'begin'>;
  /** The hash of the entry that made this revision. */
  hashAt(revision: number): Promise<string | undefined>;
  /** Its last entries, against the heads that are held: bounded, where `verifyJournal` looks at all. */
  verifyEnd(): Promise<EndVerification>;
  /** As many as `changes` gives. */
  entries(after: number, limit: number): Promise<JournalEntryView[]>;
  [Symbol.asyncDispose](): Promise<void>;
}
