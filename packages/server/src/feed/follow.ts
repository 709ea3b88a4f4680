import type { FeedMessage, SubjectDelta } from '@portcullis/contract';
import type { ChangeRecord, DraftTold, Journal } from '../journal/journal.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { RulesToTell } from './promises.ts';

/** So many live changes, and so many bytes of them, wait for a slow gate in memory; beyond, it reads them from the journal. */
const liveMax = 1_000;
const liveBytesMax = 16 * 1024 * 1024;
/** A change of more bytes than these is no line of the feed: a gate takes a snapshot in its place. */
export const changeBytesMax = 32 * 1024 * 1024;
/** A shorter way is gone, however small a snapshot is. */
const wayBytesMin = 8 * 1024 * 1024;
/** So many changes are counted at the most to see how far a gate has to go. */
const countedMax = 20_000;
const pageSize = 200;
const beatMs = 500;

interface Parts {
  journal: Journal;
  names: ReadonlySet<string>;
  now(): number;
  write(message: FeedMessage | string): Promise<void>;
  /** Sends a snapshot that shows at least this revision; resolves to the one that it shows. `waiting`: nothing is sent yet. */
  snapshot(atLeast: number, waiting: () => Promise<void>): Promise<number>;
  /** How large a snapshot is about. */
  snapshotBytes(): number;
  signal: AbortSignal;
  /** The line of a change for gates with these names; the same for all of them. */
  lineOf(record: ChangeRecord): string;
  /** The line of one part of a bulk change; undefined for a gate that takes none: it gets a snapshot in their place. */
  partLine: ((draft: string, number: number) => Promise<string>) | undefined;
  /** Undefined for a gate that knows none. */
  rules: RulesToTell | undefined;
}

/** What a gate was sent of a bulk change that is not committed. */
interface Sent {
  draft: string;
  parts: number;
  /** It was told that this was all. */
  prepared: boolean;
}

/**
 * The journal from a cursor on, in three phases that may repeat: backfill from the store, cut over once it is caught up, live.
 * What happens during a backfill waits in `live`; when that overflows it is dropped, and the store is read again. Where the way would be
 * longer than a snapshot is, or a change is too large for a line, a snapshot takes its place, in the middle of the stream. A bulk change is
 * sent in parts while it is prepared and nothing else is to be sent; what is missing by then, right before its revision.
 */
export class Follower {
  readonly #parts: Parts;
  #cursor: number;
  #live: ChangeRecord[] = [];
  #liveBytes = 0;
  #behind = true;
  #beatDue = true;
  #sent: Sent | undefined;
  /** The revision of the rules that it was told. */
  #rulesSent: number | undefined;
  #wake: () => void = () => undefined;

  constructor(parts: Parts, cursor: number) {
    this.#parts = parts;
    this.#cursor = cursor;
  }

  /** `snapshot`: begin with one, whatever is held. */
  async run({ snapshot = false } = {}): Promise<void> {
    const { journal, rules, signal } = this.#parts;
    const stop = journal.onChange((record) => this.#hear(record));
    const stopDrafts = journal.drafts.watch({ onProgress: () => this.#nudge(false) });
    const stopRules = rules?.onChange(() => this.#nudge(false));
    const beat = setInterval(() => this.#nudge(true), beatMs);
    const aborted = () => this.#wake();
    signal.addEventListener('abort', aborted);
    try {
      if (snapshot) await this.#skip(this.#cursor);
      while (!signal.aborted) await this.#step();
    } finally {
      stop();
      stopDrafts();
      stopRules?.();
      clearInterval(beat);
      signal.removeEventListener('abort', aborted);
    }
  }

  #hear(record: ChangeRecord): void {
    this.#liveBytes += record.bytes;
    if (this.#live.length >= liveMax || this.#liveBytes > liveBytesMax) {
      [this.#live, this.#liveBytes] = [[], 0];
      this.#behind = true;
    } else this.#live.push(record);
    this.#nudge(false);
  }

  #nudge(beatDue: boolean): void {
    this.#beatDue ||= beatDue;
    this.#wake();
  }

  async #step(): Promise<void> {
    if (await this.#sendRules()) return;
    if (this.#behind) return this.#backfill();
    const next = this.#live.shift();
    if (next) {
      this.#liveBytes -= next.bytes;
      return this.#send(next);
    }
    if (this.#beatDue) return this.#sendBeat();
    if (await this.#sendOfDraft()) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  async #backfill(): Promise<void> {
    if (await this.#isFar()) return this.#skip(this.#parts.journal.head().revision);
    const records = await this.#parts.journal.changes(this.#cursor, pageSize);
    for (const record of records) await this.#send(record);
    const [first] = this.#live;
    const next = first?.revision ?? this.#parts.journal.head().revision;
    this.#behind = next > this.#cursor + (first ? 1 : 0);
  }

  async #isFar(): Promise<boolean> {
    const { journal, snapshotBytes } = this.#parts;
    if (journal.head().revision - this.#cursor > countedMax) return true;
    return (await journal.bytesAfter(this.#cursor, countedMax)) > Math.max(2 * snapshotBytes(), wayBytesMin);
  }

  /** What the snapshot shows was heard meanwhile, and is not sent again. */
  async #skip(atLeast: number): Promise<void> {
    if (this.#parts.signal.aborted) return;
    this.#cursor = await this.#parts.snapshot(atLeast, () => this.#tellOfLife());
    // With the rows that it had, the gate has forgotten what was laid over them.
    this.#sent = this.#rulesSent = undefined;
    this.#behind = this.#parts.journal.head().revision > this.#cursor;
  }

  /** A gate that hears nothing believes the connection dead. What it has been told of is named, as by any beat. */
  async #tellOfLife(): Promise<void> {
    const { journal, now, write } = this.#parts;
    const hash = await journal.hashAt(this.#cursor);
    if (hash) await write({ type: 'beat', revision: this.#cursor, hash, time: timestamp(now()) });
  }

  async #send(record: ChangeRecord): Promise<void> {
    if (this.#parts.signal.aborted || record.revision <= this.#cursor) return;
    if (record.revision > this.#cursor + 1) {
      this.#behind = true; // The store has what is missing, and this one too.
      return;
    }
    const isWhole = record.draft ? await this.#sendParts(record.draft) : record.bytes <= changeBytesMax;
    if (!isWhole) return this.#skip(record.revision);
    this.#cursor = record.revision;
    await this.#parts.write(this.#parts.lineOf(record));
  }

  /** What is missing of a bulk change that was committed. False: a snapshot is the shorter way. */
  async #sendParts({ id, parts, bytes }: DraftTold): Promise<boolean> {
    const { partLine, snapshotBytes, write } = this.#parts;
    const from = this.#sent?.draft === id ? this.#sent.parts : 0;
    this.#sent = undefined;
    if (!partLine || (bytes * (parts - from)) / parts > Math.max(2 * snapshotBytes(), wayBytesMin)) return false;
    for (let number = from + 1; number <= parts; number++) await write(await partLine(id, number));
    return true;
  }

  /** One step of telling of the bulk change that is prepared. False: there is nothing to tell. */
  async #sendOfDraft(): Promise<boolean> {
    const { partLine, write, journal } = this.#parts;
    if (!partLine) return false;
    const { drafts } = journal;
    const sent = this.#sent;
    if (sent && drafts.stateOf(sent.draft) === 'dropped') {
      this.#sent = undefined;
      await write({ type: 'dropped', draft: sent.draft });
      return true;
    }
    const { current } = drafts;
    // Of one that is committed the rest follows with its revision.
    if (!current || (sent && sent.draft !== current.id)) return false;
    const { parts, prepared } = sent ?? { parts: 0, prepared: false };
    if (parts < current.parts) {
      const line = await partLine(current.id, parts + 1).catch((error: unknown) => {
        // Unless it was dropped meanwhile, it can not be read: whoever follows asks again.
        if (drafts.stateOf(current.id) !== 'dropped') throw error;
      });
      if (line === undefined) return true;
      this.#sent = { draft: current.id, parts: parts + 1, prepared };
      await write(line);
      return true;
    }
    if (!current.prepared || prepared) return false;
    this.#sent = { draft: current.id, parts, prepared: true };
    await write({ type: 'prepared', draft: current.id, parts });
    return true;
  }

  /** False: it was told them as they are. */
  async #sendRules(): Promise<boolean> {
    const rules = this.#parts.rules?.current();
    if (!rules || rules.revision === this.#rulesSent) return false;
    this.#rulesSent = rules.revision;
    await this.#parts.write({ type: 'rules', ...rules });
    return true;
  }

  /** Only when all is sent: a beat that names more than was sent would tell the gate that something is missing. */
  async #sendBeat(): Promise<void> {
    this.#beatDue = false;
    const { revision, revisionHash: hash } = this.#parts.journal.head();
    if (revision !== this.#cursor) return;
    await this.#parts.write({ type: 'beat', revision, hash, time: timestamp(this.#parts.now()) });
  }
}

/**
 * A change as a gate with these attribute names is told it. One of the first release, which takes nothing in parts, refuses a member that it
 * does not know: it is told nothing beyond those of its time.
 */
export function changeLine(
  record: ChangeRecord,
  { names, inParts }: { names: ReadonlySet<string>; inParts: boolean },
): string {
  const { revision, hash, previousHash, at, actor } = record;
  const subjects = fed(record.subjects, names);
  const chain = inParts ? { previousHash } : {};
  const told = { type: 'change', revision, hash, ...chain, at: timestamp(at), actor, subjects } as const;
  const { draft } = record;
  const message: FeedMessage = draft ? { ...told, draft: { id: draft.id, parts: draft.parts } } : told;
  return JSON.stringify(message);
}

/** A part of a bulk change as a gate with these attribute names is told it. */
export function partLine(draft: string, number: number, subjects: SubjectDelta[], names: ReadonlySet<string>): string {
  const message: FeedMessage = { type: 'part', draft, number, subjects: fed(subjects, names) };
  return JSON.stringify(message);
}

/** No gate decides anything about a desk, and those of the first release do not know what it is. */
function fed(deltas: readonly SubjectDelta[], names: ReadonlySet<string>): SubjectDelta[] {
  return deltas.filter(({ kind }) => kind !== 'desk').map((delta) => narrowed(delta, names));
}

function narrowed(delta: SubjectDelta, names: ReadonlySet<string>): SubjectDelta {
  if (!delta.attributes) return delta;
  const attributes = Object.fromEntries(Object.entries(delta.attributes).filter(([name]) => names.has(name)));
  return { ...delta, attributes };
}
