import { PortcullisError } from '@portcullis/contract';
import type { Log } from '../telemetry/telemetry.ts';

interface Parts {
  /** Reads anew what is on record, for all who go by it. */
  read(): Promise<void>;
  /** Alone, as a step is. */
  inTurn(work: () => Promise<void>): Promise<void>;
  log: Log;
}

const againMs = 1_000;

/** Whether this process goes by what is on record: a step is not undone by a key or a disk that can not be read just then. */
export class GoingBy {
  readonly #parts: Parts;
  #isBehind = false;
  #again: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * After a step was committed. Where it can not be read it is tried again each second, and the next step waits for that.
   * @throws the failure to read, which says that the step is done
   */
  async step(action: string): Promise<void> {
    this.#isBehind = true;
    try {
      await this.catchUp();
    } catch (error) {
      this.#soon();
      const failed = readLater(action, error as Error);
      this.#parts.log.error({ err: error }, failed.message);
      throw failed;
    }
  }

  /** Before the next one. */
  async catchUp(): Promise<void> {
    if (!this.#isBehind) return;
    await this.#parts.read();
    this.#isBehind = false;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#again);
  }

  #soon(): void {
    if (this.#stopped) return;
    clearTimeout(this.#again);
    const again = () => this.#parts.inTurn(() => this.catchUp()).catch(() => this.#soon());
    this.#again = setTimeout(() => void again(), againMs).unref();
  }
}

function readLater(action: string, cause: Error): Error {
  const words = `"${action}" is done and on record, but what it changed can not be read now, which is tried again each second: ${cause.message}`;
  return cause instanceof PortcullisError
    ? new PortcullisError(cause.code, words, { cause })
    : new Error(words, { cause });
}
