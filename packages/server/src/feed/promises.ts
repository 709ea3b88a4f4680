import type {
  AppliedReport,
  DeskFeedQuery,
  FeedQuery,
  GateView,
  LeaseAnswer,
  LeaseRequest,
  Receipt,
  SettlementAnswer,
  SettlementRequest,
  SnapshotSoFar,
  ToldRules,
} from '@portcullis/contract';
import type { z } from 'zod';
import type { Durations } from '../telemetry/telemetry.ts';

export interface Follows {
  gate: string;
  /** It takes bulk changes in parts. */
  inParts: boolean;
  /** It takes rules on readings. */
  withRules: boolean;
  /** It takes snapshots that are packed. */
  packed?: boolean;
  /** What it has of one that broke off. */
  soFar?: SnapshotSoFar | undefined;
}

/** The rules that gates are told. Those with the same revision are the same. */
export interface RulesToTell {
  current(): ToldRules;
  /** Returns what ends it. */
  onChange(listener: () => void): () => void;
}

export interface Feed {
  readonly leaseMs: number;
  /**
   * Writes NDJSON lines, or pieces of them, until the signal ends it. `write` resolves when the next may follow.
   * @throws {PortcullisError} `revision_regressed`, `clock_too_far_off`
   */
  follow(
    query: z.infer<typeof FeedQuery>,
    who: Follows,
    write: (piece: string | Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * What is public, to a desk, in the same form: no lease comes of it, and no receipt waits for it.
   * @throws {PortcullisError} `revision_regressed`
   */
  tellPublic(seen: DeskFeedQuery, write: (piece: string) => Promise<void>, signal: AbortSignal): Promise<void>;
  /**
   * The standing of each certificate, to a desk that answers questions about them, in the same form.
   * @throws {PortcullisError} `revision_regressed`
   */
  tellStandings(seen: DeskFeedQuery, write: (piece: string) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** What a desk was told of is of this history, or it was told nothing. @throws {PortcullisError} `revision_regressed` */
  requireSeen(seen: DeskFeedQuery): Promise<void>;
  /** @throws {PortcullisError} `revision_regressed`, `clock_too_far_off`, `instances_too_many` */
  renew(gate: string, request: LeaseRequest): Promise<LeaseAnswer>;
  /** One of another history counts for nothing. @throws {PortcullisError} `revision_regressed` */
  report(gate: string, report: AppliedReport): Promise<void>;
  release(gate: string, instance: string): void;
  settle(gate: string, request: SettlementRequest): Promise<SettlementAnswer>;
  /** Waits until the revision has its receipt, or the limit is over. */
  receipt(revision: number, options: { limitMs: number }): Promise<Receipt>;
  gates(): Promise<GateView[]>;
  /** How many instances of gates hold a lease, and how many let theirs run out. */
  leases(): { held: number; expired: number };
  /** How long changes took from their commit to their receipt, and which have none yet. */
  cuts(): { times: Durations; waiting: { count: number; oldestMs: number } };
  [Symbol.asyncDispose](): Promise<void>;
}
