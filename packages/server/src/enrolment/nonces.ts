import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

const lifetimeMs = 60_000;

/** Nonces that carry their own proof, so that a flood of askers costs no memory: time, and a keyed hash of it. */
export class Nonces {
  readonly #key: KeyObject;
  readonly #monotonic: () => number;
  readonly #random: (bytes: number) => Buffer;

  constructor(parts: { monotonic: () => number; random: (bytes: number) => Buffer }) {
    this.#key = createSecretKey(parts.random(32));
    this.#monotonic = parts.monotonic;
    this.#random = parts.random;
  }

  make(): string {
    const body = `${Math.round(this.#monotonic())}.${this.#random(16).toString('base64url')}`;
    return `${body}.${this.#hash(body)}`;
  }

  isGood(nonce: string): boolean {
    const [made = '', random = '', hash = ''] = nonce.split('.');
    const expected = Buffer.from(this.#hash(`${made}.${random}`));
    const given = Buffer.from(hash);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
    const age = this.#monotonic() - Number(made);
    return age >= -1 && age <= lifetimeMs;
  }

  #hash(body: string): string {
    return createHmac('sha256', this.#key).update(body).digest('base64url');
  }
}
