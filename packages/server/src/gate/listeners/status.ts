import type { GateStatus, StreamName, SubjectId } from '@portcullis/contract';
import type { SpoolState } from '../../storage/sink.ts';
import { timestamp, version } from '../../telemetry/telemetry.ts';
import { type FellowPlace, Fellows } from './http/fellows.ts';
import { gateFigures, type MetricsParts } from './metrics.ts';

export interface GateStatusParts extends MetricsParts {
  gate: SubjectId;
  instance: string;
  unproven(): number;
  storesNothing(): { since: number; why: string } | undefined;
  /** Handshakes that ended well, by how their keys were agreed on. */
  handshakes(): Iterable<[string, number]>;
}

/** How a gate stands, as it tells operators: the same figures as for Prometheus, and its disk and certificate. */
export function gateStatus(parts: GateStatusParts): () => Promise<GateStatus> {
  const startedAt = timestamp(parts.now());
  return async () => {
    const { gate, instance, ground, connections, verdicts, policies } = parts;
    const { replica, lease, policy } = ground;
    const { admitted, refused } = verdicts.counters;
    const stopped = parts.storesNothing();
    return {
      ...{ gate, instance, version, startedAt, time: timestamp(parts.now()) },
      leaseEndsInMs: Math.round(lease.remainingMs()),
      ...{ revision: replica.revision, lag: Math.max(0, replica.headRevision - replica.revision) },
      ...{
        policy: policy.number,
        policyRefused: policies.refused,
        streams: [...policy.streams.keys()] as StreamName[],
      },
      ...{ connections: connections.size, admitted, refused },
      transports: Object.fromEntries(parts.inUse().map(({ transport, connections: open }) => [transport, open])),
      handshakes: Object.fromEntries(parts.handshakes()),
      ...{ overruns: parts.overruns(), unproven: parts.unproven(), pruneWaiting: parts.pruneWaiting() },
      clockAheadMs: parts.clockAheadMs(),
      certificateEnds: parts.certificateEnds(),
      disk: await parts.diskSpace(),
      ...(stopped && { storesNothingSince: timestamp(stopped.since), storesNothingBecause: stopped.why }),
      ...(parts.spool && { spool: spoolShown(parts.spool()) }),
    };
  };
}

const spoolShown = ({ oldest, named: _, ...spool }: SpoolState) => ({
  ...spool,
  oldest: oldest === null ? null : timestamp(oldest),
});

/** What is told of a gate; where it runs as several processes, with the figures of all of them. */
export function shownOf(told: GateStatusParts, worker: FellowPlace | undefined) {
  const metrics = gateFigures(told);
  const fellows = worker && new Fellows(worker);
  return { metrics, fellows, figures: fellows?.figuresOf(metrics) ?? metrics, status: gateStatus(told) };
}
