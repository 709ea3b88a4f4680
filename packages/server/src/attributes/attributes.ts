/**
 * Subjects and their live record: named, typed values beside the certificate, with their full history.
 * - A change is one revision, however many subjects and values it names, and is on disk before it is answered (P8).
 * - The first use of a name fixes its type in the fleet, for as long as a subject has a value of it.
 * - Values belong to the subject: they outlive every certificate (FIELD-NOTES D1).
 * Refuses to know: what any gate expects of them.
 */
import type {
  AttributeHistoryView,
  AttributesRequest,
  AttributeType,
  AttributeTypeView,
  Preconditions,
  SelectionLine,
  SubjectsQuery,
  SubjectView,
} from '@portcullis/contract';
import type { By, ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Reader, Store, Writer } from '../storage/storage.ts';
import { BulkChanges, valuesAtOnceMax } from './bulk-change.ts';
import { askedFor, changeAttributes } from './change.ts';
import { type Ensured, ensureSubject, type NewSubject } from './ensure-subject.ts';
import { GateReadings } from './gate-reads.ts';
import { listSubjects } from './list.ts';
import { isBetween, Merging } from './merge.ts';
import { requirePreconditions } from './preconditions.ts';
import { type ListQuery, listHistory, type Page, readSubject } from './read.ts';
import { listTypes, readType, retype } from './retype.ts';
import { Selections } from './selection.ts';

export interface Attributes {
  /** @throws {PortcullisError} `subject_unknown` */
  read(subject: string): Promise<SubjectView>;
  list(query: SubjectsQuery): Promise<Page<SubjectView>>;
  /** @throws {PortcullisError} `subject_unknown`, `attribute_unknown` for a name that it never had */
  history(subject: string, query: ListQuery & { name?: string }): Promise<Page<AttributeHistoryView>>;
  /** @throws {PortcullisError} `subject_unknown`, `attribute_unknown`, `attribute_type_conflict`, `subject_retired` */
  change(by: By, request: AttributesRequest): Promise<{ revision: number; changed: number }>;
  /** Whom an expression is true of: the lines of the answer. @throws {PortcullisError} `request_malformed`, `rate_limited` */
  select(where: string, stop: AbortSignal): AsyncIterable<SelectionLine>;
  types(): Promise<AttributeTypeView[]>;
  /** @throws {PortcullisError} `attribute_unknown` */
  type(name: string): Promise<Omit<AttributeTypeView, 'subjects'>>;
  /** @throws {PortcullisError} `attribute_unknown`, `attribute_type_conflict` while a value stands in the way */
  retype(by: By, asked: { name: string; type: AttributeType }): Promise<{ changed: 0 | 1 }>;
  /** Makes a subject with its first attributes within a revision; never touches those of one that exists. A gate's hosts are set. */
  ensure(change: ChangeTransaction, subject: NewSubject): Promise<Ensured>;
  /** The actor's own record of where devices reach it: no gate decides by it. */
  announce(by: By, url: string): Promise<void>;
  /** The names and addresses of a gate's server certificate, where its token named some. */
  hostsOf(gate: string): Promise<string[] | undefined>;
  readonly gateReads: GateReadings;
  /** Within the transaction of the change, so that the order of commits decides. @throws {PortcullisError} `precondition_failed` */
  requirePreconditions(db: Writer, subjects: readonly string[], conditions: Preconditions): Promise<void>;
  /** Resolves once all that is in force is in the live rows: a bulk change gets there a part at a time. */
  merged(): Promise<void>;
  /** What this transaction reads is of no one state: wait for `merged`, and read again. */
  isBetween(db: Reader): Promise<boolean>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a bulk change of an earlier process left to be done is done first. */
export async function openAttributes(parts: {
  /** Where the store is. */
  directory: string;
  store: Store;
  journal: Journal;
  declared: Record<string, AttributeType>;
}): Promise<Attributes> {
  const { directory, store, journal, declared } = parts;
  const merging = new Merging(store);
  await merging.finish();
  const selections = new Selections({ directory, merged: () => merging.merged() });
  const bulk = new BulkChanges({ journal, merging, declared });
  const gateReads = new GateReadings(parts);
  const announced = new Map<string, string>();
  return {
    read: (subject) => merging.read((db) => readSubject(db, subject)),
    list: (query) => merging.read((db) => listSubjects(db, query)),
    history: (subject, query) => merging.read((db) => listHistory(db, subject, query)),
    async change(by, request) {
      const asked = askedFor(request);
      if (request.dryRun) return { revision: journal.head().revision, changed: await bulk.rehearse(asked, request) };
      const { named, set, unset } = asked;
      if (named.length * (set.length + unset.length) > valuesAtOnceMax) return bulk.change(by, asked, request);
      const entry = { ...by, action: 'attributes.change' };
      const { result, revision } = await journal.change(entry, async (change) => {
        await merging.mergeFor(change.db, named);
        await requirePreconditions(change.db, named, request);
        return changeAttributes(change, asked, declared);
      });
      return { revision, changed: result };
    },
    async requirePreconditions(db, subjects, conditions) {
      await merging.mergeFor(db, subjects);
      await requirePreconditions(db, subjects, conditions);
    },
    merged: () => merging.merged(),
    isBetween,
    select: (where, stop) => selections.select(where, stop),
    gateReads,
    types: () => merging.read((db) => listTypes(db, declared)),
    type: (name) => merging.read((db) => readType(db, name, declared)),
    async retype(by, asked) {
      await merging.merged();
      return retype(parts, by, asked);
    },
    ensure: (change, subject) => ensureSubject(change, subject, declared),
    async hostsOf(gate) {
      const row = await store.read((db) =>
        db.selectFrom('subjects').select('hosts').where('id', '=', gate).executeTakeFirst(),
      );
      return row?.hosts ? (JSON.parse(row.hosts) as string[]) : undefined;
    },
    async announce({ actor: gate, requireAllowed }, url) {
      if (announced.get(gate) === url) return;
      await store.change(async (db) => {
        await requireAllowed?.(db);
        await db.updateTable('subjects').set({ url }).where('id', '=', gate).execute();
      });
      announced.set(gate, url);
    },
    async [Symbol.asyncDispose]() {
      merging.stop();
    },
  };
}

export type { NewSubject } from './ensure-subject.ts';
export type { ListQuery, Page } from './read.ts';
