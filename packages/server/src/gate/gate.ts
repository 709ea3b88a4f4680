/**
 * The ingestion point: judges every reading against its replica and stores what it admits.
 * - It decides only while it holds a lease, and listens only after its first snapshot and its first lease (P5).
 * - No transport lets a reading in over a connection that the registry could not cut (P6).
 * - What it acknowledged is durable (P8); what it can not determine it refuses (P4).
 * Refuses to know: any key of the authority, and the attributes that its policies do not name.
 */

export { acceptRestore } from './following/position.ts';
export { operatorPaths } from './listeners/http/operators.ts';
export { openGate } from './open.ts';
export { compilePolicy } from './policy/policy.ts';
export { acceptPrune } from './recording/retention.ts';

import type { FiguresAddress } from '../telemetry/figures.ts';
import type { ListenerLimits } from './listeners/tls.ts';

export interface GateSettings {
  authority: string;
  /** Where devices reach this gate. */
  url: string;
  listen: { host: string; port: number };
  /** 0: for ever. */
  retainDays: number;
  /** Where figures are told without a client certificate; not given: nowhere. */
  metrics?: FiguresAddress | undefined;
  limits: GateLimits;
}

export interface GateLimits extends ListenerLimits {
  queueReadingsMax: number;
  queueBytesMax: number;
}

export interface Gate {
  readonly subject: string;
  readonly instance: string;
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}
