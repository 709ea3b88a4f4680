import type { Problem, ReasonClass } from '@portcullis/contract';
import type { Proof } from '../link/proof.ts';
import type { Waiting } from './outbox.ts';

/**
 * How readings get to a gate, and what it says of them. Of the outbox nothing is known here: what is tried again, when and where is
 * the sender's.
 */
export interface Way {
  /** The gates that are reached so, as the credential in force names them now. */
  readonly gates: readonly string[];
  /** What to say when there are none. */
  readonly noGate: string;
  /**
   * @throws {PortcullisError} nothing is known of the readings: `server_unreachable` (`begun` in its detail: something had been sent;
   * `answered`: and the gate gave it up), `server_not_verified`, `not_authenticated`, `answer_malformed`
   */
  send(batch: Batch): Promise<Heard>;
  /** Shows the credential to a gate. A way that reaches no gate by itself has nothing to show it to. */
  prove?(): Promise<Proof>;
  /** Closes once what is being sent has been answered, and at the latest after so many milliseconds. */
  drain(milliseconds: number): Promise<void>;
  /** Ends what is open; what is being sent fails. */
  close(): void;
}

export interface Batch {
  /** One of `gates`. */
  gate: string;
  stream: string;
  readings: readonly Pick<Waiting, 'line'>[];
  /** How long nothing may be heard. */
  timeoutMs: number;
  signal: AbortSignal;
}

export type Heard = Settled | Told;

/** What became of the first readings of the batch, one or more: each is stored, or refused for good. The others are sent again. */
export interface Settled {
  settled: readonly (Problem | undefined)[];
  /** Of some of the others it is not known: they were sent, and may be stored. */
  isRestLost?: boolean;
}

/** Nothing was stored. A `line` in the problem names the reading that is at fault. */
export interface Told {
  problem: Problem;
  /** Undefined: the code says nothing of the readings. */
  reasonClass: ReasonClass | undefined;
  /** How long the gate asks to be left alone. */
  atLeastMs: number;
  /** What the gate's log calls the request; undefined: it has no name there. */
  traceId?: string | undefined;
}
