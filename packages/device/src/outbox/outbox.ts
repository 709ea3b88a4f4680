import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { counted, PortcullisError } from '@portcullis/contract';
import { makeDirectory, syncDirectory } from '../durable.ts';
import { realSystem, type System } from '../system.ts';
import { Cursor, type Place } from './cursor.ts';
import { type Damage, DamagedBytes } from './damage.ts';
import { Numbering } from './numbering.ts';
import { lineIn } from './reading.ts';
import { appendRecords, cutAt, encodeRecord, type Gap, readRecords, recordBytesMax, scanSegment } from './segment.ts';

/** A reading as it waits: the line that a gate gets. */
export interface Waiting {
  line: string;
  place: Place;
}

export interface OutboxBounds {
  bytesMax: number;
  readingsMax: number;
}

export const outboxBounds: OutboxBounds = { bytesMax: 64 * 1024 * 1024, readingsMax: 1_000_000 };
const segmentBytesMax = 4 * 1024 * 1024;
/** A segment that is done and takes more readings stays as long as it is smaller: making a new one is no work for nothing. */
const emptyBytesMax = 256 * 1024;

interface Segment {
  /** Where the next record begins. */
  end: number;
  /** What no record is any more. */
  gaps: Gap[];
  /** Damaged bytes that the disk had no room to keep a copy of. */
  holdsDamage: boolean;
}

/** Some readings that were put together. */
export interface Put {
  /** How many of them are on disk: the first ones. */
  taken: number;
  /** The number of the first. */
  first: number;
  /** Why the next one is not: `outbox_full`, `usage` (too large). */
  refusal?: PortcullisError;
}

interface Pending {
  records: Buffer[];
  refusal: PortcullisError | undefined;
  resolve(put: Put): void;
  reject(error: unknown): void;
}

/**
 * The readings of one stream that no gate has acknowledged yet, on disk: append-only segments of checksummed records, and a
 * cursor that says what is done. A reading is durable before `put` resolves. After a crash or a power cut everything that was
 * durable is there, a torn tail is cut off, and at worst what was acknowledged last is sent once more (the gate knows its id).
 * What is damaged is passed over, kept and told; what is whole behind it is sent.
 */
export class Outbox {
  readonly #directory: string;
  readonly #bounds: OutboxBounds;
  readonly #onDamage: (damage: Damage) => void;
  readonly #damaged: DamagedBytes;
  /** By their numbers, in order. */
  readonly #segments = new Map<number, Segment>();
  readonly #cursor: Cursor;
  readonly #numbering: Numbering;
  /** Given with the last flush: what is numbered behind it is on its way to disk. */
  #numberOnDisk: number | undefined;
  /** Of the newest segment that there was. */
  #newest: number;
  #handle: number | undefined;
  #pendingBytes = 0;
  #pendingReadings = 0;
  #waiting = 0;
  #gone = 0;
  #pending: Pending[] = [];
  #flushing = false;
  /** Once one did not fit, none does until some leave: a later, smaller one never comes before it. */
  #full = false;

  constructor(
    directory: string,
    bounds: OutboxBounds = outboxBounds,
    onDamage: (damage: Damage) => void = () => undefined,
    { random }: Pick<System, 'random'> = realSystem,
  ) {
    makeDirectory(directory);
    this.#directory = directory;
    this.#bounds = bounds;
    this.#onDamage = onDamage;
    this.#damaged = new DamagedBytes(directory);
    this.#cursor = new Cursor(directory);
    this.#numbering = new Numbering(directory, random, this.#cursor.last);
    const numbers = segmentsIn(directory);
    this.#newest = Math.max(this.#cursor.place.segment, ...numbers);
    for (const number of numbers) this.#count(number, number === this.#newest);
    if ([...this.#segments.values()].some(({ gaps }) => gaps.length > 0)) this.#numbering.lose();
    this.#numberOnDisk = this.#numbering.last;
  }

  /** Readings that wait. */
  get length(): number {
    return this.#waiting;
  }

  /** Readings are numbered from this start on; the oldest that waits has this number. */
  get gone(): number {
    return this.#gone;
  }

  /** On disk or about to be, without what is done. */
  get #bytes(): number {
    const { segment, offset } = this.#cursor.place;
    const done = this.#segments.has(segment) ? offset : 0;
    return [...this.#segments.values()].reduce((sum, { end }) => sum + end, this.#pendingBytes - done);
  }

  /** Resolves when the reading is on disk. @throws {PortcullisError} `outbox_full`, `disk_full`, `usage` (too large) */
  async put(line: string): Promise<void> {
    const { refusal } = await this.putAll([line]);
    if (refusal) throw refusal;
  }

  /** As many as fit, in their order; resolves when these are on disk, all together. @throws {PortcullisError} `disk_full` */
  async putAll(lines: string[]): Promise<Put> {
    this.#requireRun();
    const records: Buffer[] = [];
    let refusal: PortcullisError | undefined;
    let held = this.#bytes;
    for (const line of lines) {
      const before = this.#numbering.last;
      const record = encodeRecord(this.#numbering.number(line));
      refusal = this.#refusalOf(record.length, held);
      if (refusal) this.#numbering.backTo(before);
      if (refusal) break;
      records.push(record);
      held += record.length;
      this.#pendingBytes += record.length;
      this.#pendingReadings++;
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({ records, refusal, resolve, reject });
      if (!this.#flushing) setImmediate(() => this.#flush());
      this.#flushing = true;
    });
  }

  /** The oldest readings that wait, with the place where each ends. */
  peek(limit: number, bytesMax: number): Waiting[] {
    const found: Waiting[] = [];
    let bytes = 0;
    for (const [segment, { gaps }] of this.#segments) {
      const bounds = { records: limit - found.length, bytes: bytesMax + 2 * recordBytesMax };
      const { records, isDamaged, isEnd } = readRecords(this.#fileOf(segment), this.#from(segment), bounds, gaps);
      for (const { payload, end } of records) {
        bytes += payload.length;
        if (found.length > 0 && bytes > bytesMax) return found;
        found.push({ line: lineIn(payload.toString()), place: { segment, offset: end } });
      }
      if (isDamaged) return this.#countAgain(segment) ? this.peek(limit, bytesMax) : found;
      // What follows the last one that was found is never passed over for a later segment.
      if (found.length >= limit || !isEnd) break;
    }
    return found;
  }

  /** Everything up to the place is done. A crash before the cursor is on disk sends it once more. */
  advance(place: Place, readings: number): void {
    this.#waiting -= readings;
    this.#gone += readings;
    this.#full = false;
    const isOnDisk = this.#cursor.move(place, this.#numberOnDisk);
    for (const number of [...this.#segments.keys()]) if (number < place.segment) this.#drop(number);
    const isEmpty = this.#waiting === 0 && place.offset === this.#segments.get(place.segment)?.end;
    if (!isEmpty || (isOnDisk && place.offset <= emptyBytesMax)) return;
    this.#drop(place.segment);
    if (!isOnDisk) this.#cursor.move(place, this.#numberOnDisk);
  }

  close(): void {
    if (this.#pending.length > 0) this.#flush();
    this.#closeSegment();
    this.#cursor.close();
  }

  #requireRun(): void {
    try {
      this.#numbering.requireRun();
    } catch (cause) {
      throw diskFull(cause);
    }
    this.#numberOnDisk ??= this.#numbering.last;
  }

  #refusalOf(recordBytes: number, held: number): PortcullisError | undefined {
    const { bytesMax, readingsMax } = this.#bounds;
    if (recordBytes > recordBytesMax) {
      const message = `the reading has ${recordBytes} bytes; at most ${recordBytesMax} fit`;
      return new PortcullisError('usage', message);
    }
    const readings = this.#waiting + this.#pendingReadings;
    this.#full = (this.#full && readings > 0) || held + recordBytes > bytesMax || readings >= readingsMax;
    if (!this.#full) return undefined;
    const message = `the outbox holds ${counted(readings, 'reading')} in ${held} bytes; it may hold ${readingsMax} in ${bytesMax}`;
    return new PortcullisError('outbox_full', message);
  }

  #closeSegment(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  /** All that came since the last flush becomes durable together. */
  #flush(): void {
    const group = this.#pending;
    [this.#pending, this.#pendingBytes, this.#pendingReadings, this.#flushing] = [[], 0, 0, false];
    try {
      this.#append(Buffer.concat(group.flatMap(({ records }) => records)));
    } catch (cause) {
      this.#numbering.backTo(this.#numberOnDisk);
      for (const { reject } of group) reject(diskFull(cause));
      return;
    }
    this.#numberOnDisk = this.#numbering.last;
    for (const { records, refusal, resolve } of group) {
      resolve({ taken: records.length, first: this.#gone + this.#waiting, ...(refusal && { refusal }) });
      this.#waiting += records.length;
    }
  }

  #append(records: Buffer): void {
    if (records.length === 0) return;
    const { segment, handle } = this.#openSegment();
    appendRecords(handle, records, segment.end);
    segment.end += records.length;
  }

  /** The segment that takes records now. One of an earlier process is never written again: its tail may have been cut. */
  #openSegment(): { segment: Segment; handle: number } {
    const last = this.#segments.get(this.#newest);
    if (this.#handle !== undefined && last && last.end < segmentBytesMax)
      return { segment: last, handle: this.#handle };
    this.#closeSegment();
    const number = this.#newest + 1;
    this.#handle = openSync(this.#fileOf(number), 'wx+', 0o600);
    this.#newest = number;
    const segment = { end: 0, gaps: [], holdsDamage: false };
    this.#segments.set(number, segment);
    syncDirectory(this.#directory);
    return { segment, handle: this.#handle };
  }

  /** Where what waits begins in a segment that is not done. */
  #from(segment: number): number {
    return segment === this.#cursor.place.segment ? this.#cursor.place.offset : 0;
  }

  #count(number: number, mayBeTorn: boolean): void {
    if (number < this.#cursor.place.segment) return this.#drop(number);
    const file = this.#fileOf(number);
    const { records, gaps, end } = scanSegment(file, this.#from(number), mayBeTorn, (payload) =>
      this.#numbering.saw(payload),
    );
    const told = gaps.map((gap) => this.#damaged.keep(file, gap));
    const holdsDamage = told.some((damage) => damage?.isKept === false);
    this.#segments.set(number, { end, gaps, holdsDamage });
    this.#waiting += records;
    cutAt(file, end);
    for (const damage of told) if (damage) this.#onDamage(damage);
  }

  /** What was whole at the start is not any more. False: nothing is to be done about it. */
  #countAgain(number: number): boolean {
    const known = this.#segments.get(number);
    const { gaps } = scanSegment(this.#fileOf(number), this.#from(number), false);
    if (!known || gaps.length === 0) return false;
    const before = this.#waiting;
    this.#waiting = 0;
    for (const segment of [...this.#segments.keys()]) this.#count(segment, false);
    this.#gone += before - this.#waiting;
    return true;
  }

  #drop(number: number): void {
    if (number === this.#newest) this.#closeSegment();
    if (this.#segments.get(number)?.holdsDamage) this.#damaged.take(this.#fileOf(number));
    rmSync(this.#fileOf(number), { force: true });
    this.#segments.delete(number);
  }

  #fileOf(segment: number): string {
    return join(this.#directory, `${String(segment).padStart(8, '0')}.log`);
  }
}

function diskFull(cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') return cause;
  return new PortcullisError('disk_full', 'the disk of the outbox is full', { cause });
}

/** The numbers of the segments in a directory, in order. */
export function segmentsIn(directory: string): number[] {
  const names = readdirSync(directory).filter((name) => /^\d{8}\.log$/.test(name));
  return names.map((name) => Number.parseInt(name, 10)).sort((one, other) => one - other);
}
