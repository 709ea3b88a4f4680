import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { PortcullisError } from '@portcullis/contract';
import {
  type BytesRefused,
  type Doorway,
  guarded,
  listenFailure,
  refuseBytes,
  tooManyWords,
} from '../bounds/bounds.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { Answering, type Told } from './answering.ts';
import { asked } from './asked-certificates.ts';
import type { DeskLimits } from './promises.ts';

export interface Identity {
  key: string;
  certificate: string;
}

interface Parts {
  limits: DeskLimits;
  log: Log;
  system: Pick<System, 'monotonic' | 'now'>;
  /** What is answered; what it throws is told as a problem, and ends the connection. */
  answer(request: IncomingMessage): Promise<Told>;
  /** TLS 1.2 too: for phones, which are asked for nothing that they have to keep to themselves. */
  oldPhones?: boolean;
  /** By EST: TLS 1.2 too (FINDINGS B8), and a client certificate is asked for, though nobody has to have one. */
  est?: boolean;
}

/** A handshake takes the loop about a millisecond. */
const handshakesAtOnce = 8;
/** TLS with a server certificate alone, for strangers. */
export class Front {
  readonly #parts: Parts;
  readonly #server: Server;
  readonly #doorway: Doorway;
  readonly #answering: Answering;

  constructor(identity: Identity, parts: Parts) {
    const { limits, log, system } = parts;
    this.#parts = parts;
    this.#answering = new Answering(parts);
    this.#server = createServer(
      { ...secureOptions(identity, parts), handshakeTimeout: limits.handshakeMs },
      (request, response) => void this.#answering.answer(request, response),
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
      onFull: (found, scarce) => log.warn(found, tooManyWords('the desk', scarce)),
    });
  }

  get connections(): number {
    return this.#doorway.size;
  }

  get turnedAway(): number {
    return this.#answering.refused + this.#doorway.crowd.turnedAway;
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
    this.#server.setSecureContext(secureOptions(identity, this.#parts));
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    this.#doorway.endPending();
    await closed;
  }
}

/** @throws {PortcullisError} `method_not_allowed` */
export function requireMethod(request: IncomingMessage, path: string, method: 'GET' | 'POST'): void {
  if (request.method === method) return;
  throw new PortcullisError('method_not_allowed', `${path} takes [${method}]`, { detail: { allow: method } });
}

/** RFC 9110 §8.3.1: without its parameters, in any case. @throws {PortcullisError} `media_type_unsupported` */
export function requireType({ headers }: IncomingMessage, wanted: string): void {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() === wanted) return;
  const detail = { accept: wanted };
  throw new PortcullisError('media_type_unsupported', `the content type must be ${wanted}`, { detail });
}

/** No route of a desk takes a query. @throws {PortcullisError} `request_malformed` */
export function pathOf({ url = '' }: IncomingMessage): string {
  const [path = '', query = ''] = url.split('?');
  const [unknown] = new URLSearchParams(query).keys();
  if (unknown === undefined) return path;
  throw new PortcullisError('request_malformed', `querystring: Unrecognized key: ${JSON.stringify(unknown)}`);
}

/** No tickets, no resumption, TLS 1.3 (P3); with TLS 1.2, no renegotiation. */
function secureOptions(
  { key, certificate }: Identity,
  { oldPhones = false, est = false }: Pick<Parts, 'oldPhones' | 'est'>,
) {
  const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;
  const minVersion = oldPhones || est ? 'TLSv1.2' : 'TLSv1.3';
  return { key, cert: certificate, minVersion, secureOptions, ALPNProtocols: ['http/1.1'], ...(est && asked) } as const;
}
