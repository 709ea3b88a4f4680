import { X509Certificate } from 'node:crypto';
import { PortcullisError } from '@portcullis/contract';
import { BackOff } from '../link/back-off.ts';
import { type System, timerMsMax } from '../system.ts';
import type { Credential } from './credential.ts';
import { confirm, renew } from './renew.ts';

interface Parts {
  directory: string;
  system: System;
  credential(): Credential;
  adopt(credential: Credential): void;
  onFailure(error: PortcullisError): void;
}

const pace = { firstMs: 5_000, longestMs: 3_600_000 };

/** Renews when the authority said so. The wall clock is looked at again at least each hour: machines sleep, clocks are set. */
export class Renewing {
  readonly #parts: Parts;
  readonly #backOff: BackOff;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#backOff = new BackOff(parts.system);
  }

  /** Of the credential in force, milliseconds since 1970. */
  get notBefore(): number {
    return Date.parse(new X509Certificate(this.#parts.credential().certificate).validFrom);
  }

  start(): void {
    const credential = this.#parts.credential();
    const dueMs = Date.parse(credential.renewAfter) - this.#parts.system.now();
    this.#set(credential.unconfirmed ? 0 : dueMs);
  }

  /** Resolves when no renewal is on its way any more. */
  async stop(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #set(milliseconds: number): void {
    if (this.#abort.signal.aborted) return;
    const look = () => {
      this.#looking = this.#look();
    };
    this.#timer = setTimeout(look, Math.min(Math.max(0, milliseconds), timerMsMax));
  }

  async #look(): Promise<void> {
    try {
      await this.#step();
      this.#backOff.acknowledged();
      this.start();
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#parts.onFailure(
        error instanceof PortcullisError ? error : new PortcullisError('internal', String(error), { cause: error }),
      );
      this.#set(this.#backOff.next(pace));
    }
  }

  async #step(): Promise<void> {
    const { directory, system } = this.#parts;
    const credential = this.#parts.credential();
    const renewal = { credential, directory, signal: this.#abort.signal };
    if (credential.unconfirmed) this.#adopt(await confirm(renewal));
    else if (system.now() >= Date.parse(credential.renewAfter)) this.#adopt(await renew(renewal));
  }

  #adopt(credential: Credential): void {
    if (!this.#abort.signal.aborted) this.#parts.adopt(credential);
  }
}
