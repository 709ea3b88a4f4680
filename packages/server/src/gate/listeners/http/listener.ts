import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Connection, Connections } from '../../connections/connections.ts';
import { Handshakes } from '../handshakes.ts';
import {
  addressOf,
  fingerprintOf,
  type ListenerLimits,
  listenFailure,
  type ServerCredential,
  secureOptionsOf,
} from '../tls.ts';
import { rawProblem } from './answers.ts';
import { HttpTransport } from './transport.ts';

/** A request over a connection that the registry holds. */
export interface Asked {
  connection: Connection;
  transport: HttpTransport;
  request: IncomingMessage;
  response: ServerResponse;
}

interface Parts {
  host: string;
  port: number;
  limits: ListenerLimits;
  credential: ServerCredential;
  connections: Connections;
  handle(asked: Asked): void;
  onHandshakeRefused(refused: { remoteAddress: string; error: string }): void;
}

const headerBytesMax = 16_384;
/** What is being answered when the gate stops has so long. */
const closeMs = 1_000;

/**
 * mTLS over HTTP/1.1. The chain is checked here, the standing is not (FIELD-NOTES B4): who is refused is told why. No session
 * is ever resumed (P3): a resumed one would carry yesterday's verdict.
 */
export class Listener {
  readonly #parts: Parts;
  readonly #server: Server;
  readonly #handshakes: Handshakes;
  readonly #transports = new WeakMap<Socket, HttpTransport>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#server = createServer(optionsOf(parts), (request, response) => this.#request(request, response));
    this.#handshakes = new Handshakes(parts.limits.pendingHandshakesMax);
    this.#server.maxConnections = parts.limits.connectionsMax;
    this.#server.on('connection', (socket: Socket) => this.#handshakes.opened(socket));
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#tlsOpened(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#handshakeRefused(error, socket));
    this.#server.on('clientError', (error, socket) => refuseBytes(error as NodeJS.ErrnoException, socket as Socket));
  }

  async listen(): Promise<number> {
    const { host, port } = this.#parts;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => reject(listenFailure(cause, host, port)));
      this.#server.listen({ host, port, backlog: 4_096 }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** For new handshakes; open connections stay with what they verified. */
  swapCredential(credential: ServerCredential): void {
    this.#server.setSecureContext(secureOptionsOf(credential));
  }

  /** Takes no new connection; what is being answered is answered, the rest ends at once. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#handshakes.endAll();
    this.#parts.connections.endAll();
    const last = setTimeout(() => this.#server.closeAllConnections(), closeMs);
    await closed;
    clearTimeout(last);
  }

  #tlsOpened(socket: TLSSocket): void {
    this.#handshakes.finished(socket);
    const fingerprint = fingerprintOf(socket);
    const { connections, limits } = this.#parts;
    if (fingerprint && connections.countOf(fingerprint) >= limits.connectionsPerCertificateMax) {
      socket.destroy();
      return;
    }
    const transport = new HttpTransport(socket);
    const connection = connections.register(fingerprint, transport);
    transport.connection = connection;
    this.#transports.set(socket, transport);
    socket.once('close', () => {
      connections.remove(connection);
      transport.closed();
    });
    socket.on('error', () => socket.destroy());
  }

  #handshakeRefused(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const { authorizationError } = socket;
    const why = authorizationError ? String(authorizationError) : (error.code ?? error.message);
    this.#parts.onHandshakeRefused({ remoteAddress: addressOf(socket), error: why });
    socket.destroy();
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const transport = this.#transports.get(request.socket);
    const connection = transport?.connection;
    if (transport && connection) this.#parts.handle({ connection, transport, request, response });
    else request.socket.destroy();
  }
}

function optionsOf({ credential, limits }: Parts): ServerOptions {
  return {
    ...secureOptionsOf(credential),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: limits.handshakeMs,
    maxHeaderSize: headerBytesMax,
    requestTimeout: limits.requestMs,
    headersTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.min(1_000, limits.requestMs),
    noDelay: true,
  };
}

/** Bytes that are no HTTP, or too many of them, or too slow. */
function refuseBytes({ code = '' }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[code] ?? 400;
  socket.end(rawProblem(status, code), () => socket.destroy());
}
