import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import type { Network, System } from '@portcullis/device';

/** As of a modem on the edge of its cell: so long in each direction, and so many bytes a second, of each connection. */
export const radio = { delayMs: 300, bytesPerSecond: 4_000 } as const;
/** What waits of one direction; more stays with who sends it. */
const waitingBytesMax = 16_384;

/** A network whose connections are slow: each goes through a relay on this machine's loopback. */
export class SlowRadio implements Network, AsyncDisposable {
  readonly lookup: Network['lookup'];
  readonly #beneath: Network;
  readonly #monotonic: () => number;
  /** By address and port of what is behind it. */
  readonly #relays = new Map<string, Promise<Server>>();
  readonly #sockets = new Set<Socket>();

  constructor(beneath: Network, { monotonic }: Pick<System, 'monotonic'>) {
    this.#beneath = beneath;
    this.#monotonic = monotonic;
    this.lookup = (host) => beneath.lookup(host);
  }

  connect(address: string, port: number): Socket {
    const socket = new Socket();
    this.#relayTo(address, port).then(
      (relay) => {
        if (!socket.destroyed) socket.connect((relay.address() as AddressInfo).port, '127.0.0.1');
      },
      (error: Error) => socket.destroy(error),
    );
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const relay of this.#relays.values()) (await relay).close();
  }

  #relayTo(address: string, port: number): Promise<Server> {
    const place = `${address} ${port}`;
    const known = this.#relays.get(place);
    if (known) return known;
    const opening = new Promise<Server>((resolve, reject) => {
      const relay = createServer({ allowHalfOpen: true }, (here) => this.#join(here, address, port));
      relay.once('error', reject).listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => resolve(relay));
    });
    this.#relays.set(place, opening);
    return opening;
  }

  #join(here: Socket, address: string, port: number): void {
    const there = this.#beneath.connect(address, port);
    there.allowHalfOpen = true;
    carry(here, there, this.#monotonic);
    carry(there, here, this.#monotonic);
    for (const socket of [here, there]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    }
    // What one side broke off is broken for the other at once: a radio hides no reset for long.
    here.on('close', (hadError) => hadError && there.destroy());
    there.on('close', (hadError) => (hadError || !there.readableEnded) && here.resetAndDestroy());
  }
}

/** Each piece in its time: after the delay, and after what was before it, by one timer for the first of them. */
function carry(from: Socket, to: Socket, monotonic: () => number): void {
  let freeAt = 0;
  let waiting = 0;
  const queue: { at: number; work(): void }[] = [];
  const next = () => {
    for (let first = queue[0]; first && first.at <= monotonic(); first = queue[0]) {
      queue.shift();
      first.work();
    }
    if (queue[0]) setTimeout(next, Math.max(1, queue[0].at - monotonic()));
  };
  const later = (bytes: number, work: () => void) => {
    freeAt = Math.max(freeAt, monotonic()) + (1_000 * bytes) / radio.bytesPerSecond;
    queue.push({ at: freeAt + radio.delayMs, work });
    if (queue.length === 1) setTimeout(next, freeAt + radio.delayMs - monotonic());
  };
  from.on('data', (piece: Buffer) => {
    waiting += piece.length;
    if (waiting > waitingBytesMax) from.pause();
    later(piece.length, () => {
      waiting -= piece.length;
      if (waiting <= waitingBytesMax) from.resume();
      if (to.writable) to.write(piece);
    });
  });
  from.on('end', () => later(0, () => to.writable && to.end()));
}
