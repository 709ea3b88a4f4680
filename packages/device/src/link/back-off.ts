import { jittered, type System } from '../system.ts';

/** How long to wait after a refusal or a failure: the first wait and the longest, in milliseconds. */
export interface Pace {
  firstMs: number;
  longestMs: number;
}

export const paces = {
  network: { firstMs: 500, longestMs: 30_000 },
  gate: { firstMs: 500, longestMs: 30_000 },
  certificate: { firstMs: 1_000, longestMs: 30_000 },
  /** Somebody has to configure a gate. */
  stream_unknown: { firstMs: 5_000, longestMs: 300_000 },
  not_admitted: { firstMs: 1_000, longestMs: 300_000 },
} as const satisfies Record<string, Pace>;

/** Exponential with full jitter. It starts again only after an acknowledged reading, not after a mere connection (FIELD-NOTES G4). */
export class BackOff {
  readonly #system: System;
  #tries = 0;

  constructor(system: System) {
    this.#system = system;
  }

  acknowledged(): void {
    this.#tries = 0;
  }

  /** Milliseconds; never less than what the server asked for. */
  next({ firstMs, longestMs }: Pace, atLeastMs = 0): number {
    const ceiling = Math.min(longestMs, firstMs * 2 ** Math.min(this.#tries, 20));
    this.#tries++;
    return atLeastMs + jittered(this.#system, ceiling);
  }
}
