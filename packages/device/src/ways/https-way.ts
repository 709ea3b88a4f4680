import {
  Acknowledgement,
  bundleDueHeader,
  failures,
  PortcullisError,
  Problem,
  type ReasonClass,
  type ReasonCode,
  reasons,
  TraceId,
  traceIdHeader,
} from '@portcullis/contract';
import { type Proof, proveBy } from '../credential/prove.ts';
import { parseAnswer } from '../link/exchange.ts';
import type { Link, LinkAnswer } from '../link/link.ts';
import type { Clock } from '../outbox/clock.ts';
import { unnumbered } from '../outbox/reading.ts';
import type { Batch, Heard, Way } from '../outbox/way.ts';
import { timerMsMax } from '../system.ts';

interface HttpsParts {
  link: Link;
  /** As the credential in force names them now. */
  gates(): readonly string[];
  clock: Pick<Clock, 'heard'>;
  /** The version of the trust bundle that an acknowledgement named; not given: nobody renews. */
  onBundleDue?(version: number): void;
}

/** Readings as the lines of one request, which is stored whole or not at all. */
export class HttpsWay implements Way {
  readonly noGate = 'no gate is known';
  readonly #parts: HttpsParts;
  /** Gates of an earlier version, which refuse a reading for its number. */
  readonly #numberless = new Set<string>();

  constructor(parts: HttpsParts) {
    this.#parts = parts;
  }

  get gates(): readonly string[] {
    return this.#parts.gates();
  }

  async send(batch: Batch): Promise<Heard> {
    const heard = await this.#send(batch);
    if (!isNumberRefused(heard) || this.#numberless.has(batch.gate)) return heard;
    this.#numberless.add(batch.gate);
    return this.#send(batch);
  }

  async #send({ gate, stream, readings, timeoutMs, signal }: Batch): Promise<Heard> {
    const lineFor = this.#numberless.has(gate) ? unnumbered : (line: string) => line;
    const answer = await this.#parts.link.request({
      url: `${gate}/v1/streams/${stream}/readings`,
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: Buffer.from(readings.map(({ line }) => lineFor(line)).join('\n')),
      timeoutMs,
      signal,
    });
    // RFC 9110 §15.5.9: the gate gave up on a body that came too slowly.
    if (answer.status === 408) throw tooSlow(gate);
    this.#parts.clock.heard(answer.headers.date);
    const heard = heardIn(answer, readings.length);
    if ('settled' in heard) this.#noteBundle(answer.headers[bundleDueHeader]);
    return heard;
  }

  #noteBundle(said: string | string[] | undefined): void {
    if (typeof said === 'string' && /^[1-9]\d{0,8}$/.test(said)) this.#parts.onBundleDue?.(Number(said));
  }

  prove(): Promise<Proof> {
    return proveBy(this.#parts.link, this.gates);
  }

  drain(milliseconds: number): Promise<void> {
    return this.#parts.link.drain(milliseconds);
  }

  close(): void {
    this.#parts.link.close();
  }
}

/** In the words of the versions that know no numbers. */
function isNumberRefused(heard: Heard): boolean {
  if (!('problem' in heard) || heard.problem.reason !== 'reserved_member_misused') return false;
  return /^the member "_(sequence|run)" is unknown/.test(heard.problem.detail ?? '');
}

function heardIn(answer: LinkAnswer, sent: number): Heard {
  const { status, headers } = answer;
  if (status === 202) {
    const parsed = Acknowledgement.safeParse(parseAnswer(answer));
    if (parsed.success && parsed.data.acknowledged === sent) return { settled: Array.from({ length: sent }) };
    throw notUnderstood('the acknowledgement is not one of this batch');
  }
  const parsed = Problem.safeParse(parseAnswer(answer));
  if (!parsed.success) throw notUnderstood(`the gate answered ${status}`);
  const reasonClass = classOf(parsed.data.reason, status);
  const traceId = TraceId.safeParse(headers[traceIdHeader]).data;
  return { problem: parsed.data, reasonClass, atLeastMs: retryAfterMs(headers['retry-after']), traceId };
}

/** What is wrong with what was sent stays wrong: RFC 9110 §15.5.1, §15.5.14, §15.5.16, §15.5.21. */
const statusesOfReadings = new Set([400, 413, 415, 422]);

/** The code of a later gate is known by its status alone; codes of failures say nothing of the readings. */
function classOf(code: string, status: number): ReasonClass | undefined {
  if (Object.hasOwn(reasons, code)) return reasons[code as ReasonCode].class;
  return statusesOfReadings.has(status) && !Object.hasOwn(failures, code) ? 'reading' : undefined;
}

/** RFC 9110 §10.2.3. Our servers give seconds; a date, or more than a timer takes, is not followed. */
function retryAfterMs(value: string | undefined): number {
  return /^\d{1,9}$/.test(value ?? '') ? Math.min(Number(value) * 1000, timerMsMax) : 0;
}

const notUnderstood = (message: string) => new PortcullisError('answer_malformed', message);

function tooSlow(gate: string): PortcullisError {
  const message = `"${gate}" gave up on a request that came too slowly`;
  return new PortcullisError('server_unreachable', message, { detail: { begun: true, answered: true } });
}
