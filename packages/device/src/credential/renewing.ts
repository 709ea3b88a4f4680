import { X509Certificate } from 'node:crypto';
import { enrolmentsOf, PortcullisError } from '@portcullis/contract';
import { BackOff } from '../link/back-off.ts';
import { isByClock } from '../link/strict-connector.ts';
import { jittered, type System, timerMsMax } from '../system.ts';
import { beforeRenewal, type Credential } from './credential.ts';
import type { KnownTime } from './known-time.ts';
import type { Proof } from './prove.ts';
import { confirm, findGates, isUnknown, type Renewal, renew, renewAgain } from './renew.ts';
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
/** The system's clock is wrong: nothing goes on before the right time is known. */
const timePace = { firstMs: 2_000, longestMs: 900_000 };
/** Of a certificate's lifetime: so much of it passes before a gate may have it renewed, and over as much those who are told are spread. */
const earlyShare = 1 / 10;
/** A gate that is lost to many at once must not bring all of them to the authority at once. */
const gatesPace = { firstMs: 10_000, longestMs: 3_600_000 };

const isOfNoTime = (error: unknown) =>
  error instanceof PortcullisError && (error.code === 'answer_not_verified' || error.code === 'server_not_verified');

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
  /** This certificate is renewed before its time, for a newer trust bundle: when, in milliseconds since 1970. */
  #early: { certificate: string; at: number } | undefined;
  /** This certificate begins later, and it is not this machine's clock that is behind: it was made while a clock was ahead. */
  #madeAhead: string | undefined;
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

  /**
   * A gate told which version of the trust bundle a device should have by now: who has an older one renews before its time. Once for each
   * certificate, spread over a tenth of its lifetime, and not in its first tenth: more is not done, whatever gates say.
   */
  askForBundle(version: number): void {
    const { certificate, bundleVersion, unconfirmed, notAfter } = this.#parts.credential();
    if (unconfirmed || version <= bundleVersion || this.#early?.certificate === certificate) return;
    const { system, time } = this.#parts;
    const shareMs = (Date.parse(notAfter) - this.notBefore) * earlyShare;
    const soonest = Math.max(time.now(), this.notBefore + shareMs);
    this.#early = { certificate, at: soonest + jittered(system, shareMs) };
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
    const { unconfirmed, renewAfter, certificate } = this.#parts.credential();
    const early = this.#early?.certificate === certificate ? this.#early.at : Number.POSITIVE_INFINITY;
    const isAhead = this.#madeAhead === certificate && this.#parts.time.now() < this.notBefore;
    return unconfirmed || isAhead ? 0 : Math.min(early, Date.parse(renewAfter)) - this.#parts.time.now();
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
    const { system, time, onFailure, onTime } = this.#parts;
    const credential = this.#parts.credential();
    const { roots, fleet, enrolment, certificate } = credential;
    const addresses = enrolmentsOf(credential);
    this.#timeDueAt = undefined;
    try {
      await time.ask({ roots, fleet, enrolment, addresses, floor: this.notBefore }, this.#abort.signal);
      this.#timeBackOff.acknowledged();
      this.#triedAgainAt = undefined;
      onTime?.();
    } catch (error) {
      this.#doubtClock();
      // Nobody vouches for a time at which it has begun: by the system's clock, by which servers are judged then, it is renewed.
      if (isOfNoTime(error) && system.now() < this.notBefore) this.#madeAhead = certificate;
      if (!this.#abort.signal.aborted && error instanceof PortcullisError) onFailure(error);
    }
  }

  /** One step of it: a renewal brings the gates too. */
  async #renew(asked: Renewal): Promise<void> {
    if (!asked.credential.unconfirmed) return this.#adopt(await renew(asked));
    try {
      await this.#goOver(asked);
    } catch (error) {
      await this.#comeBack(asked, error);
    }
  }

  /** An authority that was restored, or lost its last changes, does not know the new pair: it is asked anew, and meanwhile the one before serves. */
  async #comeBack(asked: Renewal, error: unknown): Promise<void> {
    const { credential } = asked;
    if (this.#abort.signal.aborted || !credential.previous || !(await isUnknown(asked))) throw error;
    if (this.#used === credential.certificate) {
      this.#used = undefined;
      await this.#parts.use(beforeRenewal(credential));
    }
    const again = await renewAgain(asked);
    this.#adopt(again);
    // Whoever said that it is unknown, the authority knows it.
    if (again.certificate === credential.certificate) throw error;
  }

  async #goOver(asked: Renewal): Promise<void> {
    const { credential } = asked;
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
