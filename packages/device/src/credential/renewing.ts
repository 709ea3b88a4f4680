import { X509Certificate } from 'node:crypto';
import { PortcullisError } from '@portcullis/contract';
import { BackOff } from '../link/back-off.ts';
import { type System, timerMsMax } from '../system.ts';
import type { Credential } from './credential.ts';
import type { Proof } from './prove.ts';
import { confirm, findGates, renew } from './renew.ts';
import { isProofWaitedFor } from './unproven.ts';

interface Parts {
  directory: string;
  system: System;
  credential(): Credential;
  /** What is on disk now. An unconfirmed pair is not in use by that. */
  adopt(credential: Credential): void;
  /** Shows an unconfirmed pair to a gate, beside the pair in use. */
  prove(credential: Credential): Promise<Proof>;
  /** From now on connections are made with this pair. Resolves once those of the pair before it have ended. */
  use(credential: Credential): Promise<void>;
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
 * knows can be used. A renewed pair is proven at a gate before it is used, and used before it is confirmed, which ends the one before it.
 * The wall clock is looked at again each minute: machines sleep, clocks are set.
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
  /** The last try failed: by the monotonic clock, when the next one is. */
  #triedAgainAt: number | undefined;
  /** By the monotonic clock: when gates are asked for; undefined: nobody misses any. */
  #gatesDueAt: number | undefined;
  /** The certificate of the unconfirmed pair that is in use already. */
  #used: string | undefined;

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
    if (!this.#isLooking) this.start();
  }

  /** A gate took readings: the next time that none can be used is a new one. */
  gatesFound(): void {
    this.#gatesDueAt = undefined;
    this.#gatesBackOff.acknowledged();
  }

  /** Resolves once no renewal is due or under way, or when the last try for one failed: what can be done now is done. */
  async settled(signal: AbortSignal): Promise<void> {
    const given = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    const isDue = () => this.#isLooking || this.#renewalDueMs() <= 0;
    while (!signal.aborted && this.#triedAgainAt === undefined && isDue()) {
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

  /** Whatever is due: what failed is not tried again before its time. */
  #dueMs(): number {
    const monotonic = this.#parts.system.monotonic();
    const gatesMs = this.#gatesDueAt === undefined ? lookMsMax : this.#gatesDueAt - monotonic;
    return Math.min(gatesMs, Math.max(this.#renewalDueMs(), (this.#triedAgainAt ?? 0) - monotonic));
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
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#failed(error);
    }
    this.#isLooking = false;
    this.start();
  }

  #failed(cause: unknown): void {
    const error = cause instanceof PortcullisError ? cause : new PortcullisError('internal', String(cause), { cause });
    const askedMs = Number(error.detail.retryAfterSeconds ?? 0) * 1_000;
    this.#triedAgainAt = this.#parts.system.monotonic() + this.#backOff.next(pace, Math.min(askedMs, timerMsMax));
    this.#parts.onFailure(error);
  }

  async #step(): Promise<void> {
    const { directory, system } = this.#parts;
    const monotonic = system.monotonic();
    const asked = { credential: this.#parts.credential(), directory, signal: this.#abort.signal };
    if (this.#renewalDueMs() <= 0 && monotonic >= (this.#triedAgainAt ?? 0)) {
      await this.#renew(asked);
      this.#triedAgainAt = undefined;
      this.#backOff.acknowledged();
    } else if (this.#gatesDueAt !== undefined && monotonic >= this.#gatesDueAt) await this.#findGates(asked);
  }

  /** One step of it: a renewal brings the gates too. */
  async #renew(asked: { credential: Credential; directory: string; signal: AbortSignal }): Promise<void> {
    const { credential } = asked;
    if (!credential.unconfirmed) return this.#adopt(await renew(asked));
    if (this.#used !== credential.certificate) {
      await this.#prove(credential);
      if (this.#abort.signal.aborted) return;
      this.#used = credential.certificate;
      await this.#parts.use(credential);
    }
    this.#adopt(await confirm(asked));
  }

  /** @throws {PortcullisError} where the pair before it is better kept in use for now */
  async #prove(credential: Credential): Promise<void> {
    if (credential.gates.length === 0) return;
    const proof = await this.#parts.prove(credential);
    if ('gate' in proof || !isProofWaitedFor(credential, proof.reached, this.#parts.system.now())) return;
    const words = `the renewed certificate was not proven at a gate yet, and the one before it stays in use: ${proof.why}`;
    throw new PortcullisError('server_unreachable', words);
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
