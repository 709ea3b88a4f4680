import { join } from 'node:path';
import { counted, PortcullisError, Problem } from '@portcullis/contract';
import { beforeRenewal, type Credential, credentialFileIn, readCredential } from '../credential/credential.ts';
import { KnownTime } from '../credential/known-time.ts';
import { prove } from '../credential/prove.ts';
import { Renewing } from '../credential/renewing.ts';
import { BackOff, type Pace, paces } from '../link/back-off.ts';
import { parseAnswer } from '../link/exchange.ts';
import { Link, type LinkAnswer } from '../link/link.ts';
import { type Lock, openHeld } from '../lock.ts';
import { realSystem, type System, timerMsMax } from '../system.ts';
import { type Answer, type Parcel, Spool, type SpoolBounds, spoolBounds } from './spool.ts';

/** How long what is under way with the old pair may take to be answered. */
const drainMs = 10_000;

export interface CarrierOptions {
  /** Of the gateway: its credential is there, and what it carries. */
  directory: string;
  system?: System;
  bounds?: SpoolBounds;
  onNotice?: (words: string) => void;
}

/** Asked again, it is judged again: an answer that is kept is not enough. */
export interface Asked {
  /** The address of who asks. */
  from: string;
  anew: boolean;
  /** How long an answer is waited for. */
  waitMs: number;
  signal: AbortSignal;
}

const parallelMax = 4;
const timeoutMs = 60_000;

/**
 * Carries what devices hand over to a gate, and what the gate says back. It looks into nothing: what it could change would be found
 * out by the gate or by the device, and what it holds back is missed by both. What it took is on disk before it says so.
 */
export class Carrier {
  readonly #options: CarrierOptions;
  readonly #system: System;
  readonly #lock: Lock;
  readonly #spool: Spool;
  readonly #renewing: Renewing;
  readonly #time: KnownTime;
  readonly #backOff: BackOff;
  readonly #abort = new AbortController();
  readonly #carrying = new Map<string, Promise<void>>();
  readonly #waiters = new Map<string, Set<() => void>>();
  #credential: Credential;
  #link: Link;
  /** Those of a pair before, which still wait for answers. */
  readonly #left = new Set<Link>();
  #turn: number;
  /** Failures in a row: as many as there are gates, and twice, means that none can be used. */
  #failures = 0;
  #pause: NodeJS.Timeout | undefined;
  #delivered = 0;

  private constructor(options: CarrierOptions, lock: Lock) {
    this.#options = options;
    this.#system = options.system ?? realSystem;
    this.#lock = lock;
    this.#credential = readCredential(credentialFileIn(options.directory));
    this.#spool = new Spool(join(options.directory, 'carried'), options.bounds ?? spoolBounds);
    this.#time = new KnownTime(this.#system);
    this.#link = this.#makeLink(beforeRenewal(this.#credential));
    this.#backOff = new BackOff(this.#system);
    this.#turn = this.#system.random(2).readUInt16BE();
    this.#renewing = new Renewing({
      directory: options.directory,
      system: this.#system,
      time: this.#time,
      credential: () => this.#credential,
      adopt: (credential) => {
        this.#credential = credential;
      },
      prove: (credential) => prove(credential, this.#time),
      use: (credential) => this.#use(credential),
      adoptGates: (credential) => this.#adoptGates(credential),
      onFailure: (error) => this.#notice(error.message),
      onTime: () => this.#goOn(),
    });
    this.#renewing.start();
    this.#pump();
  }

  /** @throws {PortcullisError} `credential_unusable`, `store_locked`, `environment_refused`, `disk_full` */
  static open(options: CarrierOptions): Carrier {
    return openHeld(options.directory, (lock) => new Carrier(options, lock));
  }

  get credential(): Credential {
    return this.#credential;
  }

  /** Parcels that wait for a gate. */
  get kept(): number {
    return this.#spool.length;
  }

  /** Parcels that a gate answered, since this start. */
  get delivered(): number {
    return this.#delivered;
  }

  /** What a gate said of it; `kept`: it is on disk, and no gate has answered yet; `full`: there is no room for it, or none for more of who asks. */
  async take(parcel: Parcel, { from, anew, waitMs, signal }: Asked): Promise<Answer | 'kept' | 'full'> {
    const name = Spool.nameOf(parcel);
    if (anew) this.#spool.forgetAnswer(name);
    const known = this.#spool.answerOf(name);
    if (known) return known;
    if (!this.#spool.keep(name, parcel, from)) return 'full';
    this.#pump();
    const enough = AbortSignal.any([signal, this.#abort.signal, AbortSignal.timeout(waitMs)]);
    await this.#settled(name, enough);
    return this.#spool.answerOf(name) ?? 'kept';
  }

  /** It was handed to whoever asked. Only a gate's signature is worth keeping: what else it says, it is asked for again. */
  handedOver(parcel: Parcel, { status }: Answer): void {
    if (status !== 200) this.#spool.forgetAnswer(Spool.nameOf(parcel));
  }

  /** What waits stays on disk. */
  async close(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#pause);
    for (const link of [this.#link, ...this.#left]) link.close();
    await Promise.all([this.#renewing.stop(), ...this.#carrying.values()]);
    this.#lock.close();
  }

  #settled(name: string, enough: AbortSignal): Promise<void> {
    if (enough.aborted || !this.#spool.has(name)) return Promise.resolve();
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(name) ?? new Set();
      const done = () => {
        enough.removeEventListener('abort', done);
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(name);
        resolve();
      };
      this.#waiters.set(name, waiters.add(done));
      enough.addEventListener('abort', done);
    });
  }

  #pump(): void {
    if (this.#pause || this.#abort.signal.aborted) return;
    for (const name of this.#spool.waiting) {
      if (this.#carrying.size >= parallelMax) return;
      if (this.#carrying.has(name)) continue;
      const carried = this.#carry(name).finally(() => {
        this.#carrying.delete(name);
        this.#pump();
      });
      this.#carrying.set(name, carried);
    }
  }

  async #carry(name: string): Promise<void> {
    try {
      const parcel = this.#spool.read(name);
      if (parcel) await this.#deliver(name, parcel);
      else this.#notice('a parcel was damaged on disk and is gone; whoever brought it has it still');
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#failed(error as Error);
    }
    if (this.#spool.has(name)) return this.#spool.defer(name);
    for (const done of [...(this.#waiters.get(name) ?? [])]) done();
  }

  async #deliver(name: string, { stream, mediaType, body }: Parcel): Promise<void> {
    const { gates } = this.#credential;
    const gate = gates[this.#turn % Math.max(1, gates.length)];
    if (gate === undefined) throw new PortcullisError('server_unreachable', 'no gate is known');
    const answer = await this.#link.request({
      url: `${gate}/v1/streams/${stream}/sealed`,
      method: 'POST',
      headers: { 'content-type': mediaType },
      ...{ body, timeoutMs, signal: this.#abort.signal },
    });
    if (!isOfParcel(answer)) return this.#refused(answer);
    if (answer.status === 404) this.#turn++;
    this.#backOff.acknowledged();
    this.#failures = 0;
    this.#renewing.gatesFound();
    this.#delivered++;
    const { status, headers } = answer;
    const isKept = this.#spool.answer(name, { status, mediaType: headers['content-type'] ?? '', body: answer.body });
    if (isKept) return;
    this.#notice(`the disk has no room for what a gate answered; ${this.#waitingWords()}`);
    this.#rest(paces.gate, 0);
  }

  /** The gate says no to the carrier, or can not decide now: everything waits. */
  #refused(answer: LinkAnswer): void {
    const { status, headers } = answer;
    const problem = Problem.safeParse(parseAnswer(answer));
    const why = problem.success ? `${problem.data.reason}: ${problem.data.title}` : `it answered ${status}`;
    this.#notice(`the gate does not take what is carried: ${why}; ${this.#waitingWords()}`);
    if (status !== 403) this.#turn++;
    const asked = /^\d{1,9}$/.test(headers['retry-after'] ?? '') ? Number(headers['retry-after']) * 1000 : 0;
    this.#rest(status === 403 ? paces.certificate : paces.gate, Math.min(asked, timerMsMax));
  }

  #failed(error: Error): void {
    this.#renewing.failed(error);
    this.#turn++;
    this.#failures++;
    if (this.#failures >= 2 * this.#credential.gates.length) this.#renewing.askForGates();
    this.#notice(`${error.message}; ${this.#waitingWords()}`);
    this.#rest(paces.network, 0);
  }

  #waitingWords(): string {
    const { length } = this.#spool;
    return `${counted(length, 'parcel')} ${length === 1 ? 'waits' : 'wait'}`;
  }

  #rest(pace: Pace, atLeastMs: number): void {
    if (this.#pause) return;
    this.#pause = setTimeout(() => this.#goOn(), this.#backOff.next(pace, atLeastMs));
  }

  #goOn(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#pump();
  }

  #notice(words: string): void {
    this.#options.onNotice?.(words);
  }

  #makeLink(credential: Credential): Link {
    const { roots, fleet } = credential;
    return new Link({ roots, fleet, role: 'gate', credential, moment: this.#time.moment });
  }

  /** Connections that were made with the old pair end: they would be refused once it is superseded (FIELD-NOTES A5). */
  async #use(credential: Credential): Promise<void> {
    const old = this.#link;
    this.#link = this.#makeLink(credential);
    this.#left.add(old);
    await old.drain(drainMs);
    this.#left.delete(old);
  }

  #adoptGates(credential: Credential): void {
    this.#credential = credential;
    this.#goOn();
  }
}

/** What a gate may say of the parcel itself: signed, or that it is none at all. Everything else is said of the carrier, or of the gate. */
const statusesOfParcels = new Set([200, 400, 404, 413, 415, 422]);

function isOfParcel({ status, body }: LinkAnswer): boolean {
  return statusesOfParcels.has(status) && body.length <= answerBytesMax;
}

const answerBytesMax = 4 * 1024 * 1024;
