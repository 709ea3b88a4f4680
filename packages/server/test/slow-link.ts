/** A slow and lossy link between two processes: a TCP proxy whose connections share so many bytes a second, stand still now and then, and break. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

interface Options {
  bytesPerSecond: number;
  /** After so many bytes from the device, over all connections, the one that carries them breaks; and so on. */
  breakEveryBytes: number;
  /** After so many bytes in a direction that direction stands still for a while, as where a segment is lost. */
  stallEveryBytes: number;
  stallMs: number;
}

interface Slice {
  from: Socket;
  to: Socket;
  bytes: Buffer | 'end';
}

const sliceBytes = 128;
/** What waits here of one connection: what is more stays with the sender. */
const heldSlicesMax = 16;

export class SlowLink {
  /** Connections that it broke. */
  broken = 0;
  carried = 0;
  readonly #options: Options;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #lanes: Record<'there' | 'back', Slice[]> = { there: [], back: [] };
  #closed = false;

  private constructor(targetPort: number, options: Options) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true }, (here) => {
      const there = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
      this.#carry(here, there, 'there');
      this.#carry(there, here, 'back');
    });
  }

  static async open(targetPort: number, options: Options): Promise<SlowLink> {
    const link = new SlowLink(targetPort, options);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    for (const lane of ['there', 'back'] as const) void link.#drive(lane);
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(from: Socket, to: Socket, lane: 'there' | 'back'): void {
    const slices = this.#lanes[lane];
    this.#sockets.add(from);
    from.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += sliceBytes) {
        slices.push({ from, to, bytes: bytes.subarray(at, at + sliceBytes) });
      }
      if (this.#held(from, lane) > heldSlicesMax) from.pause();
    });
    from.on('end', () => slices.push({ from, to, bytes: 'end' }));
    from.on('error', () => undefined);
    from.on('close', (hadError) => {
      this.#sockets.delete(from);
      if (!hadError && from.readableEnded) return;
      // Its end was reset: what waits of it is of no use to anybody.
      slices.splice(0, slices.length, ...slices.filter((slice) => slice.from !== from));
      to.destroy();
    });
  }

  #held(from: Socket, lane: 'there' | 'back'): number {
    return this.#lanes[lane].filter((slice) => slice.from === from).length;
  }

  /** One slice after another, each in its time. */
  async #drive(lane: 'there' | 'back'): Promise<void> {
    const { bytesPerSecond, stallEveryBytes, stallMs } = this.#options;
    for (let [untilStall, dueAt] = [stallEveryBytes, performance.now()]; !this.#closed; ) {
      const slice = this.#lanes[lane].shift();
      if (slice === undefined) {
        await pause(5);
        dueAt = Math.max(dueAt, performance.now());
        continue;
      }
      const bytes = slice.bytes === 'end' ? 0 : slice.bytes.length;
      untilStall -= bytes;
      dueAt += (1_000 * bytes) / bytesPerSecond + (untilStall <= 0 ? stallMs : 0);
      if (untilStall <= 0) untilStall = stallEveryBytes;
      await pause(Math.max(0, dueAt - performance.now()));
      this.#deliver(slice, lane);
    }
  }

  #deliver({ from, to, bytes }: Slice, lane: 'there' | 'back'): void {
    if (from.isPaused() && this.#held(from, lane) <= heldSlicesMax / 2) from.resume();
    if (bytes === 'end') {
      if (to.writable) to.end();
      return;
    }
    if (to.writable) to.write(bytes);
    if (lane === 'back') return;
    const before = Math.floor(this.carried / this.#options.breakEveryBytes);
    this.carried += bytes.length;
    if (Math.floor(this.carried / this.#options.breakEveryBytes) === before) return;
    this.broken++;
    from.resetAndDestroy();
    to.resetAndDestroy();
  }
}
