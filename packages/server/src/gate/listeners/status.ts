import type { GateStatus, StreamName, SubjectId } from '@portcullis/contract';
import { timestamp, version } from '../../telemetry/telemetry.ts';
import type { MetricsParts } from './metrics.ts';

export interface GateStatusParts extends MetricsParts {
  gate: SubjectId;
  instance: string;
  unproven(): number;
  /** The end of its own client certificate. */
  certificateEnds(): string;
  now(): number;
}

/** How a gate stands, as it tells operators: the same figures as for Prometheus, and its disk and certificate. */
export function gateStatus(parts: GateStatusParts): () => Promise<GateStatus> {
  const startedAt = timestamp(parts.now());
  return async () => {
    const { gate, instance, ground, connections, verdicts, policies } = parts;
    const { replica, lease, policy } = ground;
    const { admitted, refused } = verdicts.counters;
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
      ...{ overruns: parts.overruns(), unproven: parts.unproven(), pruneWaiting: parts.pruneWaiting() },
      certificateEnds: parts.certificateEnds(),
      disk: await parts.diskSpace(),
    };
  };
}
