import type { OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { answerMsOf, type Throwable } from '../../../bounds/bounds.ts';
import type { Connection, Transport } from '../../connections/connections.ts';

/** What a route reads of a request, whoever reads that from the socket. */
export interface Incoming extends Throwable {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headersDistinct: NodeJS.Dict<string[]>;
  once(event: 'end' | 'close', listener: () => void): this;
}

/** What a route says an answer with. */
export interface Outgoing {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  /** Of the connection: what waits for its reader. */
  readonly writableLength: number;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  writeHead(status: number, headers: OutgoingHttpHeaders): this;
  flushHeaders(): void;
  /** False: it waits for its reader; there will be `drain`. */
  write(data: string | Uint8Array): boolean;
  end(data?: string | Uint8Array): void;
  destroy(): void;
  on(event: 'drain', listener: () => void): this;
  once(event: 'close' | 'drain', listener: () => void): this;
  off(event: 'close' | 'drain', listener: () => void): this;
}

/** A request that is under way on a connection. */
export interface Exchange {
  /** The connection is cut: answers with the reason if that can be told now, and holds nothing back. */
  cut(): void;
  /** The peer is gone. */
  gone(): void;
}

/** What is under way when a connection is cut has so long to be answered. */
const lingerMs = 2_000;

/** Of a body that stands still for so long, the rest is not expected any more. */
const stalledMs = 5_000;

/** A request, when it began, and what has arrived since. */
interface Arrival {
  request: Incoming;
  response: Outgoing;
  beganAt: number;
  beganBytes: number;
}

/** One TLS connection and what is under way on it. */
export class HttpTransport implements Transport {
  readonly socket: Socket;
  readonly remoteAddress: string;
  #connection: Connection | undefined;
  readonly #exchanges: Exchange[] = [];
  #linger: NodeJS.Timeout | undefined;
  #ending = false;
  #arrival: Arrival | undefined;
  /** When something was heard last, and how many bytes that made. */
  #heardAt: number;
  #heardBytes = 0;
  /** When something was under way, as far as it was looked at. */
  #busyAt = 0;
  /** An answer that was not taken when it was looked at, and until when it may be. */
  #unread: { response: Outgoing; until: number } | undefined;
  readonly #monotonic: () => number;
  /** A body that comes slowly and steadily is waited for: what it carries is wanted. */
  isPatient = false;

  constructor(socket: Socket, monotonic: () => number) {
    this.socket = socket;
    this.#monotonic = monotonic;
    this.#heardAt = monotonic();
    this.remoteAddress = socket.remoteAddress ?? '';
  }

  /** Set once, when the registry has made it. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  set connection(connection: Connection | undefined) {
    this.#connection = connection;
  }

  /** What is answered from now on says that the connection ends with it. */
  get ending(): boolean {
    return this.#ending;
  }

  get idleSince(): number | undefined {
    return this.#isBusy || this.#ending ? undefined : this.#heard();
  }

  get stalledSince(): number | undefined {
    if (!this.#isArriving || this.#ending) return undefined;
    const heardAt = this.#heard();
    return this.#monotonic() - heardAt > stalledMs ? heardAt : undefined;
  }

  /** The last request has its answer, or the beginning of one. */
  get isAnswered(): boolean {
    return this.#arrival?.response.headersSent === true;
  }

  get #isArriving(): boolean {
    return this.#arrival?.request.complete === false;
  }

  get #isBusy(): boolean {
    return this.#isArriving || this.#arrival?.response.writableFinished === false;
  }

  /** A request began to arrive. */
  arriving(request: Incoming, response: Outgoing): void {
    this.isPatient = false;
    this.#heardAt = this.#monotonic();
    this.#heardBytes = this.socket.bytesRead;
    this.#arrival = { request, response, beganAt: this.#heardAt, beganBytes: this.#heardBytes };
  }

  /** Its body takes longer than it may: nothing for `requestMs`, or longer than that and, where it is waited for, less than so many bytes a second. */
  isTooSlow({ requestMs, bodyBytesPerSecondMin }: { requestMs: number; bodyBytesPerSecondMin: number }): boolean {
    const heardAt = this.#heard();
    // Of a request that has its answer nothing is kept while the connection idles.
    if (!this.#isBusy) this.#arrival = undefined;
    if (!this.#arrival || !this.#isArriving) return false;
    const now = this.#monotonic();
    const { beganAt, beganBytes } = this.#arrival;
    if (now - heardAt > requestMs) return true;
    const earnedMs = this.isPatient ? (1_000 * (this.#heardBytes - beganBytes)) / bodyBytesPerSecondMin : 0;
    return now - beganAt > requestMs + earnedMs;
  }

  /** How long nothing was under way. It is looked each second. */
  idlesFor(now: number): number {
    if (!this.#isBusy && !this.#ending) return now - Math.max(this.#heard(), this.#busyAt);
    this.#busyAt = now;
    return 0;
  }

  /** Its reader takes longer for the last answer than he may (see `answerMsOf`). */
  isUnread(now: number): boolean {
    const response = this.#arrival?.response;
    if (!response?.writableEnded || response.writableFinished) this.#unread = undefined;
    else if (this.#unread?.response !== response) {
      this.#unread = { response, until: now + answerMsOf(response.writableLength) };
    }
    return this.#unread !== undefined && now > this.#unread.until;
  }

  /** Looks whether anything came. It is looked each second, so that no byte costs anything. */
  #heard(): number {
    const { bytesRead } = this.socket;
    if (bytesRead !== this.#heardBytes) this.#heardAt = this.#monotonic();
    this.#heardBytes = bytesRead;
    return this.#heardAt;
  }

  begin(exchange: Exchange): void {
    this.#exchanges.push(exchange);
  }

  finish(exchange: Exchange): void {
    const index = this.#exchanges.indexOf(exchange);
    if (index !== -1) this.#exchanges.splice(index, 1);
  }

  end(): void {
    this.#ending = true;
    if (this.#exchanges.length === 0 && !this.socket.writableLength) {
      this.socket.destroy();
      return;
    }
    for (const exchange of [...this.#exchanges]) exchange.cut();
    this.#linger ??= setTimeout(() => this.socket.destroy(), lingerMs).unref();
  }

  drop(): void {
    this.#ending = true;
    this.socket.destroy();
  }

  closed(): void {
    clearTimeout(this.#linger);
    for (const exchange of [...this.#exchanges]) exchange.gone();
  }
}
