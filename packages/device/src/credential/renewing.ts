import { X509Certificate } from 'node:crypto';
import { PortcullisError } from '@portcullis/contract';
import { BackOff } from '../link/back-off.ts';
import { isByClock } from '../link/strict-connector.ts';
import { type System, timerMsMax } from '../system.ts';
import type { Credential } from './credential.ts';
import type { KnownTime } from './known-time.ts';
import type { Proof } from './prove.ts';
import { confirm, findGates, type Renewal, renew } from './renew.ts';
import { isProofWaitedFor } from './unproven.ts';

interface Parts {
  directory: string;
  system: System;
  time: KnownTime;
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
  /** The right time became known: what failed by the clock can be tried again. */
  onTime?(): void;
}

/** A far end is looked at again each minute: machines sleep, and clocks are set (FIELD-NOTES K4). */
const lookMsMax = 60_000;
const pace = { firstMs: 5_000, longestMs: 3_600_000 };
/** A gate that is lost to many at once must not bring all of them to the authority at once. */
/** The system's clock is wrong: nothing goes on before the right time is known. */
const timePace = { firstMs: 2_000, longestMs: 900_000 };
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
  readonly #timeBackOff: BackOff;
  readonly #abort = new AbortController();
  #read: { certificate: string; notBefore: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;
  /** The last try failed: by the monotonic clock, when the next one is. */
  #triedAgainAt: number | undefined;
  /** By the monotonic clock: when gates are asked for; undefined: nobody misses any. */
  #gatesDueAt: number | undefined;
  /** By the monotonic clock: when the time is asked for; undefined: nobody doubts the clock. */
  #timeDueAt: number | undefined;
  /** The certificate of the unconfirmed pair that is in use already. */
  #used: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#backOff = new BackOff(parts.system);
    this.#gatesBackOff = new BackOff(parts.system);
    this.#timeBackOff = new BackOff(parts.system);
  }

  /** Of the credential in force, milliseconds since 1970. Each reading asks: a certificate is taken apart once. */
  get notBefore(): number {
    const { certificate } = this.#parts.credential();
    if (this.#read?.certificate !== certificate) {
      this.#read = { certificate, notBefore: Date.parse(new X509Certificate(certificate).validFrom) };
    }
    return this.#read.notBefore;
  }

  /** A clock by which the own certificate is over may be wrong: asked once, it is known. */
  start(): void {
    if (Date.parse(this.#parts.credential().notAfter) < this.#parts.system.now()) this.#doubtClock();
    this.#goOn();
  }

  #goOn(): void {
    const { system, time } = this.#parts;
    if (!time.isCorrected && system.now() < this.notBefore) this.#doubtClock();
    this.#set(this.#dueMs());
  }

  /** What failed may have failed by the clock of this machine alone: then the authority is asked for the time. */
  failed(error: unknown): void {
    if (!isByClock(error) || this.#timeDueAt !== undefined) return;
    this.#doubtClock();
    if (!this.#isLooking) this.#goOn();
  }

  #doubtClock(): void {
    this.#timeDueAt ??= this.#parts.system.monotonic() + this.#timeBackOff.next(timePace);
  }

  /** None of the known gates can be used. Asked again and again it is done at the back-off's pace. */
  askForGates(): void {
    if (this.#gatesDueAt !== undefined) return;
    this.#gatesDueAt = this.#parts.system.monotonic() + this.#gatesBackOff.next(gatesPace);
    if (!this.#isLooking) this.#goOn();
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
      if (!this.#isLooking) this.#goOn();
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
    return unconfirmed ? 0 : Date.parse(renewAfter) - this.#parts.time.now();
  }

  /** Whatever is due: what failed is not tried again before its time. */
  #dueMs(): number {
    const monotonic = this.#parts.system.monotonic();
    const [gatesMs = lookMsMax, timeMs = lookMsMax] = [this.#gatesDueAt, this.#timeDueAt].map(
      (due) => due && due - monotonic,
    );
    return Math.min(gatesMs, timeMs, Math.max(this.#renewalDueMs(), (this.#triedAgainAt ?? 0) - monotonic));
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
    this.#goOn();
  }

  #failed(cause: unknown): void {
    const error = cause instanceof PortcullisError ? cause : new PortcullisError('internal', String(cause), { cause });
    const askedMs = Number(error.detail.retryAfterSeconds ?? 0) * 1_000;
    this.#triedAgainAt = this.#parts.system.monotonic() + this.#backOff.next(pace, Math.min(askedMs, timerMsMax));
    this.failed(error);
    this.#parts.onFailure(error);
  }

  async #step(): Promise<void> {
    const { directory, system, time } = this.#parts;
    const monotonic = system.monotonic();
    if (this.#timeDueAt !== undefined && monotonic >= this.#timeDueAt) await this.#askTime();
    const asked = { time, credential: this.#parts.credential(), directory, signal: this.#abort.signal };
    if (this.#renewalDueMs() <= 0 && monotonic >= (this.#triedAgainAt ?? 0)) {
      await this.#renew(asked);
      this.#triedAgainAt = undefined;
      this.#backOff.acknowledged();
    } else if (this.#gatesDueAt !== undefined && monotonic >= this.#gatesDueAt) await this.#findGates(asked);
  }

  /** Told where it fails, and tried again: by a wrong clock nothing else goes on. */
  async #askTime(): Promise<void> {
    const { time, onFailure, onTime } = this.#parts;
    const { roots, fleet, enrolment } = this.#parts.credential();
    this.#timeDueAt = undefined;
    try {
      await time.ask({ roots, fleet, enrolment, floor: this.notBefore }, this.#abort.signal);
      this.#timeBackOff.acknowledged();
      this.#triedAgainAt = undefined;
      onTime?.();
    } catch (error) {
      this.#doubtClock();
      if (!this.#abort.signal.aborted && error instanceof PortcullisError) onFailure(error);
    }
  }

  /** One step of it: a renewal brings the gates too. */
  async #renew(asked: Renewal): Promise<void> {
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
    if ('gate' in proof || !isProofWaitedFor(credential, proof.reached, this.#parts.time.now())) return;
    const words = `the renewed certificate was not proven at a gate yet, and the one before it stays in use: ${proof.why}`;
    throw new PortcullisError('server_unreachable', words);
  }

  /** Silent where it fails: what the gates said is told, and the answer of an authority that knows no such question is no news. */
  async #findGates(asked: Renewal): Promise<void> {
    this.#gatesDueAt = undefined;
    const found = await findGates(asked).catch(() => asked.credential);
    if (found !== asked.credential && !this.#abort.signal.aborted) this.#parts.adoptGates(found);
  }

  #adopt(credential: Credential): void {
    if (!this.#abort.signal.aborted) this.#parts.adopt(credential);
  }
}
