import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Log, replaceFile, timestamp } from '../../telemetry/telemetry.ts';
import { clockFloorIn, floorDelayMs, type Position } from './position.ts';

/** Milliseconds. As far as the clocks of gate and authority may differ: what is further off is a clock that is, or was, wrong. */
const differenceMsMax = 300_000;

const Accepted = z.object({ clockFloor: z.int().nonnegative() });
const acceptedFileIn = (directory: string) => join(directory, 'clock-accepted.json');

interface Parts {
  directory: string;
  position: Position;
  /** This machine's, milliseconds since 1970. */
  now(): number;
  log: Log;
}

/**
 * The time that certificates are judged by: never earlier than the authority once said, so that a clock that is put back makes none good
 * again that has ended (P9). Where that is far later than all clocks say now, one of the two is wrong, and nobody knows which but an operator.
 */
export class ValidityClock {
  readonly #parts: Parts;
  #authorityTime: number | undefined;
  #isAhead = false;
  #settling: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#look();
  }

  validityTime(): number {
    return Math.max(this.#parts.now(), this.#floor);
  }

  /** The same, or what the clocks say now where the floor is ahead of them. */
  presentTime(): number {
    return this.validityTime() - this.aheadMs();
  }

  /** How much later the floor is than both this machine's clock and the authority's, where that is more than clocks may differ; else 0. */
  aheadMs(): number {
    const ahead = this.#floor - Math.max(this.#parts.now(), this.#authorityTime ?? 0);
    return ahead > differenceMsMax ? Math.round(ahead) : 0;
  }

  /** What a beat said. True where it agrees with this machine's clock: then it is the floor, unless that is later. */
  heard(time: number): boolean {
    const { position, now } = this.#parts;
    this.#authorityTime = time;
    this.#look();
    if (Math.abs(time - now()) >= differenceMsMax) return false;
    this.#takeAccepted(time);
    position.raiseFloor(time);
    return true;
  }

  /** Resolves once what was begun with an operator's word is done. */
  settled(): Promise<void> {
    return this.#settling;
  }

  get #floor(): number {
    return this.#parts.position.held?.clockFloor ?? 0;
  }

  /** A crash before the file is removed takes it once more, where it lowers nothing. A word on another floor is none on this one. */
  #takeAccepted(time: number): void {
    const { directory, position, log } = this.#parts;
    const file = acceptedFileIn(directory);
    if (!existsSync(file)) return;
    const accepted = Accepted.safeParse(contentOf(file)).data?.clockFloor ?? 0;
    if (this.aheadMs() > 0 && this.#floor <= accepted + floorDelayMs) {
      log.warn(
        { floor: timestamp(this.#floor), time: timestamp(time) },
        'an operator said that the clock is right: certificates are judged by it again',
      );
      position.lowerFloor(time);
      this.#look();
    }
    this.#settling = this.#settled(file);
  }

  /** In this order: the floor is on disk before the word for it goes. Where the disk does not take it, the next beat finds the word again. */
  async #settled(file: string): Promise<void> {
    const { position, log } = this.#parts;
    if (!(await position.write())) return;
    await rm(file, { force: true }).catch((error: unknown) => log.warn({ err: error }, `couldn't remove "${file}"`));
  }

  #look(): void {
    const { now, log } = this.#parts;
    const ahead = this.aheadMs();
    if (ahead > 0 === this.#isAhead) return;
    this.#isAhead = ahead > 0;
    const floor = timestamp(this.#floor);
    if (!this.#isAhead) log.info({ floor }, 'the clock is no longer earlier than what the authority said before');
    else
      log.error(
        { code: 'clock_was_ahead', floor, clock: timestamp(now()) },
        `the authority once said ${floor}, and it is ${timestamp(now())} now: certificates that end in between are refused; if the clock is right now, run "portcullis gate accept-clock" on this directory`,
      );
  }
}

function contentOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * An operator's word that the clock is right, and what the gate of this directory was told before was not: with its next beat.
 * Undefined where that is not far ahead of `now`; else what it was told, in milliseconds since 1970.
 * @throws {PortcullisError} `store_damaged`
 */
export async function acceptClock(directory: string, now: number): Promise<number | undefined> {
  const clockFloor = clockFloorIn(directory);
  if (clockFloor === undefined || clockFloor - now <= differenceMsMax) return undefined;
  await replaceFile(acceptedFileIn(directory), `${JSON.stringify({ clockFloor })}\n`);
  return clockFloor;
}
