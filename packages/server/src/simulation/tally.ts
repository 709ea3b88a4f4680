import { PortcullisError } from '@portcullis/contract';
import { Latencies } from './latencies.ts';

/** What became of what was sent, over all devices. */
export class Tally {
  /** Readings that a gate acknowledged. */
  admitted = 0;
  /** Answers of gates that refused, by what the device was told. */
  readonly refused = new Map<string, number>();
  /** Requests that came to no answer of a gate, by code. */
  readonly errors = new Map<string, number>();
  /** Readings that will never pass, which a device sets aside. */
  setAside = 0;
  renewed = 0;
  readonly renewalsFailed = new Map<string, number>();
  /** From sending to the acknowledgement, with the handshake where there was no connection. */
  readonly latencies = new Latencies();
  readonly renewals = new Latencies();
  /** From the return of the power to the first acknowledgement of each device. */
  readonly returns = new Latencies();
}

export function countIn(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** What is no failure on purpose is a bug, and thrown on. */
export function codeOf(error: unknown): string {
  if (error instanceof PortcullisError) return error.code;
  throw error;
}
