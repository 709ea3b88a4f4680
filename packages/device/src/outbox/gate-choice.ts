/**
 * Which of the known gates is asked. Each device begins with another one, so that a fleet spreads; a gate that fails, or that does
 * not know the stream, gives its turn to the next.
 */
export class GateChoice {
  #turn: number;
  #failures = 0;
  readonly #ignorant = new Set<string>();

  constructor(first: number) {
    this.#turn = first;
  }

  current(gates: readonly string[]): string | undefined {
    return gates[this.#turn % gates.length];
  }

  passOver(): void {
    this.#turn++;
  }

  /** It could not be asked. True: so it was with all of them, and twice. */
  failed(gates: readonly string[]): boolean {
    this.#turn++;
    this.#failures++;
    return this.#failures >= 2 * gates.length;
  }

  /** The gate knows the stream, whatever else it said. */
  knows(gate: string): void {
    this.#failures = 0;
    this.#ignorant.delete(gate);
  }

  /** The gate does not know the stream. True: it said so for the first time. */
  isNewlyIgnorant(gate: string): boolean {
    this.#turn++;
    this.#failures = 0;
    if (this.#ignorant.has(gate)) return false;
    this.#ignorant.add(gate);
    return true;
  }

  /** Every known gate said that it does not know the stream. */
  areAllIgnorant(gates: readonly string[]): boolean {
    return gates.length > 0 && gates.every((gate) => this.#ignorant.has(gate));
  }

  forget(): void {
    this.#ignorant.clear();
  }
}
