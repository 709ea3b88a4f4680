import { PortcullisError, reasonNumbers } from '@portcullis/contract';
import { addressGroup, Buckets } from '../bounds/bounds.ts';
import {
  type CertificateId,
  makeStatusAnswer,
  parseStatusRequest,
  type StatusRefusal,
  type StatusRequest,
  type StatusSigner,
  statusRefusals,
} from '../pki/pki.ts';
import type { System } from '../telemetry/telemetry.ts';
import { KeptAnswers } from './kept-answers.ts';
import type { CertificatePlace, KnownStandings } from './known-standings.ts';

/** What an issuer delegated answering to. */
export type Delegate = StatusSigner & {
  /** When its certificate ends: milliseconds since 1970. */
  notAfter: number;
};

interface Parts {
  known: Pick<KnownStandings, 'issuerOf' | 'fingerprintOf' | 'find' | 'state'>;
  /** By the fingerprint of the issuer's certificate; undefined: it delegated nothing yet. */
  delegateOf(issuer: string): Delegate | undefined;
  /** So long after the authority's last word nothing is said any more. */
  ageMsMax: number;
  system: Pick<System, 'now' | 'monotonic'>;
}

export interface StatusAnswered {
  body: Buffer;
  /** Not given: the question was refused. */
  said?: { thisUpdate: number; nextUpdate: number };
  /** The same for all who ask so, and may be kept by whoever is in between. */
  shared: boolean;
}

/** Whoever looks may have a clock that is behind by this: some allow for nothing. */
const backdateMs = 60_000;
/** An answer is given for so long, or for a quarter of how long it holds. */
const givenMsMax = 300_000;
const keptBytesMax = 64 * 1024 * 1024;
/** Of one address: a proxy asks for each handshake that it is in, with a nonce or without. What is kept is not counted. */
const signaturesTerms = { burst: 2_000, everyMs: 1 };
/** What a number that was never issued is told to be since (RFC 6960 §2.2). */
const neverIssued = { at: 0, reason: reasonNumbers.certificateHold } as const;

export class Responder {
  readonly #parts: Parts;
  readonly #kept = new KeptAnswers(keptBytesMax);
  readonly #signatures: Buckets;
  readonly counts = { answered: 0, signed: 0, malformedRequest: 0, internalError: 0, tryLater: 0, unauthorized: 0 };

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#signatures = new Buckets({ ...signaturesTerms, monotonic: parts.system.monotonic });
  }

  /** What was said of it, or of all, is not given any more. */
  forget(place?: CertificatePlace): void {
    if (place) this.#kept.forget(place);
    else this.#kept.clear();
  }

  /** `question`: an OCSPRequest in DER; `from`: the address that asks. */
  answer(question: Buffer, from: string): StatusAnswered {
    const request = requestIn(question);
    if (!request) return this.#refuse('malformedRequest');
    const { known, ageMsMax } = this.#parts;
    const { state } = known;
    if (!state || state.ageMs >= ageMsMax) return this.#refuse('tryLater');
    const issuer = this.#issuerOf(request.certificates);
    if (issuer === undefined) return this.#refuse('unauthorized');
    const kept = this.#keptFor(request, issuer);
    if (kept) return this.#answered({ body: kept.body, said: kept, shared: true });
    const delegate = this.#parts.delegateOf(known.fingerprintOf(issuer) ?? '');
    if (!delegate || !this.#signatures.take(addressGroup(from))) return this.#refuse('tryLater');
    return this.#sign(request, { issuer, delegate, ageMs: state.ageMs });
  }

  /** One issuer's delegate signs for that issuer alone. */
  #issuerOf(certificates: readonly CertificateId[]): number | undefined {
    const [first, ...others] = certificates.map((id) => this.#parts.known.issuerOf(id));
    return others.every((other) => other === first) ? first : undefined;
  }

  #keptFor({ certificates, nonce }: StatusRequest, issuer: number) {
    const [only, ...others] = certificates;
    if (!only || others.length > 0 || nonce) return undefined;
    return this.#kept.find({ issuer, serial: only.serial }, only.der, this.#parts.system.now());
  }

  #sign(
    { certificates, nonce }: StatusRequest,
    { issuer, delegate, ageMs }: { issuer: number; delegate: Delegate; ageMs: number },
  ): StatusAnswered {
    const { known, ageMsMax, system } = this.#parts;
    const now = system.now();
    const heardAt = now - ageMs;
    const found = certificates.map(({ der, serial }) => ({ id: der, standing: known.find({ issuer, serial }) }));
    const extendedRevoke = found.some(({ standing }) => !standing);
    const statuses = found.map(({ id, standing }) => ({ id, revoked: standing ? revokedOf(standing) : neverIssued }));
    const thisUpdate = heardAt - backdateMs;
    const nextUpdate = Math.min(heardAt + ageMsMax, delegate.notAfter);
    const said = { thisUpdate, nextUpdate };
    const body = makeStatusAnswer({ statuses, ...said, producedAt: now, nonce, extendedRevoke }, delegate);
    this.counts.signed++;
    const [only, ...others] = certificates;
    const shared = !!only && others.length === 0 && !nonce && !extendedRevoke;
    const until = now + Math.min(givenMsMax, (nextUpdate - now) / 4);
    if (shared)
      this.#kept.keep(
        { issuer, serial: Buffer.from(only.serial) },
        { id: Buffer.from(only.der), body, ...said, until },
      );
    return this.#answered({ body, said, shared });
  }

  #answered(answer: StatusAnswered): StatusAnswered {
    this.counts.answered++;
    return answer;
  }

  #refuse(why: StatusRefusal): StatusAnswered {
    this.counts[why]++;
    return { body: statusRefusals[why], shared: false };
  }
}

const revokedOf = ({ reason, changedAt }: { reason: number | undefined; changedAt: number }) =>
  reason === undefined ? undefined : { at: changedAt, reason };

function requestIn(question: Buffer): StatusRequest | undefined {
  try {
    return parseStatusRequest(question);
  } catch (error) {
    if (error instanceof PortcullisError) return undefined;
    throw error;
  }
}
