import type { AttributeValue, FeedMessage, Kind, SnapshotSubject, Standing, SubjectDelta } from '@portcullis/contract';
import { timestamp } from '../telemetry/telemetry.ts';
import { float64, Interned, KeyIndex, uint8, uint32 } from './columns.ts';

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
];
export const standings: readonly Standing[] = ['valid', 'suspended', 'revoked', 'superseded'];
export const none = 0xffffffff;
const fingerprintBytes = 32;

/** When and by whom: the change behind a value. */
interface Origin {
  revision: number;
  changedBy: string;
  changedAt: string;
}

class OriginColumns {
  readonly #revision = float64();
  readonly #changedAt = float64();
  readonly #changedBy = uint32();
  readonly #actors: Interned<string>;

  constructor(actors: Interned<string>) {
    this.#actors = actors;
  }

  get(row: number): Origin {
    return {
      revision: this.#revision.get(row),
      changedBy: this.#actors.valueOf(this.#changedBy.get(row)),
      changedAt: timestamp(this.#changedAt.get(row)),
    };
  }

  set(row: number, { revision, changedBy, changedAt }: Origin): void {
    this.#revision.set(row, revision);
    this.#changedBy.set(row, this.#actors.numberOf(changedBy));
    this.#changedAt.set(row, Date.parse(changedAt));
  }

  fit(rows: number): void {
    this.#revision.fit(rows);
    this.#changedAt.fit(rows);
    this.#changedBy.fit(rows);
  }
}

/** One attribute's values, by subject row. A value's number is one more than its place among the values; 0 is "not set". */
class AttributeColumn {
  readonly value = uint32();
  readonly origin: OriginColumns;
  readonly isPublic = uint8();

  constructor(actors: Interned<string>) {
    this.origin = new OriginColumns(actors);
  }
}

/** The rows of one snapshot and of the changes since. */
export class Tables {
  readonly subjects = new KeyIndex();
  readonly subjectKind = uint8();
  readonly subjectRevision = float64();
  readonly firstCertificate = uint32();
  readonly certificates = new KeyIndex(fingerprintBytes);
  readonly subjectOf = uint32();
  readonly standing = uint8();
  readonly notBefore = uint32();
  readonly notAfter = uint32();
  readonly actors = new Interned<string>();
  readonly certificateOrigin = new OriginColumns(this.actors);
  readonly nextCertificate = uint32();
  readonly attributes = new Map<string, AttributeColumn>();
  readonly values = new Interned<AttributeValue>();

  /** A snapshot is complete: what growing left unused is given back. */
  fit(): void {
    this.subjects.fit();
    this.certificates.fit();
    const [subjects, certificates] = [this.subjects.size, this.certificates.size];
    for (const column of [this.subjectKind, this.subjectRevision, this.firstCertificate]) column.fit(subjects);
    for (const column of [this.subjectOf, this.standing, this.notBefore, this.notAfter, this.nextCertificate])
      column.fit(certificates);
    this.certificateOrigin.fit(certificates);
    for (const { value, isPublic, origin } of this.attributes.values()) {
      value.fit(subjects);
      isPublic.fit(subjects);
      origin.fit(subjects);
    }
  }
}

export function load(tables: Tables, from: SnapshotSubject): void {
  const subject = subjectRow(tables, from.subject, from.kind);
  tables.subjectRevision.set(subject, from.revision);
  for (const [name, fact] of Object.entries(from.attributes)) {
    setAttribute(tables, subject, name, { value: fact.value, public: fact.public }, fact);
  }
  for (const certificate of from.certificates) setCertificate(tables, subject, certificate, certificate);
}

export function applyDelta(tables: Tables, delta: SubjectDelta, { revision, actor, at }: ChangeMessage): number {
  const subject = subjectRow(tables, delta.subject, delta.kind);
  const origin = { revision, changedBy: actor, changedAt: at };
  tables.subjectRevision.set(subject, revision);
  for (const [name, change] of Object.entries(delta.attributes ?? {}))
    setAttribute(tables, subject, name, change, origin);
  for (const certificate of delta.certificates ?? []) setCertificate(tables, subject, certificate, origin);
  return subject;
}

function subjectRow(tables: Tables, id: string, kind: Kind): number {
  const key = Buffer.from(id);
  const known = tables.subjects.find(key);
  if (known !== -1) return known;
  const row = tables.subjects.add(key);
  tables.subjectKind.set(row, kinds.indexOf(kind));
  tables.firstCertificate.set(row, none);
  return row;
}

function setAttribute(
  tables: Tables,
  subject: number,
  name: string,
  change: { value: AttributeValue | null; public: boolean },
  origin: Origin,
): void {
  let column = tables.attributes.get(name);
  if (!column) {
    column = new AttributeColumn(tables.actors);
    tables.attributes.set(name, column);
  }
  column.value.set(subject, change.value === null ? 0 : tables.values.numberOf(change.value) + 1);
  column.origin.set(subject, origin);
  column.isPublic.set(subject, change.public ? 1 : 0);
}

function setCertificate(
  tables: Tables,
  subject: number,
  certificate: { fingerprint: string; standing: Standing; notBefore: string; notAfter: string },
  origin: Origin,
): void {
  const key = Buffer.from(certificate.fingerprint, 'hex');
  let row = tables.certificates.find(key);
  if (row === -1) {
    row = tables.certificates.add(key);
    tables.subjectOf.set(row, subject);
    tables.nextCertificate.set(row, tables.firstCertificate.get(subject));
    tables.firstCertificate.set(subject, row);
  }
  tables.standing.set(row, standings.indexOf(certificate.standing));
  tables.notBefore.set(row, Math.floor(Date.parse(certificate.notBefore) / 1000));
  tables.notAfter.set(row, Math.floor(Date.parse(certificate.notAfter) / 1000));
  tables.certificateOrigin.set(row, origin);
}
