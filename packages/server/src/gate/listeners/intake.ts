/** What all listeners of a gate share while they take readings in: one budget of bytes, one maker of ids. */
export class Intake {
  readonly bytesMax: number;
  /** Bytes of bodies that are being received, of all connections together. */
  bytes = 0;
  readonly #instance: string;
  #made = 0;

  constructor(instance: string, bytesMax: number) {
    this.#instance = instance;
    this.bytesMax = bytesMax;
  }

  /** Unique over gates and restarts, since an instance is. */
  makeId(): string {
    return `${this.#instance.slice(0, 20)}-${(++this.#made).toString(36)}`;
  }
}
