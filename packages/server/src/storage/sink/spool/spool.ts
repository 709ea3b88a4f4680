import { PortcullisError } from '@portcullis/contract';
import type { Log } from '../../../telemetry/telemetry.ts';
import type { SinkRequest } from '../promises.ts';
import { type Disk, isDiskFull } from './disk.ts';
import { SpooledKeys } from './keys.ts';
import { nothingTold, type Told } from './numbers.ts';
import type { FoundRecord } from './opening.ts';
import { type Progress, ProgressFile } from './progress.ts';
import { Reserve } from './reserve.ts';
import type { Place } from './segment-files.ts';
import { Segments } from './segments.ts';

/** What one write or look leaves in the spool. */
export interface SpoolRecord {
  instance: string;
  /** What the sink is told of batches that went to it at once. */
  told: Told;
  /** Records whose readings are quarantined: they go nowhere. */
  gone: number[];
  requests: SinkRequest[];
}

interface Pending extends Place {
  number: number;
  readings: number;
  /** When the first of them was received. */
  oldest: number;
  keys: string[];
}

/** Consecutive records on their way to the sink. */
export interface Chunk {
  last: number;
  instance: string;
  told: Told;
  requests: SinkRequest[];
}

export interface SpoolParts {
  directory: string;
  bytesMax: number;
  /** Records up to this one tell of batches in another sink, which this one is told nothing of. */
  movedUpTo: number;
  disk: Disk;
  log: Log;
}

/** With which batches a spool begins to hold readings. */
export type Begun = Omit<Progress, 'drained'>;

const chunkReadingsMax = 5_000;
const chunkBytesMax = 4 * 1_048_576;

/** What is on the gate's disk and not in the sink yet, in the order in which it was acknowledged. */
export class Spool {
  readonly keys = new SpooledKeys();
  readonly #parts: SpoolParts;
  readonly #progress: ProgressFile;
  readonly #reserve: Reserve;
  readonly #gone = new Set<number>();
  /** Files that hold a record which can not be read any more. */
  readonly #spoilt = new Set<string>();
  /** What the records that were found tell the sink. */
  readonly #told: Told = { looked: 0, quarantine: [], unproven: [] };
  #segments!: Segments;
  #pending: Pending[] = [];

  private constructor(parts: SpoolParts, progress: ProgressFile) {
    [this.#parts, this.#progress] = [parts, progress];
    this.#reserve = new Reserve(parts.directory, parts.disk);
  }

  static async open(parts: SpoolParts): Promise<Spool> {
    const { directory, disk, log } = parts;
    await disk.make(directory);
    const progress = await ProgressFile.open(directory, disk, log);
    const spool = new Spool(parts, progress);
    const onRecord = (record: FoundRecord) => spool.#found(record);
    spool.#segments = await Segments.open({ directory, after: progress.now.drained, disk, log, onRecord });
    return spool;
  }

  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  get bytes(): number {
    return this.#segments.bytes;
  }

  get bytesMax(): number {
    return this.#parts.bytesMax;
  }

  get readings(): number {
    return this.#pending.reduce((total, { readings }) => total + readings, 0);
  }

  /** When the oldest reading was received that is not in the sink; null: there is none. */
  get oldest(): number | null {
    return this.#pending.find(({ readings }) => readings > 0)?.oldest ?? null;
  }

  get damaged(): number {
    return this.#segments.damaged + this.#spoilt.size;
  }

  /** Files that lie aside may have been removed. */
  countDamaged(): Promise<void> {
    return this.#segments.countDamaged();
  }

  get last(): number {
    return this.#segments.last;
  }

  /** What the sink may not have been told when the process before this one ended. */
  get told(): Told {
    return this.#told;
  }

  get progress(): Progress {
    return this.#progress.now;
  }

  /**
   * Durable when it resolves. `keys`: of the readings in it. `begun`: where this is the first record, the last batch that did not come from the spool.
   * @throws {PortcullisError} `store_unavailable` (the spool is full), `disk_full`
   */
  async append(record: SpoolRecord, keys: [string, string][], begun: () => Begun): Promise<number> {
    const body = Buffer.from(JSON.stringify(record));
    const readings = countIn(record.requests);
    if (readings > 0) await this.#requireRoom(body.length);
    return this.#onDisk(readings > 0, async () => {
      if (this.isEmpty) await this.#progress.write({ drained: this.last, ...begun() });
      const { number, ...place } = await this.#segments.append(body);
      this.#add(number, place, record, keys);
      return number;
    });
  }

  /** Its readings are in quarantine: they go nowhere, and their ids are free. */
  giveUp(number: number): void {
    this.#gone.add(number);
    const pending = this.#pending.find((one) => one.number === number);
    if (!pending) return;
    this.keys.remove(pending.keys);
    [pending.readings, pending.keys] = [0, []];
  }

  /** The next records up to this number; undefined: there is none. */
  async next(upTo: number): Promise<Chunk | undefined> {
    let chunk: Chunk | undefined;
    let [bytes, readings] = [0, 0];
    for (const pending of this.#pending) {
      if (pending.number > upTo || bytes >= chunkBytesMax || readings >= chunkReadingsMax) break;
      const record = await this.#read(pending);
      if (chunk && chunk.instance !== record.instance && record.requests.length > 0) break;
      chunk ??= { last: pending.number, instance: '', told: { looked: 0, quarantine: [], unproven: [] }, requests: [] };
      addTo(chunk, pending.number, record);
      bytes += pending.length;
      readings += countIn(record.requests);
    }
    return chunk;
  }

  /** What has a number up to this one came to the sink in this batch. */
  async drained(number: number, batch: number): Promise<void> {
    await this.#onDisk(false, () => this.#progress.write({ ...this.#progress.now, drained: number, batch }));
  }

  /** Nothing that is in the sink is the spool's: it is a new spool, or another sink. */
  async beginAfter(batch: number): Promise<void> {
    await this.#progress.write({ ...this.#progress.now, batch, direct: batch });
  }

  /** What is drained is not there any more. */
  async forget(number: number): Promise<void> {
    const removed = await this.#segments.removeUpTo(number, this.#spoilt);
    const done = this.#pending.filter((one) => one.number <= number);
    this.#pending = this.#pending.slice(done.length);
    for (const one of done) {
      this.keys.remove(one.keys);
      this.#gone.delete(one.number);
    }
    if (removed) await this.#tidy();
  }

  /** The disk has no room for what draining needs. */
  releaseReserve(): Promise<void> {
    return this.#reserve.release();
  }

  async close(): Promise<void> {
    await this.#segments.close();
  }

  async #tidy(): Promise<void> {
    const names = new Set(this.#pending.map(({ segment }) => segment));
    for (const name of this.#spoilt) if (!names.has(name)) this.#spoilt.delete(name);
    await this.#reserve.make();
  }

  async #requireRoom(bytes: number): Promise<void> {
    if (this.bytes + bytes > this.bytesMax)
      throw new PortcullisError(
        'store_unavailable',
        `the spool is full: it holds ${this.bytes} bytes of at most ${this.bytesMax}, and the sink is away`,
      );
    if (!this.#reserve.isThere) await this.#reserve.make();
    if (!this.#reserve.isThere)
      throw new PortcullisError('disk_full', 'the disk has no room for the spool; nothing was stored');
  }

  /** A full disk takes readings no more; what ends the need for them is written into the space that was kept for it. */
  async #onDisk<T>(isReading: boolean, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      if (isReading)
        throw new PortcullisError('disk_full', 'the disk has no room for the spool; nothing was stored', {
          cause: error,
        });
      await this.#reserve.release();
      return work();
    }
  }

  async #read(pending: Pending): Promise<SpoolRecord> {
    const { number, segment } = pending;
    const body = await this.#segments.read(number, pending);
    if (body === undefined) {
      if (!this.#spoilt.has(segment))
        this.#parts.log.error(
          { number, segment, readings: pending.readings },
          'a record of the spool can not be read any more: its readings are lost; the file is kept aside',
        );
      this.#spoilt.add(segment);
      return { instance: '', told: nothingTold, gone: [], requests: [] };
    }
    const record = this.#recordIn(number, body);
    return this.#gone.has(number) ? { ...record, requests: [] } : record;
  }

  #found({ number, body, ...place }: FoundRecord): void {
    const record = this.#recordIn(number, body);
    const { quarantine, unproven } = record.told;
    this.#told.quarantine.push(...quarantine);
    this.#told.unproven.push(...unproven);
    for (const gone of record.gone) this.giveUp(gone);
    const keys = record.requests.flatMap((request) => this.keys.sort(request, new Map()).keys);
    this.#add(number, place, record, keys);
  }

  #recordIn(number: number, body: Buffer): SpoolRecord {
    const record = JSON.parse(body.toString()) as SpoolRecord;
    return number > this.#parts.movedUpTo ? record : { ...record, told: nothingTold };
  }

  #add(number: number, { segment, at, length }: Place, record: SpoolRecord, keys: [string, string][]): void {
    const oldest = record.requests.reduce((least, { receivedAt }) => Math.min(least, receivedAt), Infinity);
    const names = keys.map(([key]) => key);
    this.#pending.push({ number, segment, at, length, readings: countIn(record.requests), oldest, keys: names });
    this.keys.add(keys);
  }
}

const countIn = (requests: readonly SinkRequest[]) => requests.reduce((total, { ids }) => total + ids.length, 0);

function addTo(chunk: Chunk, number: number, { instance, told, requests }: SpoolRecord): void {
  chunk.last = number;
  if (chunk.requests.length === 0) chunk.instance = instance;
  chunk.told.looked = Math.max(chunk.told.looked, told.looked);
  chunk.told.quarantine.push(...told.quarantine);
  chunk.told.unproven.push(...told.unproven);
  for (const request of requests) chunk.requests.push(request);
}
