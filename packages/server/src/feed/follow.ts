import type { FeedMessage, SubjectDelta } from '@portcullis/contract';
import type { ChangeRecord, Journal } from '../journal/journal.ts';
import { timestamp } from '../telemetry/telemetry.ts';

/** So many live changes wait for a slow gate in memory; beyond, it reads them from the journal. */
const liveMax = 1_000;
const pageSize = 200;
const beatMs = 500;

interface Parts {
  journal: Journal;
  names: ReadonlySet<string>;
  now(): number;
  write(message: FeedMessage | string): Promise<void>;
  signal: AbortSignal;
  /** The line of a change for gates with these names; the same for all of them. */
  lineOf(record: ChangeRecord): string;
}

/**
 * The journal from a cursor on, in three phases that may repeat: backfill from the store, cut over once it is caught up, live.
 * What happens during a backfill waits in `live`; when that overflows it is dropped, and the store is read again.
 */
export class Follower {
  readonly #parts: Parts;
  #cursor: number;
  #live: ChangeRecord[] = [];
  #behind = true;
  #beatDue = true;
  #wake: () => void = () => undefined;

  constructor(parts: Parts, cursor: number) {
    this.#parts = parts;
    this.#cursor = cursor;
  }

  async run(): Promise<void> {
    const { journal, signal } = this.#parts;
    const stop = journal.onChange((record) => this.#hear(record));
    const beat = setInterval(() => this.#nudge(true), beatMs);
    const aborted = () => this.#wake();
    signal.addEventListener('abort', aborted);
    try {
      while (!signal.aborted) await this.#step();
    } finally {
      stop();
      clearInterval(beat);
      signal.removeEventListener('abort', aborted);
    }
  }

  #hear(record: ChangeRecord): void {
    if (this.#live.length >= liveMax) {
      this.#live = [];
      this.#behind = true;
    } else this.#live.push(record);
    this.#nudge(false);
  }

  #nudge(beatDue: boolean): void {
    this.#beatDue ||= beatDue;
    this.#wake();
  }

  async #step(): Promise<void> {
    if (this.#behind) return this.#backfill();
    const next = this.#live.shift();
    if (next) return this.#send(next);
    if (this.#beatDue) return this.#sendBeat();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  async #backfill(): Promise<void> {
    const records = await this.#parts.journal.changes(this.#cursor, pageSize);
    for (const record of records) await this.#send(record);
    const [first] = this.#live;
    const next = first?.revision ?? this.#parts.journal.head().revision;
    this.#behind = next > this.#cursor + (first ? 1 : 0);
  }

  async #send(record: ChangeRecord): Promise<void> {
    if (this.#parts.signal.aborted || record.revision <= this.#cursor) return;
    if (record.revision > this.#cursor + 1) {
      this.#behind = true; // The store has what is missing, and this one too.
      return;
    }
    this.#cursor = record.revision;
    await this.#parts.write(this.#parts.lineOf(record));
  }

  /** Only when all is sent: a beat that names more than was sent would tell the gate that something is missing. */
  async #sendBeat(): Promise<void> {
    this.#beatDue = false;
    const { revision, revisionHash: hash } = this.#parts.journal.head();
    if (revision !== this.#cursor) return;
    await this.#parts.write({ type: 'beat', revision, hash, time: timestamp(this.#parts.now()) });
  }
}

/** A change as a gate with these attribute names is told it. */
export function changeLine(record: ChangeRecord, names: ReadonlySet<string>): string {
  const { revision, hash, previousHash, at, actor } = record;
  const subjects = record.subjects.map((delta) => narrowed(delta, names));
  const message: FeedMessage = { type: 'change', revision, hash, previousHash, at: timestamp(at), actor, subjects };
  return JSON.stringify(message);
}

function narrowed(delta: SubjectDelta, names: ReadonlySet<string>): SubjectDelta {
  if (!delta.attributes) return delta;
  const attributes = Object.fromEntries(Object.entries(delta.attributes).filter(([name]) => names.has(name)));
  return { ...delta, attributes };
}
