import type { Socket } from 'node:net';
import { peerOf } from './tls.ts';

/** Handshakes under way: a silent peer holds a slot for no longer than one may last, and only so many do at once (FIELD-NOTES B12). */
export class Handshakes {
  readonly #max: number;
  /** By remote address and port, which is what a TLS socket and the TCP socket below it share. */
  readonly #pending = new Map<string, Socket>();

  constructor(max: number) {
    this.#max = max;
  }

  opened(socket: Socket): void {
    // Asked now, a socket still knows its peer when it is closed.
    const peer = peerOf(socket);
    if (this.#pending.size >= this.#max) {
      socket.destroy();
      return;
    }
    this.#pending.set(peer, socket);
    socket.once('close', () => this.#pending.delete(peer));
  }

  finished(socket: Socket): void {
    this.#pending.delete(peerOf(socket));
  }

  endAll(): void {
    for (const socket of this.#pending.values()) socket.destroy();
  }
}
