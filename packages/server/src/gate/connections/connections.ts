import type { Replica } from '../../replica/replica.ts';
import { Bearer } from './bearer.ts';

/** What a transport hands over to be judged at all: how to end it. */
export interface Transport {
  readonly remoteAddress: string;
  /** By the monotonic clock: since when nothing was heard, while nothing is under way; undefined while something is. */
  readonly idleSince: number | undefined;
  /** The same while something is under way that stands still. */
  readonly stalledSince: number | undefined;
  /** Ends at once when nothing is being answered; else what is under way is answered, and then it ends. */
  end(): void;
  /** Ends at once, whatever is under way. */
  drop(): void;
}

/**
 * One open connection of a bearer. Outside of this file it is a type alone: only the registry makes them, and nothing is
 * recorded without one, so that no transport can let a reading in over a connection that could not be cut.
 */
class Connection extends Bearer {
  readonly transport: Transport;
  /** Chosen for closing: whatever still arrives is judged, and refused by what made it so. */
  denied = false;
  /** In the last minutes of its certificate alone. */
  expiry: NodeJS.Timeout | undefined;

  constructor(fingerprint: Buffer | undefined, transport: Transport) {
    super(fingerprint);
    this.transport = transport;
  }
}

export type { Connection };

interface Parts {
  replica: Replica;
  /** Milliseconds since 1970, as certificates are judged by. */
  validityTime(): number;
  isAdmissible(bearer: Bearer): boolean;
}

const closedPerTurn = 256;
/** Some milliseconds of work. */
const judgedPerTurn = 2_000;
/** A far end is looked at again each minute: `setTimeout` fires at once beyond 2^31 ms (FIELD-NOTES K4), and a timer for each takes memory. */
const lookMs = 60_000;
/** A look may come late. */
const lastMs = 2 * lookMs;

/** Connections of which some are to be judged, and what is called after the last of them. */
interface Slices {
  left: Iterator<Connection>;
  concerns(connection: Connection): boolean;
  done(): void;
}

/** From certificate to open connections: what makes a cut a cut (P6). */
export class Connections {
  readonly #parts: Parts;
  readonly #byName = new Map<string, Set<Connection>>();
  #closing: Connection[] = [];
  /** Those that are looked at in slices, change by change. */
  readonly #judging: Slices[] = [];
  #looking: NodeJS.Timeout | undefined;
  #size = 0;
  #closed = 0;
  #displaced = 0;
  #turnedAway = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#size;
  }

  /** Denied and chosen for closing since the start. */
  get closed(): number {
    return this.#closed;
  }

  /** Ended since the start to make room for a newer one of the same certificate. */
  get displaced(): number {
    return this.#displaced;
  }

  /** Not taken since the start: all others of the same certificate had something under way. */
  get turnedAway(): number {
    return this.#turnedAway;
  }

  countOf(fingerprint: Buffer): number {
    return this.#byName.get(fingerprint.toString('hex'))?.size ?? 0;
  }

  register(fingerprint: Buffer | undefined, transport: Transport): Connection {
    const connection = new Connection(fingerprint, transport);
    const known = this.#byName.get(connection.name);
    if (known) known.add(connection);
    else this.#byName.set(connection.name, new Set([connection]));
    this.#size++;
    this.#watchExpiry(connection);
    this.#looking ??= this.#lookLater();
    return connection;
  }

  remove(connection: Connection): void {
    const known = this.#byName.get(connection.name);
    if (!known?.delete(connection)) return;
    clearTimeout(connection.expiry);
    this.#size--;
    if (this.#size === 0) {
      clearTimeout(this.#looking);
      this.#looking = undefined;
    }
    if (known.size === 0) this.#byName.delete(connection.name);
  }

  /** Ends the one of this certificate that was idle for longest, else the one that stood still for longest; undefined: there is none. */
  displace(fingerprint: Buffer): Connection | undefined {
    const all = [...(this.#byName.get(fingerprint.toString('hex')) ?? [])];
    const chosen = longest(all, 'idleSince') ?? longest(all, 'stalledSince');
    if (!chosen) {
      this.#turnedAway++;
      return undefined;
    }
    this.#displaced++;
    chosen.transport.drop();
    return chosen;
  }

  /**
   * Those of the touched subjects that no stream admits any more are denied now and closed in slices; the others are left alone. Where many
   * are looked at, they are in slices too; `done` is called after the last of them, and of those of earlier changes. (A reading is judged for
   * itself, whatever its connection is.)
   */
  changed(subjects: readonly number[], done: () => void = () => undefined): void {
    const { replica } = this.#parts;
    if (subjects.length > Math.min(this.#size, judgedPerTurn)) {
      const touched = new Set(subjects);
      const isTouched = (one: Connection) => one.rowIn(replica) !== -1 && touched.has(one.subject);
      return this.#judgeInSlices(this.#all(), isTouched, done);
    }
    for (const subject of subjects) {
      for (const row of replica.certificatesOf(subject)) {
        for (const connection of this.#byName.get(replica.fingerprintOf(row)) ?? []) this.#judge(connection);
      }
    }
    this.#judgeInSlices([].values(), () => false, done);
  }

  /** Those of a certificate that are not chosen for closing. */
  openOf(fingerprint: string): readonly Connection[] {
    return [...(this.#byName.get(fingerprint) ?? [])].filter(({ denied }) => !denied);
  }

  /** After a snapshot: everybody. */
  allChanged(done: () => void = () => undefined): void {
    this.#judgeInSlices(this.#all(), () => true, done);
  }

  /** The first slice now, where no earlier change has any left. */
  #judgeInSlices(left: Slices['left'], concerns: Slices['concerns'], done: Slices['done']): void {
    this.#judging.push({ left, concerns, done });
    if (this.#judging.length === 1) this.#judgeSlice();
  }

  #judgeSlice(): void {
    for (let count = 0; count < judgedPerTurn; ) {
      const [first] = this.#judging;
      if (!first) return;
      const next = first.left.next();
      if (next.done) {
        this.#judging.shift();
        first.done();
        continue;
      }
      count++;
      if (first.concerns(next.value)) this.#judge(next.value);
    }
    setImmediate(() => this.#judgeSlice());
  }

  endAll(): void {
    for (const connection of [...this.#all()]) connection.transport.end();
  }

  *#all(): Generator<Connection> {
    for (const connections of this.#byName.values()) yield* connections;
  }

  #judge(connection: Connection): void {
    if (!this.#parts.isAdmissible(connection)) this.#deny(connection);
  }

  #deny(connection: Connection): void {
    if (connection.denied) return;
    connection.denied = true;
    this.#closed++;
    this.#closing.push(connection);
    if (this.#closing.length === 1) setImmediate(() => this.#closeSlice());
  }

  /** The event loop gets its turn between slices, however many are cut at once (FIELD-NOTES A4). */
  #closeSlice(): void {
    for (const connection of this.#closing.splice(0, closedPerTurn)) connection.transport.end();
    if (this.#closing.length > 0) setImmediate(() => this.#closeSlice());
  }

  #lookLater(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#looking = this.#lookLater();
      this.#lookInSlices(this.#all());
    }, lookMs).unref();
  }

  #lookInSlices(left: Iterator<Connection>): void {
    for (let count = 0; count < judgedPerTurn; count++) {
      const next = left.next();
      if (next.done) return;
      this.#watchExpiry(next.value);
    }
    setImmediate(() => this.#lookInSlices(left));
  }

  /** A connection does not outlive its certificate (FIELD-NOTES A5). */
  #watchExpiry(connection: Connection): void {
    const { replica, validityTime } = this.#parts;
    const row = connection.rowIn(replica);
    if (row === -1) return;
    const leftMs = replica.notAfterOf(row) + 1 - validityTime();
    clearTimeout(connection.expiry);
    if (leftMs <= 0) this.#deny(connection);
    else if (leftMs <= lastMs) {
      connection.expiry = setTimeout(() => this.#watchExpiry(connection), leftMs).unref();
    }
  }
}

function longest(all: readonly Connection[], since: 'idleSince' | 'stalledSince'): Connection | undefined {
  const able = all.filter(({ transport }) => transport[since] !== undefined);
  return able.toSorted((one, other) => (one.transport[since] as number) - (other.transport[since] as number))[0];
}
