import { constants, createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PortcullisError } from '@portcullis/contract';
import type { Connection, Connections } from '../connections.ts';

export interface ListenerLimits {
  handshakeMs: number;
  pendingHandshakesMax: number;
  connectionsMax: number;
  connectionsPerCertificateMax: number;
  idleMs: number;
  requestMs: number;
}

/** A server certificate with its key, in PEM. */
export interface ServerCredential {
  key: string;
  certificate: string;
}

interface Parts {
  host: string;
  port: number;
  limits: ListenerLimits;
  /** Roots and issuers in PEM: who may shake hands at all. */
  trust: string;
  credential: ServerCredential;
  connections: Connections;
  handle(connection: Connection, request: IncomingMessage, response: ServerResponse): void;
  onHandshakeRefused(refused: { remoteAddress: string; error: string }): void;
}

const headerBytesMax = 16_384;

/**
 * mTLS over HTTP/1.1. The chain is checked here, the standing is not (FIELD-NOTES B4): who is refused is told why. No session
 * is ever resumed (P3): a resumed one would carry yesterday's verdict.
 */
export class Listener {
  readonly #parts: Parts;
  readonly #server: Server;
  /** By remote address and port, which is what a TLS socket and the TCP socket below it share. */
  readonly #pending = new Map<string, Socket>();
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #busy = new WeakMap<Socket, number>();

  constructor(parts: Parts) {
    if (!parts.trust.includes('BEGIN CERTIFICATE')) {
      // With no list of its own, Node would take any certificate of a public authority (FIELD-NOTES B16).
      throw new PortcullisError(
        'config_invalid',
        'the trust list is empty; a listener needs the roots and issuers of the fleet',
      );
    }
    this.#parts = parts;
    const { limits } = parts;
    this.#server = createServer(
      {
        key: parts.credential.key,
        cert: parts.credential.certificate,
        ca: parts.trust,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.3',
        secureOptions: constants.SSL_OP_NO_TICKET,
        ALPNProtocols: ['http/1.1'],
        handshakeTimeout: limits.handshakeMs,
        maxHeaderSize: headerBytesMax,
        requestTimeout: limits.requestMs,
        headersTimeout: limits.requestMs,
        keepAliveTimeout: limits.idleMs,
        connectionsCheckingInterval: 1_000,
        noDelay: true,
      },
      (request, response) => this.#request(request, response),
    );
    this.#server.maxConnections = limits.connectionsMax;
    this.#listenForConnections();
  }

  #listenForConnections(): void {
    this.#server.on('connection', (socket: Socket) => this.#tcpOpened(socket));
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#tlsOpened(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#handshakeRefused(error, socket));
    this.#server.on('clientError', (error, socket) => refuseBytes(error as NodeJS.ErrnoException, socket as Socket));
    this.#server.on('dropRequest', (_request, socket) => (socket as Socket).destroy());
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
  swapCredential({ key, certificate }: ServerCredential, trust: string): void {
    this.#server.setSecureContext({
      key,
      cert: certificate,
      ca: trust,
      minVersion: 'TLSv1.3',
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
  }

  /** Takes no new connection; resolves when the open ones are gone, which is at once for those that idle. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#pending.values()) socket.destroy();
    this.#parts.connections.endAll();
    this.#server.closeIdleConnections();
    const last = setTimeout(() => this.#server.closeAllConnections(), 1_000);
    await closed;
    clearTimeout(last);
  }

  /** A silent peer holds a slot for no longer than the handshake may last, and only so many do at once (FIELD-NOTES B12). */
  #tcpOpened(socket: Socket): void {
    if (this.#pending.size >= this.#parts.limits.pendingHandshakesMax) {
      socket.destroy();
      return;
    }
    const key = peerOf(socket);
    this.#pending.set(key, socket);
    socket.once('close', () => this.#pending.delete(key));
  }

  #tlsOpened(socket: TLSSocket): void {
    this.#pending.delete(peerOf(socket));
    const fingerprint = fingerprintOf(socket);
    const { connections, limits } = this.#parts;
    if (fingerprint && connections.countOf(fingerprint) >= limits.connectionsPerCertificateMax) {
      socket.destroy();
      return;
    }
    const remoteAddress = socket.remoteAddress ?? '';
    const connection = connections.register({ fingerprint }, { remoteAddress, end: () => this.#end(socket) });
    this.#connections.set(socket, connection);
    socket.once('close', () => connections.remove(connection));
    socket.on('error', () => socket.destroy());
  }

  #handshakeRefused(error: Error, socket: TLSSocket): void {
    const { authorizationError } = socket;
    const why = authorizationError
      ? String(authorizationError)
      : ((error as NodeJS.ErrnoException).code ?? error.message);
    this.#parts.onHandshakeRefused({ remoteAddress: socket.remoteAddress ?? '', error: why });
    socket.destroy();
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const socket = request.socket;
    const connection = this.#connections.get(socket);
    if (!connection) {
      socket.destroy();
      return;
    }
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
    response.once('close', () => this.#busy.set(socket, (this.#busy.get(socket) ?? 1) - 1));
    this.#parts.handle(connection, request, response);
  }

  /** What is being answered is answered, with `Connection: close`; a peer that then stays is dropped. */
  #end(socket: Socket): void {
    if ((this.#busy.get(socket) ?? 0) === 0) socket.destroy();
    else setTimeout(() => socket.destroy(), 1_000).unref();
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** The leaf itself, not a flag or a name: a handshake without one gives no identity (FIELD-NOTES B2). */
function fingerprintOf(socket: TLSSocket): Buffer | undefined {
  try {
    const { raw } = socket.getPeerCertificate();
    return socket.authorized && raw ? createHash('sha256').update(raw).digest() : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes that are no HTTP, or too many of them, or too slow. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}

function listenFailure(cause: NodeJS.ErrnoException, host: string, port: number): Error {
  if (cause.code === 'EADDRINUSE') {
    return new PortcullisError('port_taken', `${host}:${port} is taken by another process`, { cause });
  }
  return new PortcullisError('config_invalid', `couldn't listen on ${host}:${port}: ${cause.code ?? cause.message}`, {
    cause,
  });
}
