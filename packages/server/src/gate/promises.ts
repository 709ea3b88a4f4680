import type { FiguresAddress } from '../telemetry/figures.ts';
import type { DecideAddress } from './listeners/decide/decide-front.ts';
import type { FellowPlace } from './listeners/http/fellows.ts';
import type { Listen } from './listeners/listeners.ts';
import type { ListenerLimits } from './listeners/tls.ts';

export interface GateSettings {
  authority: string;
  /** All of its addresses, where one of several leads; the first is the one above. */
  authorities: readonly string[];
  /** Where devices reach this gate. */
  url: string;
  listen: Listen & DecideAddress;
  /** 0: for ever. */
  retainDays: number;
  /** Where figures are told without a client certificate; not given: nowhere. */
  metrics?: FiguresAddress | undefined;
  limits: GateLimits;
}

/** One of several processes of a gate: each an instance with a feed, a lease and a directory of its own, at the same ports. */
export interface Worker extends FellowPlace {
  /** The gate's directory: its credential, and the number of its policy. */
  home: string;
  /** No two of them at a time. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

export interface GateLimits extends ListenerLimits {
  queueReadingsMax: number;
  queueBytesMax: number;
}

export interface Gate {
  readonly subject: string;
  readonly instance: string;
  readonly port: number;
  readonly mqttPort: number | undefined;
  readonly coapPort: number | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}
