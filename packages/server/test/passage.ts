/** The network between two processes: a TCP proxy that can be cut in one direction or both, slowed, or torn. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export type Direction = 'there' | 'back';

interface Pair {
  here: Socket;
  there: Socket;
}

/** `there` is from who connects to the target, `back` from the target. What is cut is held up, not lost: as a network does until it gives up. */
export class Passage {
  delayMs = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #cut = new Set<Direction>();

  private constructor(targetPort: () => number, targetHost: string) {
    this.#server = createServer((here) => {
      const pair = { here, there: connect(targetPort(), targetHost) };
      this.#pairs.add(pair);
      this.#carry(pair.here, pair.there, 'there', pair);
      this.#carry(pair.there, pair.here, 'back', pair);
    });
  }

  /** `target`: its port; of several, which one a new connection gets to. */
  static async open(target: number | (() => number), { port = 0, host = 'localhost' } = {}): Promise<Passage> {
    const passage = new Passage(typeof target === 'number' ? () => target : target, host);
    passage.#server.listen(port, '127.0.0.1');
    await once(passage.#server, 'listening');
    return passage;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cut(...directions: Direction[]): void {
    for (const direction of directions) this.#cut.add(direction);
    for (const { here, there } of this.#pairs) {
      if (this.#cut.has('there')) here.pause();
      if (this.#cut.has('back')) there.pause();
    }
  }

  /** What was held up goes on. */
  heal(): void {
    this.#cut.clear();
    for (const { here, there } of this.#pairs) {
      here.resume();
      there.resume();
    }
  }

  /** Every connection ends now, in the middle of whatever it carries. */
  tear(): void {
    for (const { here, there } of this.#pairs) {
      here.destroy();
      there.destroy();
    }
  }

  async close(): Promise<void> {
    this.tear();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(from: Socket, to: Socket, direction: Direction, pair: Pair): void {
    if (this.#cut.has(direction)) from.pause();
    // Nothing overtakes what is still under way, whatever the delay is by then.
    let last = Promise.resolve();
    let underWay = 0;
    const later = (act: () => void) => {
      if (this.delayMs === 0 && underWay === 0) return act();
      const dueAt = performance.now() + this.delayMs;
      underWay++;
      last = last.then(async () => {
        await pause(Math.max(0, dueAt - performance.now()));
        underWay--;
        act();
      });
    };
    from.on('data', (bytes: Buffer) => later(() => to.writable && to.write(bytes)));
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#pairs.delete(pair);
      later(() => to.destroy());
    });
  }
}
