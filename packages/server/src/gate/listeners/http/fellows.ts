import {
  request as askBySocket,
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestOptions,
} from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { throwAwayBody } from '../../../bounds/bounds.ts';
import { mergedFigures, type ToldFigures } from '../../../telemetry/figures.ts';
import { failureProblem, sendProblem } from './answers.ts';
import type { Asked } from './listener.ts';
import type { Target } from './target.ts';
import type { Exchange } from './transport.ts';

/** Whose request it is, told by the process that shook hands. */
export const certificateHeader = 'portcullis-certificate';
/** What a process says of itself alone. */
export const figuresPath = '/figures';
const socketOf = (sockets: string, number: number) => join(sockets, `${number}.sock`);

/** One that does not begin to answer for so long is away: paused, or started again. */
const answerMs = 10_000;
const figuresMs = 2_000;
const before = /^\/v1\/workers\/([1-9]\d?)(?=\/v1\/)/;
/** Of one connection, and not of what was asked. */
const ownHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date']);

/** Which of the processes of a gate this is, and where they meet. */
export interface FellowPlace {
  /** From 1. The first keeps what is the gate's alone: its credential, and whatever has one listener. */
  number: number;
  count: number;
  /** Where each of them has a socket for the others, and nobody else comes. */
  sockets: string;
}

/** What is asked of one process of a gate, whichever of them took the connection. */
export interface OfWorker {
  number: number;
  target: Target;
}

/** `/v1/workers/2/v1/readings` is `/v1/readings` of the second one. */
export function ofWorker(target: Target): OfWorker | undefined {
  const [prefix, number] = before.exec(target.path) ?? [];
  return prefix === undefined
    ? undefined
    : { number: Number(number), target: { ...target, path: target.path.slice(prefix.length) } };
}

/** The other processes of this gate. What each has stored, refused and counted, it tells itself. */
export class Fellows {
  readonly #worker: FellowPlace;

  constructor(worker: FellowPlace) {
    this.#worker = worker;
  }

  get number(): number {
    return this.#worker.number;
  }

  get socket(): string {
    return socketOf(this.#worker.sockets, this.#worker.number);
  }

  /** There it is judged by the same certificate. */
  relay({ request, response, transport, connection }: Asked, { number, target }: OfWorker): void {
    throwAwayBody(request);
    if (number > this.#worker.count)
      return sendProblem(
        response,
        failureProblem('route_unknown', `the gate has ${this.#worker.count} workers`),
        false,
      );
    const { path, query } = target;
    const onward = this.#ask(number, {
      method: request.method,
      path: query === undefined ? path : `${path}?${query}`,
      headers: { accept: request.headers.accept ?? '*/*', [certificateHeader]: connection.name },
    });
    const exchange = new RelayExchange(onward, response);
    transport.begin(exchange);
    const late = setTimeout(() => onward.destroy(new Error('it does not answer')), answerMs).unref();
    onward.once('response', (answer) => {
      clearTimeout(late);
      response.writeHead(answer.statusCode as number, headersOf(answer));
      response.flushHeaders();
      answer.on('data', (piece: Buffer) => response.write(piece) || answer.pause());
      response.on('drain', () => answer.resume());
      answer.once('end', () => response.end());
      answer.once('close', () => answer.complete || response.destroy());
    });
    onward.once('error', () => {
      const why = `worker ${number} of this gate does not answer; it is started again when it ended`;
      if (response.headersSent) response.destroy();
      else sendProblem(response, failureProblem('worker_away', why), false);
    });
    response.once('close', () => {
      clearTimeout(late);
      onward.destroy();
      transport.finish(exchange);
    });
    onward.end();
  }

  /** Those of all that answer, each sample with its worker. */
  figuresOf(own: ToldFigures): ToldFigures {
    const { number, count } = this.#worker;
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    const textOf = (one: number) => (one === number ? own.text() : this.#figures(one));
    return {
      contentType: own.contentType,
      text: async () => {
        const texts = await Promise.all(numbers.map(async (one) => [String(one), await textOf(one)] as const));
        return mergedFigures('worker', new Map(texts));
      },
    };
  }

  #figures(number: number): Promise<string> {
    return new Promise((resolve) => {
      const asked = this.#ask(number, { path: figuresPath, signal: AbortSignal.timeout(figuresMs) });
      asked.once('response', (answer) => resolve(text(answer).catch(() => '')));
      asked.once('error', () => resolve(''));
      asked.end();
    });
  }

  #ask(number: number, options: RequestOptions): ClientRequest {
    return askBySocket({ socketPath: socketOf(this.#worker.sockets, number), agent: false, ...options });
  }
}

class RelayExchange implements Exchange {
  readonly #onward: ClientRequest;
  readonly #response: Asked['response'];

  constructor(onward: ClientRequest, response: Asked['response']) {
    [this.#onward, this.#response] = [onward, response];
  }

  cut(): void {
    this.gone();
    this.#response.destroy();
  }

  gone(): void {
    this.#onward.destroy();
  }
}

function headersOf({ headers }: IncomingMessage): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ownHeaders.has(name)));
}
