/** A replica that a test feeds, and what a gate decides from it. */
import { createHash } from 'node:crypto';
import type { AttributeValue, FeedMessage, Fingerprint, Kind, Standing } from '@portcullis/contract';
import { FleetName } from '@portcullis/contract';
import type { Ground } from '../src/gate/admission/admit.ts';
import { compilePolicy, type StreamConfig } from '../src/gate/policy/policy.ts';
import { Recording } from '../src/gate/recording/recording.ts';
import { Lease, Replica } from '../src/replica/replica.ts';
import type { SinkRequest } from '../src/storage/sink.ts';

type Change = Extract<FeedMessage, { type: 'change' }>;
export type Delta = {
  subject: string;
  kind?: Kind;
  attributes?: Record<string, { value: AttributeValue | null; public?: boolean }>;
  certificates?: { fingerprint: string; standing?: Standing; notBefore?: number; notAfter?: number }[];
};

export const fingerprintNamed = (name: string) => createHash('sha256').update(name).digest('hex') as Fingerprint;
const hashOf = (revision: number) => createHash('sha256').update(`revision ${revision}`).digest('hex');
const at = (milliseconds: number) => new Date(milliseconds).toISOString();

/** The authority's side of a feed: it numbers what a test changes. */
export class FedReplica {
  readonly replica = new Replica();
  readonly clock = { now: Date.now() };

  constructor() {
    const head = { revision: 0, hash: hashOf(0) };
    this.replica.receive({ type: 'snapshot', fleet: FleetName.parse('test-fleet'), ...head });
    this.replica.receive({ type: 'complete', ...head });
  }

  /** Resolves to the rows that were touched. */
  change(deltas: Delta[], actor = 'operator-1'): readonly number[] {
    const revision = this.replica.revision + 1;
    const subjects = deltas.map(({ kind = 'device', attributes = {}, certificates = [], ...delta }) => ({
      ...delta,
      kind,
      attributes: Object.fromEntries(
        Object.entries(attributes).map(([name, { value, public: isPublic = false }]) => [
          name,
          { value, public: isPublic },
        ]),
      ),
      certificates: certificates.map(({ standing = 'valid', notBefore, notAfter, fingerprint }) => ({
        ...{ fingerprint, standing },
        notBefore: at(notBefore ?? this.clock.now - 3_600_000),
        notAfter: at(notAfter ?? this.clock.now + 86_400_000),
      })),
    })) as unknown as Change['subjects'];
    const message: Change = {
      type: 'change',
      revision,
      hash: hashOf(revision),
      previousHash: hashOf(revision - 1),
      at: at(this.clock.now),
      actor,
      subjects,
    };
    return this.replica.receive(message).touched;
  }
}

/** A ground with a lease that holds, over a clock of the test's own. */
export function groundOn({ replica, clock }: FedReplica, streams: Record<string, Partial<StreamConfig>>): Ground {
  const lease = new Lease({ now: () => clock.now, monotonic: () => clock.now });
  lease.granted(lease.sending(), 5_000);
  const full = Object.entries(streams).map(([name, stream]) => [name, { kinds: ['device'], expect: {}, ...stream }]);
  const policy = compilePolicy(Object.fromEntries(full) as Record<string, StreamConfig>, 1);
  const recording = new Recording<SinkRequest>({
    write: (_batch, done) => done(undefined, []),
    mark: (_looked, done) => done(undefined),
    term: () => lease.term(),
    markSoon: () => undefined,
    onOverrun: () => undefined,
    onUnproven: () => undefined,
    lastBatch: 0,
    bounds: { readingsMax: 100, bytesMax: 100_000 },
  });
  const time = () => clock.now;
  return { replica, lease, policy, recording, validityTime: time, presentTime: time };
}
