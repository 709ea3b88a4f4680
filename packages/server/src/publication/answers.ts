import { createHash } from 'node:crypto';
import type { PublicAnswer, PublicState, PublicSubject } from '@portcullis/contract';
import { signedCms } from './cms.ts';
import { signedJws } from './jws.ts';
import { page } from './page.ts';
import type { Language } from './page-words.ts';
import type { PublicationParts, PublicSource, Signing } from './promises.ts';
import { Recent } from './recent.ts';

/** How long an answer is to be taken for how things are (`exp`). */
const goodForSeconds = 300;
const minuteMs = 60_000;
const bytesMax = 64 * 1024 * 1024;

type State = NonNullable<PublicSource['state']>;
type Parts = Pick<PublicationParts, 'issuerOf'>;
/** What a form of an answer takes, once it is made. */
type OnMade = (answer: Answer, bytes: number) => void;

/** One answer in its forms, each made when somebody asks for it. */
export class Answer {
  readonly subject: PublicSubject;
  readonly claims: PublicAnswer;
  readonly payload: string;
  readonly tag: string;
  readonly #signing: Signing;
  readonly #onMade: OnMade;
  readonly #made = new Map<string, Buffer>();

  constructor(subject: PublicSubject, claims: PublicAnswer, signing: Signing, onMade: OnMade) {
    this.subject = subject;
    this.claims = claims;
    this.payload = JSON.stringify(claims);
    this.tag = createHash('sha256').update(this.payload).digest('base64url').slice(0, 22);
    this.#signing = signing;
    this.#onMade = onMade;
  }

  get jws(): Buffer {
    return this.#once('jws', () => Buffer.from(signedJws(this.payload, this.#signing)));
  }

  get json(): Buffer {
    return this.#once('json', () => Buffer.from(`{"answer":${this.payload},"jws":"${this.jws.toString('latin1')}"}\n`));
  }

  get cms(): Buffer {
    return this.#once('cms', () => signedCms(Buffer.from(this.payload), this.claims.iat * 1_000, this.#signing));
  }

  page(language: Language, code: string): Buffer {
    return this.#once(language, () => Buffer.from(page(this.claims, { language, code })));
  }

  #once(form: string, make: () => Buffer): Buffer {
    const known = this.#made.get(form);
    if (known) return known;
    const made = make();
    this.#made.set(form, made);
    this.#onMade(this, made.length);
    return made;
  }
}

/**
 * Answers, each made once a minute for each state of its subject: `asOf` is then up to a minute old, and nothing of the subject has changed
 * since. Times are the authority's, carried by a clock that nobody sets.
 */
export class Answers {
  readonly #parts: Parts;
  readonly #recent = new Recent<Answer>(bytesMax);
  #minute = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get bytes(): number {
    return this.#recent.bytes;
  }

  of(subject: PublicSubject, state: State, signing: Signing): Answer {
    const now = Date.parse(state.time) + state.ageMs;
    const minute = Math.floor(now / minuteMs);
    if (minute !== this.#minute) this.#recent.clear();
    this.#minute = minute;
    const known = this.#recent.get(subject.subject);
    // What changed is another object.
    if (known?.subject === subject) return known;
    const onMade = (answer: Answer, bytes: number) => this.#recent.grow(subject.subject, answer, bytes);
    const made = new Answer(
      subject,
      claimsOf(subject, { state, now, fleet: signing.fleet, issuerOf: this.#parts.issuerOf }),
      signing,
      onMade,
    );
    this.#recent.put(subject.subject, made, 2 * made.payload.length);
    return made;
  }
}

interface Basis extends Pick<Parts, 'issuerOf'> {
  state: State;
  now: number;
  fleet: Signing['fleet'];
}

export function claimsOf(subject: PublicSubject, { state, now, fleet, issuerOf }: Basis): PublicAnswer {
  const iat = Math.floor(now / 1_000);
  return {
    ...{ iss: fleet, sub: subject.subject, iat, exp: iat + goodForSeconds, kind: subject.kind },
    ...{ state: stateOf(subject), asOf: state.time as PublicAnswer['asOf'], revision: state.revision },
    certificate: certificateOf(subject, issuerOf),
    attributes: subject.attributes,
    journey: subject.journey ?? null,
  };
}

function certificateOf({ certificate }: PublicSubject, issuerOf: Parts['issuerOf']): PublicAnswer['certificate'] {
  if (!certificate) return null;
  const { certificate: leaf, issuer, ...told } = certificate;
  const issuedBy = issuer === null ? undefined : issuerOf(issuer)?.toString('base64');
  return { ...told, chain: issuedBy === undefined ? [leaf] : [leaf, issuedBy] };
}

/** Who is cut is stopped, wherever its journey has come to. */
function stateOf({ certificate, journey }: PublicSubject): PublicState {
  const isCut = certificate?.standing === 'suspended' || certificate?.standing === 'revoked';
  if (isCut || journey?.state === 'stopped') return 'stopped';
  if (journey?.state === 'delivered') return 'accepted';
  if (journey?.state === 'returned') return 'returned';
  return journey ? 'on_its_way' : 'known';
}
