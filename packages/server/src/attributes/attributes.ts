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
  AttributeValue,
  LeftByUndo,
  Preconditions,
  SelectionLine,
  SubjectsQuery,
  SubjectView,
} from '@portcullis/contract';
import { leftNamedMax, PortcullisError } from '@portcullis/contract';
import type { By, ChangeRecord, ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Reader, Store, StorePlace, Writer } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { isLaid, kindOf, lay, lift, readBeneath } from './beneath.ts';
import { type Bringing, type Brought, lookAt } from './bring.ts';
import { BulkChanges, valuesAtOnceMax } from './bulk-change.ts';
import { changeAll, changeAttributes, planOf, type Ruled } from './change.ts';
import { type Ensured, ensureSubject, type NewSubject } from './ensure-subject.ts';
import { GateReadings } from './gate-reads.ts';
import { listSubjects } from './list.ts';
import { isBetween, type LaidOver, laidOver, Merging } from './merge.ts';
import { requirePreconditions } from './preconditions.ts';
import { type Put, put, valueAt, valuesOf } from './put.ts';
import { type ListQuery, listHistory, type Page, readSubject } from './read.ts';
import { type Reservation, Reserved } from './reserved.ts';
import { listTypes, readType, retype } from './retype.ts';
import { Selections } from './selection.ts';
import { requireTypes } from './types.ts';
import { Undo } from './undo.ts';
import { untouched } from './untouched.ts';

/** What was undone in one transaction. `newest`: by which revision what was looked at is as it is. */
export interface Undone {
  changed: number;
  newest: number;
  left: LeftByUndo[];
}

/** What else is part of a change's revision, and comes first. Resolves to how much that changed. */
export type Within = (change: ChangeTransaction) => Promise<number>;

/** `left`: the first of what it leaves as it is; `leaves`: how much that is. */
export type UndoDone = { revision: number; changed: number; leaves: number; left: LeftByUndo[] };

/** Where a gate is reached: over HTTPS, and over MQTT where it takes that. */
export interface Reached {
  url: string;
  mqtt?: string | undefined;
}

export interface Attributes {
  /** @throws {PortcullisError} `subject_unknown` */
  read(subject: string): Promise<SubjectView>;
  list(query: SubjectsQuery): Promise<Page<SubjectView>>;
  /** @throws {PortcullisError} `subject_unknown`, `attribute_unknown` for a name that it never had */
  history(subject: string, query: ListQuery & { name?: string }): Promise<Page<AttributeHistoryView>>;
  /** @throws {PortcullisError} `subject_unknown`, `attribute_unknown`, `attribute_type_conflict`, `subject_retired` */
  change(by: By, request: AttributesRequest, within?: Within): Promise<{ revision: number; changed: number }>;
  /** Whom an expression is true of: the lines of the answer. @throws {PortcullisError} `request_malformed`, `rate_limited` */
  select(where: string, stop: AbortSignal): AsyncIterable<SelectionLine>;
  /**
   * Puts back the values from before a revision, where nothing newer touched them. `alsoUndone`: what else is undone within the same
   * revision; of a bulk change there is nothing else.
   */
  undo(by: By, record: ChangeRecord, alsoUndone: (change: ChangeTransaction) => Promise<Undone>): Promise<UndoDone>;
  types(): Promise<AttributeTypeView[]>;
  /** @throws {PortcullisError} `attribute_unknown` */
  type(name: string): Promise<Omit<AttributeTypeView, 'subjects'>>;
  /** @throws {PortcullisError} `attribute_unknown`, `attribute_type_conflict` while a value stands in the way */
  retype(by: By, asked: { name: string; type: AttributeType }): Promise<{ changed: 0 | 1 }>;
  /** Makes a subject with its first attributes within a revision; never touches those of one that exists. A gate's hosts are set. */
  ensure(change: ChangeTransaction, subject: NewSubject): Promise<Ensured>;
  /** What an import would do with each of these rows, looking alone: `write` does it, within a revision that began with this look. */
  bring(db: Reader, rows: readonly Brought[]): Promise<Bringing>;
  /** What a part of the authority writes within a revision: names that are reserved too. Resolves to how many values are other than before. */
  put(change: ChangeTransaction, values: Put): Promise<number>;
  /** Who else writes it is refused: `attribute_reserved`. */
  reserve(reservation: Reservation): void;
  /** Within a revision: the value is in force, whatever is underneath. Again: another one is. @throws {PortcullisError} as `put`, `attribute_reserved` */
  lay(change: ChangeTransaction, over: { subject: string; name: string; value: AttributeValue }): Promise<void>;
  /** Within a revision: what is underneath is in force again; where nothing lies over it nothing happens. */
  lift(change: ChangeTransaction, from: { subject: string; name: string }): Promise<void>;
  isLaid(db: Reader, subject: string, name: string): Promise<boolean>;
  /** What is underneath, of each attribute over which something lies. */
  beneath(db: Reader, subject: string): Promise<Map<string, AttributeValue | null>>;
  /** What was in force at a time, in milliseconds since 1970; null: nothing. */
  valueAt(db: Reader, subject: string, name: string, at: number): Promise<AttributeValue | null>;
  valuesOf(db: Reader, subject: string): Promise<Record<string, AttributeValue>>;
  /** The actor's own record of where devices reach it: no gate decides by it. */
  announce(by: By, where: Reached): Promise<void>;
  /** The names and addresses of a gate's server certificate, where its token named some. */
  hostsOf(gate: string): Promise<string[] | undefined>;
  readonly gateReads: GateReadings;
  /** Within the transaction of the change, so that the order of commits decides. @throws {PortcullisError} `precondition_failed` */
  requirePreconditions(db: Writer, subjects: readonly string[], conditions: Preconditions): Promise<void>;
  /** Resolves once all that is in force is in the live rows: a bulk change gets there a part at a time. */
  merged(): Promise<void>;
  /** What this transaction reads is of no one state: wait for `merged`, and read again. */
  isBetween(db: Reader): Promise<boolean>;
  /** What is in force and not in the live rows, by subject: for who can not wait for `merged`. */
  laidOver(db: Reader): Promise<ReadonlyMap<string, LaidOver>>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a bulk change of an earlier process left to be done is done first. */
export async function openAttributes(
  parts: {
    store: Store;
    journal: Journal;
    declared: Record<string, AttributeType>;
  } & StorePlace,
): Promise<Attributes> {
  const { store, journal, declared } = parts;
  const merging = new Merging(store);
  await merging.finish();
  const selections = new Selections({ ...parts, declared: Object.keys(declared), merged: () => merging.merged() });
  const bulk = new BulkChanges({ journal, merging });
  const gateReads = new GateReadings(parts);
  /** A part that was sent is not taken back: what is touched meanwhile is looked at again from the start. */
  const undoBulk = async (by: By, record: ChangeRecord): Promise<UndoDone> => {
    const plan = await Undo.of(journal, record, ruled);
    return bulk.change(by, plan, { ifRevision: journal.head().revision }, (changed) => undone(changed, plan.left));
  };
  const reserved = new Reserved();
  const ruled = { declared, reserved };
  return {
    read: (subject) => merging.read((db) => readSubject(db, subject)),
    list: (query) => merging.read((db) => listSubjects(db, query)),
    history: (subject, query) => merging.read((db) => listHistory(db, subject, query)),
    async change(by, request, within) {
      if (request.subjects.length > valuesAtOnceMax) await aTurn();
      const plan = planOf(request, ruled);
      if (request.dryRun) return { revision: journal.head().revision, changed: await bulk.rehearse(plan, request) };
      const { action, named } = plan;
      if (plan.values > valuesAtOnceMax) {
        if (within) throw tooMany();
        return bulk.change(by, plan, request, (changed) => ({ changed }));
      }
      // Else it takes its turn at once: changes are made in the order in which they were asked for.
      if (merging.isUnderWay) await merging.mergeAhead(named);
      const { result, revision } = await journal.change({ ...by, action }, async (change) => {
        await merging.mergeFor(change.db, named);
        await requirePreconditions(change.db, named, request);
        return changeAttributes(change, plan, await within?.(change));
      });
      return { revision, changed: result };
    },
    async undo(by, record, alsoUndone) {
      await merging.merged();
      if (record.draft) return untouched(() => undoBulk(by, record));
      const plan = await Undo.of(journal, record, ruled);
      const { action, undoes, named } = plan;
      const { result, revision } = await journal.change({ ...by, action, undoes }, async (change) => {
        await merging.mergeFor(change.db, named);
        const also = await alsoUndone(change);
        const { changed, newest } = await changeAll(change, plan);
        if (changed + also.changed === 0) change.unchanged(Math.max(undoes, newest, also.newest), named);
        return undone(changed + also.changed, [...plan.left, ...also.left]);
      });
      return { revision, ...result };
    },
    async requirePreconditions(db, subjects, conditions) {
      await merging.mergeFor(db, subjects);
      await requirePreconditions(db, subjects, conditions);
    },
    merged: () => merging.merged(),
    isBetween,
    laidOver,
    select: (where, stop) => selections.select(where, stop),
    gateReads,
    types: () => merging.read((db) => listTypes(db, declared)),
    type: (name) => merging.read((db) => readType(db, name, declared)),
    retype: (by, asked) => merging.whole((requireWhole) => retype({ ...parts, requireWhole }, by, asked)),
    bring: (db, rows) => lookAt(db, rows, ruled),
    ensure: (change, subject) => ensureSubject(change, subject, ruled),
    ...ownWrites(merging, ruled),
    ...addresses(store),
    async [Symbol.asyncDispose]() {
      merging.stop();
    },
  };
}

const undone = (changed: number, left: LeftByUndo[]) => ({
  ...{ changed, leaves: left.length, left: left.slice(0, leftNamedMax) },
});

/** Where gates are reached, and by which names. */
function addresses(store: Store): Pick<Attributes, 'hostsOf' | 'announce'> {
  const announced = new Map<string, string>();
  return {
    async hostsOf(gate) {
      const row = await store.read((db) =>
        db.selectFrom('subjects').select('hosts').where('id', '=', gate).executeTakeFirst(),
      );
      return row?.hosts ? (JSON.parse(row.hosts) as string[]) : undefined;
    },
    async announce({ actor: gate, requireAllowed }, { url, mqtt = null }) {
      const where = `${url} ${mqtt}`;
      if (announced.get(gate) === where) return;
      await store.change(async (db) => {
        await requireAllowed?.(db);
        await db.updateTable('subjects').set({ url, mqttUrl: mqtt }).where('id', '=', gate).execute();
      });
      announced.set(gate, where);
    },
  };
}

type OwnWrites = Pick<Attributes, 'put' | 'reserve' | 'lay' | 'lift' | 'isLaid' | 'beneath' | 'valueAt' | 'valuesOf'>;

/** What other parts of the authority do within a revision of theirs. */
function ownWrites(merging: Merging, { declared, reserved }: Ruled): OwnWrites {
  return {
    async put(change, values) {
      await merging.mergeFor(change.db, [values.subject]);
      return put(change, values, declared);
    },
    reserve: (reservation) => reserved.add(reservation),
    async lay(change, over) {
      await merging.mergeFor(change.db, [over.subject]);
      reserved.require(over.subject, await kindOf(change.db, over.subject), over.name);
      await requireTypes(change.db, [[over.name, over.value]], declared);
      await lay(change, over);
    },
    async lift(change, from) {
      await merging.mergeFor(change.db, [from.subject]);
      await lift(change, from);
    },
    isLaid,
    beneath: readBeneath,
    valueAt,
    valuesOf,
  };
}

const tooMany = () =>
  new PortcullisError('request_malformed', `holds are released with at most ${valuesAtOnceMax} values at once`);

export type { Becomes, Bringing, Brought } from './bring.ts';
export { valuesAtOnceMax } from './bulk-change.ts';
export type { NewSubject } from './ensure-subject.ts';
export type { LaidOver } from './merge.ts';
export type { ListQuery, Page } from './read.ts';
