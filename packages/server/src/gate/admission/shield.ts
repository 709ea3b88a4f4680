import type { Problem } from '@portcullis/contract';
import type { Bearer } from '../connections/bearer.ts';
import type { Policy } from '../policy/policy.ts';
import { type Ground, isAdmissible, type Refused } from './admit.ts';

/** Why somebody may not send, whatever it would be. */
export interface Refusal {
  readonly refused: Refused;
  /** Nothing else admits its sender either. */
  readonly nowhere: boolean;
  /** What its sender is told, once that was made. */
  told?: Problem;
  /** When it may be worth asking again; undefined where that is not for the sender to wait for. */
  retryAfterSeconds?: number;
}

/** By what a decision was made. While all of it is as it was, so is the decision. */
interface Basis {
  readonly policy: Policy;
  readonly generation: number;
  /** The one that touched its subject last: attributes, standing, dates. */
  readonly revision: number;
}

interface Kept extends Basis {
  readonly way: string;
  readonly refusal: Refusal & { retryAfterSeconds: number };
  /** By the monotonic clock: until then it was told to stay away. */
  early: number;
}

interface Parts {
  ground: Ground;
  monotonic(): number;
}

const [firstSeconds, longestSeconds] = [1, 30];
/** Of so many certificates; the one that was refused longest ago is forgotten first, and judged anew when it comes. */
const keptMax = 10_000;

/**
 * Who is refused and comes again and again is answered by the decision that was made, for as long as all of it stands on what it stood on: the
 * policy, every revision that touched the subject, the snapshot, a lease, the validity of the certificate. Nothing has to be cleared in time, since
 * each of these is compared before it counts. Only what no reading could change is kept: nothing of what was sent was looked at (P4). Who comes
 * sooner than he was told is told to stay away for twice as long.
 */
export class Shield {
  readonly #parts: Parts;
  readonly #kept = new Map<string, Kept>();
  #repeated = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Refusals that were given again without being judged anew, since the start. */
  get repeated(): number {
    return this.#repeated;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** `judge`: without any reading, for this `way` in. Undefined: admitted so far. */
  refusalOf(bearer: Bearer, way: string, judge: () => Refused | undefined): Refusal | undefined {
    const known = this.#known(bearer);
    if (known?.way === way) return this.#again(bearer, known);
    const refused = judge();
    if (!refused) return undefined;
    const refusal = { refused, nowhere: !isAdmissible(bearer, this.#parts.ground) };
    return this.#isLasting(bearer) ? this.#keep(bearer, way, refusal, known) : refusal;
  }

  /** What is still so of one that was refused before; what is not is forgotten. */
  #known(bearer: Bearer): Kept | undefined {
    const known = this.#kept.size > 0 ? this.#kept.get(bearer.name) : undefined;
    if (!known || !this.#isLasting(bearer)) return undefined;
    if (isSame(known, this.#basisOf(bearer))) return known;
    this.#kept.delete(bearer.name);
    return undefined;
  }

  /** Nothing that time alone could change: there is a lease, and the certificate is one that is valid now. */
  #isLasting(bearer: Bearer): boolean {
    const { ground } = this.#parts;
    const { replica } = ground;
    const row = bearer.rowIn(replica);
    if (row === -1 || !ground.lease.holds()) return false;
    const now = ground.validityTime();
    return now >= replica.notBeforeOf(row) && now <= replica.notAfterOf(row);
  }

  #basisOf(bearer: Bearer): Basis {
    const { replica, policy } = this.#parts.ground;
    return { policy, generation: replica.generation, revision: replica.subjectRevision(bearer.subject) };
  }

  #again(bearer: Bearer, known: Kept): Refusal {
    this.#repeated++;
    return this.#put(bearer, known).refusal;
  }

  #keep(bearer: Bearer, way: string, refusal: Omit<Refusal, 'told'>, before: Kept | undefined): Refusal {
    const retryAfterSeconds = before?.refusal.retryAfterSeconds ?? firstSeconds;
    const early = before?.early ?? Number.NEGATIVE_INFINITY;
    const kept = { ...this.#basisOf(bearer), way, refusal: { ...refusal, retryAfterSeconds }, early };
    return this.#put(bearer, kept).refusal;
  }

  /** It was refused just now. */
  #put({ name }: Bearer, kept: Kept): Kept {
    const now = this.#parts.monotonic();
    const { refusal } = kept;
    if (now < kept.early) refusal.retryAfterSeconds = Math.min(longestSeconds, 2 * refusal.retryAfterSeconds);
    kept.early = now + refusal.retryAfterSeconds * 1_000;
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    if (this.#kept.size > keptMax) this.#kept.delete(this.#kept.keys().next().value as string);
    return kept;
  }
}

function isSame(one: Basis, other: Basis): boolean {
  const { policy, generation, revision } = other;
  return one.policy === policy && one.generation === generation && one.revision === revision;
}
