import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { makeDirectory, replaceFile } from '../durable.ts';
import type { Line } from '../outbox/lines.ts';
import type { Given } from '../outbox/reading.ts';
import type { System } from '../system.ts';

/** How much of a file was taken, by the file's own content: a path alone says nothing of what is there now. */
export interface Taken {
  stream: string;
  file: string;
  device: number;
  inode: number;
  /** What is on disk in the outbox, and SHA-256 of these bytes. */
  bytes: number;
  lines: number;
  hash: string;
  /** What the ids of its readings begin with. */
  ids: string;
  /** The group that was being put when this was written: what a crash leaves of it is put again, as the same readings. */
  group: { end: number; time: string } | null;
  isComplete: boolean;
}

const recordsMax = 64;

/** What earlier sends took of files: records in the device's directory, the oldest of which go. */
export class TakenFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = join(directory, 'taken');
  }

  /** The furthest record of this stream and file whose bytes are still what the file begins with. */
  async find(stream: string, file: string): Promise<Taken | undefined> {
    const path = realpathSync(file);
    const { dev, ino, size } = statSync(file);
    const records = this.#all()
      .filter((one) => one.stream === stream && one.bytes <= size)
      .filter((one) => one.file === path || (one.device === dev && one.inode === ino))
      .sort((one, other) => one.bytes - other.bytes);
    const hashes = await hashesAt(
      file,
      records.map(({ bytes }) => bytes),
    );
    return records.findLast(({ hash }, index) => hash === hashes[index]);
  }

  write(taken: Taken): void {
    makeDirectory(this.#directory);
    replaceFile(join(this.#directory, `${taken.ids}.json`), `${JSON.stringify(taken)}\n`);
    for (const name of this.#names().slice(0, -recordsMax)) rmSync(join(this.#directory, name));
  }

  forget({ ids }: Taken): void {
    rmSync(join(this.#directory, `${ids}.json`), { force: true });
  }

  /** By the time at which their sends began. */
  #names(): string[] {
    if (!existsSync(this.#directory)) return [];
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith('.json'))
      .sort();
  }

  #all(): Taken[] {
    return this.#names().flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(join(this.#directory, name), 'utf8')) as Taken];
      } catch {
        // Damaged: nothing is known of that file.
        return [];
      }
    });
  }
}

/** SHA-256 of what stands before each of the places, which are in order. */
async function hashesAt(file: string, places: number[]): Promise<string[]> {
  const hashes: string[] = [];
  const hash = createHash('sha256');
  let at = 0;
  for (const place of places) {
    await feed(hash, file, at, place);
    at = place;
    hashes.push(hash.copy().digest('hex'));
  }
  return hashes;
}

async function hashOf(file: string, bytes: number): Promise<Hash> {
  const hash = createHash('sha256');
  await feed(hash, file, 0, bytes);
  return hash;
}

async function feed(hash: Hash, file: string, from: number, to: number): Promise<void> {
  if (to === from) return;
  for await (const chunk of createReadStream(file, { start: from, end: to - 1 })) hash.update(chunk as Buffer);
}

/** How far the sending of one file is. Each group is noted before it is put: nothing is lost or doubled, whenever this process ends. */
export class Progress {
  readonly #files: TakenFiles;
  readonly #system: System;
  readonly #file: string;
  /** The group that an earlier process was putting when it ended. */
  readonly #earlier: Taken['group'];
  #taken: Taken;
  #isHashOfBytes = true;

  private constructor(files: TakenFiles, system: System, taken: Taken) {
    this.#files = files;
    this.#system = system;
    this.#file = taken.file;
    this.#taken = taken;
    this.#earlier = taken.group;
  }

  static begin(files: TakenFiles, system: System, stream: string, file: string): Progress {
    const { dev: device, ino: inode } = statSync(file);
    const ids = `${system.now().toString(36).padStart(9, '0')}-${system.random(10).toString('hex')}`;
    const hash = createHash('sha256').digest('hex');
    const start = { bytes: 0, lines: 0, hash, ids, group: null, isComplete: false };
    return new Progress(files, system, { stream, file: realpathSync(file), device, inode, ...start });
  }

  static resume(files: TakenFiles, system: System, taken: Taken, file: string): Progress {
    return new Progress(files, system, { ...taken, file: realpathSync(file), isComplete: false });
  }

  get bytes(): number {
    return this.#taken.bytes;
  }

  get lines(): number {
    return this.#taken.lines;
  }

  /** Of the bytes that were taken, so that it goes on with those behind them. */
  async hash(): Promise<Hash> {
    return hashOf(this.#file, this.bytes);
  }

  /** Before the lines are put; says what is given to each that brings nothing itself. */
  note(lines: Line[]): (line: Line) => Required<Pick<Given, 'id' | 'time'>> {
    const time = new Date(this.#system.now()).toISOString();
    this.#write({ group: { end: lines.at(-1)?.end ?? this.bytes, time } });
    const { ids } = this.#taken;
    return (line) => ({
      id: `${ids}-${line.start.toString(36).padStart(8, '0')}-${crc32(line.bytes).toString(16).padStart(8, '0')}`,
      time: this.#earlier && line.end <= this.#earlier.end ? this.#earlier.time : time,
    });
  }

  /** The lines up to this one are on disk, in the outbox or among the bad ones. `hash` is of the bytes up to there, if it is known. */
  took({ end: bytes, number: lines }: Line, hash?: string): void {
    this.#taken = { ...this.#taken, bytes, lines, ...(hash !== undefined && { hash }) };
    this.#isHashOfBytes = hash !== undefined;
  }

  /** Keeps how far it came, for the next one. */
  async end(isComplete: boolean): Promise<void> {
    if (this.bytes === 0) return this.#files.forget(this.#taken);
    if (!this.#isHashOfBytes) this.#taken.hash = (await this.hash()).digest('hex');
    this.#write({ group: null, isComplete });
  }

  #write(more: Partial<Taken>): void {
    this.#taken = { ...this.#taken, ...more };
    this.#files.write(this.#taken);
  }
}
