import { EstAnswer, EstBodies, type EstRequest, PortcullisError } from '@portcullis/contract';
import { type Link, parseAnswer, problemOf } from '@portcullis/device';
import type { Told } from './answering.ts';
import type { Refusal } from './est-refusals.ts';
import { requireTaken } from './relay.ts';

/** What the authority refuses: why, and as it says it itself. */
export interface EstRefused {
  refusal: Refusal;
  told: Told;
}

interface Way {
  authority: string;
  link(): Link;
  relayMs: number;
  monotonic(): number;
}

/** How long the answers that anybody may have are kept: they change by rollovers. */
const keptMs = 60_000;

/** What by EST is asked of the authority. */
export class EstAsking {
  readonly #way: Way;
  #known: { at: number; bodies: EstBodies } | undefined;
  #coming: Promise<EstBodies> | undefined;

  constructor(way: Way) {
    this.#way = way;
  }

  /** @throws {PortcullisError} `authority_unreachable` */
  async ask(from: string, asked: EstRequest): Promise<EstAnswer | EstRefused> {
    const { authority, link, relayMs: timeoutMs } = this.#way;
    const url = `${authority}/v1/desk/est`;
    const body = JSON.stringify({ from, asked });
    const answer = await link()
      .request({ url, method: 'POST', body, timeoutMs })
      .catch((cause: unknown) => {
        throw unreachable(cause);
      });
    requireTaken(answer);
    if (answer.status === 200) return EstAnswer.parse(parseAnswer(answer));
    const { code, message } = problemOf(answer);
    const retryAfter = answer.headers['retry-after'];
    const type = answer.headers['content-type'] ?? 'application/problem+json';
    const headers = { 'content-type': type, ...(retryAfter !== undefined && { 'retry-after': retryAfter }) };
    return { refusal: { code, message }, told: { status: answer.status, headers, body: answer.body } };
  }

  /** As the authority last said; older ones are better than none while it can not be reached. @throws {PortcullisError} `authority_unreachable` */
  async bodies(): Promise<EstBodies> {
    const known = this.#known;
    if (known && this.#way.monotonic() - known.at < keptMs) return known.bodies;
    this.#coming ??= this.#obtain().finally(() => {
      this.#coming = undefined;
    });
    return this.#coming.catch((cause: unknown) => {
      if (known) return known.bodies;
      throw unreachable(cause);
    });
  }

  async #obtain(): Promise<EstBodies> {
    const { authority, link, relayMs, monotonic } = this.#way;
    const answer = await link().request({ url: `${authority}/v1/desk/est`, timeoutMs: relayMs });
    if (answer.status !== 200) throw problemOf(answer);
    const bodies = EstBodies.parse(parseAnswer(answer));
    this.#known = { at: monotonic(), bodies };
    return bodies;
  }
}

const unreachable = (cause: unknown) =>
  new PortcullisError('authority_unreachable', 'the desk can not reach the authority; try again', { cause });
