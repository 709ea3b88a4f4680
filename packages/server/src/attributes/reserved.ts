import { type Kind, PortcullisError } from '@portcullis/contract';

export interface Reservation {
  /** Of these subjects alone; without it, of all. */
  kind?: Kind;
  name: string;
  /** How it is changed instead, in words. */
  by: string;
}

/** The attributes that one part of the authority alone writes: whoever writes them otherwise would tell what that part did not see. */
export class Reserved {
  readonly #reservations: Reservation[] = [];

  add(reservation: Reservation): void {
    this.#reservations.push(reservation);
  }

  has(kind: Kind, name: string): boolean {
    return this.#of(kind, name) !== undefined;
  }

  /** @throws {PortcullisError} `attribute_reserved` */
  require(subject: string, kind: Kind, name: string): void {
    const reservation = this.#of(kind, name);
    if (!reservation) return;
    const words = `"${name}" of "${subject}" is not set by hand: ${reservation.by}`;
    throw new PortcullisError('attribute_reserved', words);
  }

  #of(kind: Kind, name: string): Reservation | undefined {
    return this.#reservations.find((one) => one.name === name && (one.kind ?? kind) === kind);
  }
}
