/** What the authority's journal holds of one device, and how its feed tells it: a snapshot, or the changes after a revision. */
import { createHash } from 'node:crypto';
import type { FeedMessage, Standing } from '@portcullis/contract';
import { fingerprintNamed } from '../fed-replica.ts';

export const deviceTime = Date.parse('2026-06-01T00:00:00.000Z');
const at = new Date(deviceTime).toISOString();
const validity = { notBefore: '2026-01-01T00:00:00.000Z', notAfter: '2027-01-01T00:00:00.000Z' };
const fingerprint = fingerprintNamed('leaf');
/** Of one that nothing is ever said against. */
const steady = fingerprintNamed('steady');

interface State {
  status: 'active' | 'off';
  standing: Standing;
}

/** A change in parts: what each says of the device, or of another one. */
export interface Bulk {
  id: string;
  status: State['status'];
}
export const bulkParts = 3;
/** Which of them is about the device. */
const ours = 2;

export class History {
  /** After revision r, how the device stands: at r. */
  readonly #states: State[] = [{ status: 'active', standing: 'valid' }];
  readonly #touching: number[] = [];
  readonly #hashes = ['0'.repeat(64)];
  readonly #bulks = new Map<number, Bulk>();

  /** It goes on by itself: what is appended to one is not in the other. */
  fork(): History {
    const fork = new History();
    for (const [one, other] of [
      [this.#states, fork.#states],
      [this.#touching, fork.#touching],
      [this.#hashes, fork.#hashes],
    ] as [unknown[], unknown[]][])
      other.splice(0, other.length, ...one);
    return fork;
  }

  get head(): number {
    return this.#states.length - 1;
  }

  /** True when a device that `revision` forbade is admitted at none of the revisions up to `until`. */
  forbidsFrom(revision: number, until: number): boolean {
    for (let index = revision; index <= until; index++) if (isAdmitted(this.#states[index] as State)) return false;
    return true;
  }

  isAdmitted(revision = this.head): boolean {
    return isAdmitted(this.#states[revision] as State);
  }

  /** Some revision after this one, up to that one, says something of the device. */
  touches(after: number, upTo: number): boolean {
    return this.#touching.some((revision) => revision > after && revision <= upTo);
  }

  commit(bulk: Bulk): void {
    this.append({ status: bulk.status });
    this.#bulks.set(this.head, bulk);
  }

  /** `salt`: what makes it another one than a change that is the same. */
  append(change: Partial<State>, salt = 0): void {
    this.#states.push({ ...(this.#states[this.head] as State), ...change });
    if (Object.keys(change).length > 0) this.#touching.push(this.head);
    const entry = JSON.stringify([this.#hashes.at(-1), this.head, this.#states[this.head], salt]);
    this.#hashes.push(createHash('sha256').update(entry).digest('hex'));
  }

  hashAt(revision: number): string | undefined {
    return this.#hashes[revision];
  }

  /** `undefined`: the gate has nothing in memory. */
  since(revision: number | undefined): FeedMessage[] {
    if (revision === undefined) return this.#snapshot();
    return this.#states.slice(revision + 1).flatMap((_state, index) => this.#told(revision + 1 + index));
  }

  #told(revision: number): FeedMessage[] {
    const bulk = this.#bulks.get(revision);
    return [...(bulk ? partsOf(bulk) : []), this.change(revision)];
  }

  /** The line that makes the revision. */
  change(revision: number): FeedMessage {
    const { status, standing } = this.#states[revision] as State;
    const attributes = { status: { value: status, public: false } };
    const certificates = [{ fingerprint, standing, ...validity }];
    const subjects = [{ subject: 'truck-17', kind: 'device', attributes, certificates }];
    const chained = { revision, hash: this.#hashes[revision], previousHash: this.#hashes[revision - 1] };
    const bulk = this.#bulks.get(revision);
    if (bulk) {
      const draft = { id: bulk.id, parts: bulkParts };
      return { type: 'change', ...chained, at, actor: 'operator-1', subjects: [], draft } as unknown as FeedMessage;
    }
    return { type: 'change', ...chained, at, actor: 'operator-1', subjects } as unknown as FeedMessage;
  }

  #snapshot(): FeedMessage[] {
    const revision = this.head;
    const hash = this.hashAt(revision);
    const { status, standing } = this.#states[revision] as State;
    const origin = { revision, changedBy: 'operator-1', changedAt: at };
    const attributes = { status: { value: status, public: false, ...origin } };
    const certificates = [{ fingerprint, standing, ...validity, ...origin }];
    const active = { status: { value: 'active', public: false, ...origin } };
    const other = [{ fingerprint: steady, standing: 'valid', ...validity, ...origin }];
    const subjects = [
      { subject: 'truck-17', kind: 'device', revision, attributes, certificates },
      { subject: 'truck-18', kind: 'device', revision, attributes: active, certificates: other },
    ];
    return [
      { type: 'snapshot', fleet: 'simulated', revision, hash },
      { type: 'subjects', subjects },
      { type: 'complete', revision, hash },
    ] as unknown as FeedMessage[];
  }
}

/** As they travel before its revision. */
export function partsOf({ id, status }: Bulk): FeedMessage[] {
  return Array.from({ length: bulkParts }, (_, index) => {
    const subject = index + 1 === ours ? 'truck-17' : `truck-other-${index}`;
    const subjects = [{ subject, kind: 'device', attributes: { status: { value: status, public: false } } }];
    return { type: 'part', draft: id, number: index + 1, subjects } as unknown as FeedMessage;
  });
}

function isAdmitted({ status, standing }: State): boolean {
  return status === 'active' && standing === 'valid';
}
