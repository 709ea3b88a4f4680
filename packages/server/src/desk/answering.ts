import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { failures, PortcullisError, type Problem, problemMediaType } from '@portcullis/contract';
import { throwAwayBody } from '../bounds/bounds.ts';
import type { Log } from '../telemetry/telemetry.ts';

export interface Told {
  status: number;
  headers: OutgoingHttpHeaders;
  body: string | Buffer;
}

interface Parts {
  log: Log;
  /** What is answered; what it throws is told as a problem, and ends the connection. */
  answer(request: IncomingMessage): Promise<Told>;
}

/** Said of the world, not of the desk. */
const expected: readonly string[] = ['desk_busy', 'look_ups_stale'];

/** What every listener of a desk does with a request. */
export class Answering {
  readonly #parts: Parts;
  #refused = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get refused(): number {
    return this.#refused;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, headers, body } = await this.#parts.answer(request);
      const length = status === 304 ? {} : { 'content-length': Buffer.byteLength(body) };
      response.writeHead(status, { ...headers, ...length }).end(body);
    } catch (error) {
      this.#refuse(request, response, error);
    }
  }

  /**
   * A connection whose request was refused goes no further. What is still on its way is read on for nothing, as far as that goes: a connection that ends
   * over unread bytes is reset, and takes the answer along.
   */
  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    this.#refused++;
    if (response.destroyed) return;
    const known = error instanceof PortcullisError ? error : new PortcullisError('internal', failures.internal.title);
    const { status, title, retry } = failures[known.code];
    if (status >= 500 && !expected.includes(known.code))
      this.#parts.log.warn({ err: error }, 'a request was not answered');
    const problem: Problem = { type: 'about:blank', title, status, reason: known.code, detail: known.message };
    const body = JSON.stringify(problem);
    response.writeHead(status, {
      'content-type': problemMediaType,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      connection: 'close',
      ...(retry && { 'retry-after': '1' }),
      ...(known.code === 'method_not_allowed' && { allow: known.detail.allow as string }),
      // RFC 9110 §15.5.16: what is taken is said.
      ...(known.code === 'media_type_unsupported' && { accept: known.detail.accept as string }),
    });
    if (request.complete) {
      response.end(body);
      return;
    }
    response.write(body);
    throwAwayBody(request, response);
  }
}
