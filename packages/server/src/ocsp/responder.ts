import { PortcullisError, reasonNumbers, statusAnswers } from '@portcullis/contract';
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
import type { KnownStanding } from './standing-index.ts';

type StatusSaid = (typeof statusAnswers)[number];

/** What an issuer delegated answering to. */
export type Delegate = StatusSigner & {
  /** When its certificate ends: milliseconds since 1970. */
  notAfter: number;
};

interface Parts {
  known: Pick<KnownStandings, 'issuerOf' | 'fingerprintOf' | 'find' | 'state' | 'isDistrusted'>;
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
  signed = 0;
  /** Of certificates that were asked about, and of questions that were refused. */
  readonly counts = Object.fromEntries(statusAnswers.map((name) => [name, 0])) as Record<StatusSaid, number>;

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
    if (kept) {
      this.counts[kept.standing]++;
      return { body: kept.body, said: kept, shared: true };
    }
    if (known.isDistrusted && !this.#areRevoked(request, issuer)) return this.#refuse('tryLater');
    const delegate = this.#parts.delegateOf(known.fingerprintOf(issuer) ?? '');
    if (!delegate || !this.#signatures.take(addressGroup(from))) return this.#refuse('tryLater');
    return this.#sign(request, { issuer, delegate, ageMs: state.ageMs });
  }

  #areRevoked({ certificates }: StatusRequest, issuer: number): boolean {
    return certificates.every(({ serial }) => this.#parts.known.find({ issuer, serial })?.reason !== undefined);
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
    this.signed++;
    for (const { standing } of found) this.counts[saidOf(standing)]++;
    const [only, ...others] = certificates;
    const shared = !!only && others.length === 0 && !nonce && !extendedRevoke;
    const until = now + Math.min(givenMsMax, (nextUpdate - now) / 4);
    if (shared)
      this.#kept.keep(
        { issuer, serial: Buffer.from(only.serial) },
        { id: Buffer.from(only.der), standing: saidOf(found[0]?.standing), body, ...said, until },
      );
    return { body, said, shared };
  }

  #refuse(why: StatusRefusal): StatusAnswered {
    this.counts[why]++;
    return { body: statusRefusals[why], shared: false };
  }
}

function saidOf(standing: KnownStanding | undefined): 'good' | 'revoked' | 'neverIssued' {
  if (!standing) return 'neverIssued';
  return standing.reason === undefined ? 'good' : 'revoked';
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
