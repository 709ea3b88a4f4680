/** So long a device stays with a gate that may have stored what was not answered: a gate that starts again is back within it. */
const stayMsMax = 10_000;

/**
 * Which of the known gates is asked. Each device begins with another one, so that a fleet spreads; a gate that fails, or that does
 * not know the stream, gives its turn to the next. One whose answer was lost keeps its turn for a while: each gate has a store of
 * its own, and what it may have stored already would be stored by the next one too.
 */
export class GateChoice {
  #turn: number;
  #failures = 0;
  readonly #ignorant = new Set<string>();
  readonly #monotonic: () => number;
  /** The gate that may hold what is sent next, and until when it is asked again. */
  #mayHold: { gate: string; untilMs: number } | undefined;

  constructor(first: number, monotonic: () => number) {
    this.#turn = first;
    this.#monotonic = monotonic;
  }

  current(gates: readonly string[]): string | undefined {
    const held = this.#mayHold;
    if (held && this.#stays(held.gate) && gates.includes(held.gate)) return held.gate;
    return gates[this.#turn % gates.length];
  }

  /** It was asked, and how it answered is not known. */
  lost(gate: string): void {
    if (this.#mayHold?.gate === gate) return;
    this.#mayHold = { gate, untilMs: this.#monotonic() + stayMsMax };
  }

  passOver(gate: string): void {
    if (!this.#stays(gate)) this.#turn++;
  }

  /** It could not be asked. True: so it was with all of them, and twice. */
  failed(gate: string, gates: readonly string[]): boolean {
    if (this.#stays(gate)) return false;
    this.#turn++;
    this.#failures++;
    return this.#failures >= 2 * gates.length;
  }

  #stays(gate: string): boolean {
    return this.#mayHold?.gate === gate && this.#monotonic() < this.#mayHold.untilMs;
  }

  /** What was sent is stored. */
  acknowledged(): void {
    this.#mayHold = undefined;
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
    this.#mayHold = undefined;
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
