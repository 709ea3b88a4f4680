import { sql } from 'kysely';
import type { Journal } from '../journal/journal.ts';
import { generationIn, renewGeneration, type Store } from '../storage/storage.ts';
import { type Log, type System, timestamp } from '../telemetry/telemetry.ts';
import { type Destination, destinationOf } from './destination.ts';
import { nameOf, segmentBytes } from './segments.ts';

export interface ShippingParts {
  fleet: string;
  /** Where segments go: a directory, meant to be on another disk; or a program, by its absolute path, and its arguments. */
  to: string | readonly string[];
  store: Store;
  journal: Journal;
  system: System;
  log: Log;
}

export interface ShippingState {
  /** A directory, or a program with its arguments. */
  directory: string;
  /** How many transactions wait. */
  waiting: number;
  /** RFC 3339: how long ago the last of what there was had been shipped; null: nothing waits. */
  waitingSince: string | null;
  /** RFC 3339: since when it fails; null: it does not. */
  failingSince: string | null;
  why: string | null;
}

export interface Shipping {
  state(): Promise<ShippingState>;
  /** Ships what is there first, as far as it goes. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What several changes in a row share a file for. */
const gatherMs = 200;
const againMs = 1_000;
const gatheredBytesMax = 4 * 1024 * 1024;
const gatheredMax = 1_000;
/** So much may wait in the store for a place that does not take it. Then it is let go: shipping keeps no change from happening. */
const waitingBytesMax = 1024 * 1024 * 1024;
/** One segment is taken within this, or is tried again. */
const putMsMax = 60_000;
/** Of what ends: a program that hangs keeps no authority from stopping. What was not shipped waits in the store. */
const lastMsMax = 1_500;

/** A generation that was let go or broken off is not what a later backup is of. */
export function openShipping(parts: ShippingParts): Shipping {
  return new Shipper(parts);
}

class Shipper implements Shipping {
  readonly #parts: ShippingParts;
  readonly #destination: Destination;
  readonly #ending = new AbortController();
  readonly #forget: () => void;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();
  #failing: { since: number; why: string } | undefined;
  #waitingSince: number | undefined;
  #ended = false;

  constructor(parts: ShippingParts) {
    this.#parts = parts;
    this.#destination = destinationOf(parts.to);
    this.#forget = parts.journal.onChange(() => this.#within(gatherMs));
    this.#within(0);
  }

  async state(): Promise<ShippingState> {
    const { store } = this.#parts;
    const { count } = await store.read((db) =>
      db
        .selectFrom('changesets')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow(),
    );
    const failing = this.#failing;
    const failingSince = failing ? timestamp(failing.since) : null;
    const waitingSince = count > 0 && this.#waitingSince !== undefined ? timestamp(this.#waitingSince) : null;
    const { name: directory } = this.#destination;
    return { directory, waiting: Number(count), waitingSince, failingSince, why: failing?.why ?? null };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#forget();
    clearTimeout(this.#timer);
    const late = setTimeout(() => this.#ending.abort(new Error('the authority stops')), lastMsMax);
    await this.#running;
    await this.#round();
    clearTimeout(late);
  }

  #within(milliseconds: number): void {
    this.#waitingSince ??= this.#parts.system.now();
    const at = this.#parts.system.monotonic() + milliseconds;
    if (this.#ended || at >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = setTimeout(() => {
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#running = this.#running.then(() => this.#round()).then(() => this.#within(againMs));
    }, milliseconds).unref();
  }

  async #round(): Promise<void> {
    const { log, system } = this.#parts;
    try {
      while (await this.#shipSome());
      this.#waitingSince = undefined;
      if (this.#failing) log.info('what the authority does is shipped again');
      this.#failing = undefined;
    } catch (error) {
      const why = (error as Error).message;
      if (this.#failing?.why !== why)
        log.error({ err: error }, "couldn't ship what the authority does; it waits in the store");
      this.#failing = { since: this.#failing?.since ?? system.now(), why };
      await this.#requireRoom().catch((full: unknown) =>
        log.error({ err: full }, "couldn't look at what waits to be shipped"),
      );
    }
  }

  /** True while there may be more. A crash after the file is in its place, and before what it holds is gone here, makes it again, or longer. */
  async #shipSome(): Promise<boolean> {
    const { store, fleet, journal } = this.#parts;
    // Before it is read: what is in the file is there at that head or before.
    const found = await store.read(async (db) => {
      const generation = await generationIn(db);
      const sizes = await db
        .selectFrom('changesets')
        .select(['number', sql<number>`octet_length(bytes)`.as('bytes')])
        .orderBy('number')
        .limit(gatheredMax)
        .execute();
      const last = lastWithin(sizes);
      if (generation === undefined || last === undefined) return undefined;
      const rows = await db
        .selectFrom('changesets')
        .selectAll()
        .where('number', '<=', last)
        .orderBy('number')
        .execute();
      return { generation, last, rows };
    });
    if (!found) return false;
    const { position, revision, hash } = journal.head();
    const { generation, last, rows } = found;
    const [first] = rows;
    if (!first) return false;
    const changesets = rows.map(({ bytes }) => bytes);
    const segment = { fleet, generation, first: first.number, head: { position, revision, hash }, changesets };
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(putMsMax)]);
    await this.#destination.put(nameOf(segment), segmentBytes(segment), signal);
    await store.change((db) => db.deleteFrom('changesets').where('number', '<=', last).execute(), {
      ...{ durable: false, captured: false },
    });
    return true;
  }

  async #requireRoom(): Promise<void> {
    const { store, system, log } = this.#parts;
    const { bytes } = await store.read((db) =>
      db
        .selectFrom('changesets')
        .select(sql<number>`coalesce(sum(octet_length(bytes)), 0)`.as('bytes'))
        .executeTakeFirstOrThrow(),
    );
    if (bytes <= waitingBytesMax) return;
    const id = system.random(8).toString('hex');
    await store.change((db) => renewGeneration(db, id), { captured: false });
    log.error(
      { bytes },
      'so much waited to be shipped that it was let go: make a new backup once shipping works again',
    );
  }
}

function lastWithin(sizes: readonly { number: number; bytes: number }[]): number | undefined {
  let bytes = 0;
  let last = sizes[0]?.number;
  for (const size of sizes) {
    bytes += size.bytes;
    if (bytes > gatheredBytesMax) break;
    last = size.number;
  }
  return last;
}
