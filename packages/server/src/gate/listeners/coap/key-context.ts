import { hash } from 'node:crypto';
import {
  type Message,
  type OpenedRequest,
  type OscoreRefused,
  openRequest,
  protectAnswer,
  protectionOf,
  ReplayWindow,
  type SecurityContext,
  unwrapped,
  wipe,
} from '../../../oscore/oscore.ts';
import type { Connection, Transport } from '../../connections/connections.ts';

/** A request that came before: as it was answered, or undefined while it is not. */
export type Repeated = { repeated: Message | undefined };

interface Kept {
  tag: Buffer;
  answer: Message | undefined;
}

/** RFC 8613 §7.4. */
const windowSize = 32;
/** Requests of one sensor that are under way; what comes beyond is as good as lost. */
const pendingMax = 32;
/** Requests whose answers are kept for when they come again. */
const keptMax = 2 * pendingMax;
const tagBytes = 8;
/** What is under way when it is cut has so long to be answered. */
const lingerMs = 2_000;

/** The security context that a sensor and this gate made with each other: what a connection is where there are no connections. Whoever has it last, wipes it. */
export class KeyContext implements Transport {
  readonly keyId: string;
  /** Names the ID context to those who may not know it: 16 hex digits. */
  readonly idContextName: string;
  remoteAddress: string;
  readonly #security: SecurityContext;
  readonly #window = new ReplayWindow(windowSize);
  readonly #kept = new Map<string, Kept>();
  readonly #monotonic: () => number;
  readonly #onForgotten: (context: KeyContext) => void;
  #connection: Connection | undefined;
  #heardAt: number;
  #pending = 0;
  #ending = false;
  #forgotten = false;
  #linger: NodeJS.Timeout | undefined;

  constructor(
    security: SecurityContext,
    remoteAddress: string,
    parts: { monotonic(): number; onForgotten(context: KeyContext): void },
  ) {
    this.#security = security;
    this.keyId = security.recipientId.toString('hex');
    this.idContextName = hash('sha256', security.idContext ?? Buffer.alloc(0)).slice(0, 16);
    this.remoteAddress = remoteAddress;
    this.#monotonic = parts.monotonic;
    this.#onForgotten = parts.onForgotten;
    this.#heardAt = parts.monotonic();
  }

  /** Set once, when the registry has made it. */
  get connection(): Connection {
    return this.#connection as Connection;
  }

  set connection(connection: Connection) {
    this.#connection = connection;
  }

  get heardAt(): number {
    return this.#heardAt;
  }

  get idleSince(): number | undefined {
    return this.#pending > 0 || this.#ending ? undefined : this.#heardAt;
  }

  /** A datagram is there, or it is not. */
  get stalledSince(): undefined {
    return undefined;
  }

  /** A sensor may go on to name the context that it made: as it is, or as appendix B.2 sends it. */
  isNamedBy(kidContext: Buffer): boolean {
    const { idContext } = this.#security;
    if (idContext === undefined) return false;
    return kidContext.equals(idContext) || unwrapped(kidContext)?.equals(idContext) === true;
  }

  /** What opens is under way until it is answered. */
  open(outer: Message): OpenedRequest | Repeated | OscoreRefused {
    if (this.#pending >= pendingMax) return { repeated: undefined };
    const opened = openRequest(this.#security, outer, this.#window);
    if (!('refused' in opened)) {
      this.#begin(opened, outer);
      return opened;
    }
    return (opened.refused === 'replayed' && this.#keptOf(outer)) || opened;
  }

  /** One for a request that was opened; undefined: the context is gone meanwhile. */
  answer(opened: OpenedRequest, inner: Message): Message | undefined {
    if (this.#forgotten) return undefined;
    const answer = protectAnswer(this.#security, opened.piv, inner);
    const kept = this.#kept.get(opened.piv.toString('hex'));
    if (kept) kept.answer = answer;
    this.#pending--;
    if (this.#ending && this.#pending === 0) this.#forget();
    return answer;
  }

  heard(remoteAddress: string): void {
    this.remoteAddress = remoteAddress;
    this.#heardAt = this.#monotonic();
  }

  end(): void {
    this.#ending = true;
    if (this.#pending === 0) this.#forget();
    else this.#linger ??= setTimeout(() => this.#forget(), lingerMs).unref();
  }

  drop(): void {
    this.#ending = true;
    this.#forget();
  }

  #begin({ piv }: OpenedRequest, { payload }: Message): void {
    this.#pending++;
    this.#kept.set(piv.toString('hex'), { tag: Buffer.from(payload.subarray(-tagBytes)), answer: undefined });
    if (this.#kept.size <= keptMax) return;
    for (const [number, { answer }] of this.#kept) {
      if (answer === undefined) continue;
      this.#kept.delete(number);
      return;
    }
  }

  /** The same datagram again gets the same bytes again (RFC 7252 §4.5), and another one with its number nothing. */
  #keptOf({ options, payload }: Message): Repeated | undefined {
    const protection = protectionOf(options);
    const piv = protection && !('refused' in protection) ? protection.partialIv : undefined;
    const kept = piv && this.#kept.get(piv.toString('hex'));
    return kept?.tag.equals(payload.subarray(-tagBytes)) ? { repeated: kept.answer } : undefined;
  }

  #forget(): void {
    if (this.#forgotten) return;
    this.#forgotten = true;
    clearTimeout(this.#linger);
    wipe(this.#security);
    this.#kept.clear();
    this.#onForgotten(this);
  }
}
