import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { PortcullisError } from '@portcullis/contract';
import { realSystem } from '../system.ts';
import { type Network, realNetwork } from './dial.ts';
import { leaderIn, Places } from './places.ts';
import { StrictAgent } from './strict-agent.ts';
import { brokenConnection, type Trust, unreachable } from './strict-connector.ts';
import { UnderWay } from './under-way.ts';

export type { Trust } from './strict-connector.ts';

export interface LinkRequest {
  url: string;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** How long to wait for the answer. It begins again as long as the network takes pieces of a long body. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Told of a request: that there is a verified connection for it, and that the network took a piece of its body. */
interface Course {
  onBegun?: () => void;
  onTaken?: () => void;
}

export interface LinkAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

const answerBytesMax = 64 * 1024 * 1024;
const timeoutMs = 30_000;
const pieceBytes = 16 * 1024;
/** How long a connection may take to be there and verified where the same can be asked elsewhere. */
const elsewhereMs = 2_000;

/**
 * Requests to one verified server of the fleet, or to one of several that stand for each other, over connections of its own. Nothing is sent
 * before the server is verified (P2).
 */
export class Link {
  readonly #agent: StrictAgent;
  readonly #ends: string | undefined;
  readonly #now: () => number;
  readonly #underWay = new UnderWay();
  readonly #places: Places;
  #closed = false;

  /** @throws {PortcullisError} `environment_refused`, `credential_unusable` */
  constructor(trust: Trust, network: Network = realNetwork, now = realSystem.now) {
    this.#ends = trust.credential?.notAfter;
    this.#now = now;
    this.#places = new Places(trust.addresses, trust.follows);
    this.#agent = new StrictAgent(trust, network);
  }

  /** @throws {PortcullisError} `server_unreachable`, `server_not_verified`, `not_authenticated`, `answer_malformed` */
  request(asked: LinkRequest): Promise<LinkAnswer> {
    const ask = (url: string, bounded: boolean) => this.#request({ ...asked, url }, bounded);
    return this.#underWay.during(this.#places.ask(asked.url, ask, leaderIn));
  }

  async #request(asked: LinkRequest, bounded: boolean): Promise<LinkAnswer> {
    const bound = new AbortController();
    const abort = () => bound.abort();
    const tooLate = () => {
      this.#agent.endIdle();
      abort();
    };
    const timer = setTimeout(tooLate, asked.timeoutMs ?? timeoutMs);
    const connecting = bounded ? setTimeout(abort, elsewhereMs) : undefined;
    asked.signal?.addEventListener('abort', abort);
    if (asked.signal?.aborted) abort();
    try {
      const onBegun = () => clearTimeout(connecting);
      const answer = await this.#send(asked, bound.signal, { onBegun, onTaken: () => timer.refresh() });
      const body = await collect(answer, hostOf(asked.url), bound.signal);
      return { status: answer.statusCode ?? 0, headers: answer.headers, body };
    } finally {
      clearTimeout(timer);
      clearTimeout(connecting);
      asked.signal?.removeEventListener('abort', abort);
    }
  }

  /** The answer's body as it comes; the caller reads it to its end or destroys it. After one who does not lead the next is asked elsewhere. */
  async stream(asked: LinkRequest & { signal: AbortSignal }): Promise<IncomingMessage> {
    const ask = async (url: string, bounded: boolean) => {
      const answer = await this.#open({ ...asked, url }, bounded);
      if (answer.statusCode === 503 || answer.statusCode === 307) this.#places.leave(url);
      return answer;
    };
    return this.#places.ask(asked.url, ask, () => undefined);
  }

  async #open(asked: LinkRequest & { signal: AbortSignal }, bounded: boolean): Promise<IncomingMessage> {
    if (!bounded) return this.#send(asked, asked.signal);
    const bound = new AbortController();
    const connecting = setTimeout(() => bound.abort(), elsewhereMs);
    const onBegun = () => clearTimeout(connecting);
    return await this.#send(asked, AbortSignal.any([asked.signal, bound.signal]), { onBegun }).finally(onBegun);
  }

  /** Closes once what was asked has been answered, and at the latest after so many milliseconds. */
  async drain(milliseconds: number): Promise<void> {
    await this.#underWay.ended(milliseconds);
    this.close();
  }

  /** Ends every connection, also those in use; there will be no other. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #send(asked: LinkRequest, signal: AbortSignal, { onBegun, onTaken }: Course = {}): Promise<IncomingMessage> {
    const host = hostOf(asked.url);
    if (this.#closed) return Promise.reject(unreachable(host, 'the link was closed'));
    if (signal.aborted) return Promise.reject(timedOut(host, false));
    return new Promise((resolve, reject) => {
      // Before there is a verified connection nothing of the request has left.
      let begun = false;
      // Node tells an abort only once there is a socket: after the handshake, or never.
      const abort = () => {
        if (sent.socket) this.#agent.reset(sent.socket);
        reject(timedOut(host, begun));
      };
      signal.addEventListener('abort', abort);
      const sent = request(
        asked.url,
        { agent: this.#agent, method: asked.method ?? 'GET', headers: headersOf(asked), signal },
        (answer) => {
          signal.removeEventListener('abort', abort);
          resolve(answer);
        },
      );
      sent.on('socket', () => {
        begun = true;
        onBegun?.();
      });
      sent.on('error', (error) => {
        signal.removeEventListener('abort', abort);
        reject(signal.aborted ? timedOut(host, begun) : this.#withOwnEnd(brokenConnection(error, host, begun)));
      });
      writeBody(sent, asked.body, onTaken);
    });
  }

  /** A server ends a connection whose client certificate has expired without a word: it is this side that knows why. */
  #withOwnEnd(failure: PortcullisError): PortcullisError {
    if (failure.code !== 'server_unreachable' || this.#ends === undefined) return failure;
    if (Date.parse(this.#ends) > this.#now()) return failure;
    const { message, cause, detail } = failure;
    return new PortcullisError('server_unreachable', `${message}; the certificate of this side expired ${this.#ends}`, {
      ...{ cause, detail },
    });
  }
}

/** In pieces, so that it is seen when the network takes one; the last one is followed by the answer. */
function writeBody(sent: ClientRequest, body: string | Buffer = '', onTaken?: () => void): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  let at = 0;
  const next = (error?: Error | null) => {
    if (error) return;
    if (at > 0) onTaken?.();
    const piece = bytes.subarray(at, at + pieceBytes);
    at += piece.length;
    if (at < bytes.length) sent.write(piece, next);
    else sent.end(piece);
  };
  next();
}

function headersOf({ body, headers }: LinkRequest): Record<string, string | number> {
  if (body === undefined) return { ...headers };
  return { 'content-type': 'application/json', ...headers, 'content-length': Buffer.byteLength(body) };
}

function hostOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'https:') {
    throw new PortcullisError('server_not_verified', `"${url}" is not an https address; plaintext is never spoken`);
  }
  return parsed.port === '' ? `${parsed.host}:443` : parsed.host;
}

function timedOut(host: string, begun: boolean): PortcullisError {
  return new PortcullisError('server_unreachable', `"${host}" did not answer in time`, { detail: { begun } });
}

async function collect(answer: IncomingMessage, host: string, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > answerBytesMax) throw new PortcullisError('answer_malformed', `the answer of "${host}" is too long`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw signal.aborted ? timedOut(host, true) : brokenConnection(error as Error, host, true);
  }
  return Buffer.concat(chunks);
}
