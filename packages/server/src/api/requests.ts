import type { Figure } from '../telemetry/figures.ts';

/** How many requests were answered with which status: some ten different ones. */
export class Requests {
  readonly #counts = new Map<number, number>();

  answered(status: number): void {
    this.#counts.set(status, (this.#counts.get(status) ?? 0) + 1);
  }

  byStatus(): Figure[] {
    return [...this.#counts].map(([status, count]) => [String(status), count]);
  }
}
