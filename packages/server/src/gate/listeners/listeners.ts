import { Front, type FrontParts } from './http/front.ts';
import type { ServerCredential } from './tls.ts';

/** One way in: bytes on one side, submissions on the other. */
export interface OpenListener {
  /** For want of room: how many gave way, and how many were turned away. */
  readonly crowd: { displaced: number; turnedAway: number };
  /** For new handshakes. */
  swapCredential(credential: ServerCredential): void;
  /** Takes nothing new; what was taken is answered. */
  close(): Promise<void>;
}

/** Every way into the gate. */
export class Listeners {
  readonly #front: Front;
  readonly #open: OpenListener[] = [];

  constructor(parts: FrontParts) {
    this.#front = new Front(parts);
  }

  /** Resolves to the port of HTTPS. */
  async listen(credential: ServerCredential): Promise<number> {
    const port = await this.#front.listen(credential);
    this.#open.push(this.#front);
    return port;
  }

  get crowd(): { displaced: number; turnedAway: number } {
    const total = { displaced: 0, turnedAway: 0 };
    for (const { crowd } of this.#open) {
      total.displaced += crowd.displaced;
      total.turnedAway += crowd.turnedAway;
    }
    return total;
  }

  swapCredential(credential: ServerCredential): void {
    for (const listener of this.#open) listener.swapCredential(credential);
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((listener) => listener.close()));
  }
}
