import type { IncomingMessage } from 'node:http';
import { type LookUpAnswer, PortcullisError } from '@portcullis/contract';
import { addressGroup, Buckets } from '../bounds/bounds.ts';
import type { System } from '../telemetry/telemetry.ts';
import type { Told } from './answering.ts';
import { pathOf, requireMethod } from './front.ts';
import type { PublicRecord } from './public-record.ts';

interface Parts {
  record: PublicRecord;
  ageMsMax: number;
  system: Pick<System, 'now' | 'monotonic'>;
}

/** Of one address: whoever guesses names hears soon that he guesses. What is found is never refused. */
const missesMax = 30;
const missesTerms = { burst: missesMax, everyMs: 1_000 };
const prefix = '/v1/subjects/';
/** So long somebody in between may say it again. */
const cached = { 'cache-control': 'public, max-age=1' };

/** What anybody may ask. Whom nothing public is known of and who never was are answered alike, after the same work. */
export class LookUps {
  readonly #parts: Parts;
  readonly #misses: Buckets;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#misses = new Buckets({ ...missesTerms, monotonic: parts.system.monotonic });
  }

  takes(path: string): boolean {
    return path.startsWith(prefix);
  }

  async answer(request: IncomingMessage, from: string): Promise<Told> {
    const path = pathOf(request);
    requireMethod(request, `${prefix}ID`, 'GET');
    const found = this.#find(path.slice(prefix.length));
    if (found)
      return { status: 200, headers: { ...cached, 'content-type': 'application/json' }, body: JSON.stringify(found) };
    if (!this.#misses.take(addressGroup(from)))
      throw new PortcullisError('rate_limited', 'too many look-ups from this address found nothing; wait a moment');
    throw new PortcullisError('subject_unknown', 'nothing is public of such a subject');
  }

  /** @throws {PortcullisError} `look_ups_stale` */
  #find(id: string): LookUpAnswer | undefined {
    const { record, ageMsMax, system } = this.#parts;
    const { state } = record;
    if (!state || state.ageMs > ageMsMax)
      throw new PortcullisError('look_ups_stale', 'the desk has not heard from the authority for too long; try again');
    const known = record.find(id);
    // What else is known of it is for those alone who know its code.
    if (!known || Object.keys(known.attributes).length === 0) return undefined;
    const { subject, kind, attributes, validUntil } = known;
    const hasValidCertificate = validUntil !== null && Date.parse(validUntil) > system.now();
    const { revision, time: asOf } = state;
    return { subject, kind, attributes, hasValidCertificate, revision, asOf };
  }
}
