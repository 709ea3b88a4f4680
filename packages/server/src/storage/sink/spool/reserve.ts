import { join } from 'node:path';
import type { Disk } from './disk.ts';

/** As much as the gate's account of senders, and the spool's own looks, may need until a file of the spool is gone. */
const reserveBytes = 4 * 1_048_576;

/** Space that is kept on the disk so that a full one does not keep the spool from being emptied. Without it no reading is taken. */
export class Reserve {
  readonly #directory: string;
  readonly #disk: Disk;
  #isThere = false;
  #making: Promise<void> | undefined;

  constructor(directory: string, disk: Disk) {
    [this.#directory, this.#disk] = [directory, disk];
  }

  get isThere(): boolean {
    return this.#isThere;
  }

  /** Where the disk has no room for it now, and as much beside it for whoever it was released for, it is not there. */
  make(): Promise<void> {
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #make(): Promise<void> {
    if (this.#isThere) return;
    await this.release();
    try {
      if ((await this.#disk.free(this.#directory)) < 2 * reserveBytes) return;
      await (await this.#disk.create(this.#file, incompressible(reserveBytes))).close();
      await this.#disk.sync(this.#directory);
      this.#isThere = true;
    } catch {
      await this.release();
    }
  }

  async release(): Promise<void> {
    this.#isThere = false;
    await this.#disk.remove(this.#file).catch(() => undefined);
  }

  get #file(): string {
    return join(this.#directory, 'reserve');
  }
}

/** A file system may keep zeros without taking space for them: what a xorshift generator says takes it. */
function incompressible(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 2_463_534_242;
  for (let at = 0; at < length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32BE(state, at);
  }
  return bytes;
}
