/** What was made a moment ago, by key: as many bytes as it may have, and what was put first goes first. */
export class Recent<Value extends object> {
  readonly #bytesMax: number;
  readonly #held = new Map<string, { value: Value; bytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Value | undefined {
    return this.#held.get(key)?.value;
  }

  put(key: string, value: Value, bytes: number): void {
    this.#drop(key);
    this.#held.set(key, { value, bytes });
    this.#bytes += bytes;
    this.#shrink();
  }

  /** It takes so much more: a further form of it was made. Nothing where it was dropped meanwhile. */
  grow(key: string, value: Value, bytes: number): void {
    const held = this.#held.get(key);
    if (held?.value !== value) return;
    held.bytes += bytes;
    this.#bytes += bytes;
    this.#shrink();
  }

  clear(): void {
    this.#held.clear();
    this.#bytes = 0;
  }

  #shrink(): void {
    for (const key of this.#held.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#held.get(key)?.bytes ?? 0;
    this.#held.delete(key);
  }
}
