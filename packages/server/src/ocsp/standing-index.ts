export const serialBytesMax = 20;

/** What is told of a certificate. */
export interface KnownStanding {
  /** Of RFC 5280 §5.3.1; undefined: it is good. */
  reason: number | undefined;
  /** When that came to be so: milliseconds since 1970, whole seconds. */
  changedAt: number;
}

export interface PlacedStanding extends KnownStanding {
  /** The number of its issuer. */
  issuer: number;
  /** At most 20 bytes. */
  serial: Uint8Array;
  /** When the certificate ends: milliseconds since 1970. */
  notAfter: number;
}

const capacityMin = 1_024;
/** Places that a search looks through are twice as many as certificates at most: it ends soon. */
const placesEach = 2;
const good = 0;

/** What a table of so many certificates consists of: 31 bytes of each, and 8 of places. */
class Columns {
  readonly serials: Uint8Array;
  readonly issuers: Uint16Array;
  /** `good`, or the reason and one. */
  readonly told: Uint8Array;
  /** Seconds since 1970. */
  readonly changedAt: Uint32Array;
  readonly notAfter: Uint32Array;
  /** By hash, then the next ones: a row and one; 0: nobody. */
  readonly places: Uint32Array;

  constructor(capacity: number) {
    this.serials = new Uint8Array(capacity * serialBytesMax);
    this.issuers = new Uint16Array(capacity);
    this.told = new Uint8Array(capacity);
    this.changedAt = new Uint32Array(capacity);
    this.notAfter = new Uint32Array(capacity);
    this.places = new Uint32Array(capacity * placesEach);
  }

  get capacity(): number {
    return this.issuers.length;
  }
}

/**
 * Certificates by issuer and serial number, in packed columns: a million take about forty megabytes. When it is full, those that ended before
 * `keptSince` are forgotten, and only then it grows.
 */
export class StandingIndex {
  readonly #keptSince: () => number;
  #columns = new Columns(capacityMin);
  #size = 0;
  readonly #key = new Uint8Array(serialBytesMax);

  constructor(keptSince: () => number) {
    this.#keptSince = keptSince;
  }

  get size(): number {
    return this.#size;
  }

  find(issuer: number, serial: Uint8Array): KnownStanding | undefined {
    if (serial.length > serialBytesMax) return undefined;
    this.#spell(serial);
    const row = (this.#columns.places[this.#placeOf(issuer)] as number) - 1;
    if (row < 0) return undefined;
    const told = this.#columns.told[row] as number;
    const changedAt = (this.#columns.changedAt[row] as number) * 1_000;
    return { reason: told === good ? undefined : told - 1, changedAt };
  }

  put({ issuer, serial, reason, changedAt, notAfter }: PlacedStanding): void {
    if (this.#size === this.#columns.capacity) this.#makeRoom();
    this.#spell(serial);
    const place = this.#placeOf(issuer);
    const { places, serials, issuers, told, ...columns } = this.#columns;
    if (places[place] === 0) {
      places[place] = ++this.#size;
      serials.set(this.#key, (this.#size - 1) * serialBytesMax);
    }
    const row = (places[place] as number) - 1;
    issuers[row] = issuer;
    told[row] = reason === undefined ? good : reason + 1;
    columns.changedAt[row] = Math.floor(changedAt / 1_000);
    columns.notAfter[row] = Math.floor(notAfter / 1_000);
  }

  /** The number, in as many bytes as all have. */
  #spell(serial: Uint8Array): void {
    this.#key.fill(0);
    this.#key.set(serial, serialBytesMax - serial.length);
  }

  /** Where what is spelled is, or would be. */
  #placeOf(issuer: number): number {
    const { places, issuers } = this.#columns;
    let place = hashOf(this.#key, issuer) % places.length;
    for (;;) {
      const row = (places[place] as number) - 1;
      if (row < 0 || (issuers[row] === issuer && this.#isSpelledAt(row))) return place;
      place = (place + 1) % places.length;
    }
  }

  #isSpelledAt(row: number): boolean {
    const { serials } = this.#columns;
    for (let at = 0; at < serialBytesMax; at++) if (serials[row * serialBytesMax + at] !== this.#key[at]) return false;
    return true;
  }

  #makeRoom(): void {
    const before = this.#columns;
    const since = Math.floor(this.#keptSince() / 1_000);
    const kept = before.notAfter.reduce((count, notAfter) => (notAfter < since ? count : count + 1), 0);
    this.#columns = new Columns(kept > before.capacity / 2 ? before.capacity * 2 : before.capacity);
    this.#size = 0;
    for (let row = 0; row < before.capacity; row++) {
      const notAfter = before.notAfter[row] as number;
      if (notAfter < since) continue;
      const told = before.told[row] as number;
      this.put({
        issuer: before.issuers[row] as number,
        serial: before.serials.subarray(row * serialBytesMax, (row + 1) * serialBytesMax),
        reason: told === good ? undefined : told - 1,
        changedAt: (before.changedAt[row] as number) * 1_000,
        notAfter: notAfter * 1_000,
      });
    }
  }
}

/** FNV-1a. Who chooses numbers is the authority, not who asks. */
function hashOf(bytes: Uint8Array, issuer: number): number {
  let hash = 0x811c9dc5 ^ issuer;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
