import { mkdirSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotSoFar } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { writeSnapshot } from './snapshot.ts';
import { SnapshotFile } from './snapshot-file.ts';

interface Parts {
  store: Store;
  attributes: Pick<Attributes, 'merged' | 'isBetween' | 'laidOver'>;
  system: System;
  fleet: string;
  /** Where snapshots lie while gates read them: nothing in it is worth keeping. */
  directory: string;
}

interface Wanted {
  names: ReadonlySet<string>;
  atLeast: number;
  /** The gate takes pieces that are packed. */
  packed?: boolean | undefined;
  /** What it has of one that broke off. */
  soFar?: SnapshotSoFar | undefined;
}

/** One snapshot in a file. */
interface Made {
  key: string;
  id: string;
  file: SnapshotFile;
  revision: number;
  /** By the monotonic clock: shared until then, and kept for those that broke off. Nothing, while it is made. */
  sharedUntil: number | undefined;
  keptUntil: number;
  readers: number;
}

/** Whoever asks for the same within this time reads the same file: fifty gates that come back at once are one reader of the store. */
const sharedMs = 10_000;
/** So long it waits for who was cut off from it, to go on where he was. */
const resumableMs = 60_000;
/** Until one was made, it is thought to be as large as this. */
const bytesAtFirst = 16 * 1024 * 1024;

/**
 * Snapshots for gates. Each is read from the store at once, into a file, and sent from there, as far as it is there: how slowly a gate reads
 * is no matter of the store's, whose write-ahead log can not be folded while somebody reads it (FIELD-NOTES I4).
 */
export class Snapshots {
  readonly #parts: Parts;
  /** All whose files are there, and the newest for each form and set of names. */
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

  /** How large the last one was, as text. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Sends one that shows this revision or a later one, or what is missing of the one that the gate names; resolves to which revision. `write`
   * resolves when the next piece may follow; `waiting` is called now and then while there is nothing to send.
   */
  async send(
    wanted: Wanted,
    write: (piece: string | Uint8Array) => Promise<void>,
    waiting: () => Promise<void>,
  ): Promise<number> {
    const soFar = this.#resumable(wanted);
    // Its file stays from then on, however long `waiting` takes meanwhile.
    const obtaining = soFar ? Promise.resolve(hold(soFar.made)) : this.#obtain(wanted).then(hold);
    let isOver = false;
    try {
      const made = await whileCalling(waiting, obtaining);
      if (soFar) await write(`${JSON.stringify({ type: 'resumed', ...wanted.soFar })}\n`);
      await made.file.send(soFar?.from ?? 0, write, (coming) => whileCalling(waiting, coming));
      isOver = true;
      return made.revision;
    } catch (error) {
      if (!isFull(error)) throw error;
      // A disk that is full keeps no gate away: then it is sent as it is read, from its beginning.
      return await writeSnapshot(this.#parts, this.#asked(wanted, undefined), write);
    } finally {
      obtaining.then((made) => this.#release(made, isOver)).catch(() => undefined);
    }
  }

  /** From which byte on; undefined: it is not there any more, or another one is wanted. */
  #resumable(wanted: Wanted): { made: Made; from: number } | undefined {
    const made = [...this.#all].find(({ id, key }) => id === wanted.soFar?.id && key === keyOf(wanted));
    const from = made?.file.endOf(wanted.soFar?.pieces ?? 0);
    return made && from !== undefined && made.revision >= wanted.atLeast ? { made, from } : undefined;
  }

  #release(made: Made, isOver: boolean): void {
    made.readers--;
    const { monotonic } = this.#parts.system;
    if (!isOver && !made.file.failed) {
      made.keptUntil = monotonic() + resumableMs;
      setTimeout(() => this.#tidy(), resumableMs + 1).unref();
    }
    this.#tidy();
  }

  async #obtain(wanted: Wanted): Promise<Made> {
    const key = keyOf(wanted);
    for (;;) {
      const known = this.#made.get(key);
      if (known && this.#isShared(known) && known.revision >= wanted.atLeast) return known;
      const making = this.#making.get(key) ?? this.#begin(key, wanted);
      this.#making.set(key, making);
      const made = await making.finally(() => this.#making.delete(key));
      if (made.revision >= wanted.atLeast) return made;
    }
  }

  /** Resolves as soon as its revision is known. */
  async #begin(key: string, wanted: Wanted): Promise<Made> {
    const { system, directory } = this.#parts;
    const path = join(directory, `${++this.#number}.ndjson`);
    const file = new SnapshotFile(await open(path, 'wx', 0o600), path);
    const id = system.random(16).toString('hex');
    const made: Made = { key, id, file, revision: 0, sharedUntil: undefined, keptUntil: 0, readers: 0 };
    const begun = Promise.withResolvers<void>();
    const onBegun = (revision: number) => {
      made.revision = revision;
      this.#all.add(made);
      this.#made.set(key, made);
      begun.resolve();
    };
    const add = (lines: string, bytes: number) => file.add(lines, bytes);
    const writing = writeSnapshot(this.#parts, this.#asked(wanted, id), add, onBegun).then(() => file.end());
    void writing
      .catch(async (error: unknown) => {
        file.fail(error);
        begun.reject(error);
        // One that began before a change and did not come to its end is nobody's.
        if (this.#made.get(key) === made) this.#made.delete(key);
        this.#all.delete(made);
        await rm(path, { force: true });
      })
      .then(() => this.#ended(made));
    await begun.promise;
    return made;
  }

  #ended(made: Made): void {
    if (!made.file.failed) this.#bytes = made.file.textBytes;
    made.sharedUntil = this.#parts.system.monotonic() + sharedMs;
    setTimeout(() => this.#tidy(), sharedMs + 1).unref();
  }

  #asked({ names, packed = false }: Wanted, id: string | undefined) {
    const { fleet, system } = this.#parts;
    return { fleet, names, now: system.now(), ...(packed && { packed: { id } }) };
  }

  #isShared({ sharedUntil }: Made): boolean {
    return sharedUntil === undefined || this.#parts.system.monotonic() <= sharedUntil;
  }

  #tidy(): void {
    const now = this.#parts.system.monotonic();
    for (const made of this.#all) {
      const isNewest = this.#made.get(made.key) === made;
      const isShared = made.sharedUntil === undefined || (isNewest && this.#isShared(made));
      if (made.readers > 0 || isShared || now <= made.keptUntil) continue;
      if (isNewest) this.#made.delete(made.key);
      this.#all.delete(made);
      rmSync(made.file.path, { force: true });
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

function hold(made: Made): Made {
  made.readers++;
  return made;
}

const keyOf = ({ names, packed = false }: Wanted) => `${packed ? 'packed' : 'text'} ${[...names].toSorted().join(',')}`;

const isFull = (error: unknown) => ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
