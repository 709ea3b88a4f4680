import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import type { BoundedFile } from '../outbox/bounded-file.ts';
import { isBlank, type Line, type LineGroup, lineBytesMax } from '../outbox/lines.ts';
import { type Given, parseLine, requireFits, type Written } from '../outbox/reading.ts';
import type { Account, Destination } from '../socket/destination.ts';
import type { Progress } from './taken.ts';

interface Parts {
  destination: Destination;
  progress: Progress | undefined;
  /** Where lines go that are no readings; undefined: the first one ends the sending. */
  badLines: BoundedFile | undefined;
  notice(words: string): void;
  /** How long a full outbox is waited for. */
  waitMs: number;
  signal: AbortSignal;
}

type Parsed = { line: Line; written: Written } | { line: Line; why: string };

const lookMs = 20;
/** More bad lines than that are counted, not told. */
const toldMax = 10;

/** Puts the lines of an input, group by group, and knows how far it came. */
export class Intake {
  readonly #parts: Parts;
  sent = 0;
  skipped = 0;
  lines = 0;
  failure: Error | undefined;
  /** A line that is no reading ended it. */
  stoppedByLine = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.lines = parts.progress?.lines ?? 0;
  }

  /** All lines of the group are put together and become durable together. False: it can not go on. */
  async take({ lines, digest }: LineGroup): Promise<boolean> {
    const { progress, badLines } = this.#parts;
    const given = progress?.note(lines);
    const parsed = lines.filter((line) => !isBlank(line)).map((line) => parse(line, given));
    const firstBad = badLines ? -1 : parsed.findIndex((one) => 'why' in one);
    const unput = await this.#put(firstBad === -1 ? parsed : parsed.slice(0, firstBad));
    const stop = unput ?? parsed[firstBad];
    if (stop && 'why' in stop) {
      this.stoppedByLine = true;
      this.failure ??= new PortcullisError('usage', stop.why);
    }
    const done = stop ? lines.filter(({ number }) => number < stop.line.number) : lines;
    const last = done.at(-1);
    this.#setApart(parsed.filter(({ line }) => line.number <= (last?.number ?? 0)));
    if (last) progress?.took(last, stop ? undefined : digest());
    this.lines = last?.number ?? this.lines;
    return stop === undefined;
  }

  /** In their order; the first that could not be put, if there is one. */
  async #put(parsed: Parsed[]): Promise<Parsed | undefined> {
    for (let left = parsed.filter((one) => ('written' in one)); left.length > 0; ) {
      const before = await this.#parts.destination.account();
      const { taken, refusal } = await this.#parts.destination.put(left.map(({ written }) => written));
      this.sent += taken;
      left = left.slice(taken);
      if (!refusal) return undefined;
      const isFull = refusal instanceof PortcullisError && refusal.code === 'outbox_full';
      if (isFull && (await this.#moreIsGone(before))) continue;
      this.failure = refusal;
      return left[0];
    }
    return undefined;
  }

  async #moreIsGone(before: Account): Promise<boolean> {
    const signal = AbortSignal.any([AbortSignal.timeout(this.#parts.waitMs), this.#parts.signal]);
    for (;;) {
      if (gone(await this.#parts.destination.account()) > gone(before)) return true;
      if (signal.aborted) return false;
      await pause(lookMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #setApart(parsed: Parsed[]): void {
    for (const one of parsed) {
      if (!('why' in one)) continue;
      const { badLines, notice } = this.#parts;
      if (badLines?.append(one.line.bytes)) notice(`"${badLines.file}" was full: the oldest bad lines are gone`);
      if (this.skipped++ < toldMax) notice(`${one.why}; set apart in "${badLines?.file}"`);
    }
  }
}

const gone = ({ acknowledged, refused }: Account) => acknowledged + refused;

function parse(line: Line, given?: (line: Line) => Given): Parsed {
  try {
    if (line.isCut) throw new PortcullisError('usage', `it is longer than ${lineBytesMax} bytes`);
    const { text, given: own } = parseLine(line.bytes);
    const written = { text, given: { ...given?.(line), ...own } };
    requireFits(written);
    return { line, written };
  } catch (cause) {
    return { line, why: `line ${line.number}: ${(cause as Error).message}` };
  }
}
