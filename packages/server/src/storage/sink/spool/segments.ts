import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import type { Log } from '../../../telemetry/telemetry.ts';
import type { Appended, Disk } from './disk.ts';
import { bodyIn, frameBytes, framed, headBytes, headOf } from './frames.ts';
import { type FoundRecord, openSegments } from './opening.ts';
import { damagedIn, nameOf, type Place, type Segment, setAside } from './segment-files.ts';

/** Another segment is begun behind one that has so many bytes: whole ones are removed. */
const segmentBytes = 8 * 1_048_576;

export interface SegmentsParts {
  directory: string;
  /** What has a number up to this one is done with. */
  after: number;
  disk: Disk;
  log: Log;
  /** Those that are not, in their order. */
  onRecord(record: FoundRecord): void;
}

/** The files of a spool: records by their numbers, appended one after the other, each on disk before it counts. One process has them open. */
export class Segments {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #log: Log;
  readonly #segments: Segment[];
  /** The last segment, where it can be appended to. */
  #open: Appended | undefined;
  #last: number;
  #damaged: number;

  private constructor({ directory, disk, log }: SegmentsParts, segments: Segment[], last: number, damaged: number) {
    [this.#directory, this.#disk, this.#log] = [directory, disk, log];
    [this.#segments, this.#last, this.#damaged] = [segments, last, damaged];
  }

  static async open(parts: SegmentsParts): Promise<Segments> {
    const { segments, last } = await openSegments(parts);
    return new Segments(parts, segments, last, await damagedIn(parts.directory, parts.disk));
  }

  /** The number of the last record that was ever appended. */
  get last(): number {
    return this.#last;
  }

  get bytes(): number {
    return this.#segments.reduce((total, { bytes }) => total + bytes, 0);
  }

  /** How many files lie aside because they were damaged, until somebody removes them. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Durable when it resolves. What fails is cut off; where that fails too, nothing is appended to that file any more. */
  async append(body: Buffer): Promise<Place & { number: number }> {
    const number = ++this.#last;
    const full = (this.#segments.at(-1)?.bytes ?? 0) >= segmentBytes;
    if (this.#open === undefined || full) await this.#begin(number);
    const [file, segment] = [this.#open as Appended, this.#segments.at(-1) as Segment];
    const bytes = framed(number, body);
    const at = segment.bytes;
    try {
      await file.write(bytes, at);
      if (!(await file.isThere())) throw this.#isGone(segment);
    } catch (error) {
      await file.cut(at).catch(() => this.#end());
      throw error;
    }
    [segment.bytes, segment.last] = [at + bytes.length, number];
    return { number, segment: segment.name, at: at + frameBytes, length: body.length };
  }

  /** Undefined: it is not what was written; its file is kept aside when it goes. */
  async read(number: number, { segment, at, length }: Place): Promise<Buffer | undefined> {
    const bytes = await this.#disk
      .readPart(join(this.#directory, segment), at - frameBytes, length + frameBytes)
      .catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'ENOENT' ? this.#isGone({ name: segment }) : error;
      });
    return bodyIn(bytes, number);
  }

  /** Anew: somebody may have removed them. */
  async countDamaged(): Promise<void> {
    if (this.#damaged > 0) this.#damaged = await damagedIn(this.#directory, this.#disk);
  }

  /** Files of which every record has a number up to this one. `kept`: those that are moved aside. */
  async removeUpTo(number: number, kept: ReadonlySet<string>): Promise<boolean> {
    let removed = false;
    while (this.#segments[0] && this.#segments[0].last <= number) {
      const [{ name }] = this.#segments as [Segment];
      if (this.#segments.length === 1) await this.#end();
      if (kept.has(name)) await this.#setAside(name);
      else await this.#disk.remove(join(this.#directory, name));
      this.#segments.shift();
      removed = true;
    }
    return removed;
  }

  async close(): Promise<void> {
    await this.#end();
  }

  #isGone({ name }: Pick<Segment, 'name'>): PortcullisError {
    const file = join(this.#directory, name);
    const words = `"${file}" was removed while it was in use: put it back, or start the gate anew without what it held`;
    return new PortcullisError('store_damaged', words);
  }

  async #setAside(name: string): Promise<void> {
    await setAside(this.#directory, name, this.#disk, this.#log);
    this.#damaged++;
  }

  async #begin(number: number): Promise<void> {
    await this.#end();
    const name = nameOf(number);
    const file = join(this.#directory, name);
    try {
      this.#open = await this.#disk.create(file, headOf());
      await this.#disk.sync(this.#directory);
    } catch (error) {
      await this.#end();
      await this.#disk.remove(file).catch(() => undefined);
      throw error;
    }
    this.#segments.push({ name, bytes: headBytes, last: number - 1 });
  }

  async #end(): Promise<void> {
    const file = this.#open;
    this.#open = undefined;
    await file?.close().catch((error: unknown) => this.#log.warn({ err: error }, "couldn't close a file of the spool"));
  }
}
