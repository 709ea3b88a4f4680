import type { Replica } from '../replica/replica.ts';

/** What a transport hands over to be judged at all: how to end it. */
export interface Transport {
  readonly remoteAddress: string;
  /** Ends at once when nothing is being answered; otherwise after the answer that is under way. */
  end(): void;
}

/** The leaf that a peer presented in a verified handshake. */
export interface Peer {
  /** SHA-256 of its DER; undefined when the connection carries none. */
  fingerprint: Buffer | undefined;
}

/**
 * One open connection of a peer. Only the registry makes them, and nothing is judged without one: a transport can not let a
 * reading in over a connection that could not be cut.
 */
export class Connection {
  readonly fingerprint: Buffer | undefined;
  readonly transport: Transport;
  /** Chosen for closing: whatever still arrives is judged, and refused by what made it so. */
  denied = false;
  timer: NodeJS.Timeout | undefined;
  #row = -1;
  #generation = -1;

  private constructor(peer: Peer, transport: Transport) {
    this.fingerprint = peer.fingerprint;
    this.transport = transport;
  }

  static open(peer: Peer, transport: Transport): Connection {
    return new Connection(peer, transport);
  }

  /** The row of its certificate, or -1: looked up once for each snapshot, as long as it is found. */
  rowIn(replica: Replica): number {
    if (this.#generation === replica.generation && this.#row !== -1) return this.#row;
    this.#generation = replica.generation;
    this.#row = this.fingerprint ? replica.find(this.fingerprint) : -1;
    return this.#row;
  }
}

const closedPerTurn = 256;
/** `setTimeout` fires at once beyond 2^31 ms: a far end is looked at again each hour (FIELD-NOTES K4). */
const timerMsMax = 3_600_000;

interface Parts {
  replica: Replica;
  now(): number;
  /** True while the certificate may still send to some stream. */
  isAdmissible(connection: Connection): boolean;
}

/** From certificate to open connections: what makes a cut a cut (P6). */
export class Connections {
  readonly #parts: Parts;
  readonly #byFingerprint = new Map<string, Set<Connection>>();
  #closing: Connection[] = [];
  #size = 0;
  /** Denied and chosen for closing since the start. */
  closed = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#size;
  }

  countOf(fingerprint: Buffer): number {
    return this.#byFingerprint.get(fingerprint.toString('hex'))?.size ?? 0;
  }

  register(peer: Peer, transport: Transport): Connection {
    const connection = Connection.open(peer, transport);
    const key = keyOf(connection);
    const known = this.#byFingerprint.get(key);
    if (known) known.add(connection);
    else this.#byFingerprint.set(key, new Set([connection]));
    this.#size++;
    this.#watchExpiry(connection);
    return connection;
  }

  remove(connection: Connection): void {
    const key = keyOf(connection);
    const known = this.#byFingerprint.get(key);
    if (!known?.delete(connection)) return;
    clearTimeout(connection.timer);
    this.#size--;
    if (known.size === 0) this.#byFingerprint.delete(key);
  }

  /** Those of the touched subjects that are admissible no more are denied now and closed in slices; the others are left alone. */
  changed(subjects: readonly number[]): void {
    const { replica } = this.#parts;
    for (const subject of subjects) {
      for (const row of replica.certificatesOf(subject)) {
        for (const connection of this.#byFingerprint.get(replica.fingerprintOf(row)) ?? []) this.#judge(connection);
      }
    }
  }

  /** After a snapshot or another policy: everybody. */
  allChanged(): void {
    for (const connections of this.#byFingerprint.values())
      for (const connection of connections) this.#judge(connection);
  }

  #judge(connection: Connection): void {
    if (!this.#parts.isAdmissible(connection)) this.deny(connection);
  }

  deny(connection: Connection): void {
    if (connection.denied) return;
    connection.denied = true;
    this.closed++;
    this.#closing.push(connection);
    if (this.#closing.length === 1) this.#closeSlice();
  }

  /** The event loop gets its turn between slices, however many are cut at once (FIELD-NOTES A4). */
  #closeSlice(): void {
    for (const connection of this.#closing.splice(0, closedPerTurn)) connection.transport.end();
    if (this.#closing.length > 0) setImmediate(() => this.#closeSlice());
  }

  /** A connection does not outlive its certificate. */
  #watchExpiry(connection: Connection): void {
    const { replica, now } = this.#parts;
    const row = connection.rowIn(replica);
    if (row === -1) return;
    const leftMs = replica.notAfterOf(row) - now();
    if (leftMs <= 0) {
      this.deny(connection);
      return;
    }
    connection.timer = setTimeout(() => this.#watchExpiry(connection), Math.min(leftMs + 1, timerMsMax)).unref();
  }

  endAll(): void {
    for (const connections of this.#byFingerprint.values())
      for (const connection of connections) connection.transport.end();
  }
}

function keyOf({ fingerprint }: Connection): string {
  return fingerprint?.toString('hex') ?? '';
}
