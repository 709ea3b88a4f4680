import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { boundAnswer, listenOnOwn } from '../../../bounds/bounds.ts';
import type { ToldFigures } from '../../../telemetry/figures.ts';
import type { Connections } from '../../connections/connections.ts';
import { certificateHeader, type Fellows, figuresPath } from './fellows.ts';
import type { Asked } from './listener.ts';
import { type Target, targetOf } from './target.ts';
import { HttpTransport } from './transport.ts';

export interface FellowDoorParts {
  fellows: Fellows;
  /** Of this process alone. */
  figures: ToldFigures;
  connections: Connections;
  monotonic(): number;
  serve(asked: Asked, target: Target | undefined): void;
}

const connectionsMax = 256;
const requestMs = 5_000;

/**
 * Where the other processes of this gate bring what operators ask of this one: a socket in a directory that nobody else may enter. Who asks
 * is judged here too, and each has a place in the registry, so that a cut is one for him as well.
 */
export class FellowDoor {
  readonly #parts: FellowDoorParts;
  readonly #server: Server;

  constructor(parts: FellowDoorParts) {
    this.#parts = parts;
    this.#server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs, keepAlive: false });
    this.#server.maxConnections = connectionsMax;
    this.#server.on('request', (request, response) => this.#asked(request, response));
  }

  /** @throws {PortcullisError} `config_invalid` */
  listen(): Promise<void> {
    return listenOnOwn(this.#server, { path: this.#parts.fellows.socket }, 'workers');
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #asked(request: IncomingMessage, response: ServerResponse): void {
    const { connections, figures, monotonic, serve } = this.#parts;
    const target = targetOf(request.url ?? '');
    if (target?.path === figuresPath) return void tell(figures, response);
    const socket: Socket = request.socket;
    const transport = new HttpTransport(socket, monotonic);
    const fingerprint = Buffer.from(String(request.headers[certificateHeader] ?? ''), 'hex');
    const connection = connections.register(fingerprint, transport);
    transport.connection = connection;
    socket.once('close', () => {
      transport.closed();
      connections.remove(connection);
    });
    transport.arriving(request, response);
    boundAnswer(request, response);
    // One request a connection.
    response.shouldKeepAlive = false;
    serve({ connection, transport, request, response }, target);
  }
}

async function tell(figures: ToldFigures, response: ServerResponse): Promise<void> {
  const text = await figures.text().catch(() => '');
  response.writeHead(200, { 'content-type': figures.contentType, 'content-length': Buffer.byteLength(text) }).end(text);
}
