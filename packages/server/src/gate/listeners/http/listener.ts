import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { type BytesRefused, boundAnswer, type Crowd, refuseBytes } from '../../../bounds/bounds.ts';
import type { Connection } from '../../connections/connections.ts';
import { type DoorParts, SecureDoor } from '../secure-door.ts';
import { type ListenerLimits, type ServerCredential, secureOptionsOf } from '../tls.ts';
import { HttpTransport } from './transport.ts';

/** A request over a connection that the registry holds. */
export interface Asked {
  connection: Connection;
  transport: HttpTransport;
  request: IncomingMessage;
  response: ServerResponse;
}

interface Parts extends DoorParts {
  credential: ServerCredential;
  now(): number;
  handle(asked: Asked): void;
}

const headerBytesMax = 16_384;
/** Who is still there so long after the gate stops is not waited for: longer than what is being answered lingers. */
const closeMs = 2_500;

/** mTLS over HTTP/1.1. */
export class Listener {
  readonly #parts: Parts;
  readonly #server: Server;
  readonly #door: SecureDoor<HttpTransport>;
  #looking: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#server = createServer(optionsOf(parts), (request, response) => this.#request(request, response));
    this.#door = new SecureDoor(this.#server, parts, {
      make: (socket) => new HttpTransport(socket, parts.monotonic),
      closed: (transport) => transport.closed(),
    });
    this.#server.on('clientError', (error, socket) =>
      refuseBytes(error as BytesRefused, socket as Socket, parts.now()),
    );
  }

  get crowd(): Crowd {
    return this.#door.crowd;
  }

  get size(): number {
    return this.#door.size;
  }

  async listen(): Promise<number> {
    const port = await this.#door.listen();
    this.#looking = setInterval(() => this.#endSlow(), lookMs(this.#parts.limits)).unref();
    return port;
  }

  swapCredential(credential: ServerCredential): void {
    this.#door.swapCredential(credential);
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    const last = setTimeout(() => this.#server.closeAllConnections(), closeMs);
    await this.#door.close();
    clearTimeout(last);
  }

  #endSlow(): void {
    for (const [socket, transport] of this.#door.entries()) {
      if (!transport.isTooSlow(this.#parts.limits)) continue;
      if (transport.isAnswered) transport.drop();
      else refuseBytes({ code: 'ERR_HTTP_REQUEST_TIMEOUT' }, socket, this.#parts.now());
    }
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const transport = this.#door.transportOf(request.socket);
    const connection = transport?.connection;
    transport?.arriving(request, response);
    boundAnswer(request, response);
    if (!transport || !connection) request.socket.destroy();
    else if (namesOneHost(request)) this.#parts.handle({ connection, transport, request, response });
    else refuseBytes({ code: 'more than one host' }, request.socket, this.#parts.now());
  }
}

const lookMs = ({ requestMs }: ListenerLimits) => Math.min(1_000, requestMs);

function optionsOf({ credential, limits }: Parts): ServerOptions {
  return {
    ...secureOptionsOf(credential),
    requestCert: true,
    rejectUnauthorized: true,
    // Whoever speaks HTTP/1.0 alone says so (RFC 7301 §6); what is chosen is the first that both know.
    ALPNProtocols: ['http/1.1', 'http/1.0'],
    handshakeTimeout: limits.handshakeMs,
    maxHeaderSize: headerBytesMax,
    // Bodies are looked after here: Node knows a bound for the whole alone, however steadily it comes.
    requestTimeout: 0,
    headersTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: lookMs(limits),
    noDelay: true,
  };
}

/** RFC 9112 §3.2: a second one is refused; Node refuses that there is none, and lets a second one go. */
function namesOneHost({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts <= 1;
}
