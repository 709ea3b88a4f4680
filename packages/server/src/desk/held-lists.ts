import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type IssuerList, PortcullisError, RevocationLists } from '@portcullis/contract';
import { type Link, parseAnswer, problemOf, Spare, without } from '@portcullis/device';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { Told } from './answering.ts';
import { pathOf } from './front.ts';
import type { Position } from './position.ts';

interface Parts {
  authority: string;
  link(): Link;
  position: Position;
  system: Pick<System, 'monotonic'>;
  log: Log;
}

interface Kept {
  body: Buffer;
  type: string;
  etag: string;
  /** Milliseconds since 1970; undefined: it never changes. */
  since: number | undefined;
}

const askEveryMs = 2_000;
/** So long a cache may give a list without asking: a revocation reaches whoever loads lists no later. */
const maxAgeSeconds = 300;
const [listType, certificateType] = ['application/pkix-crl', 'application/pkix-cert'];

/** Lists and issuers' certificates, as the authority made them, for anybody: from memory. */
export class HeldLists {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  /** What an authority of an earlier version does not know. */
  readonly #spare = new Spare('after', 'hash', 'number');
  #byPath: ReadonlyMap<string, Kept> = new Map();
  #mark: string | undefined;
  #nextUpdate: string | null = null;
  #heardAt: number | undefined;
  #said = '';

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Until it is stopped. */
  async keep(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#ask().then(
        () => {
          this.#said = '';
        },
        (error: Error) => {
          // Whoever answers next may be of another version.
          this.#spare.forget();
          if (error.message !== this.#said && !this.#stop.signal.aborted)
            this.#parts.log.info({ err: error }, 'the authority gave no lists of revoked certificates; asking again');
          this.#said = error.message;
        },
      );
      await pause(askEveryMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => undefined);
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  /** When the first of them ends, and how long ago the authority last said that there are no newer ones; undefined: there are none. */
  get state(): { nextUpdate: string | null; ageMs: number } | undefined {
    if (this.#heardAt === undefined) return undefined;
    return { nextUpdate: this.#nextUpdate, ageMs: Math.round(this.#parts.system.monotonic() - this.#heardAt) };
  }

  async #ask(): Promise<void> {
    const { mark, items } = await this.#spare.ask((lacking) => this.#told(lacking));
    if (items) this.#requireForward(items);
    this.#heardAt = this.#parts.system.monotonic();
    if (!items) return;
    const [first = null] = items.flatMap(({ list }) => list?.nextUpdate ?? []).toSorted();
    this.#nextUpdate = first;
    this.#byPath = new Map(items.flatMap(pathsOf));
    this.#mark = mark;
    this.#parts.position.gaveList(highestOf(items));
  }

  async #told(lacking: ReadonlySet<string>): Promise<RevocationLists> {
    const { authority, link, position } = this.#parts;
    const { listNumber, asked } = position;
    const number = listNumber > 0 ? { number: String(listNumber) } : {};
    const held = this.#mark === undefined ? {} : { held: this.#mark };
    const query = new URLSearchParams({ ...held, ...without({ ...asked, ...number }, lacking) });
    const answer = await link().request({ url: `${authority}/v1/revocation-lists?${query}`, method: 'GET' });
    if (answer.status !== 200) throw problemOf(answer);
    const parsed = RevocationLists.safeParse(parseAnswer(answer));
    if (parsed.success) return parsed.data;
    throw new PortcullisError('answer_malformed', 'what the authority told of lists does not fit its schema');
  }

  /** Numbers never fall (RFC 5280 §5.2.3): an authority that lost the newest was just told of them, and makes others above. */
  #requireForward(items: readonly IssuerList[]): void {
    const { listNumber } = this.#parts.position;
    const highest = highestOf(items);
    if (highest >= listNumber) return;
    const words = `the newest list has the number ${highest}, and one of ${listNumber} was given out`;
    throw new PortcullisError('answer_malformed', words);
  }

  /** @throws {PortcullisError} `route_unknown`, `method_not_allowed`, `request_malformed` */
  async answer(request: IncomingMessage): Promise<Told> {
    const path = pathOf(request);
    const kept = this.#byPath.get(path);
    if (!kept)
      throw new PortcullisError(
        'route_unknown',
        'there are /crl/ISSUER.crl and /ca/ISSUER.cer, of the issuers of this fleet',
      );
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new PortcullisError('method_not_allowed', `${path} takes [GET, HEAD]`, { detail: { allow: 'GET, HEAD' } });
    const { body, type, etag, since } = kept;
    const headers = {
      'content-type': type,
      etag,
      'cache-control': `public, max-age=${maxAgeSeconds}`,
      ...(since !== undefined && { 'last-modified': new Date(since).toUTCString() }),
    };
    return isHeld(request, kept) ? { status: 304, headers, body: '' } : { status: 200, headers, body };
  }
}

/** RFC 9110 §13.2.2: a tag says more than a time. */
function isHeld({ headers }: IncomingMessage, { etag, since }: Kept): boolean {
  const tags = headers['if-none-match'];
  if (tags !== undefined) return tags.split(',').some((tag) => [etag, `W/${etag}`, '*'].includes(tag.trim()));
  const time = Date.parse(headers['if-modified-since'] ?? '');
  return since !== undefined && time >= Math.floor(since / 1_000) * 1_000;
}

/** Of those of issuers that are no root: these count together. */
const highestOf = (items: readonly IssuerList[]) =>
  Math.max(0, ...items.map(({ role, list }) => (role === 'root' ? 0 : (list?.number ?? 0))));

function pathsOf({ issuer, certificate, list }: IssuerList): [string, Kept][] {
  const own: [string, Kept] = [`/ca/${issuer}.cer`, keptOf(certificate, certificateType, undefined)];
  if (!list) return [own];
  return [own, [`/crl/${issuer}.crl`, keptOf(list.der, listType, Date.parse(list.thisUpdate))]];
}

function keptOf(base64: string, type: string, since: number | undefined): Kept {
  const body = Buffer.from(base64, 'base64');
  return { body, type, since, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}
