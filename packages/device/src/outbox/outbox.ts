import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ClockState, PortcullisError } from '@portcullis/contract';
import { makeDirectory, replaceFile, syncDirectory } from '../durable.ts';
import { appendRecords, cutTail, encodeRecord, readRecords, recordBytesMax } from './segment.ts';

/** One reading as it waits: its id and time are fixed when it is put, so that every retry is the same reading. */
export interface Waiting {
  id: string;
  time: string;
  clock: ClockState;
  data: Record<string, unknown>;
}

/** Where a reading ends in the outbox: taking it out means moving the cursor here. */
export interface Place {
  segment: number;
  offset: number;
}

export interface OutboxBounds {
  bytesMax: number;
  readingsMax: number;
}

export const outboxBounds: OutboxBounds = { bytesMax: 64 * 1024 * 1024, readingsMax: 1_000_000 };
const segmentBytesMax = 4 * 1024 * 1024;

interface Pending {
  bytes: Buffer;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * The readings of one stream that no gate has acknowledged yet, on disk: append-only segments of checksummed records, and a
 * cursor that says what is done. A reading is durable before `put` resolves. After a crash or a power cut everything that was
 * durable is there, a torn tail is cut off, and at worst what was acknowledged last is sent once more (the gate knows its id).
 */
export class Outbox {
  readonly #directory: string;
  readonly #bounds: OutboxBounds;
  /** Segment numbers in order, with the bytes of whole records in each. */
  readonly #segments = new Map<number, number>();
  #cursor: Place;
  #handle: number | undefined;
  #pendingBytes = 0;
  #waiting = 0;
  #pending: Pending[] = [];
  #flushing = false;
  /** Once one did not fit, none does until some leave: a later, smaller one never comes before it. */
  #full = false;

  constructor(directory: string, bounds: OutboxBounds = outboxBounds) {
    makeDirectory(directory);
    this.#directory = directory;
    this.#bounds = bounds;
    this.#cursor = this.#readCursor();
    const names = readdirSync(directory).filter((name) => /^\d{8}\.log$/.test(name));
    for (const name of names.sort()) this.#count(Number.parseInt(name, 10));
  }

  /** Readings that wait. */
  get length(): number {
    return this.#waiting;
  }

  /** On disk or about to be, without what is done. */
  get #bytes(): number {
    const done = this.#segments.has(this.#cursor.segment) ? this.#cursor.offset : 0;
    return [...this.#segments.values()].reduce((sum, bytes) => sum + bytes, this.#pendingBytes - done);
  }

  /** Resolves when the reading is on disk. @throws {PortcullisError} `outbox_full`, `disk_full`, `usage` (too large) */
  put(reading: Waiting): Promise<void> {
    const payload = Buffer.from(JSON.stringify(reading));
    if (payload.length > recordBytesMax) {
      const message = `the reading has ${payload.length} bytes; at most ${recordBytesMax} fit`;
      return Promise.reject(new PortcullisError('usage', message));
    }
    const bytes = encodeRecord(payload);
    const { bytesMax, readingsMax } = this.#bounds;
    const readings = this.#waiting + this.#pending.length;
    if ((this.#full && readings > 0) || this.#bytes + bytes.length > bytesMax || readings >= readingsMax) {
      this.#full = true;
      const held = `${readings} readings in ${this.#bytes} bytes`;
      const message = `the outbox holds ${held}; it may hold ${readingsMax} in ${bytesMax}`;
      return Promise.reject(new PortcullisError('outbox_full', message));
    }
    this.#full = false;
    this.#pendingBytes += bytes.length;
    return new Promise((resolve, reject) => {
      this.#pending.push({ bytes, resolve, reject });
      if (!this.#flushing) setImmediate(() => this.#flush());
      this.#flushing = true;
    });
  }

  /** The oldest readings that wait, with the place where each ends. */
  peek(limit: number, bytesMax: number): { reading: Waiting; place: Place; bytes: number }[] {
    const found: { reading: Waiting; place: Place; bytes: number }[] = [];
    let bytes = 0;
    for (const segment of this.#segments.keys()) {
      if (segment < this.#cursor.segment) continue;
      const from = segment === this.#cursor.segment ? this.#cursor.offset : 0;
      const bounds = { records: limit - found.length, bytes: bytesMax + 2 * recordBytesMax };
      for (const { payload, end } of readRecords(this.#fileOf(segment), from, bounds).records) {
        bytes += payload.length;
        if (found.length > 0 && bytes > bytesMax) return found;
        const reading = JSON.parse(payload.toString('utf8')) as Waiting;
        found.push({ reading, place: { segment, offset: end }, bytes: payload.length });
      }
      if (found.length >= limit) break;
    }
    return found;
  }

  /** Everything up to the place is done. A crash before the cursor is on disk sends it once more. */
  advance(place: Place, readings: number): void {
    this.#waiting -= readings;
    this.#full = false;
    this.#cursor = place;
    replaceFile(this.#cursorFile(), `${JSON.stringify(place)}\n`);
    for (const segment of [...this.#segments.keys()].filter((number) => number < place.segment)) this.#drop(segment);
  }

  close(): void {
    if (this.#pending.length > 0) this.#flush();
    this.#closeSegment();
  }

  #closeSegment(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  /** All that came since the last flush becomes durable together. */
  #flush(): void {
    const group = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#flushing = false;
    if (group.length === 0) return;
    try {
      const records = Buffer.concat(group.map(({ bytes }) => bytes));
      const { segment, handle, end } = this.#openSegment();
      appendRecords(handle, records, end);
      this.#segments.set(segment, end + records.length);
      this.#waiting += group.length;
      for (const { resolve } of group) resolve();
    } catch (cause) {
      const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
      const error = full ? new PortcullisError('disk_full', 'the disk of the outbox is full', { cause }) : cause;
      for (const { reject } of group) reject(error);
    }
  }

  /** The segment that takes records now. One of an earlier process is never written again: its tail may have been cut. */
  #openSegment(): { segment: number; handle: number; end: number } {
    const last = [...this.#segments.entries()].at(-1);
    if (this.#handle !== undefined && last && last[1] < segmentBytesMax) {
      return { segment: last[0], handle: this.#handle, end: last[1] };
    }
    this.#closeSegment();
    const segment = Math.max(this.#cursor.segment, last?.[0] ?? 0) + 1;
    this.#handle = openSync(this.#fileOf(segment), 'wx+', 0o600);
    this.#segments.set(segment, 0);
    syncDirectory(this.#directory);
    return { segment, handle: this.#handle, end: 0 };
  }

  #count(segment: number): void {
    if (segment < this.#cursor.segment) {
      this.#drop(segment);
      return;
    }
    this.#segments.set(segment, cutTail(this.#fileOf(segment)));
    const from = segment === this.#cursor.segment ? this.#cursor.offset : 0;
    this.#waiting += readRecords(this.#fileOf(segment), from).records.length;
  }

  #drop(segment: number): void {
    rmSync(this.#fileOf(segment), { force: true });
    this.#segments.delete(segment);
  }

  #fileOf(segment: number): string {
    return join(this.#directory, `${String(segment).padStart(8, '0')}.log`);
  }

  #cursorFile(): string {
    return join(this.#directory, 'cursor.json');
  }

  /** Without a cursor that can be read, everything that is there is sent once more: the gate knows the ids. */
  #readCursor(): Place {
    try {
      const { segment, offset } = JSON.parse(readFileSync(this.#cursorFile(), 'utf8')) as Place;
      if (Number.isInteger(segment) && Number.isInteger(offset)) return { segment, offset };
    } catch {
      // None yet, or damaged.
    }
    return { segment: 0, offset: 0 };
  }
}
