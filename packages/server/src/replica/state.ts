import assert from 'node:assert/strict';
import type {
  AttributeFact,
  AttributeValue,
  FeedMessage,
  FleetName,
  Kind,
  SnapshotSoFar,
  Standing,
  SubjectDelta,
} from '@portcullis/contract';
import { Loading } from './loading.ts';
import { Overlay } from './overlay.ts';
import {
  applyDelta,
  around,
  type ChangeMessage,
  closeGaps,
  forgetEnded,
  kinds,
  none,
  type Origin,
  standings,
  Tables,
} from './tables.ts';

export interface CertificateFact {
  subject: string;
  kind: Kind;
  standing: Standing;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  revision: number;
  changedBy: string;
  changedAt: string;
}

/** What a change touched: rows of subjects. */
export type Touched = readonly number[];

export class Replica {
  fleet: FleetName | undefined;
  revision = 0;
  hash = '0'.repeat(64);
  /** The head that the authority last spoke of. */
  headRevision = 0;
  complete = false;
  /** Grows with each snapshot, and when certificates were forgotten or moved: rows of an earlier generation mean nothing. */
  generation = 0;
  /** What gives back unused room, step by step. */
  #fitting: (() => void)[] = [];
  /** The row from which on ended certificates are looked for. */
  #looked = 0;
  /** The certificates that are left move together. */
  #closing = false;
  #tables = new Tables();
  #loading: Loading | undefined;
  /** A bulk change that is prepared: it decides nothing. */
  #staged: Overlay | undefined;
  /** One that is in force, and not wholly in the tables. */
  #over: Overlay | undefined;
  #trials = 0;

  get certificates(): number {
    return this.#tables.certificates.size;
  }

  /** No row of a subject has a higher number than this one less one; subjects stay where they are until the next snapshot. */
  get subjects(): number {
    return this.#tables.subjects.rows;
  }

  /** `resync`: what came is not the next change; nothing was applied. */
  receive(message: FeedMessage): {
    outcome: 'applied' | 'loaded' | 'prepared' | 'nothing' | 'resync';
    touched: Touched;
  } {
    switch (message.type) {
      case 'snapshot':
        this.#loading = new Loading(message);
        this.fleet = message.fleet;
        return nothing;
      case 'resumed':
      case 'packed':
      case 'subjects':
        return this.#loading?.take(message) ? nothing : resync;
      case 'complete':
        return this.#finishLoading(message);
      case 'change':
        return this.#apply(message);
      case 'part':
        return this.#stage(message);
      case 'prepared':
        return this.#prepared(message);
      case 'dropped':
        this.dropStaged();
        return nothing;
      case 'rules': // They say what to look for, not what is so.
        return nothing;
      case 'beat':
        this.headRevision = message.revision;
        // A beat names the head of all that was sent before it: at another place something is missing, or the history is another.
        return this.complete && !this.#standsAt(message) ? resync : nothing;
    }
  }

  /** What another replica was fed, and is not behind this one, takes the place of what is here. */
  succeed(other: Replica): void {
    assert(other.complete && other.revision >= this.revision, 'a successor is not behind');
    this.fleet = other.fleet;
    this.#take(other.#tables);
    [this.#staged, this.#over] = [other.#staged, other.#over];
    this.#stand(other);
  }

  /** The bulk change that is wholly here and not in force. */
  get holds(): string | undefined {
    return this.#staged?.isWhole ? this.#staged.draft : undefined;
  }

  /** Work that sees these values in force, and no other does: it is over within this turn. */
  trying<Result>(deltas: readonly SubjectDelta[], work: () => Result): Result {
    const over = this.#over;
    const names = new Set(this.#tables.attributes.keys());
    const trial = new Overlay('', this.#tables);
    trial.add(deltas);
    // What is in force over others is not looked at meanwhile.
    if (over) for (const row of trial.rows) over.merge(row);
    // No subject was ever touched at such a revision, so that no decision that was kept is taken for one about these values.
    trial.putInForce({ revision: -++this.#trials, changedBy: '', changedAt: '' });
    this.#over = trial;
    try {
      return work();
    } finally {
      this.#over = over;
      trial.drop();
      // A name that nobody has is no column for good.
      for (const name of this.#tables.attributes.keys()) if (!names.has(name)) this.#tables.attributes.delete(name);
    }
  }

  /** Puts so many rows of a bulk change that is in force into the tables; true while there are more. */
  mergeSome(rows: number): boolean {
    const more = this.#over?.mergeSome(rows) ?? false;
    if (!more) this.#over = undefined;
    return more;
  }

  /**
   * Puts things in order, a little at a time: gives back the room that a snapshot left unused, and forgets certificates that ended,
   * or were superseded, more than a day before `now`. A forgotten one is refused as unknown; what it was, the authority says. Where more
   * were forgotten than are left, their room is given back too.
   */
  tend(now: number): void {
    this.#fitting.shift()?.();
    const { rows } = this.#tables.certificates;
    const from = this.#looked;
    this.#looked += Math.min(lookedAtMax, rows);
    if (forgetEnded(this.#tables, around(from, this.#looked, rows), now)) this.generation++;
    if (rows > 0) this.#looked %= rows;
    this.#tables.certificates.moveSome(slotsMovedMax);
    this.#closeGaps();
  }

  #closeGaps(): void {
    const { certificates } = this.#tables;
    this.#closing ||= certificates.gaps > Math.max(certificates.size, gapsMin);
    if (!this.#closing) return;
    if (closeGaps(this.#tables, rowsMovedMax)) this.generation++;
    if (certificates.gaps > 0) return;
    this.#closing = false;
    this.#fitting = this.#tables.fitting();
  }

  #take(tables: Tables): void {
    this.#tables = tables;
    this.#fitting = tables.fitting();
    this.#loading = this.#staged = this.#over = undefined;
    this.#looked = 0;
    this.#closing = false;
    this.complete = true;
    this.generation++;
  }

  /** What is here of a snapshot that is not complete, where it can be gone on with. */
  readonly soFar = (): SnapshotSoFar | undefined => this.#loading?.soFar;

  /** What is here of it is not gone on with. */
  dropLoading(): void {
    this.#loading = undefined;
  }

  #finishLoading(message: { revision: number; hash: string }): { outcome: 'loaded' | 'resync'; touched: Touched } {
    if (!this.#loading) return { outcome: 'resync', touched: [] };
    this.#take(this.#loading.tables);
    this.#stand(message);
    return { outcome: 'loaded', touched: [] };
  }

  /** Each change names the hash of the one before it: what does not follow what is held here is not applied. */
  #apply(message: ChangeMessage): { outcome: 'applied' | 'nothing' | 'resync'; touched: Touched } {
    this.dropLoading();
    if (!this.complete) return resync;
    if (message.revision < this.revision || this.#standsAt(message)) return nothing;
    const previous = { revision: message.revision - 1, hash: message.previousHash ?? this.hash };
    if (!this.#standsAt(previous)) return resync;
    const covered = message.draft && this.#cover(message.draft, message);
    if (message.draft && !covered) return resync;
    const touched = message.subjects.map((delta) => this.#applyDelta(delta, message));
    this.#stand(message);
    return { outcome: 'applied', touched: covered ? [...covered, ...touched] : touched };
  }

  #applyDelta(delta: SubjectDelta, message: ChangeMessage): number {
    if (this.#over) this.#over.merge(this.findSubject(delta.subject));
    return applyDelta(this.#tables, delta, message);
  }

  /** Parts come in order; the first one begins anew, whatever there was. */
  #stage({ draft, number, subjects }: Extract<FeedMessage, { type: 'part' }>) {
    if (!this.complete) return resync;
    if (number === 1) {
      this.dropStaged();
      this.#staged = new Overlay(draft, this.#tables);
    }
    // What a part says of certificates nobody could lay over another.
    if (!this.#staged || !this.#stands(draft, number - 1) || subjects.some((one) => one.certificates)) return resync;
    this.#staged.add(subjects);
    return nothing;
  }

  #prepared({ draft, parts }: Extract<FeedMessage, { type: 'prepared' }>) {
    if (!this.#staged || !this.#stands(draft, parts)) return resync;
    this.#staged.isWhole = true;
    return prepared;
  }

  #stands(draft: string, parts: number): boolean {
    return this.#staged?.draft === draft && this.#staged.parts === parts;
  }

  /** Nobody will say any more what becomes of it. */
  dropStaged(): void {
    this.#staged?.drop();
    this.#staged = undefined;
  }

  /** All of it is in force with this one step. The rows that it covers; undefined: it is not here. */
  #cover({ id, parts }: { id: string; parts: number }, { revision, actor, at }: ChangeMessage): Touched | undefined {
    if (!this.#staged || !this.#stands(id, parts)) return undefined;
    this.mergeSome(Number.POSITIVE_INFINITY);
    this.#over = this.#staged;
    this.#staged = undefined;
    this.#over.putInForce({ revision, changedBy: actor, changedAt: at });
    return this.#over.rows;
  }

  #standsAt({ revision, hash }: { revision: number; hash: string }): boolean {
    return revision === this.revision && hash === this.hash;
  }

  #stand({ revision, hash }: { revision: number; hash: string }): void {
    this.revision = revision;
    this.hash = hash;
    this.headRevision = Math.max(this.headRevision, revision);
  }

  /** The row of a certificate by the SHA-256 of its DER, or -1. */
  find(fingerprint: Uint8Array): number {
    return this.#tables.certificates.find(fingerprint);
  }

  /** The row of a subject by its id, or -1. */
  findSubject(subject: string): number {
    return this.#tables.subjects.find(Buffer.from(subject));
  }

  subjectOf(certificate: number): number {
    return this.#tables.subjectOf.get(certificate);
  }

  subjectId(subject: number): string {
    return this.#tables.subjects.nameOf(subject);
  }

  kindOf(subject: number): Kind {
    return kinds[this.#tables.subjectKind.get(subject)] as Kind;
  }

  subjectRevision(subject: number): number {
    if (this.#over?.covers(subject)) return this.#over.origin.revision;
    return this.#tables.subjectRevision.get(subject);
  }

  standingOf(certificate: number): Standing {
    return standings[this.#tables.standing.get(certificate)] as Standing;
  }

  /** Milliseconds since 1970. */
  notBeforeOf(certificate: number): number {
    return this.#tables.notBefore.get(certificate) * 1000;
  }

  notAfterOf(certificate: number): number {
    return this.#tables.notAfter.get(certificate) * 1000;
  }

  fingerprintOf(certificate: number): string {
    return this.#tables.certificates.keyOf(certificate).toString('hex');
  }

  certificatesOf(subject: number): number[] {
    const found: number[] = [];
    for (
      let row = this.#tables.firstCertificate.get(subject);
      row !== none;
      row = this.#tables.nextCertificate.get(row)
    ) {
      found.push(row);
    }
    return found;
  }

  certificate(row: number): CertificateFact {
    const subject = this.subjectOf(row);
    return {
      subject: this.subjectId(subject),
      kind: this.kindOf(subject),
      standing: this.standingOf(row),
      notBefore: this.notBeforeOf(row),
      notAfter: this.notAfterOf(row),
      ...this.#tables.certificateOrigin.get(row, this.subjectId(subject)),
    };
  }

  /** What is suspended or revoked, of the rows from this one on: some milliseconds of work. `next`: where to go on; null: that was all. */
  cutFrom(from: number): { items: (CertificateFact & { fingerprint: string })[]; next: number | null } {
    const { certificates, standing } = this.#tables;
    const items: (CertificateFact & { fingerprint: string })[] = [];
    let row = from;
    const end = Math.min(certificates.rows, from + lookedForCutMax);
    for (; row < end && items.length < cutPerPageMax; row++) {
      if (!cut.includes(standing.get(row))) continue;
      items.push({ fingerprint: certificates.keyOf(row).toString('hex'), ...this.certificate(row) });
    }
    return { items, next: row < certificates.rows ? row : null };
  }

  /** The value alone: what an expectation is compared with. */
  valueOf(subject: number, name: string): AttributeValue | undefined {
    const over = this.#over?.over(subject, name);
    if (over) return over.value ?? undefined;
    const column = this.#tables.attributes.get(name);
    const number = column?.value.get(subject) ?? 0;
    return number === 0 ? undefined : this.#tables.values.valueOf(number - 1);
  }

  attribute(subject: number, name: string): AttributeFact | undefined {
    const column = this.#tables.attributes.get(name);
    const value = this.valueOf(subject, name);
    const origin = this.attributeOrigin(subject, name);
    if (!column || !origin || value === undefined) return undefined;
    const isPublic = this.#over?.over(subject, name)?.public ?? column.isPublic.get(subject) === 1;
    return { value, public: isPublic, ...origin };
  }

  /** The change behind a value, or behind its absence; undefined when it was never set. */
  attributeOrigin(subject: number, name: string): Origin | undefined {
    if (this.#over?.over(subject, name)) return this.#over.origin;
    const origin = this.#tables.attributes.get(name)?.origin.get(subject, this.subjectId(subject));
    return origin && origin.revision > 0 ? origin : undefined;
  }

  attributesOf(subject: number): Record<string, AttributeValue> {
    const found: Record<string, AttributeValue> = {};
    for (const name of this.#tables.attributes.keys()) {
      const value = this.valueOf(subject, name);
      if (value !== undefined) found[name] = value;
    }
    return found;
  }
}

/** Certificates that one step looks at: at two beats a second a million of them are looked at in less than two minutes. */
const lookedAtMax = 5_000;

const lookedForCutMax = 50_000;
const cutPerPageMax = 1_000;
const cut: readonly number[] = [standings.indexOf('suspended'), standings.indexOf('revoked')];

/** Fewer forgotten rows than these take no room to speak of. */
const gapsMin = 1_000;
const rowsMovedMax = 2_000;
const slotsMovedMax = 20_000;

const nothing = { outcome: 'nothing', touched: [] } as const;
const prepared = { outcome: 'prepared', touched: [] } as const;
const resync = { outcome: 'resync', touched: [] } as const;
