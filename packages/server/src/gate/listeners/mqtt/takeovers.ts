/** What a client identifier stands for, one at a time. */
interface Taken {
  /** Another connection of the same client took its place. */
  takenOver(): void;
}

/**
 * Which connection speaks for a client identifier: among those of one certificate alone, since the identifier is free text and proves nothing
 * (FIELD-NOTES F4). One that was taken over has nothing left to give back: what it leaves is the place of the newer one (F5).
 */
export class Takeovers<Held extends Taken> {
  readonly #held = new Map<string, Held>();

  enter(certificate: string, clientId: string, held: Held): void {
    const key = `${certificate} ${clientId}`;
    const older = this.#held.get(key);
    this.#held.set(key, held);
    if (older !== held) older?.takenOver();
  }

  leave(certificate: string, clientId: string, held: Held): void {
    const key = `${certificate} ${clientId}`;
    if (this.#held.get(key) === held) this.#held.delete(key);
  }
}
