import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { makeDirectory, syncDirectory } from '../durable.ts';

const generationBytesMax = 4 * 1024 * 1024;

/**
 * Lines that are kept for people, in two generations: when the newer file is full it becomes the older one, and what was older
 * goes. So it has a bound, however long nobody looks.
 */
export class BoundedFile {
  readonly file: string;
  readonly older: string;
  readonly #bytesMax: number;

  constructor(file: string, bytesMax = generationBytesMax) {
    const suffix = extname(file);
    this.file = file;
    this.older = join(dirname(file), `${basename(file, suffix)}.1${suffix}`);
    this.#bytesMax = bytesMax;
  }

  /** On disk, with the file's name, once this returns. True: older lines went for it. */
  append(line: string | Buffer): boolean {
    const bytes = existsSync(this.file) ? statSync(this.file).size : 0;
    const isFull = bytes > 0 && bytes + Buffer.byteLength(line) > this.#bytesMax;
    const dropped = isFull && existsSync(this.older);
    if (isFull) renameSync(this.file, this.older);
    try {
      this.#write(line);
      return dropped;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC' || !existsSync(this.older)) throw error;
      rmSync(this.older);
      this.#write(line);
      return true;
    }
  }

  /**
   * A line that was written in part is taken back, so that the next one begins a line of its own; one that a crash or a power cut left in part
   * is ended, so that the next does too.
   */
  #write(line: string | Buffer): void {
    const isNew = !existsSync(this.file);
    if (isNew) makeDirectory(dirname(this.file));
    const handle = openSync(this.file, 'a+', 0o600);
    const { size } = fstatSync(handle);
    try {
      const before = isTorn(handle, size) ? lineFeed : Buffer.alloc(0);
      writeFileSync(handle, Buffer.concat([before, Buffer.from(line), lineFeed]));
      fdatasyncSync(handle);
    } catch (error) {
      ftruncateSync(handle, size);
      throw error;
    } finally {
      closeSync(handle);
    }
    if (isNew) syncDirectory(dirname(this.file));
  }
}

const lineFeed = Buffer.from('\n');

function isTorn(handle: number, size: number): boolean {
  const last = Buffer.alloc(1);
  return size > 0 && readSync(handle, last, 0, 1, size - 1) === 1 && !last.equals(lineFeed);
}
