import { X509Certificate } from 'node:crypto';
import { PortcullisError } from '@portcullis/contract';
import { BackOff } from '../link/back-off.ts';
import type { System } from '../system.ts';
import type { Credential } from './credential.ts';
import { confirm, findGates, renew } from './renew.ts';

interface Parts {
  directory: string;
  system: System;
  credential(): Credential;
  adopt(credential: Credential): void;
  /** The same pair with other gates. */
  adoptGates(credential: Credential): void;
  onFailure(error: PortcullisError): void;
}

/** A far end is looked at again each minute: machines sleep, and clocks are set (FIELD-NOTES K4). */
const lookMsMax = 60_000;
const pace = { firstMs: 5_000, longestMs: 3_600_000 };
/** A gate that is lost to many at once must not bring all of them to the authority at once. */
const gatesPace = { firstMs: 10_000, longestMs: 3_600_000 };

/**
 * What a device asks of the authority, one thing at a time: a renewal when the authority said so, and where gates are when none that it
 * knows can be used. The wall clock is looked at again at least each hour: machines sleep, clocks are set.
 */
export class Renewing {
  readonly #parts: Parts;
  readonly #backOff: BackOff;
  readonly #gatesBackOff: BackOff;
  readonly #abort = new AbortController();
  #read: { certificate: string; notBefore: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;
  /** The last try failed. */
  #hasFailed = false;
  /** By the monotonic clock: when gates are asked for; undefined: nobody misses any. */
  #gatesDueAt: number | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#backOff = new BackOff(parts.system);
    this.#gatesBackOff = new BackOff(parts.system);
  }

  /** Of the credential in force, milliseconds since 1970. Each reading asks: a certificate is taken apart once. */
  get notBefore(): number {
    const { certificate } = this.#parts.credential();
    if (this.#read?.certificate !== certificate) {
      this.#read = { certificate, notBefore: Date.parse(new X509Certificate(certificate).validFrom) };
    }
    return this.#read.notBefore;
  }

  start(): void {
    this.#set(this.#dueMs());
  }

  /** None of the known gates can be used. Asked again and again it is done at the back-off's pace. */
  askForGates(): void {
    if (this.#gatesDueAt !== undefined) return;
    this.#gatesDueAt = this.#parts.system.monotonic() + this.#gatesBackOff.next(gatesPace);
    if (!this.#isLooking && !this.#hasFailed) this.start();
  }

  /** A gate took readings: the next time that none can be used is a new one. */
  gatesFound(): void {
    this.#gatesDueAt = undefined;
    this.#gatesBackOff.acknowledged();
  }

  /** Resolves once no renewal is due or under way, or when the last try for one failed: what can be done now is done. */
  async settled(signal: AbortSignal): Promise<void> {
    const given = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    while (!signal.aborted && !this.#hasFailed && (this.#isLooking || this.#renewalDueMs() <= 0)) {
      if (!this.#isLooking) this.start();
      await Promise.race([given, this.#isLooking ? this.#looking : new Promise(setImmediate)]);
    }
  }

  /** Resolves when no renewal is on its way any more. */
  async stop(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #renewalDueMs(): number {
    const { unconfirmed, renewAfter } = this.#parts.credential();
    return unconfirmed ? 0 : Date.parse(renewAfter) - this.#parts.system.now();
  }

  #dueMs(): number {
    const gatesMs = this.#gatesDueAt === undefined ? lookMsMax : this.#gatesDueAt - this.#parts.system.monotonic();
    return Math.min(gatesMs, this.#renewalDueMs());
  }

  #set(milliseconds: number): void {
    if (this.#abort.signal.aborted) return;
    clearTimeout(this.#timer);
    const look = () => {
      this.#looking = this.#look();
    };
    this.#timer = setTimeout(look, Math.min(Math.max(0, milliseconds), lookMsMax));
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    try {
      await this.#step();
      this.#backOff.acknowledged();
      this.#hasFailed = false;
      this.#isLooking = false;
      this.start();
    } catch (error) {
      this.#isLooking = false;
      this.#hasFailed = true;
      if (this.#abort.signal.aborted) return;
      this.#parts.onFailure(
        error instanceof PortcullisError ? error : new PortcullisError('internal', String(error), { cause: error }),
      );
      this.#set(this.#backOff.next(pace));
    }
  }

  /** A renewal brings the gates too. */
  async #step(): Promise<void> {
    const { directory, system } = this.#parts;
    const credential = this.#parts.credential();
    const asked = { credential, directory, signal: this.#abort.signal };
    if (credential.unconfirmed) this.#adopt(await confirm(asked));
    else if (system.now() >= Date.parse(credential.renewAfter)) this.#adopt(await renew(asked));
    else if (this.#gatesDueAt !== undefined && system.monotonic() >= this.#gatesDueAt) await this.#findGates(asked);
  }

  /** Silent where it fails: what the gates said is told, and the answer of an authority that knows no such question is no news. */
  async #findGates(asked: { credential: Credential; directory: string; signal: AbortSignal }): Promise<void> {
    this.#gatesDueAt = undefined;
    const found = await findGates(asked).catch(() => asked.credential);
    if (found !== asked.credential && !this.#abort.signal.aborted) this.#parts.adoptGates(found);
  }

  #adopt(credential: Credential): void {
    if (!this.#abort.signal.aborted) this.#parts.adopt(credential);
  }
}
