import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { failures, PortcullisError, type Problem, problemMediaType } from '@portcullis/contract';
import { type BytesRefused, type Doorway, guarded, listenFailure, refuseBytes } from '../bounds/bounds.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { DeskLimits } from './promises.ts';

interface Identity {
  key: string;
  certificate: string;
}

export interface Told {
  status: number;
  headers: OutgoingHttpHeaders;
  body: string | Buffer;
}

interface Parts {
  limits: DeskLimits;
  log: Log;
  system: Pick<System, 'monotonic' | 'now'>;
  /** What is answered; what it throws is told as a problem, and ends the connection. */
  answer(request: IncomingMessage): Promise<Told>;
}

/** A handshake takes the loop about a millisecond. */
const handshakesAtOnce = 8;
/** Said of the world, not of the desk. */
const expected: readonly string[] = ['desk_busy', 'look_ups_stale'];

/** TLS with a server certificate alone, for strangers. */
export class Front {
  readonly #parts: Parts;
  readonly #server: Server;
  readonly #doorway: Doorway;
  #refused = 0;

  constructor(identity: Identity, parts: Parts) {
    const { limits, log, system } = parts;
    this.#parts = parts;
    this.#server = createServer(
      { ...secureOptions(identity), handshakeTimeout: limits.handshakeMs },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.on('clientError', (error, socket) =>
      refuseBytes(error as BytesRefused, socket as Socket, system.now()),
    );
    this.#server.requestTimeout = limits.requestMs;
    this.#server.headersTimeout = limits.requestMs;
    this.#server.keepAliveTimeout = limits.idleMs;
    this.#server.timeout = limits.requestMs + limits.relayMs;
    this.#doorway = guarded(this.#server, {
      ...limits,
      handshakesAtOnce,
      monotonic: system.monotonic,
      onFull: (found) =>
        log.warn(found, 'the desk has as many connections as it may: one gave way, or a new one was turned away'),
    });
  }

  get connections(): number {
    return this.#doorway.size;
  }

  get turnedAway(): number {
    return this.#refused + this.#doorway.turnedAway;
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

  swap(identity: Identity): void {
    this.#server.setSecureContext(secureOptions(identity));
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    this.#doorway.endPending();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, headers, body } = await this.#parts.answer(request);
      response.writeHead(status, headers).end(body);
    } catch (error) {
      this.#refuse(response, error);
    }
  }

  /** A connection whose request was refused before it was read to its end goes no further. */
  #refuse(response: ServerResponse, error: unknown): void {
    this.#refused++;
    if (response.destroyed) return;
    const known = error instanceof PortcullisError ? error : new PortcullisError('internal', failures.internal.title);
    const { status, title, retry } = failures[known.code];
    if (status >= 500 && !expected.includes(known.code))
      this.#parts.log.warn({ err: error }, 'a request was not answered');
    const problem: Problem = { type: 'about:blank', title, status, reason: known.code, detail: known.message };
    response.writeHead(status, {
      'content-type': problemMediaType,
      'cache-control': 'no-store',
      connection: 'close',
      ...(retry && { 'retry-after': '1' }),
      ...(known.code === 'method_not_allowed' && { allow: known.detail.allow as string }),
    });
    response.end(JSON.stringify(problem));
  }
}

/** @throws {PortcullisError} `method_not_allowed` */
export function requireMethod(request: IncomingMessage, path: string, method: 'GET' | 'POST'): void {
  if (request.method === method) return;
  throw new PortcullisError('method_not_allowed', `${path} takes [${method}]`, { detail: { allow: method } });
}

/** No route of a desk takes a query. @throws {PortcullisError} `request_malformed` */
export function pathOf({ url = '' }: IncomingMessage): string {
  const [path = '', query = ''] = url.split('?');
  const [unknown] = new URLSearchParams(query).keys();
  if (unknown === undefined) return path;
  throw new PortcullisError('request_malformed', `querystring: Unrecognized key: ${JSON.stringify(unknown)}`);
}

/** No tickets, no resumption, TLS 1.3 (P3). */
function secureOptions({ key, certificate }: Identity) {
  const { SSL_OP_NO_TICKET: secureOptions } = constants;
  return { key, cert: certificate, minVersion: 'TLSv1.3', secureOptions, ALPNProtocols: ['http/1.1'] } as const;
}
