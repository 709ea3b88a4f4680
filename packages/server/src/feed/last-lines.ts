/** Sets of names that gates ask for; more are made anew for each. */
const keptMax = 64;

/** Gates with the same policies are told the same; it is made once, and the last one is kept. */
export class LastLines<Line> {
  readonly #last = new Map<string, { what: string; line: Line }>();

  of(names: string, what: string, make: () => Line): Line {
    const known = this.#last.get(names);
    if (known?.what === what) return known.line;
    const line = make();
    if (this.#last.size >= keptMax) this.#last.clear();
    this.#last.set(names, { what, line });
    return line;
  }

  /** It is made anew for whoever asks next. */
  forget(names: string, line: Line): void {
    if (this.#last.get(names)?.line === line) this.#last.delete(names);
  }
}
