export interface DeskLimits {
  handshakeMs: number;
  connectionsMax: number;
  connectionsPerAddressMax: number;
  idleMs: number;
  requestMs: number;
  relayedMax: number;
  relayedPerAddressMax: number;
  relayMs: number;
}

export interface DeskSettings {
  authority: string;
  url: string;
  listen: { host: string; port: number };
  limits: DeskLimits;
}

export interface Desk {
  readonly subject: string;
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}
