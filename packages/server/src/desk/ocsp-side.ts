import type { IncomingMessage } from 'node:http';
import { OcspCertificates, StandingsMessage } from '@portcullis/contract';
import { exchange, type Link } from '@portcullis/device';
import { boundedBody } from '../bounds/bounds.ts';
import { KnownStandings, Responder, type StatusAnswered } from '../ocsp/ocsp.ts';
import { statusRequestBytesMax } from '../pki/pki.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { Told } from './answering.ts';
import { follow } from './following.ts';
import { requireMethod, requireType } from './front.ts';
import { OcspDelegates } from './ocsp-delegates.ts';
import type { Position } from './position.ts';

interface Parts {
  authority: string;
  subject: string;
  link(): Link;
  makeKey(): string;
  position: Position;
  /** So long after the authority's last word nothing is said any more. */
  ageMsMax: number;
  /** What is known is of a newer revision now. */
  onRevision(): void;
  system: Pick<System, 'now' | 'monotonic'>;
  log: Log;
}

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
  readonly #delegates: OcspDelegates;

  constructor(parts: Parts) {
    const { system, ageMsMax, authority, link } = parts;
    this.#parts = parts;
    this.#known = new KnownStandings({
      system,
      onChange: (place) => {
        this.#responder.forget(place);
        if (!place) this.#delegates.hear(this.#known.issuers);
      },
    });
    this.#delegates = new OcspDelegates({
      ...parts,
      ask: (request) => exchange(link(), `${authority}/v1/ocsp-certificates`, { request }, OcspCertificates),
      onChange: () => this.#responder.forget(),
    });
    const delegateOf = (issuer: string) => this.#delegates.of(issuer);
    this.#responder = new Responder({ known: this.#known, delegateOf, ageMsMax, system });
  }

  /** Until it is stopped. */
  keep(): void {
    const { authority, link, position, log } = this.#parts;
    const url = `${authority}/v1/desk/standings`;
    const record = {
      hear: (message: StandingsMessage) => this.#hear(message),
      brokeOff: () => this.#known.brokeOff(),
      distrust: () => this.#known.distrust(),
    };
    const followed = { url, position, shape: StandingsMessage, record, link, log };
    void follow(followed, this.#stop.signal);
    void this.#delegates.keep(this.#stop.signal);
  }

  stop(): void {
    this.#stop.abort();
  }

  #hear(message: StandingsMessage): void {
    const before = this.#known.state?.revision;
    this.#known.hear(message);
    if (message.type === 'beat' && message.revision !== before) this.#parts.onRevision();
  }

  /** What is known, undefined: nothing yet, or nothing that the authority goes on from; and what was said since the start. */
  get state() {
    return { standings: this.#known.isDistrusted ? undefined : this.#known.state, answers: this.#responder.counts };
  }

  takes({ url = '' }: IncomingMessage): boolean {
    return url === prefix || url.startsWith(`${prefix}/`) || url.startsWith(`${prefix}?`);
  }

  /** @throws {PortcullisError} `method_not_allowed`, `media_type_unsupported`, `request_too_large`, `request_malformed` */
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

/** RFC 6960 appendix A.1.1: base64, percent-encoded; a slash of its own is not the path's, so the path is split before it is decoded. */
function questionIn(url: string): Buffer {
  try {
    return Buffer.from(decodeURIComponent(url.slice(prefix.length + 1)), 'base64');
  } catch {
    return Buffer.alloc(0);
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  requireType(request, questionType);
  return boundedBody(request, statusRequestBytesMax, `a question has at most ${statusRequestBytesMax} bytes`);
}
