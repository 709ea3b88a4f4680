import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listenOnOwn, type OwnAddress } from '../bounds/bounds.ts';
import type { ToldFigures } from './figure-registry.ts';

export type FiguresAddress = OwnAddress;

const connectionsMax = 32;
const requestMs = 5_000;
const headerBytesMax = 8_192;

/** Why a process does not do its work now, in a few words; undefined: it does. */
export type Hindrance = () => string | undefined;

/**
 * Figures without a client certificate, for a scraper on this machine: `GET /metrics`, and for what looks after processes `/livez` and
 * `/readyz`. They tell counts, never a name of a subject.
 */
export class FiguresListener {
  readonly #server: Server;
  readonly #address: FiguresAddress;

  constructor(address: FiguresAddress, figures: ToldFigures, hindrance: Hindrance) {
    this.#address = address;
    this.#server = createServer({
      requestTimeout: requestMs,
      headersTimeout: requestMs,
      maxHeaderSize: headerBytesMax,
    });
    this.#server.maxConnections = connectionsMax;
    this.#server.keepAliveTimeout = requestMs;
    this.#server.on('request', (request, response) => {
      const { refused, path } = askedFor(request, 'port' in address);
      if (refused) return say(response, refused);
      if (path === '/metrics') return void tellFigures(figures, request, response);
      const words = path === '/readyz' ? hindrance() : undefined;
      // An event loop that turns answers: there is no more to being alive.
      if (words === undefined) return say(response, { status: 200, words: path === '/livez' ? 'alive' : 'ready' });
      say(response, { status: 503, words });
    });
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
function targetOf(request: IncomingMessage): { name: string | undefined; path: string } {
  const [text = ''] = request.url?.split('?') ?? [];
  const names = request.headersDistinct.host ?? [];
  const [form, absolute] = absoluteForm.exec(text) ?? [];
  return { name: names.length === 1 ? (absolute ?? names[0]) : undefined, path: text.slice(form?.length ?? 0) };
}

interface Words {
  status: number;
  words: string;
}

const paths = ['/metrics', '/livez', '/readyz'];

function askedFor(request: IncomingMessage, byPort: boolean): { refused?: Words; path: string } {
  request.resume();
  const { name, path } = targetOf(request);
  const refuse = (status: number, words: string) => ({ refused: { status, words }, path });
  // A page from elsewhere whose name was given this machine's address asks by that name (DNS rebinding). A socket, no page reaches.
  if (byPort && name === undefined) return refuse(400, 'there must be one Host');
  if (byPort && !ownName.test(name ?? '')) {
    return refuse(421, 'Host must be localhost, or a loopback address: this is for this machine');
  }
  if (!paths.includes(path)) return refuse(404, `there is ${paths.join(', ')} alone`);
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'only GET and HEAD are allowed');
  return { path };
}

async function tellFigures(figures: ToldFigures, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = await figures.text().catch(() => undefined);
  if (text === undefined) return say(response, { status: 500, words: 'a figure could not be read' });
  const headers = { 'content-type': figures.contentType, 'content-length': Buffer.byteLength(text) };
  response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : text);
}

function say(response: ServerResponse, { status, words }: Words): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD');
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${words}\n`);
}
