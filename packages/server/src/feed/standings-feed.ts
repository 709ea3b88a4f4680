import { setTimeout as pause } from 'node:timers/promises';
import { endedToldMs, type StandingsMessage, standingsPerMessageMax, type ToldStanding } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeRecord, Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { newestOf, readMerged, Steps, subjectsIn, taken } from './telling.ts';
import { toldReason } from './told-reason.ts';

/** Who signed certificates, and is signed for itself. */
export interface ToldIssuer {
  /** Its common name, and that of who signed its certificate. */
  name: string;
  issuer: string;
  /** Of its certificate. */
  fingerprint: string;
  serial: string;
  certificate: Buffer;
  notBefore: number;
  notAfter: number;
}

interface Parts {
  store: Store;
  journal: Pick<Journal, 'onChange' | 'onNote' | 'head' | 'deltasOf'>;
  attributes: Pick<Attributes, 'merged' | 'isBetween'>;
  issuers(): readonly ToldIssuer[];
  now(): number;
  write(message: StandingsMessage): Promise<void>;
  signal: AbortSignal;
}

/** What changes within this is one look at the store. */
const gatherMs = 20;
/** Subjects of which all certificates are read at once: each has a few. */
const subjectsAtOnce = 100;
/** More than these are told by all that there is, from the start. */
const touchedMax = 50_000;

const columns = [
  'fingerprint',
  'serial',
  'issuer',
  'issuerFingerprint',
  'standing',
  'reasonCode',
  'changedAt',
  'notAfter',
] as const;
type Row = Awaited<ReturnType<typeof rowsAfter>>[number];

/**
 * The standing of each certificate, told to a desk: all of them, then those of each subject that a change touched, read anew from the store.
 * Nothing here has an order that matters but the beat, which says up to which revision all was told.
 */
export class StandingsFeed {
  readonly #parts: Parts;
  readonly #steps: Steps;
  /** Subjects, and certificates that have no revision. */
  readonly #touched = { subject: new Set<string>(), fingerprint: new Set<string>() };
  #bulk: ChangeRecord[] = [];
  #heard: { revision: number; hash: string };
  /** Those that there were, and of these those that are told. */
  #known: readonly ToldIssuer[] | undefined;
  #issuers: readonly ToldIssuer[] = [];
  #anew = true;
  #beatDue = true;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#steps = new Steps(parts.signal);
    this.#heard = newestOf(parts.journal);
  }

  async run(): Promise<void> {
    const { journal } = this.#parts;
    const listen = () => {
      const stops = [journal.onChange((record) => this.#hear(record)), journal.onNote((said) => this.#hearNote(said))];
      // A commit between the two is heard of by neither.
      this.#heard = newestOf(journal);
      return stops;
    };
    await this.#steps.run(() => this.#step(), { listen, beat: () => this.#nudge({ beatDue: true }) });
  }

  #hear(record: ChangeRecord): void {
    this.#heard = { revision: record.revision, hash: record.hash };
    for (const { subject } of record.subjects) this.#touched.subject.add(subject);
    if (record.draft) this.#bulk.push(record);
    // The beat that follows is what a desk answers to.
    this.#nudge({ beatDue: true });
  }

  /** What a certificate is recorded by that has no revision. */
  #hearNote({ fingerprint, fingerprints }: Readonly<Record<string, unknown>>): void {
    const named = [fingerprint, ...(Array.isArray(fingerprints) ? fingerprints : [])];
    for (const one of named) if (typeof one === 'string') this.#touched.fingerprint.add(one);
    this.#nudge({ beatDue: false });
  }

  #nudge({ beatDue }: { beatDue: boolean }): void {
    this.#beatDue ||= beatDue;
    if (this.#touched.subject.size + this.#touched.fingerprint.size > touchedMax) this.#anew = true;
    this.#steps.wake();
  }

  async #step(): Promise<void> {
    const { subject, fingerprint } = this.#touched;
    if (this.#anew || this.#parts.issuers() !== this.#known) return this.#tellAll();
    const bulk = this.#bulk.shift();
    if (bulk) return this.#tellBulk(bulk);
    if (subject.size + fingerprint.size > 0) {
      await pause(gatherMs, undefined, { signal: this.#parts.signal }).catch(() => undefined);
      await this.#tellOf('subject', taken(subject, subjectsAtOnce));
      return this.#tellOf('fingerprint', taken(fingerprint, subjectsAtOnce));
    }
    if (this.#beatDue) {
      this.#beatDue = false;
      const { write, now } = this.#parts;
      return write({ type: 'beat', ...this.#heard, time: timestamp(now()) });
    }
    await this.#steps.woken();
  }

  /** What changes meanwhile is heard, and told after it. */
  async #tellAll(): Promise<void> {
    const { write, issuers, now } = this.#parts;
    this.#anew = false;
    this.#beatDue = true;
    this.#bulk = [];
    for (const named of Object.values(this.#touched)) named.clear();
    this.#known = issuers();
    this.#issuers = await this.#issuersOf(this.#known, now() - endedToldMs);
    const told = this.#issuers.map(({ fingerprint, certificate }) => ({
      fingerprint: fingerprint as never,
      certificate: certificate.toString('base64'),
    }));
    await write({ type: 'issuers', issuers: told });
    await this.#write(this.#issuers.map(asRow));
    for await (const rows of this.#pages(now())) await this.#write(rows);
  }

  /** All but those that ended before then with all that they signed: a fleet has others every ten years, and each that is full has one beside it. */
  async #issuersOf(all: readonly ToldIssuer[], since: number): Promise<readonly ToldIssuer[]> {
    const ended = new Set(all.flatMap(({ notAfter }, place) => (notAfter < since ? [place] : [])));
    const spare = (rows: readonly Row[]) => {
      for (const row of rows) if (row.notAfter >= since) ended.delete(placeOf(row, all));
    };
    spare(all.map(asRow));
    if (ended.size > 0) for await (const rows of this.#pages(since)) spare(rows);
    return all.filter((_, place) => !ended.has(place));
  }

  /** All certificates, but of those that are archived only what ends later than `since`. What leaves the live table meanwhile is found there: nothing goes back. */
  async *#pages(since: number): AsyncGenerator<Row[]> {
    yield* this.#pagesBy((db, last) => rowsAfter(db, last?.fingerprint ?? ''));
    yield* this.#pagesBy((db, last) => archivedAfter(db, last ?? { notAfter: since, fingerprint: '' }));
  }

  async *#pagesBy(pageAfter: (db: Reader, last: Row | undefined) => Promise<Row[]>): AsyncGenerator<Row[]> {
    for (let last: Row | undefined; !this.#parts.signal.aborted; ) {
      const rows = await readMerged(this.#parts, (db) => pageAfter(db, last));
      last = rows.at(-1);
      if (!last) return;
      yield rows;
    }
  }

  async #tellBulk(record: ChangeRecord): Promise<void> {
    for await (const subjects of subjectsIn(this.#parts.journal, record, subjectsAtOnce)) {
      await this.#tellOf('subject', subjects);
      if (this.#parts.signal.aborted) return;
    }
  }

  async #tellOf(column: 'subject' | 'fingerprint', named: readonly string[]): Promise<void> {
    if (named.length === 0) return;
    await this.#write(await readMerged(this.#parts, (db) => certificates(db).where(column, 'in', named).execute()));
  }

  async #write(rows: readonly Row[]): Promise<void> {
    const items = rows.map((row) => this.#told(row)).filter((item) => item !== undefined);
    for (let from = 0; from < items.length; from += standingsPerMessageMax)
      await this.#parts.write({ type: 'standings', items: items.slice(from, from + standingsPerMessageMax) });
  }

  /** Undefined: who signed it is no issuer of the fleet any more, or is not told. */
  #told(row: Row): ToldStanding | undefined {
    const issuer = placeOf(row, this.#issuers);
    if (issuer === -1) return undefined;
    return [issuer, row.serial, toldReason(row), row.changedAt, row.notAfter];
  }
}

/** Of who signed it. */
const placeOf = ({ issuerFingerprint, issuer: name }: Row, issuers: readonly ToldIssuer[]) =>
  issuers.findIndex((one) => (issuerFingerprint === null ? one.name === name : one.fingerprint === issuerFingerprint));

const certificates = (db: Reader) => db.selectFrom('certificates').select(columns).where('form', '=', 'certificate');

function rowsAfter(db: Reader, after: string) {
  return certificates(db)
    .where('fingerprint', '>', after)
    .orderBy('fingerprint')
    .limit(standingsPerMessageMax)
    .execute();
}

/** What was superseded is archived before it ends, and is not as if it had never been issued. */
function archivedAfter(db: Reader, { notAfter, fingerprint }: Pick<Row, 'notAfter' | 'fingerprint'>): Promise<Row[]> {
  return db
    .selectFrom('archivedCertificates')
    .select(columns)
    .where(({ eb, refTuple, tuple }) => eb(refTuple('notAfter', 'fingerprint'), '>', tuple(notAfter, fingerprint)))
    .where('form', '=', 'certificate')
    .orderBy('notAfter')
    .orderBy('fingerprint')
    .limit(standingsPerMessageMax)
    .execute();
}

const asRow = ({ fingerprint, serial, issuer, notBefore, notAfter }: ToldIssuer): Row => ({
  ...{ fingerprint, serial, issuer, issuerFingerprint: null, standing: 'valid' },
  ...{ reasonCode: null, changedAt: notBefore, notAfter },
});
