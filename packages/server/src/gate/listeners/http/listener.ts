import { constants, hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PortcullisError } from '@portcullis/contract';
import type { Connection, Connections } from '../../connections/connections.ts';
import { rawProblem } from './answers.ts';
import { HttpTransport } from './transport.ts';

export interface ListenerLimits {
  handshakeMs: number;
  pendingHandshakesMax: number;
  connectionsMax: number;
  connectionsPerCertificateMax: number;
  idleMs: number;
  requestMs: number;
}

/** A server certificate with its issuer and key, and whom it trusts: roots and issuers. All in PEM. */
export interface ServerCredential {
  key: string;
  certificate: string;
  trust: string;
}

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
  /** By remote address and port, which is what a TLS socket and the TCP socket below it share. */
  readonly #pending = new Map<string, Socket>();
  readonly #transports = new WeakMap<Socket, HttpTransport>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#server = createServer(optionsOf(parts), (request, response) => this.#request(request, response));
    this.#server.maxConnections = parts.limits.connectionsMax;
    this.#server.on('connection', (socket: Socket) => this.#tcpOpened(socket));
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
    for (const socket of this.#pending.values()) socket.destroy();
    this.#parts.connections.endAll();
    const last = setTimeout(() => this.#server.closeAllConnections(), closeMs);
    await closed;
    clearTimeout(last);
  }

  /** A silent peer holds a slot for no longer than the handshake may last, and only so many do at once (FIELD-NOTES B12). */
  #tcpOpened(socket: Socket): void {
    // Asked now, a socket still knows its peer when it is closed.
    const peer = peerOf(socket);
    if (this.#pending.size >= this.#parts.limits.pendingHandshakesMax) {
      socket.destroy();
      return;
    }
    this.#pending.set(peer, socket);
    socket.once('close', () => this.#pending.delete(peer));
  }

  #tlsOpened(socket: TLSSocket): void {
    this.#pending.delete(peerOf(socket));
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

function secureOptionsOf({ key, certificate, trust }: ServerCredential) {
  if (!trust.includes('BEGIN CERTIFICATE')) {
    // With no list of its own, Node would take any certificate of a public authority (FIELD-NOTES B16).
    const message = 'the trust list is empty; a listener needs the roots and issuers of the fleet';
    throw new PortcullisError('config_invalid', message);
  }
  const { SSL_OP_NO_TICKET: secureOptions } = constants;
  return { key, cert: certificate, ca: trust, minVersion: 'TLSv1.3', secureOptions } as const;
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

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** A TLS socket is closed by the time its refusal is told and knows no address then; the TCP socket below it does. */
function addressOf(socket: TLSSocket & { _parent?: Socket }): string {
  return socket.remoteAddress ?? socket._parent?.remoteAddress ?? '';
}

/** The leaf itself, not a flag or a name: a handshake without one, or a resumed one, gives no identity (FIELD-NOTES B2). */
function fingerprintOf(socket: TLSSocket): Buffer | undefined {
  try {
    const leaf = socket.getPeerX509Certificate();
    if (!leaf || !socket.authorized || socket.isSessionReused()) return undefined;
    return hash('sha256', leaf.raw, 'buffer');
  } catch {
    return undefined;
  }
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

function listenFailure(cause: NodeJS.ErrnoException, host: string, port: number): Error {
  if (cause.code === 'EADDRINUSE') {
    return new PortcullisError('port_taken', `${host}:${port} is taken by another process`, { cause });
  }
  const message = `couldn't listen on ${host}:${port}: ${cause.code ?? cause.message}`;
  return new PortcullisError('config_invalid', message, { cause });
}
