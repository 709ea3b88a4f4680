/** Datagrams to and fro, over a socket of one's own. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { patienceMs } from '../../../test/patience.ts';

export class Udp {
  readonly #socket: Socket = createSocket('udp4');

  send(datagram: Buffer, port: number): void {
    this.#socket.send(datagram, port, '127.0.0.1');
  }

  /** Resolves to the next that comes; undefined: nothing came within the time. */
  async next(withinMs: number): Promise<Buffer | undefined> {
    try {
      const [datagram] = await once(this.#socket, 'message', { signal: AbortSignal.timeout(withinMs) });
      return datagram as Buffer;
    } catch {
      return undefined;
    }
  }

  /** Fails where nothing comes back. */
  async exchange(datagram: Buffer, port: number): Promise<Buffer> {
    const answered = this.next(patienceMs);
    this.send(datagram, port);
    const answer = await answered;
    if (answer === undefined) throw new Error(`no answer came within ${patienceMs} ms`);
    return answer;
  }

  close(): void {
    this.#socket.close();
  }
}
