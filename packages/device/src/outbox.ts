import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { replaceFile, syncDirectory } from './durable.ts';
import { appendRecords, cutTail, encodeRecord, readRecords, recordBytesMax } from './segment.ts';

/** One reading as it waits: its id and time are fixed when it is put, so that every retry is the same reading. */
export interface Waiting {
  id: string;
  time: string;
  clock: 'synchronized' | 'unsynchronized' | 'unknown';
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
  #segments: number[];
  #cursor: Place;
  #handle: number | undefined;
  #end = 0;
  #bytes = 0;
  #waiting = 0;
  #pending: Pending[] = [];
  #flushing = false;

  constructor(directory: string, bounds: OutboxBounds = outboxBounds) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#directory = directory;
    this.#bounds = bounds;
    this.#segments = readdirSync(directory)
      .filter((name) => /^\d{8}\.log$/.test(name))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);
    this.#cursor = this.#readCursor();
    for (const segment of this.#segments) this.#count(segment);
  }

  /** Readings that wait. */
  get length(): number {
    return this.#waiting;
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
    if (this.#bytes + bytes.length > bytesMax || this.#waiting + this.#pending.length >= readingsMax) {
      const message = `the outbox holds ${this.#waiting} readings in ${this.#bytes} bytes; it may hold ${readingsMax} in ${bytesMax}`;
      return Promise.reject(new PortcullisError('outbox_full', message));
    }
    this.#bytes += bytes.length;
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
    for (const segment of this.#segments) {
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
    this.#cursor = place;
    replaceFile(this.#cursorFile(), `${JSON.stringify(place)}\n`);
    for (const segment of this.#segments.filter((number) => number < place.segment)) this.#drop(segment);
    if (this.#waiting === 0 && this.#pending.length === 0) this.#bytes = 0;
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  /** All that came since the last flush becomes durable together. */
  #flush(): void {
    const group = this.#pending;
    this.#pending = [];
    this.#flushing = false;
    try {
      const records = Buffer.concat(group.map(({ bytes }) => bytes));
      appendRecords(this.#openSegment(), records, this.#end);
      this.#end += records.length;
      this.#waiting += group.length;
      for (const { resolve } of group) resolve();
    } catch (cause) {
      for (const { bytes } of group) this.#bytes -= bytes.length;
      const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
      const error = full ? new PortcullisError('disk_full', 'the disk of the outbox is full', { cause }) : cause;
      for (const { reject } of group) reject(error);
    }
  }

  #openSegment(): number {
    if (this.#handle !== undefined && this.#end < segmentBytesMax) return this.#handle;
    this.close();
    const number = Math.max(this.#cursor.segment, this.#segments.at(-1) ?? 0) + 1;
    this.#handle = openSync(this.#fileOf(number), 'wx+', 0o600);
    syncDirectory(this.#directory);
    this.#segments.push(number);
    this.#end = 0;
    return this.#handle;
  }

  #count(segment: number): void {
    if (segment < this.#cursor.segment) {
      this.#drop(segment);
      return;
    }
    const end = cutTail(this.#fileOf(segment));
    const from = segment === this.#cursor.segment ? this.#cursor.offset : 0;
    this.#waiting += readRecords(this.#fileOf(segment), from).records.length;
    this.#bytes += Math.max(0, end - from);
  }

  #drop(segment: number): void {
    this.#bytes = Math.max(0, this.#bytes - statSync(this.#fileOf(segment)).size);
    rmSync(this.#fileOf(segment), { force: true });
    this.#segments = this.#segments.filter((number) => number !== segment);
  }

  #fileOf(segment: number): string {
    return join(this.#directory, `${String(segment).padStart(8, '0')}.log`);
  }

  #cursorFile(): string {
    return join(this.#directory, 'cursor.json');
  }

  #readCursor(): Place {
    const none = { segment: 0, offset: 0 };
    if (!existsSync(this.#cursorFile())) return none;
    const parsed = JSON.parse(readFileSync(this.#cursorFile(), 'utf8')) as Place;
    return Number.isInteger(parsed.segment) && Number.isInteger(parsed.offset) ? parsed : none;
  }
}
