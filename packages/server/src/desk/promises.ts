import type { UnfinishedBytesTerms } from '../bounds/bounds.ts';
import type { FiguresAddress } from '../telemetry/figures.ts';

export interface DeskLimits extends UnfinishedBytesTerms {
  handshakeMs: number;
  connectionsMax: number;
  pendingHandshakesMax: number;
  idleMs: number;
  requestMs: number;
  relayedMax: number;
  relayedPerAddressMax: number;
  relayMs: number;
  lookUpAgeMs: number;
  publicAgeMs: number;
}

export interface DeskSettings {
  authority: string;
  /** All of its addresses, where one of several leads; the first is the one above. */
  authorities: readonly string[];
  url: string;
  listen: {
    host: string;
    port: number;
    publicPort?: number | undefined;
    estPort?: number | undefined;
    revocationPort?: number | undefined;
  };
  limits: DeskLimits;
  /** Where phones reach it; without a certificate a proxy stands before it. */
  public?: PhonesSettings | undefined;
  /** Where it tells its figures; undefined: nowhere. */
  metrics?: FiguresAddress | undefined;
}

export interface PhonesSettings {
  url: string;
  host: string;
  port: number;
  certificate?: string | undefined;
  key?: string | undefined;
}

export interface Desk {
  readonly subject: string;
  readonly port: number;
  /** Undefined: it answers no look-ups. */
  readonly publicPort: number | undefined;
  /** Where EST is spoken; undefined: nowhere. */
  readonly estPort: number | undefined;
  /** Where phones are answered; undefined: nowhere. */
  readonly phonesPort: number | undefined;
  /** Where lists are; undefined: nowhere. */
  readonly revocationPort: number | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}
