import type { RefusedReading, Sink } from '../../storage/sink.ts';
import type { Log } from '../../telemetry/telemetry.ts';

interface Parts {
  sink: Pick<Sink, 'keepRefused'>;
  log: Log;
}

/** So much waits while a group is being written; of more nothing is taken, and nothing of it is acknowledged. */
const bounds = { rows: 1_000, bytes: 8 * 1_048_576 };

interface Waiting {
  refused: RefusedReading;
  done(kept: boolean): void;
}

/** From refused to durable: what will never be stored is kept before it is acknowledged (P8). One group is written at a time. */
export class RefusedKeeping {
  readonly #parts: Parts;
  #waiting: Waiting[] = [];
  #rows = 0;
  #bytes = 0;
  #writing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** True: it is durable. False: there is no room for it, or the sink can not take it now. */
  keep(refused: RefusedReading): Promise<boolean> {
    if (this.#rows >= bounds.rows || this.#bytes + refused.payload.length > bounds.bytes) return Promise.resolve(false);
    this.#rows++;
    this.#bytes += refused.payload.length;
    const kept = new Promise<boolean>((done) => this.#waiting.push({ refused, done }));
    this.#writing ??= this.#write();
    return kept;
  }

  /** What was taken is durable, or its sender was told that it is not. */
  async stop(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      const kept = await this.#parts.sink.keepRefused(group.map(({ refused }) => refused)).then(
        () => true,
        (error: unknown) => {
          this.#parts.log.error({ err: error }, "couldn't keep refused readings; none was acknowledged");
          return false;
        },
      );
      for (const { refused, done } of group) {
        this.#rows--;
        this.#bytes -= refused.payload.length;
        done(kept);
      }
    }
    this.#writing = undefined;
  }
}
