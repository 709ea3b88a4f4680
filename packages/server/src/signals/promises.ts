import type {
  ApplyRequest,
  AttributeValue,
  HoldsQuery,
  HoldView,
  Kind,
  ReleaseRequest,
  SignalAnswer,
  SignalResult,
  SignalTrial,
  SourceView,
  StreamName,
} from '@portcullis/contract';
import type { By, ChangeTransaction } from '../journal/journal.ts';
import type { Reader, Writer } from '../storage/storage.ts';
import type { Delivery, SignalFormat, SignalHeaders } from './intake/delivery.ts';

/** What a source may do, and what follows from what it says: its part of `fleet.yaml`. */
export interface Reactions {
  certificate?: string | undefined;
  format: SignalFormat;
  may: {
    attributes: Readonly<Record<string, readonly AttributeValue[]>>;
    kinds: readonly Kind[];
    /** Ids, or beginnings of ids and `*`; undefined: any. */
    subjects?: readonly string[] | undefined;
  };
  limit: { count: number; withinMs: number };
  reconcile?: { url: string; allowPrivate: boolean; every: number } | undefined;
  reactions: readonly Reaction[];
}

export interface Reaction {
  on: string;
  subject: string;
  reason?: string | undefined;
  hold?: Readonly<Record<string, AttributeValue>> | undefined;
  suspend?: true | undefined;
  until: { lifts: 'person' | 'resolved' } | { lifts: 'time'; ms: number };
  /** Milliseconds. */
  settle: number;
  proof?: { stream: StreamName; inside: string } | undefined;
}

/** By the names of the sources. */
export type ReactionsBySource = Readonly<Record<string, Reactions>>;

/** The newest reading for which a proof's condition was looked at. */
export interface Side {
  side: 'inside' | 'outside';
  at: number;
}

export interface Raised {
  kind: 'signal_refused' | 'signal_limit';
  subject: string | null;
  key: string;
  at: number;
  says: string;
  detail: Record<string, unknown>;
}

/** Where alerts of our own go: in the transaction that causes them. */
export interface Rings {
  raise(db: Writer, alert: Raised): Promise<void>;
  /** It is over. */
  settle(db: Writer, kind: Raised['kind'], key: string, at: number): Promise<void>;
}

/** What a reading proves, told by gates: by the rule's name (`proof:SOURCE/N`) and the subject. */
export type Proven = (db: Reader, asked: { rule: string; subject: string }) => Promise<Side | undefined>;

export interface Signals {
  /**
   * Resolves once all that follows is durable; the same delivery again changes nothing.
   * @throws {PortcullisError} `signals_busy`, where nothing was changed and the same may succeed
   */
  receive(source: string, delivery: Delivery, by?: Pick<By, 'requireAllowed'>): Promise<SignalAnswer>;
  /** What would follow. Changes nothing. */
  trial(source: string, message: { headers: SignalHeaders; raw: Buffer }): Promise<SignalTrial>;
  list(query: HoldsQuery): Promise<{ items: HoldView[]; next: string | null }>;
  sources(): Promise<SourceView[]>;
  /** How many alerts had which outcome since this process began, of all sources together. */
  outcomes(): [SignalResult['outcome'], number][];
  /** @throws {PortcullisError} `hold_unknown` */
  release(by: By, request: ReleaseRequest): Promise<{ revision: number; changed: number }>;
  /** What waits comes into force. @throws {PortcullisError} `hold_unknown` */
  apply(by: By, request: ApplyRequest): Promise<{ revision: number; changed: number }>;
  /** Within a change: nothing holds these any more. Resolves to how many subjects something held. */
  letGo(change: ChangeTransaction, subjects: readonly string[], names: readonly string[]): Promise<number>;
  /** Within an operator's change of values: of what is held the stricter of the two is in force, the hold or the new value underneath. */
  keepStrict(change: ChangeTransaction, subjects: readonly string[], set: Record<string, unknown>): Promise<number>;
  /** The first holds on these subjects: on any of these names, the standing being an empty one, or all. */
  heldBy(subjects: readonly string[], names?: readonly string[]): Promise<HoldView[]>;
  /** Ends what is to end by now, in order. It does so by itself when its time comes. */
  look(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
