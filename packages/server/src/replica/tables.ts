import type {
  AttributeValue,
  FeedMessage,
  Kind,
  PackedSubjects,
  SnapshotSubject,
  Standing,
  SubjectDelta,
} from '@portcullis/contract';
import { timestamp } from '../telemetry/telemetry.ts';
import { DigestIndex, Interned, NameIndex, uint8, uint32, WideColumn } from './columns.ts';
import { Group, GroupedColumn } from './grouped.ts';

export type ChangeMessage = Extract<FeedMessage, { type: 'change' }>;

export const kinds: readonly Kind[] = [
  'device',
  'gateway',
  'shipment',
  'gate',
  'authority',
  'operator',
  'monitor',
  'checkpoint',
  'desk',
];
export const standings: readonly Standing[] = ['valid', 'suspended', 'revoked', 'superseded'];
export const none = 0xffffffff;
/** In place of a standing: the row of a certificate that was forgotten. */
const forgotten = 0xff;
const superseded = standings.indexOf('superseded');
/** So long after its end, and after it was superseded, a certificate is known: no connection of its time is open any more. */
const endedKeptMs = 86_400_000;

type PackedOrigins = Pick<PackedSubjects['certificates'], 'revision' | 'by' | 'at'>;

/** The same as `Origin`, its time also in milliseconds since 1970. */
type OriginTold = Omit<Origin, 'changedAt'> & { changedAt: string | number };

/** When and by whom: the change behind a value. */
export interface Origin {
  revision: number;
  changedBy: string;
  changedAt: string;
}

/** Most certificates are changed by their own subject alone, so this actor has a number of its own and is kept nowhere else. */
const itself = 0;

class OriginColumns {
  readonly #revision = new WideColumn();
  readonly #changedAt = new WideColumn();
  readonly #changedBy = uint32();
  readonly #actors: Interned<string>;

  constructor(actors: Interned<string>) {
    this.#actors = actors;
  }

  get(row: number, subject: string): Origin {
    const actor = this.#changedBy.get(row);
    return {
      revision: this.#revision.get(row),
      changedBy: actor === itself ? subject : this.#actors.valueOf(actor - 1),
      changedAt: timestamp(this.#changedAt.get(row)),
    };
  }

  changedAt(row: number): number {
    return this.#changedAt.get(row);
  }

  set(row: number, { revision, changedBy, changedAt }: OriginTold, subject: string): void {
    this.#revision.set(row, revision);
    this.#changedAt.set(row, milliseconds(changedAt));
    this.#setActor(row, changedBy === subject ? itself : this.#actors.use(changedBy) + 1);
  }

  clear(row: number): void {
    this.#setActor(row, itself);
  }

  move(from: number, to: number): void {
    for (const column of this.columns) column.set(to, column.get(from));
    this.#changedBy.set(from, itself);
  }

  #setActor(row: number, actor: number): void {
    const before = this.#changedBy.get(row);
    this.#changedBy.set(row, actor);
    if (before !== itself) this.#actors.release(before - 1);
  }

  get columns() {
    return [this.#revision, this.#changedAt, this.#changedBy];
  }
}

/** One attribute's values, by subject row. A value's number is one more than its place among the values; 0 is "not set". */
export class AttributeColumn {
  readonly value = uint32();
  readonly origin: OriginColumns;
  readonly isPublic = uint8();

  constructor(actors: Interned<string>) {
    this.origin = new OriginColumns(actors);
  }
}

/** The rows of one snapshot and of the changes since. */
export class Tables {
  readonly subjects = new NameIndex();
  /** The last of them in their order: one behind it is new, and is not looked for. */
  lastSubject = '';
  readonly subjectKind = uint8();
  readonly subjectRevision = new WideColumn();
  readonly firstCertificate = uint32();
  readonly certificates = new DigestIndex();
  /** Each decision reads these four. */
  readonly decisive = new Group(4);
  readonly subjectOf = new GroupedColumn(this.decisive, 0);
  readonly standing = new GroupedColumn(this.decisive, 1);
  readonly notBefore = new GroupedColumn(this.decisive, 2);
  readonly notAfter = new GroupedColumn(this.decisive, 3);
  readonly actors = new Interned<string>();
  readonly certificateOrigin = new OriginColumns(this.actors);
  readonly nextCertificate = uint32();
  readonly attributes = new Map<string, AttributeColumn>();
  readonly values = new Interned<AttributeValue>();

  /** The steps that give back what growing left unused: each copies one column. */
  fitting(): (() => void)[] {
    const ofSubjects: { fit(rows: number): void }[] = [this.subjectKind, this.subjectRevision, this.firstCertificate];
    for (const { value, isPublic, origin } of this.attributes.values())
      ofSubjects.push(value, isPublic, ...origin.columns);
    const ofCertificates = [this.decisive, this.nextCertificate, ...this.certificateOrigin.columns];
    return [
      () => this.subjects.fit(),
      () => this.certificates.fit(),
      ...ofSubjects.map((column) => () => column.fit(this.subjects.rows)),
      ...ofCertificates.map((column) => () => column.fit(this.certificates.rows)),
    ];
  }
}

/** A subject by row and id. */
interface Named {
  subject: number;
  id: string;
}

export function load(tables: Tables, from: SnapshotSubject): void {
  const subject = subjectRow(tables, from.subject, from.kind);
  const named = { subject, id: from.subject };
  tables.subjectRevision.set(subject, from.revision);
  for (const [name, fact] of Object.entries(from.attributes)) {
    setAttribute(tables, named, name, { value: fact.value, public: fact.public }, fact);
  }
  for (const certificate of from.certificates) setCertificate(tables, named, certificate, certificate);
}

/** The same of many, column by column. */
export function loadPacked(tables: Tables, { subject, kind, revision, actors, ...told }: PackedSubjects): void {
  const rows = subject.map((id, place) => {
    const row = subjectRow(tables, id, kind[place] as Kind);
    tables.subjectRevision.set(row, revision[place] as number);
    return row;
  });
  const originAt = ({ revision, by, at }: PackedOrigins, index: number): OriginTold => ({
    revision: revision[index] as number,
    changedBy: actors[by[index] as number] as string,
    changedAt: at[index] as number,
  });
  const namedAt = (place: number): Named => ({ subject: rows[place] as number, id: subject[place] as string });
  for (const { name, of, value, public: isPublic, ...origins } of told.attributes) {
    for (const [index, place] of of.entries()) {
      const change = { value: value[index] as AttributeValue, public: isPublic[index] === 1 };
      setAttribute(tables, namedAt(place), name, change, originAt(origins, index));
    }
  }
  const { of, fingerprints, standing, notBefore, notAfter, ...origins } = told.certificates;
  const digests = Buffer.from(fingerprints, 'hex');
  for (const [index, place] of of.entries()) {
    const fingerprint = digests.subarray(index * 32, index * 32 + 32);
    const validity = { notBefore: notBefore[index] as number, notAfter: notAfter[index] as number };
    const certificate = { fingerprint, standing: standing[index] as Standing, ...validity };
    putCertificate(tables, namedAt(place), certificate, originAt(origins, index));
  }
}

export function applyDelta(tables: Tables, delta: SubjectDelta, { revision, actor, at }: ChangeMessage): number {
  const subject = subjectRow(tables, delta.subject, delta.kind);
  const named = { subject, id: delta.subject };
  const origin = { revision, changedBy: actor, changedAt: at };
  tables.subjectRevision.set(subject, revision);
  for (const [name, change] of Object.entries(delta.attributes ?? {}))
    setAttribute(tables, named, name, change, origin);
  for (const certificate of delta.certificates ?? []) setCertificate(tables, named, certificate, origin);
  return subject;
}

export function subjectRow(tables: Tables, id: string, kind: Kind): number {
  const key = Buffer.from(id);
  const isBehind = id > tables.lastSubject;
  const known = isBehind ? -1 : tables.subjects.find(key);
  if (known !== -1) return known;
  if (isBehind) tables.lastSubject = id;
  const row = tables.subjects.add(key);
  tables.subjectKind.set(row, kinds.indexOf(kind));
  tables.firstCertificate.set(row, none);
  return row;
}

export function setAttribute(
  tables: Tables,
  { subject, id }: Named,
  name: string,
  change: { value: AttributeValue | null; public: boolean },
  origin: OriginTold,
): void {
  const column = columnOf(tables, name);
  const before = column.value.get(subject);
  column.value.set(subject, change.value === null ? 0 : tables.values.use(change.value) + 1);
  if (before !== 0) tables.values.release(before - 1);
  column.origin.set(subject, origin, id);
  column.isPublic.set(subject, change.public ? 1 : 0);
}

export function columnOf(tables: Tables, name: string): AttributeColumn {
  const column = tables.attributes.get(name) ?? new AttributeColumn(tables.actors);
  tables.attributes.set(name, column);
  return column;
}

function setCertificate(
  tables: Tables,
  named: Named,
  certificate: { fingerprint: string; standing: Standing; notBefore: string | number; notAfter: string | number },
  origin: Origin,
): void {
  putCertificate(tables, named, { ...certificate, fingerprint: Buffer.from(certificate.fingerprint, 'hex') }, origin);
}

function putCertificate(
  tables: Tables,
  { subject, id }: Named,
  certificate: { fingerprint: Buffer; standing: Standing; notBefore: string | number; notAfter: string | number },
  origin: OriginTold,
): void {
  const key = certificate.fingerprint;
  let row = tables.certificates.find(key);
  if (row === -1) {
    row = tables.certificates.add(key);
    tables.subjectOf.set(row, subject);
    tables.nextCertificate.set(row, tables.firstCertificate.get(subject));
    tables.firstCertificate.set(subject, row);
  }
  tables.standing.set(row, standings.indexOf(certificate.standing));
  tables.notBefore.set(row, Math.floor(milliseconds(certificate.notBefore) / 1000));
  tables.notAfter.set(row, Math.floor(milliseconds(certificate.notAfter) / 1000));
  tables.certificateOrigin.set(row, origin, id);
}

const milliseconds = (time: string | number) => (typeof time === 'number' ? time : Date.parse(time));

/** The round begins anew within a step, so that rows that are added meanwhile do not keep it at their end. */
export function* around(from: number, to: number, rows: number): Iterable<number> {
  for (let number = from; number < to; number++) yield number % rows;
}

/**
 * Forgets, of so many rows from one on, the certificates that ended long ago, so that renewals take no room for good: their rows
 * are given to those that come. True where it forgot one.
 */
export function forgetEnded(tables: Tables, rows: Iterable<number>, now: number): boolean {
  let forgot = false;
  for (const row of rows) {
    if (!endedLongAgo(tables, row, now - endedKeptMs)) continue;
    unlink(tables, row);
    tables.certificates.remove(row);
    tables.certificateOrigin.clear(row);
    tables.standing.set(row, forgotten);
    forgot = true;
  }
  return forgot;
}

/** The last rows, so many at the most, take the place of forgotten ones; what is behind the last is not there any more. True where one moved. */
export function closeGaps(tables: Tables, rows: number): boolean {
  let moved = false;
  for (let looked = 0; looked < rows && tables.certificates.gaps > 0; looked++) {
    const move = tables.certificates.closeLast();
    if (!move) continue;
    moveCertificate(tables, move.from, move.to);
    moved = true;
  }
  return moved;
}

function moveCertificate(tables: Tables, from: number, to: number): void {
  const { subjectOf, standing, notBefore, notAfter, firstCertificate, nextCertificate } = tables;
  const subject = subjectOf.get(from);
  if (firstCertificate.get(subject) === from) firstCertificate.set(subject, to);
  else nextCertificate.set(rowBefore(tables, from), to);
  for (const column of [subjectOf, standing, notBefore, notAfter, nextCertificate]) column.set(to, column.get(from));
  tables.certificateOrigin.move(from, to);
}

function endedLongAgo(tables: Tables, row: number, before: number): boolean {
  const standing = tables.standing.get(row);
  if (standing === forgotten) return false;
  if (tables.notAfter.get(row) * 1000 < before) return true;
  return standing === superseded && tables.certificateOrigin.changedAt(row) < before;
}

/** Takes the certificate out of its subject's list. */
function unlink(tables: Tables, row: number): void {
  const { firstCertificate, nextCertificate, subjectOf } = tables;
  const subject = subjectOf.get(row);
  const next = nextCertificate.get(row);
  if (firstCertificate.get(subject) === row) firstCertificate.set(subject, next);
  else nextCertificate.set(rowBefore(tables, row), next);
}

/** In its subject's list, where it is not the first. */
function rowBefore({ firstCertificate, nextCertificate, subjectOf }: Tables, row: number): number {
  let at = firstCertificate.get(subjectOf.get(row));
  while (nextCertificate.get(at) !== row) at = nextCertificate.get(at);
  return at;
}
