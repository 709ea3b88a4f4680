import { Buckets } from '../../../bounds/bounds.ts';
import {
  type Message,
  openRequest,
  protectAnswer,
  type SecurityContext,
  wipe,
  wrapped,
} from '../../../oscore/oscore.ts';
import { type Challenges, challengeBytes } from './challenges.ts';
import { codes } from './codes.ts';

/**
 * The keys of a sensor under an ID context, as the authority derives them; undefined: it has no such key that is valid. Rejects where the
 * authority can not be asked.
 */
export type ContextOf = (keyId: Buffer, idContext: Buffer) => Promise<SecurityContext | undefined>;

export interface OpeningParts {
  contextOf: ContextOf;
  challenges: Challenges;
  monotonic(): number;
}

/**
 * `answer`: it was a first request, and this is the challenge. `security`: it was the second, and this is what both ends go on with, the request
 * itself not opened yet.
 */
export type Opening =
  | { answer: Message }
  | { security: SecurityContext }
  | { refused: 'unknown' | 'not_authentic' | 'unavailable' | 'too_often' };

/** What is waited for at once, and held in memory meanwhile. */
const underWayMax = 256;
/** R1 (RFC 8613 appendix B.2). */
const firstBytes = { min: 8, max: 16 };
/** Nobody can be asked who he is before the authority is asked: so one key is asked for as often as this from one place, */
const perKey = { burst: 8, everyMs: 5_000 };
/** one place asks as often as this, whatever it names, */
const perGroup = { burst: 1_000, everyMs: 10 };
/** and all together as often as this. */
const overall = { burst: 1_000, everyMs: 5 };

/** How a sensor and this gate come to a context (RFC 8613 appendix B.2): what an unknown sender may ask of the authority is bounded here. */
export class Openings {
  readonly #parts: OpeningParts;
  readonly #underWay = new Set<string>();
  readonly #perKey: Buckets;
  readonly #perGroup: Buckets;
  readonly #overall: Buckets;

  constructor(parts: OpeningParts) {
    const { monotonic } = parts;
    this.#parts = parts;
    this.#perKey = new Buckets({ ...perKey, monotonic });
    this.#perGroup = new Buckets({ ...perGroup, monotonic });
    this.#overall = new Buckets({ ...overall, monotonic });
  }

  /** `group`: whose share it is of what strangers may ask. */
  async open(keyId: Buffer, idContext: Buffer, outer: Message, group: string): Promise<Opening> {
    const name = `${keyId.toString('hex')}:${idContext.toString('hex')}`;
    // A repeat of what is being asked for.
    if (this.#underWay.has(name)) return { refused: 'too_often' };
    if (this.#underWay.size >= underWayMax) return { refused: 'unavailable' };
    const isSecond = this.#parts.challenges.isOpen(keyId, idContext);
    if (!this.#mayAsk(keyId.toString('hex'), group, isSecond)) return { refused: 'too_often' };
    this.#underWay.add(name);
    try {
      return await (isSecond ? this.#second(keyId, idContext, outer) : this.#first(keyId, idContext, outer));
    } finally {
      this.#underWay.delete(name);
    }
  }

  /** Who answers a challenge has paid for it: else one that begins anew too soon would come to the first step, and never beyond. */
  #mayAsk(keyId: string, group: string, isSecond: boolean): boolean {
    const key = `${group} ${keyId}`;
    if (!isSecond && !this.#perKey.has(key)) return false;
    if (!this.#perGroup.has(group) || !this.#overall.has('')) return false;
    if (!isSecond) this.#perKey.take(key);
    this.#perGroup.take(group);
    return this.#overall.take('');
  }

  /** Step 2. What the sensor asked is not done: nothing says yet that it is not an old request. */
  async #first(keyId: Buffer, idContext: Buffer, outer: Message): Promise<Opening> {
    if (idContext.length < firstBytes.min || idContext.length > firstBytes.max) return { refused: 'unknown' };
    const { contextOf, challenges } = this.#parts;
    const first = await contextOf(keyId, idContext);
    if (!first) return { refused: 'unknown' };
    const opened = openRequest(first, outer);
    wipe(first);
    if ('refused' in opened) return { refused: 'not_authentic' };
    const challenge = challenges.make(keyId);
    const second = await contextOf(keyId, Buffer.concat([challenge, idContext]));
    if (!second) return { refused: 'unknown' };
    const inner = { code: codes.unauthorized, options: [], payload: Buffer.alloc(0) };
    // Its key was never used and never will be again, so any number is new.
    const answer = protectAnswer(second, opened.piv, inner, { number: 0, kidContext: wrapped(challenge) });
    wipe(second);
    return { answer };
  }

  /** Step 4. Only what opens takes the challenge: who can not protect a request keeps no sensor from doing so. */
  async #second(keyId: Buffer, idContext: Buffer, outer: Message): Promise<Opening> {
    const { contextOf, challenges } = this.#parts;
    const security = await contextOf(keyId, idContext);
    if (!security) return { refused: 'unknown' };
    if (!('refused' in openRequest(security, outer)) && challenges.take(keyId, idContext)) return { security };
    wipe(security);
    return { refused: 'not_authentic' };
  }
}

/** The longest ID context that any step asks the authority for: R2 with R1 or R3 behind it. */
export const idContextBytesMax = challengeBytes + firstBytes.max;
