import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, replaceFile } from '../durable.ts';

/** What a device handed over: nothing of it is looked into. */
export interface Parcel {
  stream: string;
  mediaType: string;
  body: Buffer;
}

/** What a gate said of a parcel. */
export interface Answer {
  status: number;
  mediaType: string;
  body: Buffer;
}

export interface SpoolBounds {
  /** What waits for a gate. */
  bytesMax: number;
  parcelsMax: number;
  /** Answers that are kept for whoever asks again; the oldest go. */
  answersMax: number;
  answerBytesMax: number;
}

export const spoolBounds: SpoolBounds = {
  bytesMax: 256 * 1024 * 1024,
  parcelsMax: 20_000,
  answersMax: 20_000,
  answerBytesMax: 32 * 1024 * 1024,
};

interface File {
  order: number;
  bytes: number;
  /** Who brought it; undefined: an earlier process knew. */
  from: string | undefined;
}

/** How many files, and of how many bytes. */
interface Size {
  files: number;
  bytes: number;
}

/** In the order in which they came, by the hash of what they are, and what they come to. */
class Kept extends Map<string, File> {
  readonly #sizes = new Map<string | undefined, Size>();
  bytes = 0;

  /** Of all that one of them brought. */
  of(from: string | undefined): Size {
    return this.#sizes.get(from) ?? { files: 0, bytes: 0 };
  }

  override set(hash: string, file: File): this {
    this.#count(this.get(hash), -1);
    this.#count(file, 1);
    return super.set(hash, file);
  }

  override delete(hash: string): boolean {
    this.#count(this.get(hash), -1);
    return super.delete(hash);
  }

  #count(file: File | undefined, times: 1 | -1): void {
    if (!file) return;
    const size = this.of(file.from);
    const counted = { files: size.files + times, bytes: size.bytes + times * file.bytes };
    if (counted.files === 0) this.#sizes.delete(file.from);
    else this.#sizes.set(file.from, counted);
    this.bytes += times * file.bytes;
  }
}

const headBytesMax = 512;

/**
 * What waits for a gate and what gates answered, on disk: a file for each, so that a crash leaves both or one, and each is whole. A
 * parcel is named by its own hash: who brings it again is given its answer.
 */
export class Spool {
  readonly #directory: string;
  readonly #bounds: SpoolBounds;
  readonly #parcels = new Kept();
  readonly #answers = new Kept();
  #order = 0;

  constructor(directory: string, bounds: SpoolBounds = spoolBounds) {
    makeDirectory(directory);
    this.#directory = directory;
    this.#bounds = bounds;
    const found = readdirSync(directory).flatMap(nameIn);
    for (const { order, hash, kind, name } of found.toSorted((one, other) => one.order - other.order)) {
      const { size: bytes } = statSync(join(directory, name));
      (kind === 'answer' ? this.#answers : this.#parcels).set(hash, { order, bytes, from: undefined });
      this.#order = Math.max(this.#order, order);
    }
    // A crash between the two: the answer came, and its parcel is done.
    for (const hash of this.#answers.keys()) this.#drop(this.#parcels, hash, 'parcel');
  }

  static nameOf({ stream, mediaType, body }: Parcel): string {
    return createHash('sha256').update(`${stream}\n${mediaType}\n`).update(body).digest('hex');
  }

  /** Those that wait for a gate, the oldest first. */
  get waiting(): Iterable<string> {
    return this.#parcels.keys();
  }

  get length(): number {
    return this.#parcels.size;
  }

  has(name: string): boolean {
    return this.#parcels.has(name);
  }

  /** On disk once this returns. False: there is no room for it, or none for more of whoever brought it. */
  keep(name: string, { stream, mediaType, body }: Parcel, from: string): boolean {
    if (this.#parcels.has(name)) return true;
    const content = fileOf({ stream, mediaType }, body);
    return this.#hasRoom(content.length, from) && this.#write(this.#parcels, name, 'parcel', content, from);
  }

  /**
   * Who has something here has at most half of what the others leave: however much one brings, there is room for the next, and he has all
   * the more the fewer they are.
   */
  #hasRoom(bytes: number, from: string): boolean {
    const { bytesMax, parcelsMax } = this.#bounds;
    const own = this.#parcels.of(from);
    const freeBytes = bytesMax - this.#parcels.bytes - bytes;
    const freeFiles = parcelsMax - this.#parcels.size - 1;
    if (own.files === 0) return freeBytes >= 0 && freeFiles >= 0;
    return own.bytes + bytes <= freeBytes && own.files < freeFiles;
  }

  /** Undefined: it is not what was kept any more, and goes; whoever brought it has it still. */
  read(name: string): Parcel | undefined {
    const { head, body } = this.#read(this.#parcels, name, 'parcel');
    const parcel = { stream: String(head.stream), mediaType: String(head.mediaType), body };
    if (Spool.nameOf(parcel) === name) return parcel;
    this.#drop(this.#parcels, name, 'parcel');
    return undefined;
  }

  /** The others come first: what one gate fails at holds up none of them. */
  defer(name: string): void {
    const found = this.#parcels.get(name);
    if (found && this.#parcels.delete(name)) this.#parcels.set(name, found);
  }

  /** The answer is on disk before its parcel goes. False: there is no room for it; the parcel stays, and is carried once more. */
  answer(name: string, { status, mediaType, body }: Answer): boolean {
    const { answersMax, answerBytesMax } = this.#bounds;
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size < answersMax && this.#answers.bytes + body.length <= answerBytesMax) break;
      this.#drop(this.#answers, oldest, 'answer');
    }
    this.#drop(this.#answers, name, 'answer');
    if (!this.#write(this.#answers, name, 'answer', fileOf({ status, mediaType }, body))) return false;
    this.#drop(this.#parcels, name, 'parcel');
    return true;
  }

  /** One that is damaged goes: what it was said of is carried once more. */
  answerOf(name: string): Answer | undefined {
    if (!this.#answers.has(name)) return undefined;
    const { head, body } = this.#read(this.#answers, name, 'answer');
    const { status, mediaType } = head;
    if (typeof status === 'number' && typeof mediaType === 'string') return { status, mediaType, body };
    this.#drop(this.#answers, name, 'answer');
    return undefined;
  }

  /** Its parcel is to be judged again when it comes again. */
  forgetAnswer(name: string): void {
    this.#drop(this.#answers, name, 'answer');
  }

  #write(kept: Kept, hash: string, kind: Kind, content: Buffer, from?: string): boolean {
    const order = ++this.#order;
    const file = this.#fileOf(order, hash, kind);
    try {
      replaceFile(file, content);
    } catch (error) {
      // Also what has its name already: it is not kept, and another try takes another name.
      for (const one of [`${file}.next`, file]) rmSync(one, { force: true });
      if (!noRoom.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return false;
    }
    kept.set(hash, { order, bytes: content.length, from });
    return true;
  }

  #read(kept: Kept, hash: string, kind: Kind): { head: Record<string, unknown>; body: Buffer } {
    const { order = 0 } = kept.get(hash) ?? {};
    const file = this.#fileOf(order, hash, kind);
    const content = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    const end = content.subarray(0, headBytesMax).indexOf('\n');
    return { head: headIn(content.toString('utf8', 0, Math.max(0, end))), body: content.subarray(end + 1) };
  }

  /** After a power cut it may be there again: then it is carried, or kept, once more. */
  #drop(kept: Kept, hash: string, kind: Kind): void {
    const found = kept.get(hash);
    if (!found) return;
    rmSync(this.#fileOf(found.order, hash, kind), { force: true });
    kept.delete(hash);
  }

  #fileOf(order: number, hash: string, kind: Kind): string {
    return join(this.#directory, `${String(order).padStart(12, '0')}-${hash}.${kind}`);
  }
}

type Kind = 'parcel' | 'answer';

const noRoom = new Set(['ENOSPC', 'EDQUOT']);

function nameIn(name: string): { order: number; hash: string; kind: Kind; name: string }[] {
  const [, order, hash, kind] = /^(\d{12})-([0-9a-f]{64})\.(parcel|answer)$/.exec(name) ?? [];
  return hash === undefined ? [] : [{ order: Number(order), hash, kind: kind as Kind, name }];
}

function fileOf(head: object, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
}

function headIn(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
