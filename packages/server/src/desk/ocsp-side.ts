import { createPrivateKey, sign } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import {
  digestOf,
  keyAlgorithmOf,
  keyAlgorithms,
  OcspCertificates,
  PortcullisError,
  StandingsMessage,
} from '@portcullis/contract';
import { exchange, type Link, makeRequest } from '@portcullis/device';
import { GrowingBody } from '../bounds/bounds.ts';
import { type Delegate, KnownStandings, Responder, type StatusAnswered } from '../ocsp/ocsp.ts';
import { fromPem, statusRequestBytesMax, subjectOf } from '../pki/pki.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { Told } from './answering.ts';
import { follow } from './following.ts';
import { requireMethod } from './front.ts';

interface Parts {
  authority: string;
  subject: string;
  link(): Link;
  makeKey(): string;
  /** So long after the authority's last word nothing is said any more. */
  ageMsMax: number;
  system: Pick<System, 'now' | 'monotonic'>;
  log: Log;
}

/** A far end is looked at again each minute (FIELD-NOTES K4). */
const lookMsMax = 60_000;
const retryMs = 5_000;
const prefix = '/ocsp';
const [questionType, answerType] = ['application/ocsp-request', 'application/ocsp-response'];
/** So long a cache may give an answer without asking: a revocation reaches whoever asks by GET no later. */
const maxAgeSeconds = 60;

/** Questions about certificates (RFC 6960), from memory, by a key that is made here and lives in memory alone. */
export class OcspSide {
  readonly #parts: Parts;
  readonly #known: KnownStandings;
  readonly #responder: Responder;
  readonly #stop = new AbortController();
  #delegates: ReadonlyMap<string, Delegate> = new Map();
  #said = '';

  constructor(parts: Parts) {
    const { system, ageMsMax } = parts;
    this.#parts = parts;
    this.#known = new KnownStandings({ system, onChange: (place) => this.#responder.forget(place) });
    const delegateOf = (issuer: string) => this.#delegates.get(issuer);
    this.#responder = new Responder({ known: this.#known, delegateOf, ageMsMax, system });
  }

  /** Until it is stopped. */
  keep(): void {
    const { authority, link, log } = this.#parts;
    const followed = { url: `${authority}/v1/desk/standings`, shape: StandingsMessage, record: this.#known, link, log };
    void follow(followed, this.#stop.signal);
    void this.#keepDelegates();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #keepDelegates(): Promise<void> {
    const { signal } = this.#stop;
    const { now } = this.#parts.system;
    while (!signal.aborted) {
      const renewAt = await this.#delegate();
      while (renewAt > now() && !signal.aborted)
        await pause(Math.min(renewAt - now(), lookMsMax), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Resolves to when to ask again: milliseconds since 1970. */
  async #delegate(): Promise<number> {
    const { authority, subject, link, makeKey, system, log } = this.#parts;
    try {
      const key = makeKey();
      const body = { request: makeRequest(key, subject).toString('base64') };
      const told = await exchange(link(), `${authority}/v1/ocsp-certificates`, body, OcspCertificates);
      this.#delegates = new Map(told.items.map((one) => [one.issuer, delegateBy(key, one)]));
      this.#responder.forget();
      this.#said = '';
      const dates = told.items.map(({ renewAfter }) => Date.parse(renewAfter));
      return Math.max(Math.min(...dates), system.now() + retryMs);
    } catch (error) {
      const { message } = error as Error;
      if (!this.#stop.signal.aborted && message !== this.#said)
        log.warn({ err: error }, "couldn't get certificates for answers about certificates; trying again");
      this.#said = message;
      return system.now() + retryMs;
    }
  }

  takes({ url = '' }: IncomingMessage): boolean {
    return url === prefix || url.startsWith(`${prefix}/`) || url.startsWith(`${prefix}?`);
  }

  /** @throws {PortcullisError} `method_not_allowed`, `request_too_large`, `request_malformed` */
  async answer(request: IncomingMessage): Promise<Told> {
    const { url = '', socket } = request;
    const isGet = request.method === 'GET';
    if (!isGet) requireMethod(request, prefix, 'POST');
    const question = isGet ? questionIn(url) : await bodyOf(request);
    const answered = this.#responder.answer(question, socket.remoteAddress ?? '');
    return { status: 200, headers: this.#headersOf(answered, isGet), body: answered.body };
  }

  /** RFC 5019 §6.2 */
  #headersOf({ said, shared }: StatusAnswered, isGet: boolean) {
    if (!isGet || !said || !shared) return { 'content-type': answerType, 'cache-control': 'no-store' };
    const leftSeconds = Math.max(0, Math.floor((said.nextUpdate - this.#parts.system.now()) / 1_000));
    return {
      'content-type': answerType,
      'last-modified': new Date(said.thisUpdate).toUTCString(),
      expires: new Date(said.nextUpdate).toUTCString(),
      'cache-control': `public, max-age=${Math.min(maxAgeSeconds, leftSeconds)}, no-transform, must-revalidate`,
    };
  }
}

function delegateBy(key: string, { certificate: pem, notAfter }: OcspCertificates['items'][number]): Delegate {
  const [certificate] = fromPem('CERTIFICATE', pem);
  const privateKey = createPrivateKey(key);
  const name = keyAlgorithmOf(privateKey);
  if (!certificate || !name) throw new PortcullisError('answer_malformed', 'there is no certificate in the answer');
  const digest = digestOf(privateKey);
  return {
    ...{ name: subjectOf(certificate).name, certificate, notAfter: Date.parse(notAfter) },
    algorithm: keyAlgorithms[name].signature,
    sign: (bytes) => sign(digest, bytes, privateKey),
  };
}

/** RFC 6960 appendix A.1.1: base64, percent-encoded; a slash of its own is not the path's, so the path is split before it is decoded. */
function questionIn(url: string): Buffer {
  try {
    return Buffer.from(decodeURIComponent(url.slice(prefix.length + 1)), 'base64');
  } catch {
    return Buffer.alloc(0);
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  if (request.headers['content-type'] !== questionType)
    throw new PortcullisError('request_malformed', `the content type must be ${questionType}`);
  const body = new GrowingBody(statusRequestBytesMax);
  try {
    for await (const piece of request)
      if (body.add(piece as Buffer))
        throw new PortcullisError('request_too_large', `a question has at most ${statusRequestBytesMax} bytes`);
  } catch (error) {
    if (error instanceof PortcullisError) throw error;
    throw new PortcullisError('request_malformed', 'the request ended before its body', { cause: error });
  }
  return body.end();
}
