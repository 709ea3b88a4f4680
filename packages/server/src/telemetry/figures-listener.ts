import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listenOnOwn, type OwnAddress } from '../bounds/bounds.ts';
import type { Figures } from './figure-registry.ts';

export type FiguresAddress = OwnAddress;

const connectionsMax = 32;
const requestMs = 5_000;
const headerBytesMax = 8_192;

/**
 * Figures without a client certificate, for a scraper on this machine: `GET /metrics` and nothing else. They tell counts, never a name
 * of a subject.
 */
export class FiguresListener {
  readonly #server: Server;
  readonly #address: FiguresAddress;

  constructor(address: FiguresAddress, figures: Figures) {
    this.#address = address;
    this.#server = createServer({
      requestTimeout: requestMs,
      headersTimeout: requestMs,
      maxHeaderSize: headerBytesMax,
    });
    this.#server.maxConnections = connectionsMax;
    this.#server.keepAliveTimeout = requestMs;
    this.#server.on('request', (request, response) => void serve(figures, request, response, 'port' in address));
  }

  /** @throws {PortcullisError} `port_taken`, `config_invalid` */
  async listen(): Promise<this> {
    await listenOnOwn(this.#server, this.#address, 'metrics');
    return this;
  }

  /** The port that was bound; undefined for a socket. */
  get port(): number | undefined {
    const bound = this.#server.address();
    return bound !== null && typeof bound === 'object' ? bound.port : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Names of this machine that no other can take: RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3. */
const ownName = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])(:\d*)?$/i;
const absoluteForm = /^http:\/\/([^/?#]*)(?=[/?]|$)/i;

/**
 * What was asked for, and by which name: of the absolute form its own (RFC 9112 §3.2.2). More or fewer names than one is no name
 * (RFC 9112 §3.2).
 */
function targetOf(request: IncomingMessage): { name: string | undefined; path: string | undefined } {
  const [text = ''] = request.url?.split('?') ?? [];
  const names = request.headersDistinct.host ?? [];
  const [form, absolute] = absoluteForm.exec(text) ?? [];
  return { name: names.length === 1 ? (absolute ?? names[0]) : undefined, path: text.slice(form?.length ?? 0) };
}

async function serve(
  figures: Figures,
  request: IncomingMessage,
  response: ServerResponse,
  byPort: boolean,
): Promise<void> {
  request.resume();
  const { name, path } = targetOf(request);
  // A page from elsewhere whose name was given this machine's address asks by that name (DNS rebinding). A socket, no page reaches.
  if (byPort && name === undefined) return refuse(response, 400, 'there must be one Host\n');
  if (byPort && !ownName.test(name ?? '')) {
    return refuse(response, 421, 'Host must be localhost, or a loopback address: figures are for this machine\n');
  }
  if (path !== '/metrics') return refuse(response, 404, 'there is /metrics alone\n');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return refuse(response, 405, 'only GET and HEAD are allowed\n');
  }
  const text = await figures.text().catch(() => undefined);
  if (text === undefined) return refuse(response, 500, 'a figure could not be read\n');
  const headers = { 'content-type': figures.contentType, 'content-length': Buffer.byteLength(text) };
  response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : text);
}

function refuse(response: ServerResponse, status: number, words: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(words);
}
