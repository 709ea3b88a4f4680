import { setTimeout as pause } from 'node:timers/promises';
import type { Written } from '../outbox/reading.ts';
import type { Counts, Refusal } from '../outbox/sender.ts';
import type { Outcome, Tally } from '../outbox/tally.ts';
import type { Device } from '../sending-device.ts';

/** What became of a stream since the readings were begun to be put, and of the readings that were. */
export interface Account extends Counts {
  /** What waits in the stream, whoever put it. */
  kept: number;
  mine: Outcome;
  /** The last one of the stream since then, whatever it was refused for. */
  lastRefusal?: Refusal;
}

/** Where a command puts readings of one stream: the device that it holds itself, or the process that holds it. */
export interface Destination {
  /** As many as fit, in their order; resolves when these are on disk. @throws {PortcullisError} `disk_full`, `usage` */
  put(readings: Written[]): Promise<{ taken: number; refusal?: Error }>;
  /** When nothing that was put waits any more, or, if nothing was put, nothing at all; or when the time is over. */
  settle(signal: AbortSignal): Promise<Account>;
  account(): Promise<Account>;
  /** Tries again now, whatever is waited for. */
  retry(): Promise<void>;
  close(): Promise<void>;
}

const lookMs = 20;

export class HeldDevice implements Destination {
  readonly #device: Device;
  readonly #stream: string;
  readonly #account: ReturnType<ReturnType<Device['stream']>['open']>;
  readonly #tally: Tally;
  readonly #before: Counts;
  readonly #refusalBefore: Refusal | undefined;
  #put = 0;

  constructor(device: Device, stream: string) {
    this.#device = device;
    const { counts, lastRefusal } = device.stream(stream);
    this.#before = { ...counts };
    this.#refusalBefore = lastRefusal;
    this.#stream = stream;
    this.#account = device.stream(stream).open();
    this.#tally = this.#account.tally;
  }

  async put(readings: Written[]): Promise<{ taken: number; refusal?: Error }> {
    const put = await this.#device.put(this.#stream, readings, this.#tally);
    this.#put += put.taken;
    return put;
  }

  async settle(signal: AbortSignal): Promise<Account> {
    for (;;) {
      const now = await this.account();
      if (signal.aborted || (this.#put === 0 ? now.kept : now.mine.kept) === 0) return now;
      await pause(lookMs, undefined, { signal }).catch(() => undefined);
    }
  }

  account(): Promise<Account> {
    const { counts, kept, lastRefusal } = this.#device.stream(this.#stream);
    const isNew = lastRefusal !== undefined && lastRefusal !== this.#refusalBefore;
    const acknowledged = counts.acknowledged - this.#before.acknowledged;
    const refused = counts.refused - this.#before.refused;
    const account = { acknowledged, refused, kept, mine: this.#account.outcome() };
    return Promise.resolve({ ...account, ...(isNew && { lastRefusal }) });
  }

  retry(): Promise<void> {
    this.#device.stream(this.#stream).retry();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#account.close();
    return Promise.resolve();
  }
}
