import { hash } from 'node:crypto';
import type { DecideAnswer } from '@portcullis/contract';
import { type Ground, judge, type Refused } from '../../admission/admit.ts';
import { Bearer } from '../../connections/bearer.ts';
import type { Advice } from './advice.ts';
import { Chains } from './chains.ts';
import { shownCertificate } from './shown-certificate.ts';

/** A certificate that was shown, and from when until when its chain holds; undefined: it has none. */
interface Known {
  bearer: Bearer;
  chain: { from: number; until: number } | undefined;
}

/** A certificate costs about 150 µs to read and to verify; of so many it is remembered. */
const knownMax = 10_000;
const nobody: Known = { bearer: new Bearer(undefined), chain: undefined };

/** What a gate says of a certificate that was shown to somebody else: the same steps as for a reading, and no reading (H1). */
export class Decisions {
  readonly #ground: Ground;
  readonly #advice: Pick<Advice, 'count'>;
  #chains: Chains;
  /** By the SHA-256 of what was shown. */
  readonly #known = new Map<string, Known>();

  constructor({ ground, advice, trust }: { ground: Ground; advice: Pick<Advice, 'count'>; trust: string }) {
    this.#ground = ground;
    this.#advice = advice;
    this.#chains = new Chains(trust);
  }

  /** What chained to those of before is looked at anew. */
  trust(trust: string): void {
    this.#chains = new Chains(trust);
    this.#known.clear();
  }

  /** @throws {PortcullisError} `request_malformed` for what is not one certificate */
  decide(shown: string, streamName: string): DecideAnswer {
    const refused = this.#refused(this.#knownAs(shown), streamName);
    const answer: DecideAnswer = refused ? { verdict: 'refused', reason: refused.reason } : { verdict: 'admitted' };
    this.#advice.count(answer);
    return answer;
  }

  #refused({ bearer, chain }: Known, name: string): Refused | undefined {
    const now = this.#ground.presentTime();
    const isRooted = chain !== undefined && now >= chain.from && now <= chain.until;
    if (bearer.name !== '' && !isRooted) return { reason: 'handshake_refused' };
    const stream = this.#ground.policy.streams.get(name);
    const refused = judge({ bearer, stream, data: [] }, this.#ground);
    return refused ?? (stream?.isDecidable === false ? { reason: 'not_decidable' } : undefined);
  }

  #knownAs(shown: string): Known {
    const key = hash('sha256', shown);
    const known = this.#known.get(key) ?? this.#read(shown);
    this.#known.delete(key);
    this.#known.set(key, known);
    if (this.#known.size > knownMax) this.#known.delete(this.#known.keys().next().value as string);
    return known;
  }

  #read(shown: string): Known {
    const certificate = shownCertificate(shown);
    if (!certificate) return nobody;
    const bearer = new Bearer(hash('sha256', certificate.raw, 'buffer'));
    return { bearer, chain: this.#chains.ofLeaf(certificate) };
  }
}
