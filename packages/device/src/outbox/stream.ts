import { join } from 'node:path';
import type { PortcullisError } from '@portcullis/contract';
import { counted } from '@portcullis/contract';
import type { System } from '../system.ts';
import { noteKnown, noteUnknown } from './apart.ts';
import type { Damage } from './damage.ts';
import { Outbox, type OutboxBounds, type Put, type Waiting } from './outbox.ts';
import type { RefusedFile } from './refused-file.ts';
import { type Counts, type Refusal, Sender, type SenderParts } from './sender.ts';
import { type Outcome, Tally } from './tally.ts';

export interface StreamParts {
  name: string;
  /** Of the device. */
  directory: string;
  bounds: OutboxBounds;
  way: SenderParts['way'];
  refusedFile: RefusedFile;
  system: System;
  onRefusal(refusal: Refusal): void;
  onAcknowledged: SenderParts['onAcknowledged'];
  onFailure(error: PortcullisError): void;
  onGatesMissing: SenderParts['onGatesMissing'];
  onGatesFound: SenderParts['onGatesFound'];
  /** What somebody should know, and no program has to. */
  onNotice(words: string): void;
}

/** One stream of a device: what waits for it, who sends that, and what became of it. */
export class Stream {
  /** Places in the outbox that were found damaged. */
  damaged = 0;
  readonly counts: Counts = { acknowledged: 0, refused: 0 };
  /** Whatever it was for. */
  lastRefusal: Refusal | undefined;
  readonly #parts: StreamParts;
  readonly #directory: string;
  readonly #outbox: Outbox;
  readonly #sender: Sender;
  readonly #running: Promise<void>;
  readonly #tallies = new Set<Tally>();

  constructor(parts: StreamParts) {
    const { name, directory, bounds, way, system, onFailure } = parts;
    const { onGatesMissing, onGatesFound, onAcknowledged } = parts;
    this.#parts = parts;
    this.#directory = join(directory, 'outbox', name);
    this.#outbox = new Outbox(this.#directory, bounds, (damage) => this.#tellDamage(damage), system);
    this.#sender = new Sender({
      stream: name,
      outbox: this.#outbox,
      way,
      counts: this.counts,
      system,
      setAside: (refused, refusal) => this.#setAside(refused, refusal),
      onRefusal: (refusal) => this.#refused(refusal),
      onAcknowledged,
      onFailure,
      onGatesMissing,
      onGatesFound: () => {
        noteKnown(this.#directory);
        onGatesFound();
      },
    });
    this.#running = this.#sender.run();
  }

  /** Readings that no gate has acknowledged yet. */
  get kept(): number {
    return this.#outbox.length;
  }

  /** Why what waits is not expected to leave soon: no known gate has the stream. It is tried again slowly. */
  get setApart(): 'stream_unknown' | undefined {
    return this.#sender.setApart;
  }

  /** Tries again now, whatever is waited for. */
  retry(): void {
    this.#sender.retry();
  }

  /** A new account of what one party puts; `close` ends it. */
  open(): { tally: Tally; outcome(): Outcome; close(): void } {
    const tally = new Tally();
    this.#tallies.add(tally);
    return { tally, outcome: () => tally.outcome(this.#outbox.gone), close: () => void this.#tallies.delete(tally) };
  }

  /** Resolves when the lines, as many as fit, are on disk. */
  async put(lines: string[], tally?: Tally): Promise<Put> {
    const put = await this.#outbox.putAll(lines);
    tally?.put(put.first, put.taken);
    if (put.taken > 0) this.#sender.wake();
    return put;
  }

  stop(): void {
    this.#sender.stop();
  }

  /** After `stop`. */
  async close(): Promise<void> {
    await this.#running;
    this.#outbox.close();
  }

  #tellDamage({ bytes, readings, file, isKept }: Damage): void {
    this.damaged++;
    const kept = isKept ? `they are kept in "${file}"` : 'the disk has no room for a copy of them';
    const lost = `${counted(bytes, 'byte')} of its outbox ${bytes === 1 ? 'is' : 'are'} damaged (${counted(readings, 'reading')} or more), ${kept}`;
    this.#parts.onNotice(`${this.#parts.name}: ${lost}; what is whole is sent`);
  }

  #setAside({ line, place }: Waiting, refusal: Refusal): void {
    const { refusedFile, onRefusal, onNotice } = this.#parts;
    if (refusedFile.add(refusal, line)) onNotice('refused.ndjson was full: the oldest refused readings are gone');
    this.counts.refused++;
    for (const tally of this.#tallies) tally.refuse(this.#outbox.gone);
    this.#outbox.advance(place, 1);
    this.lastRefusal = refusal;
    onRefusal(refusal);
  }

  #refused(refusal: Refusal): void {
    this.lastRefusal = refusal;
    const { system, onRefusal } = this.#parts;
    if (this.setApart) noteUnknown(this.#directory, new Date(system.now()).toISOString());
    onRefusal(refusal);
  }
}
