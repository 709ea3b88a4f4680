import type {
  AttributeName,
  Fingerprint,
  Kind,
  PublicCertificate,
  PublicJourney,
  PublicSubject,
  Standing,
  SubjectId,
} from '@portcullis/contract';
import { sql } from 'kysely';
import type { Reader } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';

/** Which code leads to whom changes without a revision. */
export interface CodeChanges {
  /** Called with the shipment whose code is another one. Returns how to stop. */
  onRotated(listener: (shipment: string) => void): () => void;
}

/** What anybody who knows their codes may know of journeys. */
export interface PublicJourneys {
  publicOf(db: Reader, shipments: readonly string[]): Promise<ReadonlyMap<string, PublicJourney>>;
  /** The attribute of a checkpoint that journeys call it by. */
  readonly publicName: string;
  /** Whose journeys do, in the order of their ids. */
  namedIn(db: Reader, checkpoint: string, after: string, limit: number): Promise<string[]>;
}

/** Whoever has something public, in the order of their ids. */
export async function publicIds(db: Reader, after: string, limit: number): Promise<string[]> {
  const named = await db
    .selectFrom('attributes')
    .select('subject')
    .distinct()
    .where('visibility', '=', sql.lit('public'))
    .where('subject', '>', after)
    .orderBy('subject')
    .limit(limit)
    .execute();
  const coded = await db
    .selectFrom('publicCodes')
    .select('subject')
    .where('subject', '>', after)
    .orderBy('subject')
    .limit(limit)
    .execute();
  const all = new Set([...named, ...coded].map(({ subject }) => subject));
  return [...all].sort(byCodeUnits).slice(0, limit);
}

/** As SQLite orders ids, which are ASCII. */
const byCodeUnits = (a: string, b: string) => (a < b ? -1 : 1);

/** Of these subjects what is public, by queries that find nothing else (P15). */
export async function publicOf(
  db: Reader,
  ids: readonly string[],
  { now, journeys }: { now: number; journeys: PublicJourneys | undefined },
): Promise<PublicSubject[]> {
  const values = await attributesOf(db, ids);
  const codes = await codesOf(db, ids);
  const there = await subjectsOf(db, [...new Set([...values.keys(), ...codes.keys()])]);
  const ends = await endsOf(db, [...there.keys()], now);
  const coded = [...codes.keys()].filter((id) => there.has(id));
  const certificates = await shownCertificates(db, coded);
  const courses = coded.length > 0 ? await journeys?.publicOf(db, coded) : undefined;
  return [...there].map(([id, kind]) => {
    const [code, certificate, journey] = [codes.get(id), certificates.get(id), courses?.get(id)];
    return {
      ...{ subject: id as SubjectId, kind, validUntil: ends.get(id) ?? null, attributes: values.get(id) ?? {} },
      ...(code !== undefined && { code }),
      ...(certificate && { certificate }),
      ...(journey && { journey }),
    };
  });
}

async function attributesOf(db: Reader, ids: readonly string[]): Promise<Map<string, PublicSubject['attributes']>> {
  const rows = await db
    .selectFrom('attributes')
    .select(['subject', 'name', 'value', 'changedAt', 'revision'])
    .where('visibility', '=', sql.lit('public'))
    .where('subject', 'in', ids)
    .execute();
  const of = (own: typeof rows) =>
    Object.fromEntries(
      own.map(({ name, value, changedAt, revision }) => [
        name as AttributeName,
        { value: JSON.parse(value) as never, changedAt: timestamp(changedAt), revision },
      ]),
    );
  return new Map([...Map.groupBy(rows, ({ subject }) => subject)].map(([subject, own]) => [subject, of(own)]));
}

async function codesOf(db: Reader, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await db.selectFrom('publicCodes').select(['subject', 'hash']).where('subject', 'in', ids).execute();
  return new Map(rows.map(({ subject, hash }) => [subject, hash]));
}

/** Those that are not retired, in order. */
async function subjectsOf(db: Reader, ids: readonly string[]): Promise<Map<string, Kind>> {
  const rows = await db
    .selectFrom('subjects')
    .select(['id', 'kind'])
    .where('id', 'in', ids)
    .where('retired', '=', 0)
    .orderBy('id')
    .execute();
  return new Map(rows.map(({ id, kind }) => [id, kind as Kind]));
}

async function endsOf(db: Reader, ids: readonly string[], now: number): Promise<Map<string, string>> {
  const rows = await db
    .selectFrom('certificates')
    .select(({ fn }) => ['subject', fn.max('notAfter').as('until')])
    .where('subject', 'in', ids)
    .where('purpose', '=', 'client')
    .where('standing', '=', 'valid')
    .where('notAfter', '>', now)
    .groupBy('subject')
    .execute();
  return new Map(rows.map(({ subject, until }) => [subject, timestamp(Number(until))]));
}

/** The shipments under way whose trackers these are. */
export async function trackedBy(db: Reader, ids: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('shipments')
    .select('id')
    .where('tracker', 'is not', null)
    .where('tracker', 'in', ids)
    .where('course', '!=', 'delivered')
    .execute();
  return rows.map(({ id }) => id);
}

/** A shipment's own; where it has none, its tracker's for as long as it is under way: what becomes of that later is not about it. */
async function shownCertificates(db: Reader, shipments: readonly string[]): Promise<Map<string, PublicCertificate>> {
  const own = await certificatesOf(db, shipments);
  const others = shipments.filter((id) => !own.has(id));
  const rows = await db
    .selectFrom('shipments')
    .select(['id', 'tracker'])
    .where('id', 'in', others)
    .where('course', '!=', 'delivered')
    .execute();
  const trackers = await certificatesOf(
    db,
    rows.flatMap(({ tracker }) => tracker ?? []),
  );
  for (const { id, tracker } of rows) {
    const certificate = tracker === null ? undefined : trackers.get(tracker);
    if (certificate) own.set(id, certificate);
  }
  return own;
}

/** The newest that no other took the place of; of each there are a few. */
async function certificatesOf(db: Reader, ids: readonly string[]): Promise<Map<string, PublicCertificate>> {
  const rows = await db
    .selectFrom('certificates')
    .select(['subject', 'fingerprint', 'standing', 'issuedAt'])
    .where('subject', 'in', ids)
    // The public can check nothing of a key that is shared.
    .where('form', '=', 'certificate')
    .where('confirmed', '=', 1)
    .execute();
  const newest = new Map<string, (typeof rows)[number]>();
  for (const row of rows) {
    const before = newest.get(row.subject);
    if (!before || rankOf(row) > rankOf(before)) newest.set(row.subject, row);
  }
  const chosen = [...newest.values()].map(({ fingerprint }) => fingerprint);
  const whole = await db.selectFrom('certificates').selectAll().where('fingerprint', 'in', chosen).execute();
  return new Map(whole.map((row) => [row.subject, told(row)]));
}

const rankOf = ({ standing, issuedAt }: { standing: string; issuedAt: number }) =>
  standing === 'superseded' ? issuedAt - Number.MAX_SAFE_INTEGER : issuedAt;

interface Row {
  fingerprint: string;
  standing: string;
  notBefore: number;
  notAfter: number;
  der: Uint8Array;
  issuerFingerprint: string | null;
}

const told = ({ fingerprint, standing, notBefore, notAfter, der, issuerFingerprint }: Row): PublicCertificate => ({
  fingerprint: fingerprint as Fingerprint,
  standing: standing as Standing,
  ...{ notBefore: timestamp(notBefore), notAfter: timestamp(notAfter) },
  certificate: Buffer.from(der).toString('base64'),
  issuer: issuerFingerprint as Fingerprint | null,
});
