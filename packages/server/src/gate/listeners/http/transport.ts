import type { TLSSocket } from 'node:tls';
import type { Connection, Transport } from '../../connections/connections.ts';

/** A request that is under way on a connection. */
export interface Exchange {
  /** The connection is cut: answers with the reason if that can be told now, and holds nothing back. */
  cut(): void;
  /** The peer is gone. */
  gone(): void;
}

/** What is under way when a connection is cut has so long to be answered. */
const lingerMs = 2_000;

/** One TLS connection and what is under way on it. */
export class HttpTransport implements Transport {
  readonly socket: TLSSocket;
  readonly remoteAddress: string;
  #connection: Connection | undefined;
  readonly #exchanges: Exchange[] = [];
  #linger: NodeJS.Timeout | undefined;
  #ending = false;

  constructor(socket: TLSSocket) {
    this.socket = socket;
    this.remoteAddress = socket.remoteAddress ?? '';
  }

  /** Set once, when the registry has made it. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  set connection(connection: Connection) {
    this.#connection = connection;
  }

  /** What is answered from now on says that the connection ends with it. */
  get ending(): boolean {
    return this.#ending;
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

  closed(): void {
    clearTimeout(this.#linger);
    for (const exchange of [...this.#exchanges]) exchange.gone();
  }
}
