import { type FileHandle, open } from 'node:fs/promises';

const writtenBytes = 1024 * 1024;
const readBytes = 256 * 1024;

/** Lines that are written once, by one, and read meanwhile by many: each reads as far as it is written, and waits for more. */
export class SnapshotFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #texts: string[] = [];
  #length = 0;
  /** Where each line ends, from the first on: of those that are on disk, and of those that will be. */
  readonly #ends: number[] = [];
  #bytes = 0;
  /** So much is there to be read: whole lines. */
  #written = 0;
  #isWhole = false;
  #failure: unknown;
  #more = Promise.withResolvers<void>();
  /** How many bytes of text its lines stand for. */
  textBytes = 0;

  constructor(handle: FileHandle, path: string) {
    [this.#handle, this.path] = [handle, path];
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Of the line with this number, from 0; undefined: it is not written. */
  endOf(line: number): number | undefined {
    const end = this.#ends[line];
    return end !== undefined && end <= this.#written ? end : undefined;
  }

  /** Few large writes in place of many small ones; the first at once, for who waits. */
  async add(line: string, textBytes: number): Promise<void> {
    this.#texts.push(line);
    this.#length += line.length;
    this.#bytes += Buffer.byteLength(line);
    this.#ends.push(this.#bytes);
    this.textBytes += textBytes;
    if (this.#length >= writtenBytes || this.#written === 0) await this.#flush();
  }

  async end(): Promise<void> {
    await this.#flush();
    this.#isWhole = true;
    await this.#handle.close();
    this.#tell();
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.#handle.close().catch(() => undefined);
    this.#tell();
  }

  async #flush(): Promise<void> {
    const text = this.#texts.join('');
    [this.#texts, this.#length] = [[], 0];
    await this.#handle.writeFile(text);
    this.#written = this.#bytes;
    this.#tell();
  }

  #tell(): void {
    this.#more.resolve();
    this.#more = Promise.withResolvers<void>();
  }

  /** From this byte on; `wait` resolves with what it is given. @throws what kept it from being written */
  async send(
    from: number,
    write: (piece: Uint8Array) => Promise<void>,
    wait: (more: Promise<void>) => Promise<void>,
  ): Promise<void> {
    const handle = await open(this.path, 'r');
    try {
      for (let at = from; ; ) {
        if (this.#failure !== undefined) throw this.#failure;
        const length = Math.min(readBytes, this.#written - at);
        if (length > 0) {
          const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
          await write(buffer.subarray(0, bytesRead));
          at += bytesRead;
        } else if (this.#isWhole) return;
        // Here ends a line: what is said meanwhile falls into none.
        else await wait(this.#more.promise);
      }
    } finally {
      await handle.close();
    }
  }
}
