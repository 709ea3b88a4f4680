import { PortcullisError, publicAnswerType, readPublicCode } from '@portcullis/contract';
import { addressGroup, Buckets } from '../bounds/bounds.ts';
import { type Answer, Answers } from './answers.ts';
import { codeHash } from './code-hash.ts';
import { notice } from './page.ts';
import { pageHeaders } from './page-frame.ts';
import { languageOf } from './page-words.ts';
import type { Asked, PublicationParts, Reply, Signing } from './promises.ts';

/** Wrong codes of one address. What a right one leads to is never refused for them: a clinic is many behind one address. */
const missesMax = 30;
const missesTerms = { burst: missesMax, everyMs: 1_000 };

const forms = /^\/(v|v1\/public)\/([0-9A-Za-z-]{1,64})(\.p7s)?$/;
const jwsMediaType = `application/${publicAnswerType}`;

/** A code is a capability: it is sent on to nobody, kept by nobody in between, and found by no search. */
const always = {
  'cache-control': 'private, no-cache',
  'referrer-policy': 'no-referrer',
  'x-robots-tag': 'noindex, nofollow',
  'x-content-type-options': 'nosniff',
} as const;

interface Form {
  tag: string;
  headers: Record<string, string>;
  body(): Buffer;
}

/** Codes to answers: the page of `/v/CODE`, and what is signed of `/v1/public/CODE`. */
export class Publication {
  readonly #parts: PublicationParts;
  readonly #answers: Answers;
  readonly #misses: Buckets;

  constructor(parts: PublicationParts) {
    this.#parts = parts;
    this.#answers = new Answers(parts);
    this.#misses = new Buckets({ ...missesTerms, monotonic: parts.monotonic });
  }

  takes(path: string): boolean {
    return path.startsWith('/v/') || path.startsWith('/v1/public/');
  }

  /** @throws {PortcullisError} `look_ups_stale`, `rate_limited`, `subject_unknown`; of a page these are pages */
  answer(asked: Asked): Reply {
    if (!asked.path.startsWith('/v/')) return this.#answer(asked);
    try {
      return this.#answer(asked);
    } catch (error) {
      return failurePage(error, asked);
    }
  }

  #answer(asked: Asked): Reply {
    const [, kind, word = '', cms] = forms.exec(asked.path) ?? [];
    if (kind === 'v' && cms !== undefined) throw unknown();
    const code = readPublicCode(word);
    const answer = this.#find(code === undefined ? undefined : codeHash(code), asked.from);
    const form = kind === 'v' ? pageOf(answer, asked, code ?? '') : signedOf(answer, asked, cms !== undefined);
    const headers = { ...always, etag: form.tag, ...form.headers };
    if (isHeld(form.tag, asked.ifNoneMatch)) return { status: 304, headers, body: Buffer.alloc(0) };
    return { status: 200, headers, body: form.body() };
  }

  /** A wrong code is looked for as a right one is, and counted only then. */
  #find(hash: string | undefined, from: string): Answer {
    const { source, ageMsMax } = this.#parts;
    const { state } = source;
    if (!state || state.ageMs > ageMsMax)
      throw new PortcullisError('look_ups_stale', 'the desk has not heard from the authority for too long; try again');
    const subject = hash === undefined ? undefined : source.findByCode(hash);
    if (subject) return this.#answers.of(subject, state, this.#signing());
    if (!this.#misses.take(addressGroup(from)))
      throw new PortcullisError('rate_limited', 'too many wrong codes came from this address; wait a moment');
    throw unknown();
  }

  #signing(): Signing {
    const signing = this.#parts.signing();
    if (signing) return signing;
    throw new PortcullisError('look_ups_stale', 'the desk has no certificate to sign with yet; try again');
  }
}

const unknown = () => new PortcullisError('subject_unknown', 'nothing is public by such a code');

function pageOf(answer: Answer, { acceptLanguage }: Asked, code: string): Form {
  const language = languageOf(acceptLanguage);
  const headers = { ...pageHeaders, 'content-language': language, vary: 'accept-language' };
  return { tag: `"${answer.tag}-${language}"`, headers, body: () => answer.page(language, code) };
}

function signedOf(answer: Answer, { accept = '' }: Asked, cms: boolean): Form {
  if (cms) {
    const headers = { 'content-type': 'application/pkcs7-mime; smime-type=signed-data; name="answer.p7s"' };
    return { tag: `"${answer.tag}-cms"`, headers, body: () => answer.cms };
  }
  const vary = { vary: 'accept' };
  const wanted = accept
    .slice(0, 512)
    .toLowerCase()
    .split(',')
    .map((range) => range.split(';')[0]?.trim());
  if (wanted.includes(jwsMediaType) || wanted.includes('application/jwt'))
    return { tag: `"${answer.tag}-jws"`, headers: { ...vary, 'content-type': jwsMediaType }, body: () => answer.jws };
  return { tag: `"${answer.tag}"`, headers: { ...vary, 'content-type': 'application/json' }, body: () => answer.json };
}

/** RFC 9110 §13.1.2: compared weakly. */
function isHeld(tag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch
    .slice(0, 1_024)
    .split(',')
    .map((one) => one.trim().replace(/^W\//, ''));
  return tags.includes(tag) || tags.includes('*');
}

const notices = {
  subject_unknown: { status: 404, which: 'unknown' },
  rate_limited: { status: 429, which: 'often' },
  look_ups_stale: { status: 503, which: 'stale' },
} as const;

function failurePage(error: unknown, { acceptLanguage }: Asked): Reply {
  const code = error instanceof PortcullisError ? error.code : 'internal';
  if (!(code in notices)) throw error;
  const { status, which } = notices[code as keyof typeof notices];
  const language = languageOf(acceptLanguage);
  const headers = { ...always, ...pageHeaders, 'cache-control': 'no-store', 'content-language': language };
  const retry = status === 404 ? {} : { 'retry-after': '1' };
  return { status, headers: { ...headers, ...retry }, body: Buffer.from(notice(language, which)) };
}
