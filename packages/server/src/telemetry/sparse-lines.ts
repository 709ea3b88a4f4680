import type { System } from './system.ts';

/** Lines of a log that would be alike: of each key one in so many milliseconds, which says how many there would have been since the one before. */
export class SparseLines {
  readonly #everyMs: number;
  readonly #system: Pick<System, 'monotonic'>;
  /** Keys are few: of a closed table. */
  readonly #last = new Map<string, { at: number; more: number }>();

  constructor(everyMs: number, system: Pick<System, 'monotonic'>) {
    this.#everyMs = everyMs;
    this.#system = system;
  }

  /** What the line says besides; undefined: none is due. */
  due(key: string): { notWritten?: number } | undefined {
    const now = this.#system.monotonic();
    const last = this.#last.get(key);
    if (last && now - last.at < this.#everyMs) {
      last.more++;
      return undefined;
    }
    this.#last.set(key, { at: now, more: 0 });
    return last && last.more > 0 ? { notWritten: last.more } : {};
  }
}
