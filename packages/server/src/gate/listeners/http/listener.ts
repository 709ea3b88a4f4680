import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type BytesRefused,
  boundAnswer,
  Doorway,
  type DoorwayParts,
  listenFailure,
  refuseBytes,
} from '../../../bounds/bounds.ts';
import type { Connection, Connections } from '../../connections/connections.ts';
import { addressOf, fingerprintOf, type ListenerLimits, type ServerCredential, secureOptionsOf } from '../tls.ts';
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
  now(): number;
  monotonic(): number;
  handle(asked: Asked): void;
  onHandshakeRefused(refused: { remoteAddress: string; error: string }): void;
  onCrowded: DoorwayParts['onFull'];
  /** A certificate had as many connections as it may when another came. */
  onFull(fingerprint: Buffer, remoteAddress: string, displaced: Connection | undefined): void;
}

const headerBytesMax = 16_384;
/** Readings and changes wait for no more than these. */
const handshakesAtOnce = 32;
/** What is being answered when the gate stops has so long. */
const closeMs = 1_000;

/**
 * mTLS over HTTP/1.1. The chain is checked here, the standing is not (FIELD-NOTES B4): who is refused is told why. No session
 * is ever resumed (P3): a resumed one would carry yesterday's verdict.
 */
export class Listener {
  readonly #parts: Parts;
  readonly #server: Server;
  readonly #doorway: Doorway;
  readonly #transports = new Map<Socket, HttpTransport>();
  #looking: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#server = createServer(optionsOf(parts), (request, response) => this.#request(request, response));
    const idleSince = (socket: TLSSocket) => this.#transports.get(socket)?.idleSince;
    const { limits, monotonic, onCrowded: onFull } = parts;
    this.#doorway = new Doorway({ ...limits, handshakesAtOnce, idleSince, onFull, monotonic });
    this.#doorway.guard(this.#server);
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#tlsOpened(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#handshakeRefused(error, socket));
    this.#server.on('clientError', (error, socket) =>
      refuseBytes(error as BytesRefused, socket as Socket, parts.now()),
    );
  }

  /** For want of room at all, whatever the certificate. */
  get crowd(): { displaced: number; turnedAway: number } {
    return this.#doorway;
  }

  async listen(): Promise<number> {
    const { host, port } = this.#parts;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(listenFailure(cause, { host, port, file: 'gate.yaml' })),
      );
      this.#server.listen({ host, port, backlog: 4_096 }, resolve);
    });
    this.#looking = setInterval(() => this.#endSlow(), lookMs(this.#parts.limits)).unref();
    return (this.#server.address() as AddressInfo).port;
  }

  /** For new handshakes; open connections stay with what they verified. */
  swapCredential(credential: ServerCredential): void {
    this.#server.setSecureContext(secureOptionsOf(credential));
  }

  /** Takes no new connection; what is being answered is answered, the rest ends at once. */
  async close(): Promise<void> {
    clearInterval(this.#looking);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#doorway.endPending();
    this.#parts.connections.endAll();
    const last = setTimeout(() => this.#server.closeAllConnections(), closeMs);
    await closed;
    clearTimeout(last);
  }

  #tlsOpened(socket: TLSSocket): void {
    const fingerprint = fingerprintOf(socket);
    const { connections, monotonic } = this.#parts;
    if (fingerprint && !this.#hasRoom(fingerprint, socket)) {
      socket.destroy();
      return;
    }
    const transport = new HttpTransport(socket, monotonic);
    const connection = connections.register(fingerprint, transport);
    transport.connection = connection;
    this.#transports.set(socket, transport);
    socket.once('close', () => {
      this.#transports.delete(socket);
      connections.remove(connection);
      transport.closed();
    });
    socket.on('error', () => socket.destroy());
  }

  /**
   * A device that lost its network comes back before its old connections are known to be dead: the one that was silent for longest
   * gives its place to the new one. Where each has something under way, the new one is turned away.
   */
  #hasRoom(fingerprint: Buffer, { remoteAddress = '' }: Socket): boolean {
    const { connections, limits, onFull } = this.#parts;
    if (connections.countOf(fingerprint) < limits.connectionsPerCertificateMax) return true;
    const displaced = connections.displace(fingerprint);
    onFull(fingerprint, remoteAddress, displaced);
    return displaced !== undefined;
  }

  #endSlow(): void {
    for (const [socket, transport] of this.#transports) {
      if (!transport.isTooSlow(this.#parts.limits)) continue;
      if (transport.isAnswered) transport.drop();
      else refuseBytes({ code: 'ERR_HTTP_REQUEST_TIMEOUT' }, socket, this.#parts.now());
    }
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
