import type { Fingerprint, LeaseRequest, SubjectId } from '@portcullis/contract';
import { addressGroup } from '../../bounds/bounds.ts';
import type { Log } from '../../telemetry/telemetry.ts';
import type { Connection, Connections } from './connections.ts';

type Told = NonNullable<LeaseRequest['counters']['twoPlaces']>;

interface Parts {
  connections: Pick<Connections, 'openOf'>;
  monotonic(): number;
  log: Log;
}

/** What is longer ago counts no more, and no address is known for longer. */
const windowMs = 60_000;
/** From one place to another is a journey; there, back and there again within the window is two. */
const returnsLeast = 2;
const placesMax = 8;
/** Certificates that are watched at a time; the one that was quiet for longest gives way. */
const watchedMax = 10_000;
const toldMax = 20;

interface Watched {
  subject: string;
  places: Set<string>;
  last: string;
  /** When it came back to a place where it was before. */
  returns: number[];
  at: number;
}

const placeOf = ({ transport }: Connection) => addressGroup(transport.remoteAddress);

/**
 * A certificate that is live from two places in turn. It is watched from when a connection is opened at one place while another is open from
 * elsewhere, which a device that moves does too; it rings once it came back and back again, by connections or by readings. A line that leaves by
 * several addresses brings no two connections at a time for a device that holds one.
 */
export class TwoPlaces {
  readonly #parts: Parts;
  readonly #watched = new Map<string, Watched>();
  readonly #suspected = new Map<string, { subject: string; at: number }>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** How many certificates are watched, with addresses. */
  get size(): number {
    return this.#watched.size;
  }

  /** It is in the registry now. */
  opened(connection: Connection): void {
    if (this.#watched.has(connection.name)) return this.used(connection);
    const place = placeOf(connection);
    const open = this.#parts.connections.openOf(connection.name);
    const other = open.length > 1 && open.find((one) => placeOf(one) !== place);
    if (!other) return;
    const last = placeOf(other);
    const { subjectId: subject } = other;
    this.#watched.set(connection.name, { subject, places: new Set([last]), last, returns: [], at: 0 });
    this.used(connection);
    if (this.#watched.size > watchedMax) this.#watched.delete(this.#watched.keys().next().value as string);
  }

  /** It was opened, or a reading that came over it was admitted. */
  used(connection: Connection): void {
    const watched = this.#watched.size > 0 ? this.#watched.get(connection.name) : undefined;
    if (!watched) return;
    const place = placeOf(connection);
    if (place !== watched.last) this.#moved(connection, watched, place);
  }

  /** For the authority, as long as it is so: who rings knows what it rang for already. */
  told(): Told {
    this.#forget();
    return [...this.#suspected].slice(-toldMax).map(([certificate, { subject }]) => {
      return { subject: subject as SubjectId, certificate: certificate as Fingerprint };
    });
  }

  #moved({ name, subjectId }: Connection, watched: Watched, place: string): void {
    const at = this.#parts.monotonic();
    if (watched.places.has(place)) watched.returns.push(at);
    watched.returns = watched.returns.filter((one) => one > at - windowMs).slice(-returnsLeast);
    watched.places.delete(place);
    watched.places.add(place);
    if (watched.places.size > placesMax) watched.places.delete(watched.places.keys().next().value as string);
    watched.subject = subjectId || watched.subject;
    [watched.last, watched.at] = [place, at];
    // Who moved last is the last one.
    this.#watched.delete(name);
    this.#watched.set(name, watched);
    if (watched.returns.length >= returnsLeast) this.#suspect(name, watched);
  }

  #suspect(name: string, { subject, places, at }: Watched): void {
    // Nobody is told of whom nobody knows.
    if (subject === '') return;
    if (!this.#suspected.has(name)) {
      const where = { subject, certificate: name, places: [...places].slice(-returnsLeast) };
      this.#parts.log.warn(where, 'a certificate is live from two places in turn');
    }
    this.#suspected.delete(name);
    this.#suspected.set(name, { subject, at });
    if (this.#suspected.size > watchedMax) this.#suspected.delete(this.#suspected.keys().next().value as string);
  }

  #forget(): void {
    const since = this.#parts.monotonic() - windowMs;
    for (const known of [this.#watched, this.#suspected]) {
      for (const [name, { at }] of known) {
        if (at > since) break;
        known.delete(name);
      }
    }
  }
}
