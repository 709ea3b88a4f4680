import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { failures, PortcullisError, problemMediaType, StreamName, sealMediaTypes } from '@portcullis/contract';
import type { Carrier } from './carrier.ts';
import type { Answer, Parcel } from './spool.ts';

export const receptionBounds = {
  bodyBytesMax: 4 * 1024 * 1024,
  /** Of all bodies that are on their way. */
  bodiesBytesMax: 32 * 1024 * 1024,
  connectionsMax: 256,
  connectionsPerAddressMax: 64,
  headersMs: 10_000,
  requestMs: 60_000,
  idleMs: 60_000,
  waitMsMax: 60_000,
} as const;

interface Neighbour {
  connections: number;
  /** Of bodies that are on their way. */
  bytes: number;
}

/** How long an answer of a gate is waited for where nobody says (RFC 7240 §4.3). */
const usualWaitMs = 5_000;

/**
 * Where devices hand over what is sealed, in plain HTTP: anybody may, and nothing that is said here proves anything. What a device
 * believes is signed by itself and by a gate.
 */
export class Reception {
  readonly #carrier: Carrier;
  readonly #server: Server;
  readonly #abort = new AbortController();
  /** By address, while they have a connection. */
  readonly #neighbours = new Map<string, Neighbour>();
  #bodiesBytes = 0;

  private constructor(carrier: Carrier) {
    this.#carrier = carrier;
    const { headersMs: headersTimeout, requestMs: requestTimeout, idleMs: keepAliveTimeout } = receptionBounds;
    const options = { headersTimeout, requestTimeout, keepAliveTimeout, maxHeaderSize: 8_192 };
    this.#server = createServer({ ...options, connectionsCheckingInterval: 5_000 }, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.maxConnections = receptionBounds.connectionsMax;
    this.#server.on('connection', (socket) => this.#count(socket));
  }

  /** @throws {PortcullisError} `port_taken` */
  static async open(carrier: Carrier, host: string, port: number): Promise<Reception> {
    const reception = new Reception(carrier);
    await new Promise<void>((resolve, reject) => {
      reception.#server.once('error', reject);
      reception.#server.listen(port, host, resolve);
    });
    return reception;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#abort.abort();
    this.#server.closeIdleConnections();
    setTimeout(() => this.#server.closeAllConnections(), 1_000).unref();
    await closed;
  }

  #count(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const neighbour = this.#neighbours.get(address) ?? { connections: 0, bytes: 0 };
    this.#neighbours.set(address, neighbour);
    neighbour.connections++;
    socket.once('close', () => {
      if (--neighbour.connections === 0) this.#neighbours.delete(address);
    });
    if (neighbour.connections > receptionBounds.connectionsPerAddressMax) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const parcel = await this.#read(request);
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const anew = /\bno-cache\b/i.test(request.headers['cache-control'] ?? '');
      const signal = AbortSignal.any([gone.signal, this.#abort.signal]);
      const { remoteAddress: from = '' } = request.socket;
      const answer = await this.#carrier.take(parcel, { from, anew, waitMs: waitMsOf(request), signal });
      if (answer === 'full')
        throw new PortcullisError('carrier_full', 'as much as may wait here of you does; come back later');
      if (answer === 'kept') json(response, 202, 'application/json', { kept: true });
      else this.#handOver(response, parcel, answer);
    } catch (error) {
      turnAway(request, response, error);
    }
  }

  #handOver(response: ServerResponse, parcel: Parcel, answer: Answer): void {
    const { status, mediaType, body } = answer;
    response.once('finish', () => this.#carrier.handedOver(parcel, answer));
    response.writeHead(status, { 'content-type': mediaType, 'content-length': body.length }).end(body);
  }

  async #read(request: IncomingMessage): Promise<Parcel> {
    const stream = streamOf(request);
    const mediaType = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    if (!Object.values<string>(sealMediaTypes).includes(mediaType)) {
      const allowed = Object.values(sealMediaTypes).join(' or ');
      throw new PortcullisError('media_type_unsupported', `what is sealed comes as ${allowed}`);
    }
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > receptionBounds.bodyBytesMax) throw tooLarge();
    return { stream, mediaType, body: await this.#collect(request) };
  }

  async #collect(request: IncomingMessage): Promise<Buffer> {
    const neighbour = this.#neighbours.get(request.socket.remoteAddress ?? '') ?? { connections: 0, bytes: 0 };
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.#bodiesBytes += chunk.length;
        neighbour.bytes += chunk.length;
        if (bytes > receptionBounds.bodyBytesMax) throw tooLarge();
        // Of what the others leave, one address has at most half.
        if (neighbour.bytes > receptionBounds.bodiesBytesMax - this.#bodiesBytes) {
          throw new PortcullisError('carrier_full', 'too much of yours is on its way here; come back later');
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } finally {
      this.#bodiesBytes -= bytes;
      neighbour.bytes -= bytes;
    }
  }
}

function streamOf({ method, url = '' }: IncomingMessage): string {
  const [, name = ''] = /^\/v1\/streams\/([^/?#]+)\/sealed$/.exec(url) ?? [];
  if (!StreamName.safeParse(name).success)
    throw new PortcullisError('route_unknown', 'there is POST /v1/streams/STREAM/sealed');
  if (method !== 'POST') throw new PortcullisError('method_not_allowed', 'the method must be POST');
  return name;
}

/** RFC 7240 §4.3: whole seconds. */
function waitMsOf(request: IncomingMessage): number {
  const [, seconds] = /(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])/i.exec(String(request.headers.prefer ?? '')) ?? [];
  return seconds === undefined ? usualWaitMs : Math.min(Number(seconds) * 1000, receptionBounds.waitMsMax);
}

const tooLarge = () =>
  new PortcullisError('request_too_large', `a body has at most ${receptionBounds.bodyBytesMax} bytes`);

const lingerMs = 1_000;
const internal = { code: 'internal', message: 'the carrier could not take it' } as const;

/** With a body that is not read to its end the connection ends too. */
function turnAway(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || request.socket.destroyed) return void response.destroy();
  const { code: reason, message: detail } = error instanceof PortcullisError ? error : internal;
  const { status, title } = failures[reason];
  if (!request.complete) response.setHeader('connection', 'close');
  if (status === 503) response.setHeader('retry-after', '10');
  json(response, status, problemMediaType, { type: 'about:blank', title, status, reason, detail });
  if (!request.complete) letGo(request);
}

/** What still comes is read for a moment, so that the answer is not lost with the connection. */
function letGo(request: IncomingMessage): void {
  const end = setTimeout(() => request.socket.destroy(), lingerMs);
  request.resume().once('close', () => clearTimeout(end));
}

function json(response: ServerResponse, status: number, mediaType: string, value: unknown): void {
  response.writeHead(status, { 'content-type': mediaType }).end(`${JSON.stringify(value)}\n`);
}
