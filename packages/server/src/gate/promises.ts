import type { FiguresAddress } from '../telemetry/figures.ts';
import type { DecideAddress } from './listeners/decide/decide-front.ts';
import type { Listen } from './listeners/listeners.ts';
import type { ListenerLimits } from './listeners/tls.ts';

export interface GateSettings {
  authority: string;
  /** Where devices reach this gate. */
  url: string;
  listen: Listen & DecideAddress;
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
  readonly mqttPort: number | undefined;
  readonly coapPort: number | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}
