import assert from 'node:assert/strict';
import type { Store, Writer } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';

interface Waiting {
  resolve(serial: Buffer): void;
  reject(error: unknown): void;
}

/** What follows a group waits for no more than this. */
const groupMax = 64;
/** So many lie ready at most. */
const aheadMax = 128;
const serialBytes = 16;

/**
 * Serials are on disk before what is signed with them. Those that are wanted in one turn of the event loop, or while others are written, are
 * written by one statement and flushed once; and the more are used, the more are written beside them for whoever comes next, who then waits for
 * no disk. What lies ready when the process ends is nobody's: never more than were used, and one.
 */
export class Serials {
  readonly #store: Store;
  readonly #system: Pick<System, 'now' | 'random'>;
  readonly #issuers = new Map<string, SerialsOfIssuer>();

  constructor(store: Store, system: Pick<System, 'now' | 'random'>) {
    this.#store = store;
    this.#system = system;
  }

  /** One that nobody had, of 16 bytes; resolves once it is durable. `issuer`: its name. */
  take(issuer: string): Promise<Buffer> {
    let own = this.#issuers.get(issuer);
    if (!own) {
      own = new SerialsOfIssuer((count) => this.#reserved(issuer, count));
      this.#issuers.set(issuer, own);
    }
    return own.take();
  }

  /** Fewer where one was drawn before. */
  async #reserved(issuer: string, count: number): Promise<Buffer[]> {
    const drawn = new Map<string, Buffer>();
    for (let index = 0; index < count; index++) {
      const serial = positiveSerial(this.#system.random(serialBytes));
      drawn.set(serial.toString('hex'), serial);
    }
    await this.#store.change(async (db) => {
      for (const used of await usedAmong(db, issuer, [...drawn.keys()])) drawn.delete(used);
      const rows = [...drawn.keys()].map((serial) => ({ issuer, serial, reservedAt: this.#system.now() }));
      if (rows.length > 0) await db.insertInto('serials').values(rows).execute();
    });
    return [...drawn.values()];
  }
}

class SerialsOfIssuer {
  readonly #reserve: (count: number) => Promise<Buffer[]>;
  readonly #ready: Buffer[] = [];
  readonly #waiting: Waiting[] = [];
  #ahead = 0;
  #filling = false;

  constructor(reserve: (count: number) => Promise<Buffer[]>) {
    this.#reserve = reserve;
  }

  take(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const serial = this.#waiting.length === 0 ? this.#ready.shift() : undefined;
      if (serial) resolve(serial);
      else this.#waiting.push({ resolve, reject });
      if (this.#waiting.length > 0 || this.#ready.length < this.#ahead / 2) this.#fill();
    });
  }

  #fill(): void {
    if (this.#filling) return;
    this.#filling = true;
    setImmediate(() => void this.#write());
  }

  async #write(): Promise<void> {
    const group = this.#waiting.splice(0, groupMax);
    try {
      const fresh = await this.#reserve(group.length + this.#ahead);
      this.#ahead = Math.min(aheadMax, 2 * this.#ahead + group.length);
      for (const { resolve, reject } of group) {
        const serial = fresh.shift();
        if (serial) resolve(serial);
        else reject(new assert.AssertionError({ message: 'a serial was drawn before' }));
      }
      this.#ready.push(...fresh);
    } catch (error) {
      // Where nobody waits, whoever comes next will hear of it.
      for (const { reject } of group) reject(error);
    }
    this.#filling = false;
    if (this.#waiting.length > 0) this.#fill();
  }
}

/** What is on record keeps its serial in its own row. */
async function usedAmong(db: Writer, issuer: string, serials: readonly string[]): Promise<string[]> {
  const of = (table: 'serials' | 'certificates' | 'archivedCertificates') =>
    db.selectFrom(table).select('serial').where('issuer', '=', issuer).where('serial', 'in', serials);
  const used = await of('serials').unionAll(of('certificates')).unionAll(of('archivedCertificates')).execute();
  return used.map(({ serial }) => serial);
}

/** 128 random bits with the first bit cleared and the second set: positive, and always 16 bytes (RFC 5280 §4.1.2.2). */
export function positiveSerial(random: Buffer): Buffer {
  const serial = Buffer.from(random);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}
