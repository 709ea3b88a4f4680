import { mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attributes } from '../attributes/attributes.ts';
import type { Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { writeSnapshot } from './snapshot.ts';

interface Parts {
  store: Store;
  attributes: Pick<Attributes, 'merged' | 'isBetween' | 'laidOver'>;
  system: System;
  fleet: string;
  /** Where snapshots lie while gates read them: nothing in it is worth keeping. */
  directory: string;
}

/** One snapshot in a file. */
interface Made {
  key: string;
  file: string;
  revision: number;
  bytes: number;
  /** By the monotonic clock. */
  at: number;
  readers: number;
}

/** Whoever asks for the same within this time reads the same file: fifty gates that come back at once are one reader of the store. */
const sharedMs = 10_000;
const writtenBytes = 1024 * 1024;
const readBytes = 256 * 1024;
/** Until one was made, it is thought to be as large as this. */
const bytesAtFirst = 16 * 1024 * 1024;

/**
 * Snapshots for gates. Each is read from the store at once, into a file, and sent from there: how slowly a gate reads is no matter of the
 * store's, whose write-ahead log can not be folded while somebody reads it (FIELD-NOTES I4).
 */
export class Snapshots {
  readonly #parts: Parts;
  /** All whose files are there, and the newest for each set of names. */
  readonly #all = new Set<Made>();
  readonly #made = new Map<string, Made>();
  readonly #making = new Map<string, Promise<Made>>();
  #bytes = bytesAtFirst;
  #number = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    rmSync(parts.directory, { recursive: true, force: true });
    mkdirSync(parts.directory, { mode: 0o700 });
  }

  /** How large the last one was. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Sends one that shows this revision or a later one; resolves to which. `write` resolves when the next piece may follow; `waiting` is
   * called now and then until there is something to send.
   */
  async send(
    { names, atLeast }: { names: ReadonlySet<string>; atLeast: number },
    write: (piece: string | Uint8Array) => Promise<void>,
    waiting: () => Promise<void>,
  ): Promise<number> {
    // Its file stays from then on, however long `waiting` takes meanwhile.
    const obtaining = this.#obtain(names, atLeast).then(hold, (error: unknown) => {
      if (isFull(error)) return undefined;
      throw error;
    });
    try {
      const made = await whileCalling(waiting, obtaining);
      // A disk that is full keeps no gate away: then it is sent as it is read.
      if (made === undefined) return await writeSnapshot(this.#parts, this.#asked(names), write);
      await sendFile(made.file, write);
      return made.revision;
    } finally {
      obtaining.then((made) => made && this.#release(made)).catch(() => undefined);
    }
  }

  #release(made: Made): void {
    made.readers--;
    this.#tidy();
  }

  async #obtain(names: ReadonlySet<string>, atLeast: number): Promise<Made> {
    const key = [...names].toSorted().join(',');
    for (;;) {
      const known = this.#made.get(key);
      if (known && this.#isFresh(known) && known.revision >= atLeast) return known;
      const making = this.#making.get(key) ?? this.#make(key, names);
      this.#making.set(key, making);
      const made = await making.finally(() => this.#making.delete(key));
      if (made.revision >= atLeast) return made;
    }
  }

  async #make(key: string, names: ReadonlySet<string>): Promise<Made> {
    const { system, directory } = this.#parts;
    const file = join(directory, `${++this.#number}.ndjson`);
    const handle = await open(file, 'wx', 0o600);
    try {
      const pieces = new Pieces(handle);
      const revision = await writeSnapshot(this.#parts, this.#asked(names), (lines) => pieces.add(lines));
      await pieces.flush();
      const { size: bytes } = await stat(file);
      const made = { key, file, revision, bytes, at: system.monotonic(), readers: 0 };
      this.#all.add(made);
      this.#made.set(key, made);
      this.#bytes = bytes;
      setTimeout(() => this.#tidy(), sharedMs + 1).unref();
      return made;
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
  }

  #asked(names: ReadonlySet<string>) {
    return { fleet: this.#parts.fleet, names, now: this.#parts.system.now() };
  }

  #isFresh({ at }: Made): boolean {
    return this.#parts.system.monotonic() - at <= sharedMs;
  }

  #tidy(): void {
    for (const made of this.#all) {
      const isNewest = this.#made.get(made.key) === made;
      if (made.readers > 0 || (isNewest && this.#isFresh(made))) continue;
      if (isNewest) this.#made.delete(made.key);
      this.#all.delete(made);
      rmSync(made.file, { force: true });
    }
  }

  close(): void {
    rmSync(this.#parts.directory, { recursive: true, force: true });
  }
}

const calledMs = 500;

async function whileCalling<Value>(call: () => Promise<void>, coming: Promise<Value>): Promise<Value> {
  const notYet = Symbol('not yet');
  for (;;) {
    const pause = Promise.withResolvers<typeof notYet>();
    const timer = setTimeout(() => pause.resolve(notYet), calledMs);
    const first = await Promise.race([coming, pause.promise]).finally(() => clearTimeout(timer));
    if (first !== notYet) return first as Value;
    await call();
  }
}

/** Few large writes in place of many small ones. */
class Pieces {
  readonly #handle: FileHandle;
  #texts: string[] = [];
  #length = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async add(text: string): Promise<void> {
    this.#texts.push(text);
    this.#length += text.length;
    if (this.#length >= writtenBytes) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#texts.join('');
    [this.#texts, this.#length] = [[], 0];
    await this.#handle.writeFile(text);
  }
}

async function sendFile(file: string, write: (piece: Uint8Array) => Promise<void>): Promise<void> {
  const handle = await open(file, 'r');
  try {
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(readBytes), 0, readBytes);
      if (bytesRead === 0) return;
      await write(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

function hold(made: Made): Made {
  made.readers++;
  return made;
}

const isFull = (error: unknown) => ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
