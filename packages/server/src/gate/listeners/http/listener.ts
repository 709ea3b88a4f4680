import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Crowd } from '../../../bounds/bounds.ts';
import type { Connection } from '../../connections/connections.ts';
import { type DoorParts, SecureDoor } from '../secure-door.ts';
import { type ListenerLimits, type ServerCredential, secureOptionsOf } from '../tls.ts';
import { HttpTransport, type Incoming, type Outgoing } from './transport.ts';
import type { WireAnswer } from './wire/answer.ts';
import { WireConnection } from './wire/connection.ts';
import { HeadEnds } from './wire/head-ends.ts';
import type { WireRequest } from './wire/request.ts';

/** A request over a connection that the registry holds. */
export interface Asked {
  connection: Connection;
  transport: HttpTransport;
  request: Incoming;
  response: Outgoing;
}

/** One that came to this very process. */
export interface AskedHere extends Asked {
  request: WireRequest;
  response: WireAnswer;
}

interface Parts extends DoorParts {
  credential: ServerCredential;
  now(): number;
  handle(asked: AskedHere): void;
}

/** Who is still there so long after the gate stops is not waited for: longer than what is being answered lingers. */
const closeMs = 2_500;
/** Who was told how long a connection may idle may have sent something just then. */
const idleFurtherMs = 1_000;

/** mTLS over HTTP/1.1. */
export class Listener {
  readonly #parts: Parts;
  readonly #server: Server;
  readonly #door: SecureDoor<HttpTransport>;
  readonly #wires = new Map<HttpTransport, WireConnection>();
  readonly #headEnds: HeadEnds;
  #looking: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#server = createServer(optionsOf(parts));
    this.#headEnds = new HeadEnds(parts.now, parts.limits.idleMs);
    this.#door = new SecureDoor(this.#server, parts, {
      make: (socket) => new HttpTransport(socket, parts.monotonic),
      opened: (transport, connection) => this.#opened(transport, connection),
      closed: (transport) => {
        this.#wires.delete(transport);
        transport.closed();
      },
    });
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
    const last = setTimeout(() => {
      for (const [socket] of this.#door.entries()) socket.destroy();
    }, closeMs);
    await this.#door.close();
    clearTimeout(last);
  }

  #opened(transport: HttpTransport, connection: Connection): void {
    const { handle, now, monotonic } = this.#parts;
    const wire = new WireConnection(transport.socket as TLSSocket, {
      ...{ now, monotonic, headEnd: (closes) => this.#headEnds.of(closes) },
      asked: (request, response) => {
        transport.arriving(request, response);
        handle({ connection, transport, request, response });
      },
    });
    this.#wires.set(transport, wire);
  }

  /** All that a connection can be late with is looked at here, by one timer. */
  #endSlow(): void {
    const { limits, monotonic } = this.#parts;
    const now = monotonic();
    for (const [transport, wire] of this.#wires) {
      const { headSince } = wire;
      const isTooSlow = transport.isTooSlow(limits);
      if (isTooSlow && transport.isAnswered) transport.drop();
      else if (isTooSlow || (headSince !== undefined && now - headSince > limits.requestMs)) {
        wire.refuse({ status: 408, detail: `the request takes longer to arrive than ${limits.requestMs} ms` });
      } else if (transport.isUnread(now) || transport.idlesFor(now) > limits.idleMs + idleFurtherMs) transport.drop();
    }
  }
}

const lookMs = ({ requestMs, idleMs }: ListenerLimits) => Math.min(1_000, requestMs, idleMs);

function optionsOf({ credential, limits }: Parts): TlsOptions {
  return {
    ...secureOptionsOf(credential),
    requestCert: true,
    rejectUnauthorized: true,
    // Whoever speaks HTTP/1.0 alone says so (RFC 7301 §6); what is chosen is the first that both know.
    ALPNProtocols: ['http/1.1', 'http/1.0'],
    handshakeTimeout: limits.handshakeMs,
    noDelay: true,
  };
}
