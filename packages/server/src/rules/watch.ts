import { PortcullisError } from '@portcullis/contract';
import type { Log } from '../telemetry/telemetry.ts';
import type { Rule } from './rule-set.ts';

/** Where rules come from: files that somebody may edit while the authority runs. */
export interface RuleSource {
  /** Changes when one of the files does; cheap. */
  mark(): string;
  /** All of them. @throws {PortcullisError} `config_invalid` */
  load(): Rule[];
}

/** A file is read once two looks in a row saw it the same: an editor may still be writing. */
const lookMs = 500;

/** Files are looked at as long as the authority runs. What is not valid is refused whole, and the rules before stay. */
export class RuleWatch {
  readonly #source: RuleSource;
  readonly #log: Log;
  readonly #take: (rules: Rule[]) => Promise<void>;
  #seen: string;
  #handled: string;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: { source: RuleSource; log: Log; take: (rules: Rule[]) => Promise<void> }) {
    this.#source = parts.source;
    this.#log = parts.log;
    this.#take = parts.take;
    this.#seen = this.#handled = parts.source.mark();
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#look().finally(() => {
        if (this.#timer) this.start();
      });
    }, lookMs).unref();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }

  async #look(): Promise<void> {
    try {
      const mark = this.#source.mark();
      const settled = mark === this.#seen;
      this.#seen = mark;
      if (!settled || mark === this.#handled) return;
      this.#handled = mark;
      await this.#take(this.#source.load());
    } catch (error) {
      const code = error instanceof PortcullisError ? error.code : 'internal';
      // What may pass is tried again.
      if (code !== 'config_invalid') this.#handled = '';
      this.#log.error({ code }, `the rules are not replaced: ${(error as Error).message}`);
    }
  }
}
