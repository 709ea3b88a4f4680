import type { Sink } from '../../storage/sink.ts';
import type { Log } from '../../telemetry/telemetry.ts';

interface Parts {
  sink: Pick<Sink, 'awaited' | 'unprovenCount'>;
  /** How many this process has named since. */
  named(): number;
  log: Log;
}

/** How many batches stay unproven: those that were there at the start, and those that were named since. */
export class Unproven {
  readonly #parts: Parts;
  #left = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#left + this.#parts.named();
  }

  /** A sink that is not there yet is asked once it is. */
  async start(): Promise<void> {
    const { sink, log } = this.#parts;
    const count = async () => {
      this.#left = await sink.unprovenCount();
    };
    if (sink.awaited === undefined) return count();
    sink.awaited.then(count).catch((error: unknown) => log.warn({ err: error }, "couldn't count unproven batches"));
  }
}
