import type { ClockState, ReasonCode, Side, VerdictView } from '@portcullis/contract';

/** One request's readings, column by column: they cross a thread. Times are milliseconds since 1970. */
export interface SinkRequest {
  subject: string;
  certificate: string;
  stream: string;
  receivedAt: number;
  policy: number;
  /** The revision it was judged at. */
  revision: number;
  /** The subject of whoever brought it; null: its sender itself. */
  carriedBy: string | null;
  /** It came with its sender's own signature. */
  sealed: boolean;
  ids: string[];
  /** The device gave the id: a repeat is possible. */
  given: boolean[];
  deviceTimes: (number | null)[];
  clocks: ClockState[];
  /** The sender's own count, and the run that it is of; null: it did not count. */
  sequences: (number | null)[];
  runs: (string | null)[];
  /** JSON objects as text. */
  data: string[];
  /** What each rule that watches the stream says of them. */
  watched: Watched[];
}

/** A rule's word on the readings of one request. */
export interface Watched {
  rule: string;
  /** Of the rule. */
  revision: number;
  /** A letter for each reading: `o`utside, `i`nside, `b`etween the two, `-` for one that the rule could not be evaluated on. */
  sides: string;
}

/** An edge that the authority has not taken. Times are milliseconds since 1970. */
export interface UntoldEdge {
  number: number;
  /** The process that stored it. */
  instance: string;
  rule: string;
  revision: number;
  subject: string;
  side: Side;
  reading: string;
  at: number;
  receivedAt: number;
  clock: ClockState;
  after: number | null;
  late: 0 | 1;
  unproven: 0 | 1;
}

/** How a sender's last reading stood, by the time of the reading. */
export interface SinkNewest {
  rule: string;
  subject: string;
  side: Side;
  newest: number;
}

export interface Untold {
  edges: UntoldEdge[];
  /** Those that moved; none while there are more edges than these, or if none were asked for. */
  newest: SinkNewest[];
}

/** What becomes durable with a write, or by itself within a second. */
export interface Looked {
  /** Every batch up to this one was looked at after its commit. */
  looked: number;
  /** Batches whose lease was over by then. */
  quarantine: number[];
  /** Every batch up to this one, but those named unproven, became readable in time: the others are not proven yet. */
  proven: number;
  /** Batches that may have become readable too late. */
  unproven: number[];
}

/** A point of the fleet's history. */
export interface JudgedBy {
  revision: number;
  hash: string;
}

export interface SinkWrite extends Looked {
  batch: number;
  instance: string;
  /** What the gate has applied: no request was judged by what comes later. */
  head?: JudgedBy | undefined;
  requests: SinkRequest[];
}

export type SinkOutcome = { stored: number; repeated: number } | { reused: number };

export interface UnsettledBatch {
  batch: number;
  instance: string;
  judgedAt: number;
  /** Left out: it was written without. */
  head?: JudgedBy;
  subjects: string[];
}

/**
 * `stored`: as they became durable; `after` is a reading's number, and what comes later is found behind the last page's `tail`.
 * `received`: by the time at which the gate received them, then as they were stored. `newest`: the same, backwards. Their pages
 * hold what was readable when the first was asked for.
 */
export type ReadingOrder = 'stored' | 'received' | 'newest';

export interface ReadingQuery {
  order: ReadingOrder;
  stream?: string | undefined;
  subject?: string | undefined;
  /** Received from then on, and before then. */
  since?: number | undefined;
  until?: number | undefined;
  after?: string | undefined;
  /** Only those whose proof does not change any more. */
  final?: boolean | undefined;
  /** Named in each line. */
  gate?: string | undefined;
  limit: number;
}

/** Readings as lines of JSON, one `ReadingView` each. Few or none may be there, and it is not the last page unless `next` is null. */
export interface ReadingPage {
  lines: Uint8Array;
  count: number;
  next: string | null;
  /** `after` in the order `stored`, for what comes later than these pages. */
  tail: string;
}

export interface RefusalQuery {
  subject?: string | undefined;
  after?: string | undefined;
  limit: number;
}

/** A message that was refused for good and acknowledged all the same. */
export interface RefusedReading {
  /** Milliseconds since 1970. */
  at: number;
  subject: string;
  certificate: string;
  topic: string;
  stream: string | null;
  id: string | null;
  reason: ReasonCode;
  told: string;
  contentType: string | null;
  payload: Uint8Array;
}

/** As it is shown. `bytes`: of its payload. */
export type KeptRefused = Omit<RefusedReading, 'payload'> & {
  bytes: number;
  encoding: 'utf8' | 'base64';
  payload: string;
};

export interface RefusedReadingQuery {
  subject?: string | undefined;
  stream?: string | undefined;
  after?: string | undefined;
  limit: number;
}

export type RefusedReadingPage = Page<KeptRefused>;

/** Numbers that never came; `since`: when the first after them did. */
export interface MissingRange {
  first: number;
  last: number;
  since: number;
}

/** One run of a sender's counting of a stream: between the lowest and the highest number every one is here but the missing. */
export interface CountedRun {
  subject: string;
  stream: string;
  run: string;
  lowest: number;
  highest: number;
  receivedAt: number;
  missing: MissingRange[];
  /** How many more are missing, of ranges that are not kept any more. */
  forgotten: number;
}

/** What is missing of one subject; `since`: the oldest of it. */
export interface OldMissing {
  subject: string;
  readings: number;
  since: number;
}

export interface MissingQuery {
  subject?: string | undefined;
  stream?: string | undefined;
  after?: string | undefined;
  limit: number;
  /** Also runs of which nothing is missing. */
  all?: boolean | undefined;
}

/** `next` is null at the end; a page may hold few items, or none, and not be the last. */
export interface Page<Item> {
  items: Item[];
  next: string | null;
}

export interface Sink {
  /** The last batch that was ever written; 0 for none. Of one that is not there yet: more than that. */
  readonly lastBatch: number;
  /** Where it was away when it was opened: once it is there, what it is then. Until then writes and reads fail with `store_unavailable`. */
  readonly awaited?: Promise<Sink> | undefined;
  /** Why it is not there, in words; undefined where it is. */
  readonly why?: string | undefined;
  /** @throws {PortcullisError} `disk_full`; the sink goes on when space is back */
  write(write: SinkWrite): Promise<SinkOutcome[]>;
  mark(looked: Looked): Promise<void>;
  /** The batches of an earlier process that are not proven, oldest first. */
  unsettled(): Promise<UnsettledBatch[]>;
  /** This batch, and with it all before it, becomes readable. */
  settle(batch: number, proof: 'proven' | 'unproven'): Promise<void>;
  /** Readable readings; what was pruned meanwhile is not there, and nothing is there twice. */
  read(query: ReadingQuery): Promise<ReadingPage>;
  /** Edges whose batch is settled, oldest first; in their batch's own commit they became durable. */
  untold(asked: { newest: boolean }): Promise<Untold>;
  /** The edges with these numbers were taken, and these newest times told. */
  told(told: { edges: number[]; newest: SinkNewest[] }): Promise<void>;
  keepRefusals(refusals: VerdictView[]): Promise<void>;
  refusals(query: RefusalQuery): Promise<Page<VerdictView>>;
  /** Durable when it resolves. The same message of the same subject is kept once; of too many, the oldest are not kept any more. */
  keepRefused(refused: RefusedReading[]): Promise<void>;
  /** Oldest first. */
  refused(query: RefusedReadingQuery): Promise<RefusedReadingPage>;
  /** What senders counted, and what of it is not here; readable readings alone. */
  missing(query: MissingQuery): Promise<Page<CountedRun>>;
  /** Of whom readings have been missing for longest, if since before. */
  oldestMissing(before: number, limit: number): Promise<OldMissing[]>;
  /** How many readings there are, and how many of them were received before. */
  age(before: number): Promise<{ older: number; present: number }>;
  /** Removes what was received before, and edges with it; resolves to how many readings. */
  prune(before: number): Promise<number>;
  unprovenCount(): Promise<number>;
  /** What was asked before is done first; what is asked later is refused. */
  [Symbol.asyncDispose](): Promise<void>;
}
