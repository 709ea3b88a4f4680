import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { counted } from '@portcullis/contract';
import { z } from 'zod';
import type { Lease } from '../../replica/replica.ts';
import type { Sink } from '../../storage/sink.ts';
import { type Log, replaceFile, timestamp } from '../../telemetry/telemetry.ts';

const dayMs = 86_400_000;
/** Time that passes moves the bound a little with each look. More at once is a clock that jumped, a gate that stood still, or another `retainDays`. */
const stepMsMax = dayMs;
/** Of what is there: more than this does not go in one step without asking. */
export const shareMax = 0.1;

const milliseconds = z.int();
/** Readings that were received before, how many those are, and of how many. */
const Asked = z.object({ before: milliseconds, readings: z.int().positive(), of: z.int().positive() });
export type Asked = z.infer<typeof Asked>;
const Kept = z.object({ reached: milliseconds.optional(), asked: Asked.optional() });
type Kept = z.infer<typeof Kept>;
const Accepted = z.object({ before: milliseconds });

const keptFileIn = (directory: string) => join(directory, 'retention.json');
const acceptedFileIn = (directory: string) => join(directory, 'retention-accepted.json');

interface Parts {
  directory: string;
  retainDays: number;
  sink: Pick<Sink, 'age' | 'prune'>;
  lease: Pick<Lease, 'holds'>;
  /** The authority's time as it said it last, and this machine's: what both call old is old. */
  authorityTime(): number | undefined;
  now(): number;
  log: Log;
}

/**
 * Removes readings that are older than `retainDays`: under a lease alone, by the authority's time, and never more than a tenth of
 * what is there in one step of more than a day, unless an operator has accepted it. What is kept on disk is how far it has come and
 * what it asks; a crash before that is written asks, or removes, the same once more.
 */
export class Retention {
  readonly #parts: Parts;
  #kept: Kept;
  #written: Kept;
  #looking = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#kept = read(keptFileIn(parts.directory), Kept) ?? {};
    this.#written = this.#kept;
  }

  /** How many readings wait for an operator's word. */
  get waiting(): number {
    return this.#kept.asked?.readings ?? 0;
  }

  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.#look();
    } catch (error) {
      this.#parts.log.warn({ err: error }, "couldn't remove readings that are old enough to go");
    } finally {
      this.#looking = false;
    }
  }

  async #look(): Promise<void> {
    const before = this.#bound();
    if (before === undefined) return;
    const accepted = this.#acceptedBound();
    if (this.#isStep(before)) await this.#remove(before);
    else if (accepted !== undefined && accepted <= before) await this.#remove(accepted);
    else if (this.#asksAnew(before)) await this.#consider(before);
    await this.#write();
  }

  #bound(): number | undefined {
    const { retainDays, lease, authorityTime, now } = this.#parts;
    const time = authorityTime();
    if (retainDays === 0 || time === undefined || !lease.holds()) return undefined;
    return Math.min(time, now()) - retainDays * dayMs;
  }

  #isStep(before: number): boolean {
    return this.#kept.reached !== undefined && before - this.#kept.reached <= stepMsMax;
  }

  /** Counting is long: a question that stands is not asked again with each look. */
  #asksAnew(before: number): boolean {
    const { asked } = this.#kept;
    return asked === undefined || before < asked.before || before - asked.before > stepMsMax;
  }

  async #consider(before: number): Promise<void> {
    const { sink, retainDays, log } = this.#parts;
    const { older, present } = await sink.age(before);
    if (older <= present * shareMax) return this.#remove(before);
    this.#kept = { ...this.#kept, asked: { before, readings: older, of: present } };
    log.warn(
      { readings: older, of: present, before: timestamp(before) },
      `${older} of ${present} readings are older than ${retainDays} days all at once: nothing is removed; if the clocks are right and it is meant, run "portcullis gate accept-prune" on this directory`,
    );
  }

  async #remove(before: number): Promise<void> {
    const { sink, directory, log } = this.#parts;
    const removed = await sink.prune(before);
    if (removed > 0)
      log.info(
        { removed, before: timestamp(before) },
        `${counted(removed, 'reading')} ${removed === 1 ? 'was' : 'were'} old enough to go`,
      );
    this.#kept = { reached: Math.max(before, this.#kept.reached ?? before) };
    await rm(acceptedFileIn(directory), { force: true });
  }

  #acceptedBound(): number | undefined {
    if (this.#kept.asked === undefined) return undefined;
    return read(acceptedFileIn(this.#parts.directory), Accepted)?.before;
  }

  async #write(): Promise<void> {
    const { reached, asked } = this.#kept;
    const movedMs = (reached ?? 0) - (this.#written.reached ?? 0);
    if (asked === this.#written.asked && movedMs < stepMsMax / 24) return;
    await replaceFile(keptFileIn(this.#parts.directory), `${JSON.stringify(this.#kept)}\n`);
    this.#written = this.#kept;
  }
}

/** A damaged one is as good as none: then it is asked. */
function read<Value>(file: string, shape: z.ZodType<Value>): Value | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return shape.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** An operator's word that what the gate of this directory asked may go: at its next look. Undefined when it asks nothing. */
export async function acceptPrune(directory: string): Promise<Asked | undefined> {
  const asked = read(keptFileIn(directory), Kept)?.asked;
  if (asked) await replaceFile(acceptedFileIn(directory), `${JSON.stringify({ before: asked.before })}\n`);
  return asked;
}
