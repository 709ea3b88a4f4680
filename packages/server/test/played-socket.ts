/** The one end of a connection that a test holds in its hands: what the other side sends is pushed, what it is sent is read. */
import { Duplex } from 'node:stream';

export class PlayedSocket extends Duplex {
  written = '';
  writes = 0;
  readonly #takes: boolean;

  /** `takes`: false: its reader takes nothing. */
  constructor(takes = true) {
    super({ allowHalfOpen: true });
    this.#takes = takes;
    this.on('error', () => undefined);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.writes++;
    this.written += chunk.toString('latin1');
    if (this.#takes) done();
  }

  destroySoon(): void {
    this.end(() => this.destroy());
  }

  /** As it comes from the network, cut before each of these places. */
  send(bytes: Buffer, ...cuts: number[]): void {
    let from = 0;
    for (const at of [...cuts, bytes.length]) {
      if (at > from && !this.destroyed) this.push(bytes.subarray(from, at));
      from = Math.max(from, at);
    }
  }
}
