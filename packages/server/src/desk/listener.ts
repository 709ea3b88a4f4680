import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { failures, PortcullisError, type Problem, problemMediaType } from '@portcullis/contract';
import { GrowingBody } from '../bounds/bounds.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { DeskLimits } from './promises.ts';
import { relayedPaths, type Told } from './relay.ts';
import { Shares } from './shares.ts';

interface Identity {
  key: string;
  certificate: string;
}

interface Parts {
  limits: DeskLimits;
  log: Log;
  relay(asked: { path: string; from: string; body: Buffer }): Promise<Told>;
}

const bodyBytesMax = 64 * 1024;

/** TLS with a server certificate alone: who asks proves in the request what he may have. */
export class Listener {
  readonly #parts: Parts;
  readonly #server: Server;
  readonly #connections: Shares;
  readonly #relays: Shares;
  #relayed = 0;
  #turnedAway = 0;

  constructor(identity: Identity, parts: Parts) {
    const { limits } = parts;
    this.#parts = parts;
    this.#connections = new Shares(limits.connectionsMax, limits.connectionsPerAddressMax);
    this.#relays = new Shares(limits.relayedMax, limits.relayedPerAddressMax);
    this.#server = createServer(
      { ...secureOptions(identity), handshakeTimeout: limits.handshakeMs },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.requestTimeout = limits.requestMs;
    this.#server.headersTimeout = limits.requestMs;
    this.#server.keepAliveTimeout = limits.idleMs;
    this.#server.timeout = limits.requestMs + limits.relayMs;
    this.#server.on('connection', (socket: Socket) => this.#opened(socket));
  }

  get figures() {
    return { connections: this.#connections.taken, relayed: this.#relayed, turnedAway: this.#turnedAway };
  }

  /** @throws {PortcullisError} `port_taken`, `config_invalid` */
  async listen({ host, port }: { host: string; port: number }): Promise<number> {
    try {
      await once(this.#server.listen(port, host), 'listening');
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const taken = `${host}:${port} is taken by another process; stop that one, or change "listen" in desk.yaml`;
      if (code === 'EADDRINUSE') throw new PortcullisError('port_taken', taken, { cause });
      throw new PortcullisError('config_invalid', `couldn't listen on ${host}:${port}: ${code ?? message}`, { cause });
    }
    return (this.#server.address() as AddressInfo).port;
  }

  swap(identity: Identity): void {
    this.#server.setSecureContext(secureOptions(identity));
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Before TLS: what is too many costs no handshake. */
  #opened(socket: Socket): void {
    const give = this.#connections.take(socket.remoteAddress ?? '');
    if (give) socket.once('close', give);
    else socket.destroy();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const from = request.socket.remoteAddress ?? '';
    try {
      const told = await this.#relay(request, from);
      const retry = told.retryAfter === undefined ? {} : { 'retry-after': told.retryAfter };
      response.writeHead(told.status, { 'content-type': told.type, ...retry }).end(told.body);
    } catch (error) {
      this.#refuse(response, error);
    }
  }

  async #relay(request: IncomingMessage, from: string): Promise<Told> {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    if (!relayedPaths.has(path)) throw new PortcullisError('route_unknown', 'a desk has no such route');
    if (request.method !== 'POST') throw new PortcullisError('method_not_allowed', `${path} takes [POST]`);
    const [unknown] = new URLSearchParams(query).keys();
    if (unknown !== undefined)
      throw new PortcullisError('request_malformed', `querystring: Unrecognized key: ${JSON.stringify(unknown)}`);
    const body = await bodyOf(request);
    const give = this.#relays.take(from);
    if (!give) throw new PortcullisError('desk_busy', 'the desk relays as much as it may; try again in a moment');
    try {
      const told = await this.#parts.relay({ path, from, body });
      this.#relayed++;
      return told;
    } finally {
      give();
    }
  }

  /** A connection whose request was refused before it was read to its end goes no further. */
  #refuse(response: ServerResponse, error: unknown): void {
    this.#turnedAway++;
    if (response.destroyed) return;
    const known = error instanceof PortcullisError ? error : new PortcullisError('internal', failures.internal.title);
    const { status, title, retry } = failures[known.code];
    if (status >= 500 && known.code !== 'desk_busy') this.#parts.log.warn({ err: error }, 'a request was not relayed');
    const problem: Problem = { type: 'about:blank', title, status, reason: known.code, detail: known.message };
    response.writeHead(status, {
      'content-type': problemMediaType,
      connection: 'close',
      ...(retry && { 'retry-after': '1' }),
      ...(known.code === 'method_not_allowed' && { allow: 'POST' }),
    });
    response.end(JSON.stringify(problem));
  }
}

/** No tickets, no resumption, TLS 1.3 (P3). */
function secureOptions({ key, certificate }: Identity) {
  const { SSL_OP_NO_TICKET: secureOptions } = constants;
  return { key, cert: certificate, minVersion: 'TLSv1.3', secureOptions, ALPNProtocols: ['http/1.1'] } as const;
}

/** @throws {PortcullisError} `request_too_large`, `request_malformed` */
async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const body = new GrowingBody(bodyBytesMax);
  try {
    for await (const piece of request) {
      const refused = body.add(piece as Buffer);
      if (refused) throw new PortcullisError('request_too_large', `a desk takes ${bodyBytesMax} bytes`);
    }
  } catch (error) {
    if (error instanceof PortcullisError) throw error;
    throw new PortcullisError('request_malformed', 'the request ended before its body', { cause: error });
  }
  return body.end();
}
