import { PortcullisError } from '@portcullis/contract';
import {
  BackOff,
  beforeRenewal,
  type Credential,
  confirm,
  GateChoice,
  type Heard,
  HttpsWay,
  jittered,
  Link,
  type Network,
  paces,
  renew,
  type System,
  type Told,
} from '@portcullis/device';
import type { Beginnings } from './beginnings.ts';
import type { Flaw, Fleet } from './kept-subjects.ts';
import { Pause } from './pause.ts';
import { codeOf, countIn, type Tally } from './tally.ts';

export interface Simulated {
  credential: Credential;
  /** Where its credential is. */
  directory: string;
  flaw?: Flaw;
}

export interface DeviceParts {
  /** Whatever the kept files say: no other server is spoken to. */
  fleet: Fleet;
  gates: readonly string[];
  stream: string;
  /** What each reading says. */
  data: Record<string, unknown>;
  /** How often one is taken. */
  everyMs: number;
  network: Network;
  tally: Tally;
  beginnings: Beginnings;
  system: System;
  /** A full outbox takes no more. */
  waitingMax: number;
  /** Makes ids unlike those of other runs. */
  run: string;
}

const answerMs = 30_000;
const drainMs = 10_000;
const perRequestMax = 1_000;
/** What a clock says that lost its battery. */
const wrongMoment = { from: 0, until: 0 };
const renewalPace = { firstMs: 1_000, longestMs: 30_000 };

/**
 * A device whose outbox is in memory: takes readings, and sends them over the device's own client at the pace of a real one, with all that it
 * keeps to: one gate at a time, waiting longer after each failure, and never less than the gate asks for.
 */
export class SimulatedDevice {
  readonly #parts: DeviceParts;
  readonly #device: Simulated;
  readonly #gates: GateChoice;
  readonly #backOff: BackOff;
  readonly #abort = new AbortController();
  readonly #pause = new Pause();
  readonly #renewalPause = new Pause();
  #credential: Credential;
  /** With the pair that connections are made with. */
  #inUse: Credential;
  #way: HttpsWay;
  #waiting: string[] = [];
  #taken = 0;
  #dueAt: number;
  #isStopped = false;
  /** Resolves when the power is back. */
  #away: PromiseWithResolvers<void> | undefined;
  #returnedAt: number | undefined;

  constructor(device: Simulated, parts: DeviceParts) {
    this.#device = device;
    this.#parts = parts;
    const { system, everyMs } = parts;
    this.#gates = new GateChoice(system.random(2).readUInt16BE(), system.monotonic);
    this.#backOff = new BackOff(system);
    this.#credential = device.credential;
    this.#inUse = beforeRenewal(device.credential);
    this.#way = this.#makeWay(this.#inUse);
    this.#dueAt = system.monotonic() + jittered(system, everyMs);
  }

  get flaw(): Flaw | undefined {
    return this.#device.flaw;
  }

  /** Readings that no gate has acknowledged. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Until it is stopped, and what it sends was answered. */
  async run(): Promise<void> {
    await this.#pause.wait(this.#untilDueMs());
    while (!this.#isStopped) {
      if (this.#away) await this.#away.promise;
      else await this.#pause.wait(await this.#turn());
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#away?.resolve();
    this.#pause.close();
    this.#renewalPause.close();
  }

  /** Also what was sent and is not answered. */
  close(): void {
    this.stop();
    this.#abort.abort();
    this.#way.close();
  }

  /** All of its connections end at once, without a word. */
  losePower(): void {
    this.#away ??= Promise.withResolvers();
    this.#way.close();
    this.#pause.end();
  }

  /** It begins anew, with what waits and a reading taken at once. */
  regainPower(): void {
    if (!this.#away || this.#isStopped) return;
    const { system } = this.#parts;
    this.#way = this.#makeWay(this.#inUse);
    this.#backOff.acknowledged();
    this.#returnedAt = system.monotonic();
    this.#dueAt = this.#returnedAt;
    this.#away.resolve();
    this.#away = undefined;
  }

  /** A new certificate, proven, used and confirmed, as often as it takes. */
  async renew(): Promise<void> {
    const { system, tally } = this.#parts;
    const backOff = new BackOff(system);
    for (const begun = system.monotonic(); !this.#isStopped; ) {
      try {
        await this.#renewOnce();
        tally.renewed++;
        tally.renewals.note(system.monotonic() - begun);
        return;
      } catch (error) {
        if (!this.#isStopped) countIn(tally.renewalsFailed, codeOf(error));
        await this.#renewalPause.wait(backOff.next(renewalPace));
      }
    }
  }

  async #renewOnce(): Promise<void> {
    const asked = { directory: this.#device.directory, signal: this.#abort.signal };
    if (!this.#credential.unconfirmed) this.#credential = await renew({ credential: this.#own(), ...asked });
    const way = this.#makeWay(this.#credential);
    const proof = await way.prove();
    if (!('gate' in proof)) {
      way.close();
      throw new PortcullisError('server_unreachable', `the renewed certificate was not proven: ${proof.why}`);
    }
    const before = this.#way;
    [this.#inUse, this.#way] = [this.#credential, way];
    if (this.#away) way.close();
    await before.drain(drainMs);
    this.#credential = await confirm({ credential: this.#own(), ...asked });
  }

  /** By the roots of the fleet that is simulated, whatever was on disk. */
  #own(): Credential {
    return { ...this.#credential, ...this.#parts.fleet };
  }

  #makeWay(credential: Credential): HttpsWay {
    const { fleet, network, system, gates } = this.#parts;
    const moment = this.#device.flaw === 'clock' ? { moment: () => wrongMoment } : {};
    const link = new Link({ ...fleet, role: 'gate', credential, ...moment }, network, system.now);
    return new HttpsWay({ link, gates: () => gates, clock: { heard: () => undefined } });
  }

  #untilDueMs(): number {
    return Math.max(0, this.#dueAt - this.#parts.system.monotonic());
  }

  /** Resolves to how long to wait before the next one. */
  async #turn(): Promise<number> {
    const { tally, beginnings, system, stream } = this.#parts;
    await beginnings.turn();
    if (this.#isStopped || this.#away) return 0;
    this.#take();
    const sent = this.#waiting.slice(0, perRequestMax);
    if (sent.length === 0) return this.#untilDueMs();
    const way = this.#way;
    const gate = this.#gates.current(way.gates) ?? '';
    const begun = system.monotonic();
    const readings = sent.map((line) => ({ line }));
    try {
      const heard = await way.send({ gate, stream, readings, timeoutMs: answerMs, signal: this.#abort.signal });
      if (isTold(heard)) return this.#refused(heard, gate, sent.length);
      tally.latencies.note(system.monotonic() - begun);
      return this.#acknowledged(sent.length, gate);
    } catch (error) {
      // Who has lost its power, or is told to end, has no answer to count.
      if (this.#away || way !== this.#way || this.#abort.signal.aborted) return 0;
      return this.#failed(error, gate);
    }
  }

  #take(): void {
    const { system, everyMs, run, data, waitingMax } = this.#parts;
    for (const now = system.monotonic(); this.#dueAt <= now; this.#dueAt += everyMs) {
      if (this.#waiting.length >= waitingMax) continue;
      const time = new Date(system.now()).toISOString();
      const line = JSON.stringify({ _id: `${run}-${++this.#taken}`, _time: time, ...data });
      this.#waiting.push(this.#device.flaw === 'cut' ? line.slice(0, line.length / 2) : line);
    }
  }

  #acknowledged(count: number, gate: string): number {
    const { tally, system } = this.#parts;
    this.#waiting.splice(0, count);
    tally.admitted += count;
    if (this.#returnedAt !== undefined) tally.returns.note(system.monotonic() - this.#returnedAt);
    this.#returnedAt = undefined;
    this.#backOff.acknowledged();
    this.#gates.acknowledged();
    this.#gates.knows(gate);
    return this.#untilDueMs();
  }

  #refused({ problem, reasonClass, atLeastMs }: Told, gate: string, count: number): number {
    const { tally } = this.#parts;
    countIn(tally.refused, problem.reason);
    if (reasonClass === 'reading') {
      const at = (problem.line ?? 1) - 1;
      tally.setAside += this.#waiting.splice(at, problem.line === undefined ? count : 1).length;
      return this.#untilDueMs();
    }
    if (reasonClass === 'gate') this.#gates.passOver(gate);
    const pace = problem.reason === 'not_admitted' || problem.reason === 'stream_unknown' ? problem.reason : undefined;
    return this.#backOff.next(paces[pace ?? (reasonClass === 'certificate' ? 'certificate' : 'gate')], atLeastMs);
  }

  #failed(error: unknown, gate: string): number {
    const code = codeOf(error);
    countIn(this.#parts.tally.errors, code);
    if ((error as PortcullisError).detail.begun === true) this.#gates.lost(gate);
    const isGone = code === 'server_unreachable' || code === 'server_not_verified';
    if (isGone) this.#gates.failed(gate, this.#way.gates);
    else this.#gates.passOver(gate);
    return this.#backOff.next(code === 'not_authenticated' ? paces.certificate : paces.network, 1);
  }
}

const isTold = (heard: Heard): heard is Told => 'problem' in heard;
