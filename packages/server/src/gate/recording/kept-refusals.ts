import type { VerdictView } from '@portcullis/contract';
import type { Sink } from '../../storage/sink.ts';
import type { Log } from '../../telemetry/telemetry.ts';

interface Parts {
  sink: Pick<Sink, 'keepRefusals'>;
  log: Log;
  /** Of so many refusals no line is kept. */
  onDropped(refusals: number): void;
}

/** So many lines wait while others are written. */
const waitingMax = 5_000;

/** Lines on their way to disk. One group is written at a time: a disk that stands still costs lines, not the gate its memory. */
export class KeptRefusals {
  readonly #parts: Parts;
  #waiting: VerdictView[] = [];
  #writing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  keep(views: VerdictView[]): void {
    if (views.length === 0) return;
    const room = waitingMax - this.#waiting.length;
    this.#waiting.push(...views.slice(0, room));
    this.#dropped(views.slice(room));
    this.#writing ??= this.#write();
  }

  /** What was taken is written, or was dropped. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const views = this.#waiting;
      this.#waiting = [];
      await this.#parts.sink.keepRefusals(views).catch((error: unknown) => {
        this.#dropped(views);
        this.#parts.log.warn({ err: error, refusals: views.length }, 'refusals could not be kept');
      });
    }
    this.#writing = undefined;
  }

  #dropped(views: VerdictView[]): void {
    if (views.length > 0) this.#parts.onDropped(views.reduce((sum, { count }) => sum + count, 0));
  }
}
