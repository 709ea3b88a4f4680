import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listenFailure } from '../bounds/bounds.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { Answering, type Told } from './answering.ts';
import type { DeskLimits } from './promises.ts';

interface Parts {
  limits: DeskLimits;
  log: Log;
  answer(request: IncomingMessage): Promise<Told>;
}

const headerBytesMax = 16_384;

/** A listener without TLS. */
export class PlainFront {
  readonly #server: Server;

  constructor({ limits, log, answer }: Parts) {
    const answering = new Answering({ log, answer });
    const times = { requestTimeout: limits.requestMs, headersTimeout: limits.requestMs, maxHeaderSize: headerBytesMax };
    this.#server = createServer(times, (request, response) => void answering.answer(request, response));
    this.#server.keepAliveTimeout = limits.idleMs;
    this.#server.timeout = limits.requestMs + limits.relayMs;
    this.#server.maxConnections = limits.connectionsMax;
  }

  /** @throws {PortcullisError} `port_taken`, `config_invalid` */
  async listen({ host, port }: { host: string; port: number }): Promise<number> {
    try {
      await once(this.#server.listen(port, host), 'listening');
    } catch (cause) {
      throw listenFailure(cause, { host, port, file: 'desk.yaml' });
    }
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
