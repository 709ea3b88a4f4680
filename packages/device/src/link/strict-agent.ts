import { Agent, type AgentOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import type { Network } from './dial.ts';
import { StrictConnector, type Trust } from './strict-connector.ts';

const connectionsMax = 8;

/** Requests of HTTP over connections whose server was verified. */
export class StrictAgent extends Agent {
  readonly #connector: StrictConnector;
  /** The connection below each verified one. */
  readonly #below = new WeakMap<Duplex, Socket>();

  constructor(trust: Trust, network: Network) {
    const options: AgentOptions = {
      keepAlive: true,
      maxCachedSessions: 0,
      maxSockets: connectionsMax,
      scheduling: 'lifo',
    };
    super(options);
    this.#connector = new StrictConnector(trust, network, 'http/1.1');
  }

  override createConnection(
    { host = 'localhost', port }: ConnectionOptions,
    done?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#connector.connect(host, Number(port)).then(
      ({ socket, below }) => {
        this.#below.set(socket, below);
        done?.(null, socket);
      },
      (error: Error) => done?.(error, undefined as never),
    );
    return undefined;
  }

  /** Ends a connection that nobody waits for any more, with what the system still holds for it: a slow link is not kept busy with that. */
  reset(socket: Duplex): void {
    this.#below.get(socket)?.resetAndDestroy();
  }

  /** Connections that wait for a request: where one stands still, those beside it went through the same network. */
  endIdle(): void {
    for (const sockets of Object.values(this.freeSockets)) for (const socket of [...(sockets ?? [])]) socket.destroy();
  }

  /** Also what is still in its handshake, which the agent does not know yet. */
  override destroy(): void {
    this.#connector.close();
    super.destroy();
  }
}
